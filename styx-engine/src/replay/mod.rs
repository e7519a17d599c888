//! Replay: the inputs that a log tells of, given to the present code, each with the world as it was.
//!
//! Each decision is asked again where it was made: from the world that the records before it fold to, at its time, with the
//! log's own seed. What follows is compared with the records, and then the *records* are folded, so that a difference stays
//! one difference and doesn't lead to others. The scheduler's step is mirrored: one [`Input::Due`] can lead to
//! many decisions, which are all decided from the world before the first of them.
//!
//! What a log doesn't tell can't be asked again: requests that were refused or changed nothing, observations that led to
//! nothing, and when a process was up.
//!
//! ```
//! use chrono::DateTime;
//! use styx_core::{
//!     config::Config,
//!     decide::Input,
//!     log::Log,
//!     scheduler::{LogName, Scheduler},
//! };
//! use styx_engine::replay::{Options, Replay};
//! use styx_store::MemoryLog;
//!
//! let mut scheduler = Scheduler::begin(LogName::from_random_bytes([7; 32]), Config::default());
//! let rows = MemoryLog::new().reader();
//! let step = scheduler.step(DateTime::UNIX_EPOCH, [Input::Due], rows.as_ref())?;
//! let mut replay = Replay::new(Options::default());
//! for record in &step.batch().records {
//!     assert_eq!(replay.add(record.clone())?, []);
//! }
//! assert_eq!(replay.finish()?, []);
//! assert_eq!(replay.summary().same, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod input;
mod rules;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use self::{
    compare::{Stake, decided, is_same, split, stake},
    input::Source,
};
use chrono::{DateTime, Utc};
use styx_core::{
    config::Config,
    decide::{BOUND, Decisions, Input, Reply, Request},
    id::Position,
    now::Now,
    record::{Cause, ConfigEvent, Fact, Record},
    run::Rules,
    scheduler::propose,
    world::{RefusedRecord, Row, RowKey, World},
};

/// The most decisions that one look at what is due makes.
const MOST_DUE: usize = BOUND;

/// What is asked, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Decide under this configuration instead of the recorded ones; the switch of scheduling stays the recorded one.
    ///
    /// Then it is also looked for what this configuration makes due, and the recorded one doesn't.
    pub config: Option<Arc<Config>>,
    /// Fold imported events under these rules too, and say where that differs.
    pub rules: Option<Rules>,
    /// The first decision that is asked again; those before are only folded.
    pub from: Option<Position>,
    /// The last one.
    pub to: Option<Position>,
}

/// Where the present code decides otherwise than the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The decision's first record; for [`Kind::Added`] the record before which it would have been made.
    pub position: Position,
    /// When it was decided; for [`Kind::Added`] when it would have been.
    pub at: DateTime<Utc>,
    /// Which way it differs.
    pub kind: Kind,
    /// What the log has.
    pub recorded: Vec<Record>,
    /// What the present code decides, as records in the same place.
    pub decided: Vec<Record>,
    /// Why, if the present code says so: a refusal, or what a fold makes of it.
    pub reason: Option<String>,
}

/// Which way a decision differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Both decide, and not the same.
    Changed,
    /// The log decided; the present code doesn't.
    Dropped,
    /// The present code decides; the log has nothing.
    Added,
    /// An imported event that the rules asked for would refuse.
    RefusedByRules,
    /// An imported event that the rules asked for would fold to something else.
    FoldedOtherwise,
}

/// How much was asked, and what came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Records that were folded.
    pub records: u64,
    /// Decisions that came out as they were.
    pub same: u64,
    /// Decisions that came out otherwise ([`Kind::Changed`]).
    pub changed: u64,
    /// Decisions that the present code doesn't make ([`Kind::Dropped`]).
    pub dropped: u64,
    /// Decisions that only the present code makes ([`Kind::Added`]).
    pub added: u64,
    /// Imported events that the rules refuse.
    pub refused_by_rules: u64,
    /// Imported events that the rules fold to something else.
    pub folded_otherwise: u64,
    /// Records that nobody decided: imported events and forks.
    pub not_decided: u64,
    /// Decisions whose input the log doesn't tell.
    pub unknown: u64,
    /// Decisions about the configuration that another one stood in for.
    pub overruled: u64,
}

impl Summary {
    /// How many differences there are.
    pub fn differences(&self) -> u64 {
        self.changed + self.dropped + self.added + self.refused_by_rules + self.folded_otherwise
    }
}

/// A replay on its way along a log.
pub struct Replay {
    options: Options,
    /// The world that decisions are asked with.
    world: World,
    /// The world under the recorded configuration, if another one is asked with.
    recorded: Option<World>,
    others: BTreeMap<RowKey, Row>,
    /// Decisions that aren't settled; the last may not be whole.
    waiting: VecDeque<Vec<Record>>,
    /// What the present code would have decided and the log hasn't, said once for each state that it would have been in.
    told: BTreeSet<Stake>,
    summary: Summary,
}

