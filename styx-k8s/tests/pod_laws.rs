//! What holds for every pod and for every order of events.

#[path = "common/pods.rs"]
mod pods;

use std::collections::BTreeMap;

use pods::{LOG_ID, TestPod, empty_pod, ended, ended_as, invented, pod, running, waiting};
use proptest::prelude::*;
use serde_json::{Value, json};
use styx_core::{
    id::ExecutionId,
    observation::{Observation, Observed},
    record::Cause,
};
use styx_k8s::{
    observe::Observer,
    verdict::{History, Outcome, StopAsked},
    view::{ContainerState, PodView},
    watch::Event,
};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9:{}\" -]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn state() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => (prop::sample::select(vec![0, 1, 20, 50, 137, 143, 255]), 0_u32..40).prop_map(|(code, after)| ended(code, after)),
        1 => Just(invented()),
        1 => Just(json!({"terminated": {"exitCode": 255, "reason": "Unknown"}})),
        1 => Just(ended_as(128, "StartError", "context deadline exceeded")),
        2 => Just(running()),
        2 => prop::sample::select(vec!["ContainerCreating", "ErrImagePull", "InvalidImageName", "PodInitializing"])
            .prop_map(|reason| waiting(reason, "secret \"s\" not found")),
        1 => Just(json!({})),
    ]
}

fn reason() -> impl Strategy<Value = Option<(&'static str, &'static str)>> {
    let reasons = vec![
        ("Evicted", "The node was low on resource: memory. "),
        ("Evicted", "Usage of EmptyDir volume \"v\" exceeds the limit \"1Gi\". "),
        ("Evicted", ""),
        ("DeadlineExceeded", ""),
        ("NodeLost", ""),
        ("Terminated", "Pod was terminated in response to imminent node shutdown."),
        ("OutOfcpu", "Pod was rejected: no"),
    ];
    prop::option::weighted(0.3, prop::sample::select(reasons))
}

prop_compose! {
    fn any_pod()(
        phase in prop::sample::select(vec!["Pending", "Running", "Succeeded", "Failed", "Unknown", ""]),
        job in prop::option::weighted(0.9, state()),
        keepalive in prop::option::weighted(0.9, state()),
        other in prop::option::weighted(0.3, state()),
        init in prop::option::weighted(0.2, (state(), any::<bool>())),
        because in reason(),
        disruption in prop::option::weighted(0.3, prop::sample::select(vec!["TerminationByKubelet", "EvictionByEvictionAPI"])),
        deleting in any::<bool>(),
        logging in any::<bool>(),
    ) -> TestPod {
        let mut pod = empty_pod(phase);
        for (name, state) in [("a-proxy", other), ("keepalive", keepalive), ("styx-run", job)] {
            pod = match state { Some(state) => pod.container(name, state), None => pod };
        }
        if let Some((state, of_template)) = init { pod = pod.init("prepare", state, of_template, None); }
        if let Some((reason, message)) = because { pod = pod.because(reason, message); }
        if let Some(reason) = disruption { pod = pod.disrupted(reason); }
        if deleting { pod = pod.deleting(); }
        if logging { pod = pod.logging(); }
        pod
    }
}

fn stop() -> impl Strategy<Value = Option<StopAsked>> {
    prop::option::of(Just(StopAsked { at: "2026-01-01T00:01:00Z".parse().expect("a time") }))
}

fn judge(pod: &PodView) -> Outcome {
    History::default().observe(pod, None)
}

/// Puts a value into every object of a pod under a name that nobody reads, and another `lastState` into every container.
fn with_unknown_fields(value: &mut Value, odd: &Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|member| with_unknown_fields(member, odd));
            if members.contains_key("lastState") {
                members.insert("lastState".to_owned(), json!({"terminated": {"exitCode": 1, "reason": "Error"}}));
            }
            members.insert("ofALaterRelease".to_owned(), odd.clone());
        }
        Value::Array(items) => items.iter_mut().for_each(|item| with_unknown_fields(item, odd)),
        _ => {}
    }
}

