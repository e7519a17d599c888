//! Laws of fold and decision, on worlds that random requests, observations and the passing of time have made.
#![cfg(test)]

#[path = "decide_laws/effects.rs"]
mod effects;
#[path = "decide_laws/host.rs"]
mod host;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::TimeDelta;
use host::{Definition, Host, Op, SCHEDULES, begin, load, op, resource_id};
use proptest::prelude::*;
use styx_core::{
    decide::{Decisions, Draft, Input, Refusal, Reply, Request},
    event::{Event, EventKind, Trigger},
    explain::{Reason, explain, explain_workflow},
    id::{Counter, InstanceId, Position, WorkflowId},
    record::{Cause, Fact, IdempotencyKey, Operator, Origin, Record, RunEvent, Runs, WorkflowEvent},
    run::State,
    schedule::Schedule,
    world::{RefusedRecord, World},
};
use uuid::Uuid;

fn fold<'a>(mut world: World, records: impl IntoIterator<Item = &'a Record>) -> World {
    for record in records {
        world.apply(record).unwrap_or_else(|refused| panic!("{refused}: {record:?}"));
    }
    world
}

/// Whether the drafts take the run out of the queue: to an execution, or to its end.
fn moves(decisions: &Decisions, instance: &InstanceId) -> bool {
    decisions.drafts.iter().any(|draft| match &draft.fact {
        Fact::Run(id, RunEvent::Styx { event, .. }) => {
            id == instance && matches!(event, Event::Dequeue { .. } | Event::Halt { .. })
        }
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    /// Asserted in [`Host::take`] for every decision on the way.
    #[test]
    fn what_is_decided_is_accepted_and_decided_the_same_again(ops in proptest::collection::vec(op(), 0..120)) {
        let host = Host::after(&ops);
        prop_assert_eq!(host.world.tail().0, host.log.len() as u64);
    }

    /// The executions of a trigger are counted from 0, those that were never taken too.
    #[test]
    fn the_executions_of_a_trigger_are_counted(ops in proptest::collection::vec(op(), 0..120)) {
        let mut host = Host::after(&ops);
        host.settle();
        let mut submits: BTreeMap<InstanceId, u32> = BTreeMap::new();
        let mut world = World::default();
        for record in &host.log {
            world.apply(record).unwrap();
            let Fact::Run(id, RunEvent::Styx { event, .. }) = &record.fact else { continue };
            match event {
                Event::TriggerExecution { .. } => drop(submits.insert(id.clone(), 0)),
                Event::Submit { .. } => {
                    let earlier = submits.get_mut(id).unwrap();
                    prop_assert_eq!(world.runs()[id].execution_counter(), *earlier, "{}", id);
                    *earlier += 1;
                }
                _ => {}
            }
        }
    }

    #[test]
    fn due_comes_to_an_end(ops in proptest::collection::vec(op(), 0..80)) {
        let mut host = Host::after(&ops);
        host.settle();
        prop_assert_eq!(host.decide(&Input::Due).drafts, []);
    }

    #[test]
    fn a_prefix_and_the_rest_fold_to_the_whole(ops in proptest::collection::vec(op(), 0..80), cut in any::<usize>()) {
        let host = Host::after(&ops);
        let (prefix, rest) = host.log.split_at(cut % (host.log.len() + 1));
        let part = fold(World::default(), prefix);
        let back = World::from_rows(part.rows());
        prop_assert_eq!(back.as_ref(), Ok(&part));
        prop_assert_eq!(&fold(part, rest), &host.world);
        prop_assert_eq!(World::from_rows(host.world.rows()), Ok(host.world));
    }

    /// Only the keys that a record names have another row after it.
    #[test]
    fn what_changed_is_named(ops in proptest::collection::vec(op(), 0..50)) {
        let mut world = World::default();
        for record in &Host::after(&ops).log {
            let before: BTreeMap<_, _> = world.rows().collect();
            let changes = world.apply(record).unwrap();
            let after: BTreeMap<_, _> = world.rows().collect();
            for key in before.keys().chain(after.keys()) {
                let same = before.get(key) == after.get(key);
                prop_assert!(same || changes.dirty.contains(key), "{key:?} changed by {record:?}");
            }
        }
    }

    /// A file that was loaded is what the world says of it, and loading it again changes nothing.
    #[test]
    fn a_file_is_taken_over_whole_or_not_at_all(ops in proptest::collection::vec(op(), 0..60), load in load()) {
        let mut host = Host::after(&ops);
        let Some(Request::LoadFile { path, workflows, elsewhere }) = host.request(&load) else { unreachable!() };
        let before = host.world.clone();
        let held: BTreeSet<_> = before.index().of_file(&path).cloned().collect();
        let request = Request::LoadFile { path: Arc::clone(&path), workflows: Arc::clone(&workflows), elsewhere: Arc::clone(&elsewhere) };
        let never = workflows.iter().any(|(_, stored)| *stored.spec.schedule == *SCHEDULES[4]);
        match host.ask(request.clone()) {
            Reply::Refused(refusal) => {
                prop_assert!(never, "{}", refusal);
                prop_assert_eq!(&host.world, &before);
            }
            _ => {
                prop_assert!(!never);
                let defined: BTreeSet<_> = workflows.iter().map(|(id, _)| id.clone()).collect();
                let left = held.iter().filter(|id| elsewhere.contains(id)).cloned();
                let expected: BTreeSet<_> = defined.iter().cloned().chain(left).collect();
                prop_assert_eq!(host.world.index().of_file(&path).cloned().collect::<BTreeSet<_>>(), expected.clone());
                for (id, stored) in workflows.iter() {
                    prop_assert_eq!(&host.world.workflows()[id].spec, &stored.spec);
                }
                for id in held.difference(&expected) {
                    let workflow = &host.world.workflows()[id];
                    prop_assert_eq!(&workflow.spec.origin, &Origin::RemovedFile { path: Arc::clone(&path) });
                    prop_assert!(!workflow.enabled);
                }
                for (id, workflow) in before.workflows().iter().filter(|(id, _)| !defined.contains(id) && !held.contains(id)) {
                    prop_assert_eq!(&host.world.workflows()[id], workflow, "{} is no affair of the file", id);
                }
                prop_assert_eq!(host.ask(request), Reply::Nothing);
            }
        }
    }

    /// What a file defines, the API neither changes nor deletes; its switch stays the operator's.
    #[test]
    fn what_a_file_defines_is_the_files(ops in proptest::collection::vec(op(), 0..60)) {
        let mut host = Host::after(&ops);
        for (id, workflow) in BTreeMap::clone(host.world.workflows()) {
            let definition = Definition { schedule: 0, offset: 0, runs: Runs::Image, condition: 0, secret: false, resources: BTreeSet::new() };
            let definition = definition.stored(0, Origin::Api);
            let refused = workflow.file().map(|path| Reply::Refused(Refusal::OwnedByFile { path: Arc::clone(path) }));
            let owned = refused.is_some();
            let stored = host.ask(Request::StoreWorkflow { id: id.clone(), workflow: definition });
            prop_assert_eq!(matches!(stored, Reply::Refused(_)), owned);
            let deleted = host.ask(Request::DeleteWorkflow { id: id.clone() });
            prop_assert_eq!(deleted, refused.unwrap_or(Reply::Done));
            let (next_instant, next_fires_at) = (None, None);
            let switch = Request::PatchWorkflow { id, enabled: Some(false), next_instant, next_fires_at };
            prop_assert_eq!(matches!(host.ask(switch), Reply::Refused(_)), !owned);
        }
    }

    #[test]
    fn a_refused_record_changes_nothing(
        ops in proptest::collection::vec(op(), 0..60),
        others in proptest::collection::vec(op(), 0..60),
        late in any::<bool>(),
    ) {
        let (host, other) = (Host::after(&ops), Host::after(&others));
        // Facts of another history, and records of this one out of their place.
        let foreign = other.log.iter().map(|record| host.record(record.fact.clone(), Cause::Engine));
        for mut record in foreign.chain(host.log.iter().cloned()) {
            if late {
                record.at = begin() - TimeDelta::hours(1);
            }
            let mut world = host.world.clone();
            if world.apply(&record).is_err() {
                prop_assert_eq!(&world, &host.world, "{:?} was refused and changed something", record);
            } else {
                prop_assert_eq!(World::from_rows(world.rows()), Ok(world));
            }
        }
    }

    /// The engine begins runs only of workflows that there are, and only by a trigger.
    #[test]
    fn a_run_without_a_workflow_or_a_trigger_is_refused(ops in proptest::collection::vec(op(), 0..60)) {
        let host = Host::after(&ops);
        for record in &host.log {
            let Fact::Run(id, RunEvent::Styx { event, .. }) = &record.fact else { continue };
            let is_begin = event.kind() == EventKind::TriggerExecution;
            let fresh = InstanceId::new(if is_begin { WorkflowId::new("c", "nowhere") } else { id.workflow().clone() }, "2100-01-01");
            let record = host.record(Fact::Run(fresh, RunEvent::Styx { counter: Counter(0), event: event.clone() }), Cause::Engine);
            let refused = host.world.clone().apply(&record);
            prop_assert!(matches!(refused, Err(RefusedRecord::Unfit { .. })), "{:?} led to {:?}", record, refused);
        }
    }

    /// A record's position, time and decision continue the record before it, or the record is refused by that name.
    #[test]
    fn a_record_out_of_line_is_refused(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::default();
        for record in &Host::after(&ops).log {
            let next = record.position;
            for position in [Position(next.0 - 1), next.next()] {
                let refused = world.clone().apply(&Record { position, ..record.clone() });
                prop_assert_eq!(refused, Err(RefusedRecord::OutOfPlace { tail: world.tail(), found: position }));
            }
            if let Some(early) = world.at().checked_sub_signed(TimeDelta::milliseconds(1)).filter(|_| next.0 > 1) {
                let refused = world.clone().apply(&Record { at: early, ..record.clone() });
                prop_assert_eq!(refused, Err(RefusedRecord::BackInTime(next)));
            }
            if let Fact::Run(id, RunEvent::Styx { counter, event: Event::Submitted { execution, .. } }) = &record.fact {
                let event = Event::Submitted { execution: execution.clone(), runner: Some("other".into()) };
                let fact = Fact::Run(id.clone(), RunEvent::Styx { counter: *counter, event });
                let refused = world.clone().apply(&Record { fact, ..record.clone() });
                prop_assert!(matches!(refused, Err(RefusedRecord::Unfit { .. })), "{:?}", refused);
            }
            // A decision begins with a record that names its cause, and goes on with records that name the first one.
            let others: &[(Cause, Position)] =
                &[(Cause::Engine, next.next()), (Cause::Engine, Position(next.0 - 1)), (Cause::Decision, next), (Cause::Decision, next.next())];
            for (cause, decision) in others {
                let record = Record { cause: cause.clone(), decision: *decision, ..record.clone() };
                prop_assert_eq!(world.clone().apply(&record), Err(RefusedRecord::OtherDecision(next)));
            }
            world.apply(record).unwrap();
        }
    }

    #[test]
    fn explain_never_says_that_a_run_waits_which_starts(ops in proptest::collection::vec(op(), 0..80)) {
        let host = Host::after(&ops);
        let decisions = host.decide(&Input::Due);
        for instance in host.world.runs().keys() {
            let reasons = explain(&host.world, instance, host.now).unwrap();
            let goes_on = |reason: &Reason| {
                matches!(reason, Reason::Next | Reason::Halting { .. } | Reason::HaltedInstead { .. })
            };
            let waits = !reasons.iter().all(goes_on);
            prop_assert!(!(waits && moves(&decisions, instance)), "{instance} starts, and waits for {reasons:?}");
        }
    }

    #[test]
    fn explain_never_says_that_a_run_is_next_when_nothing_is_due(ops in proptest::collection::vec(op(), 0..80)) {
        let mut host = Host::after(&ops);
        host.settle();
        for instance in host.world.runs().keys() {
            let reasons = explain(&host.world, instance, host.now).unwrap();
            let is_next = reasons.iter().any(|reason| matches!(reason, Reason::Next | Reason::Halting { .. }))
                || reasons.iter().all(|reason| matches!(reason, Reason::HaltedInstead { .. }));
            prop_assert!(!is_next, "{instance} is next, and nothing is due");
        }
    }

    /// Units are held by what lives, never beyond the limit that counted when they were taken, and the waiting are told.
    #[test]
    fn resources_hold(ops in proptest::collection::vec(op(), 0..120)) {
        let host = Host::after(&ops);
        let mut world = World::default();
        for record in &host.log {
            let units = |world: &World, id: &str| {
                let living = world.executions().values().filter(|execution| execution.is_alive());
                let prepared = world.runs().values().filter(|run| run.state == State::Prepare).filter_map(|run| run.resources.as_ref());
                let held = living.map(|execution| &execution.resources).chain(prepared);
                held.filter(|held| held.iter().any(|held| **held == *id)).count() as u64
            };
            world.apply(record).unwrap();
            for nth in 0..3 {
                let id = resource_id(nth);
                prop_assert_eq!(world.index().queue().used(&id), units(&world, &id), "{} after {:?}", id, record);
            }
            if let Fact::Run(instance, RunEvent::Styx { event: Event::Dequeue { resources }, .. }) = &record.fact {
                for id in resources.iter().filter(|id| ***id != *"GLOBAL_STYX_CLUSTER") {
                    let limit = world.resources().get(id).map_or(0, |resource| resource.concurrency);
                    prop_assert!(units(&world, id) as i64 <= limit, "{} went on with {} of {}", instance, limit, id);
                }
            }
        }
    }

    /// When nothing is due, no run waits that could go on, and of a workflow the smaller partition went first.
    #[test]
    fn no_run_waits_that_could_go_on(ops in proptest::collection::vec(op(), 0..120)) {
        let mut host = Host::after(&ops);
        host.settle();
        let world = &host.world;
        let config = world.config();
        let paced = world.rate_allows_at().is_some_and(|at| at > host.now);
        let closed = !config.scheduling || world.index().free_slots(config) == 0 || paced;
        for (instance, run) in world.runs().iter().filter(|(_, run)| run.state == State::Queued) {
            let is_ready = run.eligible_at.unwrap_or(run.since) <= host.now && world.index().living(instance).is_none();
            let needed = world.workflows().get(instance.workflow()).map(|workflow| workflow.spec.resources.clone());
            let has_units = needed.unwrap_or_default().iter().all(|id| world.index().queue().free(id) > Some(0));
            prop_assert!(!is_ready || closed || !has_units, "{} could go on", instance);
        }
    }

    /// A backfill triggers each of its partitions at most once, in order, never more at a time than it may.
    #[test]
    fn backfills_go_on_in_order(ops in proptest::collection::vec(op(), 0..120)) {
        let mut host = Host::after(&ops);
        host.settle();
        let mut world = World::default();
        let mut triggered: BTreeMap<Arc<str>, Vec<InstanceId>> = BTreeMap::new();
        for record in &host.log {
            world.apply(record).unwrap();
            if let Fact::Run(id, RunEvent::Styx { event: Event::TriggerExecution { trigger: Trigger::Backfill(backfill), .. }, .. }) = &record.fact {
                triggered.entry(Arc::clone(backfill)).or_default().push(id.clone());
                let active = world.index().runs_of_backfill(backfill).len();
                prop_assert!(active <= world.backfills()[backfill].concurrency as usize, "{} has {}", backfill, active);
            }
        }
        for (id, backfill) in world.backfills() {
            let schedule = Schedule::parse(&backfill.spec.schedule).unwrap();
            let mut range: Vec<_> = schedule.range(backfill.spec.start, backfill.spec.end).unwrap().collect();
            if backfill.spec.reverse {
                range.reverse();
            }
            let parameters: Vec<String> = range.iter().map(|at| schedule.parameter(*at)).collect();
            let mut expected = parameters.iter();
            let in_order = triggered.get(id).into_iter().flatten().all(|run| expected.any(|next| next == run.parameter()));
            prop_assert!(in_order, "{} out of order: {:?}", id, triggered.get(id));
            let is_done = !range.contains(&backfill.next);
            prop_assert_eq!(backfill.all_triggered, is_done, "{}", id);
            let may = backfill.is_open() && world.config().scheduling;
            let active = world.index().runs_of_backfill(id).len();
            prop_assert!(!may || active >= backfill.concurrency as usize, "{} could go on", id);
        }
    }

    /// A request with a key is done once; the same key again finds what followed.
    #[test]
    fn a_key_is_used_once(ops in proptest::collection::vec(op(), 0..40), asked in op(), later in proptest::collection::vec(op(), 0..20)) {
        let mut host = Host::after(&ops);
        let Some(request) = host.request(&asked) else { return Ok(()) };
        let operator = Arc::new(Operator { actor: "a".into(), request_id: "r".into(), request: "{}".into() });
        let key = IdempotencyKey { key: "key".into(), digest: Uuid::from_u128(7) };
        let other = IdempotencyKey { key: "key".into(), digest: Uuid::from_u128(8) };
        let other = Input::AskedOnce(request.clone(), Arc::clone(&operator), other);
        let input = Input::AskedOnce(request, operator, key);
        let before = host.log.len();
        let reply = host.decide(&input).reply;
        host.take(&input);
        let Some(first) = host.log.get(before) else { return Ok(()) };
        // No client loads a file.
        if !matches!(asked, Op::Load { .. }) {
            prop_assert_eq!(Some(Reply::of_record(first)), reply);
        }
        let first = first.position;
        later.iter().for_each(|op| host.run(op));
        prop_assert_eq!(host.decide(&input).reply, Some(Reply::Repeated { by: first }));
        prop_assert_eq!(host.decide(&input).drafts, []);
        prop_assert_eq!(host.decide(&other).reply, Some(Reply::Refused(Refusal::KeyOfAnother)));
        prop_assert_eq!(host.decide(&other).drafts, []);
    }

    #[test]
    fn explain_says_why_a_workflow_does_not_fire(ops in proptest::collection::vec(op(), 0..80)) {
        let mut host = Host::after(&ops);
        // Other things that are due come first.
        let moved = |draft: &Draft| match &draft.fact {
            Fact::Workflow(id, WorkflowEvent::CursorMoved { .. } | WorkflowEvent::OwedMoved { .. }) => Some(id.clone()),
            _ => None,
        };
        let is_move = |draft: &Draft| moved(draft).is_some();
        let mut decisions = host.decide(&Input::Due);
        while decisions.again && !decisions.drafts.iter().any(is_move) {
            host.take(&Input::Due);
            decisions = host.decide(&Input::Due);
        }
        for id in host.world.workflows().keys() {
            let mut reasons = explain_workflow(&host.world, id).unwrap();
            // Its instants come and go all the same.
            reasons.retain(|reason| !matches!(reason, Reason::Skipped { .. } | Reason::Halted { .. }));
            // What is owed fired before the edit.
            let owes = reasons.iter().any(|reason| matches!(reason, Reason::Owed { .. }));
            reasons.retain(|reason| !matches!(reason, Reason::Owed { .. }));
            let due = match &reasons[..] {
                [Reason::NextTrigger { at }] => owes || *at <= host.now,
                [Reason::NoInstant] => owes,
                _ => false,
            };
            let fires = decisions.drafts.iter().any(|draft| moved(draft).as_ref() == Some(id));
            prop_assert_eq!(due, fires, "{} is explained by {:?}", id, reasons);
        }
    }
}
