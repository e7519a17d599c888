//! Draws that are the same every time: one for each subject, counter and purpose, so that one more disturbs no other.

use uuid::{Builder, Uuid};

use crate::id::{Counter, ExecutionId, InstanceId, Position, WorkflowId};

/// What all draws of a log are made from; the log's first record holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub Uuid);

impl Seed {
    /// The id of the execution that an instance's event `counter` submits: a UUIDv4 in form, SHA-1 of seed and subject in
    /// substance.
    pub fn execution_id(self, instance: &InstanceId, counter: Counter) -> ExecutionId {
        let bytes = self.draw(instance, counter, "execution");
        ExecutionId::from_uuid(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// A number for the delay after an instance's event `counter`.
    pub fn delay(self, instance: &InstanceId, counter: Counter) -> u64 {
        first_eight(self.draw(instance, counter, "delay"))
    }

    /// A number for the id of the trigger that is an instance's event `counter`.
    pub fn trigger(self, instance: &InstanceId, counter: Counter) -> u64 {
        first_eight(self.draw(instance, counter, "trigger"))
    }

    /// A number for the id of a backfill that is asked for after the record at `tail`.
    pub fn backfill(self, workflow: &WorkflowId, tail: Position) -> u64 {
        first_eight(*Uuid::new_v5(&self.0, format!("backfill#{tail}#{workflow}").as_bytes()).as_bytes())
    }

    fn draw(self, instance: &InstanceId, counter: Counter, purpose: &str) -> [u8; 16] {
        *Uuid::new_v5(&self.0, format!("{purpose}#{counter}#{instance}").as_bytes()).as_bytes()
    }
}

/// Eight bytes that version and variant of the UUID (bytes 6 and 8) leave alone.
fn first_eight([a, b, c, d, e, f, _, _, _, g, h, ..]: [u8; 16]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
