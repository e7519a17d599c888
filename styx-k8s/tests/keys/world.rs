//! A world of accounts, secrets and pods in which keys are made and deleted, and any step can fail or be the last.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, pending},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use crate::fake_iam::{FakeIam, STYX, failure_with};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use serde_json::{Value, json};
use styx_k8s::keys::{
    AccountKeys, Clock, Collected, CreatedKey, Elsewhere, Ensured, Iam, IamError, KeyError, KeyKind, KeySecret,
    KeySettings, Listed, Secrets, SecretsError, google::answer,
};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// Styx dies before the call takes effect.
    CrashBefore,
    /// Styx dies after it.
    CrashAfter,
    /// The call fails and does nothing, and nobody knows.
    LostBefore,
    /// The call does what it should, and the answer is lost.
    LostAfter,
    /// The call is refused for now.
    TooMany,
}

impl Disturbance {
    pub(crate) const ALL: [Self; 5] =
        [Self::CrashBefore, Self::CrashAfter, Self::LostBefore, Self::LostAfter, Self::TooMany];

    pub(crate) fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }
}

/// A launched pod, or one that is about to be.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) namespace: usize,
    pub(crate) secret: String,
    pub(crate) keys: Vec<String>,
    pub(crate) visible_at: DateTime<Utc>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: DateTime<Utc>,
    pub(crate) iam: FakeIam,
    pub(crate) namespaces: Vec<BTreeMap<String, Secret>>,
    pub(crate) pods: Vec<Pod>,
    /// What happens to the calls of one operation, by their number.
    pub(crate) disturbances: BTreeMap<usize, Disturbance>,
    pub(crate) calls: usize,
    made: usize,
}

/// The world, shared by all that is in it.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

