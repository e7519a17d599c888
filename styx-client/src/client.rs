//! A client that waits for its answers.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::{Client as HttpClient, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use styx_core::workflow::WorkflowConfiguration;

use crate::error::TransportError;
use crate::{
    ApiError, Checkpoint, CheckpointsPayload, Error, EventsPayload, Host, RecordsPage, RunStateDataPayload,
    TriggerRequest, TriggerResponse, Workflow, WorkflowInstance, WorkflowInstanceExecutionData, WorkflowState,
    WorkflowWithState, json, request,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(90);

/// Asks a server, over HTTP/1.1, and waits for the answer.
///
/// HTTP/1.1 is not for want of better: the API puts its error texts into the status line, which HTTP/2 has not.
///
/// ```no_run
/// use styx_client::{Client, Host};
///
/// let client = Client::new(&Host::parse("http://127.0.0.1:8080")?)?;
/// for run in client.active_states(Some("sales"))?.active_states {
///     println!("{} {}", run.workflow_instance.key(), run.state);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    http: HttpClient,
    host: Host,
    observer: Option<Observer>,
}

type Observer = Box<dyn Fn(&Exchange<'_>)>;

/// Whether a request changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It did, as far as the server says.
    Taken,
    /// The server says that there was nothing to do: the instance was not active.
    Nothing,
}

/// A request and what came of it, for those who want to watch.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The method.
    pub method: &'a str,
    /// The full address.
    pub url: &'a str,
    /// The body that was sent.
    pub body: Option<&'a str>,
    /// The id that was sent.
    pub request_id: &'a str,
    /// Status and reason of the answer, or what went wrong.
    pub outcome: &'a str,
    /// How long it took.
    pub took: Duration,
}

impl Client {
    /// Makes a client of a server. Nothing is sent yet.
    ///
    /// # Errors
    /// When this machine cannot give what TLS needs.
    pub fn new(host: &Host) -> Result<Self, TransportError> {
        request::install_crypto();
        let mut builder = HttpClient::builder()
            .user_agent(format!("Styx Client {}", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(READ_TIMEOUT);
        if host.is_this_machine() {
            builder = builder.no_proxy();
        }
        Ok(Self { http: builder.build()?, host: host.clone(), observer: None })
    }

    /// Has every exchange reported, when it is over.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&Exchange<'_>) + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The runs that are active, of one component or of all.
    ///
    /// # Errors
    /// As all requests: no answer, a refusal, or an answer that cannot be read.
    pub fn active_states(&self, component: Option<&str>) -> Result<RunStateDataPayload, Error> {
        let query: Vec<_> = component.map(|component| ("component", component)).into_iter().collect();
        self.get(&["status", "activeStates"], &query)
    }

    /// What happened to an instance, oldest first. An unknown instance has no events.
    ///
    /// # Errors
    /// As all requests.
    pub fn events(&self, instance: &WorkflowInstance) -> Result<EventsPayload, Error> {
        let WorkflowInstance { workflow_id, parameter } = instance;
        self.get(&["status", "events", &workflow_id.component_id, &workflow_id.id, parameter], &[])
    }

    /// What ran for an instance: its triggers, and the executions of each.
    ///
    /// # Errors
    /// As all requests; refused with 404 if nothing happened to the instance.
    pub fn executions(&self, instance: &WorkflowInstance) -> Result<WorkflowInstanceExecutionData, Error> {
        let WorkflowInstance { workflow_id, parameter } = instance;
        self.get(&["workflows", &workflow_id.component_id, &workflow_id.id, "instances", parameter], &[])
    }

    /// Triggers an instance.
    ///
    /// # Errors
    /// As all requests; refused if the instance is active, or, without `allow_future`, of the future.
    pub fn trigger(&self, request: &TriggerRequest, allow_future: bool) -> Result<TriggerResponse, Error> {
        let query = [("allowFuture", if allow_future { "true" } else { "false" })];
        self.post(&["scheduler", "trigger"], &query, request)
    }

    /// Halts an instance.
    ///
    /// # Errors
    /// As all requests. It is no error if the instance is not active.
    pub fn halt(&self, instance: &WorkflowInstance) -> Result<Effect, Error> {
        self.act(&["scheduler", "halt"], instance)
    }

    /// Has an instance that waits for its next try run at once.
    ///
    /// # Errors
    /// As all requests; refused if the instance runs. It is no error if it is not active.
    pub fn retry(&self, instance: &WorkflowInstance) -> Result<Effect, Error> {
        self.act(&["scheduler", "retry"], instance)
    }

    /// All workflows.
    ///
    /// # Errors
    /// As all requests.
    pub fn workflows(&self) -> Result<Vec<Workflow>, Error> {
        self.get(&["workflows"], &[])
    }

    /// A workflow, and whether it is enabled and when it runs next.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn workflow_with_state(&self, component: &str, workflow: &str) -> Result<WorkflowWithState, Error> {
        self.get(&["workflows", component, workflow, "full"], &[])
    }

    /// Creates a workflow, or replaces the one of that name.
    ///
    /// # Errors
    /// As all requests; refused if the configuration is not valid.
    pub fn create_or_update_workflow(
        &self,
        component: &str,
        configuration: &WorkflowConfiguration,
    ) -> Result<Workflow, Error> {
        self.post(&["workflows", component], &[], &crate::workflow::AsJson(configuration))
    }

    /// Deletes a workflow. Its history stays.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn delete_workflow(&self, component: &str, workflow: &str) -> Result<(), Error> {
        self.send(Method::DELETE, &["workflows", component, workflow], &[], None).map(drop)
    }

