//! What an answer of the API server to a create, a GET or a delete means: by its reason and text, not by its number.

use std::time::Duration;

use serde::de::MapAccess;
use styx_core::id::ExecutionId;
use uuid::Uuid;

use crate::{
    lenient::{Lenient, Read, value},
    view::PodView,
};

/// How many characters of a body that isn't a Status are shown.
const SHOWN_BODY: usize = 512;

/// What came back for a request.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// Nothing that can be read: the connection broke, or no answer came in time.
    None {
        /// What went wrong.
        error: &'a str,
    },
    /// An answer of HTTP.
    Http {
        /// The status code.
        status: u16,
        /// The header `Retry-After`, if it is there.
        retry_after: Option<&'a str>,
        /// The body.
        body: &'a [u8],
    },
}

/// What to do after a create was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The pod is there: the create made it.
    Launched {
        /// Its uid, if the answer shows it.
        uid: Option<String>,
        /// Its version, likewise.
        resource_version: Option<String>,
    },
    /// Nobody knows whether the pod is there: create it under the same name again. That a GET doesn't find it meanwhile proves
    /// nothing.
    Unknown {
        /// What happened.
        reason: String,
    },
    /// A pod of this name is there, perhaps on its way out: get it, and judge it with [`found`].
    Exists,
    /// Another object had changed meanwhile (a quota): create again at once, a few times.
    AgainAtOnce {
        /// What was said.
        reason: String,
    },
    /// Not now.
    Refused(Refusal),
    /// The executor can't create anything: one probe at a time until that has changed.
    Unhealthy {
        /// What was said.
        reason: String,
    },
    /// This pod is never taken: the workflow's failure.
    NotLaunchable {
        /// What was said.
        reason: String,
    },
}

/// A refusal that will pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What was said.
    pub reason: String,
    /// How long the whole client sends nothing; none is a back-off of our own.
    pub retry_after: Option<Duration>,
    /// The credentials are to be read again.
    pub renew_credentials: bool,
    /// The request may have taken effect all the same, so the same name is sent again.
    pub may_have_happened: bool,
}

/// What a GET of a pod says about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// It is ours.
    Ours(Box<PodView>),
    /// A pod of this name isn't ours. It is never touched; the run needs an attempt with another id.
    Foreign {
        /// Why it isn't.
        reason: String,
    },
    /// It isn't there. Of a pod that was launched, that means that it is lost.
    Absent,
    /// Not now.
    Refused(Refusal),
    /// The executor can't be asked.
    Unhealthy {
        /// What was said.
        reason: String,
    },
}

/// What became of a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// It is on its way out, or gone.
    Accepted,
    /// It is gone.
    Gone,
    /// Another pod has the name by now: ours is gone, and the other isn't touched.
    NotOurs,
    /// Something had changed meanwhile: delete again at once, a few times.
    AgainAtOnce,
    /// Not now; or nobody knows, and it is sent again.
    Refused(Refusal),
    /// The executor can't delete anything.
    Unhealthy {
        /// What was said.
        reason: String,
    },
}

/// Reads the answer to a create.
pub fn created(answer: Answer<'_>) -> Created {
    let (status, retry_after, body) = match answer {
        Answer::None { error } => return Created::Unknown { reason: error.to_owned() },
        Answer::Http { status, retry_after, body } => (status, retry_after, body),
    };
    if (200..300).contains(&status) {
        // A proxy's page isn't a pod, whatever its number.
        let pod = PodView::from_json(body).ok().filter(|pod| !pod.name.is_empty());
        return match pod {
            Some(pod) => Created::Launched {
                uid: Some(pod.uid).filter(|uid| !uid.is_empty()),
                resource_version: Some(pod.resource_version).filter(|version| !version.is_empty()),
            },
            None => Created::Unknown { reason: format!("the answer {status} shows no pod: {}", shown(body)) },
        };
    }
    let said = Said::read(status, body);
    let reason = said.message.clone();
    match said.kind(status, retry_after) {
        Kind::Unknown => Created::Unknown { reason },
        Kind::Refused(refusal) => Created::Refused(refusal),
        Kind::Unhealthy => Created::Unhealthy { reason },
        Kind::Conflict if said.reason == "AlreadyExists" => Created::Exists,
        Kind::Conflict => Created::AgainAtOnce { reason },
        // The namespace: a pod can't be missing where it is about to be made.
        Kind::NotFound => Created::Unhealthy { reason },
        Kind::Never => Created::NotLaunchable { reason },
    }
}

