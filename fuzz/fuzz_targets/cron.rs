//! A cron text that is read fires at minutes that its words name, and at all of them: a plain reading of the words, minute
//! by minute, says so too.
#![no_main]

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use libfuzzer_sys::fuzz_target;
use styx_core::schedule::Schedule;

/// How far each search goes minute by minute; beyond it only the answer itself is looked at.
const SEARCHED: TimeDelta = TimeDelta::hours(30);

fuzz_target!(|text: &str| {
    let Ok(schedule) = Schedule::parse(text) else { return };
    assert_eq!(Schedule::parse(schedule.as_json()).as_ref(), Ok(&schedule), "its own form reads as something else");
    let Schedule::Cron(cron) = &schedule else { return };
    let words = Words::read(cron.as_str()).expect("it has five fields of items");
    for after in ["2024-02-28T23:58:30Z", "2023-12-31T23:59:00Z", "2100-02-28T00:00:00Z"] {
        check(&schedule, &words, after.parse().expect("an instant"));
    }
});

fn check(schedule: &Schedule, words: &Words, after: DateTime<Utc>) {
    let next = schedule.next(after);
    let mut at = after.with_second(0).expect("a minute begins") + TimeDelta::minutes(1);
    while at < after + SEARCHED && next != Some(at) {
        assert!(!words.match_at(at), "{at} is named, but left out");
        assert!(!schedule.is_aligned(at), "{at} is aligned, but left out");
        at += TimeDelta::minutes(1);
    }
    let Some(next) = next else { return };
    assert!(next > after && words.match_at(next) && schedule.is_aligned(next), "{next} after {after}");
    assert_eq!(schedule.last(next), Some(next));
    let previous = schedule.previous(next);
    assert!(previous.is_none_or(|previous| previous <= after), "{previous:?} lies between {after} and {next}");
    if let Some(previous) = previous {
        assert!(words.match_at(previous), "{previous}");
        assert_eq!(schedule.next(previous), Some(next));
    }
}

/// The five fields, each as the values that it names (T-50 to T-58).
struct Words {
    minutes: u64,
    hours: u64,
    days: Option<u64>,
    months: u64,
    weekdays: Option<u64>,
}

impl Words {
    fn read(text: &str) -> Option<Self> {
        let fields: [&str; 5] = text.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
        let unless_star = |values, field: &str| (!is_star(field)).then_some(values);
        Some(Self {
            minutes: values(fields[0], 0, 59, &[])?,
            hours: values(fields[1], 0, 23, &[])?,
            days: unless_star(values(fields[2], 1, 31, &[])?, fields[2]),
            months: values(fields[3], 1, 12, &MONTHS)?,
            weekdays: unless_star(values(fields[4], 0, 7, &WEEKDAYS)?, fields[4]),
        })
    }

    fn match_at(&self, at: DateTime<Utc>) -> bool {
        let has = |values: u64, value: u32| values & 1 << value != 0;
        let weekday = at.weekday().num_days_from_sunday();
        let on_day = self.days.map(|days| has(days, at.day()));
        let on_weekday = self.weekdays.map(|days| has(days, weekday) || weekday == 0 && has(days, 7));
        let is_on_day = match (on_day, on_weekday) {
            (None, None) => true,
            (Some(is_on), None) | (None, Some(is_on)) => is_on,
            (Some(by_day), Some(by_weekday)) => by_day || by_weekday,
        };
        is_on_day && has(self.minutes, at.minute()) && has(self.hours, at.hour()) && has(self.months, at.month())
    }
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn values(field: &str, min: u32, max: u32, names: &[&str]) -> Option<u64> {
    let mut values = 0;
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok()?)),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range.is_empty() && step.is_some() => (min, max),
            Some((first, last)) => (value(first, names)?, value(last, names)?),
            None => match (value(range, names)?, step) {
                // With a step, Sunday at the end of the week is Sunday at its beginning (T-58).
                (7, Some(_)) if max == 7 => (0, max),
                (first, Some(_)) => (first, max),
                (only, None) => (only, only),
            },
        };
        if first < min || last > max || first > last {
            return None;
        }
        let step = step.unwrap_or(1);
        values |=
            (first..=last).filter(|value| (value - first).checked_rem(step) == Some(0)).fold(0, |all, v| all | 1 << v);
    }
    Some(values)
}

fn value(text: &str, names: &[&str]) -> Option<u32> {
    match names.iter().position(|name| *name == text) {
        Some(index) => u32::try_from(index + 1).ok(),
        None => text.parse().ok(),
    }
}

fn is_star(field: &str) -> bool {
    field == "*" || matches!(field.split_once('/'), Some(("*" | "", step)) if step.parse() == Ok(1))
}
