//! When faults stop, every run that isn't held back by the switch ends, the queue drains, and every execution is cleaned up.

use styx_core::run::State;

use super::{Check, End, Invariant};

#[derive(Default)]
pub(super) struct Ends;

impl Invariant for Ends {
    fn name(&self) -> &'static str {
        "ends"
    }

    fn sentence(&self) -> &'static str {
        "once faults stop, every run ends and every execution is cleaned up"
    }

    fn ended(&mut self, end: &End<'_>) -> Check {
        if !end.quiet {
            return Err("it goes on for longer than anything may".to_owned());
        }
        let is_held = |state| end.blocked && state == State::Queued;
        if let Some((id, run)) = end.world.runs().iter().find(|(_, run)| !is_held(run.state)) {
            return Err(format!("{id} is {} since {}", run.state, run.since));
        }
        if let Some((id, execution)) = end.world.executions().iter().next() {
            return Err(format!("{id} of {} is {:?}", execution.instance, execution.phase));
        }
        if !end.outside_quiet {
            return Err("something runs outside".to_owned());
        }
        Ok(())
    }
}
