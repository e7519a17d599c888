//! A naive calendar: schedules as predicates over minutes, searched minute by minute. It shares no code with the core's.

use chrono::{DateTime, TimeDelta, Utc};

/// A schedule that the simulation knows by heart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timetable {
    /// As it is written in a workflow, in Styx's JSON form.
    pub(super) schedule: &'static str,
    /// Whether a minute since 1970 is aligned.
    matches: fn(i64) -> bool,
    /// How a parameter is written.
    form: &'static str,
    /// The offset in minutes of a workflow that names none.
    pub(super) default_offset: i64,
}

const CRON: &str = "%Y-%m-%dT%H:%M:00Z";

/// All of them.
pub(super) const TIMETABLES: &[Timetable] = &[
    Timetable { schedule: "*/5 * * * *", matches: |m| m % 5 == 0, form: CRON, default_offset: 0 },
    Timetable { schedule: "0/5 * * * *", matches: |m| m % 5 == 0, form: CRON, default_offset: 0 },
    Timetable { schedule: "*/15 * * * *", matches: |m| m % 15 == 0, form: CRON, default_offset: 0 },
    Timetable { schedule: "7,37 * * * *", matches: |m| m % 60 == 7 || m % 60 == 37, form: CRON, default_offset: 0 },
    Timetable {
        schedule: "*/20 9-17 * * *",
        matches: |m| m % 20 == 0 && (9..=17).contains(&hour(m)),
        form: CRON,
        default_offset: 0,
    },
    Timetable {
        schedule: "30 */2 * * mon-fri",
        matches: |m| m % 60 == 30 && hour(m) % 2 == 0 && weekday(m) < 5,
        form: CRON,
        default_offset: 0,
    },
    Timetable { schedule: "hours", matches: |m| m % 60 == 0, form: "%Y-%m-%dT%H", default_offset: 60 },
    Timetable { schedule: "days", matches: |m| m % 1_440 == 0, form: "%Y-%m-%d", default_offset: 1_440 },
];

/// Offsets as workflows write them, and in minutes.
pub(super) const OFFSETS: &[(Option<&str>, i64)] = &[
    (None, 0),
    (None, 0),
    (Some("PT0S"), 0),
    (Some("PT10M"), 10),
    (Some("PT2H"), 120),
    (Some("PT120M"), 120),
    (Some("-PT5M"), -5),
];

fn hour(minute: i64) -> i64 {
    minute.div_euclid(60) % 24
}

/// Monday is zero; 1970 began on a Thursday.
fn weekday(minute: i64) -> i64 {
    (minute.div_euclid(1_440) + 3).rem_euclid(7)
}

impl Timetable {
    /// The one that is written so.
    pub(super) fn of(schedule: &str) -> Option<&'static Self> {
        TIMETABLES.iter().find(|table| table.schedule == schedule)
    }

    /// One text for all that mean the same.
    pub(super) fn meaning(&self) -> &'static str {
        match self.schedule {
            "0/5 * * * *" => "*/5 * * * *",
            other => other,
        }
    }

    /// The offset that counts, in minutes.
    pub(super) fn offset(&self, text: Option<&str>) -> i64 {
        match text {
            None => self.default_offset,
            Some(_) => OFFSETS.iter().find(|(known, _)| *known == text).map_or(0, |(_, minutes)| *minutes),
        }
    }

    /// The first aligned instant after `at`.
    pub(super) fn after(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let mut minute = at.timestamp().div_euclid(60) + 1;
        while !(self.matches)(minute) {
            minute += 1;
        }
        DateTime::from_timestamp(minute * 60, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The last aligned instant at or before `at`.
    pub(super) fn at_or_before(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let mut minute = at.timestamp().div_euclid(60);
        while !(self.matches)(minute) {
            minute -= 1;
        }
        DateTime::from_timestamp(minute * 60, 0).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The first instant that fires after `now`, and when.
    pub(super) fn first(&self, offset: i64, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let instant = self.after(now - TimeDelta::minutes(offset));
        (instant, instant + TimeDelta::minutes(offset))
    }

    /// How the parameter of an instant is written.
    pub(super) fn parameter(&self, instant: DateTime<Utc>) -> String {
        instant.format(self.form).to_string()
    }
}

/// Each is itself alone: its text is known once.
impl PartialEq for Timetable {
    fn eq(&self, other: &Self) -> bool {
        self.schedule == other.schedule
    }
}

impl Eq for Timetable {}
