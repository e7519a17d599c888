//! Every method asks for what the contract names: method, path, query, and the headers that it adds.

#![expect(clippy::unwrap_used, reason = "clippy knows the tests, but not what helps them")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use styx_client::{
    ActiveStates, BackfillFilter, BackfillInput, Change, Client, EditableBackfillInput, Error, Event, EventKind, Host,
    InstancesPage, Limit, Resource, Retries, RetryOptions, RuntimeConfigPatch, TestServiceAccountUsageRequest,
    WorkflowFilter, WorkflowInstance, WorkflowState,
};

/// What a call sends: the request line without the version, the body, and the expected counter if there is one.
#[track_caller]
fn check<T: std::fmt::Debug>(ask: impl FnOnce(&Client) -> Result<T, Error>, expected: &str, body: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut request, mut buffer) = (String::new(), [0; 4096]);
        let is_whole = |request: &str| {
            let (head, body) = request.split_once("\r\n\r\n")?;
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            (body.len() >= length.unwrap_or(0)).then_some(())
        };
        while is_whole(&request).is_none() {
            let read = stream.read(&mut buffer).unwrap();
            request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
        request
    });
    let client = Client::new(&host).unwrap().with_retries(Retries::NONE);
    assert!(matches!(ask(&client), Err(Error::Api(error)) if error.status == 404));
    let request = server.join().unwrap();
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    let mut line = head.split_once(" HTTP/1.1").unwrap().0.to_owned();
    for header in head.lines().map(str::to_lowercase) {
        if let Some(counter) = header.strip_prefix("x-styx-expected-counter: ") {
            line.push_str(&format!(" expecting {counter}"));
        }
    }
    assert_eq!((line.as_str(), sent), (expected, body));
}

const C: &str = "a b";
const INSTANCE: &str = r#"{"workflow_id":{"component_id":"a b","id":"w"},"parameter":"p"}"#;

fn instance() -> WorkflowInstance {
    WorkflowInstance::new(C, "w", "p")
}

#[test]
fn workflows() {
    let at = "2024-05-06T07:00:00Z".parse().unwrap();
    let filter =
        WorkflowFilter { deployment_type: Some("x/y".into()), deployed_before: Some(at), deployed_after: Some(at) };
    let pairs =
        "deployment_type=x%2Fy&deployment_time_before=2024-05-06T07:00:00Z&deployment_time_after=2024-05-06T07:00:00Z";
    check(Client::workflows, "GET /api/v3/workflows", "");
    check(|client| client.workflows_where(&WorkflowFilter::default()), "GET /api/v3/workflows", "");
    check(|client| client.workflows_where(&filter), &format!("GET /api/v3/workflows?{pairs}"), "");
    check(|client| client.workflows_with_state(&filter), &format!("GET /api/v3/workflows?full=true&{pairs}"), "");
    check(|client| client.workflows_of(C), "GET /api/v3/workflows/a%20b", "");
    check(|client| client.workflow(C, "w"), "GET /api/v3/workflows/a%20b/w", "");
    check(|client| client.workflow_with_state(C, "w"), "GET /api/v3/workflows/a%20b/w/full", "");
    check(|client| client.workflow_state(C, "w"), "GET /api/v3/workflows/a%20b/w/state", "");
    check(|client| client.schedule_state(C, "w"), "GET /api/v4/workflows/a%20b/w/state", "");
    check(Client::owed, "GET /api/v4/owed", "");
    check(|client| client.delete_workflow(C, "w"), "DELETE /api/v3/workflows/a%20b/w", "");
    let state = WorkflowState { enabled: Some(true), ..WorkflowState::default() };
    let body = r#"{"enabled":true,"next_natural_trigger":null,"next_natural_offset_trigger":null}"#;
    check(|client| client.update_workflow_state(C, "w", &state), "PATCH /api/v3/workflows/a%20b/w/state", body);
}

#[test]
fn instances() {
    let path = "GET /api/v3/workflows/a%20b/w/instances";
    let page = |page: InstancesPage<'static>| move |client: &Client| client.instances(C, "w", page);
    check(page(InstancesPage::From { offset: None, limit: 7 }), &format!("{path}?limit=7"), "");
    check(page(InstancesPage::From { offset: Some("p q"), limit: 0 }), &format!("{path}?offset=p%20q&limit=0"), "");
    check(page(InstancesPage::Range { start: "p", stop: None }), &format!("{path}?start=p"), "");
    check(page(InstancesPage::Range { start: "p", stop: Some("q") }), &format!("{path}?start=p&stop=q"), "");
    check(page(InstancesPage::Tail { limit: 7 }), &format!("{path}?limit=7&tail=true"), "");
    check(|client| client.executions(&instance()), &format!("{path}/p"), "");
    check(|client| client.events(&instance()), "GET /api/v3/status/events/a%20b/w/p", "");
    let states = |which: ActiveStates<'static>| move |client: &Client| client.active_states_of(which);
    let path = "GET /api/v3/status/activeStates";
    check(states(ActiveStates::All), path, "");
    check(states(ActiveStates::Component(C)), &format!("{path}?component=a%20b"), "");
    check(states(ActiveStates::Workflow(C, "w")), &format!("{path}?component=a%20b&workflow=w"), "");
    check(states(ActiveStates::Components(&[C, "d"])), &format!("{path}?components=a%20b,d"), "");
}

