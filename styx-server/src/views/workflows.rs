//! Workflows: from a configuration to a record, and from a row to what clients see.

use chrono::{DateTime, Utc};
use serde_json::Value;
use styx_client::{OverdueInstants, OwedSchedule, ScheduleState, WorkflowOwes, WorkflowState, json};
use styx_core::{
    decide::first_cursor,
    id::WorkflowId,
    schedule::Instants,
    world::{Owed, Workflow},
};

/// A Workflow (spec 3). The stored JSON is the wire's form already, so it goes out as it is.
pub(crate) fn workflow(id: &WorkflowId, stored_json: &str) -> String {
    let (component, workflow) = (Value::from(id.component()), Value::from(id.workflow()));
    format!(r#"{{"component_id":{component},"workflow_id":{workflow},"configuration":{stored_json}}}"#)
}

/// A WorkflowWithState (spec 3).
pub(crate) fn with_state(id: &WorkflowId, stored_json: &str, row: &Workflow, now: DateTime<Utc>) -> String {
    let state = json::to_string(&state(row, now)).unwrap_or_else(|_| "null".to_owned());
    format!(r#"{{"workflow":{},"state":{state}}}"#, workflow(id, stored_json))
}

/// A WorkflowState (spec 3). The cursor of a disabled workflow stands still in the log; shown is the first that would
/// fire if it were enabled now.
pub(crate) fn state(row: &Workflow, now: DateTime<Utc>) -> WorkflowState {
    let stands_still = !row.enabled && row.cursor.is_none_or(|cursor| cursor.fires_at <= now);
    let cursor = if stands_still { first_cursor(&row.spec, now).ok().or(row.cursor) } else { row.cursor };
    WorkflowState {
        enabled: Some(row.enabled),
        next_natural_trigger: cursor.map(|cursor| cursor.instant),
        next_natural_offset_trigger: cursor.map(|cursor| cursor.fires_at),
    }
}

/// What [`state`] shows, and what comes before the next trigger.
pub(crate) fn schedule_state(row: &Workflow, now: DateTime<Utc>) -> ScheduleState {
    let WorkflowState { next_natural_trigger, next_natural_offset_trigger, .. } = state(row, now);
    let overdue = row.overdue(now).map(|Instants { first, last, count }| OverdueInstants { first, last, count });
    let owed = row.owed.iter().filter_map(owed_schedule).collect();
    ScheduleState { enabled: row.enabled, next_natural_trigger, next_natural_offset_trigger, overdue, owed }
}

/// A workflow that owes instants under earlier schedules.
pub(crate) fn owes(id: &WorkflowId, row: &Workflow) -> WorkflowOwes {
    let owed = row.owed.iter().filter_map(owed_schedule).collect();
    WorkflowOwes { component_id: id.component().into(), workflow_id: id.workflow().into(), owed }
}

/// `None` when this version can't read the schedule.
fn owed_schedule(owed: &Owed) -> Option<OwedSchedule> {
    let (schedule, _) = owed.triggers().ok()?;
    Some(OwedSchedule {
        schedule: owed.schedule.to_string(),
        offset: owed.offset.as_deref().map(str::to_owned),
        next_parameter: schedule.parameter(owed.next.instant),
        next_natural_trigger: owed.next.instant,
        until: owed.until,
        count: owed.instants()?.count,
    })
}

#[cfg(test)]
mod tests {
    use styx_core::{
        id::Position,
        record::{Cursor, Origin, StoredWorkflow},
        workflow::WorkflowConfiguration,
        world::digest,
    };

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn row(enabled: bool, cursor: Option<&str>) -> Workflow {
        let configuration = WorkflowConfiguration::new("w\"1", "@daily");
        let cursor = cursor.map(|fires_at| Cursor { instant: at("2024-05-06T00:00:00Z"), fires_at: at(fires_at) });
        let StoredWorkflow { json, spec } = StoredWorkflow::new(&configuration, Origin::Api);
        let (stored_at, deployed_at) = (Position(3), at("2024-05-06T00:00:00Z"));
        Workflow {
            stored_at,
            deployed_at,
            json_digest: digest(&json),
            spec,
            enabled,
            cursor,
            chosen_cursor: false,
            owed: Vec::new(),
        }
    }

    #[test]
    fn ids_are_quoted() {
        let json = WorkflowConfiguration::new("w\"1", "@daily").to_json();
        let text = workflow(&WorkflowId::new("c#", "w\"1"), &json);
        let read: styx_client::Workflow = json::from_slice(text.as_bytes()).unwrap();
        assert_eq!((read.component_id.as_str(), read.workflow_id()), ("c#", "w\"1"));
        assert!(
            text.starts_with(r#"{"component_id":"c#","workflow_id":"w\"1","configuration":{"id":"w\"1","#),
            "{text}"
        );
    }

    #[test]
    fn the_cursor_of_a_disabled_workflow_is_shown_as_if_it_were_enabled_now() {
        let now = at("2024-05-10T12:00:00Z");
        let shown = |enabled, cursor| state(&row(enabled, cursor), now).next_natural_offset_trigger;
        assert_eq!(shown(false, Some("2024-05-07T00:00:00Z")), Some(at("2024-05-11T00:00:00Z")));
        assert_eq!(shown(false, None), Some(at("2024-05-11T00:00:00Z")));
        assert_eq!(shown(false, Some("2024-06-01T00:00:00Z")), Some(at("2024-06-01T00:00:00Z")));
        assert_eq!(shown(true, Some("2024-05-07T00:00:00Z")), Some(at("2024-05-07T00:00:00Z")));
        assert_eq!(shown(true, None), None);
    }
}
