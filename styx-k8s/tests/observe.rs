//! What a watch says to the core.

#[path = "common/pods.rs"]
mod pods;

use pods::{LOG_ID, TestPod, ended, pod, running, waiting};
use serde_json::json;
use styx_core::{
    id::ExecutionId,
    observation::{Observation, Observed},
};
use styx_k8s::{
    answer::{self, Got},
    observe::{Batch, ContradictionKind, Observer},
    watch::Event,
};
use uuid::Uuid;

fn observer() -> Observer {
    Observer::new(LOG_ID, "test")
}

fn applied(pod: &TestPod) -> Event {
    Event::Applied(Box::new(pod.view()))
}

fn deleted(pod: &TestPod) -> Event {
    Event::Deleted(Box::new(pod.view()))
}

fn execution(pod: &TestPod) -> ExecutionId {
    ExecutionId::parse(&pod.view().name)
}

fn in_words(observations: &[Observation]) -> Vec<String> {
    let words = observations.iter().map(|one| match &one.what {
        Observed::Launched => "launched".to_owned(),
        Observed::Started => "started".to_owned(),
        Observed::Exited { code } => format!("exited {code:?}"),
        Observed::NotLaunchable { .. } => "not launchable".to_owned(),
        Observed::Lost { .. } => "lost".to_owned(),
        Observed::NeverStarted => "never started".to_owned(),
        Observed::Cleaned => "cleaned".to_owned(),
        Observed::Refused { .. } => "refused".to_owned(),
    });
    words.collect()
}

#[track_caller]
fn check(batch: &Batch, expected: &[&str]) {
    assert_eq!(in_words(&batch.observations), expected);
}

#[test]
fn a_life_is_reported_in_its_order_and_each_thing_once() {
    let mut observer = observer();
    let pending = pod("Pending", waiting("ContainerCreating", ""), running());
    let runs = pod("Running", running(), running()).version(101);
    let exited = pod("Running", ended(20, 5), running()).version(102);
    check(&observer.launched(&execution(&pending), Some(&pending.view().uid), Some("100")), &["launched"]);
    check(&observer.events([applied(&pending)]), &[]);
    check(&observer.events([applied(&runs), applied(&runs)]), &["started"]);
    let batch = observer.events([applied(&exited), applied(&runs)]);
    check(&batch, &["exited Some(20)"]);
    assert_eq!(batch.observations[0].observed_at, "2026-01-01T00:00:15Z".parse().ok());
    assert_eq!(&*batch.observations[0].runner, "test");
    check(&observer.events([deleted(&exited.deleting().version(103))]), &["cleaned"]);
    assert!(observer.is_empty());
}

#[test]
fn a_short_life_has_all_its_parts() {
    let exited = pod("Running", ended(0, 1), running());
    check(&observer().events([applied(&exited)]), &["launched", "started", "exited Some(0)"]);
    check(&observer().events([deleted(&exited.deleting())]), &["launched", "started", "exited Some(0)", "cleaned"]);
    let invalid = pod("Pending", waiting("InvalidImageName", ""), running());
    check(&observer().events([applied(&invalid)]), &["launched", "not launchable"]);
}

