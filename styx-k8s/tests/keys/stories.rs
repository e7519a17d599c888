//! What happens to the keys of service accounts, step by step. SA-n are the rules of Styx 2.x (scheduler and runner, e).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::json;
use styx_k8s::{
    keys::{AccountKeys, Elsewhere, KeyError, KeyEvent, KeySettings, Orphans},
    secrets::{epoch, epoch_end, secret_name},
};

use crate::{
    fake_iam::STYX,
    world::{Disturbance, InMemory, Namespace, Styx, World, run},
};

const A: &str = "a@p1.iam.gserviceaccount.com";
const NO_TIME: TimeDelta = TimeDelta::zero();

/// The times of Styx 2.x.
fn weekly() -> KeySettings {
    KeySettings::new(TimeDelta::days(7), TimeDelta::days(8)).expect("as Styx 2.x")
}

/// A world that begins with an epoch of the account.
fn begun(settings: &KeySettings) -> (World, Styx) {
    let world = World::new(&[A], 1);
    let now = world.now();
    let end = epoch_end(A, epoch(A, now, settings.rotation), settings.rotation).expect("a time");
    world.advance(end - now);
    let styx = world.styx(0, settings);
    (world, styx)
}

fn launch(styx: &Styx) -> String {
    styx.launch(A, NO_TIME).expect("no crash").expect("keys").secret
}

fn collect(styx: &Styx) -> Vec<String> {
    let collected = styx.collect(Some(&Elsewhere::default())).expect("no crash").expect("a list");
    assert_eq!(collected.problems, Vec::<String>::new());
    collected.secrets
}

fn problems(styx: &Styx) -> Vec<String> {
    styx.collect(Some(&Elsewhere::default())).expect("no crash").expect("a list").problems
}

fn secrets(world: &World) -> Vec<String> {
    world.state().namespaces[0].keys().cloned().collect()
}

/// How many calls an operation takes.
fn calls<T>(world: &World, operation: impl FnOnce() -> T) -> usize {
    let before = world.state().calls;
    operation();
    world.state().calls - before
}

#[test]
fn a_secret_looks_as_in_styx_2() {
    let settings = KeySettings::default();
    let (world, styx) = begun(&settings);
    let name = launch(&styx);
    assert_eq!(name, secret_name(A, epoch(A, world.now(), settings.rotation)));
    let state = world.state();
    let secret = serde_json::to_value(&state.namespaces[0][&name].metadata).expect("JSON");
    let key = |number| format!("projects/p1/serviceAccounts/{A}/keys/{number:040}");
    let digest = &name[name.len() - 64..];
    assert_eq!(
        secret["annotations"],
        json!({
            "styx-wf-sa": A,
            "styx-wf-sa-epoch": epoch(A, state.now, settings.rotation).to_string(),
            "styx-wf-sa-json-key-name": key(1),
            "styx-wf-sa-p12-key-name": key(2),
            "styx-wf-sa-rotation-seconds": "86400",
        })
    );
    assert_eq!(secret["labels"], json!({"styx-wf-sa-account": digest[..40]}));
}

#[test]
fn launches_share_what_the_first_found_out() {
    let (world, styx) = begun(&weekly());
    let first = launch(&styx);
    // SA-2, SA-3: nothing is made, and for half a minute nobody is asked.
    assert_eq!(calls(&world, || assert_eq!(launch(&styx), first)), 0);
    world.advance(TimeDelta::seconds(31));
    assert_eq!(calls(&world, || assert_eq!(launch(&styx), first)), 2);
    assert_eq!(world.state().iam.keys.len(), 2);
}

#[test]
fn an_old_secret_goes_when_nothing_uses_it() {
    let (world, styx) = begun(&weekly());
    let first = launch(&styx);
    // SA-9: of whatever epoch, it stays for eight days.
    world.advance(TimeDelta::days(7));
    let second = launch(&styx);
    assert_eq!(second, first, "new keys settle before they are given out");
    world.advance(TimeDelta::minutes(2));
    let second = launch(&styx);
    assert_ne!(second, first);
    world.state().pods.retain(|pod| pod.secret != first);
    assert_eq!(collect(&styx), Vec::<String>::new());
    // SA-7.
    world.advance(TimeDelta::days(1) + TimeDelta::seconds(1));
    assert_eq!(collect(&styx), [first]);
    assert_eq!((secrets(&world), world.state().iam.living(A).len()), (vec![second], 2));
}

