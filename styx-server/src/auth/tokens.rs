//! Static tokens, from a file that may change at any time.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use subtle::ConstantTimeEq;

use super::{
    Verifier,
    file::{Entry, Status, TokenFile, digest},
};

/// How often the file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Knows the tokens of a file; what changes there counts within a second.
///
/// A file that can't be read has no tokens: nobody gets in by one that may have been revoked.
pub(crate) struct StaticTokens {
    path: PathBuf,
    look_every: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    looked_at: Option<Instant>,
    version: Option<Version>,
    known: Arc<BTreeMap<String, Known>>,
}

/// Tells one version of the file from another: inode, time of its last change, size.
type Version = (u64, i64, i64, u64);

/// A token that isn't revoked.
struct Known {
    entry: Entry,
    digest: [u8; 32],
    name: Arc<str>,
}

impl StaticTokens {
    /// Those of a file, which may not be there yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, look_every: LOOK_EVERY, state: Mutex::default() }
    }

    /// How many tokens there are, for whoever starts a server without any.
    pub(crate) fn count(&self) -> usize {
        self.known().len()
    }

    fn known(&self) -> Arc<BTreeMap<String, Known>> {
        // Whoever panicked left a whole state behind: each field is set by itself and the next look sets all of them.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked_at.is_none_or(|at| at.elapsed() >= self.look_every) {
            state.looked_at = Some(Instant::now());
            let version = self.version();
            if version.is_none() || version != state.version {
                state.known = self.read(state.version != version);
                state.version = version;
            }
        }
        Arc::clone(&state.known)
    }

    fn version(&self) -> Option<Version> {
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.size()))
    }

    fn read(&self, is_news: bool) -> Arc<BTreeMap<String, Known>> {
        let file = TokenFile::read(&self.path).unwrap_or_else(|error| {
            if is_news {
                tracing::error!("no token is accepted until the file of tokens can be read: {error:#}");
            }
            TokenFile::default()
        });
        let good = file.tokens.into_iter().filter(|entry| entry.revoked.is_none()).filter_map(|entry| {
            let digest = entry.digest()?;
            Some((entry.id.clone(), Known { name: entry.name.as_str().into(), digest, entry }))
        });
        Arc::new(good.collect())
    }
}

impl Verifier for StaticTokens {
    fn name_of(&self, token: &str, now: DateTime<Utc>) -> Option<Arc<str>> {
        let known = self.known();
        let found = known.get(token.split('.').nth(1)?)?;
        // The comparison takes as long whatever the difference is, so that nobody can feel the way to a hash.
        let is_it: bool = found.digest.ct_eq(&digest(token)).into();
        (is_it && found.entry.status(now) == Status::Good).then(|| Arc::clone(&found.name))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn what_changes_in_the_file_counts_at_the_next_look() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("tokens.json");
        let tokens = StaticTokens { look_every: Duration::ZERO, ..StaticTokens::new(path.clone()) };
        let now: DateTime<Utc> = "2026-01-31T07:00:00Z".parse().unwrap();
        let later = now + TimeDelta::hours(1);
        assert_eq!(tokens.name_of("a.b.c", now), None);
        let create = |name: &str, lifetime| {
            TokenFile::edit(&path, |file| file.create(name, lifetime, now).map(|(token, _)| token)).unwrap()
        };
        let ann = create("ann", None);
        let bob = create("bob", Some(TimeDelta::hours(1)));
        assert_eq!(tokens.count(), 2);
        assert_eq!(tokens.name_of(&ann, now).as_deref(), Some("ann"));
        assert_eq!(tokens.name_of(&bob, now).as_deref(), Some("bob"));
        assert_eq!(tokens.name_of(&bob, later), None, "expired");
        let secret_of_bob = ann.rsplit('.').next().unwrap();
        let mixed = format!("styx.{}.{secret_of_bob}", bob.split('.').nth(1).unwrap());
        assert_eq!(tokens.name_of(&mixed, now), None, "a secret with another id");
        assert_eq!(tokens.name_of(&ann.replace("styx.", "other."), now), None, "another first part");
        TokenFile::edit(&path, |file| Ok(file.revoke("ann", now))).unwrap();
        assert_eq!(tokens.name_of(&ann, now), None, "revoked");
        assert_eq!(tokens.name_of(&bob, now).as_deref(), Some("bob"));
        fs::write(&path, "{").unwrap();
        assert_eq!(tokens.name_of(&bob, now), None, "a file that can't be read");
        fs::remove_file(&path).unwrap();
        assert_eq!(tokens.count(), 0);
    }
}
