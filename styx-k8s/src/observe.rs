//! From what a watch of pods shows to what the core observes.
//!
//! Pure, and no larger than the pods that there are: what is gone is forgotten, but for the uids of the last few thousand,
//! which stay so that an event that comes late revives nothing.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::json;
use styx_core::{
    executor::{Observation, Observed},
    extensions::Extensions,
    id::ExecutionId,
};
use uuid::Uuid;

use crate::{
    answer::Got,
    verdict::{Class, End, History, Outcome, Running, StopAsked, Waiting},
    view::PodView,
    watch::{Event, is_older},
};

/// How many uids of pods that are gone are remembered.
const REMEMBERED_GONE: usize = 4_096;

/// What is known of the pods of one log, by executions.
#[derive(Debug)]
pub struct Observer {
    log_id: Uuid,
    runner: Arc<str>,
    pods: BTreeMap<ExecutionId, Known>,
    by_uid: BTreeMap<String, ExecutionId>,
    gone: Gone,
    /// The largest version seen.
    version: String,
}

/// What follows from a batch of events, a list or an answer.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Batch {
    /// What the core is to observe, in this order.
    pub observations: Vec<Observation>,
    /// Pods to get by their name; [`Observer::got`] takes the answers.
    pub to_get: Vec<ExecutionId>,
    /// What contradicts what was reported of an execution, once each.
    pub contradictions: Vec<Contradiction>,
    /// How many events were about pods that aren't of this log.
    pub foreign: u64,
    /// All that is known has been reported: only now may silence about an execution mean that it is lost.
    pub is_complete: bool,
}

/// Something that can't be, of an execution of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Which execution.
    pub execution: ExecutionId,
    /// What can't be.
    pub kind: ContradictionKind,
    /// The uid of the pod that shows it.
    pub uid: String,
}

/// The kinds of contradictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContradictionKind {
    /// A second pod has the name and the labels of the execution.
    AnotherPod,
    /// The job runs though its end was reported.
    RunsAfterEnd,
}

/// One execution's pod.
#[derive(Debug, Default)]
struct Known {
    /// Empty until it is known.
    uid: String,
    /// The version that was judged last; empty if there was none.
    version: String,
    history: History,
    stop: Option<StopAsked>,
    reported: Reported,
    contradictions: BTreeSet<ContradictionKind>,
    running: Option<Running>,
    node: Option<String>,
}

/// What was reported of an execution.
#[derive(Debug, Clone, Copy, Default)]
struct Reported {
    launched: bool,
    started: bool,
    end: bool,
}

impl Observer {
    /// An observer of the pods of a log. `runner` names the executor in observations.
    pub fn new(log_id: Uuid, runner: impl Into<Arc<str>>) -> Self {
        let (pods, by_uid) = (BTreeMap::new(), BTreeMap::new());
        Self { log_id, runner: runner.into(), pods, by_uid, gone: Gone::default(), version: String::new() }
    }

    /// How many pods are known.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether no pod is known.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// The uid of an execution's pod: the precondition of its deletion.
    pub fn uid(&self, execution: &ExecutionId) -> Option<&str> {
        self.pods.get(execution).map(|known| known.uid.as_str()).filter(|uid| !uid.is_empty())
    }

    /// Why an execution waits, or waited before it was stopped.
    pub fn waiting(&self, execution: &ExecutionId) -> Option<&Waiting> {
        self.pods.get(execution).filter(|known| known.running.is_none())?.history.waiting()
    }

    /// How an execution runs, if it does.
    pub fn running(&self, execution: &ExecutionId) -> Option<&Running> {
        self.pods.get(execution)?.running.as_ref()
    }

    /// The create of a pod was answered, with this uid and version as far as the answer shows them.
    pub fn launched(&mut self, execution: &ExecutionId, uid: Option<&str>, version: Option<&str>) -> Batch {
        let mut batch = Batch::default();
        if uid.is_some_and(|uid| self.gone.contains(uid)) {
            return batch;
        }
        let known = self.pods.entry(execution.clone()).or_default();
        if let Some(uid) = uid.filter(|_| known.uid.is_empty()) {
            known.uid = uid.to_owned();
            self.by_uid.insert(uid.to_owned(), execution.clone());
        }
        if known.version.is_empty() {
            known.version = version.unwrap_or_default().to_owned();
        }
        self.report_news(execution, &mut batch);
        batch
    }

    /// We asked Kubernetes to delete the execution's pod. Why it waits must be asked before.
    pub fn stop_asked(&mut self, execution: &ExecutionId, at: DateTime<Utc>) {
        if let Some(known) = self.pods.get_mut(execution) {
            known.stop.get_or_insert(StopAsked { at });
        }
    }

