//! A fake of Google's IAM: its answers as HTTP has them, and what goes on behind them.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// Who Styx is here.
pub(crate) const STYX: &str = "styx@ops.iam.gserviceaccount.com";

/// An answer: the status and the body.
pub(crate) type Reply = (u16, Value);

/// The accounts and their keys.
#[derive(Debug)]
pub(crate) struct FakeIam {
    /// The accounts that there are, with how Styx is kept from making keys of them.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// All keys that there ever were.
    pub(crate) keys: BTreeMap<String, Key>,
    /// How long it takes until lists show what has changed.
    pub(crate) lag: TimeDelta,
    /// How many keys an account may have.
    pub(crate) limit: usize,
    /// Whether lists show who made a key.
    pub(crate) shows_creators: bool,
    /// How often a key was refused for want of room.
    pub(crate) refused_as_full: usize,
    made: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) denied: bool,
    pub(crate) forbidden: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) account: String,
    pub(crate) creator: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    pub(crate) disabled: bool,
    pub(crate) uploaded: bool,
}

impl FakeIam {
    pub(crate) fn new(accounts: &[&str]) -> Self {
        Self {
            accounts: accounts.iter().map(|name| ((*name).to_owned(), Account::default())).collect(),
            keys: BTreeMap::new(),
            lag: TimeDelta::seconds(45),
            limit: 10,
            shows_creators: false,
            refused_as_full: 0,
            made: 0,
        }
    }

    /// The keys of an account that there are, listed or not.
    pub(crate) fn living(&self, account: &str) -> Vec<&str> {
        let keys = self.keys.iter().filter(|(_, key)| key.account == account && key.deleted_at.is_none());
        keys.map(|(name, _)| name.as_str()).collect()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.keys.get(name).is_some_and(|key| key.deleted_at.is_none())
    }

    /// A key that somebody else makes.
    pub(crate) fn make(&mut self, account: &str, creator: &str, now: DateTime<Utc>) -> String {
        self.made += 1;
        let project = account.split(['@', '.']).nth(1).expect("a project");
        let name = format!("projects/{project}/serviceAccounts/{account}/keys/{:040x}", self.made);
        let key = Key {
            account: account.to_owned(),
            creator: creator.to_owned(),
            // In whole seconds, as IAM has it.
            created_at: DateTime::from_timestamp(now.timestamp(), 0).expect("a time"),
            deleted_at: None,
            disabled: false,
            uploaded: false,
        };
        self.keys.insert(name.clone(), key);
        name
    }

    /// Answers a request for a path below `/v1/`.
    pub(crate) fn answer(&mut self, method: &str, path: &str, body: &Value, now: DateTime<Utc>) -> Reply {
        let parts: Vec<&str> = path.split('/').collect();
        let (project, account, id) = match parts[..] {
            ["projects", project, "serviceAccounts", account, "keys"] => (project, account, None),
            ["projects", project, "serviceAccounts", account, "keys", id] => (project, account, Some(id)),
            _ => return failure(404, "NOT_FOUND", "The requested URL was not found on this server."),
        };
        let own = account.split(['@', '.']).nth(1).unwrap_or_default();
        if project != "-" && project != own {
            return failure(403, "PERMISSION_DENIED", "Permission denied on resource (or it may not exist).");
        }
        let Some(known) = self.accounts.get(account) else {
            // Who doesn't name the project isn't told what there is.
            return match project {
                "-" => failure(403, "PERMISSION_DENIED", "Permission denied on resource (or it may not exist)."),
                _ => failure(404, "NOT_FOUND", &format!("Service account {account} does not exist.")),
            };
        };
        if known.denied {
            let text = "Permission 'iam.serviceAccountKeys.create' denied on resource (or it may not exist).";
            return failure(403, "PERMISSION_DENIED", text);
        }
        let name = id.map(|id| format!("projects/{own}/serviceAccounts/{account}/keys/{id}"));
        match (method, name) {
            ("GET", None) => self.list(account, now),
            ("POST", None) => self.create(account, body, now),
            ("GET", Some(name)) if self.exists(&name) => (200, self.shown(&name)),
            ("DELETE", Some(name)) if self.exists(&name) => {
                self.keys.get_mut(&name).expect("it exists").deleted_at = Some(now);
                (200, json!({}))
            }
            ("GET" | "DELETE", Some(name)) => {
                failure(404, "NOT_FOUND", &format!("Service account key {name} does not exist."))
            }
            _ => failure(405, "UNIMPLEMENTED", "no such method"),
        }
    }

