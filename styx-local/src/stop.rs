//! How a job is ended: asked first, then forced.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    family::Family,
    process::{RecentProcesses, send},
};

/// How much longer than the grace a shim may need to see its job end, before it is taken as stuck.
const SHIM_GRACE: Duration = Duration::from_secs(5);

/// When to look again for processes: after a kill for those that were started meanwhile, and for those of a job of which no
/// note tells.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// None was asked for.
    No,
    /// It was asked for, and the job doesn't run yet.
    Asked { since: Instant },
    /// All processes of the job were asked to end.
    Asking { until: Instant },
    /// Those that were left are killed, and whoever comes after them.
    Killing { until: Instant, again: Instant },
    /// The shim was killed too. What is left is found by those who come after it.
    GivenUp,
}

impl Stop {
    /// Asks for it.
    pub(crate) fn ask(&mut self) {
        if *self == Self::No {
            *self = Self::Asked { since: Instant::now() };
        }
    }

    /// Whether it was asked for.
    pub(crate) fn is_asked(self) -> bool {
        self != Self::No
    }

    /// Does what is due, and says when there is more to do.
    pub(crate) fn proceed(
        &mut self,
        family: &Family<'_>,
        shim: &OwnedFd,
        processes: &RecentProcesses,
        grace: Duration,
        now: Instant,
    ) -> io::Result<Option<Instant>> {
        let next = match *self {
            Self::Asked { since } if family.job.is_some() || now >= since + LOOK_AGAIN => {
                if family.ask_to_end(processes)? || family.job.is_some() {
                    Self::Asking { until: now + grace }
                } else if now >= since + grace + SHIM_GRACE {
                    send(shim, Signal::KILL)?;
                    Self::GivenUp
                } else {
                    *self
                }
            }
            Self::Asking { until } if now >= until => {
                family.kill()?;
                Self::Killing { until: now + grace + SHIM_GRACE, again: now + LOOK_AGAIN }
            }
            Self::Killing { until, .. } if now >= until => {
                send(shim, Signal::KILL)?;
                Self::GivenUp
            }
            Self::Killing { until, again } if now >= again => {
                family.kill()?;
                Self::Killing { until, again: now + LOOK_AGAIN }
            }
            same => same,
        };
        *self = next;
        Ok(match next {
            Self::No | Self::GivenUp => None,
            Self::Asked { since } => Some((now + LOOK_AGAIN).min(since + grace + SHIM_GRACE)),
            Self::Asking { until } => Some(until),
            Self::Killing { until, again } => Some(until.min(again)),
        })
    }
}
