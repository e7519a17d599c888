//! What must hold in every simulation, one property in each file. None asks the engine: each keeps its own small account of
//! what the log, the outside and the clients show.

mod acknowledged;
mod backfills;
mod bounded;
mod conditional;
mod elapses;
mod ends;
mod fires_once;
mod fold;
mod known;
mod limit;
mod lives;
mod once;
mod one_at_a_time;
mod order;
mod owed;
mod pace;
mod rate;
mod replays;
mod settings;
mod starts_once;
mod stock;
mod told;
mod units;
mod waiting;
mod waits;

use chrono::{DateTime, Utc};
use styx_core::{
    decide::{Reply, Request},
    executor::Effect,
    now::Now,
    observation::Observation,
    record::{IdempotencyKey, Record},
    world::World,
};

use super::{log::SimLog, outside::OutsideFact};

/// What a check says: nothing, or what it found.
pub(super) type Check = Result<(), String>;

/// What an invariant may look at after a step.
pub(super) struct View<'a> {
    /// The machine's world.
    pub(super) world: &'a World,
    /// The disk.
    pub(super) log: &'a SimLog,
    /// The time that the step went by, as records carry it.
    pub(super) now: DateTime<Utc>,
    /// The present that the step went by.
    pub(super) clock: Now,
    /// What the wall clock shows.
    pub(super) wall: DateTime<Utc>,
    /// True time: how much of it has passed is all that may be asked.
    pub(super) elapsed: DateTime<Utc>,
    /// The effects that went out.
    pub(super) effects: &'a [Effect],
    /// When the machine wants to be stepped again.
    pub(super) wake: Option<DateTime<Utc>>,
    /// Nothing was left for the next step, and the executions of an earlier process had the time to report.
    pub(super) settled: bool,
}

/// How a simulation ended.
pub(super) struct End<'a> {
    /// The machine's world.
    pub(super) world: &'a World,
    /// The disk.
    pub(super) log: &'a SimLog,
    /// Nothing more was to happen; else it went on for longer than anything may.
    pub(super) quiet: bool,
    /// Nothing runs outside.
    pub(super) outside_quiet: bool,
    /// Scheduling is off on purpose: what is queued may wait.
    pub(super) blocked: bool,
}

/// A property that always holds.
pub(super) trait Invariant {
    /// The name of its file.
    fn name(&self) -> &'static str;

    /// The property in a sentence.
    fn sentence(&self) -> &'static str;

    /// A record has become durable.
    fn recorded(&mut self, _record: &Record) -> Check {
        Ok(())
    }

    /// The process hears of what an executor saw.
    fn observed(&mut self, _observation: &Observation) {}

    /// A step has been made, and its effects go out.
    fn stepped(&mut self, _view: &View<'_>) -> Check {
        Ok(())
    }

    /// Something became true outside.
    fn happened(&mut self, _fact: &OutsideFact) -> Check {
        Ok(())
    }

    /// A client asks for something, and may give it a key.
    fn asked(&mut self, _id: &str, _request: &Request, _key: Option<&IdempotencyKey>) {}

    /// A client was answered.
    fn answered(&mut self, _request: &str, _reply: &Reply) -> Check {
        Ok(())
    }

    /// The process has ended.
    fn crashed(&mut self) {}

    /// A new process has read this world.
    fn restarted(&mut self, _world: &World) -> Check {
        Ok(())
    }

    /// The simulation is over, or at a point where nothing may go on.
    fn ended(&mut self, _end: &End<'_>) -> Check {
        Ok(())
    }
}

/// All invariants, or the one of a name.
pub(super) fn all(only: Option<&str>) -> Vec<Box<dyn Invariant>> {
    let all: [Box<dyn Invariant>; 20] = [
        Box::<fires_once::FiresOnce>::default(),
        Box::<starts_once::StartsOnce>::default(),
        Box::<one_at_a_time::OneAtATime>::default(),
        Box::<known::Known>::default(),
        Box::<limit::Limit>::default(),
        Box::<units::Units>::default(),
        Box::<rate::Rate>::default(),
        Box::<waits::Waits>::default(),
        Box::<told::Told>::default(),
        Box::<backfills::Backfills>::default(),
        Box::<acknowledged::Acknowledged>::default(),
        Box::<once::Once>::default(),
        Box::<fold::Fold>::default(),
        Box::<order::Order>::default(),
        Box::<owed::Owed>::default(),
        Box::<bounded::Bounded>::default(),
        Box::<conditional::Conditional>::default(),
        Box::<elapses::Elapses>::default(),
        Box::<ends::Ends>::default(),
        Box::<replays::Replays>::default(),
    ];
    all.into_iter().filter(|invariant| only.is_none_or(|only| invariant.name() == only)).collect()
}

/// The names of all invariants.
pub(super) fn names() -> Vec<&'static str> {
    all(None).iter().map(|invariant| invariant.name()).collect()
}
