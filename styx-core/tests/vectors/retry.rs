//! What follows from the end of a try, and how long a run waits.

use chrono::TimeDelta;
use serde_json::Value;
use styx_core::{
    condition::{Condition, EvaluateConditionError, Problem, Variables},
    config::{Backoff, Config},
    run::State,
    verdict::{Delay, Ended, Verdict, verdict},
};

use crate::harness::{Case, Rule, Verdict as Answer};

/// Quirks of a line that the file doesn't name.
pub(crate) fn quirks(line: &Value) -> Vec<&'static str> {
    let has_crash = line["cases"].as_array().into_iter().flatten().any(|case| case["outcome"] == "crash");
    if has_crash { vec!["crash"] } else { Vec::new() }
}

/// What we do with the quirks of `retry.jsonl`.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        quirk: "division_by_zero",
        kinds: &[],
        verdict: Answer::Adapted(expect_error_for_crash),
        count: 33,
        reason: "a division by zero is an error like any other, and not met (W-6)",
        anchor: "condition-division-by-zero",
    },
    Rule {
        quirk: "crash",
        kinds: &["condition"],
        verdict: Answer::Adapted(expect_error_for_crash),
        count: 40,
        reason: "what stopped the run's handler is an error like any other, and not met (W-6)",
        anchor: "condition-division-by-zero",
    },
    Rule {
        quirk: "variable_changed",
        kinds: &["condition"],
        verdict: Answer::Adapted(expect_error),
        count: 1,
        reason: "a condition changes nothing",
        anchor: "condition-changes-nothing",
    },
    Rule {
        quirk: "history_dependent",
        kinds: &["condition"],
        verdict: Answer::Copied,
        count: 11,
        reason: "the answer is always that of a first evaluation",
        anchor: "",
    },
    Rule {
        quirk: "other_property",
        kinds: &["condition"],
        verdict: Answer::Excused,
        count: 33,
        reason: "conditions have a few properties of their own, not those of Java's classes",
        anchor: "condition-properties",
    },
];

pub(crate) fn check(case: &mut Case) {
    match case.text("kind").as_str() {
        "condition" => check_condition(case),
        "decision" => check_decision(case),
        "backoff" => check_backoff(case),
        kind => case.fail(format!("the kind {kind} is not known")),
    }
}

fn check_condition(case: &mut Case) {
    let condition = Condition::parse(&case.text("expression"));
    case.expect("accepted_by_validation", condition.is_ok());
    for (index, expected) in case.member("cases").as_array().into_iter().flatten().enumerate() {
        let trigger = expected["trigger_type"].as_str();
        let answer = condition.as_ref().map(|condition| condition.evaluate(&variables(expected, trigger)));
        let is_unknown = |error: &EvaluateConditionError| matches!(error.problem, Problem::UnknownProperty { .. });
        let was_known = expected["outcome"] != "error" && expected["outcome"] != "crash";
        if was_known && answer.as_ref().is_ok_and(|answer| answer.as_ref().is_err_and(is_unknown)) {
            case.excuse("other_property");
            continue;
        }
        let outcome = match &answer {
            Ok(Ok(Some(true))) => "true",
            Ok(Ok(Some(false))) => "false",
            Ok(Ok(None)) => "null",
            Ok(Err(_)) => "error",
            Err(_) => "unparsable",
        };
        if expected["outcome"] != outcome || expected["retry"] != (outcome == "true") {
            case.fail(format!(
                "`{}`, case {index}: expected {expected}, got {outcome} {answer:?}",
                case.text("expression")
            ));
        }
    }
}

/// The variables as a line gives them.
fn variables<'a>(line: &Value, trigger_type: Option<&'a str>) -> Variables<'a> {
    let count = |member: &str| u32::try_from(line[member].as_u64().unwrap_or_default()).unwrap_or(u32::MAX);
    Variables {
        exit_code: line["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok()),
        tries: count("tries"),
        consecutive_failures: count("consecutive_failures"),
        trigger_type,
    }
}

