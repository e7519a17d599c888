//! What an edit of schedule or offset owes and skips (ADR 12).

use chrono::{DateTime, Utc};
use styx_core::{
    config::Config,
    decide::Request,
    event::{Event, Trigger, TriggerParameters},
    executor::Observed,
    record::{Fact, Origin, RunEvent, SkipReason, WorkflowEvent},
};

use crate::teller::{Teller, id, instance, time, workflow};

/// An hourly workflow that was enabled at 00:30, fired by its first hour, and then was away until this time of the day.
fn away_until(schedule: &str, offset: Option<&str>, until: &str) -> Teller {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config { catch_up: 1, ..Config::default() });
    story.store("report", schedule, offset);
    story.enable("report", true);
    story.sleep(&format!("2026-03-29T{until}:00Z"));
    story
}

/// The instances that natural triggers began, in order; each run ends well at once, so that the pace never waits.
fn catch_up(story: &mut Teller, until: &str) -> Vec<String> {
    catch_up_with(story, until, 0)
}

fn catch_up_with(story: &mut Teller, until: &str, exit: i32) -> Vec<String> {
    catch_up_to(story, time(&format!("2026-03-29T{until}:00Z")), exit)
}

/// The same, up to any time.
pub(crate) fn catch_up_to(story: &mut Teller, until: DateTime<Utc>, exit: i32) -> Vec<String> {
    let from = story.records().len();
    loop {
        story.settle();
        let open = story.world().runs().iter().filter(|(_, run)| run.execution.is_some());
        let open: Vec<_> = open.map(|(run, _)| run.parameter().to_owned()).collect();
        for parameter in open {
            story.see("report", &parameter, Observed::Exited { code: Some(exit) });
        }
        match story.world().next_due() {
            // More is due at once.
            Some(due) if due <= story.now() => {}
            Some(due) if due <= until => story.sleep_until(due),
            _ => break,
        }
    }
    let facts = story.records()[from..].iter();
    facts
        .filter_map(|fact| match fact {
            Fact::Run(id, RunEvent::Styx { event: Event::TriggerExecution { trigger: Trigger::Natural, .. }, .. }) => {
                Some(id.parameter().to_owned())
            }
            _ => None,
        })
        .collect()
}

fn skipped(story: &Teller) -> Vec<(String, String, u64, SkipReason)> {
    let shown = |at: &DateTime<Utc>| at.format("%dT%H:%M").to_string();
    let events = story.records().iter().filter_map(|fact| match fact {
        Fact::Workflow(_, WorkflowEvent::CursorSkipped { first, last, count, reason }) => {
            Some((shown(first), shown(last), *count, *reason))
        }
        _ => None,
    });
    events.collect()
}

#[test]
fn what_was_due_is_triggered_by_the_old_schedule_before_the_new_one_goes_on() {
    let mut story = away_until("hours", Some("PT0S"), "04:10");
    story.store("report", "*/30 * * * *", None);
    let owed = &story.world().workflows()[&id("report")].owed;
    assert_eq!(owed[0].instants().map(|owed| owed.count), Some(4));
    assert_eq!(
        catch_up(&mut story, "05:10"),
        [
            "2026-03-29T01",
            "2026-03-29T02",
            "2026-03-29T03",
            "2026-03-29T04",
            "2026-03-29T04:30:00Z",
            "2026-03-29T05:00:00Z"
        ]
    );
    assert!(story.world().workflows()[&id("report")].owed.is_empty());
    assert!(skipped(&story).is_empty());
}

#[test]
fn an_edit_of_the_text_alone_changes_nothing_of_cursor_and_backlog() {
    for ((schedule, offset), (other, other_offset)) in [
        (("* 0-6 * * *", None), ("*/1 0-6 * * *", Some("PT0S"))),
        (("0 * * * 0-6", Some("PT24H")), ("0 * * * 0-7", Some("P1D"))),
        (("hours", None), ("hours", Some("PT60M"))),
    ] {
        let mut story = away_until(schedule, offset, "04:10");
        let before = story.world().workflows()[&id("report")].cursor;
        story.store("report", other, other_offset);
        let workflow = &story.world().workflows()[&id("report")];
        assert_eq!((workflow.cursor, workflow.owed.len()), (before, 0), "{schedule}");
    }
}