#[test]
fn what_a_pod_uses_stays() {
    let (world, styx) = begun(&weekly());
    let first = launch(&styx);
    world.advance(TimeDelta::days(30));
    // SA-8; the world holds that its keys aren't deleted.
    assert_eq!(collect(&styx), Vec::<String>::new());
    world.state().pods.clear();
    assert_eq!(collect(&styx), [first]);
    assert!(world.state().iam.living(A).is_empty());
}

#[test]
fn an_account_that_fails_stops_no_other() {
    const B: &str = "b@p2.iam.gserviceaccount.com";
    let world = World::new(&[A, B], 1);
    let styx = world.styx(0, &weekly());
    for account in [A, B] {
        styx.launch(account, NO_TIME).expect("no crash").expect("keys");
    }
    world.state().pods.clear();
    world.advance(TimeDelta::days(30));
    // SA-10: the deletion of A's first key fails.
    let next = world.state().calls;
    world.state().disturbances.insert(next + 2, Disturbance::LostBefore);
    let collected = styx.collect(Some(&Elsewhere::default())).expect("no crash").expect("a list");
    assert_eq!((collected.secrets.len(), collected.problems.len()), (1, 1));
    let state = world.state();
    assert_eq!((state.iam.living(A).len(), state.iam.living(B).len()), (2, 0));
    let problem = &collected.problems[0];
    assert!(problem.contains(A) && problem.ends_with("stays: no answer"), "{problem}");
}

#[test]
fn keys_that_somebody_deleted_are_replaced() {
    for old in [TimeDelta::minutes(11), TimeDelta::hours(5)] {
        let (world, styx) = begun(&weekly());
        let first = launch(&styx);
        world.advance(old);
        let key = world.state().iam.living(A)[1].to_owned();
        let now = world.now();
        world.state().iam.keys.get_mut(&key).expect("a key").deleted_at = Some(now);
        world.advance(TimeDelta::minutes(1));
        // SA-4, but what is left of the old keys stays for the pods that use it.
        let second = launch(&styx);
        assert_eq!(second, format!("{first}-1"));
        assert_eq!((secrets(&world).len(), world.state().iam.living(A).len()), (2, 3));
        // A disabled key is as good as none.
        let mut state = world.state();
        for key in state.iam.keys.values_mut() {
            key.disabled = true;
        }
        drop(state);
        world.advance(TimeDelta::minutes(1));
        assert_eq!(launch(&world.styx(0, &weekly())), format!("{first}-2"));
    }
}

#[test]
fn a_list_that_lacks_a_key_proves_nothing() {
    let (world, styx) = begun(&weekly());
    let first = launch(&styx);
    world.state().iam.lag = TimeDelta::hours(3);
    world.advance(TimeDelta::hours(2));
    assert_eq!(launch(&styx), first);
    assert_eq!(world.state().iam.keys.len(), 2);
}

#[test]
fn secrets_of_styx_2_are_its_own_for_eight_days() {
    let settings = KeySettings::default();
    let (world, styx) = begun(&settings);
    let old = epoch(A, world.now(), TimeDelta::days(7));
    let name = secret_name(A, old);
    let keys: Vec<String> = (0..2)
        .map(|_| {
            let now = world.now();
            world.state().iam.make(A, STYX, now)
        })
        .collect();
    let annotations = [
        ("styx-wf-sa", A),
        ("styx-wf-sa-epoch", &old.to_string()),
        ("styx-wf-sa-json-key-name", &keys[0]),
        ("styx-wf-sa-p12-key-name", &keys[1]),
    ];
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    };
    let secret = Secret {
        metadata,
        data: Some(BTreeMap::from([("styx-wf-sa.json".into(), ByteString(Vec::new()))])),
        ..Secret::default()
    };
    world.state().create(0, &secret).expect("made");
    // A launch has keys of its own.
    assert_ne!(launch(&styx), name);
    world.state().pods.clear();
    world.advance(TimeDelta::days(6));
    assert_eq!(collect(&styx).len(), 1, "only the one of a day");
    assert_eq!(secrets(&world), std::slice::from_ref(&name));
    world.advance(TimeDelta::days(9));
    assert_eq!(collect(&styx), [name]);
    assert!(world.state().iam.living(A).is_empty());
}

