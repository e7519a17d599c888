//! What became of one trigger of an instance, such as that of a backfill (spec SM §25.2).

use chrono::{DateTime, Utc};

use crate::{event::Event, graph::Rules, run::Run};

/// The run that a trigger began, as its events left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerStatus {
    /// The run; its `last_event_at` is the time of the last event that it took.
    pub run: Run,
    /// When it was triggered.
    pub triggered_at: DateTime<Utc>,
}

/// Replays the events of an instance, in their order and each with its time and rules, from the trigger of this id up to the
/// next trigger. Events that the graph refuses are left out (SM-106). `None` if no event has the trigger.
///
/// Asked of instances that aren't active: of an active one the world holds the run (SM §25.2).
pub fn trigger_status<'a>(
    events: impl IntoIterator<Item = (&'a Event, DateTime<Utc>, Rules)>,
    trigger_id: &str,
) -> Option<TriggerStatus> {
    let mut found: Option<TriggerStatus> = None;
    for (event, at, rules) in events {
        match (&mut found, event) {
            (Some(_), Event::TriggerExecution { .. }) => break,
            (Some(status), event) => {
                // A refused event leaves the run as it was.
                let _ = status.run.apply(event, at, rules);
            }
            (None, Event::TriggerExecution { trigger, .. }) if trigger.id() == trigger_id => {
                let mut run = Run::new(None, at);
                if run.apply(event, at, rules).is_ok() {
                    found = Some(TriggerStatus { run, triggered_at: at });
                }
            }
            (None, _) => {}
        }
    }
    found
}