impl World {
    pub(crate) fn new(accounts: &[&str], namespaces: usize) -> Self {
        let now = "2026-03-01T00:00:00Z".parse().expect("a time");
        Self(Arc::new(Mutex::new(State {
            now,
            iam: FakeIam::new(accounts),
            namespaces: vec![BTreeMap::new(); namespaces],
            pods: Vec::new(),
            disturbances: BTreeMap::new(),
            calls: 0,
            made: 0,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with it")
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.state().now
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.state().now += by;
    }

    /// Styx, freshly started.
    pub(crate) fn styx(&self, namespace: usize, settings: &KeySettings) -> Styx {
        let keys = AccountKeys::new(self.iam(), self.namespace(namespace), settings.clone(), self.clock());
        Styx { world: self.clone(), namespace, keys }
    }

    /// The names of the secrets that visible pods of a namespace use.
    pub(crate) fn in_use(&self, namespace: usize) -> BTreeSet<String> {
        let state = self.state();
        let visible = state.pods.iter().filter(|pod| pod.namespace == namespace && pod.visible_at <= state.now);
        visible.map(|pod| pod.secret.clone()).collect()
    }

    /// The secrets of a namespace.
    pub(crate) fn namespace(&self, namespace: usize) -> Namespace {
        Namespace { world: self.clone(), namespace }
    }

    /// IAM, without HTTP.
    pub(crate) fn iam(&self) -> InMemory {
        InMemory { world: self.clone() }
    }

    /// What shows the time.
    pub(crate) fn clock(&self) -> Clock {
        let world = self.clone();
        Arc::new(move || world.now())
    }

    /// A call begins: what happens to it.
    pub(crate) fn next(&self) -> Option<Disturbance> {
        let mut state = self.state();
        state.now += TimeDelta::milliseconds(700);
        let call = state.calls;
        state.calls += 1;
        state.disturbances.get(&call).copied()
    }

    /// Passes the point before a call's effect and the one after it.
    async fn call<T>(&self, effect: impl FnOnce(&mut State) -> T, lost: impl Fn() -> T, refused: impl Fn() -> T) -> T {
        let disturbance = self.next();
        match disturbance {
            Some(Disturbance::CrashBefore) => pending().await,
            Some(Disturbance::LostBefore) => return lost(),
            Some(Disturbance::TooMany) => return refused(),
            _ => {}
        }
        let result = effect(&mut self.state());
        match disturbance {
            Some(Disturbance::CrashAfter) => pending().await,
            Some(Disturbance::LostAfter) => lost(),
            _ => result,
        }
    }
}

/// Runs to the end, or to the crash.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// A process of Styx in one namespace.
pub(crate) struct Styx {
    world: World,
    namespace: usize,
    pub(crate) keys: AccountKeys<InMemory, Namespace>,
}

impl Styx {
    /// Launches a pod, which shows itself a while later. None is a crash.
    pub(crate) fn launch(&self, account: &str, shows_after: TimeDelta) -> Option<Result<Ensured, KeyError>> {
        let answer = run(self.keys.ensure(account))?;
        if let Ok(ensured) = &answer {
            self.world.state().launch(self.namespace, account, &ensured.secret, shows_after);
        }
        Some(answer)
    }

    pub(crate) fn collect(&self, elsewhere: Option<&Elsewhere>) -> Option<Result<Collected, SecretsError>> {
        run(self.keys.collect(&self.world.in_use(self.namespace), elsewhere))
    }
}

/// IAM without HTTP: the fake's answers, read as those of HTTP are.
pub(crate) struct InMemory {
    world: World,
}

impl InMemory {
    async fn send(&self, method: &str, path: &str, body: Value) -> Result<answer::HttpAnswer, IamError> {
        let effect = |state: &mut State| {
            let now = state.now;
            if method == "DELETE" {
                state.check_deletion(path);
            }
            let reply = state.iam.answer(method, path, &body, now);
            Ok(http_answer(reply, now))
        };
        let lost = || Err(IamError::Later { message: "no answer".into(), retry_after: None, may_have_happened: true });
        let refused = || {
            let details =
                json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]);
            let reply = failure_with(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric", details);
            Ok(answer::HttpAnswer { retry_after: Some("20".into()), ..http_answer(reply, self.world.now()) })
        };
        self.world.call(effect, lost, refused).await
    }
}

fn http_answer((status, body): crate::fake_iam::Reply, now: DateTime<Utc>) -> answer::HttpAnswer {
    let date = Some(now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    answer::HttpAnswer { status, retry_after: None, date, body: body.to_string().into_bytes() }
}

impl State {
    /// A pod is launched that mounts a secret; it shows itself a while later.
    pub(crate) fn launch(&mut self, namespace: usize, account: &str, secret: &str, shows_after: TimeDelta) {
        let secret = self.namespaces[namespace].get(secret).expect("the secret is there");
        let secret = KeySecret::read(&secret.metadata).expect("a secret with keys");
        assert_eq!(secret.account, account);
        for key in &secret.keys {
            assert!(self.iam.exists(key), "a launch gets {key}, which is gone");
        }
        let visible_at = self.now + shows_after;
        self.pods.push(Pod { namespace, secret: secret.name, keys: secret.keys, visible_at });
    }

    /// What no deletion may do.
    pub(crate) fn check_deletion(&self, name: &str) {
        let now = self.now;
        for pod in &self.pods {
            assert!(!pod.keys.iter().any(|key| key == name), "{name} is deleted at {now}, and {pod:?} uses it");
        }
        if let Some(key) = self.iam.keys.get(name) {
            assert_eq!(key.creator, STYX, "{name} is deleted, and another one made it");
            assert!(!key.uploaded, "{name} is deleted, and was uploaded");
        }
    }
}

impl Iam for InMemory {
    async fn list_keys(&self, account: &str) -> Result<Listed, IamError> {
        answer::listed(&self.send("GET", &keys_of(account), Value::Null).await?)
    }

    async fn create_key(&self, account: &str, kind: KeyKind) -> Result<CreatedKey, IamError> {
        let kind = match kind {
            KeyKind::Json => "TYPE_GOOGLE_CREDENTIALS_FILE",
            KeyKind::P12 => "TYPE_PKCS12_FILE",
        };
        answer::created(&self.send("POST", &keys_of(account), json!({"privateKeyType": kind})).await?)
    }

    async fn key_exists(&self, name: &str) -> Result<bool, IamError> {
        answer::exists(&self.send("GET", name, Value::Null).await?)
    }

    async fn delete_key(&self, name: &str) -> Result<(), IamError> {
        answer::deleted(&self.send("DELETE", name, Value::Null).await?)
    }

    async fn identity(&self) -> Option<String> {
        Some(STYX.into())
    }
}

/// The path of an account's keys. As with the client, the account's name tells its project.
fn keys_of(account: &str) -> String {
    let project = account.split(['@', '.']).nth(1).unwrap_or("-");
    format!("projects/{project}/serviceAccounts/{account}/keys")
}

/// The secrets of one namespace.
pub(crate) struct Namespace {
    world: World,
    namespace: usize,
}

impl Namespace {
    async fn call<T>(&self, effect: impl FnOnce(&mut State) -> Result<T, SecretsError>) -> Result<T, SecretsError> {
        let failed = |may_have_happened| {
            Err(SecretsError::Failed { message: "the API server is away".into(), may_have_happened })
        };
        self.world.call(effect, || failed(true), || failed(false)).await
    }
}

impl Secrets for Namespace {
    async fn list(&self, label: Option<(&str, &str)>) -> Result<Vec<ObjectMeta>, SecretsError> {
        let effect = |state: &mut State| {
            let has_label = |meta: &&ObjectMeta| {
                label.is_none_or(|(key, value)| {
                    let labels = meta.labels.as_ref();
                    labels.and_then(|labels| labels.get(key)).is_some_and(|found| found == value)
                })
            };
            let metas = state.namespaces[self.namespace].values().map(|secret| &secret.metadata);
            Ok(metas.filter(has_label).cloned().collect())
        };
        self.call(effect).await
    }

    async fn create(&self, secret: &Secret) -> Result<ObjectMeta, SecretsError> {
        self.call(|state| state.create(self.namespace, secret)).await
    }

    async fn delete(&self, name: &str, uid: &str) -> Result<(), SecretsError> {
        let effect = |state: &mut State| {
            let secrets = &mut state.namespaces[self.namespace];
            if secrets.get(name).is_some_and(|secret| secret.metadata.uid.as_deref() == Some(uid)) {
                secrets.remove(name);
                let in_use = state.pods.iter().find(|pod| pod.namespace == self.namespace && pod.secret == name);
                assert!(in_use.is_none(), "secret {name} is deleted, and {in_use:?} uses it");
            }
            Ok(())
        };
        self.call(effect).await
    }
}

impl State {
    pub(crate) fn create(&mut self, namespace: usize, secret: &Secret) -> Result<ObjectMeta, SecretsError> {
        let name = secret.metadata.name.clone().expect("a name");
        if self.namespaces[namespace].contains_key(&name) {
            return Err(SecretsError::Exists);
        }
        self.made += 1;
        let mut secret = secret.clone();
        secret.metadata.uid = Some(format!("uid-{}", self.made));
        let at = self.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        secret.metadata.creation_timestamp = Some(Time(at.parse().expect("a time")));
        let metadata = secret.metadata.clone();
        self.namespaces[namespace].insert(name, secret);
        Ok(metadata)
    }
}
