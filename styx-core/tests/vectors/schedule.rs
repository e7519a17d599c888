//! Schedules, parameters, offsets and first natural triggers.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use styx_core::schedule::{Offset, ParameterForm, Range, RangeError, Schedule};

use crate::harness::{Case, Rule, Verdict, instant, written};

/// What we do with the quirks of `schedule.jsonl`.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "missing_star",
        kinds: &["cron"],
        verdict: Verdict::Copied,
        count: 4,
        reason: "the rules name it (T-52)",
        anchor: "",
    },
    Rule {
        quirk: "leading_zeros",
        kinds: &["cron"],
        verdict: Verdict::Copied,
        count: 1,
        reason: "the rules name it (T-52)",
        anchor: "",
    },
    Rule {
        quirk: "empty_part",
        kinds: &["offset"],
        verdict: Verdict::Copied,
        count: 10,
        reason: "the rules name it (T-40), and it can be meant only in one way",
        anchor: "",
    },
    Rule {
        quirk: "extended_year",
        kinds: &["parameter_format"],
        verdict: Verdict::Copied,
        count: 9,
        reason: "any instant can be written",
        anchor: "",
    },
    Rule {
        quirk: "extended_year",
        kinds: &["parameter_parse"],
        verdict: Verdict::Adapted(expect_no_parameter),
        count: 7,
        reason: "a year has four digits (T-10)",
        anchor: "schedule-extended-year",
    },
    Rule {
        quirk: "extended_year",
        kinds: &["parameter_parse_forms"],
        verdict: Verdict::Adapted(expect_no_form),
        count: 2,
        reason: "a year has four digits (T-10)",
        anchor: "schedule-extended-year",
    },
    Rule {
        quirk: "month_ignored",
        kinds: &["parameter_parse"],
        verdict: Verdict::Adapted(expect_real_month),
        count: 1,
        reason: "a month that does not exist is a mistake",
        anchor: "schedule-month-ignored",
    },
    Rule {
        quirk: "zone_name",
        kinds: &["parameter_parse"],
        verdict: Verdict::Adapted(expect_no_parameter),
        count: 5,
        reason: "everything is UTC; names would need a database of time zones",
        anchor: "schedule-zone-name",
    },
    Rule {
        quirk: "hour_24",
        kinds: &["parameter_parse_forms"],
        verdict: Verdict::Adapted(expect_no_form),
        count: 2,
        reason: "an hour is 00 to 23 (T-12)",
        anchor: "schedule-hour-24",
    },
    Rule {
        quirk: "uncaught_failure",
        kinds: &["parameter_parse"],
        verdict: Verdict::Copied,
        count: 1,
        reason: "refused by both, by us as a bad parameter (T-12)",
        anchor: "",
    },
    Rule {
        quirk: "uncaught_failure",
        kinds: &["cron", "alias"],
        verdict: Verdict::Copied,
        count: 1,
        reason: "refused by both, by us as a bad schedule",
        anchor: "",
    },
    Rule {
        quirk: "alternatives",
        kinds: &["cron"],
        verdict: Verdict::Adapted(expect_no_schedule),
        count: 3,
        reason: "an accident of the original's library (T-60)",
        anchor: "schedule-alternatives",
    },
    Rule {
        quirk: "trailing_slash",
        kinds: &["cron"],
        verdict: Verdict::Adapted(expect_no_schedule),
        count: 3,
        reason: "a step has a number (T-52)",
        anchor: "schedule-trailing-slash",
    },
    Rule {
        quirk: "signed_number",
        kinds: &["cron"],
        verdict: Verdict::Adapted(expect_no_schedule),
        count: 6,
        reason: "a value has no sign (T-52)",
        anchor: "schedule-signed-number",
    },
    Rule {
        quirk: "non_ascii_digit",
        kinds: &["cron"],
        verdict: Verdict::Adapted(expect_no_schedule),
        count: 5,
        reason: "digits are 0 to 9",
        anchor: "schedule-non-ascii-digit",
    },
    Rule {
        quirk: "double_sign",
        kinds: &["offset"],
        verdict: Verdict::Adapted(expect_no_offset),
        count: 5,
        reason: "an offset that cannot be added is none (T-41)",
        anchor: "schedule-double-sign",
    },
    Rule {
        quirk: "bare_fraction_dot",
        kinds: &["offset"],
        verdict: Verdict::Adapted(expect_no_offset),
        count: 5,
        reason: "a fraction has digits (T-40)",
        anchor: "schedule-bare-fraction-dot",
    },
    Rule {
        quirk: "beyond_calendar",
        kinds: &["offset"],
        verdict: Verdict::Adapted(expect_in_calendar),
        count: 25,
        reason: "no parameter can name the result",
        anchor: "schedule-beyond-calendar",
    },
    Rule {
        quirk: "fires_in_the_past",
        kinds: &["next_natural"],
        verdict: Verdict::Adapted(expect_later),
        count: 10,
        reason: "a workflow that is stored now has nothing to make up for: its first trigger fires after now",
        anchor: "schedule-first-trigger",
    },
    Rule {
        quirk: "fires_out_of_order",
        kinds: &["next_natural"],
        verdict: Verdict::Adapted(expect_in_order),
        count: 1,
        reason: "triggers come in the order in which they fire, then by instant",
        anchor: "schedule-first-trigger",
    },
];