/// Reads the answer to a GET of a pod by its name.
pub fn got(answer: Answer<'_>, execution: &ExecutionId, log_id: Uuid) -> Got {
    let (status, retry_after, body) = match answer {
        Answer::None { error } => return Got::Refused(Refusal { reason: error.to_owned(), ..Refusal::default() }),
        Answer::Http { status, retry_after, body } => (status, retry_after, body),
    };
    if (200..300).contains(&status) {
        return match PodView::from_json(body) {
            Ok(pod) if !pod.name.is_empty() => found(pod, execution, log_id),
            _ => Got::Unhealthy { reason: format!("the answer {status} shows no pod: {}", shown(body)) },
        };
    }
    let said = Said::read(status, body);
    let reason = said.message.clone();
    match said.kind(status, retry_after) {
        Kind::NotFound if said.is_about_pod() => Got::Absent,
        Kind::NotFound | Kind::Unhealthy | Kind::Never => Got::Unhealthy { reason },
        Kind::Refused(refusal) => Got::Refused(refusal),
        Kind::Unknown | Kind::Conflict => Got::Refused(Refusal { reason, ..Refusal::default() }),
    }
}

/// Whether a pod of the execution's name is ours. It is also while it is being deleted.
pub fn found(pod: PodView, execution: &ExecutionId, log_id: Uuid) -> Got {
    if pod.execution(log_id).as_ref() == Some(execution) {
        return Got::Ours(Box::new(pod));
    }
    let reason = format!("a pod {} is there that isn't of this log: choose another name, or remove it", pod.name);
    Got::Foreign { reason }
}

/// Reads the answer to a delete with the uid of our pod as precondition.
pub fn deleted(answer: Answer<'_>) -> Deleted {
    let (status, retry_after, body) = match answer {
        Answer::None { error } => {
            let refusal = Refusal { reason: error.to_owned(), may_have_happened: true, ..Refusal::default() };
            return Deleted::Refused(refusal);
        }
        Answer::Http { status, retry_after, body } => (status, retry_after, body),
    };
    if (200..300).contains(&status) {
        return Deleted::Accepted;
    }
    let said = Said::read(status, body);
    let reason = said.message.clone();
    match said.kind(status, retry_after) {
        Kind::NotFound if said.is_about_pod() => Deleted::Gone,
        Kind::Conflict if said.message.contains("UID in the precondition") => Deleted::NotOurs,
        Kind::Conflict => Deleted::AgainAtOnce,
        Kind::Refused(refusal) => Deleted::Refused(refusal),
        Kind::Unknown => Deleted::Refused(Refusal { reason, may_have_happened: true, ..Refusal::default() }),
        Kind::NotFound | Kind::Unhealthy | Kind::Never => Deleted::Unhealthy { reason },
    }
}

/// What an answer that isn't a success means for any request.
#[derive(Debug)]
enum Kind {
    Unknown,
    Refused(Refusal),
    Unhealthy,
    Conflict,
    NotFound,
    Never,
}

/// What an answer says: a Status of Kubernetes, or a text of a proxy before it.
#[derive(Debug, Default)]
pub(crate) struct Said {
    is_status: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) code: Option<i64>,
    details: Details,
}

/// The `details` of a Status.
#[derive(Debug, Default)]
struct Details {
    name: String,
    kind: String,
    retry_after_seconds: Option<i64>,
    causes: Vec<StatusCause>,
}

#[derive(Debug, Default)]
struct StatusCause {
    reason: String,
}