    /// Changes what is given of a workflow's state, and leaves the rest.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such workflow.
    pub fn update_workflow_state(
        &self,
        component: &str,
        workflow: &str,
        state: &WorkflowState,
    ) -> Result<WorkflowState, Error> {
        self.send_json(Method::PATCH, &["workflows", component, workflow, "state"], &[], state)
    }

    /// Has the server make a checkpoint of its log, and waits until it is there.
    ///
    /// # Errors
    /// As all requests; refused with 507 if too little of the disk is free.
    pub fn create_checkpoint(&self) -> Result<Checkpoint, Error> {
        let url = self.host.v4_url(&["checkpoints"], &[]);
        self.send_to(Method::POST, url, None)?.read()
    }

    /// The checkpoints that the server has, the oldest first.
    ///
    /// # Errors
    /// As all requests.
    pub fn checkpoints(&self) -> Result<CheckpointsPayload, Error> {
        let url = self.host.v4_url(&["checkpoints"], &[]);
        self.send_to(Method::GET, url, None)?.read()
    }

    /// Records of the server's log from a position on, at most `limit` (the server gives at most 1,000). When there is none
    /// yet, the server waits for one, for at most `wait` (30 seconds).
    ///
    /// # Errors
    /// As all requests.
    pub fn records(&self, from: u64, limit: u64, wait: Duration) -> Result<RecordsPage, Error> {
        let (from, limit, wait) = (from.to_string(), limit.to_string(), wait.as_secs().to_string());
        let query = [("from", from.as_str()), ("limit", limit.as_str()), ("wait", wait.as_str())];
        let answer = self.send_to(Method::GET, self.host.v4_url(&["records"], &query), None)?;
        let tail = answer.tail.unwrap_or_default();
        let lines = String::from_utf8_lossy(&answer.body).lines().map(str::to_owned).collect();
        Ok(RecordsPage { lines, tail })
    }

    fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Error> {
        self.send(Method::GET, path, query, None)?.read()
    }

    fn post<T, B>(&self, path: &[&str], query: &[(&str, &str)], body: &B) -> Result<T, Error>
    where
        T: DeserializeOwned,
        B: Serialize,
    {
        self.send_json(Method::POST, path, query, body)
    }

    fn send_json<T, B>(&self, method: Method, path: &[&str], query: &[(&str, &str)], body: &B) -> Result<T, Error>
    where
        T: DeserializeOwned,
        B: Serialize,
    {
        self.send(method, path, query, Some(json_text(body)))?.read()
    }

    /// Sends a request whose answer is of no interest, but for its effect.
    fn act(&self, path: &[&str], instance: &WorkflowInstance) -> Result<Effect, Error> {
        let answer = self.send(Method::POST, path, &[], Some(json_text(instance)))?;
        Ok(if answer.has_no_effect { Effect::Nothing } else { Effect::Taken })
    }

    /// Sends a request, and gives the answer if the server agreed.
    fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answer, Error> {
        self.send_to(method, self.host.url(path, query), body)
    }

    fn send_to(&self, method: Method, url: String, body: Option<String>) -> Result<Answer, Error> {
        let request_id = request::new_id();
        let began = Instant::now();
        let result = self.exchange(&method, &url, &request_id, body.clone());
        if let Some(observer) = &self.observer {
            let outcome = match &result {
                Ok(answer) => answer.status.clone(),
                Err(Error::Api(error)) => error.to_string(),
                Err(Error::Transport { source, .. }) => source.to_string(),
                Err(error) => error.to_string(),
            };
            observer(&Exchange {
                method: method.as_str(),
                url: &url,
                body: body.as_deref(),
                request_id: &request_id,
                outcome: &outcome,
                took: began.elapsed(),
            });
        }
        result
    }

    fn exchange(&self, method: &Method, url: &str, request_id: &str, body: Option<String>) -> Result<Answer, Error> {
        let failed = |error: reqwest::Error| Error::Transport {
            method: method.to_string(),
            url: url.into(),
            source: error.into(),
        };
        let mut request = self.http.request(method.clone(), url).header(request::ID_HEADER, request_id);
        if let Some(body) = body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().map_err(failed)?;
        if !response.status().is_success() {
            return Err(refusal(response, request_id).into());
        }
        let tail = response.headers().get(request::TAIL_HEADER);
        Ok(Answer {
            status: response.status().to_string(),
            tail: tail.and_then(|tail| tail.to_str().ok()?.parse().ok()),
            has_no_effect: response.headers().get(request::EFFECT_HEADER).is_some_and(|effect| effect == "none"),
            body: response.bytes().map_err(failed)?.to_vec(),
            method: method.to_string(),
            url: url.into(),
        })
    }
}

/// What the server answered when it agreed.
struct Answer {
    method: String,
    url: String,
    status: String,
    has_no_effect: bool,
    /// Where the log ends, if the answer says so.
    tail: Option<u64>,
    body: Vec<u8>,
}

impl Answer {
    fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        json::from_slice(&self.body).map_err(|source| Error::Decode { method: self.method, url: self.url, source })
    }
}

fn json_text<T: Serialize>(body: &T) -> String {
    json::to_string(body).expect("wire types have a form in JSON")
}

/// Reads a refusal. Its text is in the status line; a server behind a proxy that drops it may repeat it in a body.
fn refusal(response: Response, request_id: &str) -> ApiError {
    let status = response.status();
    let echoed = response.headers().get(request::ID_HEADER).and_then(|id| id.to_str().ok());
    let request_id = echoed.unwrap_or(request_id).to_owned();
    let standard = status.canonical_reason().unwrap_or_default();
    let reason = match request::reason_phrase(response.extensions()) {
        Some(phrase) => phrase,
        None => request::reason_in_body(response).unwrap_or_else(|| standard.into()),
    };
    ApiError { status: status.as_u16(), reason, request_id, authenticated: false }
}
