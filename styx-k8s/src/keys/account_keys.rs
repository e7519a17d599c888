//! Doing what the plan says: a launch's keys, and the collection of those that nothing uses.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::sync::Mutex as AsyncMutex;

use super::{
    iam::{CreatedKey, Iam, IamError, IamKey, KeyKind, Listed},
    outcome::{Collected, Ensured, KeyError, KeyEvent, full, later, refusal},
    plan::{self, Account, Elsewhere, Known, Removal, Step, Why},
    secret::{self, ACCOUNT_LABEL, Attempt, KeySecret, account_label},
    secrets::{Secrets, SecretsError},
    settings::KeySettings,
};

/// What shows the time. Tests have one of their own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Takes notice of what happens to keys.
pub type Listener = Arc<dyn Fn(&KeyEvent) + Send + Sync>;

/// How often a launch looks again after it has made keys, or found that another one had.
const ROUNDS: usize = 3;

/// The keys of service accounts in one namespace.
///
/// A launch [`ensure`](Self::ensure)s its keys, and now and then a [`collect`](Self::collect) removes old ones. Either may be
/// cut short at any point: what there is in Kubernetes and in IAM is all that the next call needs.
pub struct AccountKeys<I, S> {
    iam: I,
    secrets: S,
    settings: KeySettings,
    clock: Clock,
    listener: Listener,
    born_at: DateTime<Utc>,
    /// One launch or collection at a time for an account, and what the last launch was told.
    accounts: Mutex<HashMap<String, Arc<AsyncMutex<Option<Told>>>>>,
    /// The secrets that launches were given, and when: their pods may not be there yet.
    given: Mutex<BTreeMap<String, DateTime<Utc>>>,
    /// The secrets whose removal has begun: their keys may be gone, and still be listed.
    removing: Mutex<BTreeSet<String>>,
    /// Until when IAM wants to be left alone.
    closed_until: Mutex<Option<DateTime<Utc>>>,
}

/// When an attempt to make keys began.
#[derive(Debug, Clone, Copy)]
struct Begun {
    /// On our clock, by which it ends.
    at: DateTime<Utc>,
    /// On IAM's, by which what it made is found.
    iam_time: DateTime<Utc>,
}

/// What a launch was told, believed for a while by those that follow.
struct Told {
    at: DateTime<Utc>,
    answer: Result<Ensured, KeyError>,
}

impl<I: Iam, S: Secrets> AccountKeys<I, S> {
    /// Keys as `settings` want them; they have been [checked](KeySettings::check).
    pub fn new(iam: I, secrets: S, settings: KeySettings, clock: Clock) -> Self {
        Self {
            iam,
            secrets,
            settings,
            born_at: clock(),
            clock,
            listener: Arc::new(|_| {}),
            accounts: Mutex::default(),
            given: Mutex::default(),
            removing: Mutex::default(),
            closed_until: Mutex::default(),
        }
    }

    /// The same, and `listener` is called with what happens.
    #[must_use]
    pub fn with_listener(self, listener: Listener) -> Self {
        Self { listener, ..self }
    }

    /// The secret with keys of an account that a launch mounts. Called for each launch, right before its pod is created.
    ///
    /// Calls for one account wait for each other, and believe what the first was told for a while (SA-2).
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn ensure(&self, account: &str) -> Result<Ensured, KeyError> {
        let cell = self.cell(account);
        let mut told = cell.lock().await;
        let now = self.now();
        if let Some(told) = &*told
            && (TimeDelta::zero()..self.settings.believed_for).contains(&(now - told.at))
        {
            self.give(&told.answer);
            return told.answer.clone();
        }
        let answer = self.look_and_ensure(account).await;
        // What failed for the moment is asked for again by the next launch, at its own pace.
        *told = (!matches!(answer, Err(KeyError::Later { .. }))).then(|| Told { at: now, answer: answer.clone() });
        self.give(&answer);
        if let Ok(Ensured { warning: Some(reason), .. }) = &answer {
            self.tell(KeyEvent::Warning { account: account.to_owned(), reason: reason.clone() });
        }
        answer
    }