/// Quirks of a line that the file doesn't name.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    if past_triggers(line) > 0 {
        vec!["fires_in_the_past"]
    } else if line["kind"] == "next_natural" && in_order(line).is_some_and(|ours| line["triggers"] != ours) {
        vec!["fires_out_of_order"]
    } else {
        Vec::new()
    }
}

/// The first triggers of a line in the order in which they fire, then by instant, as many as it has. `None` when it has none,
/// or no months in its offset, which alone make a difference.
fn in_order(line: &Value) -> Option<Value> {
    let triggers = elements(&line["triggers"]);
    let offset = line["effective_offset"].as_str()?;
    let date = offset.split(['T', 't']).next().unwrap_or_default();
    let (first, last) = (instant(&triggers.first()?["instant"]), instant(&triggers.last()?["instant"]));
    if !date.contains(['M', 'm', 'Y', 'y']) || last - first > TimeDelta::days(60) {
        return None;
    }
    let (schedule, offset) = (Schedule::parse(line["schedule"].as_str()?).ok()?, Offset::parse(offset).ok()?);
    let around = TimeDelta::days(5);
    let instants = std::iter::successors(schedule.next(first - around), |at| schedule.next(*at));
    let mut all: Vec<_> = instants
        .take_while(|at| *at < last + around)
        .filter_map(|at| Some((offset.add_to(at)?, at)))
        .filter(|(fires_at, _)| *fires_at > instant(&line["now"]))
        .collect();
    all.sort_unstable();
    let shown =
        |(fires_at, at)| json!({ "instant": written(Some(at), ""), "fires_after": written(Some(fires_at), "") });
    Some(all.into_iter().take(triggers.len()).map(shown).collect())
}

fn expect_in_order(line: &mut Value) {
    if let Some(ours) = in_order(line) {
        line["triggers"] = ours;
    }
}

/// How many of the first triggers fire when the workflow is stored, or before.
fn past_triggers(line: &Value) -> usize {
    let fires_at = |trigger: &Value| instant(&trigger["fires_after"]);
    let triggers = line["triggers"].as_array().into_iter().flatten();
    triggers.take_while(|trigger| fires_at(trigger) <= instant(&line["now"])).count()
}

/// The triggers of the past are left out; of those that follow as many are compared as the line has.
fn expect_later(line: &mut Value) {
    let past = past_triggers(line);
    if let Some(triggers) = line["triggers"].as_array_mut() {
        triggers.drain(..past);
    }
}