#[test]
fn foreign_secrets_are_left_alone() {
    let (world, styx) = begun(&weekly());
    let victim = {
        let now = world.now();
        world.state().iam.make(A, "ann@example.com", now)
    };
    let annotations = |account: &str| {
        let of = [("styx-wf-sa", account), ("styx-wf-sa-epoch", "1"), ("styx-wf-sa-json-key-name", &victim)];
        of.map(|(key, value)| (key.to_owned(), value.to_owned()))
    };
    // The name isn't the one of the account; the key is another account's; nothing is said at all.
    let eve = "eve@p9.iam.gserviceaccount.com";
    for (name, annotations) in [
        ("styx-wf-sa-keys-1-abc".to_owned(), annotations(A).into()),
        (secret_name(eve, 1), annotations(eve).into()),
        ("styx-wf-sa-keys".to_owned(), BTreeMap::new()),
    ] {
        let metadata = ObjectMeta { name: Some(name), annotations: Some(annotations), ..ObjectMeta::default() };
        world.state().create(0, &Secret { metadata, ..Secret::default() }).expect("made");
    }
    world.advance(TimeDelta::days(100));
    assert_eq!(problems(&styx).len(), 3);
    assert_eq!((secrets(&world).len(), world.state().iam.living(A)), (3, vec![victim.as_str()]));
}

#[test]
fn old_keys_do_while_iam_is_away() {
    let (world, styx) = begun(&KeySettings::default());
    let first = launch(&styx);
    world.advance(TimeDelta::hours(24));
    // Neither the list nor anything else is answered.
    let next = world.state().calls;
    world.state().disturbances.insert(next, Disturbance::LostBefore);
    let ensured = styx.launch(A, NO_TIME).expect("no crash").expect("keys");
    assert_eq!(ensured.secret, first);
    assert_eq!(ensured.warning.as_deref(), Some(&*format!("keys of service account {A}: no answer")));
    // But not for ever: they may go within the hour.
    world.advance(TimeDelta::hours(23) + TimeDelta::minutes(1));
    let next = world.state().calls;
    world.state().disturbances.insert(next, Disturbance::LostBefore);
    assert!(matches!(styx.launch(A, NO_TIME), Some(Err(KeyError::Later { .. }))));
}

#[test]
fn iam_is_left_alone_when_it_wants() {
    let (world, styx) = begun(&KeySettings::default());
    let next = world.state().calls;
    world.state().disturbances.insert(next, Disturbance::TooMany);
    let later = styx.launch(A, NO_TIME);
    assert!(
        matches!(&later, Some(Err(KeyError::Later { retry_after: Some(after), .. })) if after.as_secs() == 20),
        "{later:?}"
    );
    // Only the secrets are looked at.
    assert_eq!(calls(&world, || assert!(matches!(styx.launch(A, NO_TIME), Some(Err(KeyError::Later { .. }))))), 1);
    world.advance(TimeDelta::seconds(20));
    launch(&styx);
}

/// Jobs that run for weeks hold on to their keys: when the account is full, launches get the newest there are.
#[test]
fn a_full_account_goes_on_with_what_it_has() {
    let settings = KeySettings::default();
    let (world, mut styx) = begun(&settings);
    for _ in 0..5 {
        launch(&styx);
        world.advance(TimeDelta::minutes(2));
        launch(&styx);
        world.advance(TimeDelta::hours(24) - TimeDelta::minutes(2));
    }
    assert_eq!(world.state().iam.living(A).len(), 10);
    let newest = launch(&styx);
    world.advance(TimeDelta::days(3));
    let ensured = styx.launch(A, TimeDelta::minutes(30)).expect("no crash").expect("keys");
    assert_eq!(ensured.secret, newest);
    let warning = ensured.warning.expect("a warning");
    assert!(warning.ends_with("It has 10 of at most 10, 10 of them in the secrets of this executor."), "{warning}");
    assert_eq!(world.state().iam.refused_as_full, 0);
    // Its pod isn't there yet, and all others have ended: it stays, also for a Styx that has just started.
    world.state().pods.retain(|pod| pod.secret == newest);
    styx = world.styx(0, &settings);
    assert_eq!(collect(&styx).len(), 4);
    assert_eq!(secrets(&world), [newest]);
    world.advance(TimeDelta::minutes(2));
    assert_ne!(launch(&styx), secrets(&world)[0], "there is room again");
}

#[test]
fn without_p12_there_is_one_key() {
    let mut settings = KeySettings::default();
    settings.p12 = false;
    let (world, styx) = begun(&settings);
    let name = launch(&styx);
    let data = world.state().namespaces[0][&name].data.clone().expect("data");
    assert_eq!(data.keys().collect::<Vec<_>>(), ["styx-wf-sa.json"]);
    assert_eq!(world.state().iam.living(A).len(), 1);
    // With it again, the secret lacks a file.
    world.advance(TimeDelta::minutes(1));
    assert_eq!(launch(&world.styx(0, &KeySettings::default())), format!("{name}-1"));
}