    fn list(&self, account: &str, now: DateTime<Utc>) -> Reply {
        let is_shown = |key: &Key| {
            let is_there = key.deleted_at.is_none_or(|at| now - at < self.lag);
            key.account == account && now - key.created_at >= self.lag && is_there
        };
        let keys = self.keys.iter().filter(|(_, key)| is_shown(key)).map(|(name, _)| self.shown(name));
        let keys: Vec<Value> = keys.collect();
        // Empty fields are left out.
        if keys.is_empty() { (200, json!({})) } else { (200, json!({"keys": keys})) }
    }

    fn create(&mut self, account: &str, body: &Value, now: DateTime<Utc>) -> Reply {
        if self.accounts[account].forbidden {
            let violation =
                json!({"type": "constraints/iam.disableServiceAccountKeyCreation", "subject": "projects/p"});
            let detail =
                json!({"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [violation]});
            let text = "Key creation is not allowed on this service account.";
            return failure_with(400, "FAILED_PRECONDITION", text, json!([detail]));
        }
        if self.living(account).len() >= self.limit {
            self.refused_as_full += 1;
            return failure(400, "FAILED_PRECONDITION", "Maximum number of keys on account reached.");
        }
        let name = self.make(account, STYX, now);
        let id = name.rsplit('/').next().expect("an id");
        let kind = body["privateKeyType"].as_str().expect("a type");
        let file = match kind {
            "TYPE_GOOGLE_CREDENTIALS_FILE" => json!({
                "type": "service_account", "project_id": account.split(['@', '.']).nth(1), "private_key_id": id,
                "private_key": "-----BEGIN PRIVATE KEY-----\nnone\n-----END PRIVATE KEY-----\n", "client_email": account,
                "token_uri": "https://oauth2.googleapis.com/token",
            })
            .to_string(),
            "TYPE_PKCS12_FILE" => format!("p12 of {id}"),
            _ => return failure(400, "INVALID_ARGUMENT", "Invalid privateKeyType"),
        };
        let mut key = self.shown(&name);
        key["privateKeyType"] = kind.into();
        key["privateKeyData"] = STANDARD.encode(file).into();
        (200, key)
    }

    fn shown(&self, name: &str) -> Value {
        let key = &self.keys[name];
        let mut shown = json!({
            "name": name,
            "validAfterTime": key.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "validBeforeTime": "9999-12-31T23:59:59Z",
            "keyAlgorithm": "KEY_ALG_RSA_2048",
            "keyOrigin": if key.uploaded { "USER_PROVIDED" } else { "GOOGLE_PROVIDED" },
            "keyType": "USER_MANAGED",
        });
        if key.disabled {
            shown["disabled"] = true.into();
        }
        if self.shows_creators {
            shown["creator"] = key.creator.clone().into();
        }
        shown
    }
}

pub(crate) fn failure(code: u16, status: &str, message: &str) -> Reply {
    failure_with(code, status, message, json!([]))
}

pub(crate) fn failure_with(code: u16, status: &str, message: &str, details: Value) -> Reply {
    let mut error = json!({"code": code, "message": message, "status": status});
    if details.as_array().is_some_and(|details| !details.is_empty()) {
        error["details"] = details;
    }
    (code, json!({"error": error}))
}
