//! The HTTP side: from a request to an answer.

mod app;
mod aside;
mod audit;
mod bounds;
mod evidence;
mod guard;
mod listener;
mod moment;
mod once;
mod page;
mod path;
mod query;
mod redacted;
mod request;
mod response;
mod revised;
mod router;
mod routes;
mod seats;
mod starting;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use hyper::{
    Method, StatusCode,
    header::{HeaderValue, USER_AGENT},
    http::request::Parts,
};
use styx_core::{
    decide::{Reply, Request as Ask},
    id::InstanceId,
    log::{LogError, LogReader},
    now::Now,
    record::{Fact, Operator, Record},
    world::{RowKey, World},
};
use styx_engine::engine::Busy;
use tracing::Instrument;

pub(crate) use self::{
    app::{App, Parts as AppParts},
    aside::Aside,
    guard::Guard,
    listener::{Limits, serve},
    request::new_request_id,
    starting::router,
};
use self::{
    audit::Audited,
    evidence::request_json,
    moment::Moment,
    once::Once,
    page::Page,
    path::segments,
    query::Query,
    request::Payload,
    response::ApiError,
    router::{Resolved, Route, resolve},
};
use crate::auth::{Caller, Refused};

/// The longest request id that is logged and recorded; a longer one is cut there and echoed whole.
const MAX_REQUEST_ID: usize = 128;

/// A request that has a route.
struct Call {
    app: Arc<App>,
    query: Query,
    payload: Payload,
    operator: Arc<Operator>,
    once: Once,
    page: Option<Page>,
}

impl Call {
    /// What the log holds now, for all reads of one answer.
    fn moment(&self) -> Arc<Moment> {
        Arc::new(Moment::now(&self.app))
    }

    /// Reads the log as it is at one moment, on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn LogReader) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.read_at(&self.moment(), move |moment| read(moment.reader())).await
    }

    /// As [`read`](Self::read), as it was at this moment.
    async fn read_at<T: Send + 'static>(
        &self,
        moment: &Arc<Moment>,
        read: impl FnOnce(&Moment) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (moment, span) = (Arc::clone(moment), tracing::Span::current());
        match self.app.aside.read(move || span.in_scope(|| read(&moment))).await {
            Ok(result) => result.map_err(|error| self.unreadable(&error)),
            Err(panic) => Err(ApiError::internal(&self.operator.request_id, "Panic", panic)),
        }
    }

    /// Reads a few rows or records by their keys, here and now: they are nearly always in memory, and to hand them to another
    /// thread takes longer than to read them.
    fn read_now<T>(&self, read: impl FnOnce(&dyn LogReader) -> Result<T, LogError>) -> Result<T, ApiError> {
        read(self.app.engine.reader()).map_err(|error| self.unreadable(&error))
    }

    /// The refusal when the log can't be read.
    fn unreadable(&self, error: &LogError) -> ApiError {
        ApiError::internal(&self.operator.request_id, "LogError", error)
    }

    /// Asks the engine, and waits until the answer is durable.
    async fn ask(&self, request: Ask) -> Result<Reply, ApiError> {
        Ok(self.ask_recorded(request).await?.0)
    }

    /// As [`ask`](Self::ask), with the record that tells what became of the request when its key was used before.
    async fn ask_recorded(&self, request: Ask) -> Result<(Reply, Option<Record>), ApiError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let answer = move |reply| {
            // Whoever asked may have gone.
            let _ = sender.send(reply);
        };
        let (engine, operator) = (&self.app.engine, Arc::clone(&self.operator));
        match self.once.key.clone() {
            Some(key) => engine.ask_once(request, operator, key, answer),
            None => engine.ask(request, operator, answer),
        }
        .map_err(busy)?;
        match receiver.await {
            Ok(Reply::Refused(refusal)) => Err(refusal.into()),
            Ok(Reply::Repeated { by }) => {
                let first = self.read_now(|reader| reader.read(by, 1))?.pop();
                let gone = || ApiError::new(StatusCode::CONFLICT, "what followed from the idempotency key is gone");
                let first = first.ok_or_else(gone)?;
                Ok((Reply::of_record(&first), Some(first)))
            }
            Ok(reply) => Ok((reply, None)),
            Err(_) => Err(busy(Busy::Stopped)),
        }
    }

    /// Whether the request's key was used before, so that what was right then needs no second look.
    fn is_repeated(&self) -> Result<bool, ApiError> {
        let Some(key) = &self.once.key else { return Ok(false) };
        let row = RowKey::Answered(Arc::clone(&key.key));
        Ok(self.read_now(|reader| reader.get(&row))?.is_some())
    }

    /// Asks for something that is about an instance, only if its last event is the one that the client has seen. Returns also
    /// the instance that it became: another one if the key was used before the instance was found by its present schedule.
    async fn ask_about(&self, instance: &InstanceId, request: Ask) -> Result<(Reply, InstanceId), ApiError> {
        let request = match self.once.expected {
            Some(counter) => Ask::Expecting { instance: instance.clone(), counter, request: Box::new(request) },
            None => request,
        };
        let (reply, before) = self.ask_recorded(request).await?;
        let acted_on = match before.map(|record| record.fact) {
            Some(Fact::Run(instance, _)) => instance,
            _ => instance.clone(),
        };
        Ok((reply, acted_on))
    }

    /// Looks at the world as it is between two steps of the engine; it must be quick.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&World, Now) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let looked = self.app.engine.look(move |world, now| {
            let _ = sender.send(look(world, now));
        });
        looked.map_err(busy)?;
        receiver.await.map_err(|_| busy(Busy::Stopped))
    }
}

