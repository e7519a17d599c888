//! The keys of service accounts over HTTP, against a fake IAM on loopback.

use std::{path::Path, time::Duration};

use chrono::TimeDelta;
use serde_json::Value;
use styx_k8s::keys::{
    AccountKeys, Elsewhere, Ensured, Iam, IamError, KeyError, KeyKind, KeySettings,
    google::{Credentials, GoogleIam},
};

use crate::{
    fake_iam::STYX,
    iam_server::IamServer,
    world::{Disturbance, Namespace, World},
};

const A: &str = "a@p1.iam.gserviceaccount.com";
const B: &str = "b@p2.iam.gserviceaccount.com";

fn client(server: &IamServer) -> GoogleIam {
    let credentials = Credentials::metadata(&server.url());
    GoogleIam::with_timeout(&server.url(), credentials, Duration::from_millis(300)).expect("a client")
}

fn styx(world: &World, server: &IamServer) -> AccountKeys<GoogleIam, Namespace> {
    AccountKeys::new(client(server), world.namespace(0), KeySettings::default(), world.clock())
}

async fn setting() -> (World, IamServer) {
    let world = World::new(&[A, B], 1);
    let server = IamServer::start(&world).await;
    (world, server)
}

fn disturb(world: &World, disturbances: &[(usize, Disturbance)]) {
    let mut state = world.state();
    state.calls = 0;
    state.disturbances = disturbances.iter().copied().collect();
}

#[tokio::test]
async fn a_launch_finds_both_files() {
    let (world, server) = setting().await;
    let Ensured { secret, warning } = styx(&world, &server).ensure(A).await.expect("keys");
    assert_eq!(warning, None);
    let state = world.state();
    assert_eq!(state.namespaces[0].keys().collect::<Vec<_>>(), [&secret], "the marker is gone");
    let made = &state.namespaces[0][&secret];
    let annotations = made.metadata.annotations.as_ref().expect("annotations");
    let (json, p12) = (&annotations["styx-wf-sa-json-key-name"], &annotations["styx-wf-sa-p12-key-name"]);
    assert_eq!(state.iam.living(A), [json, p12]);
    let data = made.data.as_ref().expect("data");
    let file: Value = serde_json::from_slice(&data["styx-wf-sa.json"].0).expect("JSON");
    assert_eq!((file["client_email"].as_str(), file["type"].as_str()), (Some(A), Some("service_account")));
    assert!(json.ends_with(file["private_key_id"].as_str().expect("an id")));
    let p12 = p12.rsplit('/').next().expect("an id");
    assert_eq!(String::from_utf8_lossy(&data["styx-wf-sa.p12"].0), format!("p12 of {p12}"));
}

#[tokio::test]
async fn refusals_are_in_the_words_of_styx_2() {
    let (world, server) = setting().await;
    let refused = async |account: &str| match styx(&world, &server).ensure(account).await {
        Err(KeyError::Refused(text)) => text,
        other => panic!("{other:?}"),
    };
    let nobody = "nobody@p1.iam.gserviceaccount.com";
    assert_eq!(refused(nobody).await, format!("Referenced service account {nobody} was not found"));
    // An account whose name doesn't tell its project.
    let robot = "123-compute@developer.gserviceaccount.com";
    let denied = |account| {
        format!(
            "Permission denied when creating keys for service account: {account}. Styx needs to be Service Account Key Admin."
        )
    };
    assert_eq!(refused(robot).await, denied(robot));
    world.state().iam.accounts.get_mut(A).expect("an account").denied = true;
    assert_eq!(refused(A).await, denied(A));
    let now = world.now();
    for _ in 0..9 {
        world.state().iam.make(B, "ann@example.com", now);
    }
    world.advance(TimeDelta::hours(1));
    let full = format!(
        "Maximum number of keys on service account reached: {B}. Styx requires 8 keys to operate. It has 9 of at most 10, 0 of \
         them in the secrets of this executor."
    );
    assert_eq!(refused(B).await, full);
    {
        let mut state = world.state();
        state.iam.keys.clear();
        state.iam.accounts.get_mut(B).expect("an account").forbidden = true;
    }
    let forbidden = format!(
        "Creating keys is forbidden by a policy of the organization for service account: {B}. Key creation is not allowed on this \
         service account."
    );
    assert_eq!(refused(B).await, forbidden);
    assert!(world.state().namespaces[0].is_empty(), "refusals leave no marker");
}

#[tokio::test]
async fn a_file_gets_tokens_too() {
    let (world, server) = setting().await;
    let credentials = Credentials::from_json(server.file().to_string().as_bytes()).expect("a file");
    let iam = GoogleIam::new(&server.url(), credentials).expect("a client");
    assert_eq!(iam.identity().await.as_deref(), Some(STYX));
    let key = iam.create_key(A, KeyKind::Json).await.expect("a key");
    assert_eq!(iam.key_exists(&key.name).await, Ok(true));
    // The token ends before its time.
    world.advance(TimeDelta::days(1));
    assert_eq!(iam.list_keys(A).await.map(|listed| (listed.keys.len(), listed.at.is_some())), Ok((1, true)));
    assert_eq!(iam.delete_key(&key.name).await, Ok(()));
    assert!(matches!(iam.delete_key(&key.name).await, Err(IamError::NotFound { .. })));
    assert_eq!(iam.key_exists(&key.name).await, Ok(false));
}

