use super::{Offset, at, offset};

/// The vectors of part 4.5 and of TR-3.
#[test]
fn adding_and_subtracting() {
    let january = "2024-01-31T10:00:00Z";
    for (text, from, plus, minus) in [
        ("P1M", january, "2024-02-29T10:00:00Z", "2023-12-31T10:00:00Z"),
        ("P1M1D", january, "2024-03-01T10:00:00Z", "2023-12-30T10:00:00Z"),
        ("-P1DT2H", january, "2024-01-30T08:00:00Z", "2024-02-01T12:00:00Z"),
        ("P1DT-2H", january, "2024-02-01T08:00:00Z", "2024-01-30T12:00:00Z"),
        ("PT90M", january, "2024-01-31T11:30:00Z", "2024-01-31T08:30:00Z"),
        ("P1Y2M3W4DT5H6M7.5S", january, "2025-04-25T15:06:07.500Z", "2022-11-05T04:53:52.500Z"),
        ("P1M3DT1H7M5S", "2017-01-22T08:07:11.220Z", "2017-02-25T09:14:16.220Z", "2016-12-19T07:00:06.220Z"),
        ("-P2W", january, "2024-01-17T10:00:00Z", "2024-02-14T10:00:00Z"),
        ("-P-1D", january, "2024-02-01T10:00:00Z", "2024-01-30T10:00:00Z"),
        ("-PT-0.5S", january, "2024-01-31T10:00:00.500Z", "2024-01-31T09:59:59.500Z"),
        ("PT-1,25S", january, "2024-01-31T09:59:58.750Z", "2024-01-31T10:00:01.250Z"),
        ("p1dt2h", january, "2024-02-01T12:00:00Z", "2024-01-30T08:00:00Z"),
        ("P", january, january, january),
        ("PT", january, january, january),
        ("-P1DT", january, "2024-01-30T10:00:00Z", "2024-02-01T10:00:00Z"),
        ("+P+1Y", "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", "2023-02-28T00:00:00Z"),
        ("PT0.000000001S", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000001Z", "1969-12-31T23:59:59.999999999Z"),
        ("P-2M", "0000-03-31T00:00:00Z", "0000-01-31T00:00:00Z", "0000-05-31T00:00:00Z"),
    ] {
        assert_eq!(offset(text).add_to(at(from)), Some(at(plus)), "{text} after {from}");
        assert_eq!(offset(text).subtract_from(at(from)), Some(at(minus)), "{text} before {from}");
        assert_eq!(offset(text).as_str(), text);
    }
}

/// Results outside the years 0000 to 9999 are none, however far away.
#[test]
fn beyond_the_calendar() {
    let now = at("2024-01-31T10:00:00Z");
    for text in [
        "P8000Y",
        "-P3000Y",
        "P2147483647D",
        "P-2147483648D",
        "P306783379W",
        "P2147483647Y2147483647M",
        "PT2147483648H",
        "PT9223372036854775807S",
        "PT-9223372036854775808S",
    ] {
        assert_eq!(offset(text).add_to(now), None, "{text}");
    }
    assert_eq!(offset("PT-9223372036854775808S").subtract_from(now), None);
    assert_eq!(offset("P8000YT-1H").add_to(at("1999-12-31T23:59:00Z")), Some(at("9999-12-31T22:59:00Z")));
    assert_eq!(offset("P1DT-24H").add_to(at("9999-12-31T23:59:00Z")), Some(at("9999-12-31T23:59:00Z")));
}

/// T-41, and why.
#[test]
fn refused_offsets() {
    for (text, expected) in [
        ("", "`` at column 1 is refused, expected `P` at the start"),
        ("1H", "`1` at column 1 is refused, expected `P` at the start"),
        ("P1H", "`1H` at column 2 is refused, expected `T` before hours"),
        ("P1D2H", "`2H` at column 4 is refused, expected `T` before hours"),
        ("P1S", "`1S` at column 2 is refused, expected `T` before seconds"),
        ("PT1D", "`1D` at column 3 is refused, expected a number with H, M or S"),
        ("P1", "`1` at column 2 is refused, expected a number with Y, M, W or D"),
        ("P1.5D", "`1.5D` at column 2 is refused, expected a fraction only in seconds"),
        ("PT1.5H", "`1.5H` at column 3 is refused, expected a fraction only in seconds"),
        ("P1D1M", "`1M` at column 4 is refused, expected each unit once, in the order Y, M, W, D, T, H, M, S"),
        ("PT1H1H", "`1H` at column 5 is refused, expected each unit once, in the order Y, M, W, D, T, H, M, S"),
        ("--P1D", "`-` at column 2 is refused, expected `P` at the start"),
        ("P--1D", "`--` at column 2 is refused, expected a number and its unit"),
        ("P2147483648D", "`2147483648D` at column 2 is refused, expected a smaller number"),
        ("PT1.S", "`.S` at column 4 is refused, expected 1 to 9 digits of a fraction"),
        ("P1D ", "` ` at column 4 is refused, expected a number and its unit"),
        ("P1ä", "`1ä` at column 2 is refused, expected a number with Y, M, W or D"),
    ] {
        assert_eq!(Offset::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    for text in [
        "  ",
        " P1D",
        "P 1D",
        "T1H",
        "1D",
        "PTT1H",
        "PT1HT",
        "P1DT2H3D",
        "P1M1Y",
        "P1D1W",
        "-+P1D",
        "PT.5S",
        "PT1.1234567891S",
        "foo",
        "P1X",
        "-P-2147483648D",
        "-P2147483648D",
        "PT9223372036854775808S",
        "PT2562047788015216H",
        "PT9223372036854775807S1S",
        "PT9223372036854775M9223372036854775807S",
        "P99999999999999999999D",
        "PT1,S",
        "P٣D",
        "+",
        "-",
        "0",
    ] {
        assert!(Offset::parse(text).is_err(), "{text}");
    }
}