#[test]
fn another_rotation_begins_with_new_keys() {
    let (world, styx) = begun(&KeySettings::default());
    let daily = launch(&styx);
    world.advance(TimeDelta::minutes(5));
    let styx = world.styx(0, &weekly());
    assert_eq!(launch(&styx), daily, "the new ones settle");
    world.advance(TimeDelta::minutes(5));
    assert_ne!(launch(&styx), daily);
    world.state().pods.clear();
    world.advance(TimeDelta::days(7));
    assert_eq!(collect(&styx), Vec::<String>::new(), "the new times hold for all");
    world.advance(TimeDelta::days(1));
    assert!(collect(&styx).contains(&daily));
}

/// An attempt that left both of its keys, right after somebody else made some.
fn cut_short(foreign: usize, settings: &KeySettings) -> (World, Styx) {
    let (world, styx) = begun(settings);
    world.state().disturbances.insert(4, Disturbance::CrashAfter);
    assert_eq!(styx.launch(A, NO_TIME), None);
    for _ in 0..foreign {
        let now = world.now();
        world.state().iam.make(A, "ann@example.com", now);
    }
    world.advance(TimeDelta::hours(1));
    let styx = world.styx(0, settings);
    (world, styx)
}

#[test]
fn keys_of_an_attempt_are_collected() {
    let (world, styx) = cut_short(0, &KeySettings::default());
    // As long as another executor can't be asked, or one makes keys of the account, nothing is done.
    assert_eq!(styx.collect(None).expect("no crash").expect("a list").secrets, Vec::<String>::new());
    assert_eq!(collect(&styx).len(), 1);
    assert!(world.state().iam.living(A).is_empty());
}

#[test]
fn too_many_keys_are_reported_and_stay() {
    let (world, styx) = cut_short(1, &KeySettings::default());
    let problems = problems(&styx);
    assert!(problems.len() == 1 && problems[0].matches("projects/p1").count() == 3, "{problems:?}");
    assert_eq!((secrets(&world).len(), world.state().iam.living(A).len()), (1, 3));
    // If IAM tells who made them, there is no doubt.
    world.state().iam.shows_creators = true;
    assert_eq!(collect(&styx).len(), 1);
    assert_eq!(world.state().iam.living(A).len(), 1);
}

#[test]
fn keys_of_an_attempt_may_be_reported_only() {
    let mut settings = KeySettings::default();
    settings.orphans = Orphans::Report;
    let (world, styx) = cut_short(0, &settings);
    assert_eq!(problems(&styx).len(), 1);
    assert_eq!(world.state().iam.living(A).len(), 2);
    let now = world.now();
    for key in world.state().iam.keys.values_mut() {
        key.deleted_at = Some(now);
    }
    world.advance(TimeDelta::hours(1));
    assert_eq!(collect(&styx).len(), 1, "then the marker goes");
}

#[test]
fn uploaded_and_older_keys_are_never_an_attempts() {
    let (world, styx) = begun(&KeySettings::default());
    let now = world.now();
    let older = world.state().iam.make(A, "ann@example.com", now - TimeDelta::minutes(5));
    world.state().disturbances.insert(3, Disturbance::CrashBefore);
    assert_eq!(styx.launch(A, NO_TIME), None);
    let now = world.now();
    let uploaded = world.state().iam.make(A, "ann@example.com", now);
    world.state().iam.keys.get_mut(&uploaded).expect("a key").uploaded = true;
    world.advance(TimeDelta::hours(1));
    assert_eq!(collect(&world.styx(0, &KeySettings::default())).len(), 1);
    assert_eq!(world.state().iam.living(A), [older.as_str(), uploaded.as_str()]);
}

