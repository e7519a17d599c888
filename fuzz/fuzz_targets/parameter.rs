//! A parameter that is read names an instant of its schedule, whose own parameter reads as the same instant.
#![no_main]

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Timelike, Utc};
use libfuzzer_sys::fuzz_target;
use styx_core::schedule::{ParameterForm, Schedule};

static SCHEDULES: LazyLock<Vec<Schedule>> = LazyLock::new(|| {
    let texts = ["hourly", "daily", "weekly", "monthly", "yearly", "*/7 3-5 * * *", "0 0 29 2 *", "0 0 30 2 *"];
    texts.into_iter().map(|text| Schedule::parse(text).expect("a schedule")).collect()
});

fuzz_target!(|text: &str| {
    for schedule in &*SCHEDULES {
        let Ok(at) = schedule.parse_parameter(text) else { continue };
        assert!(schedule.is_aligned(at), "{at} of {schedule:?}");
        assert!((0..=9999).contains(&at.year()), "{at}");
        let parameter = schedule.parameter(at);
        assert_eq!(schedule.parse_parameter(&parameter), Ok(at), "{parameter}");
    }
    forms(text);
});

/// Each strict form is what `parse_any` takes it for, and the schedule that writes it reads it.
fn forms(text: &str) {
    let any = ParameterForm::parse_any(text);
    let forms = [
        (ParameterForm::Year, Schedule::Yearly),
        (ParameterForm::Month, Schedule::Monthly),
        (ParameterForm::Date, Schedule::Daily),
        (ParameterForm::DateHour, Schedule::Hourly),
    ];
    for (form, schedule) in forms {
        let Ok(at) = form.parse(text) else { continue };
        assert_eq!(any, Ok(at));
        assert_eq!(schedule.parse_parameter(text), Ok(at));
        assert_eq!(schedule.parameter(at), text);
    }
    let Ok(at) = any else { return };
    assert!((0..=9999).contains(&at.year()), "{at}");
    // A full instant is one for everybody else, too. chrono knows no offsets with seconds.
    if text.len() > 13 && !has_seconds_of_offset(text) {
        let theirs = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
        assert_eq!(theirs, Ok(at), "nanosecond {}", at.nanosecond());
    }
}

fn has_seconds_of_offset(text: &str) -> bool {
    text.len() > 9
        && text.as_bytes()[text.len() - 9].is_ascii_punctuation()
        && text.ends_with(|c: char| c.is_ascii_digit())
}
