//! The law of edits: against a search that computes when every instant of a wide window fires, an edit loses nothing, triggers
//! nothing twice and nothing that wasn't due, and its records count what is owed and skipped.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::{
    config::Config,
    decide::{LOOKED_UP, Request},
    record::{Fact, WorkflowEvent},
    schedule::{Offset, Schedule},
};

use super::{
    edits::catch_up_to,
    teller::{Teller, id},
};

const SCHEDULES: &[&str] = &[
    "hours",
    "days",
    "weeks",
    "months",
    "0 * * * *",
    "*/30 5 * * *",
    "0 6,20 * * *",
    "15 4 28-31 * *",
    "0 0 31 * *",
    "0 0 * * MON-FRI",
];

const OFFSETS: &[Option<&str>] = &[
    None,
    Some("PT0S"),
    Some("P1M"),
    Some("-P1M"),
    Some("P1M1D"),
    Some("P1M-1D"),
    Some("P1D"),
    Some("-P2DT6H"),
    Some("PT2H"),
    Some("-PT5M"),
];

/// Schedule and offset, and when each of their instants fires.
struct Naive {
    schedule: Schedule,
    text: &'static str,
    offset_text: Option<&'static str>,
    offset: Offset,
}

/// When it fires, and its instant.
type Trigger = (DateTime<Utc>, DateTime<Utc>);

impl Naive {
    fn new((schedule, offset): (usize, usize)) -> Self {
        let (text, offset_text) = (SCHEDULES[schedule], OFFSETS[offset]);
        let schedule = Schedule::parse(text).unwrap();
        let offset = offset_text.map_or(schedule.default_offset(), |text| Offset::parse(text).unwrap());
        Self { schedule, text, offset_text, offset }
    }

    fn fires_at(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        self.offset.add_to(instant).unwrap()
    }

    /// A time before which so many fire from another one on.
    fn horizon(&self, after: DateTime<Utc>, count: usize) -> DateTime<Utc> {
        let aligned = self.schedule.next(after).unwrap();
        self.schedule.moved(aligned, count as i64).unwrap() + TimeDelta::days(70)
    }

