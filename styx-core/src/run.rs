//! Runs: the fold of an instance's events.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

pub use crate::graph::{IllegalTransition, Rules, State};
use crate::{
    event::{
        Description, Event, ExecutionDescription, FailureClass, Message, MessageLevel, Trigger, TriggerParameters,
    },
    execution_counter,
    exit::{EXIT_MISSING_DEPENDENCIES, EXIT_SUCCESS, cost_tenths},
    extensions::Extensions,
    graph::EventKind,
    id::{Counter, ExecutionId},
    text::HumanSpan,
};

/// The fold of one run's events so far: flat and compact, since a million of them are in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where the run is.
    pub state: State,
    /// Styx's number of the last event of the instance; `None` before the first.
    pub counter: Option<Counter>,
    /// When the run began.
    pub began_at: DateTime<Utc>,
    /// When the run entered its state.
    pub since: DateTime<Utc>,
    /// When its last event happened: what v3 shows.
    pub last_event_at: DateTime<Utc>,
    /// From when on a queued run may go on; set by a retry's delay.
    pub eligible_at: Option<DateTime<Utc>>,
    /// Delay of the last `retryAfter`, until the run is dequeued.
    pub retry_delay_millis: Option<i64>,
    /// How often an executor took an execution of this run.
    pub tries: u32,
    /// Failures since the last exit with 0 or 20.
    pub consecutive_failures: u32,
    /// Failures of the infrastructure since an execution last ended by itself.
    pub infrastructure_failures: u32,
    /// When the first of them happened; none when there are none.
    pub infrastructure_since: Option<DateTime<Utc>>,
    /// What the tries have cost, in tenths.
    pub cost_tenths: u32,
    /// How the last try ended.
    pub last_exit: Option<i32>,
    /// Who asked for the run.
    pub trigger: Option<Trigger>,
    /// What the trigger set.
    pub parameters: Option<TriggerParameters>,
    /// The run belongs to a catch-up.
    pub missed: bool,
    /// Later fields of the trigger.
    pub trigger_extensions: Extensions,
    /// The last event was imported: nothing is done about the run until a record of ours takes it up, since the system that
    /// it comes from may still be running it.
    pub imported: bool,
    /// The try that the run follows: from SUBMITTING until it is queued again.
    pub execution: Option<ExecutionId>,
    /// The executor that took the last try.
    pub runner: Option<Arc<str>>,
    /// What the try runs.
    pub description: Option<Description>,
    /// Limit of RUNNING for this try.
    pub running_timeout: Option<TimeDelta>,
    /// When the run is tried again if this try fails, as `submit` says; [`condition`](Self::condition) is what counts.
    pub retry_condition: Option<Arc<str>>,
    /// Later fields of the last `submit`, until the next one: they count the executions.
    pub submit_extensions: Extensions,
    /// Resources held since `dequeue`; none, or present and perhaps empty.
    pub resources: Option<Arc<[Arc<str>]>>,
    /// What the last events left for the reader.
    pub note: Option<Note>,
}

impl Run {
    /// A run before its first event; `counter` is that of the instance's last event, if it had any.
    pub fn new(counter: Option<Counter>, at: DateTime<Utc>) -> Self {
        Self {
            state: State::New,
            counter,
            began_at: at,
            since: at,
            last_event_at: at,
            eligible_at: None,
            retry_delay_millis: None,
            tries: 0,
            consecutive_failures: 0,
            infrastructure_failures: 0,
            infrastructure_since: None,
            cost_tenths: 0,
            last_exit: None,
            trigger: None,
            parameters: None,
            missed: false,
            trigger_extensions: Extensions::default(),
            imported: false,
            execution: None,
            runner: None,
            description: None,
            running_timeout: None,
            retry_condition: None,
            submit_extensions: Extensions::default(),
            resources: None,
            note: None,
        }
    }

