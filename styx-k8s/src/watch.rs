//! When a watch of pods is resumed, begun anew with a list, or hung up: decisions without I/O.
//!
//! The caller sends what [`Watch::next`] names, hands over what comes back, and tells how much time has passed. One list
//! without a `resourceVersion`, which is as new as can be, then a watch with bookmarks from the list's version; what ends is
//! resumed from the last version seen. A version that is too old, or one that the API server hasn't reached, leads to a list.

use std::time::Duration;

use serde::de::MapAccess;

use crate::{
    answer::{Answer, Said},
    lenient::{Lenient, Read, value},
    view::{Parts, PodView},
};

/// How often a version that the API server hasn't reached is tried again before the pods are listed.
const TRIES_OF_TOO_LARGE: u32 = 2;
/// How often in a row anything else may go wrong with one version before the pods are listed.
const TRIES_OF_VERSION: u32 = 5;

/// What an executor's configuration says about its watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchRules {
    /// How long a watch lasts, as the API server is asked.
    pub timeout: Duration,
    /// How much longer it may last before it is hung up.
    pub margin: Duration,
    /// How long a watch may be silent. Bookmarks come about each minute.
    pub silence: Duration,
    /// How long to wait after the first failure; each further one doubles it.
    pub first_delay: Duration,
    /// The longest wait after a failure.
    pub longest_delay: Duration,
}

impl Default for WatchRules {
    /// 290 s and 30 s more, 180 s of silence, waits of 1 s to 30 s.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(290),
            margin: Duration::from_secs(30),
            silence: Duration::from_secs(180),
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(30),
        }
    }
}

/// What to send next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What is sent.
    pub request: Request,
    /// How long to wait before it is; the caller may lengthen it at random.
    pub after: Duration,
    /// The credentials are to be read again before.
    pub renew_credentials: bool,
}

/// A request about all pods of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A list, all pages of it, without a `resourceVersion`.
    List,
    /// A watch with bookmarks.
    Watch {
        /// Where it begins.
        resource_version: String,
        /// Its `timeoutSeconds`.
        timeout_seconds: u64,
    },
}

/// An event of a watch.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A pod is there, new or changed.
    Applied(Box<PodView>),
    /// A pod is gone, or doesn't match the selector any more; this is how it was last.
    Deleted(Box<PodView>),
    /// Nothing has changed up to this version.
    Bookmark {
        /// The version.
        resource_version: String,
    },
    /// The watch is over.
    Error(WatchError),
    /// Something that a later API server may send.
    Unknown,
}

/// Why a watch is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchError {
    /// Its version isn't kept any more.
    Expired,
    /// The API server hasn't reached its version.
    TooLarge,
    /// Anything else.
    Other,
}

impl Event {
    /// Reads a line of a watch.
    ///
    /// # Errors
    ///
    /// When it isn't JSON: it was cut off, and the watch is to be resumed.
    pub fn from_json(line: &[u8]) -> Result<Self, serde_json::Error> {
        let Read(Line { kind, object: Object { pod, said } }) = serde_json::from_slice(line)?;
        let pod = pod.into_pod();
        Ok(match kind.as_str() {
            "ADDED" | "MODIFIED" => Self::Applied(Box::new(pod)),
            "DELETED" => Self::Deleted(Box::new(pod)),
            "BOOKMARK" => Self::Bookmark { resource_version: pod.resource_version },
            "ERROR" => Self::Error(WatchError::of(&said, 200)),
            _ => Self::Unknown,
        })
    }

    /// The version that a watch goes on from after this event.
    fn resource_version(&self) -> Option<&str> {
        match self {
            Self::Applied(pod) | Self::Deleted(pod) => Some(&pod.resource_version),
            Self::Bookmark { resource_version } => Some(resource_version),
            Self::Error(_) | Self::Unknown => None,
        }
    }
}

impl WatchError {
    fn of(said: &Said, status: u16) -> Self {
        if said.is_too_large() {
            Self::TooLarge
        } else if said.is_expired(status) {
            Self::Expired
        } else {
            Self::Other
        }
    }
}

/// A page of a list of pods.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The version of the whole list.
    pub resource_version: String,
    /// What to ask for the next page with; none on the last.
    pub continue_token: Option<String>,
    /// The pods.
    pub pods: Vec<PodView>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    ///
    /// When it isn't JSON, or no list of pods.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let Read(List { is_list, page }) = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if is_list && !page.resource_version.is_empty() { Ok(page) } else { Err("no list of pods".to_owned()) }
    }
}

/// How a watch stands: which version was seen last, and what has gone wrong since.
#[derive(Debug, Clone)]
pub struct Watch {
    rules: WatchRules,
    /// Where a watch would begin; none before the first list, and after a version was lost.
    version: Option<String>,
    /// The version that the API server had before, if the list after it may be older: the pods may have gone back in time.
    is_reset: bool,
    failures: u32,
    too_large: u32,
    after: Duration,
    renew_credentials: bool,
    has_had_event: bool,
    in_contact: bool,
}

impl Watch {
    /// A watch that begins with a list.
    pub fn new(rules: WatchRules) -> Self {
        Self {
            rules,
            version: None,
            is_reset: false,
            failures: 0,
            too_large: 0,
            after: Duration::ZERO,
            renew_credentials: false,
            has_had_event: false,
            in_contact: false,
        }
    }

    /// What to send next.
    pub fn next(&self) -> Next {
        let request = match &self.version {
            None => Request::List,
            Some(version) => {
                Request::Watch { resource_version: version.clone(), timeout_seconds: self.rules.timeout.as_secs() }
            }
        };
        Next { request, after: self.after, renew_credentials: self.renew_credentials }
    }

