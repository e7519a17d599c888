//! The file of static tokens: who holds one, and how to tell; no token can be made from it.
//!
//! What is kept of a token is its SHA-256. A slow hash protects passwords, which can be guessed; a token is 256 random bits, so
//! there is nothing to guess, and a request costs a microsecond instead of a tenth of a second.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use styx_host::{file, folder};

/// The version that is written and read.
const VERSION: u32 = 1;
/// The most bytes of the file: some 200,000 tokens.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The longest name of whoever holds a token.
const MAX_NAME: usize = 128;

/// All tokens, those that are good no more among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenFile {
    version: u32,
    /// In the order in which they were made.
    pub(super) tokens: Vec<Entry>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Its second part: names it, and is no secret.
    pub(super) id: String,
    /// Who holds it.
    pub(super) name: String,
    /// The SHA-256 of the whole token, in hexadecimal digits.
    pub(super) sha256: String,
    /// When it was made.
    pub(super) created: Stamp,
    /// From when on it is good no more.
    pub(super) expires: Option<Stamp>,
    /// Since when it is good no more because somebody said so.
    pub(super) revoked: Option<Stamp>,
}

/// An instant in whole seconds, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Stamp(pub(super) DateTime<Utc>);

impl Default for TokenFile {
    fn default() -> Self {
        Self { version: VERSION, tokens: Vec::new() }
    }
}

impl TokenFile {
    /// Reads it; without a file there are no tokens.
    ///
    /// # Errors
    ///
    /// When it can't be read, or isn't of a form that we know.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = match file::read_text(path, MAX_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let file: Self = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        if file.version != VERSION {
            bail!("{} has version {}, this program knows {VERSION}", path.display(), file.version);
        }
        for entry in &file.tokens {
            if entry.digest().is_none() {
                bail!("{}: the sha256 of token {} isn't 64 hexadecimal digits", path.display(), entry.id);
            }
        }
        Ok(file)
    }

    /// Changes it while nobody else does; a reader sees it as it was or as it is then, never half of it.
    ///
    /// # Errors
    ///
    /// When it can't be read or written, or `change` refuses: then it is as it was.
    pub(super) fn edit<T>(path: &Path, change: impl FnOnce(&mut Self) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let dir = folder::folder_of(path);
        folder::create(dir).with_context(|| format!("creating {}", dir.display()))?;
        let lock_path = beside(path, "lock");
        let lock = file::open_lock(&lock_path).with_context(|| format!("opening {}", lock_path.display()))?;
        flock(&lock, FlockOperation::LockExclusive).with_context(|| format!("locking {}", lock_path.display()))?;
        let mut tokens = Self::read(path)?;
        let done = change(&mut tokens)?;
        let text = serde_json::to_string_pretty(&tokens)? + "\n";
        file::write_state(path, text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        Ok(done)
    }

    /// Adds a token for somebody; returns it, and what is kept of it.
    ///
    /// # Errors
    ///
    /// When the name can't be one, or there is no chance to draw from.
    pub(super) fn create(
        &mut self,
        name: &str,
        lifetime: Option<TimeDelta>,
        now: DateTime<Utc>,
    ) -> anyhow::Result<(String, &Entry)> {
        check_name(name)?;
        if lifetime.is_some_and(|lifetime| lifetime <= TimeDelta::zero()) {
            bail!("the token would have expired before it is used: it must be good for longer than nothing");
        }
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        let drawn = getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut secret));
        drawn.map_err(|error| anyhow!("drawing a token: {error}"))?;
        let id = hex(&id);
        let token = format!("styx.{id}.{}", hex(&secret));
        let expires = lifetime.map(|lifetime| now.checked_add_signed(lifetime).context("the token would never expire"));
        self.tokens.push(Entry {
            id,
            name: name.to_owned(),
            sha256: hex(&digest(&token)),
            created: Stamp(now),
            expires: expires.transpose()?.map(Stamp),
            revoked: None,
        });
        let index = self.tokens.len() - 1;
        Ok((token, &self.tokens[index]))
    }

    /// Makes all good tokens of somebody, or the one with this id, good no more; returns how many these were.
    pub(super) fn revoke(&mut self, name_or_id: &str, now: DateTime<Utc>) -> usize {
        let meant = |entry: &&mut Entry| {
            (entry.name == name_or_id || entry.id == name_or_id) && entry.status(now) == Status::Good
        };
        self.tokens.iter_mut().filter(meant).map(|entry| entry.revoked = Some(Stamp(now))).count()
    }
}