/// Attempts that fail one after the other take what room there is, and no more.
#[test]
fn attempts_leave_room_for_what_they_may_have_made() {
    let (world, styx) = begun(&KeySettings::default());
    for round in 0..5 {
        let next = world.state().calls;
        world.state().disturbances = BTreeMap::from([(next + 4, Disturbance::LostAfter)]);
        let answer = styx.launch(A, NO_TIME);
        assert!(matches!(answer, Some(Err(KeyError::Later { .. }))), "{round}: {answer:?}");
        assert!(world.state().iam.living(A).len() <= 10);
    }
    world.state().disturbances.clear();
    let waits = styx.launch(A, NO_TIME);
    let Some(Err(KeyError::Later { reason, retry_after })) = waits else { panic!("{waits:?}") };
    assert!(reason.contains("attempts that were cut short"), "{reason}");
    assert!(retry_after.is_some_and(|after| (800..=900).contains(&after.as_secs())), "{retry_after:?}");
    world.advance(TimeDelta::minutes(16));
    assert_eq!(collect(&styx).len(), 5);
    world.advance(TimeDelta::minutes(1));
    launch(&styx);
}

/// A process that was held up for too long doesn't go on with keys that may have been collected.
#[test]
fn an_attempt_that_takes_too_long_gives_up() {
    let (world, _) = begun(&KeySettings::default());
    // Each look at the clock takes two minutes.
    let held_up = world.clone();
    let clock = Arc::new(move || {
        held_up.advance(TimeDelta::minutes(2));
        held_up.now()
    });
    let slow: AccountKeys<InMemory, Namespace> =
        AccountKeys::new(world.iam(), world.namespace(0), KeySettings::default(), clock);
    let answer = run(slow.ensure(A)).expect("no crash");
    assert!(
        matches!(&answer, Err(KeyError::Later { reason, .. }) if reason.contains("took longer than")),
        "{answer:?}"
    );
    assert!(secrets(&world).iter().all(|name| name.starts_with("styx-wf-sa-attempt-")));
    world.advance(TimeDelta::minutes(20));
    assert_eq!(collect(&world.styx(0, &KeySettings::default())).len(), 1);
    assert!(world.state().iam.living(A).is_empty());
}

#[test]
fn another_ones_secret_is_taken() {
    let settings = KeySettings::default();
    let (world, styx) = begun(&settings);
    // The answer to the create of the secret is lost, and the next launch finds it.
    world.state().disturbances.insert(5, Disturbance::LostAfter);
    assert!(matches!(styx.launch(A, NO_TIME), Some(Err(KeyError::Later { .. }))));
    let name = launch(&styx);
    assert_eq!(world.state().iam.living(A).len(), 2);
    world.state().pods.clear();
    // One without the label, as if from before: its name is taken, so the new keys are deleted (SA-5).
    let mut secret = world.state().namespaces[0].remove(&name).expect("the secret");
    secret.metadata.labels = None;
    world.state().namespaces[0].insert(name.clone(), secret);
    world.advance(TimeDelta::minutes(1));
    let answer = styx.launch(A, NO_TIME);
    assert!(
        matches!(&answer, Some(Err(KeyError::Later { reason, .. })) if reason.contains("change faster")),
        "{answer:?}"
    );
    assert_eq!(world.state().iam.living(A).len(), 2);
}

#[test]
fn what_happens_is_told() {
    let (world, _) = begun(&weekly());
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = told.clone();
    let listener = Arc::new(move |event: &KeyEvent| log.lock().unwrap().push(event.to_string()));
    let keys = AccountKeys::new(world.iam(), world.namespace(0), weekly(), world.clock()).with_listener(listener);
    run(keys.ensure(A)).expect("no crash").expect("keys");
    world.advance(TimeDelta::days(30));
    let in_use = BTreeSet::new();
    run(keys.collect(&in_use, Some(&Elsewhere::default()))).expect("no crash").expect("a list");
    let key = |number| format!("projects/p1/serviceAccounts/{A}/keys/{number:040}");
    assert_eq!(
        *told.lock().unwrap(),
        [
            format!("created JSON key {} of service account {A}", key(1)),
            format!("created P12 key {} of service account {A}", key(2)),
            format!("deleted key {} of service account {A}: it is old, and nothing uses it", key(1)),
            format!("deleted key {} of service account {A}: it is old, and nothing uses it", key(2)),
        ]
    );
}

/// The vectors of the rules: when an epoch ends.
#[test]
fn an_epoch_ends_when_styx_2_says() {
    let now: DateTime<Utc> = "2020-01-01T00:00:00Z".parse().unwrap();
    for (account, end) in [
        ("sa@example.com", "2020-01-07T16:41:13.973Z"),
        ("my-service-account@my-project.iam.gserviceaccount.com", "2020-01-04T02:10:39.439Z"),
    ] {
        let week = TimeDelta::days(7);
        assert_eq!(epoch(account, now, week), 2609);
        assert_eq!(epoch_end(account, 2609, week), end.parse().ok());
    }
}