    /// Folds one event.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use styx_core::{
    ///     event::{Event, Trigger, TriggerParameters},
    ///     extensions::Extensions,
    ///     run::{Rules, Run, State},
    /// };
    ///
    /// let at = DateTime::UNIX_EPOCH;
    /// let mut run = Run::new(None, at);
    /// let trigger = Event::TriggerExecution {
    ///     trigger: Trigger::Natural,
    ///     parameters: TriggerParameters::default(),
    ///     missed: false,
    ///     extensions: Extensions::default(),
    /// };
    /// run.apply(&trigger, at, Rules::Ours)?;
    /// assert_eq!(run.state, State::Queued);
    /// assert!(run.apply(&Event::Started, at, Rules::Ours).is_err());
    /// # Ok::<(), styx_core::run::IllegalTransition>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the graph has no such edge, or the event lacks what only imported histories may lack. The run is as it was.
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>, rules: Rules) -> Result<(), IllegalTransition> {
        let next = self.check(event, rules)?;
        let kind = event.kind();
        self.update(event, at, rules);
        if next != self.state || kind == EventKind::RetryAfter || rules == Rules::Styx2 {
            self.since = at;
        }
        self.state = next;
        self.last_event_at = at;
        self.counter = Some(self.counter.map_or(Counter(0), |counter| Counter(counter.0.saturating_add(1))));
        self.imported = rules == Rules::Styx2;
        Ok(())
    }

    /// The state that an event would lead to.
    pub(crate) fn check(&self, event: &Event, rules: Rules) -> Result<State, IllegalTransition> {
        let kind = event.kind();
        let next = self.state.next(kind, rules).filter(|_| rules == Rules::Styx2 || self.is_complete(event));
        next.ok_or(IllegalTransition { state: self.state, event: kind })
    }

    /// The condition under which the run is tried again if this try fails; `None` is always, or that there is no try.
    pub fn condition(&self) -> Option<&str> {
        match &self.description {
            Some(Description::Inline(inline)) => inline.retry_condition.as_deref(),
            _ => self.retry_condition.as_deref(),
        }
    }

    /// Whether a queued run was told what it waits for: at most once a wait.
    pub fn was_told(&self) -> bool {
        matches!(self.note, Some(Note::Said(_)))
    }

    /// How many executions its trigger had begun before the one that the last `submit` began: `STYX_EXECUTION_COUNTER`.
    ///
    /// In a log from before this was recorded it is the number of tries, which leaves out executions that were never taken.
    pub fn execution_counter(&self) -> u32 {
        execution_counter::recorded(&self.submit_extensions).unwrap_or(self.tries)
    }

    /// The execution counter of the next `submit`.
    pub fn next_execution_counter(&self) -> u32 {
        execution_counter::recorded(&self.submit_extensions).map_or(self.tries, |last| last.saturating_add(1))
    }

    /// What clients see as the retry cost.
    pub fn retry_cost(&self) -> f64 {
        f64::from(self.cost_tenths) / 10.0
    }

    /// Whether the event has what only imported histories may lack.
    fn is_complete(&self, event: &Event) -> bool {
        match event {
            Event::Submit { description, execution, runner, .. } => {
                matches!(execution, Some(ExecutionId::Run(_)))
                    && runner.is_some()
                    && matches!(description, Description::Stored(_))
            }
            Event::Submitted { execution, .. } => execution.is_some() && *execution == self.execution,
            Event::TriggerExecution { trigger, missed, .. } => match trigger {
                Trigger::Natural => true,
                Trigger::AdHoc(_) | Trigger::Backfill(_) => !missed,
                Trigger::Unknown(_) => false,
            },
            _ => true,
        }
    }

    /// Everything but state, times and counter (spec SM §10).
    fn update(&mut self, event: &Event, at: DateTime<Utc>, rules: Rules) {
        match event {
            Event::TriggerExecution { trigger, parameters, missed, extensions } => {
                self.trigger_extensions.clone_from(extensions);
                self.trigger = Some(trigger.clone());
                self.parameters = Some(parameters.clone());
                self.missed = *missed;
            }
            Event::Info { message } => self.note = Some(Note::Said(message.clone())),
            Event::Dequeue { resources } => {
                self.retry_delay_millis = None;
                self.eligible_at = None;
                self.resources = Some(Arc::clone(resources));
            }
            Event::Submit { description, execution, running_timeout, retry_condition, extensions, .. } => {
                self.submit_extensions.clone_from(extensions);
                self.description = Some(description.clone());
                self.execution.clone_from(execution);
                self.running_timeout = *running_timeout;
                self.retry_condition.clone_from(retry_condition);
            }
            Event::Submitted { execution, runner } => {
                self.tries = self.tries.saturating_add(1);
                if self.execution.is_none() {
                    self.execution.clone_from(execution);
                }
                self.runner.clone_from(runner);
            }
            Event::Terminate { exit_code } => {
                self.cost_tenths = self.cost_tenths.saturating_add(cost_tenths(*exit_code));
                self.last_exit = *exit_code;
                self.infrastructure_failures = 0;
                self.infrastructure_since = None;
                self.consecutive_failures = match *exit_code {
                    Some(EXIT_SUCCESS | EXIT_MISSING_DEPENDENCIES) => 0,
                    _ => self.consecutive_failures.saturating_add(1),
                };
                self.note = Some(Note::Exit(*exit_code));
            }
            Event::RunError { message, class } => {
                match class {
                    FailureClass::Infrastructure if rules == Rules::Ours => {
                        self.infrastructure_failures = self.infrastructure_failures.saturating_add(1);
                        self.infrastructure_since.get_or_insert(at);
                    }
                    _ => self.count_failure(),
                }
                self.last_exit = None;
                self.note = Some(Note::Error(Arc::clone(message)));
            }
            // Ours counts it as the failure that it is (W-2); Styx 2.x leaves all as it was.
            Event::Timeout { .. } if rules == Rules::Ours => {
                self.count_failure();
                self.last_exit = None;
                self.note = Some(Note::TimedOut { state: self.state, since: self.since, at });
            }
            Event::RetryAfter { delay_millis } => {
                self.retry_delay_millis = Some(*delay_millis);
                self.eligible_at = Some(saturating_add_millis(at, *delay_millis));
                self.execution = None;
                self.description = None;
                self.running_timeout = None;
                self.retry_condition = None;
                self.resources = None;
            }
            Event::TimeTrigger => self.trigger = Some(Trigger::Unknown("UNKNOWN".into())),
            Event::Created { execution, docker_image } => {
                self.tries = self.tries.saturating_add(1);
                self.execution = Some(execution.clone());
                self.retry_condition = None;
                self.submit_extensions = Extensions::default();
                let docker_image = Some(docker_image.to_string());
                self.description =
                    Some(Description::Inline(Arc::new(ExecutionDescription { docker_image, ..Default::default() })));
            }
            Event::Started
            | Event::Success
            | Event::Stop { .. }
            | Event::Timeout { .. }
            | Event::Halt { .. }
            | Event::Retry => {}
        }
    }

    fn count_failure(&mut self) {
        self.infrastructure_failures = 0;
        self.infrastructure_since = None;
        self.cost_tenths = self.cost_tenths.saturating_add(cost_tenths(None));
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
    }
}