#[tokio::test]
async fn files_that_are_none_are_refused() {
    let (_, server) = setting().await;
    let refused = |change: fn(&mut Value)| {
        let mut file = server.file();
        change(&mut file);
        Credentials::from_json(file.to_string().as_bytes()).expect_err("refused").to_string()
    };
    let kind = refused(|file| file["type"] = "authorized_user".into());
    assert_eq!(kind, r#"the file of a service account: its type is "authorized_user": "service_account" is needed"#);
    let broken = refused(|file| {
        file["private_key"] = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n".into()
    });
    assert!(broken.contains("private_key:") && !broken.contains("c2Vj"), "{broken}");
    assert!(refused(|file| file["token_uri"] = Value::Null).contains("invalid type: null"));
    let missing = Credentials::from_file(Path::new("/nowhere/key.json")).expect_err("no file").to_string();
    assert!(missing.contains("/nowhere/key.json"), "{missing}");
}

#[tokio::test]
async fn what_may_have_happened_is_told_from_what_has_not() {
    let (world, server) = setting().await;
    let iam = client(&server);
    for (disturbance, may_have, made) in [
        (Disturbance::LostBefore, true, 0),
        (Disturbance::TooMany, false, 0),
        (Disturbance::LostAfter, true, 1),
        // The answer comes too late.
        (Disturbance::CrashAfter, true, 2),
    ] {
        disturb(&world, &[(0, disturbance)]);
        let error = iam.create_key(A, KeyKind::P12).await.expect_err("disturbed");
        assert_eq!(error.may_have_happened(), may_have, "{disturbance:?}: {error}");
        assert_eq!(world.state().iam.living(A).len(), made, "{disturbance:?}");
    }
    // Nobody is there: nothing happened.
    let nobody = GoogleIam::new("http://127.0.0.1:9", Credentials::metadata(&server.url())).expect("a client");
    assert!(matches!(nobody.list_keys(A).await, Err(IamError::Later { may_have_happened: false, .. })));
    let tokenless = GoogleIam::new(&server.url(), Credentials::metadata("http://127.0.0.1:9")).expect("a client");
    assert!(matches!(tokenless.list_keys(A).await, Err(IamError::Trouble { .. })));
}

/// Twelve days of launches and collections, each with something that goes wrong, and a restart now and then.
#[tokio::test]
async fn keys_rotate_though_much_goes_wrong() {
    const WRONG: [Disturbance; 3] = [Disturbance::LostBefore, Disturbance::LostAfter, Disturbance::TooMany];
    let (world, server) = setting().await;
    let mut keys = styx(&world, &server);
    let mut given = std::collections::BTreeSet::new();
    let mut refused = 0;
    for step in 0..48_usize {
        for (index, account) in [A, B].into_iter().enumerate() {
            let (call, wrong) = ((step * 5 + index) % 8, WRONG[(step + index) % 3]);
            disturb(&world, &[(call, wrong)]);
            match keys.ensure(account).await {
                Ok(Ensured { secret, .. }) => {
                    world.state().launch(0, account, &secret, TimeDelta::minutes(5));
                    given.insert(secret);
                }
                Err(KeyError::Later { .. }) => refused += 1,
                Err(error) => panic!("step {step}: {error}"),
            }
        }
        world.advance(TimeDelta::minutes(20));
        disturb(&world, &[(1 + step % 5, WRONG[step % 3])]);
        let _ = keys.collect(&world.in_use(0), Some(&Elsewhere::default())).await;
        disturb(&world, &[]);
        world.advance(TimeDelta::minutes(340));
        {
            let mut state = world.state();
            // Jobs run for a day.
            let over = state.pods.len().saturating_sub(8);
            state.pods.drain(..over);
            assert_eq!(state.iam.refused_as_full, 0);
        }
        if step % 11 == 10 {
            keys = styx(&world, &server);
        }
    }
    assert!(given.len() >= 20, "{} secrets were given out", given.len());
    assert!(refused <= 12, "{refused} launches had to wait");
    world.state().pods.clear();
    for _ in 0..8 {
        world.advance(TimeDelta::hours(12));
        keys.collect(&world.in_use(0), Some(&Elsewhere::default())).await.expect("a list");
    }
    let state = world.state();
    assert!(state.namespaces[0].is_empty(), "{:?}", state.namespaces[0].keys());
    assert_eq!((state.iam.living(A).len(), state.iam.living(B).len()), (0, 0));
}
