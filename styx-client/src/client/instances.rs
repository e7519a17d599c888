//! Instances: what runs, what ran, and what to do with it.

use reqwest::Method;

use super::{Answer, Call, Client};
use crate::{
    Error, Event, EventsPayload, RunStateDataPayload, TriggerRequest, TriggerResponse, WorkflowInstance,
    WorkflowInstanceExecutionData,
};

/// Whether a request changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It did, as far as the server says.
    Taken,
    /// The server says that there was nothing to do: the instance was not active.
    Nothing,
}

/// An answer about an instance, and which instance that is.
///
/// A parameter can be spelled in several ways, and a trigger rounds it down to the schedule; the answer of Styx's API repeats
/// what was sent. Styx 2.x says neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About<T> {
    /// The answer.
    pub answer: T,
    /// The parameter of the instance.
    pub partition: Option<String>,
    /// Why there is no such instance, and which are near: nothing was done.
    pub no_partition: Option<String>,
}

/// Which active runs to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveStates<'a> {
    /// All.
    All,
    /// Those of a component.
    Component(&'a str),
    /// Those of a workflow: its component, and its id.
    Workflow(&'a str, &'a str),
    /// Those of several components, whose names hold no comma.
    Components(&'a [&'a str]),
}

/// Which instances of a workflow to list, in the order of their parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstancesPage<'a> {
    /// At most `limit` instances, from a parameter on or from the first.
    From {
        /// The first parameter.
        offset: Option<&'a str>,
        /// How many at most; 0 and less is no limit.
        limit: i32,
    },
    /// Those from one parameter on, up to another one or to the end.
    Range {
        /// The first parameter.
        start: &'a str,
        /// The first parameter that is left out.
        stop: Option<&'a str>,
    },
    /// Those of the last periods of the schedule.
    Tail {
        /// How many periods.
        limit: i32,
    },
}

/// How to retry an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryOptions {
    /// In how many milliseconds it runs; at once if absent.
    pub delay_millis: Option<i64>,
    /// The number of the last event that the caller knows. If there were more, the request is refused with 409.
    pub expected_counter: Option<u64>,
}

impl Client {
    /// The runs that are active, of one component or of all.
    ///
    /// # Errors
    /// As all requests: no answer, a refusal, or an answer that cannot be read.
    pub fn active_states(&self, component: Option<&str>) -> Result<RunStateDataPayload, Error> {
        self.active_states_of(component.map_or(ActiveStates::All, ActiveStates::Component))
    }

    /// Some of the runs that are active.
    ///
    /// # Errors
    /// As all requests.
    pub fn active_states_of(&self, which: ActiveStates<'_>) -> Result<RunStateDataPayload, Error> {
        let path = ["status", "activeStates"];
        match which {
            ActiveStates::All => self.get(&path, &[]),
            ActiveStates::Component(component) => self.get(&path, &[("component", component)]),
            ActiveStates::Workflow(component, workflow) => {
                self.get(&path, &[("component", component), ("workflow", workflow)])
            }
            ActiveStates::Components(components) => self.get(&path, &[("components", &components.join(","))]),
        }
    }

    /// What happened to an instance, oldest first. An unknown instance has no events.
    ///
    /// # Errors
    /// As all requests.
    pub fn events(&self, instance: &WorkflowInstance) -> Result<EventsPayload, Error> {
        Ok(self.events_about(instance)?.answer)
    }

    /// As [`events`](Self::events), with the instance that the text of the parameter names.
    ///
    /// # Errors
    /// As all requests.
    pub fn events_about(&self, instance: &WorkflowInstance) -> Result<About<EventsPayload>, Error> {
        let WorkflowInstance { workflow_id, parameter } = instance;
        let path = ["status", "events", &workflow_id.component_id, &workflow_id.id, parameter];
        self.send(self.call(Method::GET, &path, &[]))?.about(Answer::read)
    }

    /// Which instance the text of the parameter names, as far as the server says it.
    ///
    /// # Errors
    /// As all requests.
    pub fn named(&self, instance: &WorkflowInstance) -> Result<About<()>, Error> {
        let WorkflowInstance { workflow_id, parameter } = instance;
        let path = ["status", "events", &workflow_id.component_id, &workflow_id.id, parameter];
        self.send(self.call(Method::HEAD, &path, &[]))?.about(|_| Ok(()))
    }

    /// What ran for an instance: its triggers, and the executions of each.
    ///
    /// # Errors
    /// As all requests; refused with 404 if nothing happened to the instance.
    pub fn executions(&self, instance: &WorkflowInstance) -> Result<WorkflowInstanceExecutionData, Error> {
        let WorkflowInstance { workflow_id, parameter } = instance;
        self.get(&["workflows", &workflow_id.component_id, &workflow_id.id, "instances", parameter], &[])
    }

