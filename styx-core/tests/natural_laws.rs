//! Laws of natural triggers over all offsets, months included, against a search that computes when every instant of a wide
//! window fires and sorts.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use proptest::prelude::*;
use styx_core::schedule::{Instants, NaturalTrigger, Offset, Schedule};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Schedules with many instants a day, with few, with some a year, and with one in four years.
fn schedule() -> impl Strategy<Value = Schedule> {
    let text = prop_oneof![
        3 => prop_oneof![
            Just("hourly"), Just("daily"), Just("weekly"), Just("monthly"), Just("yearly"), Just("*/7 3-21 * * *"),
            Just("0 6,20 * * *"), Just("30 6 * * *"), Just("0 9-17 * * MON-FRI"), Just("0 0 31 * *"),
            Just("15 4 28-31 * *"), Just("15 4 28-31 * 5"), Just("0 0 29 2 *"), Just("59 23 31 12 *"),
            Just("0 12 1,15 * 1"), Just("5 5 30 4,6,9,11 *"), Just("* * 30,31 1-5 *"),
        ].prop_map(str::to_owned),
        2 => ("(0|59|\\*/30|7,8)", "(0|23|\\*|6,20|\\*/5)", "(\\*|31|29-31|28|1|2/9|30)", "(\\*|2|1,3|\\*/2)", "(\\*|\\*|0|MON-FRI)")
            .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}")),
    ];
    text.prop_filter_map("a schedule that never fires, or none", |text| {
        Schedule::parse(&text).ok().filter(|schedule| schedule.next(DateTime::UNIX_EPOCH).is_some())
    })
}

