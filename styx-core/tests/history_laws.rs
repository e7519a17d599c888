//! Laws of the view over a history, on events in any order, and what became of one trigger.
#![cfg(test)]

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    event::{
        Description, Event, ExecutionDescription, FailureClass, Message, MessageLevel, Trigger, TriggerParameters,
    },
    extensions::Extensions,
    history::{History, PastTrigger, Ran, StatusKind, trigger_status},
    id::{ExecutionId, Position},
    run::{Rules, Run, State},
};

fn at(minute: usize) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute as i64)
}

fn trigger(trigger: Trigger) -> Event {
    let env = BTreeMap::from([("BY".to_owned(), trigger.id().to_owned())]);
    Event::TriggerExecution {
        trigger,
        parameters: TriggerParameters { env: Arc::new(env) },
        missed: false,
        extensions: Extensions::default(),
    }
}

fn description() -> impl Strategy<Value = Description> {
    let text = || proptest::option::of("[ab]".prop_map(String::from));
    let inline = (text(), text(), text(), text()).prop_map(|(docker_image, commit_sha, flyte, flyte_execution_id)| {
        let flyte_exec_conf = flyte.filter(|_| docker_image.is_none());
        let described = ExecutionDescription {
            docker_image,
            commit_sha,
            flyte_exec_conf,
            flyte_execution_id,
            ..ExecutionDescription::default()
        };
        Description::Inline(Arc::new(described))
    });
    prop_oneof![inline, (1..9_u64).prop_map(|position| Description::Stored(Position(position)))]
}

fn event() -> impl Strategy<Value = Event> {
    let execution = || proptest::option::of((0..3_u8).prop_map(|n| ExecutionId::parse(&format!("e{n}"))));
    let runner = || proptest::option::of("[rs]".prop_map(|name| Arc::from(name.as_str())));
    prop_oneof![
        prop_oneof![
            Just(Trigger::Natural),
            "[tu]".prop_map(|id| Trigger::AdHoc(id.as_str().into())),
            Just(Trigger::Backfill("b".into()))
        ]
        .prop_map(trigger),
        Just(Event::TimeTrigger),
        Just(Event::Info { message: Message { level: MessageLevel::Info, line: "waits".into() } }),
        Just(Event::Dequeue { resources: Arc::default() }),
        (description(), execution()).prop_map(|(description, execution)| Event::Submit {
            description,
            execution,
            runner: None,
            running_timeout: None,
            retry_condition: None,
            extensions: Extensions::default(),
        }),
        execution().prop_map(|execution| Event::Created {
            execution: execution.unwrap_or_else(|| ExecutionId::parse("")),
            docker_image: "c".into()
        }),
        (execution(), runner()).prop_map(|(execution, runner)| Event::Submitted { execution, runner }),
        Just(Event::Started),
        proptest::option::of(prop::sample::select(&[0, 1, 20, -1][..]))
            .prop_map(|exit_code| Event::Terminate { exit_code }),
        Just(Event::RunError { message: "lost".into(), class: FailureClass::User }),
        Just(Event::Timeout { reason: None }),
        Just(Event::RetryAfter { delay_millis: 1 }),
        Just(Event::Retry),
        Just(Event::Success),
        Just(Event::Stop { reason: None }),
        Just(Event::Halt { reason: None }),
    ]
}

fn fold(history: &mut History, events: &[Event], first: usize) {
    let stored = Ran { docker_image: Some("stored".into()), ..Ran::default() };
    for (index, event) in events.iter().enumerate() {
        history.apply(event, at(first + index), Some(&stored));
    }
}

fn told(events: &[Event]) -> Option<Vec<PastTrigger>> {
    let mut history = History::new();
    fold(&mut history, events, 0);
    history.end().ok()
}

fn begins(event: &Event) -> bool {
    matches!(event, Event::TriggerExecution { .. } | Event::TimeTrigger)
}

proptest! {
    #[test]
    fn a_prefix_and_then_the_rest_is_the_whole(events in prop::collection::vec(event(), 0..40), cut in 0..40_usize) {
        let (prefix, rest) = events.split_at(cut.min(events.len()));
        let mut history = History::new();
        fold(&mut history, prefix, 0);
        let before = history.clone().end();
        fold(&mut history, rest, prefix.len());
        prop_assert_eq!(history.end().ok(), told(&events));
        // What was complete stays as it was told.
        if let (Ok(before), Some(after)) = (before, told(&events)) {
            let complete = before.iter().take_while(|trigger| trigger.complete).count();
            prop_assert_eq!(&after[..complete], &before[..complete]);
        }
    }

    #[test]
    fn every_status_is_told_once_and_in_order(events in prop::collection::vec(event(), 1..40)) {
        let Some(triggers) = told(&events) else { return Ok(()); };
        let statuses: Vec<_> = triggers
            .iter()
            .flat_map(|trigger| &trigger.executions)
            .flat_map(|execution| {
                assert!(!execution.statuses.is_empty());
                &execution.statuses
            })
            .map(|status| (status.at, status.kind.name()))
            .collect();
        // A time-out before any trigger only takes its place.
        let lost = events.iter().position(begins).is_none_or(|first| {
            events[..first].iter().any(|event| matches!(event, Event::Timeout { .. }))
        });
        let last = statuses.last().map(|(at, _)| *at);
        let expected: Vec<_> = events
            .iter()
            .enumerate()
            .filter_map(|(index, event)| Some((at(index), name(event)?)))
            .filter(|(at, _)| Some(*at) <= last)
            .collect();
        prop_assert!(lost || statuses == expected, "{statuses:?}, not {expected:?}");
    }
}

