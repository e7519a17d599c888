//! What ran for an instance: its triggers, and the executions of each (WorkflowInstanceExecutionData, spec 3).

use chrono::{DateTime, Utc};
use styx_client::{ExecStatus, Execution, TriggerHistory, WorkflowInstance, WorkflowInstanceExecutionData};
use styx_core::{
    event::{Description, Event},
    history::{History, PastExecution, PastTrigger},
    id::InstanceId,
    log::{LogError, LogReader},
};

use super::{
    Descriptions,
    events::{Times, for_each_event},
    flyte_exec_conf, trigger_parameters,
};

/// The history of an instance; `None` if nothing happened to it.
///
/// An execution began and ended when its executor saw it, which may be long before the server heard of it. Clocks differ and
/// are set: a time that lies behind its record, or before what came before, isn't believed.
///
/// # Errors
///
/// When the log can't be read.
pub(crate) fn history(
    reader: &dyn LogReader,
    instance: &InstanceId,
    descriptions: &Descriptions<'_>,
) -> Result<Option<History>, LogError> {
    let (mut history, mut last) = (None, DateTime::<Utc>::MIN_UTC);
    for_each_event(reader, instance, |event, Times { recorded, observed }| {
        let at = observed.map_or(recorded, |observed| observed.min(recorded).max(last));
        last = last.max(at);
        let stored = match event {
            Event::Submit { description: Description::Stored(position), .. } => Some(descriptions.ran(*position)?),
            _ => None,
        };
        history.get_or_insert_with(History::new).apply(event, at, stored.as_ref());
        Ok(())
    })?;
    Ok(history)
}

/// A history that was told, as clients see it.
pub(crate) fn execution_data(instance: &InstanceId, triggers: Vec<PastTrigger>) -> WorkflowInstanceExecutionData {
    let triggers = triggers.into_iter().map(|trigger| TriggerHistory {
        trigger_id: trigger.trigger_id.to_string(),
        timestamp: trigger.at,
        parameters: trigger_parameters(&trigger.parameters),
        complete: trigger.complete,
        executions: trigger.executions.into_iter().map(execution).collect(),
    });
    WorkflowInstanceExecutionData { workflow_instance: WorkflowInstance::from(instance), triggers: triggers.collect() }
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
        event::TriggerParameters,
        executor::{Effect, Observation, Observed},
        extensions::Extensions,
        id::WorkflowId,
        record::{Operator, Origin, StoredWorkflow},
        workflow::WorkflowConfiguration,
    };
    use styx_engine::machine::{Machine, MachineOptions};
    use styx_store::MemoryLog;
    use uuid::Uuid;

    use super::*;
    use crate::{definitions::Definitions, views::events::Events};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
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
        let triggers = history(reader.as_ref(), &instance, &descriptions).unwrap().unwrap().end().unwrap();
        let statuses = execution_data(&instance, triggers).triggers.remove(0).executions.remove(0).statuses;
        let events = Events::of(instance).next_page(reader.as_ref(), &descriptions).unwrap();
        let told = |event: &styx_client::TimestampedEvent| event.timestamp;
        (statuses.into_iter().map(|status| status.timestamp).collect(), events.iter().map(told).collect())
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
