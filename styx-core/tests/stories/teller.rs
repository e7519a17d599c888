//! Tells a story: keeps log and world as an engine would, and writes down what is decided.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use styx_core::{
    config::Config,
    decide::{Input, Reply, Request},
    event::Event,
    executor::{Observation, Observed},
    extensions::Extensions,
    id::{Epoch, InstanceId, WorkflowId},
    record::{
        BackfillEvent, Cause, ExecutionEvent, Fact, Operator, Origin, ResourceEvent, RunEvent, StoredWorkflow,
        WorkflowEvent,
    },
    scheduler::propose,
    workflow::WorkflowConfiguration,
    world::{Row, RowKey, World},
};
use uuid::Uuid;

pub(crate) fn id(name: &str) -> WorkflowId {
    WorkflowId::new("sales", name)
}

pub(crate) fn instance(name: &str, parameter: &str) -> InstanceId {
    InstanceId::new(id(name), parameter)
}

pub(crate) struct Teller {
    now: DateTime<Utc>,
    world: World,
    rows: BTreeMap<RowKey, Row>,
    told: String,
    records: Vec<Fact>,
}

impl Teller {
    pub(crate) fn begin(now: &str, config: Config) -> Self {
        Self::begin_at(time(now), config)
    }

    pub(crate) fn begin_at(now: DateTime<Utc>, config: Config) -> Self {
        let world = World::default();
        let mut story = Self { now, world, rows: BTreeMap::new(), told: String::new(), records: Vec::new() };
        let (log_id, root_seed) = (Uuid::from_u128(1), Uuid::from_u128(2));
        story.take(&Input::Start { log_id, root_seed, config: Arc::new(config) });
        story
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// All that was recorded.
    pub(crate) fn records(&self) -> &[Fact] {
        &self.records
    }

    /// Jumps to a time, and does nothing there.
    pub(crate) fn sleep(&mut self, now: &str) {
        self.sleep_until(time(now));
    }

    pub(crate) fn sleep_until(&mut self, now: DateTime<Utc>) {
        self.now = now;
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// What was told since the last call of [`forget`](Self::forget).
    pub(crate) fn told(&self) -> String {
        self.told.clone()
    }

    pub(crate) fn forget(&mut self) {
        self.told.clear();
    }

    pub(crate) fn store(&mut self, name: &str, schedule: &str, offset: Option<&str>) {
        let workflow = workflow(name, schedule, offset, Origin::Api);
        self.ask(Request::StoreWorkflow { id: id(name), workflow });
    }

    pub(crate) fn store_configuration(&mut self, configuration: &WorkflowConfiguration, origin: Origin) {
        let workflow = Arc::new(StoredWorkflow::new(configuration, origin));
        self.ask(Request::StoreWorkflow { id: id(&configuration.id), workflow });
    }

    /// A file defines workflows, each by name, schedule and `enabled` line, and no others.
    pub(crate) fn load(&mut self, path: &str, workflows: &[(&str, &str, bool)]) {
        self.load_beside(path, workflows, &[]);
    }

    /// The same, while other files define those of the last names.
    pub(crate) fn load_beside(&mut self, path: &str, workflows: &[(&str, &str, bool)], elsewhere: &[&str]) {
        let workflows = workflows.iter().map(|(name, schedule, enabled)| {
            (id(name), workflow(name, schedule, None, Origin::File { path: path.into(), enabled: *enabled }))
        });
        let elsewhere = elsewhere.iter().map(|name| id(name)).collect();
        self.ask(Request::LoadFile { path: path.into(), workflows: workflows.collect(), elsewhere });
    }

    /// A file defines this workflow alone.
    pub(crate) fn load_configuration(&mut self, path: &str, configuration: &WorkflowConfiguration) {
        let origin = Origin::File { path: path.into(), enabled: true };
        let workflow = (id(&configuration.id), Arc::new(StoredWorkflow::new(configuration, origin)));
        self.ask(Request::LoadFile { path: path.into(), workflows: [workflow].into(), elsewhere: Arc::default() });
    }

    pub(crate) fn enable(&mut self, name: &str, enabled: bool) {
        let patch =
            Request::PatchWorkflow { id: id(name), enabled: Some(enabled), next_instant: None, next_fires_at: None };
        self.ask(patch);
    }

    pub(crate) fn ask(&mut self, request: Request) {
        let ann = Operator { actor: "ann".into(), request_id: "1".into(), request: "{}".into() };
        match self.take(&Input::Asked(request, Arc::new(ann))) {
            Some(Reply::Refused(refusal)) => self.tell(&format!("refused: {refusal}")),
            Some(Reply::Nothing) => self.tell("nothing to do"),
            _ => {}
        }
    }

    /// The executor of a run's execution sees something.
    pub(crate) fn see(&mut self, name: &str, parameter: &str, what: Observed) {
        let execution = self.world.runs()[&instance(name, parameter)].execution.clone().expect("it has an execution");
        self.see_of(execution, what);
    }

    /// The executor of the one execution whose run has moved on sees something.
    pub(crate) fn see_halted(&mut self, what: Observed) {
        let mut ids = self.world.executions().keys().filter(|id| !self.world.is_followed(id));
        let execution = ids.next().expect("there is one").clone();
        self.see_of(execution, what);
    }

    fn see_of(&mut self, execution: styx_core::id::ExecutionId, what: Observed) {
        let runner = "default".into();
        let evidence = b"{}".as_slice().into();
        self.take(&Input::Observed(Observation {
            execution,
            runner,
            what,
            observed_at: None,
            evidence,
            extensions: Extensions::default(),
        }));
    }

    /// Lets time pass, stopping wherever something is due.
    pub(crate) fn until(&mut self, end: &str) {
        let end = time(end);
        while let Some(due) = self.world.next_due()
            && due <= end
        {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = end;
    }

    /// Jumps to a time, as after an outage, and does all that is due then.
    pub(crate) fn at(&mut self, now: &str) {
        self.now = time(now);
        self.settle();
    }

    pub(crate) fn pass_seconds(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
        self.settle();
    }

    pub(crate) fn wait_for_next_due(&mut self) {
        self.now = self.world.next_due().expect("something is due");
        self.settle();
    }

    pub(crate) fn next_due(&self) -> Option<String> {
        let due = self.world.next_due();
        due.map(|due| due.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    /// Does all that is due.
    pub(crate) fn settle(&mut self) {
        while self.world.next_due().is_some_and(|due| due <= self.now) {
            self.take(&Input::Due);
        }
    }

    pub(crate) fn take(&mut self, input: &Input) -> Option<Reply> {
        let decisions = propose(&self.world, &self.rows, input, self.now).expect("the rows are in memory");
        for draft in decisions.drafts {
            self.tell(&line(&draft.fact, &draft.cause));
            let record = draft.into_record(&self.world, self.now, Epoch(1));
            self.records.push(record.fact.clone());
            let changes = self.world.apply(&record).expect("what is decided can be folded");
            self.rows.extend(changes.into_rows().filter_map(|(key, row)| Some((key, row?))));
        }
        let rows: Vec<_> = self.world.rows().collect();
        assert_eq!(World::from_rows(rows).as_ref(), Ok(&self.world), "the rows make the same world");
        decisions.reply
    }

    fn tell(&mut self, what: &str) {
        let _ = writeln!(self.told, "{} {what}", self.now.format("%d %H:%M:%S"));
    }
}

pub(crate) fn workflow(name: &str, schedule: &str, offset: Option<&str>, origin: Origin) -> Arc<StoredWorkflow> {
    let mut configuration = WorkflowConfiguration::new(name, schedule);
    configuration.offset = offset.map(Into::into);
    configuration.docker_image = Some("busybox".to_owned());
    Arc::new(StoredWorkflow::new(&configuration, origin))
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

fn line(fact: &Fact, cause: &Cause) -> String {
    let by = match cause {
        Cause::Decision => "  and".to_owned(),
        Cause::Operator(operator) => operator.actor.to_string(),
        Cause::Executor { what, .. } => format!("saw {what:?}"),
        other => format!("{other:?}").to_lowercase(),
    };
    let what = match fact {
        Fact::Log(_) => "log started".to_owned(),
        Fact::Config(_) => "configured".to_owned(),
        Fact::Workflow(id, event) => match event {
            WorkflowEvent::Stored(_) => format!("{id} stored"),
            WorkflowEvent::Deleted => format!("{id} deleted"),
            WorkflowEvent::FileRemoved { path } => format!("{id} isn't in {path} any more"),
            WorkflowEvent::Switched { enabled } => format!("{id} enabled: {enabled}"),
            WorkflowEvent::CursorSkipped { first, last, count, reason } => {
                let (first, last) = (first.format("%dT%H:%M"), last.format("%dT%H:%M"));
                format!("{id} skips {count} from {first} to {last} ({reason:?})")
            }
            WorkflowEvent::Owed { schedule, next, count, .. } => {
                format!("{id} owes {count} by {schedule} from {}", next.instant.format("%dT%H:%M"))
            }
            WorkflowEvent::OwedMoved { to, why, .. } => {
                let to = to.map(|to| to.instant.format("%dT%H:%M").to_string());
                format!("{id} owed {} ({why:?})", to.as_deref().unwrap_or("none"))
            }
            WorkflowEvent::CursorMoved { to, why, .. } => {
                let to =
                    to.map(|to| format!("{} fires {}", to.instant.format("%dT%H:%M"), to.fires_at.format("%dT%H:%M")));
                format!("{id} cursor {} ({why:?})", to.as_deref().unwrap_or("none"))
            }
        },
        Fact::Run(id, RunEvent::Styx { counter, event }) => {
            let detail = match event {
                Event::TriggerExecution { missed, trigger, .. } => {
                    format!(" {}{}", trigger.kind(), if *missed { ", missed" } else { "" })
                }
                Event::RetryAfter { delay_millis } => format!(" {delay_millis} ms"),
                Event::Dequeue { resources } if !resources.is_empty() => format!(" {}", resources.join(", ")),
                Event::Info { message } => format!(" {}", message.line),
                Event::RunError { message, .. } => format!(" {message}"),
                Event::Terminate { exit_code } => format!(" {exit_code:?}"),
                Event::Halt { reason } | Event::Stop { reason } | Event::Timeout { reason } => {
                    format!(" {}", reason.as_deref().unwrap_or(""))
                }
                _ => String::new(),
            };
            format!("{} #{counter} {}{detail}", id.parameter(), event.kind())
        }
        Fact::Run(id, RunEvent::Ignored { .. }) => format!("{} ignored", id.parameter()),
        Fact::Execution(_, event) => match event {
            ExecutionEvent::Ended(ending) => format!("execution ended {ending:?}"),
            ExecutionEvent::Cleaned => "execution cleaned".to_owned(),
            ExecutionEvent::Refused { reason, .. } => format!("execution refused {reason}"),
        },
        Fact::Resource(id, event) => match event {
            ResourceEvent::Set { concurrency } => format!("resource {id} has {concurrency}"),
            ResourceEvent::Deleted => format!("resource {id} deleted"),
        },
        Fact::Backfill(_, event) => match event {
            BackfillEvent::Created(_) => "backfill made".to_owned(),
            BackfillEvent::Edited { concurrency, .. } => format!("backfill has {concurrency:?}"),
            BackfillEvent::Advanced { next, all_triggered, why, .. } => {
                let end = if *all_triggered { ", the last" } else { "" };
                format!("backfill at {} ({why:?}{end})", next.format("%dT%H:%M"))
            }
            BackfillEvent::Halted { runs, reason } => format!("backfill {reason}, runs too: {runs}"),
        },
    };
    format!("{by}: {what}")
}
