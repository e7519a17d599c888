use super::{ParameterForm, ParseParameterError, Schedule, at, schedule};

/// Part 4.2.
#[test]
fn instants_to_parameters() {
    let may = "2024-05-06T07:30:59.999Z";
    for (text, instant, parameter) in [
        ("hours", may, "2024-05-06T07"),
        ("days", may, "2024-05-06"),
        ("weeks", may, "2024-05-06"),
        ("months", may, "2024-05"),
        ("years", may, "2024"),
        ("* * * * *", may, "2024-05-06T07:30:00Z"),
        ("days", "1969-12-31T23:59:59.999Z", "1969-12-31"),
        ("years", "0099-01-01T00:00:00Z", "0099"),
        ("years", "-0001-06-01T00:00:00Z", "-0001"),
        ("months", "+12345-06-07T00:00:00Z", "+12345-06"),
    ] {
        assert_eq!(schedule(text).parameter(at(instant)), parameter, "{text} {instant}");
    }
}

/// The vectors of part 4.3 and of TR-19.
#[test]
fn parameters_to_instants() {
    let working_days = "30 */6 * * MON-FRI";
    for (text, parameter, instance) in [
        ("hours", "2024-01-01T05:59:59.999", "2024-01-01T05"),
        ("hours", "2024-01-01", "2024-01-01T00"),
        ("hours", "2024-01-01T05+01:00", "2024-01-01T04"),
        ("days", "2024-03-25T23:00-03:00", "2024-03-26"),
        ("days", "2024-03-25T01:00+03:00", "2024-03-24"),
        ("weeks", "2024-01-03T10:00", "2024-01-01"),
        ("weeks", "2024-01-01", "2024-01-01"),
        ("weeks", "2024-01-07", "2024-01-01"),
        ("months", "2024-06-17", "2024-06"),
        ("months", "2024-06", "2024-06"),
        ("months", "2024-02-01T00+01:00", "2024-01"),
        ("years", "2023-07", "2023"),
        ("years", "2023", "2023"),
        ("years", "2022-03-04T05", "2022"),
        (working_days, "2024-01-01T07", "2024-01-01T06:30:00Z"),
        (working_days, "2024-01-06", "2024-01-05T18:30:00Z"),
        (working_days, "2024-01-01T12:30:00+02:00", "2024-01-01T06:30:00Z"),
        ("*/5 * * * *", "2024-01-01T00:07", "2024-01-01T00:05:00Z"),
        ("0 0 * * MON", "2024-01-03", "2024-01-01T00:00:00Z"),
        ("* * * * *", "2024-01-01T00:00:30Z", "2024-01-01T00:00:00Z"),
        ("* * * * *", "2024-01-01T00:00:30.123456789-00:00:31", "2024-01-01T00:01:00Z"),
        ("hours", "2017-03-25T10:15:25+01:00", "2017-03-25T09"),
        ("days", "2017-03-25T01:00+03:00", "2017-03-24"),
        ("weeks", "2017-03-29", "2017-03-27"),
        ("months", "2017-02-03", "2017-02"),
        ("years", "2017-02", "2017"),
        ("0 2 * * *", "2017-03-25T10:15:25", "2017-03-25T02:00:00Z"),
        ("* 3,8 1 1 *", "2017-01-01T07:15:25", "2017-01-01T03:59:00Z"),
    ] {
        let schedule = schedule(text);
        let found = schedule.parse_parameter(parameter).map(|at| schedule.parameter(at));
        assert_eq!(found, Ok(instance.to_owned()), "{text} {parameter}");
    }
}