    /// Takes events of a watch, in their order.
    pub fn events(&mut self, events: impl IntoIterator<Item = Event>) -> Batch {
        let mut batch = Batch::default();
        for event in events {
            match event {
                Event::Applied(pod) => self.applied(&pod, false, &mut batch),
                Event::Deleted(pod) => self.deleted(&pod, &mut batch),
                Event::Bookmark { resource_version } => self.saw_version(&resource_version),
                Event::Error(_) | Event::Unknown => {}
            }
        }
        batch
    }

    /// Takes a whole list. After `is_reset` its version is believed even if it is smaller than those seen; else nothing that
    /// it lacks is lost by it alone if it is older than what was seen.
    pub fn listed(&mut self, version: &str, pods: impl IntoIterator<Item = PodView>, is_reset: bool) -> Batch {
        let mut batch = Batch { is_complete: true, ..Batch::default() };
        if is_reset {
            self.version.clear();
            self.gone = Gone::default();
        }
        let is_stale = is_older(version, &self.version);
        let mut present = BTreeSet::new();
        for pod in pods {
            present.insert(pod.uid.clone());
            self.applied(&pod, is_reset, &mut batch);
        }
        let absent = self.pods.iter().filter(|(_, known)| !present.contains(&known.uid));
        let absent: Vec<_> = absent.map(|(execution, known)| (execution.clone(), known.version.clone())).collect();
        for (execution, seen) in absent {
            let is_newer = seen.is_empty() || is_older(version, &seen);
            if is_stale || is_newer {
                batch.to_get.push(execution);
            } else {
                self.is_gone(&execution, None, &mut batch);
            }
        }
        self.saw_version(version);
        batch
    }

    /// Takes the answer to a GET of a pod by its name.
    pub fn got(&mut self, execution: &ExecutionId, got: &Got) -> Batch {
        let mut batch = Batch::default();
        match got {
            Got::Ours(pod) => self.applied(pod, false, &mut batch),
            Got::Foreign { reason } if !self.pods.contains_key(execution) => {
                // The name was never ours: another attempt takes another one.
                let evidence = json!({"class": Class::Infrastructure.as_str(), "why": reason}).to_string();
                let what = Observed::Lost { reason: reason.as_str().into() };
                batch.observations.push(self.observation(execution, what, None, evidence.into_bytes().into()));
            }
            // Somebody has taken the name, so ours is gone; theirs isn't touched.
            Got::Absent | Got::Foreign { .. } => self.is_gone(execution, None, &mut batch),
            Got::Refused(_) | Got::Unhealthy { .. } => {
                batch.to_get.extend(self.pods.contains_key(execution).then(|| execution.clone()));
            }
        }
        batch
    }

    /// What is known of an execution, once more, whether or not it was reported. `None` if no pod of it is known; after a
    /// whole list that means that there is none.
    pub fn report_again(&mut self, execution: &ExecutionId) -> Option<Batch> {
        let known = self.pods.get_mut(execution)?;
        known.reported = Reported::default();
        let mut batch = Batch::default();
        self.report_news(execution, &mut batch);
        Some(batch)
    }

    /// A pod is there as this object shows it. `is_reset`: whatever its version is.
    fn applied(&mut self, pod: &PodView, is_reset: bool, batch: &mut Batch) {
        let Some(execution) = self.identify(pod, batch) else { return };
        self.saw_version(&pod.resource_version);
        self.take(&execution, pod, is_reset, batch);
    }

    /// A pod isn't there any more, or doesn't match the selector any more.
    fn deleted(&mut self, pod: &PodView, batch: &mut Batch) {
        let Some(execution) = self.identify(pod, batch) else { return };
        self.saw_version(&pod.resource_version);
        self.take(&execution, pod, false, batch);
        if self.pods.get(&execution).is_none_or(|known| known.uid != pod.uid) {
            return;
        }
        if pod.deletion.is_some() {
            self.is_gone(&execution, Some(pod), batch);
        } else if !batch.to_get.contains(&execution) {
            // Only its labels may have changed.
            batch.to_get.push(execution);
        }
    }

    /// Which execution a pod is; foreign pods are counted, and those that are gone are passed over.
    fn identify(&self, pod: &PodView, batch: &mut Batch) -> Option<ExecutionId> {
        if self.gone.contains(&pod.uid) {
            return None;
        }
        // A pod that is known stays ours, whatever becomes of its labels.
        let execution = self.by_uid.get(&pod.uid).cloned().or_else(|| pod.execution(self.log_id));
        batch.foreign += u64::from(execution.is_none());
        execution
    }