/// The paths of all values in a pod.
fn paths(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                paths(member, &path, out);
                out.push(path);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{at}/{index}");
                paths(item, &path, out);
                out.push(path);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_json_makes_a_verdict_fail(json in any_json(), stop in stop()) {
        let pod = PodView::from_json(json.to_string().as_bytes()).expect("every JSON is a pod");
        History::default().observe(&pod, stop);
        History::default().observe_gone(Some(&pod), stop);
        let event = json!({"type": "DELETED", "object": json}).to_string();
        let mut observer = Observer::new(LOG_ID, "test");
        observer.events([Event::from_json(event.as_bytes()).expect("every JSON is an event")]);
    }

    #[test]
    fn no_odd_value_makes_a_pod_unreadable(pod in any_pod(), place in any::<prop::sample::Index>(), odd in any_json()) {
        let mut json = pod.0;
        let mut all = Vec::new();
        paths(&json, "", &mut all);
        *json.pointer_mut(&all[place.index(all.len())]).expect("a path") = odd;
        let pod = PodView::from_json(json.to_string().as_bytes()).expect("every JSON is a pod");
        History::default().observe(&pod, None);
    }

    #[test]
    fn the_order_of_containers_and_conditions_means_nothing(pod in any_pod()) {
        let mut turned = pod.view();
        turned.containers.reverse();
        turned.conditions.reverse();
        let (first, second) = (judge(&pod.view()), judge(&turned));
        match (&first, &second) {
            (Outcome::Ended(first), Outcome::Ended(second)) => {
                prop_assert_eq!((first.class, first.code, &first.reason), (second.class, second.code, &second.reason));
            }
            _ => prop_assert_eq!(first, second),
        }
    }

    #[test]
    fn fields_of_later_releases_and_last_states_mean_nothing(pod in any_pod(), odd in any_json()) {
        let mut later = pod.0.clone();
        with_unknown_fields(&mut later, &odd);
        // Labels and annotations are maps of texts: a further one is one that was meant.
        let later = TestPod(later);
        let (mut view, mut expected) = (later.view(), pod.view());
        for view in [&mut view, &mut expected] {
            view.labels.remove("ofALaterRelease");
            view.annotations.remove("ofALaterRelease");
        }
        prop_assert_eq!(&view, &expected);
        prop_assert_eq!(judge(&view), judge(&pod.view()));
    }

    #[test]
    fn the_first_end_is_final(pods in prop::collection::vec((any_pod(), stop()), 1..8)) {
        let mut history = History::default();
        let mut first = None;
        for (pod, stop) in &pods {
            let outcome = history.observe(&pod.view(), *stop);
            match (&first, outcome) {
                (None, Outcome::Ended(end)) => first = Some(end),
                (None, _) => {}
                (Some(first), outcome) => prop_assert_eq!(outcome, Outcome::Ended(first.clone())),
            }
        }
        if let Some(first) = first {
            prop_assert_eq!(history.observe_gone(None, None), first);
        }
    }

    #[test]
    fn what_is_seen_twice_counts_once(before in any_pod(), pod in any_pod(), stop in stop()) {
        let mut history = History::default();
        history.observe(&before.view(), stop);
        let first = history.observe(&pod.view(), stop);
        let once = history.clone();
        prop_assert_eq!(history.observe(&pod.view(), stop), first);
        prop_assert_eq!(history, once);
    }

    #[test]
    fn a_real_zero_is_a_success(pod in any_pod(), stop in stop()) {
        let mut json = pod.0;
        json["metadata"]["annotations"]["styx-docker-termination-logging"] = "false".into();
        json["status"]["containerStatuses"] = json!([{"name": "styx-run", "state": ended(0, 5)}]);
        let mut history = History::default();
        let Outcome::Ended(end) = history.observe(&TestPod(json).view(), stop) else { panic!("it has ended") };
        prop_assert_eq!(end.observed(), Observed::Exited { code: Some(0) });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn evidence_is_json_of_a_bounded_length(
        pod in any_pod(), text in "[\\x00-\\x1fäé\"a]{0,40}", repeats in 1_usize..4_000, containers in 0_usize..20,
    ) {
        let text = text.repeat(repeats.min(20_000 / text.len().max(1)));
        let mut pod = pod.because("Terminated", &text);
        for number in 0..containers {
            pod = pod.container(&format!("c{number}"), ended_as(1, "Error", &text)).condition("Odd", "True", &text);
        }
        let mut history = History::default();
        history.observe(&pod.view(), None);
        let end = history.observe_gone(Some(&pod.view()), None);
        prop_assert!(end.evidence.len() <= Cause::MAX_EVIDENCE, "{}", end.evidence.len());
        let evidence: Value = serde_json::from_slice(&end.evidence).expect("JSON");
        prop_assert_eq!(&evidence["verdict"], &json!(1));
        prop_assert_eq!(&evidence["class"], &json!(end.class.as_str()));
    }
}

/// How the pod of an execution fares, status by status.
fn life() -> impl Strategy<Value = Vec<TestPod>> {
    let end = prop_oneof![
        Just(pod("Running", ended(0, 5), running())),
        Just(pod("Running", ended(20, 5), running())),
        Just(pod("Failed", ended(137, 30), ended(0, 30)).disrupted("TerminationByKubelet")),
        Just(pod("Failed", invented(), invented())),
        Just(pod("Running", running(), running())),
        Just(pod("Pending", waiting("ErrImagePull", "no"), running())),
    ];
    (any::<bool>(), end).prop_map(|(is_seen_running, end)| {
        let starting = waiting("ContainerCreating", "");
        let mut life = vec![empty_pod("Pending"), pod("Pending", starting.clone(), starting)];
        let view = end.view();
        let state = &view.job().expect("there is a job").state;
        // An observer that misses that a job ran, and sees no real end, can't know that it ran.
        let is_told_later = matches!(state, ContainerState::Running { .. })
            || matches!(state, ContainerState::Terminated(end) if end.reason.as_deref() != Some("ContainerStatusUnknown"));
        if is_seen_running && is_told_later {
            life.push(pod("Running", running(), running()));
        }
        life.push(end.clone());
        if end.0["status"]["containerStatuses"][1]["state"]["terminated"].is_object() {
            life.push(end);
        }
        life
    })
}

/// All events of some lives in the order of the API server: each with a version of its own.
fn history_of(lives: &[Vec<TestPod>], turns: &[prop::sample::Index]) -> Vec<TestPod> {
    let mut left: Vec<_> = lives.iter().enumerate().map(|(number, life)| (number, life.iter())).collect();
    let (mut events, mut turns) = (Vec::new(), turns.iter().cycle());
    while !left.is_empty() {
        let turn = turns.next().expect("there is always a turn").index(left.len());
        let (number, life) = &mut left[turn];
        match life.next() {
            Some(pod) => {
                let version = 1_000 + events.len() as u64;
                events.push(pod.clone().named(u32::try_from(*number).expect("few")).version(version));
            }
            None => drop(left.remove(turn)),
        }
    }
    events
}

/// What was observed, by executions.
fn by_execution(observations: &[Observation]) -> BTreeMap<ExecutionId, Vec<Observed>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for one in observations {
        all.entry(one.execution.clone()).or_default().push(one.what.clone());
    }
    all
}

