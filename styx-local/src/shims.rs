//! The shims of an execution: the one that we have started, and the one that has the claim. Mostly they are the same.

use std::{collections::HashMap, io, os::fd::OwnedFd, path::Path, sync::Arc};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open},
};

use crate::{
    context::Context,
    family::{SHIM_TAG, TAGS, is_run_folder, variable},
    process::{ProcessId, Stat, boot_id, environment, has_ended, reap, send},
};

/// The shims that live, whatever became of their folders. Those of other users aren't seen.
pub(crate) struct Living(HashMap<(Vec<u8>, Vec<u8>), Vec<LivingShim>>);

struct LivingShim {
    process: ProcessId,
    run_folder: Vec<u8>,
}

impl Living {
    pub(crate) fn find() -> io::Result<Self> {
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for stat in Stat::all()?.iter().filter(|stat| !stat.is_zombie && !stat.is_kernel()) {
            let Ok(environment) = environment(stat.id.pid) else { continue };
            let values = [SHIM_TAG, TAGS[0], TAGS[1]].map(|name| variable(&environment, name).map(<[u8]>::to_vec));
            if let [Some(log), Some(execution), Some(run_folder)] = values {
                found.entry((log, execution)).or_default().push(LivingShim { process: stat.id, run_folder });
            }
        }
        Ok(Self(found))
    }

    /// The shim of an execution.
    pub(crate) fn of(&self, log: &str, execution: &str, run_folder: &Path) -> Option<ProcessId> {
        let shims = self.0.get(&(log.into(), execution.into()))?;
        let mut ours = shims.iter().filter(|shim| is_run_folder(&shim.run_folder, execution, run_folder));
        ours.next().map(|shim| shim.process)
    }
}

/// Holds on the shims of an execution.
#[derive(Default)]
pub(crate) struct Shims {
    child: Option<Child>,
    claimant: Claimant,
}

/// A shim that we have started. Whether it gets the claim is another matter.
struct Child {
    pid: i32,
    hold: Arc<OwnedFd>,
    /// How it ended, once it has.
    ended: Option<String>,
}

/// The shim that has the claim.
#[derive(Default)]
enum Claimant {
    #[default]
    Unknown,
    Held(Arc<OwnedFd>),
    Gone,
}

/// How the shim that we have started is.
pub(crate) enum ChildIs<'a> {
    /// We have started none.
    None,
    /// It lives.
    Alive,
    /// It ended in this way.
    Ended(&'a str),
}

impl Shims {
    /// Takes on a shim that was just started.
    pub(crate) fn started(&mut self, context: &Context<'_>, pid: i32) -> io::Result<()> {
        let id = Pid::from_raw(pid).ok_or_else(|| io::Error::from(Errno::SRCH))?;
        let hold = Arc::new(pidfd_open(id, PidfdFlags::empty())?);
        context.watcher.watch(&*hold, context.token)?;
        self.child = Some(Child { pid, hold, ended: None });
        Ok(())
    }

    /// The shim that we have started, as it was when we last looked.
    pub(crate) fn child(&self) -> ChildIs<'_> {
        match &self.child {
            None => ChildIs::None,
            Some(Child { ended: None, .. }) => ChildIs::Alive,
            Some(Child { ended: Some(how), .. }) => ChildIs::Ended(how),
        }
    }

    /// The process of the shim that we have started, if it lives: its number is its own until we wait for it.
    pub(crate) fn living_child(&self) -> io::Result<Option<ProcessId>> {
        match &self.child {
            Some(Child { pid, ended: None, .. }) => ProcessId::of(*pid).map(Some),
            _ => Ok(None),
        }
    }

    /// Looks whether the shim that we have started has ended.
    pub(crate) fn see_child(&mut self) -> io::Result<()> {
        if let Some(child) = &mut self.child
            && child.ended.is_none()
            && has_ended(&child.hold)?
        {
            let status = reap(&child.hold).and_then(|status| {
                let code = status.exit_status().map(|code| format!("exit code {code}"));
                code.or_else(|| status.terminating_signal().map(|signal| format!("signal {signal}")))
            });
            child.ended = Some(status.unwrap_or_else(|| "exit status unknown".into()));
        }
        Ok(())
    }

    /// Ends the shim that we have started, which can't claim any more: it may hang.
    pub(crate) fn kill_child(&self) -> io::Result<()> {
        match &self.child {
            Some(Child { hold, ended: None, .. }) => send(hold, Signal::KILL),
            _ => Ok(()),
        }
    }

    /// A hold on the shim that has the claim, if it still lives.
    pub(crate) fn see_claimant(
        &mut self,
        context: &Context<'_>,
        boot: &str,
        shim: ProcessId,
    ) -> io::Result<Option<Arc<OwnedFd>>> {
        if matches!(self.claimant, Claimant::Unknown) {
            self.claimant = self.find(context, boot, shim)?;
        }
        if let Claimant::Held(hold) = &self.claimant {
            if !has_ended(hold)? {
                return Ok(Some(Arc::clone(hold)));
            }
            // An earlier executor in this process may have started it.
            reap(hold);
            self.claimant = Claimant::Gone;
        }
        Ok(None)
    }

    /// Those that may not have ended yet.
    pub(crate) fn into_holds(self) -> Vec<Arc<OwnedFd>> {
        let child = self.child.filter(|child| child.ended.is_none()).map(|child| child.hold);
        let claimant = match self.claimant {
            Claimant::Held(hold) if child.as_ref().is_none_or(|child| !Arc::ptr_eq(child, &hold)) => Some(hold),
            _ => None,
        };
        child.into_iter().chain(claimant).collect()
    }

    fn find(&self, context: &Context<'_>, boot: &str, shim: ProcessId) -> io::Result<Claimant> {
        if boot_id()? != boot {
            return Ok(Claimant::Gone);
        }
        // Our child holds its number until we wait for it.
        if let Some(Child { pid, hold, ended: None }) = &self.child
            && *pid == shim.pid
            && ProcessId::of(*pid)? == shim
        {
            return Ok(Claimant::Held(Arc::clone(hold)));
        }
        let Some(hold) = shim.open()? else {
            return Ok(Claimant::Gone);
        };
        context.watcher.watch(&hold, context.token)?;
        Ok(Claimant::Held(Arc::new(hold)))
    }
}
