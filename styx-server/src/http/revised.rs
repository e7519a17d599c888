//! What was read of workflows last: it is asked for again and again, and changes only when a workflow is stored or deleted.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The values of one [revision](crate::tail::Revision), by key.
#[derive(Debug)]
pub(crate) struct Revised<K, V>(Mutex<Kept<K, V>>);

#[derive(Debug)]
struct Kept<K, V> {
    revision: u64,
    values: BTreeMap<K, V>,
    bytes: usize,
}

impl<K, V> Default for Revised<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Kept::of(0)))
    }
}

impl<K, V> Kept<K, V> {
    fn of(revision: u64) -> Self {
        Self { revision, values: BTreeMap::new(), bytes: 0 }
    }
}

impl<K: Ord, V: Clone> Revised<K, V> {
    /// When so many bytes are kept, no further value is.
    const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// A value as it is at a revision, if it was made at it.
    pub(super) fn get(&self, revision: u64, key: &K) -> Option<V> {
        let kept = self.lock();
        let is_present = kept.revision == revision;
        is_present.then(|| kept.values.get(key).cloned()).flatten()
    }

    /// Keeps a value of so many bytes that was made from what was read at a revision or after it; a value of an earlier one
    /// than those that are kept is let go.
    pub(super) fn keep(&self, revision: u64, key: K, value: V, bytes: usize) {
        let mut kept = self.lock();
        if kept.revision < revision {
            *kept = Kept::of(revision);
        }
        let is_new = kept.revision == revision && !kept.values.contains_key(&key);
        if is_new && kept.bytes + bytes <= Self::MAX_BYTES {
            kept.bytes += bytes;
            kept.values.insert(key, value);
        }
    }

    /// Nothing that is done under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::{body::Body, http::Request};
    use chrono::TimeDelta;
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::{
        auth::Access,
        http::scripted::{ScriptedServer, lasting},
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever happened before, a list holds the workflows as each of them is.
        #[test]
        fn lists_are_what_workflows_are(
            steps in vec((select(vec!["c", "d"]), select(vec!["v", "w"]), 0..6_u32), 1..24),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let now = "2026-01-01T00:30:00Z".parse().unwrap();
            let server = ScriptedServer::start(&dir.path().join("data"), Access::Open, now, lasting(TimeDelta::zero()));
            let mut stored = BTreeSet::new();
            for (component, workflow, step) in steps {
                let path = format!("/api/v3/workflows/{component}/{workflow}");
                match step {
                    0 => {
                        server.ask("DELETE", &path, "");
                        stored.remove(&(component, workflow));
                    }
                    1 => drop(server.ask("PATCH", &format!("{path}/state"), r#"{"enabled":true}"#)),
                    _ => {
                        let body = format!(r#"{{"id":"{workflow}","schedule":"days","docker_image":"image:{step}"}}"#);
                        server.ask("POST", &format!("/api/v3/workflows/{component}"), &body);
                        stored.insert((component, workflow));
                    }
                }
                for asked in [None, Some("c"), Some("d")] {
                    let of = stored.iter().filter(|(component, _)| asked.is_none_or(|asked| asked == *component));
                    let each = of.map(|(component, workflow)| {
                        server.ask("GET", &format!("/api/v3/workflows/{component}/{workflow}"), "")
                    });
                    let each: Vec<String> = each.map(|one| String::from_utf8(one.to_vec()).unwrap()).collect();
                    let path = asked.map_or_else(String::new, |component| format!("/{component}"));
                    let list = server.ask("GET", &format!("/api/v3/workflows{path}"), "");
                    prop_assert_eq!(String::from_utf8_lossy(&list), format!("[{}]", each.join(",")));
                }
            }
        }
    }

    /// A trigger is answered by the workflow as it is, whatever it was before.
    #[test]
    fn triggers_are_of_workflows_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let now = "2026-01-01T00:30:00Z".parse().unwrap();
        let server = ScriptedServer::start(&dir.path().join("data"), Access::Open, now, lasting(TimeDelta::zero()));
        let store = |what: &str| {
            let body = format!(r#"{{"id":"w","schedule":"days"{what}}}"#);
            server.ask("POST", "/api/v3/workflows/c", &body);
        };
        let image = r#","docker_image":"busybox:1.36""#;
        let trigger = |day: u32| {
            let body = format!(r#"{{"workflow_id":{{"component_id":"c","id":"w"}},"parameter":"2025-12-{day:02}"}}"#);
            let request = Request::post("/api/v3/scheduler/trigger").header("host", "localhost");
            let request = request.header("content-length", body.len()).body(Body::from(body)).unwrap();
            server.send(request).0.as_u16()
        };
        assert_eq!((trigger(1), trigger(2)), (400, 400), "there is none");
        store(image);
        assert_eq!((trigger(3), trigger(4)), (200, 200));
        store("");
        assert_eq!((trigger(5), trigger(6)), (400, 400), "it runs nothing");
        server.ask("DELETE", "/api/v3/workflows/c/w", "");
        assert_eq!(trigger(7), 400);
        store(image);
        assert_eq!(trigger(8), 200);
    }

    #[test]
    fn a_value_is_that_of_its_revision() {
        let lists = Revised::default();
        lists.keep(2, "all", 1, 1);
        lists.keep(2, "c", 2, 1);
        assert_eq!(lists.get(2, &"c"), Some(2));
        assert_eq!((lists.get(4, &"c"), lists.get(2, &"d")), (None, None));
        lists.keep(4, "c", 4, 1);
        // Begun before the change, done after it.
        lists.keep(2, "d", 3, 1);
        assert_eq!((lists.get(2, &"all"), lists.get(2, &"d")), (None, None));
        assert_eq!((lists.get(4, &"all"), lists.get(4, &"c")), (None, Some(4)));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let lists = Revised::<_, ()>::default();
        let third = Revised::<&str, ()>::MAX_BYTES / 3 + 1;
        for component in ["a", "b", "b", "c"] {
            lists.keep(0, component, (), third);
        }
        assert!(lists.get(0, &"a").is_some() && lists.get(0, &"b").is_some());
        assert!(lists.get(0, &"c").is_none());
    }
}