/// Offsets with each part present or not, each with its sign: also zero, leap days, and months that days take back.
fn offset() -> impl Strategy<Value = Offset> {
    let part = |unit: &'static str, most: i32| prop_oneof![2 => Just(String::new()), 3 => (-most..=most).prop_map(move |count| format!("{count}{unit}"))];
    let any = (
        prop_oneof![4 => Just(""), 1 => Just("-")],
        (part("Y", 5), part("M", 27), part("W", 6), part("D", 45)),
        (part("H", 80), part("M", 3_000), prop_oneof![3 => Just(String::new()), 1 => "[0-9]{1,3}\\.[0-9]{1,9}S"]),
    );
    let any = any.prop_map(|(sign, (years, months, weeks, days), (hours, minutes, seconds))| {
        format!("{sign}P{years}{months}{weeks}{days}T{hours}{minutes}{seconds}")
    });
    let plain = prop_oneof![
        Just("P1M"),
        Just("-P1M"),
        Just("P2M"),
        Just("P12M"),
        Just("P1Y"),
        Just("-P1Y"),
        Just("P4Y"),
        Just("PT0S"),
        Just("P"),
        Just("P1MT6H"),
        Just("P1M3D"),
        Just("P1M-1D"),
        Just("P1M-28D"),
        Just("-P11MT1S"),
        Just("P1D"),
        Just("PT1H"),
    ];
    prop_oneof![2 => plain.prop_map(str::to_owned), 3 => any]
        .prop_map(|text| Offset::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// Half of them near the end of a month, where days are cut.
fn now() -> impl Strategy<Value = DateTime<Utc>> {
    let year = prop_oneof![3 => Just(2024), 1 => Just(1900), 4 => 1_950..2_110_i32];
    let time = prop_oneof![2 => Just((0, 0)), 1 => Just((43_200, 0)), 2 => (0..86_400_i64, 0..1_000_000_000_u32)];
    (year, 1..=12_u32, prop_oneof![1 => 1..=28_u32, 1 => 27..=31_u32], time).prop_filter_map(
        "a day that isn't",
        |(year, month, day, (second, nanos))| {
            let day = chrono::NaiveDate::from_ymd_opt(year, month, day)?;
            let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
            Some(midnight + TimeDelta::seconds(second) + TimeDelta::nanoseconds(nanos.into()))
        },
    )
}

/// All triggers that fire in a window around `now`, in their order. Instants are sought far beyond where those that fire
/// in it can be.
fn all(schedule: &Schedule, offset: &Offset, now: DateTime<Utc>) -> Vec<NaturalTrigger> {
    let middle = offset.subtract_from(now).expect("some centuries at most");
    let is_dense = schedule.moved(middle, 600).is_some_and(|later| later - middle < TimeDelta::days(20));
    let around = TimeDelta::days(if is_dense { 12 } else { 2_000 });
    let mut triggers: Vec<_> = std::iter::successors(schedule.next(middle - around), |at| schedule.next(*at))
        .take_while(|instant| *instant <= middle + around)
        .map(|instant| NaturalTrigger { instant, fires_at: offset.add_to(instant).expect("some centuries at most") })
        .collect();
    triggers.sort_by_key(|trigger| (trigger.fires_at, trigger.instant));
    // At the ends of the window, instants beyond it may come first.
    let inner = around - TimeDelta::days(5);
    triggers.retain(|trigger| now - inner <= trigger.fires_at && trigger.fires_at <= now + inner);
    triggers
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn triggers_come_by_when_they_fire_and_then_by_instant(
        schedule in schedule(), offset in offset(), now in now(), from in any::<prop::sample::Index>(),
    ) {
        let all = all(&schedule, &offset, now);
        let first = all.iter().find(|trigger| trigger.fires_at > now);
        // Without one in the window the first is beyond it.
        if let Some(first) = first {
            prop_assert_eq!(schedule.first_natural(&offset, now), Some(*first), "{} {} {}", schedule, offset, now);
        }
        if all.is_empty() {
            return Ok(());
        }
        let from = from.index(all.len());
        let mut at = all[from];
        for expected in all[from..].iter().skip(1).take(70) {
            prop_assert_eq!(
                schedule.following(&offset, at.instant), Some(*expected), "{} {} {:?}", &schedule, &offset, at
            );
            prop_assert_eq!(
                schedule.preceding(&offset, expected.instant), Some(at), "{} {} {:?}", &schedule, &offset, expected
            );
            at = *expected;
        }
    }

    /// What is counted by months is what a walk over the triggers finds.
    #[test]
    fn what_is_due_or_passed_over_is_counted_without_a_walk(
        schedule in schedule(), offset in offset(), now in now(), from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let all = all(&schedule, &offset, now);
        if all.is_empty() {
            return Ok(());
        }
        let (from, to) = (from.index(all.len()), to.index(all.len()));
        let (from, to) = (from.min(to), from.max(to));
        let instants = |triggers: Vec<NaturalTrigger>| {
            let instants: Vec<_> = triggers.iter().map(|trigger| trigger.instant).collect();
            let (first, last) = (instants.iter().min().copied()?, instants.iter().max().copied()?);
            Some(Instants { first, last, count: instants.len() as u64 })
        };
        let until = all[to].fires_at;
        let due = all[from..].iter().filter(|trigger| trigger.fires_at <= until).copied().collect();
        prop_assert_eq!(schedule.due(&offset, all[from].instant, until), instants(due), "{} {}", &schedule, &offset);
        let just_before = until - TimeDelta::nanoseconds(1);
        let due = all[from..].iter().filter(|trigger| trigger.fires_at <= just_before).copied().collect();
        prop_assert_eq!(schedule.due(&offset, all[from].instant, just_before), instants(due));
        // Not by the window: an instant before its last may fire after it.
        let (start, end) = (all[from], all[to].instant);
        let passed = std::iter::successors(schedule.next(start.instant - TimeDelta::days(5)), |at| schedule.next(*at))
            .take_while(|instant| *instant < end)
            .map(|instant| NaturalTrigger { instant, fires_at: offset.add_to(instant).expect("some centuries at most") })
            .filter(|trigger| (trigger.fires_at, trigger.instant) >= (start.fires_at, start.instant))
            .collect();
        prop_assert_eq!(
            schedule.passed_over(&offset, start.instant, end), instants(passed), "{} {} {:?}", &schedule, &offset, start
        );
    }

    /// From one trigger on, however long: each instant once, none left out. Nothing depends on a search here.
    #[test]
    fn every_instant_of_a_month_fires_once(schedule in schedule(), offset in offset(), now in now()) {
        let Some(mut at) = schedule.first_natural(&offset, now) else { return Ok(()) };
        let mut fired = Vec::new();
        let month = |at: DateTime<Utc>| at.year() * 12 + at.month() as i32;
        // A whole month of instants fires between those of the month before and those of the month after.
        let whole = month(at.instant) + 1;
        for _ in 0..4_000 {
            if month(at.instant) > whole {
                let start = fired.first().copied();
                let Some(start) = start else { return Ok(()) };
                let all: Vec<_> = std::iter::successors(Some(start), |at| schedule.next(*at))
                    .take_while(|at| month(*at) <= whole).collect();
                fired.sort();
                prop_assert_eq!(fired, all);
                prop_assert_eq!(schedule.previous(start).map(month).is_some_and(|month| month >= whole), false);
                return Ok(());
            }
            if month(at.instant) == whole {
                fired.push(at.instant);
            }
            at = schedule.following(&offset, at.instant).expect("years before the end of the calendar");
        }
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn triggers(schedule: &str, offset: &str, now: &str) -> Vec<(String, String)> {
    let (schedule, offset) = (Schedule::parse(schedule).unwrap(), Offset::parse(offset).unwrap());
    let next = |trigger: &NaturalTrigger| schedule.following(&offset, trigger.instant);
    let shown = |at: DateTime<Utc>| at.format("%m-%dT%H").to_string();
    std::iter::successors(schedule.first_natural(&offset, at(now)), next)
        .take(5)
        .map(|trigger| (shown(trigger.instant), shown(trigger.fires_at)))
        .collect()
}

#[test]
fn the_first_trigger_fires_after_now() {
    let pairs =
        |pairs: [(&str, &str); 5]| pairs.map(|(instant, fires)| (instant.to_owned(), fires.to_owned())).to_vec();
    assert_eq!(
        triggers("daily", "P1M", "2026-02-28T12:00:00Z"),
        pairs([
            ("02-01T00", "03-01T00"),
            ("02-02T00", "03-02T00"),
            ("02-03T00", "03-03T00"),
            ("02-04T00", "03-04T00"),
            ("02-05T00", "03-05T00")
        ])
    );
    assert_eq!(
        triggers("0 6,20 * * *", "P1M", "2026-02-28T12:00:00Z"),
        pairs([
            ("01-28T20", "02-28T20"),
            ("01-29T20", "02-28T20"),
            ("01-30T20", "02-28T20"),
            ("01-31T20", "02-28T20"),
            ("02-01T06", "03-01T06")
        ])
    );
    assert_eq!(
        triggers("daily", "P1M", "2026-02-27T12:00:00Z"),
        pairs([
            ("01-28T00", "02-28T00"),
            ("01-29T00", "02-28T00"),
            ("01-30T00", "02-28T00"),
            ("01-31T00", "02-28T00"),
            ("02-01T00", "03-01T00")
        ])
    );
}

#[test]
fn what_lies_outside_the_calendar_is_no_trigger() {
    let now = at("2026-02-28T12:00:00Z");
    for (schedule, offset) in [
        ("daily", "P9999Y"),
        ("yearly", "-P8000Y"),
        ("daily", "P2147483647Y2147483647M"),
        ("daily", "-P2147483647M"),
        ("hourly", "PT9223372036854775807S"),
        ("hourly", "PT-9223372036854775808S"),
        ("daily", "P2147483647D"),
        ("0 0 30 2 *", "P1M"),
    ] {
        let (schedule, offset) = (Schedule::parse(schedule).unwrap(), Offset::parse(offset).unwrap());
        assert_eq!(schedule.first_natural(&offset, now), None, "{schedule} {offset}");
    }
    let (schedule, offset) = (Schedule::Daily, Offset::parse("P1M").unwrap());
    assert_eq!(schedule.following(&offset, at("9999-11-30T00:00:00Z")), None);
    assert_eq!(schedule.first_natural(&offset, at("9999-12-31T00:00:00Z")), None);
}