fn busy(busy: Busy) -> ApiError {
    match busy {
        Busy::Full => {
            let text = "too many requests are waiting: try again in a second";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(1)
        }
        _ => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping").retry_after(5),
    }
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let metrics = Arc::clone(&app.metrics);
    let (route, response) = answer(app, request, began).await;
    metrics.http.answered(route, &method, response.status().as_u16(), began.elapsed());
    response
}

/// The answer to a request, and the pattern of its path.
async fn answer(app: Arc<App>, request: Request, began: Instant) -> (&'static str, Response) {
    const NO_ROUTE: &str = "none";
    let (parts, body) = request.into_parts();
    let is_ours = is_v4(&parts);
    let refuse = |error: ApiError| (NO_ROUTE, refused(error, None, is_ours));
    if let Err(refused) = app.guard.check(&parts.method, &parts.uri, &parts.headers) {
        tracing::warn!("refused {} {}: {refused}", parts.method, parts.uri.path());
        return refuse(refused);
    }
    let Ok(segments) = segments(parts.uri.path()) else {
        return refuse(ApiError::standard(StatusCode::BAD_REQUEST));
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match resolve(&parts.method, &segments) {
        Resolved::Route(route) => (route.pattern(), answer_route(app, parts, body, route, began).await),
        Resolved::Options(allow) => (NO_ROUTE, response::options(&allow)),
        Resolved::MethodNotAllowed(allow) => {
            let (route, refusal) = refuse(ApiError::standard(StatusCode::METHOD_NOT_ALLOWED));
            (route, response::method_not_allowed(refusal, &allow))
        }
        Resolved::NotFound => refuse(ApiError::standard(StatusCode::NOT_FOUND)),
    }
}

async fn answer_route(app: Arc<App>, parts: Parts, body: Body, route: Route<'_>, began: Instant) -> Response {
    match route {
        Route::Ping => response::pong(),
        Route::Ready => ready(&app, &parts),
        Route::Index => response::text(routes::INDEX),
        // Without a request id: nobody looks for one scrape among thousands.
        Route::Metrics => match admit(&app, &parts, route) {
            Ok(_) => {
                let scraped = in_time(app.http.request_timeout.std(), routes::metrics(Arc::clone(&app))).await;
                scraped.unwrap_or_else(|error| refused(error, None, false))
            }
            Err(error) => refused(error, None, false),
        },
        route => handle_route(app, parts, body, route, began).await,
    }
}

/// How the server is; why, only for those who may read.
fn ready(app: &App, parts: &Parts) -> Response {
    let mut readiness = app.readiness();
    if app.access.caller(&parts.method, &parts.headers, app.clock.now()).is_err() {
        readiness.reasons.iter_mut().for_each(|reason| reason.reason.clear());
    }
    response::readiness(&readiness)
}

/// A request that takes longer than it may fails.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let timeout = || ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Timeout");
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(timeout()))
}

/// Whether a request is for our own API, which says what is wrong in a form of its own.
fn is_v4(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/api/v4/")
}

fn refused(error: ApiError, request_id: Option<&str>, is_v4: bool) -> Response {
    if is_v4 { error.into_problem(request_id) } else { error.into_response(request_id) }
}

