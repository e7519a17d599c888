//! What ends with a workflow whose file is removed, by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use styx_core::{
    event::Trigger,
    id::WorkflowId,
    log::{LogError, LogReader, for_each_row},
    run::State,
    world::{Row, RowKey, RowScope},
};

use super::loader::names;

/// What a removal halts.
#[derive(Debug, Default)]
pub(super) struct Halted {
    /// Backfills that still had partitions to trigger.
    backfills: Vec<String>,
    /// Partitions whose runs wait, for their turn or for another try.
    waiting: Vec<String>,
    /// Partitions whose executions go on, and aren't tried again if they fail.
    going: Vec<String>,
}

impl Halted {
    /// Finds it for workflows that are about to be disabled because no file defines them any more.
    pub(super) fn by(reader: &dyn LogReader, workflows: &[WorkflowId]) -> Result<BTreeMap<WorkflowId, Self>, LogError> {
        let mut all: BTreeMap<WorkflowId, Self> = workflows.iter().map(|id| (id.clone(), Self::default())).collect();
        if all.is_empty() {
            return Ok(all);
        }
        let config = match reader.get(&RowKey::Config)? {
            Some(Row::Config(config)) => Some(config),
            _ => None,
        };
        let runs_on =
            |id: &WorkflowId| config.as_ref().is_some_and(|config| config.executor_for(id).runs_api_workflows);
        // Where workflows without a file run as well, only what the schedule has triggered is halted.
        if !workflows.iter().all(runs_on) {
            for_each_row(reader, &RowScope::Backfills, |key, row| {
                if let (RowKey::Backfill(id), Row::Backfill(backfill)) = (key, row)
                    && backfill.is_open()
                    && !runs_on(&backfill.spec.workflow)
                    && let Some(halted) = all.get_mut(&backfill.spec.workflow)
                {
                    halted.backfills.push(id.to_string());
                }
                Ok(())
            })?;
        }
        for (id, halted) in &mut all {
            let runs_on = runs_on(id);
            let (component, workflow) = (Some(Arc::from(id.component())), Some(Arc::from(id.workflow())));
            for_each_row(reader, &RowScope::Runs { component, workflow }, |key, row| {
                let (RowKey::Run(instance), Row::Run(run)) = (key, row) else { return Ok(()) };
                if runs_on && run.trigger != Some(Trigger::Natural) {
                    return Ok(());
                }
                let kind = if run.state == State::Queued { &mut halted.waiting } else { &mut halted.going };
                kind.push(instance.parameter().to_owned());
                Ok(())
            })?;
        }
        Ok(all)
    }
}

/// What follows in a line about the workflow; empty when nothing is halted.
impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backfills, waiting, going } = self;
        for (what, all) in [
            ("; halted with it are the backfills", backfills),
            ("; halted with it are the waiting partitions", waiting),
            ("; these go on and are not tried again if they fail:", going),
        ] {
            if !all.is_empty() {
                write!(f, "{what} {}", names(all.iter().cloned()))?;
            }
        }
        Ok(())
    }
}
