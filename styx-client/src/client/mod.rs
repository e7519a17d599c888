//! A client that waits for its answers.

mod backfill_items;
mod backfills;
mod instances;
mod own;
mod resources;
mod workflows;

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::{Client as HttpClient, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::backfill_items::{BackfillItem, BackfillPage};
pub use self::instances::{About, ActiveStates, Effect, InstancesPage, RetryOptions};
pub use self::workflows::WorkflowFilter;
use crate::error::{InvalidToken, TransportError};
use crate::{
    ApiError, Error, Host, Retries, TestServiceAccountUsageRequest, TestServiceAccountUsageResponse, host, json,
    request,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// The longest answer that is taken in as a whole: a list of a million runs. What has no end must not take all memory.
const MAX_ANSWER: usize = 512 * 1024 * 1024;

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
    authorization: Option<HeaderValue>,
    retries: Retries,
    observer: Option<Observer>,
}

type Observer = Box<dyn Fn(&Exchange<'_>) + Send + Sync>;

/// A request and what came of it, for those who want to watch.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The method.
    pub method: &'a str,
    /// The full address.
    pub url: &'a str,
    /// The body that was sent.
    pub body: Option<&'a str>,
    /// The id that was sent, the same when a request is sent again.
    pub request_id: &'a str,
    /// Status and reason of the answer, or what went wrong.
    pub outcome: &'a str,
    /// How long it took.
    pub took: Duration,
    /// After how long the request will be sent again, if it will.
    pub again_after: Option<Duration>,
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
        Ok(Self {
            http: builder.build()?,
            host: host.clone(),
            authorization: None,
            retries: Retries::default(),
            observer: None,
        })
    }

    /// Says with every request who asks, by a token that the server knows.
    ///
    /// # Errors
    /// When the text cannot be a token.
    pub fn with_token(mut self, token: &str) -> Result<Self, InvalidToken> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Sends again what came to nothing, as often as this says.
    #[must_use]
    pub fn with_retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Has every exchange reported, when it is over.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Whether a server is there and answers. No token is looked at.
    ///
    /// # Errors
    /// As all requests: no answer, a refusal, or an answer that cannot be read.
    pub fn ping(&self) -> Result<(), Error> {
        self.send(Call::new(Method::GET, self.host.ping_url())).map(drop)
    }

    /// Whether a principal may run workflows as a service account.
    ///
    /// # Errors
    /// As all requests; refused if the account does not exist.
    pub fn test_service_account_usage(
        &self,
        request: &TestServiceAccountUsageRequest,
    ) -> Result<TestServiceAccountUsageResponse, Error> {
        self.send(self.call(Method::POST, &["status", "testServiceAccountUsageAuthorization"], &[]).with(request))?
            .read()
    }

    /// A request to the API of Styx.
    fn call(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> Call {
        Call::new(method, self.host.url(path, query))
    }

    /// A request for what only this server has.
    fn own_call(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> Call {
        Call::new(method, self.host.v4_url(path, query))
    }

    fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Error> {
        self.send(self.call(Method::GET, path, query))?.read()
    }

    /// Sends a request, again if need be, and gives the answer if the server agreed.
    fn send(&self, call: Call) -> Result<Answer, Error> {
        self.send_and(&call, |response| Answer::of(&call, response))
    }

    /// As [`send`](Self::send), with what `read` makes of the answer. It is called again when it fails and the request is sent
    /// again.
    fn send_and<T>(&self, call: &Call, read: impl Fn(Response) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(id) = host::lost_segment(&call.url) {
            return Err(Error::Unaddressable { id: id.into() });
        }
        let request_id = request::new_id();
        let mut sent = 0;
        loop {
            let began = Instant::now();
            let mut status = String::new();
            let result = self.exchange(call, &request_id).and_then(|response| {
                status = response.status().to_string();
                read(response)
            });
            sent += 1;
            let is_repeatable = call.is_repeatable();
            let wait = result
                .as_ref()
                .err()
                .and_then(|error| self.retries.wait(sent, is_repeatable, error, request::chance()));
            let outcome = match &result {
                Ok(_) => status,
                Err(Error::Transport { source, .. }) => source.to_string(),
                Err(error) => error.to_string(),
            };
            self.report(call, &request_id, &outcome, began.elapsed(), wait);
            match wait {
                Some(wait) => thread::sleep(wait),
                None => return result,
            }
        }
    }

    fn exchange(&self, call: &Call, request_id: &str) -> Result<Response, Error> {
        let mut request = self.http.request(call.method.clone(), &call.url).header(request::ID_HEADER, request_id);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(key) = &call.key {
            request = request.header(request::KEY_HEADER, key);
        }
        let from = call.page.from.as_deref().and_then(|from| HeaderValue::from_str(from).ok());
        if let Some(from) = from {
            request = request.header(request::FROM_HEADER, from);
        }
        if let Some(limit) = call.page.limit {
            request = request.header(request::LIMIT_HEADER, limit);
        }
        if let Some(counter) = call.expected_counter {
            request = request.header(request::EXPECTED_COUNTER_HEADER, counter);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(limit) = call.time_limit {
            request = request.timeout(limit);
        }
        let response = request.send().map_err(|error| call.failed(error))?;
        if !response.status().is_success() {
            return Err(refusal(response, request_id, self.authorization.is_some()).into());
        }
        if is_page(response.headers()) {
            let text =
                "the answer is a page for people (text/html): what answers there is a proxy or a login, not Styx";
            return Err(call.broken(text.into()));
        }
        Ok(response)
    }

    fn report(&self, call: &Call, request_id: &str, outcome: &str, took: Duration, again_after: Option<Duration>) {
        let Some(observer) = &self.observer else {
            return;
        };
        observer(&Exchange {
            method: call.method.as_str(),
            url: &call.url,
            body: call.body.as_deref(),
            request_id,
            outcome,
            took,
            again_after,
        });
    }
}

/// One request, before it is sent.
struct Call {
    method: Method,
    url: String,
    body: Option<String>,
    /// By which the server knows the request when it comes again.
    key: Option<String>,
    expected_counter: Option<u64>,
    /// For how long the answer may go on, if that is longer than usual.
    time_limit: Option<Duration>,
    /// Which part of the answer is wanted.
    page: BackfillPage,
}

impl Call {
    fn new(method: Method, url: String) -> Self {
        Self {
            method,
            url,
            body: None,
            key: None,
            expected_counter: None,
            time_limit: None,
            page: BackfillPage::default(),
        }
    }

    fn failed(&self, error: reqwest::Error) -> Error {
        Error::Transport { method: self.method.to_string(), url: self.url.clone(), source: error.into() }
    }

    fn broken(&self, message: String) -> Error {
        Error::Transport {
            method: self.method.to_string(),
            url: self.url.clone(),
            source: TransportError::broken(message),
        }
    }

    fn broke_off(&self, error: io::Error) -> Error {
        match error.downcast::<reqwest::Error>() {
            Ok(error) => self.failed(error),
            Err(error) => self.broken(error.to_string()),
        }
    }

    /// Allows an answer that goes on for long.
    fn within(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    fn with<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        self.body = Some(json::to_string(body).expect("wire types have a form in JSON"));
        self
    }

    /// Gives a request that creates something a key of its own.
    fn keyed(mut self) -> Self {
        self.key = Some(request::new_id());
        self
    }

    fn expecting(mut self, counter: Option<u64>) -> Self {
        self.expected_counter = counter;
        self
    }

    /// Whether it does no harm if the request arrives twice.
    fn is_repeatable(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD) || self.key.is_some()
    }
}

/// What the server answered when it agreed.
struct Answer {
    method: String,
    url: String,
    has_no_effect: bool,
    partition: Option<String>,
    no_partition: Option<String>,
    /// Some of the workflows that it shows owe instants of earlier schedules.
    owes: bool,
    /// Where the log ends, if the answer says so.
    tail: Option<u64>,
    body: Vec<u8>,
}

impl Answer {
    fn of(call: &Call, response: Response) -> Result<Self, Error> {
        let text = |name| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Ok(Self {
            tail: text(request::TAIL_HEADER).and_then(|tail| tail.parse().ok()),
            has_no_effect: text(request::EFFECT_HEADER).is_some_and(|effect| effect == "none"),
            partition: text(request::PARTITION_HEADER),
            no_partition: text(request::NO_PARTITION_HEADER),
            owes: text(request::OWED_HEADER).is_some(),
            method: call.method.to_string(),
            url: call.url.clone(),
            body: body_of(call, response, MAX_ANSWER)?,
        })
    }

    /// What `read` makes of the answer, with the instance that it is about.
    fn about<T>(mut self, read: impl FnOnce(Self) -> Result<T, Error>) -> Result<About<T>, Error> {
        let (partition, no_partition) = (self.partition.take(), self.no_partition.take());
        Ok(About { answer: read(self)?, partition, no_partition })
    }

    fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        json::from_slice(&self.body).map_err(|source| Error::Decode { method: self.method, url: self.url, source })
    }

    fn effect(&self) -> Effect {
        if self.has_no_effect { Effect::Nothing } else { Effect::Taken }
    }
}

/// Reads an answer of at most so many bytes.
fn body_of(call: &Call, mut response: impl Read, most: usize) -> Result<Vec<u8>, Error> {
    let began = Instant::now();
    let limit = call.time_limit.unwrap_or(READ_TIMEOUT);
    let mut body = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = response.read(&mut chunk).map_err(|error| call.broke_off(error))?;
        if length == 0 {
            return Ok(body);
        }
        if body.len() + length > most {
            return Err(call.broken(format!("the answer is longer than {most} bytes")));
        }
        body.extend_from_slice(&chunk[..length]);
        if began.elapsed() > limit {
            return Err(call.broken(format!("the answer didn't end within {} seconds", limit.as_secs())));
        }
    }
}

