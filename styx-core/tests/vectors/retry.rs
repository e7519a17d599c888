//! What follows from the end of a try, and how long a run waits.

use chrono::TimeDelta;
use serde_json::Value;
use styx_core::{
    config::{Backoff, Config},
    run::State,
    verdict::{Delay, Ended, Verdict, verdict},
};

use crate::harness::{Case, Rule};

/// Lines without a condition carry no quirk.
pub(crate) const RULES: &[Rule] = &[];

/// Whether a line needs no retry condition: those come with the issue that reads conditions.
pub(crate) fn is_in_scope(line: &Value) -> bool {
    match line["kind"].as_str() {
        Some("decision") => line["retry_condition"].is_null(),
        Some("condition") => false,
        _ => true,
    }
}

pub(crate) fn check(case: &mut Case) {
    match case.text("kind").as_str() {
        "decision" => check_decision(case),
        "backoff" => check_backoff(case),
        kind => case.fail(format!("the kind {kind} is not known")),
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
        condition_met: true,
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