/// T-12, the refusals of T-10 and TR-19, and why.
#[test]
fn refused_parameters() {
    for (text, parameter, expected) in [
        ("months", "2024-13", "month: `13` at column 6 is refused, expected 01-12"),
        ("years", "2024-00", "month: `00` at column 6 is refused, expected 01-12"),
        ("days", "2023-02-29", "day: `29` at column 9 is refused, expected 01-28"),
        ("days", "2024-02", "day: `` at column 8 is refused, expected `-` and a day"),
        ("days", "2024-01-01T24", "hour: `24` at column 12 is refused, expected 00-23"),
        ("days", "2024-01-01T9", "hour: `9` at column 12 is refused, expected 2 digits"),
        ("days", "2024-01-01T09:00:00.", "fraction: `` at column 21 is refused, expected 1 to 9 digits"),
        (
            "days",
            "2024-01-01T09:00:00.1234567890",
            "fraction: `1234567890` at column 21 is refused, expected 1 to 9 digits",
        ),
        ("days", "2024-01-01T09+0100", "offset: `0` at column 17 is refused, expected `:` and minutes"),
        ("days", "2024-01-01T09+18:01", "offset: `+18:01` at column 14 is refused, expected at most 18 hours"),
        ("days", "2024-01-01Z", "end: `Z` at column 11 is refused, expected nothing more"),
        ("days", "2024-01-01T09UTC", "end: `UTC` at column 14 is refused, expected nothing more"),
        ("years", "24", "year: `24` at column 1 is refused, expected 4 digits"),
        ("days", "", "year: `` at column 1 is refused, expected 4 digits"),
        ("days", "2024-0١-01", "month: `0١` at column 6 is refused, expected 2 digits"),
        ("0 0 31 4 *", "2024-01-01", "no matching instant at or before this time"),
        ("0 0 29 2 *", "0000-01-01", "no matching instant at or before this time"),
        ("hours", "0000-01-01T00+01:00", "no matching instant at or before this time"),
    ] {
        let error = schedule(text).parse_parameter(parameter).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text} {parameter}");
    }
    for parameter in [
        "2024-01-01T09:60",
        "2024-01-01T09:11:60",
        "2024-1-1",
        "2024-01-01t09",
        "2024-01-01 09",
        " 2024-01-01",
        "2024-01-01 ",
        "2024-01-01T09+01",
        "2024-01-01T09:00:00,5",
        "2024",
        "2024-W03",
        "2024-019",
        "2024-01-01T",
        "2017-03-26+01:00",
        "2017-04-31",
        "+12016-01-19",
        "-2016-01-19",
        "10000-01-01",
        "2024-01-01T09z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T09.5",
        "٢٠١٦-٠١-١٩",
    ] {
        assert!(Schedule::Daily.parse_parameter(parameter).is_err(), "{parameter}");
    }
    assert!(Schedule::Monthly.parse_parameter("2024").is_err());
}

#[test]
fn strict_forms() {
    use ParameterForm::{Date, DateHour, Month, Year};
    let forms = [Date, DateHour, Month, Year];
    for (text, form, instant) in [
        ("2016-02-29", Some(Date), Some("2016-02-29T00:00:00Z")),
        ("2016-01-01T07", Some(DateHour), Some("2016-01-01T07:00:00Z")),
        ("2016-12", Some(Month), Some("2016-12-01T00:00:00Z")),
        ("2016", Some(Year), Some("2016-01-01T00:00:00Z")),
        ("2016-01-19T09:11:22.5-05:30", None, Some("2016-01-19T14:41:22.500Z")),
        ("2016-01-19T09:11:22Z", None, Some("2016-01-19T09:11:22Z")),
        ("2016-01-19T09:11Z", None, None),
        ("2016-01-19T09:11:22", None, None),
        ("2016-01-19T24:00:00Z", None, None),
        ("2016-13", None, None),
        ("02016", None, None),
        ("", None, None),
    ] {
        for candidate in forms {
            let expected = instant.filter(|_| form == Some(candidate)).map(at);
            assert_eq!(candidate.parse(text).ok(), expected, "{text} as {candidate:?}");
        }
        assert_eq!(ParameterForm::parse_any(text).ok(), instant.map(at), "{text}");
    }
    assert_eq!(ParameterForm::parse_any("0000-01-01T00:00:00+00:01"), Err(ParseParameterError::NoInstant));
}