    /// Removes the keys and secrets that have outlived their time and that nothing uses, and what attempts have left behind.
    ///
    /// `in_use` names the secrets of all living pods of the namespace ([`secrets_in_use`](super::secrets_in_use)).
    /// `elsewhere` is what [`held`](Self::held) says of the other executors that may have keys of the same accounts; an empty one
    /// if there are none, and none if one of them can't say: then what attempts have left stays for now.
    ///
    /// # Errors
    ///
    /// The secrets can't be listed. What goes wrong with one account is among the problems and stops no other (SA-10).
    pub async fn collect(
        &self,
        in_use: &BTreeSet<String>,
        elsewhere: Option<&Elsewhere>,
    ) -> Result<Collected, SecretsError> {
        let mut collected = Collected::default();
        let accounts = self.accounts_of(&self.secrets.list(None).await?, &mut collected);
        let identity = self.iam.identity().await;
        for account in accounts.into_values() {
            let cell = self.cell(&account.name);
            // A launch of the account waits meanwhile; one that has just ended has left secrets too young to be removed.
            let _told = cell.lock().await;
            let now = self.now();
            let in_use = self.in_use(in_use, now);
            let known = Known {
                in_use: &in_use,
                elsewhere,
                identity: identity.as_deref(),
                keeps_newest: now - self.born_at < self.settings.launch_margin,
            };
            if plan::may_collect(&account, &known, now, &self.settings) {
                self.collect_account(account, &known, &mut collected).await;
            }
        }
        self.forget();
        Ok(collected)
    }

    /// What this namespace holds, for the collections of the other executors.
    ///
    /// # Errors
    ///
    /// The secrets can't be listed.
    pub async fn held(&self) -> Result<Elsewhere, SecretsError> {
        let accounts = self.accounts_of(&self.secrets.list(None).await?, &mut Collected::default());
        let mut elsewhere = Elsewhere::default();
        for account in accounts.into_values() {
            elsewhere.keys.extend(account.secrets.into_iter().flat_map(|secret| secret.keys));
            elsewhere.attempts.extend(account.attempts);
        }
        Ok(elsewhere)
    }

    async fn look_and_ensure(&self, name: &str) -> Result<Ensured, KeyError> {
        // An attempt counts from here on, since IAM shows its own time with the list.
        let begun_at = self.now();
        let (listed, mut trouble) = match self.list_keys(name).await {
            Ok(listed) => (Some(listed), None),
            Err(error @ (IamError::Later { .. } | IamError::Trouble { .. })) => (None, Some(error)),
            Err(error) => return Err(refusal(&self.settings, name, error)),
        };
        let mut account = Account { name: name.to_owned(), ..Account::default() };
        account.keys = listed.as_ref().map(|listed| listed.keys.clone());
        self.read_secrets(&mut account).await?;
        for _ in 0..ROUNDS {
            let plan::Need { usable, step } = self.need(&account);
            let error = match step {
                Step::Nothing => None,
                Step::Create { epoch, number } => {
                    let iam_time = listed.as_ref().and_then(|listed| listed.at);
                    let attempt = Begun { at: begun_at, iam_time: iam_time.unwrap_or(begun_at) };
                    match self.create(&account, epoch, number, attempt).await {
                        Ok(Some(made)) => {
                            account.secrets.push(made);
                            continue;
                        }
                        Ok(None) => {
                            self.read_secrets(&mut account).await?;
                            continue;
                        }
                        Err(error) => Some(error),
                    }
                }
                Step::AskAgain => Some(refusal(&self.settings, name, trouble.take().unwrap_or_else(unasked))),
                Step::WaitForLists => Some(later(format!(
                    "service account {name} is full, and whether its old keys may be used isn't known right after a start"
                ))),
                Step::WaitForAttempts(at) => {
                    let reason = format!(
                        "service account {name} may hold keys of attempts that were cut short; what they made is looked for at {at}"
                    );
                    Some(KeyError::Later { reason, retry_after: (at - self.now()).to_std().ok() })
                }
                Step::Full { keys, ours } => Some(full(&self.settings, name, Some((keys, ours)))),
            };
            return match (usable, error) {
                (Some(secret), error) => Ok(Ensured { secret, warning: error.map(|error| error.to_string()) }),
                (None, Some(error)) => Err(error),
                (None, None) => unreachable!("a launch that needs no step has a secret"),
            };
        }
        let reason = format!("the secrets of service account {name} change faster than they can be read");
        Err(KeyError::Later { reason, retry_after: None })
    }

