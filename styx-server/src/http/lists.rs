//! Lists of workflows as they were made last: they are asked for again and again, and change only when a workflow is stored or
//! deleted.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;

/// The lists of one revision, by component; without one, of all.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    revision: u64,
    by_component: BTreeMap<Option<String>, Bytes>,
    bytes: usize,
}

impl Lists {
    /// When so many bytes are kept, no further list is.
    const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// A list as it is at a revision, if it was made at it.
    pub(super) fn get(&self, revision: u64, component: Option<&str>) -> Option<Bytes> {
        let kept = self.lock();
        let is_present = kept.revision == revision;
        is_present.then(|| kept.by_component.get(&component.map(str::to_owned)).cloned()).flatten()
    }

    /// Keeps a list that was made from what was read at a revision or after it; a list of an earlier one than those that
    /// are kept is let go.
    pub(super) fn keep(&self, revision: u64, component: Option<&str>, list: Bytes) {
        let mut kept = self.lock();
        if kept.revision < revision {
            *kept = Kept { revision, ..Kept::default() };
        }
        let component = component.map(str::to_owned);
        let is_new = kept.revision == revision && !kept.by_component.contains_key(&component);
        if is_new && kept.bytes + list.len() <= Self::MAX_BYTES {
            kept.bytes += list.len();
            kept.by_component.insert(component, list);
        }
    }

    /// Nothing that is done under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::{auth::Access, http::scripted::ScriptedServer};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever happened before, a list holds the workflows as each of them is.
        #[test]
        fn lists_are_what_workflows_are(
            steps in vec((select(vec!["c", "d"]), select(vec!["v", "w"]), 0..6_u32), 1..24),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let now = "2026-01-01T00:30:00Z".parse().unwrap();
            let server = ScriptedServer::start(&dir.path().join("data"), Access::Open, now, Box::new(|_, _| ()));
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

    #[test]
    fn a_list_is_that_of_its_revision() {
        let lists = Lists::default();
        let list = |text: &'static str| Bytes::from_static(text.as_bytes());
        lists.keep(2, None, list("all"));
        lists.keep(2, Some("c"), list("c at 2"));
        assert_eq!(lists.get(2, Some("c")), Some(list("c at 2")));
        assert_eq!((lists.get(4, Some("c")), lists.get(2, Some("d"))), (None, None));
        lists.keep(4, Some("c"), list("c at 4"));
        // Begun before the change, done after it.
        lists.keep(2, Some("d"), list("d at 2"));
        assert_eq!((lists.get(2, None), lists.get(2, Some("d"))), (None, None));
        assert_eq!((lists.get(4, None), lists.get(4, Some("c"))), (None, Some(list("c at 4"))));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let lists = Lists::default();
        let third = Bytes::from(vec![b' '; Lists::MAX_BYTES / 3 + 1]);
        for component in ["a", "b", "b", "c"] {
            lists.keep(0, Some(component), third.clone());
        }
        assert!(lists.get(0, Some("a")).is_some() && lists.get(0, Some("b")).is_some());
        assert!(lists.get(0, Some("c")).is_none());
    }
}
