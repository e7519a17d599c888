//! Laws of executors by name: which one a workflow is given to follows from the configuration alone.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::sync::Arc;

use proptest::prelude::*;
use styx_core::{
    config::{ComponentPattern, Config, ExecutorCapabilities, ExecutorName, ExecutorTable, Route},
    extensions::Extensions,
    id::WorkflowId,
};

fn name() -> impl Strategy<Value = ExecutorName> {
    prop::sample::select(&["a", "b", "c-1", "d"][..]).prop_map(|name| ExecutorName::parse(name).unwrap())
}

fn pattern() -> impl Strategy<Value = ComponentPattern> {
    let text = prop::sample::select(&["*", "sales", "sales*", "sales report*", "ops", "", "ö*"][..]);
    text.prop_filter_map("no pattern", |text| ComponentPattern::parse(text).ok())
}

/// Executors of different names, none of them the default's, and routes to any name.
fn table() -> impl Strategy<Value = ExecutorTable> {
    let flags = prop::collection::btree_map(name(), any::<(bool, bool)>(), 0..4);
    let routes = prop::collection::vec((pattern(), name()), 0..4);
    (flags, routes).prop_map(|(flags, routes)| ExecutorTable {
        others: flags
            .into_iter()
            .map(|(name, (runs_api_workflows, mounts_secrets))| ExecutorCapabilities {
                runner: Arc::clone(name.as_str()),
                runs_api_workflows,
                mounts_secrets,
            })
            .collect(),
        routes: routes.into_iter().map(|(component, executor)| Route { component, executor }).collect(),
    })
}

fn component() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["sales", "sales report", "sales-2", "ops", "öre", "x"][..])
}

proptest! {
    #[test]
    fn the_first_route_counts_then_the_choice_then_the_configuration(
        table in table(),
        chosen in prop::option::of(name()),
        component in component(),
    ) {
        let config = Config::default().with_executor_table(&table).unwrap();
        let config = config.with_chosen_executor(chosen.as_ref().map(|name| &**name.as_str())).unwrap();
        prop_assert_eq!(config.executor_table(), table.clone());
        prop_assert_eq!(config.chosen_executor(), chosen.as_ref().map(|name| &**name.as_str()));
        let configured = |name: &ExecutorName| table.others.iter().find(|other| other.runner == *name.as_str());
        let mut names = table.routes.iter().filter(|route| {
            let pattern = route.component.as_str();
            pattern == component || pattern.strip_suffix('*').is_some_and(|beginning| component.starts_with(beginning))
        });
        let routed = names.next().and_then(|route| configured(&route.executor));
        let expected = routed.or_else(|| chosen.as_ref().and_then(configured)).unwrap_or(&config.executor);
        let found = config.executor_for(&WorkflowId::new(component, "w"));
        prop_assert_eq!(&found, expected);
        // Whatever is chosen, an execution is given to an executor that there is.
        prop_assert!(config.has_executor(&found.runner));
        for name in ["a", "b", "c-1", "d", "default", "x"] {
            prop_assert_eq!(config.has_executor(name), config.executor_names().iter().any(|known| **known == *name));
        }
    }

    /// What another program has put into the configuration stays there.
    #[test]
    fn other_extensions_stay(table in table(), chosen in prop::option::of(name())) {
        let extensions = Extensions::new([(7, b"seven"), (1_000_001, b"other")]).unwrap();
        let plain = Config { extensions, ..Config::default() };
        let with_table = plain.with_executor_table(&table).unwrap();
        let config = with_table.with_chosen_executor(chosen.as_ref().map(|name| &**name.as_str())).unwrap();
        prop_assert_eq!(config.extensions.get(7), Some(&b"seven"[..]));
        prop_assert_eq!(config.extensions.get(1_000_001), Some(&b"other"[..]));
        let without = config.with_chosen_executor(None).unwrap();
        prop_assert_eq!(without.with_executor_table(&ExecutorTable::default()).unwrap(), plain);
    }

    /// A log may come from anywhere: no bytes stop the routing.
    #[test]
    fn any_bytes_route_somewhere(
        table in prop::collection::vec(any::<u8>(), 0..60),
        chosen in prop::collection::vec(any::<u8>(), 0..9),
        text in "(executor|route|later)?( [ab*]{0,2}){0,4}\n?",
    ) {
        for table in [table, text.into_bytes()] {
            let extensions = Extensions::new([(1, table), (2, chosen.clone())]).unwrap();
            let config = Config { extensions, ..Config::default() };
            let executor = config.executor_for(&WorkflowId::new("a", "w"));
            prop_assert!(config.has_executor(&executor.runner));
        }
    }
}

#[test]
fn names_and_components_have_a_form() {
    let longest = "x".repeat(63);
    for name in ["a", "0", "blue-2", "a--b", &longest] {
        assert_eq!(ExecutorName::parse(name).unwrap().to_string(), name);
    }
    for name in ["", "-a", "a-", "Blue", "a b", "a_b", "ä", "a\n", &format!("{longest}x")] {
        let error = ExecutorName::parse(name).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
    for component in ["*", "sales", "sales*", "a b"] {
        assert_eq!(ComponentPattern::parse(component).unwrap().as_str(), component);
    }
    for component in ["", "**", "*sales", "a*b", "a\nb"] {
        assert!(ComponentPattern::parse(component).is_err(), "{component}");
    }
}