    fn need(&self, account: &Account) -> plan::Need {
        let now = self.now();
        let knows_removals = now - self.born_at >= self.settings.listed_after;
        let removing = lock(&self.removing);
        plan::need(account, knows_removals.then_some(&removing), now, &self.settings)
    }

    /// Reads what Kubernetes has of an account, and looks for its keys.
    async fn read_secrets(&self, account: &mut Account) -> Result<(), KeyError> {
        let label = account_label(&account.name);
        let metas = self.secrets.list(Some((ACCOUNT_LABEL, &label))).await.map_err(later)?;
        let secrets = metas.iter().filter_map(KeySecret::read);
        account.secrets = secrets.filter(|secret| secret.account == account.name).collect();
        let attempts = metas.iter().filter_map(Attempt::read);
        account.attempts = attempts.filter(|attempt| attempt.account == account.name).collect();
        self.look_for_unlisted(account).await;
        Ok(())
    }

    /// Makes keys and their secret. None is a secret that another one has made meanwhile.
    async fn create(
        &self,
        account: &Account,
        epoch: i64,
        number: usize,
        begun: Begun,
    ) -> Result<Option<KeySecret>, KeyError> {
        let name = &account.name;
        let known: Vec<String> = account.keys.iter().flatten().map(|key| key.name.clone()).collect();
        let marker = secret::attempt(name, begun.iam_time, self.now(), &known);
        let marker = self.secrets.create(&marker).await.map_err(later)?;
        let Some(marker) = Attempt::read(&marker) else {
            return Err(later(format!("Kubernetes made another secret of {:?} than it was given", marker.name)));
        };
        let mut made: Vec<(KeyKind, CreatedKey)> = Vec::new();
        for kind in KeyKind::ALL.into_iter().take(self.settings.kinds()) {
            if self.is_over(begun.at) {
                return Err(self.too_slow(name));
            }
            match self.create_key(name, kind).await {
                Ok(key) => made.push((kind, key)),
                Err(error) => {
                    let is_clean = !error.may_have_happened();
                    self.abandon(&marker, &made, is_clean).await;
                    return Err(refusal(&self.settings, name, error));
                }
            }
        }
        if self.is_over(begun.at) {
            // What it made may be found and deleted any time now.
            return Err(self.too_slow(name));
        }
        let secret = secret::key_secret(name, epoch, number, self.settings.rotation, made.clone());
        match self.secrets.create(&secret).await {
            Ok(meta) => {
                // If this fails, the marker is found to have left nothing.
                let _ = self.secrets.delete(&marker.name, &marker.uid).await;
                Ok(KeySecret::read(&meta))
            }
            Err(SecretsError::Exists) => {
                // Another one was faster, or the answer to an earlier try was lost (SA-5).
                self.abandon(&marker, &made, true).await;
                Ok(None)
            }
            Err(error @ SecretsError::Failed { may_have_happened: true, .. }) => Err(later(error)),
            Err(error @ SecretsError::Failed { .. }) => {
                self.abandon(&marker, &made, true).await;
                Err(later(error))
            }
        }
    }

