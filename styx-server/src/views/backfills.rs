//! Backfills as clients see them, and where each of their instances stands (E-18, E-20).

use chrono::{DateTime, Utc};
use styx_client::{RunStateData, StateData, WorkflowInstance};
use styx_core::{
    event::Trigger,
    history::trigger_status,
    id::{InstanceId, Position},
    log::{LogError, LogReader},
    record::{Fact, RunEvent, Subject},
    run::Run,
    schedule::Schedule,
    world::{Backfill, Finished, Row, RowKey, TriggerKind},
};

use super::{Descriptions, states, trigger_parameters};

/// A backfill, as far as it is.
pub(crate) fn backfill(id: &str, backfill: &Backfill) -> styx_client::Backfill {
    let spec = &backfill.spec;
    styx_client::Backfill {
        id: id.to_owned(),
        start: spec.start,
        end: spec.end,
        workflow_id: (&spec.workflow).into(),
        concurrency: backfill.concurrency.try_into().unwrap_or(i32::MAX),
        description: backfill.description.as_deref().map(Into::into),
        next_trigger: backfill.next,
        schedule: spec.schedule.to_string(),
        all_triggered: backfill.all_triggered,
        halted: backfill.halted.is_some(),
        reverse: spec.reverse,
        trigger_parameters: spec.parameters.as_ref().map(trigger_parameters),
        created: Some(backfill.created_at),
        last_modified: Some(backfill.modified_at),
    }
}

/// A backfill as it was when it was made: the engine may have moved it on in the same batch.
pub(crate) fn as_made(id: &str, row: &Backfill) -> styx_client::Backfill {
    let made = Backfill {
        concurrency: row.spec.concurrency,
        description: row.spec.description.clone(),
        next: row.spec.first,
        all_triggered: false,
        halted: None,
        modified_at: row.created_at,
        ..row.clone()
    };
    backfill(id, &made)
}

/// Where the instances of a backfill stand, in the order of time.
pub(crate) struct Partitions {
    id: String,
    backfill: Backfill,
    schedule: Option<Schedule>,
    next: DateTime<Utc>,
}

impl Partitions {
    /// Those of a backfill.
    pub(crate) fn of(id: &str, backfill: &Backfill) -> Self {
        let schedule = Schedule::parse(&backfill.spec.schedule).ok();
        Self { id: id.to_owned(), schedule, next: backfill.spec.start, backfill: backfill.clone() }
    }

    /// Where the next one stands; `None` after the last.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn next(
        &mut self,
        reader: &dyn LogReader,
        descriptions: &Descriptions<'_>,
    ) -> Result<Option<RunStateData>, LogError> {
        let spec = &self.backfill.spec;
        let Some(schedule) = self.schedule.as_ref().filter(|_| self.next < spec.end) else {
            return Ok(None);
        };
        let at = self.next;
        self.next = schedule.next(at).unwrap_or(spec.end);
        let instance = InstanceId::new(spec.workflow.clone(), schedule.parameter(at));
        let is_waiting = if spec.reverse { at <= self.backfill.next } else { at >= self.backfill.next };
        if is_waiting && !self.backfill.all_triggered {
            return Ok(Some(nothing("WAITING", &instance)));
        }
        self.triggered(reader, &instance, descriptions).map(Some)
    }

    fn triggered(
        &self,
        reader: &dyn LogReader,
        instance: &InstanceId,
        descriptions: &Descriptions<'_>,
    ) -> Result<RunStateData, LogError> {
        let is_ours = |run: &Run| matches!(&run.trigger, Some(Trigger::Backfill(id)) if **id == *self.id);
        if let Some(Row::Run(run)) = reader.get(&RowKey::Run(instance.clone()))?
            && is_ours(&run)
        {
            return states::state(instance, &run, descriptions);
        }
        let key = RowKey::Finished(instance.clone(), TriggerKind::Backfill);
        let run = match reader.get(&key)? {
            Some(Row::Finished(Finished(run))) if is_ours(&run) => run,
            // Another backfill ran it later: only its history still tells of this one.
            Some(_) => match self.in_history(reader, instance)? {
                Some(run) => run,
                None => return Ok(nothing("UNKNOWN", instance)),
            },
            None => return Ok(nothing("UNKNOWN", instance)),
        };
        let mut state = states::state(instance, &run, descriptions)?;
        state.initial_timestamp = Some(run.began_at.timestamp_millis());
        state.state_data.trigger_id = run.trigger.as_ref().map(|trigger| trigger.id().to_owned());
        Ok(state)
    }

    fn in_history(&self, reader: &dyn LogReader, instance: &InstanceId) -> Result<Option<Run>, LogError> {
        let records = reader.history(&Subject::Run(instance.clone()), Position::FIRST, usize::MAX)?;
        let events = records.iter().filter_map(|record| match &record.fact {
            Fact::Run(_, RunEvent::Styx { event, .. }) => Some((event, record.happened_at(), record.rules())),
            _ => None,
        });
        Ok(trigger_status(events, &self.id).map(|status| status.run))
    }
}

/// A partition of which there is nothing to tell.
fn nothing(state: &str, instance: &InstanceId) -> RunStateData {
    RunStateData {
        workflow_instance: WorkflowInstance::from(instance),
        state: state.to_owned(),
        state_data: StateData::default(),
        initial_timestamp: None,
        latest_timestamp: None,
    }
}