    fn take(&mut self, execution: &ExecutionId, pod: &PodView, is_reset: bool, batch: &mut Batch) {
        let known = self.pods.entry(execution.clone()).or_default();
        let is_stale = !known.version.is_empty() && is_older(&pod.resource_version, &known.version) && !is_reset;
        if is_stale {
            return;
        }
        if known.uid != pod.uid {
            if !known.uid.is_empty() {
                // The name is free for another pod only once the first one is gone.
                known.history.observe_gone(None, known.stop);
                self.by_uid.remove(&known.uid);
                self.gone.add(mem::take(&mut known.uid));
                known.contradict(execution, ContradictionKind::AnotherPod, &pod.uid, batch);
            }
            known.uid.clone_from(&pod.uid);
            self.by_uid.insert(pod.uid.clone(), execution.clone());
        }
        known.version.clone_from(&pod.resource_version);
        known.node.clone_from(&pod.node);
        let had_ended = known.history.end().is_some();
        let outcome = known.history.observe(pod, known.stop);
        known.running = match outcome {
            Outcome::Running(running) => Some(running),
            Outcome::Waiting(_) | Outcome::Ended(_) => None,
        };
        let runs = pod.job().is_some_and(|job| job.is_running()) && !pod.is_terminal();
        // Of a second pod enough was said.
        if had_ended && runs && !known.contradictions.contains(&ContradictionKind::AnotherPod) {
            known.contradict(execution, ContradictionKind::RunsAfterEnd, &pod.uid, batch);
        }
        self.report_news(execution, batch);
    }

    /// Reports the end of a pod whose object is gone, and that nothing is left of it.
    fn is_gone(&mut self, execution: &ExecutionId, last: Option<&PodView>, batch: &mut Batch) {
        let Some(known) = self.pods.get_mut(execution) else { return };
        known.history.observe_gone(last, known.stop);
        self.report_news(execution, batch);
        let Some(known) = self.pods.remove(execution) else { return };
        let evidence = known.evidence();
        if !known.uid.is_empty() {
            self.by_uid.remove(&known.uid);
            self.gone.add(known.uid);
        }
        batch.observations.push(self.observation(execution, Observed::Cleaned, None, evidence));
    }

    /// Reports what wasn't reported yet, in the order of an execution's life.
    fn report_news(&mut self, execution: &ExecutionId, batch: &mut Batch) {
        let Some(known) = self.pods.get_mut(execution) else { return };
        let news = known.news();
        for News { what, at, evidence } in news {
            batch.observations.push(self.observation(execution, what, at, evidence));
        }
    }

    fn observation(
        &self,
        execution: &ExecutionId,
        what: Observed,
        observed_at: Option<DateTime<Utc>>,
        evidence: Arc<[u8]>,
    ) -> Observation {
        let (execution, runner) = (execution.clone(), Arc::clone(&self.runner));
        Observation { execution, runner, what, observed_at, evidence, extensions: Extensions::default() }
    }

    fn saw_version(&mut self, version: &str) {
        if self.version.is_empty() || is_older(&self.version, version) {
            version.clone_into(&mut self.version);
        }
    }
}

/// One thing to report.
struct News {
    what: Observed,
    at: Option<DateTime<Utc>>,
    evidence: Arc<[u8]>,
}

impl Known {
    fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        let before = mem::replace(&mut self.reported, Reported { launched: true, started: true, end: true });
        if !before.launched {
            news.push(News { what: Observed::Launched, at: None, evidence: self.evidence() });
        }
        self.reported.started = before.started;
        if !before.started && self.history.has_started() {
            self.reported.started = true;
            let started_at = self.running.as_ref().and_then(|running| running.started_at);
            let at = started_at.or_else(|| self.history.end().and_then(|end| end.started_at));
            news.push(News { what: Observed::Started, at, evidence: self.evidence() });
        }
        self.reported.end = before.end;
        if let Some(end) = self.history.end().filter(|_| !before.end) {
            let End { finished_at, evidence, .. } = &**end;
            news.push(News { what: end.observed(), at: *finished_at, evidence: Arc::clone(evidence) });
            self.reported.end = true;
        }
        news
    }

    fn contradict(&mut self, execution: &ExecutionId, kind: ContradictionKind, uid: &str, batch: &mut Batch) {
        if self.contradictions.insert(kind) {
            batch.contradictions.push(Contradiction { execution: execution.clone(), kind, uid: uid.to_owned() });
        }
    }

    /// Which pod it is.
    fn evidence(&self) -> Arc<[u8]> {
        let text = |text: &str| text.chars().take(256).collect::<String>();
        let node = self.node.as_deref().map(text);
        let evidence = json!({"uid": text(&self.uid), "resourceVersion": text(&self.version), "node": node});
        evidence.to_string().into_bytes().into()
    }
}

/// The uids of the pods that went last.
#[derive(Debug, Default)]
struct Gone {
    uids: BTreeSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl Gone {
    fn contains(&self, uid: &str) -> bool {
        self.uids.contains(uid)
    }

    fn add(&mut self, uid: String) {
        let uid: Arc<str> = uid.into();
        if self.uids.insert(Arc::clone(&uid)) {
            self.order.push_back(uid);
        }
        if self.order.len() > REMEMBERED_GONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.uids.remove(&oldest);
        }
    }
}