    /// Deletes the keys of an attempt that failed, and its marker if nothing else can have been made.
    async fn abandon(&self, marker: &Attempt, made: &[(KeyKind, CreatedKey)], is_clean: bool) {
        for (_, key) in made {
            if self.delete_key(&marker.account, &key.name, "its secret wasn't made").await.is_err() {
                // The marker stays, and with it the knowledge of this key.
                return;
            }
        }
        if is_clean {
            let _ = self.secrets.delete(&marker.name, &marker.uid).await;
        }
    }

    async fn collect_account(&self, mut account: Account, known: &Known<'_>, collected: &mut Collected) {
        let name = account.name.clone();
        account.keys = match self.list_keys(&name).await {
            Ok(listed) => Some(listed.keys),
            // With the account its keys are gone.
            Err(IamError::NotFound { .. }) => Some(Vec::new()),
            Err(error) => {
                collected.problems.push(format!("keys of service account {name} can't be listed: {error}"));
                return;
            }
        };
        let plan = plan::collect(&account, known, self.now(), &self.settings);
        if !plan.unclear.is_empty() {
            let keys = plan.unclear.join(", ");
            collected.problems.push(format!(
                "service account {name} has keys that may have been left by an attempt to make keys, or be somebody's: delete them if \
                 nobody knows them, or else the secrets styx-wf-sa-attempt-… of the account: {keys}"
            ));
        }
        let keys = account.keys.as_deref().unwrap_or_default();
        for removal in plan.removals {
            match self.remove(&name, &removal, keys).await {
                Ok(()) => collected.secrets.push(removal.secret),
                Err(problem) => collected.problems.push(problem),
            }
        }
    }

    async fn remove(&self, account: &str, removal: &Removal, listed: &[IamKey]) -> Result<(), String> {
        let why = match removal.why {
            Why::Expired => "it is old, and nothing uses it",
            Why::Interrupted => "the attempt that made it was cut short",
        };
        lock(&self.removing).insert(removal.secret.clone());
        for key in &removal.keys {
            match self.delete_key(account, key, why).await {
                Ok(()) => {}
                // As for a key of a project that is gone; a key that is listed needs the permission.
                Err(IamError::Denied { .. }) if listed.iter().all(|listed| listed.name != *key) => {}
                Err(error) => {
                    return Err(format!("key {key} can't be deleted, its secret {} stays: {error}", removal.secret));
                }
            }
        }
        let deleted = self.secrets.delete(&removal.secret, &removal.uid).await;
        deleted.map_err(|error| format!("secret {} can't be deleted: {error}", removal.secret))?;
        lock(&self.removing).remove(&removal.secret);
        Ok(())
    }

    /// Looks for the keys that IAM's list lacks though it should have them: lists are the last to know.
    async fn look_for_unlisted(&self, account: &mut Account) {
        let Some(keys) = &mut account.keys else { return };
        let now = self.now();
        let old = account.secrets.iter().filter(|secret| secret.rotation.is_some());
        let old = old.filter(|secret| now - secret.created_at >= self.settings.listed_after);
        for name in old.flat_map(|secret| &secret.keys) {
            if keys.iter().all(|key| key.name != *name) && matches!(self.iam.key_exists(name).await, Ok(true)) {
                keys.push(IamKey {
                    name: name.clone(),
                    created_at: None,
                    disabled: false,
                    made_by_iam: true,
                    creator: None,
                });
            }
        }
    }

    async fn list_keys(&self, account: &str) -> Result<Listed, IamError> {
        self.is_open()?;
        self.note(self.iam.list_keys(account).await)
    }

    async fn create_key(&self, account: &str, kind: KeyKind) -> Result<CreatedKey, IamError> {
        let created = self.note(self.iam.create_key(account, kind).await)?;
        self.tell(KeyEvent::Created { account: account.to_owned(), key: created.name.clone(), kind });
        Ok(created)
    }

