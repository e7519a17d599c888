//! What waits ends by the time that elapses, whatever the wall clock is set to: compared with true time, which no process
//! knows. And every decision carries what the wall clock showed, and no wild clock is followed.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use styx_core::{
    id::InstanceId,
    now::Now,
    record::{ConfigEvent, Fact, Record},
    run::State,
};

use super::{Check, Invariant, View};
use crate::sim::process::WALL_LIMITS;

/// What settings of the clock by less than a second may add up to.
const SLACK: TimeDelta = TimeDelta::seconds(5);

#[derive(Default)]
pub(super) struct Elapses {
    /// Runs that wait for their delay: up to which time of records, and of true time.
    delays: BTreeMap<InstanceId, (DateTime<Utc>, DateTime<Utc>)>,
    /// The last step of this process: the time of records, and true time.
    before: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The readings of the decisions since then.
    decided: Vec<Now>,
    accepted: bool,
}

impl Elapses {
    fn delays(&mut self, view: &View<'_>) -> Check {
        let queued = view.world.runs().iter().filter(|(_, run)| run.state == State::Queued);
        let waiting = queued.filter_map(|(id, run)| Some((id, run.eligible_at?))).filter(|(_, at)| *at > view.now);
        let mut delays = BTreeMap::new();
        for (id, at) in waiting {
            let known = self.delays.get(id).copied().filter(|(known, _)| *known == at);
            let wait = known.unwrap_or_else(|| (at, view.elapsed + (at - view.now)));
            if view.elapsed > wait.1 + SLACK {
                return Err(format!("{id} still waits for its delay, {} after its end", view.elapsed - wait.1));
            }
            delays.insert(id.clone(), wait);
        }
        self.delays = delays;
        Ok(())
    }

    /// The time of records as it must be: a naive account.
    fn time(&mut self, view: &View<'_>) -> Check {
        let millisecond = TimeDelta::milliseconds(1);
        if let Some((at, elapsed)) = self.before {
            let expected = at + (view.elapsed - elapsed);
            if view.now < expected - SLACK {
                return Err(format!("the time is {}, and should be {expected}", view.now));
            }
            let believed = self.accepted || view.wall - expected <= WALL_LIMITS.max_outage;
            let most = if believed { expected.max(view.wall) } else { expected };
            if view.now > most + millisecond {
                return Err(format!("the time is {}, and can't be after {most}", view.now));
            }
        }
        let is_right = |now: &Now| (now.wall - view.wall).abs() <= TimeDelta::seconds(1) + millisecond;
        match self.decided.iter().find(|now| !is_right(now)) {
            Some(now) => Err(format!("a decision has {now:?}, and the wall clock shows {}", view.wall)),
            None => Ok(()),
        }
    }
}

impl Invariant for Elapses {
    fn name(&self) -> &'static str {
        "elapses"
    }

    fn sentence(&self) -> &'static str {
        "what waits ends by elapsed time, whatever the clock is set to, and no wild clock is followed"
    }

    fn recorded(&mut self, record: &Record) -> Check {
        if record.position == record.decision {
            self.decided.push(record.now());
        }
        self.accepted |= record.fact == Fact::Config(ConfigEvent::ClockAccepted);
        Ok(())
    }

    fn stepped(&mut self, view: &View<'_>) -> Check {
        self.time(view)?;
        self.before = Some((view.now, view.elapsed));
        self.decided.clear();
        self.accepted = false;
        self.delays(view)
    }

    fn crashed(&mut self) {
        let before = Self::default();
        *self = before;
    }
}