    /// All triggers that fire in this time, in order.
    fn triggers(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Trigger> {
        let around = TimeDelta::days(40);
        let instants = std::iter::successors(self.schedule.next(after - around), |at| self.schedule.next(*at));
        let instants = instants.take_while(|instant| *instant <= until + around);
        let mut all: Vec<_> = instants.map(|instant| (self.fires_at(instant), instant)).collect();
        all.retain(|(fires_at, _)| after < *fires_at && *fires_at <= until);
        all.sort_unstable();
        all
    }
}

fn begin() -> impl Strategy<Value = DateTime<Utc>> {
    (0..2_200_u32).prop_map(|hours| {
        let begin: DateTime<Utc> = "2024-01-20T00:20:00Z".parse().unwrap();
        begin + TimeDelta::hours(hours.into())
    })
}

/// The first, the last, and how many there are.
type Skipped = (DateTime<Utc>, DateTime<Utc>, u64);

fn counts(story: &Teller, from: usize) -> (Vec<u64>, Vec<Skipped>) {
    let (mut owed, mut skipped) = (Vec::new(), Vec::new());
    for fact in &story.records()[from..] {
        match fact {
            Fact::Workflow(_, WorkflowEvent::Owed { count, .. }) => owed.push(*count),
            Fact::Workflow(_, WorkflowEvent::CursorSkipped { first, last, count, .. }) => {
                skipped.push((*first, *last, *count));
            }
            _ => {}
        }
    }
    (owed, skipped)
}

fn ends(instants: &BTreeSet<DateTime<Utc>>) -> Option<Skipped> {
    Some((*instants.first()?, *instants.last()?, instants.len() as u64))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_loses_nothing_and_repeats_nothing(
        before in (0..SCHEDULES.len(), 0..OFFSETS.len()),
        after in (0..SCHEDULES.len(), 0..OFFSETS.len()),
        begin in begin(),
        (fired, succeeds) in (0..6_usize, any::<bool>()),
        moved in prop::option::weighted(0.4, (0..8_usize, prop::option::of(-600..600_i64))),
        (missed, more) in (prop_oneof![0..12_usize, 60..70_usize], 0..2_000_i64),
        later in 0..4_usize,
    ) {
        let (old, new) = (Naive::new(before), Naive::new(after));
        let mut story = Teller::begin_at(begin, Config { catch_up: 1, ..Config::default() });
        story.store("report", old.text, old.offset_text);
        story.enable("report", true);
        let horizon = old.horizon(begin, 90);
        let all = old.triggers(begin, horizon);
        // Some fire in time; then nothing happens until some more have fired.
        let seen_until = if fired == 0 { begin } else { all[fired - 1].0 };
        let exit = if succeeds { 0 } else { 50 };
        catch_up_to(&mut story, seen_until, exit);
        story.sleep_until(seen_until);
        let mut cursor = all.iter().copied().find(|(fires_at, _)| *fires_at > seen_until).unwrap();
        let taken: BTreeMap<_, _> =
            all.iter().take_while(|trigger| **trigger < cursor).map(|(_, instant)| (*instant, succeeds)).collect();
        let mut chosen = false;
        if let Some((back, fires_in)) = moved {
            let instant = (0..back).fold(cursor.1, |instant, _| old.schedule.previous(instant).unwrap());
            let fires_at = fires_in.map(|minutes| seen_until + TimeDelta::minutes(minutes));
            let next_instant = Some(instant);
            story.ask(Request::PatchWorkflow { id: id("report"), enabled: None, next_instant, next_fires_at: fires_at });
            chosen = instant != cursor.1;
            cursor = (fires_at.unwrap_or(cursor.0), instant);
        }
        let following = old.triggers(seen_until - TimeDelta::days(1), horizon);
        let edited_at = following[missed].0.max(seen_until) + TimeDelta::seconds(more);
        story.sleep_until(edited_at);
        let from = story.records().len();
        let is_same = old.schedule.means_same(&new.schedule) && old.offset.means_same(&new.offset);
        prop_assume!(!is_same);
        story.store("report", new.text, new.offset_text);

        let natural = (old.fires_at(cursor.1), cursor.1);
        let early = begin.min(cursor.1) - TimeDelta::days(60);
        let coming = new.triggers(edited_at, new.horizon(edited_at, 8));
        let late = horizon.max(coming[0].1 + TimeDelta::days(70));
        let rest: BTreeSet<Trigger> = old.triggers(early, late).into_iter().filter(|trigger| *trigger > natural).collect();
        let is_due = cursor.0 <= edited_at;
        let (due, mut pending): (BTreeSet<Trigger>, BTreeSet<Trigger>) =
            rest.into_iter().partition(|(fires_at, _)| is_due && *fires_at <= edited_at);
        let mut due: BTreeSet<DateTime<Utc>> = due.into_iter().map(|(_, instant)| instant).collect();
        if is_due {
            due.insert(cursor.1);
        } else {
            pending.insert(cursor);
        }
        let passed: BTreeSet<_> =
            pending.into_iter().map(|(_, instant)| instant).filter(|instant| *instant < coming[0].1).collect();
        let open = |instants: &BTreeSet<DateTime<Utc>>| -> BTreeSet<DateTime<Utc>> {
            instants.iter().copied().filter(|instant| !taken.contains_key(instant)).collect()
        };
        let counted = |instants: &BTreeSet<DateTime<Utc>>| {
            if instants.len() as u64 > LOOKED_UP { instants.clone() } else { open(instants) }
        };
        let owed = counted(&due).len() as u64;
        let (found_owed, found_skipped) = counts(&story, from);
        prop_assert_eq!(found_owed, if owed > 0 { vec![owed] } else { vec![] });
        let no_longer_wanted: BTreeSet<_> =
            due.iter().copied().filter(|instant| chosen && taken.get(instant) == Some(&false)).collect();
        let no_longer_wanted = if due.len() as u64 > LOOKED_UP { None } else { ends(&no_longer_wanted) };
        let skipped: Vec<_> = no_longer_wanted.into_iter().chain(ends(&counted(&passed))).collect();
        prop_assert_eq!(found_skipped, skipped);

        // Each that is owed once, each of the new ones that wasn't triggered yet once, and no other.
        let until = coming[later].0;
        let mut expected: BTreeSet<DateTime<Utc>> = open(&due);
        for (_, instant) in coming.iter().take_while(|(fires_at, _)| *fires_at <= until) {
            if !taken.contains_key(instant) {
                expected.insert(*instant);
            }
        }
        let found = catch_up_to(&mut story, until, exit);
        let read = |naive: &Naive, name: &str| {
            naive.schedule.parse_parameter(name).ok().filter(|instant| naive.schedule.parameter(*instant) == name)
        };
        let instant = |name: &String| read(&old, name).or_else(|| read(&new, name)).unwrap();
        let instants: BTreeSet<_> = found.iter().map(instant).collect();
        prop_assert_eq!(instants.len(), found.len(), "{:?}", &found);
        prop_assert_eq!(instants, expected);
    }
}
