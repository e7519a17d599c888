//! Executors by name: what a switch of the default changes and what it doesn't, and an executor that isn't configured any more.

use std::sync::Arc;

use styx_core::{
    config::{Config, ExecutorCapabilities, ExecutorName, ExecutorTable},
    decide::{Request, RuntimePatch, Setting},
    event::TriggerParameters,
    executor::Observed,
    explain::explain,
    record::{Ending, ExecutionEvent, Fact, RunEvent},
};

use crate::teller::{Teller, id, instance};

/// The default is `default`, beside it there are these.
fn config(others: &[&str]) -> Config {
    let capabilities =
        |name: &&str| ExecutorCapabilities { runner: (*name).into(), runs_api_workflows: true, mounts_secrets: true };
    let table = ExecutorTable { others: others.iter().map(capabilities).collect(), routes: Vec::new() };
    Config::default().with_executor_table(&table).expect("it has room")
}

fn begin(others: &[&str]) -> Teller {
    let mut story = Teller::begin("2026-03-29T05:30:00Z", config(others));
    story.store("report", "hours", None);
    story
}

fn choose(name: Option<&str>) -> Request {
    let setting = name.map(|name| ExecutorName::parse(name).expect("a name"));
    let default_executor = Some(setting.map_or(Setting::Configured, Setting::Value));
    Request::Operate(RuntimePatch { default_executor, debug: Some(true), ..RuntimePatch::default() })
}

fn trigger(story: &mut Teller, hour: &str) {
    let parameter = format!("2026-03-29T{hour}").into();
    let parameters = TriggerParameters::default();
    story.ask(Request::Trigger { workflow: id("report"), parameter, parameters, allow_future: false });
    story.pass_seconds(1);
}

/// The executor of an instance's living execution.
fn executor_of(story: &Teller, hour: &str) -> Option<Arc<str>> {
    let living = story.world().index().living(&instance("report", &format!("2026-03-29T{hour}")))?;
    Some(Arc::clone(&story.world().executions()[living].runner))
}

#[test]
fn a_switch_of_the_default_is_for_what_begins_after_it() {
    let mut story = begin(&["blue"]);
    trigger(&mut story, "00");
    story.ask(choose(Some("blue")));
    // What else the patch said counts too.
    assert!(story.world().config().runtime.debug);
    trigger(&mut story, "01");
    story.ask(choose(None));
    trigger(&mut story, "02");
    let executors = ["00", "01", "02"].map(|hour| executor_of(&story, hour));
    assert_eq!(executors, ["default", "blue", "default"].map(|name| Some(name.into())));
    // It is with `blue`: what `default` reports of it changes nothing.
    let before = story.records().len();
    story.see("report", "2026-03-29T01", Observed::Launched);
    assert_eq!(story.records().len(), before);
    story.see("report", "2026-03-29T00", Observed::Launched);
    assert!(story.records().len() > before);
}

#[test]
fn only_what_is_configured_can_be_chosen_and_a_restart_keeps_the_choice() {
    let mut story = begin(&["blue"]);
    story.forget();
    story.ask(choose(Some("green")));
    story.ask(choose(Some("blue")));
    // A restart says all of the configuration anew.
    story.ask(Request::Configure(Arc::new(config(&["blue", "green"]))));
    assert_eq!(&*story.world().config().default_executor().runner, "blue");
    story.ask(Request::Configure(Arc::new(config(&["green"]))));
    assert_eq!(&*story.world().config().default_executor().runner, "default");
    story.ask(Request::Configure(Arc::new(config(&["blue"]))));
    assert_eq!(&*story.world().config().default_executor().runner, "blue");
    story.ask(Request::Configure(Arc::new(config(&["blue"]))));
    let told = story.told();
    let said: Vec<_> = told.lines().filter_map(|line| line.split_once("00 ").map(|(_, said)| said)).collect();
    let first = "refused: no executor `green` is configured; there are: default, blue";
    assert_eq!(said[0], first);
    assert_eq!(said.last(), Some(&"nothing to do"));
}

#[test]
fn a_run_whose_executor_is_gone_says_so_and_can_be_halted() {
    let mut story = begin(&["blue"]);
    story.ask(choose(Some("blue")));
    trigger(&mut story, "00");
    story.ask(Request::Configure(Arc::new(config(&[]))));
    let run = instance("report", "2026-03-29T00");
    let why = explain(story.world(), &run, story.now()).expect("it is active")[0].to_string();
    assert!(why.contains("is with the executor `blue`, which isn't configured"), "{why}");
    story.ask(Request::Halt { instance: run.clone() });
    assert_eq!(executor_of(&story, "00"), None, "nothing holds up the instance");
    let [.., halt, end] = story.records() else { panic!("two records") };
    assert!(matches!(halt, Fact::Run(_, RunEvent::Styx { .. })), "{halt:?}");
    assert!(matches!(end, Fact::Execution(_, ExecutionEvent::Ended(Ending::Operator))), "{end:?}");
    trigger(&mut story, "00");
    assert_eq!(executor_of(&story, "00"), Some("default".into()));
}

#[test]
fn a_run_whose_executor_is_there_is_halted_by_it() {
    let mut story = begin(&["blue"]);
    story.ask(choose(Some("blue")));
    trigger(&mut story, "00");
    story.ask(Request::Halt { instance: instance("report", "2026-03-29T00") });
    assert_eq!(executor_of(&story, "00"), Some("blue".into()), "it lives until `blue` has stopped it");
}