proptest! {
    #[test]
    fn a_watch_with_faults_and_a_list_comes_to_the_same_as_one_without(
        lives in prop::collection::vec(life(), 1..6),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 8),
        faults in prop::collection::vec((0_u8..6, any::<prop::sample::Index>()), 0..24),
    ) {
        let events = history_of(&lives, &turns);
        let applied = |pod: &TestPod| Event::Applied(Box::new(pod.view()));
        let mut right = Observer::new(LOG_ID, "test");
        let expected = by_execution(&right.events(events.iter().map(applied)).observations);

        let mut faulty: Vec<Event> = events.iter().map(applied).collect();
        for (fault, place) in faults {
            if faulty.is_empty() { break }
            let (at, other) = (place.index(faulty.len()), place.index(faulty.len() + 7) % faulty.len());
            match fault {
                0 | 1 => drop(faulty.remove(at)),
                2 | 3 => faulty.swap(at, other),
                _ => faulty.insert(other, faulty[at].clone()),
            }
        }
        let mut observer = Observer::new(LOG_ID, "test");
        let mut observations = observer.events(faulty).observations;
        // The list shows each pod as it is in the end.
        let last: BTreeMap<String, PodView> = events.iter().map(|pod| (pod.view().uid, pod.view())).collect();
        let batch = observer.listed(&(999 + events.len()).to_string(), last.into_values(), false);
        prop_assert!(batch.is_complete && batch.to_get.is_empty());
        observations.extend(batch.observations);
        prop_assert_eq!(by_execution(&observations), expected);

        // Once more, everything: nothing is new.
        let again = observer.events(events.iter().map(applied));
        prop_assert!(again.observations.is_empty() && again.contradictions.is_empty());
    }

    #[test]
    fn what_is_gone_is_forgotten_and_not_revived(
        lives in prop::collection::vec(life(), 1..6),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let events = history_of(&lives, &turns);
        let applied = |pod: &TestPod| Event::Applied(Box::new(pod.view()));
        let mut observer = Observer::new(LOG_ID, "test");
        observer.events(events.iter().map(applied));
        prop_assert_eq!(observer.len(), lives.len());
        let last: BTreeMap<String, &TestPod> = events.iter().map(|pod| (pod.view().uid, pod)).collect();
        let deleted = last.values().enumerate().map(|(number, pod)| {
            Event::Deleted(Box::new((*pod).clone().deleting().version(5_000 + number as u64).view()))
        });
        let deleted: Vec<Event> = deleted.collect();
        let batch = observer.events(deleted.clone());
        prop_assert!(observer.is_empty() && batch.to_get.is_empty());
        for observed in by_execution(&batch.observations).values() {
            prop_assert_eq!(observed.last(), Some(&Observed::Cleaned));
        }
        let late = observer.events(events.iter().map(applied).chain(deleted));
        prop_assert!(observer.is_empty() && late.observations.is_empty());
        prop_assert_eq!(late.foreign, 0);
    }
}
