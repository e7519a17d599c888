use super::{Schedule, at, schedule};

/// The vectors of part 4.6. Instants are cut to what differs from `from`.
#[test]
fn expressions_of_the_api_contract() {
    let january = "2024-01-31T22:58:30Z";
    let february = "2024-02-01T12:00:00Z";
    for (text, from, next, previous) in [
        ("0 0 13 * 5", january, "02-02 02-09 02-13 02-16", None),
        ("0 0 1,15 * MON", february, "02-05 02-12 02-15 02-19", Some("02-01")),
        ("0 0 */2 * 1", january, "02-01 02-03 02-05 02-07", None),
        ("0 0 */1 * 1", january, "02-05 02-12 02-19 02-26", None),
        ("0 0 * * */3", january, "02-03 02-04 02-07 02-10", None),
        ("0 0 * * 1/2", february, "02-02 02-04 02-05 02-07", Some("01-31")),
        ("0 0 * * SUN/2", february, "02-03 02-04 02-06 02-08", Some("02-01")),
        ("0 0 * * 7/2", february, "02-03 02-04 02-06 02-08", Some("02-01")),
        ("0 0 * * FRI-SUN", january, "02-02 02-03 02-04 02-09", None),
        ("0 0 31 * *", "2024-04-30T00:00:00Z", "05-31 07-31 08-31 10-31", Some("03-31")),
        ("0 0 29 2 *", "2023-01-01T00:00:00Z", "2024-02-29 2028-02-29 2032-02-29 2036-02-29", Some("2020-02-29")),
        ("*/59 * * * *", january, "01-31T22:59 01-31T23:00 01-31T23:59 02-01", None),
        ("*/15 9-17/4 * * *", february, "02-01T13:00 02-01T13:15 02-01T13:30 02-01T13:45", Some("02-01T09:45")),
        (
            "15 10 1 JAN/6 *",
            february,
            "2024-07-01T10:15 2025-01-01T10:15 2025-07-01T10:15 2026-01-01T10:15",
            Some("2024-01-01T10:15"),
        ),
        (
            "0 12 * * 1-5",
            "2024-02-02T12:00:00Z",
            "02-05T12:00 02-06T12:00 02-07T12:00 02-08T12:00",
            Some("02-01T12:00"),
        ),
    ] {
        check(text, from, next, previous);
    }
}

/// The vectors of TR-1.
#[test]
fn expressions_of_the_scheduler_contract() {
    for (text, next) in [
        ("0 0 13 * FRI", "03-18 03-25 04-01"),
        ("0 0 1,15 * 1", "03-15 03-21 03-28 04-01"),
        ("0 0 */2 * 1", "03-15 03-17 03-19 03-21"),
        ("0 0 * * */2", "03-15 03-17 03-19 03-20"),
        ("0 0 * * SAT-SUN", "03-19 03-20 03-26"),
        ("15,45 12,15 * * *", "03-14T15:45 03-15T12:15"),
        ("5/10 * * * *", "03-14T15:35"),
        ("0 0 29 2 *", "2020-02-29"),
    ] {
        check(text, "2016-03-14T15:30:00Z", next, None);
    }
}

/// Ends of months and years, in both directions.
#[test]
fn ends_of_months_and_years() {
    for (text, from, next, previous) in [
        ("59 23 31 12 *", "2024-01-01T00:00:00Z", "12-31T23:59 2025-12-31T23:59", Some("2023-12-31T23:59")),
        ("0 0 29 2 *", "1896-02-29T00:00:00Z", "1904-02-29 1908-02-29", Some("1892-02-29")),
        ("0 0 29 2 *", "2104-02-29T00:00:00Z", "2108-02-29", Some("2096-02-29")),
        ("0 0 30 2,4 *", "2024-01-31T00:00:00Z", "04-30 2025-04-30", Some("2023-04-30")),
        ("0 0 30 2 1", "2024-02-20T00:00:00Z", "02-26 2025-02-03", Some("02-19")),
        ("59 23 28-31 * *", "2023-02-28T23:59:00Z", "03-28T23:59", Some("01-31T23:59")),
        ("0 0 * 2 *", "2023-02-28T00:00:00Z", "2024-02-01", Some("02-27")),
        ("0 0 * * 0", "1970-01-01T00:00:00Z", "01-04", Some("1969-12-28")),
        ("0 0 1-31 * 1", "2024-02-28T00:00:00Z", "02-29 03-01", Some("02-27")),
        ("0 0 *,5 * 1", "2024-02-28T00:00:00Z", "02-29 03-01", Some("02-27")),
        ("0 0 13 * /1", "2024-02-28T00:00:00Z", "03-13", Some("02-13")),
        ("0 0 13 * */01", "2024-02-28T00:00:00Z", "03-13", Some("02-13")),
        ("0 0 13 * 0/1", "2024-02-28T00:00:00Z", "02-29", Some("02-27")),
    ] {
        check(text, from, next, previous);
    }
}

fn check(text: &str, from: &str, next: &str, previous: Option<&str>) {
    let complete = |short: &str| {
        let date = if short.starts_with(['1', '2']) && short.as_bytes()[4] == b'-' {
            short.to_owned()
        } else {
            format!("{}{short}", &from[..5])
        };
        at(&match date.len() {
            10 => format!("{date}T00:00:00Z"),
            _ => format!("{date}:00Z"),
        })
    };
    let schedule = schedule(text);
    let mut instant = at(from);
    for expected in next.split(' ') {
        let found = schedule.next(instant);
        assert_eq!(found, Some(complete(expected)), "{text} after {instant}");
        instant = complete(expected);
        assert!(schedule.is_aligned(instant), "{text} at {instant}");
    }
    if let Some(previous) = previous {
        assert_eq!(schedule.previous(at(from)), Some(complete(previous)), "{text} before {from}");
    }
}

