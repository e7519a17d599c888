//! Where each instance of a backfill stands, as clients see it (E-18, E-20).

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use chrono::{DateTime, Utc};
use styx_client::{RunStateData, StateData, WorkflowInstance};
use styx_core::{
    event::{Event, Trigger},
    history::trigger_status,
    id::{InstanceId, Position},
    log::{LogError, LogReader},
    record::{Fact, RunEvent, Subject},
    run::Run,
    schedule::Schedule,
    world::{Backfill, Finished, Row, RowKey, TriggerKind},
};

use super::{
    Descriptions, for_each_record,
    moves::{Move, Moves},
    states,
};

/// The state of an instance whose turn has not come.
const WAITING: &str = "WAITING";

/// How many records of a run are read at a time.
pub(super) const RUN_PAGE: usize = 16;

/// Where the instances of a backfill stand, in the order of time.
pub(crate) struct Partitions {
    id: Arc<str>,
    backfill: Backfill,
    schedule: Option<Schedule>,
    next: DateTime<Utc>,
    moves: Option<Moves>,
}

impl Partitions {
    /// Those of a backfill.
    pub(crate) fn of(id: &str, backfill: &Backfill) -> Self {
        let schedule = Schedule::parse(&backfill.spec.schedule).ok();
        let moves = schedule.clone().map(|schedule| Moves::of(id, backfill, schedule));
        Self { id: id.into(), schedule, next: backfill.spec.start, backfill: backfill.clone(), moves }
    }

    /// Begins with this one.
    pub(crate) fn starting_at(mut self, at: DateTime<Utc>) -> Self {
        self.next = at;
        self
    }

    /// The parameter of the next one; `None` after the last.
    pub(crate) fn next_parameter(&self) -> Option<String> {
        let schedule = self.schedule.as_ref().filter(|_| self.next < self.backfill.spec.end);
        schedule.map(|schedule| schedule.parameter(self.next))
    }

    /// Counts where some of the next ones stand, by state; whether these were all.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn count(
        &mut self,
        reader: &dyn LogReader,
        descriptions: &Descriptions<'_>,
        counts: &mut BTreeMap<String, u64>,
    ) -> Result<bool, LogError> {
        /// How many are counted at a time, and of how many of these something is read.
        const MOST: (usize, usize) = (200_000, 2_000);
        let (mut waiting, mut read) = (0, 0);
        let mut is_end = false;
        for _ in 0..MOST.0 {
            let Some(at) = self.step() else {
                is_end = true;
                break;
            };
            if self.is_waiting(at) {
                waiting += 1;
                continue;
            }
            let Some(instance) = self.instance(at) else { continue };
            let state = self.triggered(reader, at, &instance, descriptions)?.state;
            *counts.entry(state).or_default() += 1;
            read += 1;
            if read == MOST.1 {
                break;
            }
        }
        if waiting > 0 {
            *counts.entry(WAITING.to_owned()).or_default() += waiting;
        }
        Ok(is_end)
    }

    /// The next one.
    fn step(&mut self) -> Option<DateTime<Utc>> {
        let end = self.backfill.spec.end;
        let schedule = self.schedule.as_ref().filter(|_| self.next < end)?;
        let at = self.next;
        self.next = schedule.next(at).unwrap_or(end);
        Some(at)
    }

    /// Its name, which takes longer to make than to count it.
    fn instance(&self, at: DateTime<Utc>) -> Option<InstanceId> {
        let parameter = self.schedule.as_ref()?.parameter(at);
        Some(InstanceId::new(self.backfill.spec.workflow.clone(), parameter))
    }

    /// Whether its turn has not come.
    fn is_waiting(&self, at: DateTime<Utc>) -> bool {
        let Backfill { spec, next, all_triggered, .. } = &self.backfill;
        !all_triggered && if spec.reverse { at <= *next } else { at >= *next }
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
        let Some(at) = self.step() else { return Ok(None) };
        let Some(instance) = self.instance(at) else { return Ok(None) };
        if self.is_waiting(at) {
            return Ok(Some(nothing(WAITING, &instance)));
        }
        self.triggered(reader, at, &instance, descriptions).map(Some)
    }

    fn triggered(
        &mut self,
        reader: &dyn LogReader,
        at: DateTime<Utc>,
        instance: &InstanceId,
        descriptions: &Descriptions<'_>,
    ) -> Result<RunStateData, LogError> {
        let id = Arc::clone(&self.id);
        let is_ours = |run: &Run| matches!(&run.trigger, Some(Trigger::Backfill(trigger)) if *trigger == id);
        if let Some(Row::Run(run)) = reader.get(&RowKey::Run(instance.clone()))?
            && is_ours(&run)
        {
            return states::state(instance, &run, descriptions);
        }
        let key = RowKey::Finished(instance.clone(), TriggerKind::Backfill);
        let run = match reader.get(&key)? {
            Some(Row::Finished(Finished(run))) if is_ours(&run) => run,
            // Another backfill ran it later: only its history still tells of this one.
            Some(_) => match self.in_history(reader, at, instance)? {
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

    /// The run that this backfill began; of the instance's other runs next to nothing is read.
    fn in_history(
        &mut self,
        reader: &dyn LogReader,
        at: DateTime<Utc>,
        instance: &InstanceId,
    ) -> Result<Option<Run>, LogError> {
        let became = match &mut self.moves {
            Some(moves) => moves.get(reader, at)?,
            None => None,
        };
        let from = match became {
            Some(Move::TriggeredAt(position)) => position,
            Some(Move::PassedOver) => return Ok(None),
            // Events that were imported: no decision of ours has made them.
            None => Position::FIRST,
        };
        let mut events = Vec::new();
        for_each_record(reader, &Subject::Run(instance.clone()), from, RUN_PAGE, |record| {
            let (at, rules) = (record.happened_at(), record.rules());
            let Fact::Run(_, RunEvent::Styx { event, .. }) = record.fact else {
                return ControlFlow::Continue(());
            };
            let begins = match &event {
                Event::TriggerExecution { .. } if !events.is_empty() => return ControlFlow::Break(()),
                Event::TriggerExecution { trigger, .. } => trigger.id() == &*self.id,
                _ => false,
            };
            if begins || !events.is_empty() {
                events.push((event, at, rules));
            }
            ControlFlow::Continue(())
        })?;
        let events = events.iter().map(|(event, at, rules)| (event, *at, *rules));
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
