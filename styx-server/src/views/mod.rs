//! What clients see of records and rows.

pub(crate) mod backfills;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod instances;
mod moves;
pub(crate) mod named;
pub(crate) mod partitions;
pub(crate) mod states;
pub(crate) mod waits;
pub(crate) mod workflows;

use std::{
    ops::ControlFlow,
    sync::{Arc, OnceLock},
};

use styx_client::{ExecutionDescription, FlyteExecConf, Message, MessageLevel, Trigger, json};
use styx_core::{
    config::Config,
    effects::{environment, filled_in},
    event::{self, Description, TriggerParameters},
    history::Ran,
    id::{InstanceId, Position},
    log::{Definition, Definitions, LogError, LogReader},
    record::{Record, Subject},
    run::{Run, State},
    workflow::{Span, WorkflowConfiguration},
    world::{Row, RowKey},
};

/// Spells out what executions run, from the workflow records that their `submit` names.
pub(crate) struct Descriptions<'a> {
    reader: &'a dyn LogReader,
    definitions: &'a Definitions,
    declared_env_only: bool,
    config: OnceLock<Arc<Config>>,
}

impl<'a> Descriptions<'a> {
    /// With `declared_env_only` a trigger sets only variables that the workflow names, as the executor has it.
    pub(crate) fn new(reader: &'a dyn LogReader, definitions: &'a Definitions, declared_env_only: bool) -> Self {
        Self { reader, definitions, declared_env_only, config: OnceLock::new() }
    }

    /// What is to be said of a run whose executor isn't configured: nobody reports about it.
    fn missing_executor(&self, run: &Run) -> Result<Option<Message>, LogError> {
        // The executor of an imported run is another system's.
        let executes = !run.imported && matches!(run.state, State::Submitting | State::Submitted | State::Running);
        let Some(runner) = run.runner.as_ref().filter(|_| executes) else { return Ok(None) };
        let config = match self.config.get() {
            Some(config) => config,
            None => {
                let config = match self.reader.get(&RowKey::Config)? {
                    Some(Row::Config(config)) => config,
                    _ => Arc::default(),
                };
                self.config.get_or_init(|| config)
            }
        };
        let line = || format!("executor `{runner}` isn't configured: configure it again, or halt the run");
        Ok((!config.has_executor(runner)).then(|| Message { level: MessageLevel::Warning, line: line() }))
    }

    /// What a try of `instance` runs. `flyte_execution_id` stays null: there is none without Flyte.
    fn spell_out(
        &self,
        instance: &InstanceId,
        description: &Description,
        parameters: Option<&TriggerParameters>,
    ) -> Result<ExecutionDescription, LogError> {
        let position = match description {
            Description::Stored(position) => *position,
            Description::Inline(inline) => return Ok(inline_description(inline)),
        };
        let definition = self.definitions.get(self.reader, position)?;
        let configuration = configuration(&definition, position)?;
        Ok(ExecutionDescription {
            docker_image: configuration.docker_image.clone(),
            docker_args: filled_in(configuration, instance.parameter()),
            docker_termination_logging: configuration.docker_termination_logging,
            service_account: configuration.service_account.clone(),
            commit_sha: configuration.commit_sha.clone(),
            env: environment(configuration, parameters, self.declared_env_only),
            running_timeout: configuration.running_timeout,
            retry_condition: configuration.retry_condition.clone(),
            flyte_exec_conf: configuration.flyte_exec_conf.as_ref().map(Into::into),
            flyte_execution_id: None,
        })
    }

    /// What an execution ran whose `submit` names this record.
    fn ran(&self, position: Position) -> Result<Ran, LogError> {
        let definition = self.definitions.get(self.reader, position)?;
        let configuration = configuration(&definition, position)?;
        let flyte = configuration.flyte_exec_conf.as_ref().map(FlyteExecConf::from);
        Ok(Ran {
            docker_image: configuration.docker_image.as_deref().map(Into::into),
            commit_sha: configuration.commit_sha.as_deref().map(Into::into),
            flyte_exec_conf: flyte.and_then(|flyte| json::to_string(&flyte).ok()).map(Into::into),
            flyte_execution_id: None,
        })
    }
}

/// Visits the records found under a subject from `from` on, in order and a page at a time, until a visit breaks off.
fn for_each_record(
    reader: &dyn LogReader,
    subject: &Subject,
    mut from: Position,
    page: usize,
    mut visit: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), LogError> {
    loop {
        let records = reader.history(subject, from, page)?;
        let next = records.last().filter(|_| records.len() == page).map(|record| record.position.next());
        let goes_on = records.into_iter().try_for_each(&mut visit).is_continue();
        match next.filter(|_| goes_on) {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

fn configuration(definition: &Definition, position: Position) -> Result<&WorkflowConfiguration, LogError> {
    definition.configuration().map_err(|error| LogError::at_record(position, error))
}

fn inline_description(inline: &event::ExecutionDescription) -> ExecutionDescription {
    ExecutionDescription {
        docker_image: inline.docker_image.clone(),
        docker_args: inline.docker_args.clone(),
        docker_termination_logging: inline.docker_termination_logging,
        service_account: inline.service_account.clone(),
        commit_sha: inline.commit_sha.clone(),
        env: inline.env.clone(),
        running_timeout: inline.running_timeout.map(Span::from),
        retry_condition: inline.retry_condition.clone(),
        flyte_exec_conf: inline.flyte_exec_conf.as_deref().and_then(flyte_exec_conf),
        flyte_execution_id: inline.flyte_execution_id.clone(),
    }
}

/// A Flyte configuration from the JSON text that records hold, read as leniently as all of the API's JSON.
fn flyte_exec_conf(json_text: &str) -> Option<FlyteExecConf> {
    json::from_slice(json_text.as_bytes()).ok()
}

fn trigger(trigger: &event::Trigger) -> Trigger {
    let trigger_id = trigger.id().to_owned();
    match trigger {
        event::Trigger::Natural => Trigger::Natural,
        event::Trigger::AdHoc(_) => Trigger::Adhoc { trigger_id },
        event::Trigger::Backfill(_) => Trigger::Backfill { trigger_id },
        event::Trigger::Unknown(_) => Trigger::Unknown { trigger_id },
    }
}

fn trigger_parameters(parameters: &TriggerParameters) -> styx_client::TriggerParameters {
    styx_client::TriggerParameters { env: parameters.env.as_ref().clone() }
}

fn message(message: &event::Message) -> Message {
    let level = match message.level {
        event::MessageLevel::Info => MessageLevel::Info,
        event::MessageLevel::Warning => MessageLevel::Warning,
        event::MessageLevel::Error => MessageLevel::Error,
        event::MessageLevel::Unknown => MessageLevel::Unknown,
    };
    Message { level, line: message.line.to_string() }
}

#[cfg(test)]
mod counting;
#[cfg(test)]
mod partition_laws;
