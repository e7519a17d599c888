//! Whether the retry condition of a run holds (spec SM §18, §19).

use crate::{
    condition::{Condition, Variables},
    event::Trigger,
    id::InstanceId,
    run::Run,
    world::World,
};

/// Why the condition that counts for a run doesn't hold; `None` when it holds or there is none.
///
/// The condition of a try is the one that its `submit` recorded (W-11); without a try it is the workflow's present one. An
/// error counts as not met.
pub(super) fn unmet(world: &World, instance: &InstanceId, run: &Run) -> Option<String> {
    let text = match run.description {
        Some(_) => run.condition(),
        None => {
            world.workflows().get(instance.workflow()).and_then(|workflow| workflow.spec.retry_condition.as_deref())
        }
    }?;
    let variables = Variables {
        exit_code: run.last_exit,
        tries: run.tries,
        consecutive_failures: run.consecutive_failures,
        trigger_type: run.trigger.as_ref().map(Trigger::kind),
    };
    let why = match Condition::parse(text) {
        Ok(condition) => match condition.evaluate(&variables) {
            Ok(Some(true)) => return None,
            Ok(_) => "retry condition not met".to_owned(),
            Err(error) => format!("retry condition not met, {error}"),
        },
        Err(error) => format!("retry condition not met, {error}"),
    };
    Some(format!("{why}: `{text}` with {variables}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::{
        config::Config,
        decide::{Facts, Input, Request, decide},
        event::{Description, ExecutionDescription},
        id::{Epoch, Position, WorkflowId},
        record::Operator,
        seed::Seed,
        stored_workflow::{Origin, StoredWorkflow},
        workflow::WorkflowConfiguration,
    };

    /// A world in which the workflow's present condition is `false`.
    fn world() -> (World, InstanceId) {
        let (id, now) = (WorkflowId::new("c", "w"), DateTime::UNIX_EPOCH);
        let mut configuration = WorkflowConfiguration::new("w", "hours");
        configuration.retry_condition = Some("false".to_owned());
        let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
        let operator = Operator { actor: "a".into(), request_id: "r".into(), request: "{}".into() };
        let config = Arc::new(Config::default());
        let inputs = [
            Input::Start { log_id: Uuid::from_u128(1), root_seed: Uuid::from_u128(2), config },
            Input::Asked(Request::StoreWorkflow { id: id.clone(), workflow }, Arc::new(operator)),
        ];
        let mut world = World::default();
        for input in inputs {
            for draft in decide(&world, &Facts::default(), &input, now, Seed(Uuid::nil())).drafts {
                let record = draft.into_record(&world, now, Epoch(1));
                world.apply(&record).unwrap();
            }
        }
        (world, InstanceId::new(id, "1970-01-01T00"))
    }

    #[test]
    fn the_condition_is_that_of_the_try_or_else_the_workflows() {
        let (world, instance) = world();
        let mut run = Run::new(None, DateTime::UNIX_EPOCH);
        let holds = |run: &Run| unmet(&world, &instance, run).is_none();
        assert!(!holds(&run), "without a try the present one counts");
        run.description = Some(Description::Stored(Position(3)));
        assert!(holds(&run), "a try without a condition");
        run.retry_condition = Some("#tries == 0".into());
        assert!(holds(&run), "a try with its own condition");
        let retry_condition = Some("#tries == 1".to_owned());
        let inline = ExecutionDescription { retry_condition, ..ExecutionDescription::default() };
        run.description = Some(Description::Inline(Arc::new(inline)));
        assert!(!holds(&run), "what is spelled out inline has its own");
        let other = InstanceId::new(WorkflowId::new("c", "gone"), "1970-01-01T00");
        assert!(unmet(&world, &other, &Run::new(None, DateTime::UNIX_EPOCH)).is_none(), "no workflow, no condition");
    }
}