    /// Whether the API server has been heard lately. Otherwise the executor is out of contact.
    pub fn is_in_contact(&self) -> bool {
        self.in_contact
    }

    /// Whether the next list is believed even if its version is smaller than those seen: the API server was restored from a
    /// backup, or the versions seen were another's.
    pub fn is_reset(&self) -> bool {
        self.is_reset
    }

    /// A list has arrived with all its pages.
    pub fn listed(&mut self, resource_version: &str) {
        self.version = Some(resource_version.to_owned()).filter(|version| !version.is_empty());
        self.is_reset = false;
        self.too_large = 0;
        self.succeeded();
    }

    /// A watch was opened.
    pub fn opened(&mut self) {
        self.has_had_event = false;
    }

    /// An event has arrived.
    pub fn received(&mut self, event: &Event) {
        if let Event::Error(error) = event {
            return self.broke(*error, None);
        }
        self.has_had_event = true;
        self.too_large = 0;
        self.succeeded();
        if let Some(version) = event.resource_version().filter(|version| !version.is_empty())
            && self.version.as_deref().is_none_or(|seen| !is_older(version, seen))
        {
            self.version = Some(version.to_owned());
        }
    }

    /// A list or a watch was answered by something else than 200, or by nothing at all.
    pub fn refused(&mut self, answer: Answer<'_>) {
        let Answer::Http { status, retry_after, body } = answer else {
            return self.failed(None);
        };
        let said = Said::read(status, body);
        if status == 401 {
            // At once with new credentials; if they are refused as well, with a delay.
            self.failed(None);
            self.after = if self.renew_credentials { self.after } else { Duration::ZERO };
            self.renew_credentials = true;
            return;
        }
        self.broke(WatchError::of(&said, status), said.retry_after(retry_after));
    }

    /// A watch has ended: its time was over, or the connection broke, perhaps in the middle of an event.
    pub fn ended(&mut self) {
        if self.has_had_event {
            self.after = Duration::ZERO;
        } else {
            // An end without an event is no sign that the version is bad, nor that nobody answers.
            let in_contact = self.in_contact;
            self.failed(None);
            self.in_contact = in_contact;
            self.failures = self.failures.min(TRIES_OF_VERSION - 1);
        }
    }

    /// Whether the caller is to hang up, which this takes note of: nothing has come for too long, or the watch lasts longer
    /// than it should.
    pub fn should_hang_up(&mut self, silent_for: Duration, open_for: Duration) -> bool {
        let is_silent = silent_for >= self.rules.silence;
        let is_overdue = open_for >= self.rules.timeout + self.rules.margin;
        if is_silent {
            self.in_contact = false;
        }
        if is_silent || is_overdue {
            self.after = Duration::ZERO;
        }
        is_silent || is_overdue
    }

    fn broke(&mut self, error: WatchError, retry_after: Option<Duration>) {
        match error {
            WatchError::Expired => {
                self.failed(retry_after);
                self.after = retry_after.unwrap_or(if self.failures > 1 { self.after } else { Duration::ZERO });
                self.version = None;
            }
            WatchError::TooLarge => {
                self.failed(retry_after);
                self.too_large += 1;
                if self.too_large > TRIES_OF_TOO_LARGE {
                    self.version = None;
                    self.is_reset = true;
                }
            }
            WatchError::Other => {
                self.failed(retry_after);
                if self.failures >= TRIES_OF_VERSION {
                    self.version = None;
                }
            }
        }
    }

    fn failed(&mut self, retry_after: Option<Duration>) {
        let doubled = self.rules.first_delay.saturating_mul(1 << self.failures.min(16));
        self.after = retry_after.unwrap_or(doubled.min(self.rules.longest_delay));
        self.failures = self.failures.saturating_add(1);
        self.in_contact = false;
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.after = Duration::ZERO;
        self.renew_credentials = false;
        self.in_contact = true;
    }
}

/// Whether a version is older than another one. Versions are numbers for etcd and for Kubernetes from 1.35 on; those that
/// aren't can't be compared, and none of them is older.
pub(crate) fn is_older(version: &str, other: &str) -> bool {
    match (version.parse::<u128>(), other.parse::<u128>()) {
        (Ok(version), Ok(other)) => version < other,
        _ => false,
    }
}

#[derive(Default)]
struct Line {
    kind: String,
    object: Object,
}

impl Lenient for Line {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" => self.kind = value(object)?,
            "object" => self.object = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What an event carries: a pod, or a Status.
#[derive(Default)]
struct Object {
    pod: Parts,
    said: Said,
}

impl Lenient for Object {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        Ok(self.pod.member(name, object)? || self.said.member(name, object)?)
    }
}

#[derive(Default)]
struct List {
    is_list: bool,
    page: Page,
}

impl Lenient for List {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "kind" => self.is_list = matches!(value::<String, _>(object)?.as_str(), "PodList" | "List"),
            "metadata" => {
                let metadata: ListMetadata = value(object)?;
                self.page.resource_version = metadata.resource_version;
                self.page.continue_token = Some(metadata.continue_token).filter(|token| !token.is_empty());
            }
            "items" => self.page.pods = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct ListMetadata {
    resource_version: String,
    continue_token: String,
}

impl Lenient for ListMetadata {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<bool, A::Error> {
        match name {
            "resourceVersion" => self.resource_version = value(object)?,
            "continue" => self.continue_token = value(object)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
