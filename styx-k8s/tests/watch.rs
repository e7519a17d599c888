//! When a watch is resumed, begun anew, or hung up.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use styx_k8s::{
    answer::Answer,
    watch::{Event, Page, Request, Watch, WatchError, WatchRules},
};

fn pod(kind: &str, version: &str) -> Event {
    event(
        &json!({"type": kind, "object": {"kind": "Pod", "metadata": {"name": "p", "uid": "u", "resourceVersion": version}}}),
    )
}

fn event(json: &Value) -> Event {
    Event::from_json(json.to_string().as_bytes()).expect("JSON")
}

fn error(code: i64, reason: &str, message: &str) -> Event {
    event(&json!({"type": "ERROR", "object": {"kind": "Status", "code": code, "reason": reason, "message": message}}))
}

fn listed(version: &str) -> Watch {
    let mut watch = Watch::new(WatchRules::default());
    watch.listed(version);
    watch.opened();
    watch
}

fn refused(watch: &mut Watch, status: u16, body: &Value) {
    watch.refused(Answer::Http { status, retry_after: None, body: body.to_string().as_bytes() });
}

fn from(version: &str) -> Request {
    Request::Watch { resource_version: version.to_owned(), timeout_seconds: 290 }
}

#[test]
fn it_lists_once_and_goes_on_from_what_it_saw_last() {
    let mut watch = Watch::new(WatchRules::default());
    assert_eq!(watch.next().request, Request::List);
    assert!(!watch.is_in_contact());
    watch.listed("100");
    assert!(watch.is_in_contact());
    watch.opened();
    assert_eq!(watch.next().request, from("100"));
    watch.received(&pod("ADDED", "105"));
    watch.received(&pod("MODIFIED", "104"));
    watch.ended();
    assert_eq!((watch.next().request, watch.next().after), (from("105"), Duration::ZERO));
    watch.opened();
    watch.received(&event(
        &json!({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "200"}}}),
    ));
    watch.received(&pod("DELETED", "210"));
    watch.received(&event(&json!({"type": "OF_A_LATER_RELEASE", "object": {"metadata": {"resourceVersion": "1"}}})));
    watch.received(&event(&json!({"type": "BOOKMARK", "object": {}})));
    assert_eq!(watch.next().request, from("210"));
}

#[test]
fn a_version_that_is_too_old_leads_to_a_list() {
    let status =
        json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 5 (9)"});
    for (status_code, body) in [(410, status.clone()), (410, json!("Gone")), (410, json!({}))] {
        let mut watch = listed("100");
        refused(&mut watch, status_code, &body);
        assert_eq!((watch.next().request, watch.next().after), (Request::List, Duration::ZERO));
        assert!(!watch.is_reset());
    }
    for event in [error(410, "Expired", "too old"), error(410, "Gone", ""), error(0, "Expired", ""), error(410, "", "")]
    {
        let mut watch = listed("100");
        watch.received(&pod("ADDED", "120"));
        watch.received(&event);
        watch.ended();
        assert_eq!(watch.next().request, Request::List);
        watch.listed("130");
        assert_eq!(watch.next().request, from("130"));
    }
}

