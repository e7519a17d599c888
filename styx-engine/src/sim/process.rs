//! One process of the engine: the machine, and what is lost when it ends.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{decide::Input, id::ExecutionId};

use super::{log::SimLog, random::Random};
use crate::clock::WallLimits;
use crate::machine::{Machine, MachineError, MachineOptions, Ticket};

/// How far the wall clock is believed: past every outage and every jump but the wild ones.
pub(super) const WALL_LIMITS: WallLimits =
    WallLimits { max_jump: TimeDelta::hours(3), max_outage: TimeDelta::hours(12) };

/// What a process holds in memory.
pub(super) struct Process {
    pub(super) machine: Machine,
    /// Inputs that wait for the next step.
    pub(super) inbox: Vec<(Ticket, Input)>,
    /// Who waits for which answer.
    pub(super) asked: BTreeMap<Ticket, Asked>,
    /// When the next step is made because of inputs.
    pub(super) step_at: Option<DateTime<Utc>>,
    /// Which timer counts; older ones were cancelled.
    pub(super) timer: u64,
    /// When the last effect of an execution arrives: they arrive in the order asked.
    pub(super) arrivals: BTreeMap<ExecutionId, DateTime<Utc>>,
    /// From when on nothing waits for the executions of an earlier process.
    pub(super) settles_at: Option<DateTime<Utc>>,
    /// The executor knows that all was requested.
    pub(super) all_requested: bool,
    /// The executor has said that it reported all it knows.
    pub(super) all_reported: bool,
}

/// A request that waits for its answer.
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) key: Option<Arc<str>>,
    /// It names a counter.
    pub(super) expects: bool,
}

impl Process {
    /// A process that opens the log.
    pub(super) fn open(log: &SimLog, random: &mut Random) -> Result<Self, MachineError> {
        let mut options = MachineOptions::default().wall_limits(WALL_LIMITS);
        if random.chance(20) {
            options.scheduler.max_records = random.between(1, 12) as usize;
        }
        Ok(Self {
            machine: Machine::open(log.writer(), options)?,
            inbox: Vec::new(),
            asked: BTreeMap::new(),
            step_at: None,
            timer: 0,
            arrivals: BTreeMap::new(),
            settles_at: None,
            all_requested: false,
            all_reported: false,
        })
    }

    /// Whether the executor has reported all it knows, or had the time to.
    pub(super) fn has_settled(&mut self, now: DateTime<Utc>) -> bool {
        let settles_at = *self.settles_at.get_or_insert(now + TimeDelta::minutes(1));
        self.all_reported || now >= settles_at
    }
}