    /// What ran for instances of a workflow. An unknown workflow has none.
    ///
    /// # Errors
    /// As all requests; refused with 404 if the tail of an unknown workflow is asked for.
    pub fn instances(
        &self,
        component: &str,
        workflow: &str,
        page: InstancesPage<'_>,
    ) -> Result<Vec<WorkflowInstanceExecutionData>, Error> {
        let limit_text;
        let mut query = Vec::new();
        match page {
            InstancesPage::From { offset, limit } => {
                limit_text = limit.to_string();
                query.extend(offset.map(|offset| ("offset", offset)));
                query.push(("limit", &limit_text));
            }
            InstancesPage::Range { start, stop } => {
                query.push(("start", start));
                query.extend(stop.map(|stop| ("stop", stop)));
            }
            InstancesPage::Tail { limit } => {
                limit_text = limit.to_string();
                query.extend([("limit", limit_text.as_str()), ("tail", "true")]);
            }
        }
        self.get(&["workflows", component, workflow, "instances"], &query)
    }

    /// Triggers an instance.
    ///
    /// # Errors
    /// As all requests; refused if the instance is active, or, without `allow_future`, of the future.
    pub fn trigger(&self, request: &TriggerRequest, allow_future: bool) -> Result<TriggerResponse, Error> {
        Ok(self.trigger_about(request, allow_future)?.answer)
    }

    /// As [`trigger`](Self::trigger), with the instance that the text of the parameter was rounded down to.
    ///
    /// # Errors
    /// As [`trigger`](Self::trigger).
    pub fn trigger_about(&self, request: &TriggerRequest, allow_future: bool) -> Result<About<TriggerResponse>, Error> {
        let query = [("allowFuture", if allow_future { "true" } else { "false" })];
        let call = self.call(Method::POST, &["scheduler", "trigger"], &query).with(request).keyed();
        self.send(call)?.about(Answer::read)
    }

    /// Halts an instance.
    ///
    /// # Errors
    /// As all requests. It is no error if the instance is not active.
    pub fn halt(&self, instance: &WorkflowInstance) -> Result<Effect, Error> {
        self.halt_expecting(instance, None)
    }

    /// Halts an instance, if the last event that the caller knows (the one of this number) is the last one.
    ///
    /// # Errors
    /// As all requests; refused with 409 if there were more events.
    pub fn halt_expecting(&self, instance: &WorkflowInstance, counter: Option<u64>) -> Result<Effect, Error> {
        Ok(self.halt_about(instance, counter)?.answer)
    }

    /// As [`halt_expecting`](Self::halt_expecting), with the instance that the text of the parameter names.
    ///
    /// # Errors
    /// As [`halt_expecting`](Self::halt_expecting).
    pub fn halt_about(&self, instance: &WorkflowInstance, counter: Option<u64>) -> Result<About<Effect>, Error> {
        self.act(self.call(Method::POST, &["scheduler", "halt"], &[]).with(instance).expecting(counter))
    }

    /// Has an instance that waits for its next try run at once.
    ///
    /// # Errors
    /// As all requests; refused if the instance runs. It is no error if it is not active.
    pub fn retry(&self, instance: &WorkflowInstance) -> Result<Effect, Error> {
        self.retry_with(instance, RetryOptions::default())
    }

    /// Has an instance that waits for its next try run, and says when or under which condition.
    ///
    /// # Errors
    /// As [`retry`](Self::retry); refused with 409 if there were more events than the caller knows.
    pub fn retry_with(&self, instance: &WorkflowInstance, options: RetryOptions) -> Result<Effect, Error> {
        Ok(self.retry_about(instance, options)?.answer)
    }

    /// As [`retry_with`](Self::retry_with), with the instance that the text of the parameter names.
    ///
    /// # Errors
    /// As [`retry_with`](Self::retry_with).
    pub fn retry_about(&self, instance: &WorkflowInstance, options: RetryOptions) -> Result<About<Effect>, Error> {
        let delay = options.delay_millis.map(|delay| delay.to_string());
        let query: Vec<_> = delay.iter().map(|delay| ("delay", delay.as_str())).collect();
        let call = self.call(Method::POST, &["scheduler", "retry"], &query);
        self.act(call.with(instance).expecting(options.expected_counter))
    }

    /// Injects an event. Styx takes `dequeue` as a retry, `halt` and `timeout` as they are, and refuses all others.
    ///
    /// # Errors
    /// As all requests.
    pub fn inject(&self, event: &Event) -> Result<Effect, Error> {
        Ok(self.act(self.call(Method::POST, &["scheduler", "events"], &[]).with(event))?.answer)
    }

    /// Sends a request whose answer is of no interest, but for its effect.
    fn act(&self, call: Call) -> Result<About<Effect>, Error> {
        self.send(call)?.about(|answer| Ok(answer.effect()))
    }
}