/// T-59: accepted, but never due.
#[test]
fn expressions_that_never_match() {
    for text in ["0 0 30 2 *", "0 0 31 4 *", "0 0 31 2,4,6,9,11 *", "* * 30,31 2 */1"] {
        let schedule = schedule(text);
        let now = at("2024-01-01T00:00:00Z");
        assert_eq!(schedule.next(now), None, "{text}");
        assert_eq!(schedule.previous(now), None, "{text}");
        assert_eq!(schedule.last(now), None, "{text}");
        assert!(!schedule.is_aligned(now), "{text}");
    }
}

/// T-50 to T-55 and T-58: other texts that mean the same.
#[test]
fn equal_meanings() {
    for (text, same) in [
        ("\t0  0 * * *\n", "0 0 * * *"),
        ("/5 * * * *", "*/5 * * * *"),
        ("007 08 01 001 00", "7 8 1 1 0"),
        ("0 0 * JAN-mar *", "0 0 * 1-3 *"),
        ("0 0 * JAN-3/2 *", "0 0 * 1,3 *"),
        ("0 0 * * SUN", "0 0 * * 0"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * MON,tue,3", "0 0 * * 1-3"),
        ("*/1 */1 */1 */1 */1", "* * * * *"),
        ("0 0 * * */7", "0 0 * * 0"),
        ("0 0 * * 1/7", "0 0 * * 1"),
        ("0 0 * * SUN/3", "0 0 * * 0,3,6"),
        ("0 0 * * 5-7/2", "0 0 * * 5,0"),
        ("0 0 * * 0-7", "0 0 * * 0-6"),
        ("3/59 * * * *", "3 * * * *"),
        ("0 0 */31 */12 *", "0 0 1 1 *"),
    ] {
        assert_eq!(schedule(text).fields(), schedule(same).fields(), "{text}");
    }
}

/// T-50 to T-60: refused, and said why.
#[test]
fn refused_expressions() {
    let five = "expected five fields: minute, hour, day of month, month, day of week";
    for (text, expected) in [
        ("60 * * * *", "minute: `60` at column 1 is out of range, expected 0-59".to_owned()),
        ("0 24 * * *", "hour: `24` at column 3 is out of range, expected 0-23".to_owned()),
        ("0 0 0 * *", "day of month: `0` at column 5 is out of range, expected 1-31".to_owned()),
        ("0 0 * 13 *", "month: `13` at column 7 is out of range, expected 1-12 or JAN-DEC".to_owned()),
        ("0  0 * *  1-8", "day of week: `8` at column 13 is out of range, expected 0-7 or MON-SUN".to_owned()),
        ("99999999999 * * * *", "minute: `99999999999` at column 1 is out of range, expected 0-59".to_owned()),
        ("*/60 * * * *", "minute: `60` at column 3 is no possible step, expected 1-59".to_owned()),
        ("0 */24 * * *", "hour: `24` at column 5 is no possible step, expected 1-23".to_owned()),
        ("0 0 * * 1-5/7", "day of week: `7` at column 13 is no possible step, expected 1-6".to_owned()),
        ("5,7/ * * * *", "minute: `` at column 5 is no possible step, expected 1-59".to_owned()),
        ("0 22-2 * * *", "hour: `22-2` at column 3 runs backwards, expected the lower value first".to_owned()),
        (
            "0 0 * * SUN-TUE",
            "day of week: `SUN-TUE` at column 9 runs backwards, expected the lower value first".to_owned(),
        ),
        ("1,,2 * * * *", "minute: `` at column 3 is an empty item, expected `*` or 0-59".to_owned()),
        ("0 0 L * *", "day of month: `L` at column 5 is not understood, expected `*` or 1-31".to_owned()),
        ("0 0 * * 5#2", "day of week: `5#2` at column 9 is not understood, expected `*` or 0-7 or MON-SUN".to_owned()),
        ("0 0 * *", format!("day of week: `` at column 8 is missing, {five}")),
        ("", format!("minute: `` at column 1 is missing, {five}")),
        ("0 0 0 1 1 *", "day of month: `0` at column 5 is out of range, expected 1-31".to_owned()),
        ("0 0 1 1 * 2020", format!("day of week: `2020` at column 11 is one too many, {five}")),
    ] {
        assert_eq!(Schedule::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    for text in [
        // T-53
        "1-2-3 * * * *",
        "-5 * * * *",
        "5- * * * *",
        "** * * * *",
        "*5 * * * *",
        "5, * * * *",
        "1.5 * * * *",
        ", * * * *",
        "*-5 * * * *",
        "- * * * *",
        // T-54
        "*/0 * * * *",
        "0 0 */32 * *",
        "0 0 1 */13 *",
        "0 0 * * */8",
        "*/5/2 * * * *",
        "/ * * * *",
        // T-57
        "0 0 ? * *",
        "0 0 15W * *",
        "0 0 LW * *",
        "H * * * *",
        "0 0 * * monday",
        "@every 1h",
        "0 0 1 january *",
        "JAN * * * *",
        "0 0 * MON *",
        "0 0 * * FRIL",
        "0 0 * DEC-JAN *",
        // T-60 and the other quirks that are refused
        "0 0 * * *||0 12 * * *",
        "0 0|12 * * *",
        "* * 9/2/ * *",
        "+1 * * * *",
        "*/+5 * * * *",
        "٣ * * * *",
        "0 0 1 Jän *",
        "0x1 * * * *",
    ] {
        assert!(Schedule::parse(text).is_err(), "{text}");
    }
}