/// Request id, block list, time limit, audit line: what all routes have in common (spec 1.5).
async fn handle_route(app: Arc<App>, parts: Parts, body: Body, route: Route<'_>, began: Instant) -> Response {
    let sent_id = parts.headers.get(response::REQUEST_ID).filter(|id| !id.is_empty()).cloned();
    let request_id = sent_id.as_ref().map_or_else(new_request_id, |id| {
        let id = String::from_utf8_lossy(id.as_bytes()).into_owned();
        id[..id.floor_char_boundary(MAX_REQUEST_ID)].to_owned()
    });
    let mut time_limit = app.http.request_timeout.std();
    if matches!(route, Route::Records) {
        time_limit += routes::log::LONGEST_WAIT;
    }
    let metrics = Arc::clone(&app.metrics);
    let admitted = admit(&app, &parts, route);
    let caller = admitted.as_ref().map_or_else(|_| Caller::anonymous(false), Caller::clone);
    let span = tracing::info_span!("request", request_id, route = route.pattern(), actor = &*caller.name);
    let mut audited = Audited {
        metrics: &metrics,
        route: route.pattern(),
        parts: &parts,
        request_id: &request_id,
        actor: &caller.name,
        began,
        is_answered: false,
    };
    let answered = match admitted {
        Ok(caller) => {
            let work = dispatch(app, &parts, body, route, &request_id, caller).instrument(span);
            in_time(time_limit, work).await
        }
        Err(error) => Err(error),
    };
    let refusal = answered.as_ref().err().map(ToString::to_string);
    let mut response = answered.unwrap_or_else(|error| refused(error, Some(&request_id), is_v4(&parts)));
    if !caller.sees_env {
        response = redacted::without_env(response);
    }
    let echoed = sent_id.or_else(|| HeaderValue::from_str(&request_id).ok());
    if let Some(id) = echoed {
        response.headers_mut().insert(response::REQUEST_ID, id);
    }
    audited.answered(&response, refusal.as_deref());
    response
}

/// Turns away blocked clients and callers that may not ask.
fn admit(app: &App, parts: &Parts, route: Route<'_>) -> Result<Caller, ApiError> {
    // The scheduler's own prefix is not checked (C-20), nor is the way to take back what blocks a client.
    if !parts.uri.path().starts_with("/api/v0/")
        && !matches!(route, Route::Config | Route::ChangeConfig)
        && let Some(client) = parts.headers.get(USER_AGENT)
        && is_blocked(app, client.as_bytes())
    {
        let text = "blacklisted client version, please upgrade";
        return Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, text));
    }
    let caller = app.access.caller(&parts.method, &parts.headers, app.clock.now())?;
    // Who asked for what, from which address and under which key: Styx's own reads don't show it.
    if !caller.sees_env && matches!(route, Route::Records) {
        return Err(Refused::Missing.into());
    }
    Ok(caller)
}

/// Whether a client is turned away, by the file or by operators.
fn is_blocked(app: &App, client: &[u8]) -> bool {
    app.http.blocked_clients.iter().any(|blocked| blocked.as_bytes() == client)
        || app.watched.config.borrow().runtime.blocked_clients.iter().any(|blocked| blocked.as_bytes() == client)
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::NotBearer | Refused::Malformed => StatusCode::BAD_REQUEST,
            Refused::Invalid | Refused::Missing => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, refused.to_string())
    }
}

async fn dispatch(
    app: Arc<App>,
    parts: &Parts,
    body: Body,
    route: Route<'_>,
    request_id: &str,
    caller: Caller,
) -> Result<Response, ApiError> {
    let query = Query::parse(parts.uri.query().unwrap_or_default())
        .map_err(|_| ApiError::bad_request("invalid percent escape in the query"))?;
    let mut payload = Payload(None);
    if is_write(&parts.method) {
        payload = Payload::read(&parts.headers, body, app.http.max_body_bytes).await?;
        // That one is a question (E-24).
        if !matches!(route, Route::TestServiceAccount)
            && let Some(text) = app.disk.refusal()
        {
            return Err(ApiError::new(StatusCode::INSUFFICIENT_STORAGE, text));
        }
    }
    let from = parts.extensions.get::<Peer>().map(|Peer(address)| *address);
    let operator = Operator {
        actor: caller.name,
        request_id: request_id.into(),
        request: request_json(&parts.method, &parts.uri.to_string(), from, payload.0.as_deref()).into(),
    };
    let once = Once::read(parts, payload.0.as_deref(), &operator.actor)?;
    let knows_counters = matches!(route, Route::Trigger | Route::Halt | Route::Retry | Route::InjectEvent);
    if once.expected.is_some() && is_write(&parts.method) && !knows_counters {
        return Err(ApiError::bad_request("x-styx-expected-counter is for triggers, halts, retries and events"));
    }
    if once.key.is_some() && matches!(route, Route::MakeCheckpoint) {
        return Err(ApiError::bad_request(
            "idempotency-key is for what the log records; each request makes a checkpoint",
        ));
    }
    let page = Page::read(parts)?;
    let call = Call { app, query, payload, operator: Arc::new(operator), once, page };
    routes::answer(&call, route).await
}

/// Whether a method may change something.
pub(crate) fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Where a request comes from: the other end of its connection, which may be a proxy.
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

#[cfg(test)]
mod clock_laws;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod route_laws;
#[cfg(test)]
mod scripted;
