use super::{Schedule, schedule};
use crate::schedule::{names_of, read_any_parameter};

fn named(schedule_text: &str, text: &str) -> Option<String> {
    let schedule = schedule(schedule_text);
    schedule.partition(text).ok().map(|at| schedule.parameter(at))
}

/// Texts of the same instant name the same partition.
#[test]
fn texts_of_the_same_instant_name_the_same_partition() {
    for (text, partition, spellings) in [
        (
            "30 6 * * *",
            "2026-03-29T06:30:00Z",
            &[
                "2026-03-29T06:30",
                "2026-03-29T06:30:00",
                "2026-03-29T06:30Z",
                "2026-03-29T06:30:00.000Z",
                "2026-03-29T08:30+02:00",
                "2026-03-29T08:30:00+02:00",
                "2026-03-29T01:00-05:30",
                "2026-03-29T06:30+00:00:00",
            ][..],
        ),
        ("hourly", "2026-03-29T00", &["2026-03-29", "2026-03-29T00:00", "2026-03-28T23-01:00", "2026-03-29T02+02:00"]),
        ("daily", "2026-03-29", &["2026-03-29T00", "2026-03-29T00:00:00Z", "2026-03-28T22:00-02:00"]),
        ("weekly", "2026-03-30", &["2026-03-30T00", "2026-03-30T00:00Z"]),
        ("monthly", "2026-03", &["2026-03-01", "2026-03-01T00", "2026-03-01T00:00:00Z"]),
        ("yearly", "2026", &["2026-01", "2026-01-01", "2026-01-01T00Z"]),
        ("daily", "1969-12-31", &["1969-12-31T00:00Z"]),
        ("daily", "9999-12-31", &["9999-12-31T00"]),
        ("daily", "0000-01-01", &["0000-01-01T00:00:00Z"]),
    ] {
        for spelling in [&[partition], spellings].concat() {
            assert_eq!(named(text, spelling).as_deref(), Some(partition), "{text} {spelling}");
        }
    }
}

/// What users type, and which partitions they hear of.
#[test]
fn other_texts_name_none_and_the_nearest_are_named() {
    let weeks = "the nearest are 2026-03-23 and 2026-03-30";
    for (text, parameter, nearest) in [
        ("weekly", "2026-03-29", weeks),
        ("weekly", "2026-03-29T23:59:59.9", weeks),
        ("weekly", "2026-W13-7", weeks),
        ("weekly", "2026-W14", "the nearest is 2026-03-30"),
        ("daily", "2026-03-29T06", "the nearest are 2026-03-29 and 2026-03-30"),
        ("daily", "2026-03-29T00:00:00.000000001", "the nearest are 2026-03-29 and 2026-03-30"),
        ("daily", "2026-3-29", "the nearest is 2026-03-29"),
        ("daily", "2026/03/29", "the nearest is 2026-03-29"),
        ("daily", "20260329", "the nearest is 2026-03-29"),
        ("daily", " 2026-03-29\n", "the nearest is 2026-03-29"),
        ("daily", "2026-02-30", "the nearest is 2026-02-28"),
        ("daily", "2026-03", "the nearest is 2026-03-01"),
        ("daily", "2026", "the nearest is 2026-01-01"),
        ("daily", "1969-12-31T12", "the nearest are 1969-12-31 and 1970-01-01"),
        ("daily", "9999-12-31T12", "the nearest is 9999-12-31"),
        ("daily", "10000-01-01", "its partitions look like YYYY-MM-DD"),
        ("daily", "yesterday", "its partitions look like YYYY-MM-DD"),
        ("daily", "", "its partitions look like YYYY-MM-DD"),
        ("daily", "٢٠٢٦-٠٣-٢٩", "its partitions look like YYYY-MM-DD"),
        ("hourly", "2026-03-29T6", "the nearest is 2026-03-29T06"),
        ("hourly", "2026-03-29t06z", "the nearest is 2026-03-29T06"),
        ("hourly", "2026-03-29 06", "the nearest is 2026-03-29T06"),
        ("hourly", "2026-03-29T06+0200", "the nearest is 2026-03-29T04"),
        ("hourly", "2026-03-29T24", "the nearest is 2026-03-30T00"),
        ("hourly", "2026-03-29T06:30", "the nearest are 2026-03-29T06 and 2026-03-29T07"),
        ("* * * * *", "2026-12-31T23:59:60Z", "the nearest is 2027-01-01T00:00:00Z"),
        ("30 6 * * *", "2026-03-29", "the nearest are 2026-03-28T06:30:00Z and 2026-03-29T06:30:00Z"),
        ("monthly", "2026-03-02", "the nearest are 2026-03 and 2026-04"),
        ("monthly", "2026", "the nearest is 2026-01"),
        ("monthly", "2026-13", "the nearest is 2026-12"),
        ("yearly", "2026-06", "the nearest are 2026 and 2027"),
        ("0 0 31 4 *", "2026-03-29", "there is none near"),
    ] {
        let refused = schedule(text).partition(parameter).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("`{parameter}` is not a partition of the schedule ")), "{refused}");
        let said = refused.split_once(": ").unwrap().1;
        assert!(said == nearest || said.starts_with(&format!("{nearest} (")), "{text} {parameter}: {refused}");
    }
    let long = Schedule::Daily.partition(&"9".repeat(100_000)).unwrap_err().to_string();
    assert!(long.len() < 400, "{long}");
}

/// Names that runs can have whose workflow is gone.
#[test]
fn an_instant_has_a_name_for_each_form() {
    let names = |text| names_of(read_any_parameter(text).unwrap());
    assert_eq!(names("2026-03-29T08:30+02:00"), ["2026-03-29T06:30:00Z"]);
    assert_eq!(names("2026-03-29T06"), ["2026-03-29T06:00:00Z", "2026-03-29T06"]);
    let january = ["2026-01-01T00:00:00Z", "2026-01-01T00", "2026-01-01", "2026-01", "2026"];
    assert_eq!(names("2026"), january);
    assert_eq!(names("2026-03-29T06:30:01"), [""; 0]);
}
