//! Commands on one workflow instance.

use styx_client::{
    About, Client, Effect, RetryOptions, TriggerParameters, TriggerRequest, WorkflowId, WorkflowInstance,
};

use crate::args::{Instance, Operation, Watch};
use crate::aside::tell;
use crate::failure::Failure;
use crate::output::Printer;
use crate::suggest::Subject;
use crate::watch::watch_end;

impl From<Instance> for WorkflowInstance {
    fn from(Instance { component, workflow, parameter }: Instance) -> Self {
        Self::new(component, workflow, parameter)
    }
}

/// Shows what happened to an instance. If nothing did, its workflow may be another one.
pub(crate) fn events(client: &Client, instance: Instance, watch: &Watch, printer: &mut Printer) -> Result<(), Failure> {
    let instance = WorkflowInstance::from(instance);
    let WorkflowId { component_id, id } = &instance.workflow_id;
    let mut is_told = false;
    watch_end(watch, printer, |printer| {
        let about = client.events_about(&instance)?;
        let payload = match std::mem::replace(&mut is_told, true) {
            false => answer(about, &instance.parameter)?.0,
            true => about.answer,
        };
        printer.events(&payload)?;
        if payload.events.is_empty()
            && watch.watch.is_none()
            && let Some(question) = Subject::Workflow(component_id.clone(), id.clone()).ask(client)
        {
            tell(question);
        }
        Ok(())
    })
}

/// Triggers an instance.
pub(crate) fn trigger(
    client: &Client,
    instance: &Instance,
    env: Vec<(String, String)>,
    allow_future: bool,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let Instance { component, workflow, parameter } = instance;
    let request = TriggerRequest {
        workflow_id: WorkflowId::new(component, workflow),
        parameter: parameter.clone(),
        trigger_parameters: Some(TriggerParameters { env: env.into_iter().collect() }),
    };
    let about = client.trigger_about(&request, allow_future)?;
    answer(about, parameter)?;
    printer.message(&format!("Triggered! Use `styx ls -c {component}` to check active workflow instances."))
}

/// Halts an instance.
pub(crate) fn halt(client: &Client, operation: Operation, printer: &mut Printer) -> Result<(), Failure> {
    let instance = WorkflowInstance::from(operation.instance);
    let about = client.halt_about(&instance, operation.expected_counter)?;
    let (effect, parameter) = answer(about, &instance.parameter)?;
    let instance = WorkflowInstance { parameter, ..instance };
    let WorkflowInstance { workflow_id: WorkflowId { component_id, id }, parameter } = &instance;
    printer.message(&format!("Halted! Use `styx events {component_id} {id} {parameter}` to verify."))?;
    note_effect(effect, "halt", &instance);
    Ok(())
}

/// Retries an instance.
pub(crate) fn retry(client: &Client, operation: Operation, printer: &mut Printer) -> Result<(), Failure> {
    let instance = WorkflowInstance::from(operation.instance);
    let options = RetryOptions { expected_counter: operation.expected_counter, ..RetryOptions::default() };
    let (effect, parameter) = answer(client.retry_about(&instance, options)?, &instance.parameter)?;
    let instance = WorkflowInstance { parameter, ..instance };
    let component = &instance.workflow_id.component_id;
    printer.message(&format!("Retrying! Use `styx ls -c {component}` to check active workflow instances."))?;
    note_effect(effect, "retry", &instance);
    Ok(())
}

/// Shows why an instance waits.
pub(crate) fn explain(client: &Client, instance: Instance, printer: &mut Printer) -> Result<(), Failure> {
    let instance = WorkflowInstance::from(instance);
    let (explanation, _) = answer(client.explain_about(&instance)?, &instance.parameter)?;
    printer.explanation(&explanation)
}

/// The answer, and the parameter of the instance that it is about, which is reported where another text was typed.
fn answer<T>(about: About<T>, typed: &str) -> Result<(T, String), Failure> {
    let About { answer, partition, no_partition } = about;
    if let Some(problem) = no_partition {
        return Err(Failure::NoPartition(problem));
    }
    let partition = partition.unwrap_or_else(|| typed.to_owned());
    if partition != typed {
        tell(format_args!("{typed} was taken as {partition}"));
    }
    Ok((answer, partition))
}

/// Styx has always said yes to what has no effect. Who looks is told; what scripts read stays as it was.
fn note_effect(effect: Effect, verb: &str, instance: &WorkflowInstance) {
    if effect == Effect::Nothing {
        tell(format_args!("Nothing to {verb}: {} is not active", instance.key()));
    }
}