    async fn delete_key(&self, account: &str, key: &str, why: &'static str) -> Result<(), IamError> {
        match self.note(self.iam.delete_key(key).await) {
            Ok(()) | Err(IamError::NotFound { .. }) => {
                self.tell(KeyEvent::Deleted { account: account.to_owned(), key: key.to_owned(), why });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Leaves IAM alone for as long as it wants.
    fn is_open(&self) -> Result<(), IamError> {
        let now = self.now();
        let left = lock(&self.closed_until).filter(|until| now < *until).map(|until| until - now);
        left.map_or(Ok(()), |left| {
            let message = "IAM wants to be left alone for a while".to_owned();
            Err(IamError::Later { message, retry_after: left.to_std().ok(), may_have_happened: false })
        })
    }

    fn note<T>(&self, answer: Result<T, IamError>) -> Result<T, IamError> {
        if let Err(IamError::Later { retry_after: Some(after), .. }) = &answer
            && let Ok(after) = TimeDelta::from_std(*after)
        {
            *lock(&self.closed_until) = self.now().checked_add_signed(after);
        }
        answer
    }

    fn is_over(&self, begun_at: DateTime<Utc>) -> bool {
        // A clock that was set back says nothing either.
        !(TimeDelta::zero()..self.settings.attempt_ends_after).contains(&(self.now() - begun_at))
    }

    fn too_slow(&self, account: &str) -> KeyError {
        let limit = self.settings.attempt_ends_after;
        later(format!("making keys of service account {account} took longer than {limit}"))
    }

    fn accounts_of(&self, metas: &[ObjectMeta], collected: &mut Collected) -> BTreeMap<String, Account> {
        let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
        for meta in metas.iter().filter(|meta| secret::is_ours(meta)) {
            if let Some(secret) = KeySecret::read(meta) {
                let account = accounts.entry(secret.account.clone()).or_default();
                account.name.clone_from(&secret.account);
                account.secrets.push(secret);
            } else if let Some(attempt) = Attempt::read(meta) {
                let account = accounts.entry(attempt.account.clone()).or_default();
                account.name.clone_from(&attempt.account);
                account.attempts.push(attempt);
            } else {
                let name = meta.name.as_deref().unwrap_or_default();
                collected
                    .problems
                    .push(format!("secret {name} has the name of keys and isn't of Styx: it is left alone"));
            }
        }
        accounts
    }

    /// What is in use, and what was given out so recently that its pod may not be there yet.
    fn in_use(&self, pods: &BTreeSet<String>, now: DateTime<Utc>) -> BTreeSet<String> {
        let mut given = lock(&self.given);
        given.retain(|_, at| now - *at < self.settings.launch_margin);
        pods.iter().chain(given.keys()).cloned().collect()
    }

    fn give(&self, answer: &Result<Ensured, KeyError>) {
        if let Ok(ensured) = answer {
            lock(&self.given).insert(ensured.secret.clone(), self.now());
        }
    }

    fn cell(&self, account: &str) -> Arc<AsyncMutex<Option<Told>>> {
        lock(&self.accounts).entry(account.to_owned()).or_default().clone()
    }

    /// Forgets accounts that nobody has asked for lately.
    fn forget(&self) {
        let now = self.now();
        lock(&self.accounts).retain(|_, cell| {
            let is_fresh =
                |told: &Option<Told>| told.as_ref().is_some_and(|told| now - told.at < self.settings.believed_for);
            Arc::strong_count(cell) > 1 || cell.try_lock().map_or(true, |told| is_fresh(&told))
        });
    }

    fn tell(&self, event: KeyEvent) {
        (self.listener)(&event);
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

fn unasked() -> IamError {
    IamError::Later { message: "IAM wasn't asked".to_owned(), retry_after: None, may_have_happened: false }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
