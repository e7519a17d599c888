//! Pods, answers and watches of other people's bug reports and of a real cluster.

use serde_json::Value;
use styx_core::{
    config::Timeouts,
    id::ExecutionId,
    observation::{Observation, Observed},
    run::State,
};
use styx_k8s::{
    answer::{self, Answer, Created, Deleted, Got},
    observe::{Batch, Observer},
    verdict::{Class, History, Outcome},
    view::PodView,
    watch::{Event, Page, Request, Watch, WatchRules},
};
use uuid::Uuid;

use crate::harness::{Case, Rule};

/// The log of these pods.
const LOG_ID: Uuid = Uuid::from_u128(0x5f1c_9f64_3d0b_4c57_9a0e_6f0c_1b0e_2a11);

/// What is expected is ours, so nothing differs.
pub(crate) const RULES: &[Rule] = &[];

/// Compares the outcome of a pod, of an exchange, or of one answer.
pub(crate) fn check(case: &mut Case) {
    if case.member("pod").is_object() {
        check_pod(case);
    } else if case.member("exchange").is_array() {
        check_exchange(case);
    } else {
        check_answer(case);
    }
}

/// What an outcome is called in these files, and the exit code of one that has it.
type Kind = (&'static str, Option<i32>);

fn check_pod(case: &mut Case) {
    let pod = read(&case.member("pod"));
    if pod.execution(LOG_ID).is_none() && pod.annotations.contains_key("styx-log-id") {
        return case.fail("the pod isn't taken for one of the log".to_owned());
    }
    let mut history = History::default();
    if case.text("state") == "RUNNING" {
        // That state has seen the job run.
        history.observe(&running(), None);
    }
    let kind = match history.observe(&pod, None) {
        Outcome::Waiting(waiting) if has_timed_out(case) => {
            waiting.timed_out().map_or(("waiting", None), |what| kind(&what, false))
        }
        Outcome::Waiting(_) => ("waiting", None),
        Outcome::Running(_) => ("running", None),
        Outcome::Ended(end) => kind(&end.observed(), end.class == Class::Lost),
    };
    compare(case, kind);
    // Whatever it is, it stays so.
    let again = history.observe(&pod, None);
    if history.end().is_some() && !matches!(again, Outcome::Ended(_)) {
        case.fail("the end was taken back".to_owned());
    }
}

/// Whether the run has been SUBMITTED for longer than it may.
fn has_timed_out(case: &Case) -> bool {
    let is_submitted =
        case.text("state") == "SUBMITTED" && case.member("since").is_string() && case.member("now").is_string();
    is_submitted && case.instant("now") - case.instant("since") > Timeouts::default().of_state(State::Submitted)
}

fn running() -> PodView {
    let json = serde_json::json!({"status": {"phase": "Running", "containerStatuses": [
        {"name": "styx-run", "state": {"running": {}}}, {"name": "keepalive", "state": {"running": {}}}]}});
    read(&json)
}

fn read(pod: &Value) -> PodView {
    PodView::from_json(pod.to_string().as_bytes()).expect("JSON")
}

fn kind(what: &Observed, is_lost: bool) -> Kind {
    match what {
        Observed::Exited { code: Some(0) } => ("success", Some(0)),
        Observed::Exited { code } => ("user_failure", *code),
        Observed::NotLaunchable { .. } => ("user_failure", None),
        Observed::Lost { .. } if is_lost => ("lost", None),
        Observed::Lost { .. } | Observed::NeverStarted => ("infra_failure", None),
        Observed::Started => ("running", None),
        Observed::Launched | Observed::Refused { .. } | Observed::Cleaned => ("waiting", None),
    }
}

fn compare(case: &mut Case, (kind, code): Kind) {
    let expected = case.member("expect");
    let accepted = expected["accept"].as_array().is_some_and(|all| all.iter().any(|one| one == kind));
    if accepted && expected["kind"] != kind {
        // Other kinds that are right too say nothing about codes.
        return case.expect_value("kind", &kind.into(), kind);
    }
    case.expect_value("kind", &expected["kind"], kind);
    case.expect_value("exit_code", &expected["exit_code"], code);
}

/// Plays the exchange: what a client sends is what is expected, and what it concludes in the end as well.
fn check_exchange(case: &mut Case) {
    let before = case.member("before");
    let execution = ExecutionId::parse(&name(case));
    let mut play = Play {
        observer: Observer::new(LOG_ID, "test"),
        watch: Watch::new(WatchRules::default()),
        execution,
        last: None,
        kind: ("waiting", None),
        may_deviate: false,
    };
    if before["launched"] == true {
        let batch = play.observer.launched(&play.execution.clone(), before["uid"].as_str(), None);
        play.take(batch);
        if case.text("state") == "RUNNING" {
            play.kind = ("running", None);
        }
    }
    let first = case.member("exchange")[0]["request"]["path"].as_str().unwrap_or_default().to_owned();
    let is_after_start = !first.contains("resourceVersion=");
    if let Some(version) = before["last_resource_version"].as_str().filter(|_| !is_after_start) {
        play.watch.listed(version);
    }
    for step in case.member("exchange").as_array().into_iter().flatten() {
        if let Err(why) = play.step(&step["request"], &step["response"]) {
            return case.fail(why);
        }
    }
    let kind = play.kind;
    compare(case, kind);
}

/// The name of the pod that an exchange is about.
fn name(case: &Case) -> String {
    let held = case.member("server_holds")["metadata"]["name"].as_str().map(str::to_owned);
    let exchange = case.member("exchange");
    let steps = exchange.as_array().into_iter().flatten();
    let from_request = steps.filter_map(|step| {
        let request = &step["request"];
        let path = request["path"].as_str().unwrap_or_default();
        let from_path =
            path.split("/pods/").nth(1).map(|rest| rest.split(['/', '?']).next().unwrap_or(rest).to_owned());
        request["body"]["metadata"]["name"].as_str().map(str::to_owned).or(from_path)
    });
    let streamed = exchange[0]["response"]["stream"][0]["object"]["metadata"]["name"].as_str().map(str::to_owned);
    from_request.chain(held).chain(streamed).next().expect("the exchange names a pod")
}

struct Play {
    observer: Observer,
    watch: Watch,
    execution: ExecutionId,
    last: Option<Observation>,
    kind: Kind,
    may_deviate: bool,
}

impl Play {
    fn step(&mut self, request: &Value, response: &Value) -> Result<(), String> {
        let path = request["path"].as_str().unwrap_or_default();
        let body = match &response["body"] {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let retry_after = response["headers"]["Retry-After"].as_str();
        let status = u16::try_from(response["status"].as_u64().unwrap_or(0)).unwrap_or(0);
        let answer = match status {
            0 => Answer::None { error: "no answer" },
            _ => Answer::Http { status, retry_after, body: body.as_bytes() },
        };
        match request["method"].as_str().unwrap_or_default() {
            "POST" => self.created(answer),
            "GET" if path.contains("/log") => {}
            "GET" if path.contains("/pods/") => {
                let got = answer::got(answer, &self.execution, LOG_ID);
                if let Got::Refused(_) = got {
                    return Ok(());
                }
                let batch = self.observer.got(&self.execution.clone(), &got);
                self.take(batch);
            }
            "GET" if path.contains("watch=") => return self.watched(path, status, response, answer),
            "GET" => {
                self.expect(&Request::List, path)?;
                if status != 200 {
                    self.watch.refused(answer);
                    self.may_deviate |= body.contains("Too large");
                    return Ok(());
                }
                let page = Page::from_json(body.as_bytes())?;
                let batch = self.observer.listed(&page.resource_version, page.pods, self.watch.is_reset());
                self.watch.listed(&page.resource_version);
                self.may_deviate = false;
                self.take(batch);
            }
            "DELETE" => drop(answer::deleted(answer)),
            method => return Err(format!("the method {method} is not known")),
        }
        Ok(())
    }

    fn created(&mut self, answer: Answer<'_>) {
        match answer::created(answer) {
            Created::Launched { uid, resource_version } => {
                let batch =
                    self.observer.launched(&self.execution.clone(), uid.as_deref(), resource_version.as_deref());
                self.take(batch);
            }
            Created::NotLaunchable { .. } => self.kind = ("user_failure", None),
            Created::Unknown { .. }
            | Created::Exists
            | Created::AgainAtOnce { .. }
            | Created::Refused(_)
            | Created::Unhealthy { .. } => self.kind = ("waiting", None),
        }
    }

    fn watched(&mut self, path: &str, status: u16, response: &Value, answer: Answer<'_>) -> Result<(), String> {
        let from = path.split("resourceVersion=").nth(1).unwrap_or_default().split('&').next().unwrap_or_default();
        let timeout_seconds = WatchRules::default().timeout.as_secs();
        self.expect(&Request::Watch { resource_version: from.to_owned(), timeout_seconds }, path)?;
        if status != 200 {
            self.watch.refused(answer);
            return Ok(());
        }
        self.watch.opened();
        for line in response["stream"].as_array().into_iter().flatten() {
            let event = Event::from_json(line.to_string().as_bytes()).map_err(|error| error.to_string())?;
            self.may_deviate |= line.to_string().contains("Too large");
            self.watch.received(&event);
            let batch = self.observer.events([event]);
            self.take(batch);
        }
        let rules = WatchRules::default();
        match response["end"].as_str().unwrap_or_default() {
            "silent" => {
                assert!(self.watch.should_hang_up(rules.silence, rules.silence));
                assert!(!self.watch.is_in_contact());
            }
            "open" => {}
            _ => self.watch.ended(),
        }
        Ok(())
    }

    /// Whether we would send what is sent here. After a version that is too large we try it more often than some.
    fn expect(&self, request: &Request, path: &str) -> Result<(), String> {
        let next = self.watch.next().request;
        let is_version_in_list = *request == Request::List && path.contains("resourceVersion=");
        if next == *request || self.may_deviate || is_version_in_list {
            return Ok(());
        }
        Err(format!("{path}: we would send {next:?}"))
    }

    fn take(&mut self, batch: Batch) {
        for observation in batch.observations.into_iter().filter(|one| one.execution == self.execution) {
            if observation.what == Observed::Cleaned {
                continue;
            }
            let evidence: Value = serde_json::from_slice(&observation.evidence).expect("evidence is JSON");
            // Once started, a pod that is seen by its name again is no less so.
            let seen = kind(&observation.what, evidence["class"] == "lost");
            if seen.0 != "waiting" || self.kind.0 != "running" {
                self.kind = seen;
            }
            self.last = Some(observation);
        }
    }
}

/// One answer. The files say nothing about it, so this is the page's table once more, in the order of its lines.
fn check_answer(case: &mut Case) {
    let (request, response) = (case.member("request"), case.member("response"));
    let body = match &response["body"] {
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let status = u16::try_from(response["status"].as_u64().expect("a status")).expect("a status");
    let retry_after = response["headers"]["Retry-After"].as_str();
    let answer = Answer::Http { status, retry_after, body: body.as_bytes() };
    let (reason, message) = (&response["body"]["reason"], response["body"]["message"].as_str().unwrap_or_default());
    let is_refused = matches!(status, 401 | 429 | 500..=503);
    match request["method"].as_str().unwrap_or_default() {
        "POST" => {
            let is_executors =
                message.contains("being terminated") || message.contains("forbidden: User") || status == 404;
            let is_quota = message.contains("exceeded quota") || message.contains("error looking up service account");
            let expected = match status {
                200..300 if response["body"]["kind"] == "Pod" => "launched",
                504 => "unknown",
                409 if reason == "AlreadyExists" => "exists",
                409 => "again at once",
                _ if message.contains("denied the request") || message.contains("denied request") => "not launchable",
                _ if is_refused || is_quota => "refused",
                _ if is_executors => "unhealthy",
                _ => "not launchable",
            };
            case.expect_value("create", &expected.into(), in_a_word(&answer::created(answer)));
        }
        "DELETE" => {
            let expected = match status {
                200..300 => "accepted",
                404 => "gone",
                409 if message.contains("UID") => "not ours",
                409 => "again at once",
                _ if is_refused || status == 504 => "refused",
                _ => "unhealthy",
            };
            let got = match answer::deleted(answer) {
                Deleted::Accepted => "accepted",
                Deleted::Gone => "gone",
                Deleted::NotOurs => "not ours",
                Deleted::AgainAtOnce => "again at once",
                Deleted::Refused(_) => "refused",
                Deleted::Unhealthy { .. } => "unhealthy",
            };
            case.expect_value("delete", &expected.into(), got);
        }
        _ => check_read(case, status, &body, answer),
    }
}

/// An answer to a list or a watch: whether the pods are listed next.
fn check_read(case: &mut Case, status: u16, body: &str, answer: Answer<'_>) {
    let mut watch = Watch::new(WatchRules::default());
    watch.listed("1");
    match Event::from_json(body.as_bytes()) {
        Ok(event) if status == 200 => watch.received(&event),
        _ => watch.refused(answer),
    }
    let is_expired = body.contains("\"code\":410");
    case.expect_value("lists next", &is_expired.into(), watch.next().request == Request::List);
    case.expect_value("new credentials", &(status == 401).into(), watch.next().renew_credentials);
}

fn in_a_word(created: &Created) -> &'static str {
    match created {
        Created::Launched { .. } => "launched",
        Created::Unknown { .. } => "unknown",
        Created::Exists => "exists",
        Created::AgainAtOnce { .. } => "again at once",
        Created::Refused(_) => "refused",
        Created::Unhealthy { .. } => "unhealthy",
        Created::NotLaunchable { .. } => "not launchable",
    }
}