fn expect_no_schedule(line: &mut Value) {
    line["accepted"] = false.into();
}

fn expect_no_parameter(line: &mut Value) {
    line["result"] = Value::Null;
    line["canonical_parameter"] = Value::Null;
    line["rejected"] = "".into();
}

fn expect_real_month(line: &mut Value) {
    let text = line["text"].as_str().unwrap_or_default();
    let month = text.get(5..7).and_then(|digits| digits.parse::<u32>().ok());
    if !month.is_some_and(|month| (1..=12).contains(&month)) {
        expect_no_parameter(line);
    }
}

fn expect_no_form(line: &mut Value) {
    for form in FORMS {
        line[form] = "rejected".into();
    }
    line["any"] = "rejected".into();
}

fn expect_no_offset(line: &mut Value) {
    for direction in ["plus", "minus"] {
        line[direction] = "rejected".into();
    }
}

/// A result is an instant with a year of four digits, or there is none.
fn expect_in_calendar(line: &mut Value) {
    for direction in ["plus", "minus"] {
        let text = line[direction].as_str().unwrap_or_default();
        let has_plain_year = text.starts_with(|c: char| c.is_ascii_digit());
        if !has_plain_year {
            line[direction] = "rejected".into();
        }
    }
}

/// Checks one line of any kind.
pub(crate) fn check(case: &mut Case) {
    match case.text("kind").as_str() {
        "cron" => check_cron(case),
        "alias" => check_alias(case),
        "parameter_parse" => check_parameter_parse(case),
        "parameter_parse_forms" => check_parameter_parse_forms(case),
        "parameter_format" => {
            let parameter = parsed(case, "schedule").map(|schedule| schedule.parameter(case.instant("instant")));
            case.expect("parameter", parameter);
        }
        "offset" => check_offset(case),
        "next_natural" => check_next_natural(case),
        other => case.fail(format!("unknown kind `{other}`")),
    }
}

fn parsed(case: &Case, member: &str) -> Option<Schedule> {
    Schedule::parse(&case.text(member)).ok()
}

fn check_cron(case: &mut Case) {
    let schedule = parsed(case, "text");
    case.expect("accepted", schedule.is_some());
    let Some(schedule) = schedule else { return };
    if case.member("accepted") == json!(true) {
        case.expect("json", schedule.as_json());
        check_instants(case, &schedule);
    }
}

fn check_alias(case: &mut Case) {
    let schedule = parsed(case, "text");
    case.expect("accepted", schedule.is_some());
    // The normalised text means the same; what is refused is refused either way.
    let normalised = parsed(case, "expression");
    case.expect_value("expression", &json!(true), normalised == schedule);
    let alias = schedule.as_ref().and_then(|schedule| match schedule {
        Schedule::Hourly => Some("hourly"),
        Schedule::Daily => Some("daily"),
        Schedule::Weekly => Some("weekly"),
        Schedule::Monthly => Some("monthly"),
        Schedule::Yearly => Some("yearly"),
        Schedule::Cron(_) => None,
    });
    case.expect("alias", alias);
    if let Some(schedule) = schedule
        && case.member("accepted") == json!(true)
    {
        case.expect("json", schedule.as_json());
        case.expect("default_offset", schedule.default_offset().as_str());
        check_instants(case, &schedule);
    }
}

fn check_instants(case: &mut Case, schedule: &Schedule) {
    for at in elements(&case.member("at")) {
        let instant = instant(&at["instant"]);
        for (field, got) in [
            ("next", written(schedule.next(instant), "none")),
            ("previous", written(schedule.previous(instant), "none")),
            ("last_or_same", written(schedule.last(instant), "none")),
            ("aligned", schedule.is_aligned(instant).into()),
            ("parameter", schedule.parameter(instant).into()),
        ] {
            case.expect_value(field, &at[field], got);
        }
    }
    for field in ["range", "empty_range", "unaligned_range", "backward_range", "reversed_range"] {
        let line = case.member(field);
        if line.is_null() {
            continue;
        }
        let (from, to) = (instant(&line["from"]), instant(&line["to"]));
        let range = match field {
            "reversed_range" => schedule.reversed_range(from, to),
            _ => schedule.range(from, to),
        };
        check_range(case, field, &line, range);
    }
    for moved in elements(&case.member("moved")) {
        let count = moved["executions"].as_i64().unwrap_or(i64::MAX);
        let got = schedule.moved(instant(&moved["origin"]), count);
        case.expect_value("moved", &moved["instant"], written(got, "none"));
    }
}