#[test]
fn nothing_is_triggered_naturally_twice_whatever_its_outcome_and_its_name() {
    let mut story = away_until("0 * * * *", None, "00:40");
    assert_eq!(catch_up_with(&mut story, "02:10", 50), ["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]);
    // 01 and 02 come again, under another name.
    story.store("report", "hours", Some("PT2H"));
    assert_eq!(catch_up(&mut story, "05:10"), ["2026-03-29T03"]);
    // Back again: what was triggered isn't said to be skipped; 04 would have fired at 06:00.
    story.store("report", "0 * * * *", None);
    assert_eq!(skipped(&story), [("29T04:00".into(), "29T05:00".into(), 2, SkipReason::Edited)]);
    // An operator who chooses an instant wants it again.
    let next_instant = Some(time("2026-03-29T02:00:00Z"));
    story.ask(Request::PatchWorkflow { id: id("report"), enabled: None, next_instant, next_fires_at: next_instant });
    assert_eq!(catch_up(&mut story, "05:20")[..1], ["2026-03-29T02:00:00Z"]);
}

#[test]
fn what_is_neither_due_nor_owed_is_skipped_and_recorded() {
    // TR-9: at 15:30 the hour of 15 hadn't fired, and by the new offset it has.
    let mut story = away_until("hours", None, "00:40");
    assert_eq!(catch_up(&mut story, "15:30").len(), 15);
    story.store("report", "hours", Some("PT0S"));
    assert_eq!(skipped(&story), [("29T15:00".into(), "29T15:00".into(), 1, SkipReason::Edited)]);
    assert_eq!(catch_up(&mut story, "16:10"), ["2026-03-29T16"]);
}

#[test]
fn a_ninth_owed_schedule_is_skipped_and_recorded() {
    let mut story = away_until("*/10 * * * *", None, "01:00");
    for (nth, minute) in (10..60).step_by(5).enumerate() {
        let schedule = if nth % 2 == 0 { "*/5 * * * *" } else { "1/5 * * * *" };
        story.store("report", schedule, None);
        story.sleep(&format!("2026-03-29T01:{minute}:30Z"));
    }
    assert_eq!(story.world().workflows()[&id("report")].owed.len(), 8);
    let reasons = skipped(&story).into_iter().filter(|(.., reason)| *reason == SkipReason::TooManyOwed);
    assert_eq!(reasons.count(), 2);
}

#[test]
fn what_is_owed_outlives_a_pause_and_another_edit_but_not_the_workflow() {
    let mut story = away_until("hours", Some("PT0S"), "04:10");
    story.store("report", "30 * * * *", None);
    story.enable("report", false);
    story.sleep("2026-03-29T06:10:00Z");
    story.store("report", "15 * * * *", None);
    story.enable("report", true);
    assert_eq!(
        catch_up(&mut story, "06:20"),
        ["2026-03-29T01", "2026-03-29T02", "2026-03-29T03", "2026-03-29T04", "2026-03-29T06:15:00Z"]
    );
    let mut story = away_until("hours", Some("PT0S"), "04:10");
    story.store("report", "30 * * * *", None);
    story.ask(Request::DeleteWorkflow { id: id("report") });
    story.store("report", "30 * * * *", None);
    assert!(story.world().workflows()[&id("report")].owed.is_empty());
}

#[test]
fn a_disabled_workflow_owes_nothing() {
    let mut story = away_until("hours", Some("PT0S"), "00:40");
    story.enable("report", false);
    story.sleep("2026-03-29T04:10:00Z");
    story.store("report", "30 * * * *", None);
    story.enable("report", true);
    assert_eq!(catch_up(&mut story, "04:40"), ["2026-03-29T04:30:00Z"]);
}

#[test]
fn an_edit_that_ends_what_an_operator_wanted_again_says_so() {
    let mut story = away_until("0 * * * *", None, "00:40");
    assert_eq!(catch_up_with(&mut story, "04:10", 50).len(), 4);
    let back = Some(time("2026-03-29T01:00:00Z"));
    story.ask(Request::PatchWorkflow { id: id("report"), enabled: None, next_instant: back, next_fires_at: back });
    story.settle();
    story.see("report", "2026-03-29T01:00:00Z", Observed::Exited { code: Some(0) });
    // 02 to 04 had failed and were wanted again; 05 is the first that is due and new.
    story.sleep("2026-03-29T05:10:00Z");
    story.store("report", "30 * * * *", None);
    assert_eq!(skipped(&story), [("29T02:00".into(), "29T04:00".into(), 3, SkipReason::Edited)]);
    assert_eq!(catch_up(&mut story, "05:40"), ["2026-03-29T05:00:00Z", "2026-03-29T05:30:00Z"]);
}

#[test]
fn what_waits_behind_a_cursor_that_was_put_off_is_counted() {
    let mut story = away_until("0 * * * *", None, "00:40");
    let next_fires_at = Some(time("2026-03-29T10:00:00Z"));
    story.ask(Request::PatchWorkflow { id: id("report"), enabled: None, next_instant: None, next_fires_at });
    story.sleep("2026-03-29T05:10:00Z");
    story.store("report", "30 * * * *", None);
    assert_eq!(skipped(&story), [("29T01:00".into(), "29T05:00".into(), 5, SkipReason::Edited)]);
}

#[test]
fn what_is_owed_has_its_names_and_bounds() {
    // 04:00 is due at the moment of the edit.
    let mut story = away_until("hours", Some("PT0S"), "04:00");
    story.store("report", "30 * * * *", None);
    let workflow = &story.world().workflows()[&id("report")];
    let [owed] = workflow.owed.as_slice() else { panic!("one schedule is owed: {:?}", workflow.owed) };
    assert_eq!(owed.instants().map(|owed| owed.count), Some(4));
    let at = |clock: &str| time(&format!("2026-03-29T{clock}:00Z"));
    let held: Vec<_> =
        ["00:00", "01:00", "02:00", "02:30", "04:00", "05:00"].into_iter().filter(|it| owed.holds(at(it))).collect();
    assert_eq!(held, ["01:00", "02:00", "04:00"]);
    let named = |text: &str| workflow.owed_partition(text).map(|(name, _)| name);
    assert_eq!(named("2026-03-29T02:00:00Z").as_deref(), Some("2026-03-29T02"));
    assert_eq!(named("2026-03-29T05"), None);
    let next = workflow.next_natural().expect("01 is owed");
    assert_eq!(next.cursor.instant, at("01:00"));
    assert_eq!(workflow.other_natural_at(next), Some(at("04:30")));
    // The cursor itself is due at the moment of the edit, and nothing else is.
    let mut story = away_until("hours", Some("PT0S"), "01:00");
    story.store("report", "30 * * * *", None);
    let owed = &story.world().workflows()[&id("report")].owed;
    assert_eq!(owed.iter().map(|owed| owed.instants().map(|it| it.count)).collect::<Vec<_>>(), [Some(1)]);
}

#[test]
fn what_is_owed_once_isn_t_owed_again_and_an_edit_ends_an_operator_s_choice() {
    let mut story = away_until("hours", Some("PT0S"), "04:10");
    story.store("report", "0 * * * *", None);
    story.sleep("2026-03-29T06:10:00Z");
    // The new schedule is set back behind the edit: 02 to 04 are due by it, too.
    let back = Some(time("2026-03-29T02:00:00Z"));
    story.ask(Request::PatchWorkflow { id: id("report"), enabled: None, next_instant: back, next_fires_at: back });
    assert!(story.world().workflows()[&id("report")].chosen_cursor);
    story.store("report", "30 * * * *", None);
    let workflow = &story.world().workflows()[&id("report")];
    assert!(!workflow.chosen_cursor);
    let counts = story.records().iter().filter_map(|fact| match fact {
        Fact::Workflow(_, WorkflowEvent::Owed { count, .. }) => Some(*count),
        _ => None,
    });
    assert_eq!(counts.collect::<Vec<_>>(), [4, 2]);
    let triggered = catch_up(&mut story, "06:20");
    let distinct: std::collections::BTreeSet<_> = triggered.iter().map(|name| name[..13].to_owned()).collect();
    assert_eq!((triggered.len(), distinct.len()), (6, 6), "{triggered:?}");
}

#[test]
fn an_active_or_finished_trigger_isn_t_owed_by_an_edit_that_comes_with_a_condition_either() {
    let edit = || {
        let workflow = workflow("report", "30 * * * *", None, Origin::Api);
        let store = Request::StoreWorkflow { id: id("report"), workflow };
        let instance = instance("report", "2026-03-28T00:00:00Z");
        [store.clone(), Request::Expecting { instance, counter: None, request: Box::new(store) }]
    };
    for (nth, ends) in [(0, false), (1, false), (0, true), (1, true)] {
        let mut story = away_until("0 * * * *", None, "00:40");
        story.until("2026-03-29T01:10:00Z");
        if ends {
            story.see("report", "2026-03-29T01:00:00Z", Observed::Exited { code: Some(0) });
        }
        // An operator sets the cursor back: 01 is due again.
        let back = Some(time("2026-03-29T01:00:00Z"));
        story.ask(Request::PatchWorkflow { id: id("report"), enabled: None, next_instant: back, next_fires_at: back });
        story.forget();
        let [plain, expecting] = edit();
        story.ask(if nth == 0 { plain } else { expecting });
        assert!(!story.told().contains("refused"), "{}", story.told());
        let workflow = &story.world().workflows()[&id("report")];
        assert_eq!((&*workflow.spec.schedule, workflow.owed.len()), ("30 * * * *", 0), "{nth} {ends}");
    }
}

#[test]
fn an_edit_at_the_moment_of_a_trigger_owes_it_and_skips_nothing() {
    let mut story = away_until("hours", Some("PT0S"), "02:00");
    story.store("report", "30 * * * *", None);
    let owed = &story.world().workflows()[&id("report")].owed;
    assert_eq!(owed[0].instants().map(|owed| owed.count), Some(2));
    assert_eq!(skipped(&story), []);
    assert_eq!(catch_up(&mut story, "02:40"), ["2026-03-29T01", "2026-03-29T02", "2026-03-29T02:30:00Z"]);
}

#[test]
fn of_the_active_runs_of_an_instant_s_other_names_only_a_natural_one_counts() {
    let runs = |story: &Teller| story.world().runs().keys().map(|id| id.parameter().to_owned()).collect::<Vec<_>>();
    let mut story = away_until("0 * * * *", None, "00:40");
    let parameters = TriggerParameters::default();
    let parameter = "2026-03-29T01:00:00Z".into();
    story.ask(Request::Trigger { workflow: id("report"), parameter, parameters, allow_future: true });
    story.store("report", "hours", Some("PT0S"));
    story.until("2026-03-29T01:10:00Z");
    assert_eq!(runs(&story), ["2026-03-29T01", "2026-03-29T01:00:00Z"]);

    // Wanted again by an operator, an instant still isn't triggered beside its natural run.
    let mut story = away_until("0 * * * *", None, "00:40");
    story.until("2026-03-29T01:10:00Z");
    story.store("report", "hours", Some("PT0S"));
    let back = Some(time("2026-03-29T01:00:00Z"));
    story.ask(Request::PatchWorkflow { id: id("report"), enabled: None, next_instant: back, next_fires_at: back });
    assert!(story.world().workflows()[&id("report")].chosen_cursor);
    story.until("2026-03-29T01:20:00Z");
    assert_eq!(runs(&story), ["2026-03-29T01:00:00Z"]);
}
