//! The tables of the specification, a module for each part of it.

mod cron;
mod offset;
mod parameter;
mod partition;

use chrono::{DateTime, Utc};

use super::*;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn offset(text: &str) -> Offset {
    Offset::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// T-1, T-2, T-3, T-43.
#[test]
fn aliases() {
    let table = [
        (Schedule::Hourly, "hours", "PT1H", "0 * * * *", "@hourly hourly hours"),
        (Schedule::Daily, "days", "P1D", "0 0 * * *", "@daily daily days"),
        (Schedule::Weekly, "weeks", "P1W", "0 0 * * MON", "@weekly weekly weeks"),
        (Schedule::Monthly, "months", "P1M", "0 0 1 * *", "@monthly monthly months"),
        (Schedule::Yearly, "years", "P1Y", "0 0 1 1 *", "@annually annually @yearly yearly years"),
    ];
    for (expected, json, default_offset, cron, aliases) in table {
        for alias in aliases.split(' ') {
            for text in [alias.to_owned(), alias.to_uppercase()] {
                let schedule = schedule(&text);
                assert_eq!(schedule, expected, "{text}");
                assert_eq!(schedule.as_json(), json);
                assert_eq!(Schedule::parse(json), Ok(expected.clone()));
                assert_eq!(schedule.default_offset().as_str(), default_offset);
                assert_eq!(schedule.default_offset(), offset(default_offset));
            }
        }
        let same = schedule(cron);
        assert!(matches!(same, Schedule::Cron(_)), "{cron}");
        assert_eq!(same.fields(), expected.fields(), "{cron}");
        assert_eq!(same.default_offset(), Offset::ZERO);
        assert_eq!(same.default_offset(), offset("PT0S"));
        assert_eq!(same.as_json(), cron.to_lowercase());
    }
    assert_eq!(schedule("0 3 * * MON").as_json(), "0 3 * * mon");
}

/// T-1, T-3: words that are no aliases.
#[test]
fn unknown_aliases() {
    for text in ["@midnight", "@reboot", "hour", "day", "@annual", " hourly", "@weekly ", "1ly"] {
        assert!(Schedule::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        Schedule::parse("@midnight").unwrap_err().to_string(),
        "`@midnight` is no known schedule, expected hourly, daily, weekly, monthly, yearly or a \
         cron expression"
    );
}

/// T-20, T-21, TR-2.
#[test]
fn next_previous_last_aligned() {
    let hourly = Schedule::Hourly;
    let three = at("2016-03-14T15:00:00Z");
    assert_eq!(hourly.next(three), Some(at("2016-03-14T16:00:00Z")));
    assert_eq!(hourly.previous(three), Some(at("2016-03-14T14:00:00Z")));
    assert_eq!(hourly.last(three), Some(three));
    assert!(hourly.is_aligned(three));
    let after_three = at("2016-03-14T15:00:00.001Z");
    assert!(!hourly.is_aligned(after_three));
    assert_eq!(hourly.previous(after_three), Some(three));
    assert_eq!(hourly.last(after_three), Some(three));
    // Before 1970, and before year 0.
    assert_eq!(hourly.next(at("1969-12-31T23:59:59.999Z")), Some(at("1970-01-01T00:00:00Z")));
    assert_eq!(hourly.previous(at("1969-12-31T23:59:59.999Z")), Some(at("1969-12-31T23:00:00Z")));
    assert_eq!(schedule("0 0 29 2 *").previous(at("0000-01-01T00:00:00Z")), Some(at("-0004-02-29T00:00:00Z")));
}

#[test]
fn nothing_lies_beyond_the_ends_of_time() {
    for schedule in [Schedule::Hourly, Schedule::Yearly] {
        assert_eq!(schedule.next(DateTime::<Utc>::MAX_UTC), None);
        assert_eq!(schedule.previous(DateTime::<Utc>::MIN_UTC), None);
    }
}

/// T-22.
#[test]
fn ranges() {
    let (from, to) = (at("2024-02-28T00:00:00Z"), at("2024-03-02T00:00:00Z"));
    let days = |range: Range<'_>| range.map(|at| Schedule::Daily.parameter(at)).collect::<Vec<_>>().join(" ");
    assert_eq!(days(Schedule::Daily.range(from, to).unwrap()), "2024-02-28 2024-02-29 2024-03-01");
    assert_eq!(days(Schedule::Daily.reversed_range(to, from).unwrap()), "2024-03-02 2024-03-01 2024-02-29");
    assert_eq!(days(Schedule::Daily.range(from, from).unwrap()), "");
    assert_eq!(Schedule::Daily.range(to, from).unwrap_err(), RangeError::Backward);
    assert_eq!(Schedule::Daily.reversed_range(from, to).unwrap_err(), RangeError::Backward);
    let noon = at("2024-02-29T12:00:00Z");
    for error in [
        Schedule::Daily.range(from, noon).unwrap_err(),
        Schedule::Daily.range(noon, to).unwrap_err(),
        Schedule::Daily.reversed_range(noon, from).unwrap_err(),
    ] {
        assert_eq!(error, RangeError::Unaligned { instant: noon });
    }
}

/// T-34.
#[test]
fn moving_by_instants() {
    let noon = at("2024-03-01T12:30:00Z");
    for (text, count, expected) in [
        ("hourly", 0, "2024-03-01T12:30:00Z"),
        ("hourly", 1, "2024-03-01T13:00:00Z"),
        ("hourly", -1, "2024-03-01T12:00:00Z"),
        ("hourly", -13, "2024-03-01T00:00:00Z"),
        ("daily", -2, "2024-02-29T00:00:00Z"),
        ("weekly", 2, "2024-03-11T00:00:00Z"),
        ("monthly", -3, "2024-01-01T00:00:00Z"),
        ("yearly", 2, "2026-01-01T00:00:00Z"),
        ("0 12 * * *", -2, "2024-02-29T12:00:00Z"),
    ] {
        assert_eq!(schedule(text).moved(noon, count), Some(at(expected)), "{text} {count}");
    }
    assert_eq!(Schedule::Hourly.moved(noon, i64::MAX), None);
    assert_eq!(Schedule::Hourly.moved(noon, i64::MIN), None);
    assert_eq!(schedule("0 0 30 2 *").moved(noon, -1), None);
}

/// T-30, T-31, T-43 and TR-4, TR-8, TR-9.
#[test]
fn natural_triggers() {
    let march = "2024-03-31T02:13:00Z";
    for (text, offset_text, now, instant, fires_at) in [
        ("hours", None, march, "2024-03-31T02:00:00Z", "2024-03-31T03:00:00Z"),
        ("days", None, march, "2024-03-31T00:00:00Z", "2024-04-01T00:00:00Z"),
        ("weeks", None, march, "2024-03-25T00:00:00Z", "2024-04-01T00:00:00Z"),
        ("months", None, march, "2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z"),
        ("years", None, march, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("30 6 * * *", None, march, "2024-03-31T06:30:00Z", "2024-03-31T06:30:00Z"),
        ("days", Some("P1DT2H"), march, "2024-03-31T00:00:00Z", "2024-04-01T02:00:00Z"),
        ("days", Some("PT0S"), march, "2024-04-01T00:00:00Z", "2024-04-01T00:00:00Z"),
        ("months", Some("P1M3D"), march, "2024-03-01T00:00:00Z", "2024-04-04T00:00:00Z"),
        ("hours", None, "2016-03-14T15:30:00Z", "2016-03-14T15:00:00Z", "2016-03-14T16:00:00Z"),
        ("hours", Some("PT0S"), "2016-03-14T15:30:00Z", "2016-03-14T16:00:00Z", "2016-03-14T16:00:00Z"),
        ("days", None, "2016-03-14T15:30:00Z", "2016-03-14T00:00:00Z", "2016-03-15T00:00:00Z"),
        ("hours", Some("PT2H"), "2016-03-14T17:30:00Z", "2016-03-14T16:00:00Z", "2016-03-14T18:00:00Z"),
        // A workflow made at exactly T starts after T.
        ("days", Some("PT0S"), "2024-04-01T00:00:00Z", "2024-04-02T00:00:00Z", "2024-04-02T00:00:00Z"),
    ] {
        let schedule = schedule(text);
        let offset = offset_text.map_or_else(|| schedule.default_offset(), offset);
        let expected = NaturalTrigger { instant: at(instant), fires_at: at(fires_at) };
        assert_eq!(schedule.first_natural(&offset, at(now)), Some(expected), "{text} {offset}");
    }
    let first = Schedule::Monthly.following(&offset("P1M3D"), at("2024-01-01T00:00:00Z")).unwrap();
    assert_eq!(first.instant, at("2024-02-01T00:00:00Z"));
    assert_eq!(first.fires_at, at("2024-03-04T00:00:00Z"));
    assert_eq!(schedule("0 0 30 2 *").first_natural(&Offset::ZERO, at(march)), None);
}

/// TR-4: a schedule or an offset is changed if its text is.
#[test]
fn equality_is_textual() {
    assert_eq!(schedule("0 0 * * MON"), schedule("0 0 * * mon"));
    assert_ne!(schedule("0 0 * * MON"), schedule("0 0 * * 1"));
    assert_ne!(offset("PT60M"), offset("PT1H"));
    assert_ne!(offset("pt1h"), offset("PT1H"));
    assert_eq!(Offset::default(), Offset::ZERO);
}