fn check_range(case: &mut Case, field: &str, line: &Value, range: Result<Range<'_>, RangeError>) {
    let rejected = range.as_ref().err().map(ToString::to_string);
    case.expect_value(field, &line["rejected"], rejected);
    if let Ok(range) = range {
        let instants: Vec<DateTime<Utc>> = range.collect();
        let first: Vec<Value> = instants.iter().take(20).map(|at| written(Some(*at), "none")).collect();
        case.expect_value(field, &line["count"], instants.len());
        case.expect_value(field, &line["instants"], first);
    }
}

fn check_parameter_parse(case: &mut Case) {
    let Some(schedule) = parsed(case, "schedule") else {
        return case.fail("the schedule is refused".to_owned());
    };
    let result = schedule.parse_parameter(&case.text("text")).ok();
    case.expect_value("rejected", &(!case.member("rejected").is_null()).into(), result.is_none());
    case.expect("result", result.map(|at| written(Some(at), "")));
    case.expect("canonical_parameter", result.map(|at| schedule.parameter(at)));
}

const FORMS: [&str; 4] = ["date", "date_hour", "month", "year"];

fn check_parameter_parse_forms(case: &mut Case) {
    use ParameterForm::{Date, DateHour, Month, Year};
    let text = case.text("text");
    for (member, form) in FORMS.into_iter().zip([Date, DateHour, Month, Year]) {
        case.expect(member, written(form.parse(&text).ok(), "rejected"));
    }
    case.expect("any", written(ParameterForm::parse_any(&text).ok(), "rejected"));
}

fn check_offset(case: &mut Case) {
    let offset = Offset::parse(&case.text("offset")).ok();
    let instant = case.instant("instant");
    let (plus, minus) = match &offset {
        Some(offset) => (offset.add_to(instant), offset.subtract_from(instant)),
        None => (None, None),
    };
    case.expect("plus", written(plus, "rejected"));
    case.expect("minus", written(minus, "rejected"));
    // What was refused both ways for its text has to be refused as a text.
    let refused = ["plus_message", "minus_message"].iter().all(|of| !case.member(of).is_null());
    if refused {
        case.expect_value("refused as a text", &json!(true), offset.is_none());
    }
}

fn check_next_natural(case: &mut Case) {
    let Some(schedule) = parsed(case, "schedule") else {
        return case.fail("the schedule is refused".to_owned());
    };
    let offset = match case.member("offset").as_str() {
        Some(text) => Offset::parse(text),
        None => Ok(schedule.default_offset()),
    };
    let Ok(offset) = offset else {
        return case.expect("rejected", "offset");
    };
    case.expect("effective_offset", offset.as_str());
    let mut next = schedule.first_natural(&offset, case.instant("now"));
    case.expect("rejected", next.is_none().then_some("never_fires"));
    let expected = elements(&case.member("triggers"));
    let mut triggers = Vec::new();
    while triggers.len() < expected.len()
        && let Some(trigger) = next
    {
        triggers.push(json!({
            "instant": written(Some(trigger.instant), ""),
            "fires_after": written(Some(trigger.fires_at), ""),
        }));
        next = schedule.following(&offset, trigger.instant);
    }
    case.expect_value("triggers", &expected.into(), triggers);
}

fn elements(list: &Value) -> Vec<Value> {
    list.as_array().cloned().unwrap_or_default()
}
