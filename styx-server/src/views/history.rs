//! What ran for an instance: its triggers, and the executions of each (WorkflowInstanceExecutionData, spec 3).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use styx_client::{ExecStatus, Execution, TriggerHistory, WorkflowInstance, WorkflowInstanceExecutionData, json};
use styx_core::{
    event::{Description, Event},
    history::{Closed, ClosedTrigger, HistoryFold, PastExecution, UntellableHistory},
    id::{InstanceId, Position},
    log::{LogError, LogReader},
    record::{Fact, Record, RunEvent, Subject},
};

use super::{Descriptions, flyte_exec_conf, trigger_parameters};

/// The history of an instance as JSON, made piece by piece, however long it is. All of it is to be read from one snapshot.
///
/// An execution began and ended when its executor saw it, which may be long before the server heard of it. Clocks differ and
/// are set: a time that lies behind its record, or before what came before, isn't believed.
pub(crate) struct InstanceHistory {
    progress: Progress,
    stage: Stage,
    /// Whether a trigger, or an execution of the present trigger, was written.
    begun: (bool, bool),
}

/// What is written next.
enum Stage {
    /// The instance, as it is to be shown.
    Head(InstanceId),
    Trigger,
    /// An execution of the last trigger, or the end of that.
    Execution,
    Nothing,
}

impl InstanceHistory {
    /// The history of an instance, which is shown under the name `shown`; `None` if nothing happened to it. All of it is read
    /// once, to find what can't be told before anything is written.
    ///
    /// # Errors
    ///
    /// When the log can't be read; inside, when the history can't be told.
    pub(crate) fn find(
        reader: &dyn LogReader,
        instance: &InstanceId,
        shown: &InstanceId,
        descriptions: &Descriptions<'_>,
    ) -> Result<Option<Result<Self, UntellableHistory>>, LogError> {
        let progress = Progress::before(instance);
        let mut ahead = progress.clone();
        while ahead.step(reader, descriptions)?.is_some() {}
        if !ahead.has_events {
            return Ok(None);
        }
        let found = Self { progress, stage: Stage::Head(shown.clone()), begun: (false, false) };
        Ok(Some(ahead.fold.problem().map_or(Ok(found), |problem| Err(problem.clone()))))
    }

    /// Adds to the piece until it has so many bytes; returns whether the history is whole now.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn add_to(
        &mut self,
        piece: &mut String,
        bytes: usize,
        reader: &dyn LogReader,
        descriptions: &Descriptions<'_>,
    ) -> Result<bool, LogError> {
        while piece.len() < bytes {
            match &self.stage {
                Stage::Head(shown) => {
                    *piece += open(&without_triggers(shown));
                    self.stage = Stage::Trigger;
                }
                Stage::Trigger => match self.progress.next_trigger(reader, descriptions)? {
                    Some(trigger) => {
                        separate(piece, &mut self.begun.0);
                        *piece += open(&to_json(&trigger_history(trigger)));
                        self.begun.1 = false;
                        self.stage = Stage::Execution;
                    }
                    None => {
                        piece.push_str("]}");
                        self.stage = Stage::Nothing;
                    }
                },
                Stage::Execution => {
                    let closed = self.progress.step(reader, descriptions)?;
                    let is_end = closed.as_ref().is_none_or(|closed| closed.trigger.is_some());
                    if let Some(closed) = closed.and_then(|closed| closed.execution) {
                        separate(piece, &mut self.begun.1);
                        *piece += &to_json(&execution(closed));
                    }
                    if is_end {
                        piece.push_str("]}");
                        self.stage = Stage::Trigger;
                    }
                }
                Stage::Nothing => return Ok(true),
            }
        }
        Ok(matches!(self.stage, Stage::Nothing))
    }
}

/// An instance without a history that could be told, as JSON.
pub(crate) fn without_triggers(instance: &InstanceId) -> String {
    let workflow_instance = WorkflowInstance::from(instance);
    to_json(&WorkflowInstanceExecutionData { workflow_instance, triggers: Vec::new() })
}

/// How far the records of an instance are folded. A clone goes its own way, and shares the records that were read.
#[derive(Clone)]
struct Progress {
    subject: Subject,
    /// What was read.
    page: Arc<[Record]>,
    /// Which of it comes next.
    index: usize,
    is_last_page: bool,
    /// The present decision, and when its first record says that what led to it was seen: the others don't say it.
    decision: (Position, Option<DateTime<Utc>>),
    /// The time of the last event.
    last: DateTime<Utc>,
    has_events: bool,
    has_ended: bool,
    fold: HistoryFold,
}