impl Said {
    /// Reads the body of an answer.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Read(said @ Self { is_status: true, .. })) => said,
            _ => Self { message: format!("{status}: {}", shown(body)), ..Self::default() },
        }
    }

    /// Whether a version of the past was asked for that isn't kept any more.
    pub(crate) fn is_expired(&self, status: u16) -> bool {
        status == 410 || self.code == Some(410) || matches!(self.reason.as_str(), "Expired" | "Gone")
    }

    /// Whether a version was asked for that this API server hasn't reached.
    pub(crate) fn is_too_large(&self) -> bool {
        self.has_cause("ResourceVersionTooLarge") || self.message.contains("Too large resource version")
    }

    /// How long to wait, as the header or the body says.
    pub(crate) fn retry_after(&self, header: Option<&str>) -> Option<Duration> {
        // The other form of the header, a date, is none of Kubernetes'.
        let header = header.and_then(|text| text.trim().parse().ok());
        let body = self.details.retry_after_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        header.or(body.filter(|seconds| *seconds > 0)).map(Duration::from_secs)
    }

    fn has_cause(&self, reason: &str) -> bool {
        self.details.causes.iter().any(|cause| cause.reason == reason)
    }

    /// Whether it is about a pod rather than about its namespace.
    fn is_about_pod(&self) -> bool {
        self.is_status && !self.details.name.is_empty() && matches!(self.details.kind.as_str(), "pods" | "Pod" | "pod")
    }

    /// What the API server says itself, before it repeats what a policy said, and whether one did.
    fn own_words(&self) -> (&str, bool) {
        let denials = ["denied the request", "denied request"];
        let at = denials.iter().filter_map(|text| self.message.find(text)).min();
        (at.map_or(self.message.as_str(), |at| &self.message[..at]), at.is_some())
    }

    fn kind(&self, status: u16, retry_after: Option<&str>) -> Kind {
        let refused = |renew_credentials| {
            Kind::Refused(Refusal {
                reason: self.message.clone(),
                retry_after: self.retry_after(retry_after),
                renew_credentials,
                may_have_happened: status >= 500,
            })
        };
        let (own_words, is_denied) = self.own_words();
        let calls_failed = own_words.contains("failed calling webhook");
        if status == 401 {
            return refused(true);
        }
        if is_denied && self.is_status && !calls_failed {
            // The number is whatever the policy chose.
            return Kind::Never;
        }
        match status {
            504 | 408 => Kind::Unknown,
            429 | 500.. => refused(false),
            403 if self.is_status => self.kind_of_forbidden(own_words, &refused),
            404 => Kind::NotFound,
            409 => Kind::Conflict,
            400 | 405 | 406 | 410..=415 | 422 => Kind::Never,
            400..500 if self.is_status => Kind::Never,
            // Not Kubernetes, but what stands before it.
            _ => Kind::Unhealthy,
        }
    }

    fn kind_of_forbidden(&self, own_words: &str, refused: &dyn Fn(bool) -> Kind) -> Kind {
        if self.has_cause("NamespaceTerminating") || own_words.contains("because it is being terminated") {
            return Kind::Unhealthy;
        }
        let is_account =
            own_words.contains("error looking up service account") || own_words.contains("no API token found");
        if own_words.contains("exceeded quota") || is_account {
            return refused(false);
        }
        // The words of every authoriser: `… is forbidden: User "…" cannot create resource …`.
        let is_rbac = own_words.contains("User \"") && own_words.contains("\" cannot ");
        if is_rbac { Kind::Unhealthy } else { Kind::Never }
    }
}

impl Lenient for Said {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "kind" => self.is_status = value::<String, _>(object)? == "Status",
            "reason" => self.reason = value(object)?,
            "message" => self.message = value(object)?,
            "code" => self.code = value(object)?,
            "details" => self.details = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Lenient for Details {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = value(object)?,
            "kind" => self.kind = value(object)?,
            "retryAfterSeconds" => self.retry_after_seconds = value(object)?,
            "causes" => self.causes = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Lenient for StatusCause {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "reason" => self.reason = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The beginning of a body as text.
fn shown(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).trim().chars().take(SHOWN_BODY).collect();
    if text.is_empty() { "no body".to_owned() } else { text }
}
