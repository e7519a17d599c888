//! Which executions live, told from the records alone.

use std::collections::BTreeMap;

use styx_core::{
    event::Event,
    id::{ExecutionId, InstanceId},
    record::{ExecutionEvent, Fact, Record, RunEvent},
};

/// Executions that were submitted and haven't ended.
#[derive(Default)]
pub(super) struct Lives {
    pub(super) living: BTreeMap<ExecutionId, InstanceId>,
    of: BTreeMap<InstanceId, ExecutionId>,
}

impl Lives {
    /// Follows a record; says whether it began an execution.
    pub(super) fn record(&mut self, record: &Record) -> bool {
        match &record.fact {
            Fact::Run(instance, RunEvent::Styx { event, .. }) => match event {
                Event::Submit { execution: Some(execution), .. } => {
                    self.living.insert(execution.clone(), instance.clone());
                    self.of.insert(instance.clone(), execution.clone());
                    return true;
                }
                Event::Terminate { .. } => {
                    if let Some(execution) = self.of.get(instance) {
                        self.living.remove(execution);
                    }
                }
                _ => {}
            },
            Fact::Execution(execution, ExecutionEvent::Ended(_)) => {
                self.living.remove(execution);
            }
            _ => {}
        }
        false
    }
}