impl Progress {
    /// How many records are read at a time, each of which may have some megabytes.
    const PAGE: usize = 20;

    fn before(instance: &InstanceId) -> Self {
        Self {
            subject: Subject::Run(instance.clone()),
            page: Arc::from([]),
            index: 0,
            is_last_page: false,
            decision: (Position(0), None),
            last: DateTime::<Utc>::MIN_UTC,
            has_events: false,
            has_ended: false,
            fold: HistoryFold::default(),
        }
    }

    /// Folds the next record; `None` after the end.
    fn step(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<Option<Closed>, LogError> {
        if self.index == self.page.len() && !self.is_last_page {
            let from = self.page.last().map_or(Position::FIRST, |record| record.position.next());
            self.page = reader.history(&self.subject, from, Self::PAGE)?.into();
            self.index = 0;
            self.is_last_page = self.page.len() < Self::PAGE;
        }
        let Some(record) = self.page.get(self.index) else {
            let has_ended = std::mem::replace(&mut self.has_ended, true);
            return Ok((!has_ended).then(|| self.fold.end()));
        };
        self.index += 1;
        if record.decision != self.decision.0 {
            self.decision = (record.decision, record.observed_at());
        }
        // Also imported events that the graph refused: Styx 2.x shows them too.
        let Fact::Run(_, RunEvent::Styx { event, .. } | RunEvent::Ignored { event, .. }) = &record.fact else {
            return Ok(Some(Closed::default()));
        };
        let recorded = record.happened_at();
        let at = self.decision.1.map_or(recorded, |observed| observed.min(recorded).max(self.last));
        self.last = self.last.max(at);
        let stored = match event {
            Event::Submit { description: Description::Stored(position), .. } => Some(descriptions.ran(*position)?),
            _ => None,
        };
        self.has_events = true;
        Ok(Some(self.fold.apply(event, at, stored.as_ref())))
    }

    /// Looks ahead for the next trigger, which is known when it is closed.
    fn next_trigger(
        &self,
        reader: &dyn LogReader,
        descriptions: &Descriptions<'_>,
    ) -> Result<Option<ClosedTrigger>, LogError> {
        let mut ahead = self.clone();
        while let Some(closed) = ahead.step(reader, descriptions)? {
            if closed.trigger.is_some() {
                return Ok(closed.trigger);
            }
        }
        Ok(None)
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    // No type of ours has values without a form in JSON.
    json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// JSON whose last member is an empty list, up to the first element of that.
fn open(json: &str) -> &str {
    json.strip_suffix("]}").unwrap_or(json)
}

fn separate(piece: &mut String, begun: &mut bool) {
    if std::mem::replace(begun, true) {
        piece.push(',');
    }
}

fn trigger_history(trigger: ClosedTrigger) -> TriggerHistory {
    TriggerHistory {
        trigger_id: trigger.trigger_id.to_string(),
        timestamp: trigger.at,
        parameters: trigger_parameters(&trigger.parameters),
        complete: trigger.complete,
        executions: Vec::new(),
    }
}

fn execution(execution: PastExecution) -> Execution {
    let PastExecution { execution, ran, runner, statuses } = execution;
    let statuses = statuses.into_iter().map(|status| ExecStatus {
        timestamp: status.at,
        status: status.kind.name().to_owned(),
        message: status.kind.message().map(Into::into),
    });
    Execution {
        execution_id: execution.map(|id| id.to_string()),
        docker_image: ran.docker_image.as_deref().map(Into::into),
        commit_sha: ran.commit_sha.as_deref().map(Into::into),
        flyte_exec_conf: ran.flyte_exec_conf.as_deref().and_then(flyte_exec_conf),
        flyte_execution_id: ran.flyte_execution_id.as_deref().map(Into::into),
        runner_id: runner.as_deref().map(Into::into),
        statuses: statuses.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use proptest::prelude::*;
    use styx_core::{
        config::Config,
        decide::{Input, Request},
        event::{Trigger, TriggerParameters},
        executor::{Effect, Observation, Observed},
        extensions::Extensions,
        history::{History, PastTrigger},
        id::{Counter, ExecutionId, WorkflowId},
        log::{Batch, Definitions, Log},
        record::{Cause, Operator, Origin, StoredWorkflow},
        workflow::WorkflowConfiguration,
    };
    use styx_engine::machine::{Machine, MachineOptions};
    use styx_store::MemoryLog;
    use uuid::Uuid;

    use super::*;
    use crate::views::events::Events;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// A history that is made in pieces of so many bytes.
    fn told(
        reader: &dyn LogReader,
        instance: &InstanceId,
        descriptions: &Descriptions<'_>,
        bytes: usize,
    ) -> Option<Result<WorkflowInstanceExecutionData, UntellableHistory>> {
        let found = InstanceHistory::find(reader, instance, instance, descriptions).unwrap()?;
        Some(found.map(|mut history| {
            let mut whole = String::new();
            loop {
                let mut piece = String::new();
                let has_ended = history.add_to(&mut piece, bytes, reader, descriptions).unwrap();
                whole += &piece;
                if has_ended {
                    return json::from_slice(whole.as_bytes()).unwrap();
                }
            }
        }))
    }

    /// What the pieces make up, made at once from all events.
    fn told_at_once(
        instance: &InstanceId,
        events: &[Event],
        at: impl Fn(usize) -> DateTime<Utc>,
    ) -> Result<WorkflowInstanceExecutionData, UntellableHistory> {
        let mut history = History::new();
        events.iter().enumerate().for_each(|(number, event)| history.apply(event, at(number), None));
        let triggers =
            history.end()?.into_iter().map(|PastTrigger { trigger_id, at, parameters, complete, executions }| {
                let trigger = trigger_history(ClosedTrigger { trigger_id, at, parameters, complete });
                TriggerHistory { executions: executions.into_iter().map(execution).collect(), ..trigger }
            });
        Ok(WorkflowInstanceExecutionData { workflow_instance: instance.into(), triggers: triggers.collect() })
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let trigger = |id: u8| Event::TriggerExecution {
            trigger: Trigger::AdHoc(format!("ad-hoc-{id}").into()),
            parameters: TriggerParameters { env: Arc::new([("ID".to_owned(), id.to_string())].into()) },
            missed: false,
            extensions: Extensions::default(),
        };
        let image = |number: u8| Event::Created {
            execution: ExecutionId::parse(&format!("run-{number}")),
            docker_image: "busybox".into(),
        };
        prop_oneof![
            3 => any::<u8>().prop_map(trigger),
            3 => any::<u8>().prop_map(image),
            6 => Just(Event::Started),
            6 => any::<i32>().prop_map(|code| Event::Terminate { exit_code: Some(code) }),
            2 => Just(Event::TimeTrigger),
            2 => Just(Event::Success),
            2 => Just(Event::Halt { reason: None }),
            1 => Just(Event::Timeout { reason: None }),
            1 => Just(Event::Retry),
        ]
    }

    /// A fact, when it is reported, and when it was seen.
    type Seen = (Observed, DateTime<Utc>, Option<DateTime<Utc>>);

    /// The times of statuses and of events when an executor reports these facts.
    fn shown(facts: &[Seen]) -> (Vec<DateTime<Utc>>, Vec<i64>) {
        let mut machine = Machine::open(Box::new(MemoryLog::new()), MachineOptions::default()).unwrap();
        let now = at("2026-03-29T01:00:00Z");
        let config = Arc::new(Config::default());
        let (log_id, root_seed) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut step = |now, input: Input| machine.step(now, vec![(1, input)]).unwrap().effects;
        step(now, Input::Start { log_id, root_seed, config });
        let id = WorkflowId::new("report", "days");
        let mut configuration = WorkflowConfiguration::new("report", "days");
        configuration.docker_image = Some("sales/report:7".to_owned());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        let ann = Arc::new(Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() });
        let stored = Request::StoreWorkflow { id: id.clone(), workflow };
        step(now, Input::Asked(stored, Arc::clone(&ann)));
        let instance = InstanceId::new(id, "2026-03-28");
        let trigger = Request::Trigger {
            workflow: instance.workflow().clone(),
            parameter: instance.parameter().into(),
            parameters: TriggerParameters::default(),
            allow_future: false,
        };
        let effects = step(now, Input::Asked(trigger, ann));
        let Some(Effect::Launch(launch)) = effects.into_iter().next() else { panic!("no launch") };
        for (what, reported, observed_at) in facts {
            let (execution, runner) = (launch.execution.clone(), "default".into());
            let (what, evidence) = (what.clone(), [].as_slice().into());
            let extensions = Extensions::default();
            let seen = Observation { execution, runner, what, observed_at: *observed_at, evidence, extensions };
            step(*reported, Input::Observed(seen));
        }
        let (reader, definitions) = (machine.reader(), Definitions::default());
        let descriptions = Descriptions::new(reader.as_ref(), &definitions, false);
        let mut history = told(reader.as_ref(), &instance, &descriptions, usize::MAX).unwrap().unwrap();
        let statuses = history.triggers.remove(0).executions.remove(0).statuses;
        let events = Events::of(instance).next_page(reader.as_ref(), &descriptions).unwrap();
        let timestamp = |event: &styx_client::TimestampedEvent| event.timestamp;
        (statuses.into_iter().map(|status| status.timestamp).collect(), events.iter().map(timestamp).collect())
    }

    #[test]
    fn an_execution_ended_when_its_executor_saw_it() {
        let back = at("2026-03-29T08:00:00Z");
        let (launched, started, ended) =
            (at("2026-03-29T01:00:01Z"), at("2026-03-29T01:00:02Z"), at("2026-03-29T02:00:00Z"));
        let (statuses, events) = shown(&[
            (Observed::Launched, launched, Some(launched)),
            (Observed::Started, back, Some(started)),
            (Observed::Exited { code: Some(0) }, back, Some(ended)),
        ]);
        assert_eq!(statuses, [launched, started, ended]);
        // Events are told with the time of their record, as Styx 2.x does.
        assert_eq!(events.last(), Some(&back.timestamp_millis()));
        // Of what nobody saw it is known that it was before what came after it.
        let (statuses, _) = shown(&[(Observed::Exited { code: Some(0) }, back, Some(ended))]);
        assert_eq!(statuses, [ended; 3]);
        let (statuses, _) = shown(&[(Observed::Exited { code: Some(0) }, back, None)]);
        assert_eq!(statuses, [back; 3]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// However short the pieces and however strange the (imported) events, the pieces make up the whole.
        #[test]
        fn pieces_make_up_the_whole(events in prop::collection::vec(any_event(), 0..120), bytes in 1..2_000_usize) {
            let instance = InstanceId::new(WorkflowId::new("report", "days"), "2026-03-28");
            let at = |number: usize| DateTime::UNIX_EPOCH + TimeDelta::seconds(number as i64);
            let mut log = MemoryLog::new();
            let epoch = log.begin_epoch().unwrap();
            let records = events.iter().enumerate().map(|(number, event)| {
                let fact = RunEvent::Styx { counter: Counter(number as u64), event: event.clone() };
                Record {
                    position: Position(number as u64 + 1),
                    decision: Position(number as u64 + 1),
                    at: at(500),
                    wall_offset: TimeDelta::zero(),
                    epoch,
                    idempotency_key: None,
                    cause: Cause::Imported { at: at(number) },
                    fact: Fact::Run(instance.clone(), fact),
                }
            });
            let batch = Batch { records: records.collect(), rows: Vec::new() };
            log.append(epoch, Position(0), &batch).unwrap();
            let (reader, definitions) = (log.reader(), Definitions::default());
            let descriptions = Descriptions::new(reader.as_ref(), &definitions, false);
            let found = told(reader.as_ref(), &instance, &descriptions, bytes);
            prop_assert_eq!(found, (!events.is_empty()).then(|| told_at_once(&instance, &events, at)));
        }

        #[test]
        fn times_never_go_back_nor_behind_their_record(
            facts in prop::collection::vec((0..40_000_i64, prop::option::of(-10_000..50_000_i64)), 3),
        ) {
            let begin = at("2026-03-29T01:00:01Z");
            let mut reported: Vec<i64> = facts.iter().map(|(reported, _)| *reported).collect();
            reported.sort_unstable();
            let what = [Observed::Launched, Observed::Started, Observed::Exited { code: Some(20) }];
            let time = |seconds| begin + TimeDelta::seconds(seconds);
            let facts: Vec<_> = what
                .into_iter()
                .zip(&reported)
                .zip(&facts)
                .map(|((what, reported), (_, observed))| (what, time(*reported), observed.map(time)))
                .collect();
            let (statuses, _) = shown(&facts);
            prop_assert_eq!(statuses.len(), 3);
            prop_assert!(statuses.is_sorted() && statuses[0] >= at("2026-03-29T01:00:00Z"));
            prop_assert!(statuses.iter().zip(&facts).all(|(shown, (_, reported, _))| shown <= reported));
        }
    }
}
