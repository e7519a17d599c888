//! What the log says happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    event::{Event, Trigger},
    id::Position,
    log::LogReader as _,
    record::{Fact, RunEvent},
};

#[derive(Default)]
pub(crate) struct Truth {
    /// How often each partition was triggered by hand.
    by_hand: BTreeMap<String, u32>,
    /// The natural triggers of each workflow, in the order of the log.
    natural: BTreeMap<String, Vec<DateTime<Utc>>>,
    /// Executions that were submitted, and those that ended with an exit code.
    submitted: BTreeSet<String>,
    exited: BTreeSet<String>,
}

impl Truth {
    pub(crate) fn of(data: &Path) -> Self {
        let log = styx_store::open_read_only(data).expect("the log opens");
        let mut truth = Self::default();
        let mut current = BTreeMap::new();
        let mut from = Position::FIRST;
        loop {
            let records = log.read(from, 1_000).expect("the log reads");
            let Some(last) = records.last() else {
                return truth;
            };
            from = last.position.next();
            for record in records {
                let Fact::Run(instance, RunEvent::Styx { event, .. }) = record.fact else {
                    continue;
                };
                let parameter = instance.parameter().to_owned();
                match event {
                    Event::TriggerExecution { trigger: Trigger::Natural, .. } => {
                        let instant = parameter.parse().expect("an instant");
                        truth.natural.entry(instance.workflow().workflow().to_owned()).or_default().push(instant);
                    }
                    Event::TriggerExecution { .. } => *truth.by_hand.entry(parameter).or_default() += 1,
                    Event::Submit { execution: Some(execution), .. } => {
                        assert!(truth.submitted.insert(execution.to_string()), "{execution} was submitted twice");
                        current.insert(instance, execution.to_string());
                    }
                    Event::Terminate { .. } => {
                        truth.exited.extend(current.remove(&instance));
                    }
                    _ => {}
                }
            }
        }
    }

    pub(crate) fn has_each_once(&self, acknowledged: &[String]) {
        for parameter in acknowledged {
            assert_eq!(self.by_hand.get(parameter), Some(&1), "acknowledged trigger of {parameter}");
        }
    }

    pub(crate) fn has_every_workflow(&self) {
        assert_eq!(self.natural.len(), 60, "every workflow has fired");
    }

    pub(crate) fn has_no_gap_between_instants(&self) {
        assert!(!self.natural.is_empty(), "no workflow has fired");
        for (workflow, instants) in &self.natural {
            for pair in instants.windows(2) {
                assert_eq!(pair[1] - pair[0], TimeDelta::minutes(1), "{workflow} after {}", pair[0]);
            }
        }
    }

    pub(crate) fn agrees_with_what_started(&self, starts: &[String]) {
        let mut seen = BTreeSet::new();
        for execution in starts {
            assert!(seen.insert(execution), "{execution} started twice");
            assert!(self.submitted.contains(execution), "{execution} started and is not in the log");
        }
        for execution in &self.exited {
            assert!(seen.contains(execution), "{execution} ended and never started");
        }
    }
}