/// `at` plus milliseconds of any size: what lies beyond the calendar becomes its edge.
pub fn saturating_add_millis(at: DateTime<Utc>, millis: i64) -> DateTime<Utc> {
    let edge = if millis < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    TimeDelta::try_milliseconds(millis).and_then(|delay| at.checked_add_signed(delay)).unwrap_or(edge)
}

/// What the last events left for the reader: the run's message, kept as the fact it comes from (spec SM §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// An execution ended with this code.
    Exit(Option<i32>),
    /// A `runError` said this.
    Error(Arc<str>),
    /// An `info` said this.
    Said(Message),
    /// The run was in `state` for too long (ours, W-2).
    TimedOut {
        /// The state it was in.
        state: State,
        /// When it had entered it.
        since: DateTime<Utc>,
        /// When it was given up.
        at: DateTime<Utc>,
    },
}

impl Note {
    /// The message that clients see.
    pub fn message(&self) -> Message {
        match self {
            Self::Exit(code) => {
                let level = match code {
                    Some(0) => MessageLevel::Info,
                    Some(20) => MessageLevel::Warning,
                    _ => MessageLevel::Error,
                };
                let line = match code {
                    Some(code) => format!("Exit code: {code}"),
                    None => "Exit code: -".to_owned(),
                };
                Message { level, line: line.into() }
            }
            Self::Error(line) => Message { level: MessageLevel::Error, line: Arc::clone(line) },
            Self::Said(message) => message.clone(),
            Self::TimedOut { state, since, at } => {
                let line = format!("Timed out in {state} after {}", HumanSpan(*at - *since));
                Message { level: MessageLevel::Error, line: line.into() }
            }
        }
    }
}