/// Whether an answer is a page: no Styx sends one, but what stands before it may, with status 200.
fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Reads a refusal. Its text is in the status line; a server behind a proxy that drops it may repeat it in a body.
fn refusal(response: Response, request_id: &str, authenticated: bool) -> ApiError {
    let status = response.status();
    let echoed = response.headers().get(request::ID_HEADER).and_then(|id| id.to_str().ok());
    let request_id = echoed.unwrap_or(request_id).to_owned();
    let retry_after = request::retry_after(response.headers());
    let standard = status.canonical_reason().unwrap_or_default();
    let reason = match request::reason_phrase(response.extensions()) {
        Some(phrase) => phrase,
        None => request::reason_in_body(response).unwrap_or_else(|| standard.into()),
    };
    ApiError { status: status.as_u16(), reason, request_id, authenticated, retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_an_end_is_cut() {
        let call = Call::new(Method::GET, "http://h/x".into());
        assert_eq!(body_of(&call, &b"0123456789"[..], 10).unwrap(), b"0123456789");
        for endless in [&mut &b"0123456789a"[..] as &mut dyn Read, &mut io::repeat(b'a')] {
            let error = body_of(&call, endless, 10).unwrap_err();
            assert_eq!(error.to_string(), "request failed: GET http://h/x: the answer is longer than 10 bytes");
        }
        let hasty = call.within(Duration::ZERO);
        let error = body_of(&hasty, &b"0"[..], 10).unwrap_err().to_string();
        assert!(error.ends_with("the answer didn't end within 0 seconds"), "{error}");
    }
}
