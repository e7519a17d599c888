//! Texts that name partitions: the same instant is the same partition everywhere, and nothing but a trigger is rounded.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use common::{Answer, LONG, Server};
use serde_json::json;
use tempfile::TempDir;

fn server() -> (TempDir, Server) {
    let dir = TempDir::new().unwrap();
    let server = Server::start(&dir.path().join("data"));
    (dir, server)
}

fn instance(workflow: &str, parameter: &str) -> String {
    json!({ "workflow_id": { "component_id": "c", "id": workflow }, "parameter": parameter }).to_string()
}

fn encoded(parameter: &str) -> String {
    parameter.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn events(server: &Server, workflow: &str, parameter: &str) -> Answer {
    server.get(&format!("/api/v3/status/events/c/{workflow}/{}", encoded(parameter)))
}

fn shown(server: &Server, workflow: &str, parameter: &str) -> Answer {
    server.get(&format!("/api/v3/workflows/c/{workflow}/instances/{}", encoded(parameter)))
}

fn explained(server: &Server, workflow: &str, parameter: &str) -> Answer {
    server.get(&format!("/api/v4/explain/c/{workflow}/{}", encoded(parameter)))
}

fn names(answer: &Answer) -> Vec<String> {
    let names: Vec<_> =
        answer.json()["events"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
    names.iter().map(|event| event["@type"].as_str().unwrap().to_owned()).collect()
}

const PARTITION: &str = "x-styx-partition";
const NO_PARTITION: &str = "x-styx-no-partition";

#[test]
fn all_spellings_of_an_instant_are_the_same_partition() {
    let (_dir, server) = server();
    server.store("c", "w", "30 6 * * *", LONG);
    let name = "2024-03-29T06:30:00Z";
    let spellings = ["2024-03-29T06:30", "2024-03-29T08:30+02:00", "2024-03-29T06:30:00.000", name];
    for spelling in spellings {
        let triggered = server.trigger("c", "w", spelling);
        assert_eq!((triggered.status, triggered.header(PARTITION)), (200, Some(name)), "{triggered:?}");
        assert_eq!(triggered.json()["parameter"], spelling);
        server.wait_for("/api/v3/status/activeStates", |json| json["active_states"][0]["state"] == "RUNNING");
        for other in spellings {
            for answer in [events(&server, "w", other), shown(&server, "w", other), explained(&server, "w", other)] {
                assert_eq!((answer.status, answer.header(PARTITION)), (200, Some(name)), "{answer:?}");
                assert_eq!(answer.header(NO_PARTITION), None);
            }
            assert_eq!(shown(&server, "w", other).json()["workflow_instance"]["parameter"], other);
        }
        let expecting = [("X-Styx-Expected-Counter", "0")];
        let early = server.ask("POST", "/api/v3/scheduler/halt", &expecting, Some(&instance("w", spelling)));
        assert_eq!(early.status, 409, "{early:?}");
        // The same request again is answered as it was, and with the instance that it was about.
        for _ in 0..2 {
            let key = [("Idempotency-Key", spelling)];
            let halted = server.ask("POST", "/api/v3/scheduler/halt", &key, Some(&instance("w", spelling)));
            assert_eq!((halted.status, halted.header(PARTITION)), (200, Some(name)), "{halted:?}");
            assert_eq!((halted.json()["parameter"].as_str(), halted.header("x-styx-effect")), (Some(spelling), None));
        }
        assert_eq!(names(&events(&server, "w", name)).last().map(String::as_str), Some("halt"));
    }
}

#[test]
fn a_text_between_two_partitions_names_none() {
    let (_dir, server) = server();
    server.store("c", "w", "weekly", LONG);
    let triggered = server.trigger("c", "w", "2024-03-29");
    assert_eq!((triggered.status, triggered.header(PARTITION)), (200, Some("2024-03-25")), "{triggered:?}");
    assert_eq!(triggered.json()["parameter"], "2024-03-29");
    let nearest = "the nearest are 2024-03-25 and 2024-04-01";
    let problem = format!("`2024-03-29` is not a partition of the schedule weeks: {nearest}");
    let body = instance("w", "2024-03-29");
    let event = |kind: &str| format!(r#"{{"@type":"{kind}","workflow_instance":"c#w#2024-03-29"}}"#);
    for (path, body) in [
        ("halt", body.clone()),
        ("retry", body.clone()),
        ("events", event("halt")),
        ("events", event("dequeue")),
        ("events", event("timeout")),
    ] {
        // Styx answers so, and the command looks at the headers.
        let answer = server.post(&format!("/api/v3/scheduler/{path}"), &body);
        assert_eq!((answer.status, answer.header("x-styx-effect")), (200, Some("none")), "{answer:?}");
        assert_eq!((answer.header(NO_PARTITION), answer.header(PARTITION)), (Some(problem.as_str()), None));
        let expecting = [("X-Styx-Expected-Counter", "none")];
        let path = format!("/api/v3/scheduler/{path}");
        server.ask("POST", &path, &expecting, Some(&body)).check(404, &problem);
    }
    let none = events(&server, "w", "2024-03-29");
    assert_eq!((none.body.as_str(), none.header(NO_PARTITION)), (r#"{"events":[]}"#, Some(problem.as_str())));
    let none = shown(&server, "w", "2024-03-29");
    assert_eq!(none.check(404, "Workflow instance not found").header(NO_PARTITION), Some(problem.as_str()));
    explained(&server, "w", "2024-03-29").check(404, &problem);
    for (text, near) in [("2024-3-25", "2024-03-25"), ("2024-03-25t00z", "2024-03-25"), ("é", "YYYY-MM-DD")] {
        let none = events(&server, "w", text);
        let problem = none.header(NO_PARTITION).unwrap();
        assert!(none.status == 200 && problem.contains(near), "{none:?}");
    }
    // An aligned one without a run is an instance of which there is nothing to tell.
    let never = events(&server, "w", "2024-04-01");
    assert_eq!((never.header(NO_PARTITION), never.header(PARTITION)), (None, Some("2024-04-01")));
    assert_eq!(names(&events(&server, "w", "2024-03-25T00"))[0], "triggerExecution");
}

#[test]
fn runs_under_old_names_stay_reachable() {
    let (_dir, server) = server();
    server.store("c", "w", "hourly", LONG);
    assert_eq!(server.trigger("c", "w", "2024-03-29T06").status, 200);
    server.store("c", "w", "0 * * * *", LONG);
    let (old, new) = ("2024-03-29T06", "2024-03-29T06:00:00Z");
    assert_eq!(events(&server, "w", old).header(PARTITION), Some(old));
    assert_eq!(events(&server, "w", new).header(PARTITION), Some(new));
    assert_eq!(names(&events(&server, "w", new)), [""; 0]);
    assert_eq!(events(&server, "w", "2024-03-29T07").header(PARTITION), Some("2024-03-29T07:00:00Z"));
    assert_eq!(server.trigger("c", "w", old).header(PARTITION), Some(new));
    let halted = server.post("/api/v3/scheduler/halt", &instance("w", old));
    assert_eq!((halted.header(PARTITION), halted.header("x-styx-effect")), (Some(old), None), "{halted:?}");
    assert_eq!(names(&events(&server, "w", old)).last().map(String::as_str), Some("halt"));
    assert_ne!(names(&events(&server, "w", new)).last().map(String::as_str), Some("halt"));
    // Of a workflow that is gone, the instant finds what ran.
    assert_eq!(server.ask("DELETE", "/api/v3/workflows/c/w", &[], None).status, 204);
    let halted = server.post("/api/v3/scheduler/halt", &instance("w", "2024-03-29T08:00+02:00"));
    assert_eq!((halted.status, halted.header(PARTITION)), (200, Some(new)), "{halted:?}");
    server.post("/api/v3/scheduler/halt", &instance("w", "2024-03-29T07")).check(404, "workflow not found");
}

#[test]
fn the_ends_of_a_backfill_are_any_texts_of_partitions() {
    let (_dir, server) = server();
    for (id, schedule) in [("cron", "30 6 * * *"), ("month", "monthly"), ("year", "yearly"), ("day", "daily")] {
        server.store("c", id, schedule, "{}");
    }
    let create = |workflow: &str, start: &str, end: &str, reverse: bool| {
        let body = json!({
            "component": "c", "workflow": workflow, "start": start, "end": end, "concurrency": 1, "reverse": reverse,
        });
        server.post("/api/v3/backfills", &body.to_string())
    };
    for (workflow, start, end, instants) in [
        ("cron", "2024-03-29T06:30", "2024-03-31T08:30+02:00", ["2024-03-29T06:30:00Z", "2024-03-31T06:30:00Z"]),
        ("month", "2024-01", "2024-03-01", ["2024-01-01T00:00:00Z", "2024-03-01T00:00:00Z"]),
        ("year", "2020", "2022", ["2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z"]),
        ("day", "2024-01-01", "2024-01-03T00:00:00Z", ["2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z"]),
    ] {
        // The years of the backfill in reverse are others, since those of the first may be active.
        for (reverse, decade) in [(false, "202"), (true, "201")] {
            let moved = |text: &str| text.replacen("202", decade, 1);
            let made = create(workflow, &moved(start), &moved(end), reverse);
            let [start, end] = instants.map(moved);
            assert_eq!(made.status, 200, "{made:?}");
            assert_eq!((&made.json()["start"], &made.json()["end"]), (&json!(start), &json!(end)));
        }
    }
    for (workflow, start, end, problem) in [
        (
            "cron",
            "2024-03-29T07:00",
            "2024-03-31T06:30",
            "the nearest are 2024-03-29T06:30:00Z and 2024-03-30T06:30:00Z",
        ),
        ("cron", "2024-03-29T06:30Z", "2024-03-31", "2024-03-31T06:30:00Z, and end is exclusive"),
        ("day", "2024-03", "2024-04-01", "the nearest is 2024-03-01"),
        ("day", "2024-03-01T06:00:00Z", "2024-04-01", "the nearest are 2024-03-01 and 2024-03-02"),
        ("day", "tomorrow", "2024-04-01", "its partitions look like YYYY-MM-DD"),
        ("month", "2024-03", "2024-03", "end is exclusive"),
    ] {
        let refused = create(workflow, start, end, false);
        assert!(refused.status == 400 && refused.reason.contains(problem), "{refused:?}");
    }
    let all = server.get("/api/v3/backfills?showAll=true").json();
    assert_eq!(all["backfills"].as_array().unwrap().len(), 8);
}

#[test]
fn a_page_of_a_backfill_counts_all_its_instances() {
    let (_dir, server) = server();
    server.store("c", "w", "hourly", r#"{"STYX_FAKE_DURATION_MS":"1","STYX_FAKE_EXIT_CODE":"0"}"#);
    for reverse in [false, true] {
        let (start, end) = if reverse { ("2024-03-01", "2024-03-03") } else { ("2024-04-01", "2024-04-03") };
        let body = json!({
            "component": "c", "workflow": "w", "start": start, "end": end, "concurrency": 8, "reverse": reverse,
        });
        let made = server.post("/api/v3/backfills", &body.to_string()).json();
        let path = format!("/api/v3/backfills/{}", made["id"].as_str().unwrap());
        let states = |json: &serde_json::Value| json["statuses"]["active_states"].as_array().unwrap().clone();
        let is_done = |json: &serde_json::Value| states(json).iter().all(|state| state["state"] == "DONE");
        let all = states(&server.wait_for(&path, is_done));
        assert_eq!(all.len(), 48);
        let page = |headers: &[(&str, &str)]| server.ask("GET", &path, headers, None);
        let (mut seen, mut next) = (Vec::new(), Some(format!("{start}T00:00Z")));
        while let Some(from) = next {
            let answer = page(&[("X-Styx-From", &from), ("X-Styx-Limit", "20")]).json();
            assert_eq!(answer["counts"], json!({ "DONE": 48 }));
            seen.extend(states(&answer));
            next = answer["next"].as_str().map(str::to_owned);
        }
        assert_eq!(seen, all);
        assert_eq!(states(&page(&[("X-Styx-Limit", "0")]).json()), [json!(null); 0]);
        assert_eq!(states(&page(&[("X-Styx-From", "2024-04-02T20")]).json()).len(), if reverse { 0 } else { 4 });
        let nearest = "the nearest are 2024-04-02T20 and 2024-04-02T21";
        assert!(page(&[("X-Styx-From", "2024-04-02T20:30")]).reason.contains(nearest));
        page(&[("X-Styx-Limit", "all")]).check(400, "x-styx-limit must be a whole number");
        assert!(server.get(&path).json().get("counts").is_none());
    }
    // Most of a long one waits, and nothing is read of that.
    server.store("c", "long", "* * * * *", LONG);
    let body = json!({
        "component": "c", "workflow": "long", "start": "2024-01-01T00:00", "end": "2024-07-01T00:00", "concurrency": 2,
    });
    let made = server.post("/api/v3/backfills", &body.to_string()).json();
    let path = format!("/api/v3/backfills/{}", made["id"].as_str().unwrap());
    server.wait_for("/api/v3/status/activeStates?component=c&workflow=long", |json| {
        let states = json["active_states"].as_array().unwrap();
        states.len() == 2 && states.iter().all(|state| state["state"] == "RUNNING")
    });
    let answer = server.ask("GET", &path, &[("X-Styx-Limit", "1")], None).json();
    assert_eq!(answer["counts"], json!({ "RUNNING": 2, "WAITING": 182 * 1_440 - 2 }));
    assert_eq!(answer["next"], "2024-01-01T00:01:00Z");
}