fn check_decision(case: &mut Case) {
    let Some(state) = State::from_name(&case.text("state")) else {
        return case.fail("unknown state".to_owned());
    };
    let ended = Ended {
        state,
        last_exit: case.member("last_exit").as_i64().and_then(|code| i32::try_from(code).ok()),
        cost_tenths: tenths(case.member("retry_cost").as_f64().unwrap_or_default()),
        infrastructure_failures: 0,
        infrastructure_limit_passed: false,
        condition_met: condition_met(case),
    };
    let expected = case.member("expected");
    let got = verdict(&ended, Config::default().max_cost_tenths);
    let event = got.map(|verdict| match verdict {
        Verdict::Success => "success",
        Verdict::Stop(_) => "stop",
        Verdict::Retry(_) => "retryAfter",
    });
    case.expect_value("event", &expected["event"], event);
    let Some(Verdict::Retry(delay)) = got else {
        return;
    };
    let class = match delay {
        Delay::MissingDependencies => "missing_dependency",
        Delay::Backoff => "backoff",
        Delay::Infrastructure => "infrastructure",
    };
    case.expect_value("class", &expected["delay"]["class"], class);
    let failures = case.member("consecutive_failures").as_u64().unwrap_or_default();
    let config = Config::default();
    if delay == Delay::Backoff {
        check_bounds(case, &expected["delay"], &config.backoff, u32::try_from(failures).unwrap_or(u32::MAX));
    } else {
        let millis = config.missing_dependencies_delay.num_milliseconds();
        case.expect_value("min_millis", &expected["delay"]["min_millis"], millis);
        case.expect_value("max_millis", &expected["delay"]["max_millis"], millis);
    }
}

/// The condition counts if the workflow is known.
fn condition_met(case: &Case) -> bool {
    let condition = case.member("retry_condition");
    let Some(text) = condition.as_str().filter(|_| case.member("workflow_known") == true) else {
        return true;
    };
    let trigger = case.member("trigger_type");
    let mut line = case.member("cases");
    for member in ["tries", "consecutive_failures"] {
        line[member] = case.member(member);
    }
    line["exit_code"] = case.member("last_exit");
    let condition = Condition::parse(text);
    condition.is_ok_and(|condition| condition.evaluate(&variables(&line, trigger.as_str())) == Ok(Some(true)))
}

fn expect_error_for_crash(line: &mut Value) {
    if line["kind"] == "decision" {
        line["expected"] = serde_json::json!({ "event": "stop" });
    }
    for case in line["cases"].as_array_mut().into_iter().flatten() {
        if case["outcome"] == "crash" {
            case["outcome"] = "error".into();
        }
    }
}

fn expect_error(line: &mut Value) {
    for case in line["cases"].as_array_mut().into_iter().flatten() {
        case["outcome"] = "error".into();
        case["retry"] = false.into();
    }
}

fn check_backoff(case: &mut Case) {
    let number = |member: &str| case.member(member).as_u64().unwrap_or_default();
    let failures = u32::try_from(number("consecutive_failures")).unwrap_or(u32::MAX);
    let max_exponent = u32::try_from(number("max_exponent")).unwrap_or(u32::MAX);
    let base = TimeDelta::milliseconds(i64::try_from(number("base_millis")).unwrap_or(i64::MAX));
    let backoff = Backoff { base, max_exponent };
    let line = serde_json::json!({
        "min_millis": case.member("min_millis"),
        "max_millis": case.member("max_millis"),
        "step_millis": case.member("step_millis"),
    });
    check_bounds(case, &line, &backoff, failures);
    // How often each multiplier is drawn: the list begins with multiplier 1.
    let draws = backoff.draws(failures);
    for (index, expected) in case.member("multiplier_probabilities").as_array().into_iter().flatten().enumerate() {
        let multiplier = index as u64 + 1;
        let hits = (0..draws).filter(|draw| Backoff::multiplier(*draw) == multiplier).count();
        let expected = (expected.as_f64().unwrap_or(-1.0) * draws as f64).round() as usize;
        case.expect_value("multiplier_probabilities", &expected.into(), hits);
    }
}

/// Styx's bounds hold for the multiplier; the delay with our jitter stays within them, or within twice the base.
fn check_bounds(case: &mut Case, line: &Value, backoff: &Backoff, failures: u32) {
    let base = backoff.base.num_milliseconds();
    let millis = |draw: u64| base * i64::try_from(Backoff::multiplier(draw)).unwrap_or(i64::MAX);
    let longest = millis(backoff.draws(failures) - 1);
    case.expect_value("step_millis", &line["step_millis"], base);
    case.expect_value("min_millis", &line["min_millis"], millis(0));
    case.expect_value("max_millis", &line["max_millis"], longest);
    for random in [0, 1, u64::MAX, u64::MAX >> 1, 0x0123_4567_89ab_cdef, u64::from(u32::MAX), u64::MAX << 32] {
        let delay = backoff.delay(failures, random).num_milliseconds();
        if delay < base || delay > longest.max(2 * base) {
            case.fail(format!("random {random:x}: {delay} ms is out of bounds"));
        }
    }
}

/// Styx compares doubles; of a cost just below the limit only the whole tenths count (SM-75).
fn tenths(cost: f64) -> u32 {
    (cost * 10.0).floor() as u32
}
