//! A naive calendar: schedules as predicates over minutes, searched minute by minute. It shares no code with the core's.

use chrono::{DateTime, Months, TimeDelta, Utc};

/// A schedule that the simulation knows by heart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timetable {
    /// As it is written in a workflow, in Styx's JSON form.
    pub(super) schedule: &'static str,
    /// Whether a minute since 1970 is aligned.
    matches: fn(i64) -> bool,
    /// How a parameter is written.
    form: &'static str,
    /// The offset of a workflow that names none.
    default_offset: Shift,
}

/// An offset that the simulation knows by heart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shift {
    /// They cut a day to the length of the month that they lead to.
    months: i32,
    minutes: i64,
}

impl Shift {
    const fn minutes(minutes: i64) -> Self {
        Self { months: 0, minutes }
    }

    /// When an instant fires.
    pub(super) fn of(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let months = Months::new(self.months.unsigned_abs());
        let led_to = if self.months < 0 { instant - months } else { instant + months };
        led_to + TimeDelta::minutes(self.minutes)
    }

    /// An instant that fires within some days of a time.
    pub(super) fn before(self, fires_at: DateTime<Utc>) -> DateTime<Utc> {
        Self { months: -self.months, minutes: 0 }.of(fires_at - TimeDelta::minutes(self.minutes))
    }
}

/// More than the days by which the months of an offset put triggers in another order than their instants, and a weekend.
const MOST_DAYS: TimeDelta = TimeDelta::days(5);

const CRON: &str = "%Y-%m-%dT%H:%M:00Z";

/// All of them.
pub(super) const TIMETABLES: &[Timetable] = &[
    Timetable { schedule: "*/5 * * * *", matches: |m| m % 5 == 0, form: CRON, default_offset: Shift::minutes(0) },
    Timetable { schedule: "0/5 * * * *", matches: |m| m % 5 == 0, form: CRON, default_offset: Shift::minutes(0) },
    Timetable { schedule: "*/15 * * * *", matches: |m| m % 15 == 0, form: CRON, default_offset: Shift::minutes(0) },
    Timetable {
        schedule: "7,37 * * * *",
        matches: |m| m % 60 == 7 || m % 60 == 37,
        form: CRON,
        default_offset: Shift::minutes(0),
    },
    Timetable {
        schedule: "*/20 9-17 * * *",
        matches: |m| m % 20 == 0 && (9..=17).contains(&hour(m)),
        form: CRON,
        default_offset: Shift::minutes(0),
    },
    Timetable {
        schedule: "30 */2 * * mon-fri",
        matches: |m| m % 60 == 30 && hour(m) % 2 == 0 && weekday(m) < 5,
        form: CRON,
        default_offset: Shift::minutes(0),
    },
    Timetable { schedule: "hours", matches: |m| m % 60 == 0, form: "%Y-%m-%dT%H", default_offset: Shift::minutes(60) },
    Timetable {
        schedule: "days",
        matches: |m| m % 1_440 == 0,
        form: "%Y-%m-%d",
        default_offset: Shift::minutes(1_440),
    },
];

/// Offsets as workflows write them, and what they are.
pub(super) const OFFSETS: &[(Option<&str>, Shift)] = &[
    (None, Shift::minutes(0)),
    (None, Shift::minutes(0)),
    (Some("PT0S"), Shift::minutes(0)),
    (Some("PT10M"), Shift::minutes(10)),
    (Some("PT2H"), Shift::minutes(120)),
    (Some("PT120M"), Shift::minutes(120)),
    (Some("-PT5M"), Shift::minutes(-5)),
    (Some("P1M"), Shift { months: 1, minutes: 0 }),
    (Some("-P1MT1H"), Shift { months: -1, minutes: -60 }),
    (Some("P1M-1D"), Shift { months: 1, minutes: -1_440 }),
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

    /// The offset that counts.
    pub(super) fn offset(&self, text: Option<&str>) -> Shift {
        let known = OFFSETS.iter().find(|(known, _)| *known == text).filter(|_| text.is_some());
        known.map_or(self.default_offset, |(_, shift)| *shift)
    }

    /// Whether an instant is aligned.
    pub(super) fn is_aligned(&self, instant: DateTime<Utc>) -> bool {
        (self.matches)(instant.timestamp().div_euclid(60))
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
    pub(super) fn first(&self, offset: Shift, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        if offset.months == 0 {
            let instant = self.after(offset.before(now));
            return (instant, offset.of(instant));
        }
        self.least(offset, offset.before(now), |fires_at, _| fires_at > now)
    }

    /// The instant that fires next after another one, and when. Those that fire at once come in their order.
    pub(super) fn following(&self, offset: Shift, instant: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        if offset.months == 0 {
            let following = self.after(instant);
            return (following, offset.of(following));
        }
        let place = (offset.of(instant), instant);
        self.least(offset, instant, |fires_at, instant| (fires_at, instant) > place)
    }

    /// The instants before `end` whose trigger isn't before that of `from`, in their order.
    pub(super) fn not_before(&self, offset: Shift, from: DateTime<Utc>, end: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let place = |instant| (offset.of(instant), instant);
        let instants = std::iter::successors(Some(self.after(from - MOST_DAYS)), |instant| Some(self.after(*instant)));
        let before_end = instants.take_while(|instant| *instant < end);
        before_end.filter(|instant| place(*instant) >= place(from)).collect()
    }

    /// Of all wanted instants around one, that which fires first, and when.
    fn least(
        &self,
        offset: Shift,
        around: DateTime<Utc>,
        wanted: impl Fn(DateTime<Utc>, DateTime<Utc>) -> bool,
    ) -> (DateTime<Utc>, DateTime<Utc>) {
        let instants =
            std::iter::successors(Some(self.after(around - MOST_DAYS)), |instant| Some(self.after(*instant)));
        let places = instants.take_while(|instant| *instant < around + MOST_DAYS).map(|at| (offset.of(at), at));
        let least = places.filter(|(fires_at, instant)| wanted(*fires_at, *instant)).min();
        least.map_or((DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MAX_UTC), |(fires_at, instant)| (instant, fires_at))
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