#[test]
fn foreign_pods_are_counted_and_change_nothing() {
    let ours = pod("Running", ended(0, 1), running());
    let without = |part: &str, name: &str| {
        let mut pod = ours.clone();
        pod.0["metadata"][part].as_object_mut().expect("an object").remove(name);
        pod
    };
    let with_label = |name: &str, value: &str| {
        let mut pod = ours.clone();
        pod.0["metadata"]["labels"][name] = value.into();
        pod
    };
    let other_log = Uuid::from_u128(8).to_string();
    for foreign in [
        without("labels", "styx-log-id"),
        without("annotations", "styx-workflow-instance"),
        with_label("styx-log-id", &other_log),
        with_label("styx-log-id", ""),
        // A copy of a pod has another name, and the labels of the first.
        with_label("STYX_EXECUTION_ID", "styx-run-1"),
    ] {
        let mut observer = observer();
        let batch = observer.events([applied(&foreign), deleted(&foreign)]);
        check(&batch, &[]);
        assert_eq!((batch.foreign, observer.len()), (2, 0), "{}", foreign.0);
        check(&observer.listed("200", [foreign.view()], false), &[]);
    }
    // The log's id may be an annotation, and the execution's label may be missing.
    let mut annotated = without("labels", "styx-log-id");
    annotated.0["metadata"]["annotations"]["styx-log-id"] = LOG_ID.to_string().into();
    annotated.0["metadata"]["labels"] = json!({});
    check(&observer().events([applied(&annotated)]), &["launched", "started", "exited Some(0)"]);
    // Where both are there, both agree.
    annotated.0["metadata"]["labels"] = json!({"styx-log-id": other_log});
    check(&observer().events([applied(&annotated)]), &[]);
}

#[test]
fn a_pod_whose_labels_change_stays_ours() {
    let mut observer = observer();
    let runs = pod("Running", running(), running());
    observer.events([applied(&runs)]);
    let mut changed = pod("Running", ended(7, 3), running()).version(101);
    changed.0["metadata"]["labels"] = json!({});
    // To a watch that selects by a label it looks deleted; the object shows that it isn't.
    let batch = observer.events([deleted(&changed)]);
    check(&batch, &["exited Some(7)"]);
    assert_eq!(batch.to_get, [execution(&runs)]);
    assert_eq!(observer.len(), 1);
}

#[test]
fn what_was_deleted_without_an_end_is_looked_for_first() {
    let runs = pod("Running", running(), running());
    let mut observer = observer();
    observer.events([applied(&runs)]);
    let batch = observer.events([deleted(&runs.clone().version(101))]);
    check(&batch, &[]);
    assert_eq!(batch.to_get, [execution(&runs)]);
    let gone = Got::Absent;
    check(&observer.got(&execution(&runs), &gone), &["lost", "cleaned"]);
    check(&observer.got(&execution(&runs), &gone), &[]);
    // One that is being deleted is gone.
    let mut observer = self::observer();
    observer.events([applied(&runs)]);
    let batch = observer.events([deleted(&runs.deleting().version(101))]);
    check(&batch, &["lost", "cleaned"]);
    assert!(batch.to_get.is_empty());
}

#[test]
fn absence_counts_only_in_a_list_that_is_new_enough() {
    let runs = pod("Running", running(), running()).version(150);
    let start = || {
        let mut observer = observer();
        observer.events([applied(&runs)]);
        observer
    };
    for (version, is_reset, is_lost) in
        [("150", false, true), ("151", false, true), ("149", false, false), ("149", true, false), ("odd", false, true)]
    {
        let batch = start().listed(version, [], is_reset);
        assert!(batch.is_complete);
        let expected: &[&str] = if is_lost { &["lost", "cleaned"] } else { &[] };
        check(&batch, expected);
        assert_eq!(batch.to_get.is_empty(), is_lost, "{version}");
    }
    // A bookmark moves the version that counts.
    let mut observer = start();
    observer.events([Event::Bookmark { resource_version: "300".to_owned() }]);
    assert_eq!(observer.listed("299", [], false).to_get, [execution(&runs)]);
    // What was created while the list was made isn't in it.
    let mut observer = start();
    let other = execution(&runs.clone().named(9));
    observer.launched(&other, Some("u9"), Some("160"));
    let batch = observer.listed("155", [runs.view()], false);
    check(&batch, &[]);
    assert_eq!(batch.to_get, [other]);
}

#[test]
fn after_a_backup_was_restored_pods_may_be_older() {
    let mut observer = observer();
    observer.events([applied(&pod("Running", running(), running()).version(900))]);
    let earlier = pod("Pending", waiting("ContainerCreating", ""), running()).version(50);
    check(&observer.listed("60", [earlier.view()], true), &[]);
    check(&observer.events([applied(&pod("Running", ended(0, 5), running()).version(70))]), &["exited Some(0)"]);
}