/// Whether a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It is.
    Good,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl Entry {
    /// Whether it is good at `now`.
    pub(super) fn status(&self, now: DateTime<Utc>) -> Status {
        if self.revoked.is_some() {
            Status::Revoked
        } else if self.expires.is_some_and(|Stamp(at)| at <= now) {
            Status::Expired
        } else {
            Status::Good
        }
    }

    /// The hash in bytes.
    pub(super) fn digest(&self) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        if self.sha256.len() != 64 || !self.sha256.is_ascii() {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&self.sha256[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(bytes)
    }
}

impl TryFrom<String> for Stamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is not an instant such as 2026-01-31T07:00:00Z"))
    }
}

impl From<Stamp> for String {
    fn from(Stamp(at): Stamp) -> Self {
        at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

/// What is kept of a token.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A name is one word that stands for itself in records and logs.
fn check_name(name: &str) -> anyhow::Result<()> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || name.chars().any(|letter| letter.is_whitespace() || letter.is_control())
    {
        bail!("`{}` can't be a name: it is 1 to {MAX_NAME} bytes without blanks", name.escape_debug());
    }
    if name == super::ANONYMOUS {
        bail!("`{name}` is the name of whoever has no token");
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_has_three_parts_and_only_its_hash_is_kept() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("new/tokens.json");
        let now = at("2026-01-31T07:00:00Z");
        let token = TokenFile::edit(&path, |file| {
            let (token, entry) = file.create("ann@example.org", Some(TimeDelta::days(90)), now)?;
            assert_eq!(entry.digest(), Some(digest(&token)));
            Ok(token)
        });
        let token = token.unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len(), parts.len()), ("styx", 16, 64, 3), "{token}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(parts[1]) && !text.contains(parts[2]), "{text}");
        assert!(text.contains(r#""expires": "2026-05-01T07:00:00Z""#), "{text}");
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_token_that_would_be_good_for_nothing_is_not_made() {
        let mut file = TokenFile::default();
        for lifetime in [TimeDelta::zero(), TimeDelta::seconds(-1)] {
            let refused = file.create("ann", Some(lifetime), at("2026-01-31T07:00:00Z")).map(|_| ()).unwrap_err();
            assert!(refused.to_string().contains("longer than nothing"), "{refused}");
        }
        assert!(file.tokens.is_empty());
    }

    #[test]
    fn tokens_end_by_time_by_name_and_by_id() {
        let (now, later) = (at("2026-01-31T07:00:00Z"), at("2026-01-31T08:00:00Z"));
        let mut file = TokenFile::default();
        file.create("ann", Some(TimeDelta::hours(1)), now).unwrap();
        file.create("ann", None, now).unwrap();
        file.create("bob", None, now).unwrap();
        let first = file.tokens[0].clone();
        assert_eq!((first.status(now), first.status(later)), (Status::Good, Status::Expired));
        assert_eq!(file.revoke("ann", later), 1, "the other one has expired");
        assert_eq!(file.revoke("ann", later), 0);
        let id = file.tokens[2].id.clone();
        assert_eq!(file.revoke(&id, later), 1);
        assert!(file.tokens[1..].iter().all(|entry| entry.status(later) == Status::Revoked));
    }

    #[test]
    fn names_are_words() {
        let create = |name: &str| TokenFile::default().create(name, None, DateTime::UNIX_EPOCH).map(drop);
        assert!(create("ann@example.org").is_ok() && create("é").is_ok());
        for name in ["", "a b", "a\n", "anonymous", &"x".repeat(129)] {
            assert!(create(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_is_not_a_token_file_is_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("tokens.json");
        assert_eq!(TokenFile::read(&path).unwrap(), TokenFile::default());
        for text in [
            "",
            "[]",
            r#"{"version":2,"tokens":[]}"#,
            r#"{"version":1,"tokens":[],"more":1}"#,
            r#"{"version":1,"tokens":[{"id":"a","name":"n","sha256":"abc","created":"2026-01-31T07:00:00Z"}]}"#,
            r#"{"version":1,"tokens":[{"id":"a","name":"n","sha256":"abc","created":"yesterday"}]}"#,
        ] {
            fs::write(&path, text).unwrap();
            assert!(TokenFile::read(&path).is_err(), "{text}");
        }
    }
}
