//! How a job is ended: asked first, then forced.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process_group},
};

use super::{family::Family, process::send};

/// How much longer than the grace a shim may need to see its job end, before it is taken as stuck.
const SHIM_GRACE: Duration = Duration::from_secs(5);

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// None was asked for.
    No,
    /// It was asked for, and the job doesn't run yet.
    Asked { since: Instant },
    /// The job was asked to end.
    Asking { until: Instant },
    /// The job was killed.
    Killing { until: Instant },
    /// The shim was killed too. What is left is found by those who come after it.
    GivenUp,
}

impl Stop {
    /// Asks for it.
    pub(super) fn ask(&mut self) {
        if *self == Self::No {
            *self = Self::Asked { since: Instant::now() };
        }
    }

    /// Whether it was asked for.
    pub(super) fn is_asked(self) -> bool {
        self != Self::No
    }

    /// Does what is due, and says when there is more to do.
    pub(super) fn proceed(
        &mut self,
        family: &Family<'_>,
        shim: &OwnedFd,
        grace: Duration,
        now: Instant,
    ) -> io::Result<Option<Instant>> {
        let next = match *self {
            Self::Asked { .. } if family.job.is_some() => {
                signal_job(family, Signal::TERM)?;
                Self::Asking { until: now + grace }
            }
            Self::Asking { until } if now >= until => {
                signal_job(family, Signal::KILL)?;
                Self::Killing { until: now + grace + SHIM_GRACE }
            }
            Self::Killing { until } if now >= until => {
                send(shim, Signal::KILL)?;
                Self::GivenUp
            }
            Self::Asked { since } if now >= since + grace + SHIM_GRACE => {
                send(shim, Signal::KILL)?;
                Self::GivenUp
            }
            same => same,
        };
        *self = next;
        Ok(match next {
            Self::No | Self::GivenUp => None,
            Self::Asked { since } => Some(since + grace + SHIM_GRACE),
            Self::Asking { until } | Self::Killing { until } => Some(until),
        })
    }
}

/// Signals the job's process group, which its leader, if it is still there, holds the number of; otherwise each process
/// of the execution.
fn signal_job(family: &Family<'_>, signal: Signal) -> io::Result<()> {
    let Some(job) = family.job else {
        return Ok(());
    };
    match (job.process.open()?, Pid::from_raw(job.process.pid)) {
        (Some(_), Some(group)) => match kill_process_group(group, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        },
        _ => family.signal(signal).map(drop),
    }
}