#[test]
fn a_second_pod_of_an_execution_is_a_contradiction() {
    let mut observer = observer();
    let first = pod("Running", running(), running());
    observer.events([applied(&first)]);
    let second = pod("Running", running(), running()).with_uid(2).version(120);
    let batch = observer.events([applied(&second), applied(&second)]);
    check(&batch, &["lost"]);
    assert_eq!(batch.contradictions.len(), 1);
    assert_eq!(batch.contradictions[0].kind, ContradictionKind::AnotherPod);
    // Its deletion is asked for by its own uid, and its end is none of the execution's.
    assert_eq!(observer.uid(&execution(&first)), Some(second.view().uid.as_str()));
    check(&observer.events([applied(&pod("Running", ended(0, 9), running()).with_uid(2).version(121))]), &[]);
    // A late event of the first one changes nothing.
    check(&observer.events([applied(&pod("Running", ended(0, 9), running()).version(101))]), &[]);
}

#[test]
fn a_job_that_runs_after_its_end_is_a_contradiction_once() {
    let mut observer = observer();
    let batch = observer.events([
        applied(&pod("Running", json!({"terminated": {"exitCode": 255, "reason": "Unknown"}}), running())),
        applied(&pod("Running", running(), running()).version(101)),
        applied(&pod("Running", running(), running()).version(102)),
    ]);
    check(&batch, &["launched", "lost"]);
    let kinds: Vec<_> = batch.contradictions.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [ContradictionKind::RunsAfterEnd]);
}

#[test]
fn a_stop_ends_in_what_was_seen_of_the_job() {
    let at = "2026-01-01T00:00:30Z".parse().expect("a time");
    for (before, after, expected) in [
        (running(), ended(143, 20), &["exited Some(143)", "cleaned"][..]),
        (running(), pods::invented(), &["exited None", "cleaned"]),
        (running(), running(), &["exited None", "cleaned"]),
        (waiting("ErrImagePull", ""), waiting("ContainerCreating", ""), &["never started", "cleaned"]),
    ] {
        let mut observer = observer();
        let before = pod("Pending", before, running());
        observer.events([applied(&before)]);
        observer.stop_asked(&execution(&before), at);
        check(&observer.events([deleted(&pod("Running", after, ended(0, 20)).deleting().version(101))]), expected);
    }
}

#[test]
fn what_is_known_is_reported_again_when_asked() {
    let mut observer = observer();
    let exited = pod("Running", ended(3, 1), running());
    let id = execution(&exited);
    assert!(observer.report_again(&id).is_none());
    observer.events([applied(&exited)]);
    check(&observer.report_again(&id).expect("it is known"), &["launched", "started", "exited Some(3)"]);
}

#[test]
fn a_get_says_whose_the_pod_is() {
    let runs = pod("Running", running(), running());
    let body = |pod: &TestPod| pod.0.to_string().into_bytes();
    let get = |body: &[u8]| {
        answer::got(answer::Answer::Http { status: 200, retry_after: None, body }, &execution(&runs), LOG_ID)
    };
    let mut observer = observer();
    check(&observer.got(&execution(&runs), &get(&body(&runs))), &["launched", "started"]);
    // It is ours while it is being deleted, too.
    assert!(matches!(get(&body(&runs.clone().deleting())), Got::Ours(_)));
    let mut foreign = runs.clone();
    foreign.0["metadata"]["labels"]["styx-log-id"] = "another".into();
    assert!(matches!(get(&body(&foreign)), Got::Foreign { .. }));
    assert!(matches!(get(b"<html>Sign in</html>"), Got::Unhealthy { .. }));
    // The name was never ours, so the attempt is over.
    check(&self::observer().got(&execution(&runs), &get(&body(&foreign))), &["lost"]);
}