#[test]
fn a_version_that_is_too_large_is_tried_twice_again() {
    let body = json!({"kind": "Status", "code": 504, "reason": "Timeout", "message": "in other words",
        "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}});
    let mut watch = listed("900");
    for _ in 0..2 {
        refused(&mut watch, 504, &body);
        assert_eq!(watch.next().request, from("900"));
        assert!(watch.next().after > Duration::ZERO);
    }
    watch.opened();
    watch.received(&error(504, "Timeout", "Timeout: Too large resource version: 900, current: 60"));
    watch.ended();
    assert_eq!(watch.next().request, Request::List);
    // The list may be older than what was seen.
    assert!(watch.is_reset());
    watch.listed("60");
    assert!(!watch.is_reset());
    assert_eq!(watch.next().request, from("60"));
    watch.received(&pod("MODIFIED", "61"));
    assert_eq!(watch.next().request, from("61"));
}

#[test]
fn anything_else_is_tried_again_later_and_then_with_a_list() {
    let mut watch = listed("100");
    let mut delays = Vec::new();
    for _ in 0..4 {
        refused(&mut watch, 503, &json!("down"));
        assert_eq!(watch.next().request, from("100"));
        assert!(!watch.is_in_contact());
        delays.push(watch.next().after.as_secs());
    }
    assert_eq!(delays, [1, 2, 4, 8]);
    watch.refused(Answer::Http { status: 429, retry_after: Some("77"), body: b"slow down" });
    assert_eq!((watch.next().request, watch.next().after), (Request::List, Duration::from_secs(77)));
    for _ in 0..100 {
        watch.refused(Answer::None { error: "no route" });
        assert!(watch.next().after <= Duration::from_secs(30));
    }
    watch.listed("300");
    assert_eq!((watch.next().request, watch.next().after), (from("300"), Duration::ZERO));
    // A connection that breaks says nothing about the version.
    let mut watch = listed("100");
    for _ in 0..100 {
        watch.refused(Answer::None { error: "connection refused" });
        assert_eq!(watch.next().request, from("100"));
    }
}

#[test]
fn credentials_are_renewed_at_once_and_then_with_delays() {
    let mut watch = listed("100");
    refused(&mut watch, 401, &json!("Unauthorized"));
    let next = watch.next();
    assert_eq!((next.request, next.after, next.renew_credentials), (from("100"), Duration::ZERO, true));
    refused(&mut watch, 401, &json!("Unauthorized"));
    assert!(watch.next().after > Duration::ZERO && watch.next().renew_credentials && !watch.is_in_contact());
    watch.opened();
    watch.received(&pod("ADDED", "101"));
    assert!(!watch.next().renew_credentials && watch.is_in_contact());
}

#[test]
fn silence_is_hung_up() {
    let seconds = Duration::from_secs;
    let mut watch = listed("100");
    assert!(!watch.should_hang_up(seconds(179), seconds(200)));
    assert!(watch.is_in_contact());
    assert!(watch.should_hang_up(seconds(180), seconds(200)));
    assert!(!watch.is_in_contact());
    assert_eq!((watch.next().request, watch.next().after), (from("100"), Duration::ZERO));
    // One that goes on for longer than it was asked to is hung up, too, though it speaks.
    let mut watch = listed("100");
    assert!(!watch.should_hang_up(seconds(1), seconds(319)));
    assert!(watch.should_hang_up(seconds(1), seconds(320)));
    assert!(watch.is_in_contact());
}

#[test]
fn a_watch_that_ends_at_once_again_and_again_is_slowed_down() {
    let mut watch = listed("100");
    let mut waits = Vec::new();
    for _ in 0..7 {
        watch.opened();
        watch.ended();
        waits.push(watch.next().after.as_secs());
    }
    assert!(waits.iter().all(|wait| (1..=30).contains(wait)), "{waits:?}");
    assert!(watch.is_in_contact());
    assert_eq!(watch.next().request, from("100"));
}

#[test]
fn an_event_that_was_cut_is_no_event() {
    let whole =
        json!({"type": "MODIFIED", "object": {"metadata": {"name": "p", "uid": "u"}, "status": {"phase": "Failed"}}});
    let whole = whole.to_string();
    for end in 1..whole.len() {
        assert!(Event::from_json(&whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
    }
    assert!(matches!(Event::from_json(whole.as_bytes()), Ok(Event::Applied(_))));
    // The members may come in any order.
    let turned = br#"{"object":{"status":{"phase":"Failed"},"metadata":{"uid":"u"}},"type":"DELETED"}"#;
    assert!(matches!(Event::from_json(turned), Ok(Event::Deleted(pod)) if pod.phase == "Failed"));
    assert_eq!(error(500, "InternalError", "x"), Event::Error(WatchError::Other));
}

#[test]
fn pages_of_a_list() {
    let page = json!({"kind": "PodList", "metadata": {"resourceVersion": "9", "continue": "c"},
        "items": [{"metadata": {"name": "a", "creationTimestamp": "odd"}}, null, {"metadata": {"name": "b"}}]});
    let page = Page::from_json(page.to_string().as_bytes()).expect("a page");
    assert_eq!((page.resource_version.as_str(), page.continue_token.as_deref(), page.pods.len()), ("9", Some("c"), 3));
    assert_eq!(page.pods[2].name, "b");
    for none in [
        "",
        "x",
        "{}",
        "[]",
        "{\"kind\":\"Status\",\"metadata\":{\"resourceVersion\":\"9\"}}",
        "{\"kind\":\"PodList\"}",
    ] {
        assert!(Page::from_json(none.as_bytes()).is_err(), "{none}");
    }
}

proptest! {
    /// Whatever happens, there is something to send, after a bounded wait, and a list ends every trouble.
    #[test]
    fn it_never_gets_stuck(steps in prop::collection::vec((0_u8..8, 0_u64..1_000), 0..60)) {
        let mut watch = Watch::new(WatchRules::default());
        for (step, number) in steps {
            let version = number.to_string();
            match step {
                0 => watch.listed(&version),
                1 => watch.received(&pod("MODIFIED", &version)),
                2 => watch.received(&error(410, "Expired", "")),
                3 => watch.received(&error(504, "Timeout", "Too large resource version")),
                4 => watch.ended(),
                5 => refused(&mut watch, u16::try_from(number).expect("small"), &json!("x")),
                6 => watch.opened(),
                _ => drop(watch.should_hang_up(Duration::from_secs(number), Duration::from_secs(number))),
            }
            prop_assert!(watch.next().after <= Duration::from_secs(30));
            if let Request::Watch { resource_version, .. } = watch.next().request {
                prop_assert!(!resource_version.is_empty());
            }
        }
        watch.listed("5");
        prop_assert_eq!(watch.next().request, from("5"));
        prop_assert_eq!(watch.next().after, Duration::ZERO);
        prop_assert!(watch.is_in_contact() && !watch.is_reset());
    }
}