/// The status that an event adds.
fn name(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Created { .. } | Event::Submitted { .. } => "SUBMITTED",
        Event::Started => "STARTED",
        Event::Terminate { exit_code: Some(0) } => "SUCCESS",
        Event::Terminate { exit_code: Some(20) } => "MISSING_DEPS",
        Event::Terminate { .. } | Event::RunError { .. } => "FAILED",
        Event::Timeout { .. } => "TIMEOUT",
        Event::Halt { .. } => "HALTED",
        _ => return None,
    })
}

/// SM-109 and SM-110.
#[test]
fn runs_without_an_execution() {
    let natural = trigger(Trigger::Natural);
    let halted = told(&[natural.clone(), Event::Halt { reason: None }]).unwrap();
    assert_eq!((halted.len(), halted[0].complete, &*halted[0].trigger_id), (1, true, "natural-trigger"));
    assert_eq!(halted[0].executions[0].execution, None);
    assert_eq!(halted[0].executions[0].statuses[0].kind, StatusKind::Halted);
    assert_eq!(halted[0].executions[0].statuses[0].at, at(1));

    let message: Arc<str> = "no such image".into();
    let failed = told(&[natural, Event::RunError { message: message.clone(), class: FailureClass::User }]).unwrap();
    assert!(!failed[0].complete);
    assert_eq!(failed[0].executions[0].statuses[0].kind, StatusKind::Failed(message));
    assert!(told(&[]).is_none(), "nothing can't be told");
}

/// SM-111, and a second trigger of the same instance.
#[test]
fn what_became_of_a_trigger() {
    let done = || {
        [
            Event::Dequeue { resources: Arc::default() },
            Event::Submit {
                description: Description::Inline(Arc::default()),
                execution: Some(ExecutionId::parse("e")),
                runner: None,
                running_timeout: None,
                retry_condition: None,
                extensions: Extensions::default(),
            },
            Event::Submitted { execution: Some(ExecutionId::parse("e")), runner: Some("r".into()) },
            Event::Started,
            Event::Terminate { exit_code: Some(0) },
            Event::Success,
        ]
    };
    let mut events = vec![trigger(Trigger::Backfill("bf-1".into()))];
    events.extend(done());
    events.push(trigger(Trigger::AdHoc("a".into())));
    events.extend(done().into_iter().take(2));
    let status = |id: &str| {
        let timed = events.iter().enumerate().map(|(index, event)| (event, at(index + 1), Rules::Styx2));
        trigger_status(timed, id)
    };
    let backfill = status("bf-1").unwrap();
    assert_eq!((backfill.triggered_at, backfill.run.last_event_at, backfill.run.state), (at(1), at(7), State::Done));
    assert_eq!((backfill.run.tries, backfill.run.last_exit), (1, Some(0)));
    let ad_hoc = status("a").unwrap();
    assert_eq!((ad_hoc.triggered_at, ad_hoc.run.last_event_at, ad_hoc.run.tries), (at(8), at(10), 0));
    assert_eq!(ad_hoc.run.state, State::Submitting);
    assert_eq!(status("bf-2"), None);
    assert_eq!(trigger_status([], "bf-1"), None);
}

proptest! {
    /// A status is the fold of the run alone, refused events left out (SM-106, SM-108).
    #[test]
    fn a_trigger_status_is_a_replay_of_its_run(
        before in prop::collection::vec(event(), 0..20),
        run in prop::collection::vec(event(), 0..20),
        after in prop::collection::vec(event(), 0..20),
    ) {
        let is_trigger = |event: &Event| matches!(event, Event::TriggerExecution { .. });
        let run: Vec<Event> = run.into_iter().filter(|event| !is_trigger(event)).collect();
        let mine = trigger(Trigger::Backfill("mine".into()));
        let mut events = before;
        let first = events.len();
        events.push(mine.clone());
        events.extend(run.iter().cloned());
        events.push(trigger(Trigger::Natural));
        events.extend(after);
        let timed = events.iter().enumerate().map(|(index, event)| (event, at(index), Rules::Styx2));
        let status = trigger_status(timed, "mine").expect("it was triggered");

        let mut expected = Run::new(None, at(first));
        for (index, event) in std::iter::once(&mine).chain(&run).enumerate() {
            let _ = expected.apply(event, at(first + index), Rules::Styx2);
        }
        prop_assert_eq!(status.run, expected);
        prop_assert_eq!(status.triggered_at, at(first));
    }
}