#[test]
fn operations() {
    check(|client| client.halt(&instance()), "POST /api/v3/scheduler/halt", INSTANCE);
    check(|client| client.halt_expecting(&instance(), Some(7)), "POST /api/v3/scheduler/halt expecting 7", INSTANCE);
    check(|client| client.retry(&instance()), "POST /api/v3/scheduler/retry", INSTANCE);
    let options = RetryOptions { delay_millis: Some(-1), expected_counter: Some(0) };
    check(
        |client| client.retry_with(&instance(), options),
        "POST /api/v3/scheduler/retry?delay=-1 expecting 0",
        INSTANCE,
    );
    let event = Event { workflow_instance: instance().key(), kind: EventKind::Timeout {} };
    let body = r#"{"@type":"timeout","workflow_instance":"a b#w#p"}"#;
    check(|client| client.inject(&event), "POST /api/v3/scheduler/events", body);
    let request = TestServiceAccountUsageRequest { service_account: "s".into(), principal: "p".into() };
    check(
        |client| client.test_service_account_usage(&request),
        "POST /api/v3/status/testServiceAccountUsageAuthorization",
        r#"{"service_account":"s","principal":"p"}"#,
    );
    check(Client::ping, "GET /ping", "");
}

#[test]
fn resources() {
    let resource = Resource { id: "r/s".into(), concurrency: 3 };
    let body = r#"{"id":"r/s","concurrency":3}"#;
    check(Client::resources, "GET /api/v3/resources", "");
    check(|client| client.resource("r/s"), "GET /api/v3/resources/r%2Fs", "");
    check(|client| client.create_resource(&resource), "POST /api/v3/resources", body);
    check(|client| client.update_resource(&resource), "PUT /api/v3/resources/r%2Fs", body);
    check(|client| client.delete_resource("r/s"), "DELETE /api/v3/resources/r%2Fs", "");
}

#[test]
fn backfills() {
    let all = BackfillFilter::default();
    check(|client| client.backfills(&all, false), "GET /api/v3/backfills?showAll=false&status=false", "");
    let some = BackfillFilter {
        component: Some(C.into()),
        workflow: Some("w".into()),
        show_all: true,
        start: Some("2024-05-06".parse().unwrap()),
    };
    check(
        |client| client.backfills(&some, true),
        "GET /api/v3/backfills?component=a%20b&workflow=w&showAll=true&status=true&start=2024-05-06",
        "",
    );
    check(|client| client.backfill("b", true), "GET /api/v3/backfills/b?status=true", "");
    check(|client| client.halt_backfill("b", true), "DELETE /api/v3/backfills/b?graceful=true", "");
    let edit = EditableBackfillInput { id: "b".into(), concurrency: None, description: Some("d".into()) };
    let body = r#"{"id":"b","concurrency":null,"description":"d"}"#;
    check(|client| client.edit_backfill(&edit), "PUT /api/v3/backfills/b", body);
    let input = BackfillInput {
        start: "2024-05-06T00:00:00Z".parse().unwrap(),
        end: "2024-05-07T00:00:00Z".parse().unwrap(),
        component: C.into(),
        workflow: "w".into(),
        concurrency: 1,
        reverse: false,
        description: None,
        trigger_parameters: None,
    };
    let body = r#"{"start":"2024-05-06T00:00:00Z","end":"2024-05-07T00:00:00Z","component":"a b","workflow":"w","concurrency":1,"reverse":false,"description":null,"trigger_parameters":null}"#;
    check(|client| client.create_backfill(&input, true), "POST /api/v3/backfills?allowFuture=true", body);
}

#[test]
fn what_only_this_server_has() {
    check(Client::config, "GET /api/v4/config", "");
    let patch = RuntimeConfigPatch {
        concurrency: Change::Set(Limit::None),
        client_blacklist: Change::Set(BTreeSet::from(["x".to_owned()])),
        debug: Change::Reset,
        ..RuntimeConfigPatch::default()
    };
    let body = r#"{"concurrency":"none","client_blacklist":["x"],"debug":null}"#;
    check(|client| client.change_config(&patch), "PATCH /api/v4/config", body);
    check(|client| client.explain(&instance()), "GET /api/v4/explain/a%20b/w/p", "");
    check(Client::checkpoints, "GET /api/v4/checkpoints", "");
    check(Client::create_checkpoint, "POST /api/v4/checkpoints", "");
}