impl Replay {
    /// A replay that begins before the first record.
    pub fn new(options: Options) -> Self {
        let recorded = options.config.is_some().then(World::default);
        Self {
            options,
            world: World::default(),
            recorded,
            others: BTreeMap::new(),
            waiting: VecDeque::new(),
            told: BTreeSet::new(),
            summary: Summary::default(),
        }
    }

    /// Takes the log's next record, and says what is known to differ by now; it lags behind by what one step may decide.
    ///
    /// # Errors
    ///
    /// When a record doesn't follow from those before it.
    pub fn add(&mut self, record: Record) -> Result<Vec<Difference>, RefusedRecord> {
        match self.waiting.back_mut() {
            Some(decision) if record.cause == Cause::Decision => decision.push(record),
            _ => self.waiting.push_back(vec![record]),
        }
        let mut found = Vec::new();
        while self.is_front_whole() {
            self.settle(&mut found)?;
        }
        Ok(found)
    }

    /// The log ends here: says what else differs.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish(&mut self) -> Result<Vec<Difference>, RefusedRecord> {
        let mut found = Vec::new();
        while !self.waiting.is_empty() {
            self.settle(&mut found)?;
        }
        Ok(found)
    }

    /// What came out so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whether all that one input may have led to has been read.
    fn is_front_whole(&self) -> bool {
        let whole = self.waiting.len().saturating_sub(1);
        let Some(front) = self.waiting.front().filter(|_| whole > 0) else {
            return false;
        };
        !input::is_due(&front[0]) || self.due_run() <= whole || whole > MOST_DUE
    }

    /// How many decisions at the front may come from one look at what is due.
    fn due_run(&self) -> usize {
        let Some(first) = self.waiting.front().map(|front| &front[0]) else { return 0 };
        let run = self.waiting.iter().take_while(|decision| {
            let next = &decision[0];
            input::is_due(next) && next.now() == first.now() && next.epoch == first.epoch
        });
        run.count()
    }

    /// Asks again for what is at the front, and folds it.
    fn settle(&mut self, found: &mut Vec<Difference>) -> Result<(), RefusedRecord> {
        let Some(front) = self.waiting.front() else { return Ok(()) };
        let (position, at, now) = (front[0].position, front[0].at, front[0].now());
        let is_asked =
            self.options.from.is_none_or(|from| position >= from) && self.options.to.is_none_or(|to| position <= to);
        if !is_asked {
            return self.fold_front(1);
        }
        self.look_for_added(now, found);
        let source = input::source(&self.world, &self.waiting[0]);
        match source {
            Source::Due => return self.settle_due(found),
            Source::Nobody => {
                self.summary.not_decided += 1;
                let record = &self.waiting[0][0];
                let differs = self.options.rules.and_then(|rules| rules::differs(&self.world, record, rules));
                if let Some((kind, reason)) = differs {
                    let recorded = vec![record.clone()];
                    let reason = Some(reason);
                    self.tell(Difference { position, at, kind, recorded, decided: Vec::new(), reason }, found);
                }
            }
            Source::Unknown => self.summary.unknown += 1,
            Source::Input(Input::Asked(Request::Configure(_), _)) if self.recorded.is_some() => {
                self.summary.overruled += 1;
            }
            Source::Input(input) => {
                let Decisions { drafts, reply, .. } = ask(&self.world, &self.others, &input, now);
                let recorded = &self.waiting[0];
                if is_same(recorded, &drafts) {
                    self.summary.same += 1;
                } else {
                    let kind = if drafts.is_empty() { Kind::Dropped } else { Kind::Changed };
                    let reason = reply.and_then(|reply| match reply {
                        Reply::Refused(refusal) => Some(format!("refused: {refusal}")),
                        Reply::Nothing => Some("there is nothing to do".to_owned()),
                        _ => None,
                    });
                    let decided = decided(drafts, &recorded[0]);
                    let recorded = recorded.clone();
                    self.tell(Difference { position, at, kind, recorded, decided, reason }, found);
                }
            }
        }
        self.fold_front(1)
    }

    /// What was due: many decisions may come from one look. They are told apart by what they are about.
    fn settle_due(&mut self, found: &mut Vec<Difference>) -> Result<(), RefusedRecord> {
        let run = self.due_run().min(MOST_DUE);
        let (at, now) = (self.waiting[0][0].at, self.waiting[0][0].now());
        let now_decided = split(ask(&self.world, &self.others, &Input::Due, now).drafts);
        let recorded: Vec<&Vec<Record>> = self.waiting.iter().take(run).collect();
        let all_same = now_decided.len() <= recorded.len()
            && now_decided.iter().zip(&recorded).all(|(drafts, records)| is_same(records, drafts));
        if all_same && !now_decided.is_empty() {
            self.summary.same += now_decided.len() as u64;
            return self.fold_front(now_decided.len());
        }
        let mut by_stake: BTreeMap<Stake, Vec<_>> =
            now_decided.into_iter().map(|drafts| (stake(&self.world, &drafts[0].fact), drafts)).collect();
        let mut told = Vec::new();
        let mut settled = 0;
        for records in &recorded {
            let first = &records[0];
            let Some(drafts) = by_stake.remove(&stake(&self.world, &first.fact)) else { break };
            settled += 1;
            if is_same(records, &drafts) {
                self.summary.same += 1;
                continue;
            }
            let decided = decided(drafts, first);
            let (position, kind, recorded) = (first.position, Kind::Changed, (*records).clone());
            told.push(Difference { position, at, kind, recorded, decided, reason: None });
        }
        if settled == 0 {
            settled = 1;
            let recorded = recorded[0].clone();
            let (position, kind) = (recorded[0].position, Kind::Dropped);
            told.push(Difference { position, at, kind, recorded, decided: Vec::new(), reason: None });
        }
        // What the log decides right after is asked for then.
        let later: BTreeSet<Stake> =
            recorded[settled..].iter().map(|records| stake(&self.world, &records[0].fact)).collect();
        let leader = recorded[0][0].clone();
        for (stake, drafts) in by_stake {
            if !later.contains(&stake) && self.told.insert(stake) {
                let decided = decided(drafts, &leader);
                let (position, kind) = (leader.position, Kind::Added);
                told.push(Difference { position, at, kind, recorded: Vec::new(), decided, reason: None });
            }
        }
        told.into_iter().for_each(|difference| self.tell(difference, found));
        self.fold_front(settled)
    }

    /// What the configuration that is asked with makes due before `until`, and the recorded one doesn't; with the clocks as far
    /// apart as then.
    fn look_for_added(&mut self, until: Now, found: &mut Vec<Difference>) {
        let Some(recorded) = &self.recorded else { return };
        let Some(due) = self.world.next_due_by(until) else { return };
        let at = due.max(self.world.at());
        let now = Now { at, wall: until.wall - (until.at - at) };
        if at >= until.at || self.world.log_id().is_none() {
            return;
        }
        let by_record = split(ask(recorded, &self.others, &Input::Due, now).drafts);
        let by_record: BTreeSet<Stake> = by_record.iter().map(|drafts| stake(recorded, &drafts[0].fact)).collect();
        for drafts in split(ask(&self.world, &self.others, &Input::Due, now).drafts) {
            let stake = stake(&self.world, &drafts[0].fact);
            if by_record.contains(&stake) || !self.told.insert(stake) {
                continue;
            }
            let leader = Record { at, ..self.waiting[0][0].clone() };
            let (position, kind, decided) = (leader.position, Kind::Added, decided(drafts, &leader));
            self.tell(Difference { position, at, kind, recorded: Vec::new(), decided, reason: None }, found);
        }
    }

    fn tell(&mut self, difference: Difference, found: &mut Vec<Difference>) {
        let count = match difference.kind {
            Kind::Changed => &mut self.summary.changed,
            Kind::Dropped => &mut self.summary.dropped,
            Kind::Added => &mut self.summary.added,
            Kind::RefusedByRules => &mut self.summary.refused_by_rules,
            Kind::FoldedOtherwise => &mut self.summary.folded_otherwise,
        };
        *count += 1;
        found.push(difference);
    }

    fn fold_front(&mut self, decisions: usize) -> Result<(), RefusedRecord> {
        for record in self.waiting.drain(..decisions).flatten() {
            self.summary.records += 1;
            let changes = match (&record.fact, &self.options.config) {
                (Fact::Config(ConfigEvent::Set(_)), Some(config)) => {
                    let fact = Fact::Config(ConfigEvent::Set(Arc::clone(config)));
                    self.world.apply(&Record { fact, ..record.clone() })?
                }
                _ => self.world.apply(&record)?,
            };
            if let Some(recorded) = &mut self.recorded {
                recorded.apply(&record)?;
            }
            self.others.extend(changes.into_rows().filter_map(|(key, row)| Some((key, row?))));
        }
        Ok(())
    }
}

/// Asks the present code.
fn ask(world: &World, others: &BTreeMap<RowKey, Row>, input: &Input, now: Now) -> Decisions {
    propose(world, others, input, now).expect("rows in memory can be read")
}
