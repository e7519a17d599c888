//! A document of the API that is read is written in a form that reads as the same document, by our forgiving rules and by
//! serde_json's strict ones.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use styx_client::{
    Backfill, BackfillInput, BackfillPayload, BackfillsPayload, EditableBackfillInput, Event, EventsPayload,
    ExecutionDescription, FlyteExecConf, Message, Resource, ResourcesPayload, RunStateData, RunStateDataPayload,
    StateData, TestServiceAccountUsageRequest, TestServiceAccountUsageResponse, Trigger, TriggerParameters,
    TriggerRequest, TriggerResponse, Workflow, WorkflowId, WorkflowInstance, WorkflowInstanceExecutionData,
    WorkflowState, WorkflowWithState, json,
};
use styx_core::id::InstanceId;

fuzz_target!(|bytes: &[u8]| {
    if let Some(event) = read_write_read::<Event>(bytes) {
        let id = InstanceId::parse_key(&event.workflow_instance).expect("an event names its instance");
        assert_eq!(id.key(), event.workflow_instance);
    }
    read_write_read::<EventsPayload>(bytes);
    read_write_read::<Backfill>(bytes);
    read_write_read::<BackfillInput>(bytes);
    read_write_read::<BackfillPayload>(bytes);
    read_write_read::<BackfillsPayload>(bytes);
    read_write_read::<EditableBackfillInput>(bytes);
    read_write_read::<ExecutionDescription>(bytes);
    read_write_read::<FlyteExecConf>(bytes);
    read_write_read::<Message>(bytes);
    read_write_read::<Resource>(bytes);
    read_write_read::<ResourcesPayload>(bytes);
    read_write_read::<RunStateData>(bytes);
    read_write_read::<RunStateDataPayload>(bytes);
    read_write_read::<StateData>(bytes);
    read_write_read::<TestServiceAccountUsageRequest>(bytes);
    read_write_read::<TestServiceAccountUsageResponse>(bytes);
    read_write_read::<Trigger>(bytes);
    read_write_read::<TriggerParameters>(bytes);
    read_write_read::<TriggerRequest>(bytes);
    read_write_read::<TriggerResponse>(bytes);
    read_write_read::<Workflow>(bytes);
    read_write_read::<WorkflowId>(bytes);
    read_write_read::<WorkflowInstance>(bytes);
    read_write_read::<WorkflowInstanceExecutionData>(bytes);
    read_write_read::<WorkflowState>(bytes);
    read_write_read::<WorkflowWithState>(bytes);
});

fn read_write_read<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = json::from_slice(bytes).ok()?;
    let written = json::to_vec(&value).expect("it has a form in JSON");
    let again: T = json::from_slice(&written).expect("what is written can be read");
    assert_eq!(again, value);
    assert_eq!(json::to_vec(&again).expect("it has a form in JSON"), written);
    let strictly: T = serde_json::from_slice(&written).expect("it is in the strict form");
    assert_eq!(strictly, value);
    Some(value)
}
