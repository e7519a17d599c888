//! The examples of the API's description, read and written again byte for byte.

#![expect(clippy::unwrap_used, reason = "clippy knows the tests, but not what helps them")]

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use styx_client::{
    Backfill, BackfillInput, BackfillsPayload, EditableBackfillInput, Event, EventKind, EventsPayload,
    ResourcesPayload, RunStateDataPayload, StateData, TestServiceAccountUsageResponse, TriggerResponse, Workflow,
    WorkflowId, WorkflowInstance, WorkflowInstanceExecutionData, WorkflowState, WorkflowWithState, json,
};

#[track_caller]
fn round_trip<T: DeserializeOwned + Serialize + Debug>(text: &str) -> T {
    let value: T = json::from_slice(text.as_bytes()).unwrap();
    assert_eq!(json::to_string(&value).unwrap(), text);
    value
}

#[test]
fn ids() {
    round_trip::<WorkflowId>(r#"{"component_id":"sales","id":"daily-report"}"#);
    let instance: WorkflowInstance =
        round_trip(r#"{"workflow_id":{"component_id":"sales","id":"daily-report"},"parameter":"2024-05-06"}"#);
    assert_eq!(instance.key(), "sales#daily-report#2024-05-06");
}

#[test]
fn workflows() {
    round_trip::<Workflow>(
        r##"{"component_id":"sales","workflow_id":"daily-report","configuration":{"id":"daily-report","schedule":"days","offset":"P1DT2H","commit_sha":"4f1c9e","docker_image":"registry.example.org/report:7","docker_args":["--day","{}"],"docker_termination_logging":false,"service_account":null,"resources":["warehouse"],"env":{"MODE":"full"},"running_timeout":5400.000000000,"retry_condition":"#tries < 4","flyte_exec_conf":null,"deployment_source":{"repository":"acme/reports","source":"deployer/eu1/reports.yaml"},"deployment_time":"2024-05-06T09:10:11.120Z"}}"##,
    );
    round_trip::<Workflow>(
        r#"{"component_id":"sales","workflow_id":"daily-report","configuration":{"id":"daily-report","schedule":"days","offset":null,"commit_sha":null,"docker_image":"busybox:1.36","docker_args":["echo","{}"],"docker_termination_logging":false,"service_account":null,"resources":[],"env":{},"running_timeout":null,"retry_condition":null,"flyte_exec_conf":null,"deployment_source":null,"deployment_time":"2024-05-06T09:10:11.120Z"}}"#,
    );
    round_trip::<Workflow>(
        r#"{"component_id":"ml","workflow_id":"score","configuration":{"id":"score","schedule":"0 3 * * mon","offset":null,"commit_sha":null,"docker_image":null,"docker_args":null,"docker_termination_logging":false,"service_account":null,"resources":[],"env":{},"running_timeout":90.500000000,"retry_condition":null,"flyte_exec_conf":{"reference_id":{"resource_type":"LAUNCH_PLAN","project":"ml","domain":"production","name":"score.users","version":"v12"},"input_fields":{"day":"{}"}},"deployment_source":null,"deployment_time":null}}"#,
    );
}

#[test]
fn workflow_states() {
    round_trip::<WorkflowState>(
        r#"{"enabled":true,"next_natural_trigger":"2024-05-06T00:00:00Z","next_natural_offset_trigger":"2024-05-07T02:00:00Z"}"#,
    );
    round_trip::<WorkflowWithState>(
        r#"{"workflow":{"component_id":"sales","workflow_id":"ping","configuration":{"id":"ping","schedule":"hours","offset":null,"commit_sha":null,"docker_image":"busybox","docker_args":null,"docker_termination_logging":false,"service_account":null,"resources":[],"env":{},"running_timeout":null,"retry_condition":null,"flyte_exec_conf":null,"deployment_source":null,"deployment_time":null}},"state":{"enabled":false,"next_natural_trigger":null,"next_natural_offset_trigger":null}}"#,
    );
    let nothing: WorkflowState = json::from_slice(b"{}").unwrap();
    assert_eq!(nothing, WorkflowState::default());
}

#[test]
fn triggers() {
    round_trip::<TriggerResponse>(
        r#"{"workflow_id":{"component_id":"sales","id":"daily-report"},"parameter":"2024-05-06","trigger_parameters":{"env":{"MODE":"delta"}},"trigger_id":"ad-hoc-cli-1714986611120-04217"}"#,
    );
}

#[test]
fn active_states() {
    let payload: RunStateDataPayload = round_trip(
        r#"{"active_states":[{"workflow_instance":{"workflow_id":{"component_id":"sales","id":"daily-report"},"parameter":"2024-05-05"},"state":"RUNNING","state_data":{"tries":2,"consecutive_failures":1,"retry_cost":1.0,"retry_delay_millis":null,"last_exit":1,"trigger":{"@type":"natural"},"trigger_id":"natural-trigger","execution_id":"styx-run-0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10","runner_id":"default","execution_description":{"docker_image":"busybox:1.36","docker_args":["echo","2024-05-05"],"docker_termination_logging":false,"service_account":null,"commit_sha":null,"env":{},"running_timeout":null,"retry_condition":null,"flyte_exec_conf":null,"flyte_execution_id":null},"resource_ids":["warehouse"],"trigger_parameters":{"env":{}},"messages":[{"level":"ERROR","line":"Exit code: 1"}]},"initial_timestamp":null,"latest_timestamp":1714986611120}]}"#,
    );
    let data = &payload.active_states[0].state_data;
    assert_eq!(data.trigger.as_ref().map(|trigger| trigger.id()), Some("natural-trigger"));
    round_trip::<StateData>(
        r#"{"tries":1,"consecutive_failures":0,"retry_cost":1.1,"retry_delay_millis":600000,"last_exit":null,"trigger":{"@type":"backfill","trigger_id":"backfill-1714986611120-00731"},"trigger_id":null,"execution_id":null,"runner_id":null,"execution_description":{"docker_image":null,"docker_args":[],"docker_termination_logging":true,"service_account":"a@b.cd","commit_sha":"abc","env":{"A":"1"},"running_timeout":7200.000000000,"retry_condition":null,"flyte_exec_conf":null,"flyte_execution_id":"nqj3"},"resource_ids":null,"trigger_parameters":null,"messages":[]}"#,
    );
    let zero: StateData = json::from_slice(b"{}").unwrap();
    assert_eq!(
        json::to_string(&zero).unwrap(),
        r#"{"tries":0,"consecutive_failures":0,"retry_cost":0.0,"retry_delay_millis":null,"last_exit":null,"trigger":null,"trigger_id":null,"execution_id":null,"runner_id":null,"execution_description":null,"resource_ids":null,"trigger_parameters":null,"messages":[]}"#
    );
}

#[test]
fn events() {
    let events = r#"{"@type":"triggerExecution","workflow_instance":"sales#daily-report#2024-05-05","trigger":{"@type":"natural"},"parameters":{"env":{}}}
{"@type":"triggerExecution","workflow_instance":"sales#daily-report#2024-05-05","trigger":{"@type":"adhoc","trigger_id":"ad-hoc-cli-1"},"parameters":{"env":{"A":"1"}}}
{"@type":"dequeue","workflow_instance":"sales#daily-report#2024-05-05","resource_ids":["warehouse"]}
{"@type":"submit","workflow_instance":"sales#daily-report#2024-05-05","execution_description":{"docker_image":"busybox:1.36","docker_args":["echo","2024-05-05"],"docker_termination_logging":false,"service_account":null,"commit_sha":null,"env":{},"running_timeout":90.500000000,"retry_condition":null,"flyte_exec_conf":null,"flyte_execution_id":null},"execution_id":"styx-run-0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10"}
{"@type":"submitted","workflow_instance":"sales#daily-report#2024-05-05","execution_id":"styx-run-0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10","runner_id":"default"}
{"@type":"submitted","workflow_instance":"sales#daily-report#2024-05-05","execution_id":"styx-run-0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10"}
{"@type":"started","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"terminate","workflow_instance":"sales#daily-report#2024-05-05","exit_code":20}
{"@type":"terminate","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"runError","workflow_instance":"sales#daily-report#2024-05-05","message":"image pull failed"}
{"@type":"retryAfter","workflow_instance":"sales#daily-report#2024-05-05","delay_millis":600000}
{"@type":"info","workflow_instance":"sales#daily-report#2024-05-05","message":{"level":"INFO","line":"Resource limit reached for: [warehouse]"}}
{"@type":"success","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"stop","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"timeout","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"halt","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"timeTrigger","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"retry","workflow_instance":"sales#daily-report#2024-05-05"}
{"@type":"created","workflow_instance":"sales#daily-report#2024-05-05","execution_id":"x","docker_image":"busybox"}"#;
    for text in events.lines() {
        let event: Event = round_trip(text);
        assert!(!matches!(event.kind, EventKind::Unknown { .. }), "{text}");
    }
    round_trip::<EventsPayload>(
        r#"{"events":[{"event":{"@type":"halt","workflow_instance":"sales#daily-report#2024-05-05"},"timestamp":1714986611120}]}"#,
    );
}

#[test]
fn history() {
    round_trip::<WorkflowInstanceExecutionData>(
        r#"{"workflow_instance":{"workflow_id":{"component_id":"sales","id":"daily-report"},"parameter":"2024-05-05"},"triggers":[{"trigger_id":"natural-trigger","timestamp":"2024-05-06T02:00:00.501Z","parameters":{"env":{}},"complete":true,"executions":[{"execution_id":"styx-run-0b9d6d0e-6a55-4d3a-9a7d-2f5f7c3f1a10","docker_image":"busybox:1.36","commit_sha":null,"flyte_exec_conf":null,"flyte_execution_id":null,"runner_id":"default","statuses":[{"timestamp":"2024-05-06T02:00:02.010Z","status":"SUBMITTED","message":null},{"timestamp":"2024-05-06T02:00:05.870Z","status":"STARTED","message":null},{"timestamp":"2024-05-06T02:03:41Z","status":"FAILED","message":"Exit code: 1"}]}]}]}"#,
    );
}

#[test]
fn backfills() {
    round_trip::<BackfillInput>(
        r#"{"start":"2024-05-01T00:00:00Z","end":"2024-05-06T00:00:00Z","component":"sales","workflow":"daily-report","concurrency":2,"reverse":false,"description":"late data","trigger_parameters":{"env":{}}}"#,
    );
    round_trip::<EditableBackfillInput>(r#"{"id":"backfill-1714986611120-00731","concurrency":5,"description":null}"#);
    round_trip::<Backfill>(
        r#"{"id":"backfill-1714986611120-00731","start":"2024-05-01T00:00:00Z","end":"2024-05-06T00:00:00Z","workflow_id":{"component_id":"sales","id":"daily-report"},"concurrency":2,"description":"late data","next_trigger":"2024-05-03T00:00:00Z","schedule":"days","all_triggered":false,"halted":false,"reverse":false,"trigger_parameters":{"env":{}},"created":"2024-05-06T09:10:11.120Z","last_modified":"2024-05-06T09:10:11.120Z"}"#,
    );
    round_trip::<BackfillsPayload>(
        r#"{"backfills":[{"backfill":{"id":"backfill-1714986611120-00731","start":"2024-05-01T00:00:00Z","end":"2024-05-02T00:00:00Z","workflow_id":{"component_id":"sales","id":"daily-report"},"concurrency":2,"description":null,"next_trigger":"2024-05-01T00:00:00Z","schedule":"days","all_triggered":false,"halted":true,"reverse":false,"trigger_parameters":null,"created":null,"last_modified":null},"statuses":null}]}"#,
    );
}

#[test]
fn resources_and_service_accounts() {
    round_trip::<ResourcesPayload>(r#"{"resources":[{"id":"warehouse","concurrency":12}]}"#);
    round_trip::<TestServiceAccountUsageResponse>(
        r#"{"authorized":false,"blacklisted":false,"message":"The principal ann@example.org must have the role …","service_account":"job@acme.iam.gserviceaccount.com","principal":"ann@example.org"}"#,
    );
}

#[test]
fn what_is_required_must_be_there() {
    for text in [
        r#"{}"#,
        r#"{"workflow_id":null,"parameter":"2024-05-06"}"#,
        r#"{"workflow_id":{"component_id":"sales"},"parameter":"2024-05-06"}"#,
        r#"{"workflow_id":{"component_id":"sales","id":null},"parameter":"2024-05-06"}"#,
        r#"{"workflow_id":"sales#daily-report","parameter":"2024-05-06"}"#,
        r#"{"workflow_id":{"component_id":"sales","id":"daily-report"}}"#,
    ] {
        assert!(json::from_slice::<WorkflowInstance>(text.as_bytes()).is_err(), "{text}");
    }
}
