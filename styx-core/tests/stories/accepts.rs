//! What the world accepts and refuses, record by record, and what it holds then: rules that no decision breaks, so that no story
//! shows them.

use std::sync::Arc;

use styx_core::{
    config::Config,
    decide::{Draft, Facts, Input, Reply, Request, decide},
    event::{Description, Event, FailureClass, Message, MessageLevel, Trigger, TriggerParameters},
    execution::Phase,
    executor::{Observation, Observed},
    extensions::Extensions,
    id::{Counter, Epoch, ExecutionId, Position},
    record::{
        BackfillEvent, BackfillSpec, Cause, ConfigEvent, Ending, ExecutionEvent, Fact, LogEvent, Record, ResourceEvent,
        RunEvent,
    },
    run::{Rules, Run, State, saturating_add_millis},
    seed::Seed,
    verdict::cost_tenths,
    world::{World, digest},
};
use uuid::Uuid;

use crate::{
    backfills::between,
    teller::{Teller, id, instance, time},
};

const HOUR: &str = "2026-03-29T00";

/// A story with a run that was submitted.
fn submitted() -> Teller {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.store("report", "hours", None);
    trigger(&mut story, "report");
    story
}

fn trigger(story: &mut Teller, name: &str) {
    let parameters = TriggerParameters::default();
    story.ask(Request::Trigger { workflow: id(name), parameter: HOUR.into(), parameters, allow_future: false });
    story.settle();
}

/// The record of `fact`, as the next in a log.
fn next(world: &World, fact: Fact, cause: Cause) -> Record {
    Draft { fact, cause, idempotency_key: None }.into_record(world, time("2026-03-29T00:40:00Z"), Epoch(1))
}

/// Why the world refuses `fact`; nothing has changed then.
fn refusal(world: &World, fact: Fact, cause: Cause) -> String {
    let mut after = world.clone();
    let refused = after.apply(&next(world, fact, cause)).expect_err("it is refused");
    assert_eq!(after, *world, "a refused record changes nothing");
    refused.to_string()
}

fn applied(world: &World, fact: Fact, cause: Cause) -> World {
    let mut after = world.clone();
    after.apply(&next(world, fact, cause)).expect("it is accepted");
    after
}

fn run_event(name: &str, counter: u64, event: Event) -> Fact {
    Fact::Run(instance(name, HOUR), RunEvent::Styx { counter: Counter(counter), event })
}

fn imported() -> Cause {
    Cause::Imported { at: time("2026-03-01T00:00:00Z") }
}

fn natural() -> Event {
    Event::TriggerExecution {
        trigger: Trigger::Natural,
        parameters: TriggerParameters::default(),
        missed: false,
        extensions: Extensions::default(),
    }
}

fn submit(description: Description, execution: Option<ExecutionId>, runner: Option<&str>) -> Event {
    Event::Submit {
        description,
        execution,
        runner: runner.map(Into::into),
        running_timeout: None,
        retry_condition: None,
        extensions: Extensions::default(),
    }
}

fn dequeue() -> Event {
    Event::Dequeue { resources: Arc::default() }
}

fn new_execution() -> ExecutionId {
    ExecutionId::from_uuid(Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef))
}

fn execution_of(story: &Teller) -> ExecutionId {
    story.world().runs()[&instance("report", HOUR)].execution.clone().expect("it was submitted")
}

#[test]
fn a_log_has_the_name_of_its_start_until_it_is_forked_and_starts_once() {
    let story = submitted();
    assert_eq!(story.world().log_id(), Some(Uuid::from_u128(1)));
    let (log_id, root_seed) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let forked = applied(story.world(), Fact::Log(LogEvent::Forked { log_id, root_seed }), Cause::Engine);
    assert_eq!((forked.log_id(), forked.root_seed()), (Some(log_id), Some(root_seed)));
    let again = refusal(story.world(), Fact::Log(LogEvent::Started { log_id, root_seed }), Cause::Engine);
    assert!(again.ends_with("starts once, with its first record"), "{again}");
    // Behind another first record it is no start.
    let config = Fact::Config(ConfigEvent::Set(Arc::new(Config::default())));
    let world = applied(&World::default(), config, Cause::Engine);
    let late = refusal(&world, Fact::Log(LogEvent::Started { log_id, root_seed }), Cause::Engine);
    assert!(late.ends_with("starts once, with its first record"), "{late}");
    let nameless = refusal(&World::default(), Fact::Log(LogEvent::Forked { log_id, root_seed }), Cause::Engine);
    assert!(nameless.ends_with("starts once, with its first record"), "{nameless}");
}

#[test]
fn an_execution_moves_with_its_run() {
    let mut story = submitted();
    let execution = execution_of(&story);
    assert_eq!(story.world().executions()[&execution].phase, Phase::Launching { retry_at: None });
    assert_eq!(story.world().index().living_count(), 1);
    story.see("report", HOUR, Observed::Launched);
    assert_eq!(story.world().executions()[&execution].phase, Phase::Launched);
    story.see("report", HOUR, Observed::Started);
    assert_eq!(story.world().executions()[&execution].phase, Phase::Running);
    story.store("mail", "hours", None);
    trigger(&mut story, "mail");
    assert_eq!(story.world().index().living_count(), 2);
    story.see("report", HOUR, Observed::Exited { code: Some(0) });
    assert_eq!(story.world().executions()[&execution].phase, Phase::Ended(Ending::Exit { code: Some(0) }));
    assert_eq!(story.world().index().living_count(), 1);
}

#[test]
fn what_was_taken_can_t_be_refused() {
    let mut story = submitted();
    let execution = execution_of(&story);
    let retry_at = time("2026-03-29T00:50:00Z");
    let refused = || Fact::Execution(execution.clone(), ExecutionEvent::Refused { retry_at, reason: "quota".into() });
    let waits = applied(story.world(), refused(), Cause::Engine);
    assert_eq!(waits.executions()[&execution].phase, Phase::Launching { retry_at: Some(retry_at) });
    story.see("report", HOUR, Observed::Launched);
    assert!(refusal(story.world(), refused(), Cause::Engine).ends_with("was taken already"));
}

#[test]
fn a_submit_names_a_new_execution_and_the_workflow_as_it_is() {
    let mut story = submitted();
    story.store("mail", "hours", None);
    let first = execution_of(&story);
    let stored_at = story.world().workflows()[&id("mail")].stored_at;
    let world = applied(story.world(), run_event("mail", 0, natural()), Cause::Schedule);
    let world = applied(&world, run_event("mail", 1, dequeue()), Cause::Decision);
    let submits = |description, execution| run_event("mail", 2, submit(description, execution, Some("default")));
    let stored = || Description::Stored(stored_at);
    assert!(refusal(&world, submits(stored(), Some(first)), Cause::Decision).ends_with("exists already"));
    let old = submits(Description::Stored(Position(3)), Some(new_execution()));
    assert!(refusal(&world, old, Cause::Decision).ends_with("isn't the one stored last"));
    // What only imported histories may lack.
    let incomplete = [
        submits(stored(), None),
        submits(stored(), Some(ExecutionId::Text("free text".into()))),
        submits(Description::Inline(Arc::default()), Some(new_execution())),
        run_event("mail", 2, submit(stored(), Some(new_execution()), None)),
    ];
    for fact in incomplete {
        assert!(refusal(&world, fact, Cause::Decision).ends_with("received submit while in PREPARE"));
    }
    let after = applied(&world, submits(stored(), Some(new_execution())), Cause::Decision);
    assert_eq!(after.index().living_count(), 2);
}

#[test]
fn only_the_executor_that_was_asked_takes_an_execution() {
    let mut story = submitted();
    let execution = execution_of(&story);
    let taken = |runner: &str, execution: &ExecutionId| {
        run_event("report", 3, Event::Submitted { execution: Some(execution.clone()), runner: Some(runner.into()) })
    };
    let refused = refusal(story.world(), taken("other", &execution), Cause::Engine);
    assert!(refused.ends_with("no execution that lives with this executor"), "{refused}");
    refusal(story.world(), taken("default", &new_execution()), Cause::Engine);
    applied(story.world(), taken("default", &execution), Cause::Engine);
    // The counter has no gaps.
    story.forget();
    let gap = run_event("report", 4, Event::Halt { reason: None });
    assert!(!refusal(story.world(), gap, Cause::Engine).is_empty());
}

#[test]
fn an_imported_run_begins_afresh_waits_for_nothing_and_keeps_the_greatest_counter() {
    let mut story = Teller::begin("2026-03-29T00:30:00Z", Config::default());
    story.store("report", "hours", None);
    let world = applied(story.world(), run_event("report", 3, natural()), imported());
    let run = &world.runs()[&instance("report", HOUR)];
    assert_eq!((run.state, run.counter, run.imported), (State::Queued, Some(Counter(3)), true));
    // It isn't in the queue and has no time-out: nothing falls due.
    assert_eq!(world.next_due(), None);
    let world = applied(&world, run_event("report", 4, dequeue()), imported());
    assert_eq!(world.runs()[&instance("report", HOUR)].state, State::Prepare);
    assert_eq!(world.next_due(), None);
    let ignored = |counter| {
        let (event, error) = (Event::Started, "started in QUEUED".into());
        Fact::Run(instance("report", HOUR), RunEvent::Ignored { counter: Counter(counter), event, error })
    };
    let world = applied(&world, ignored(9), imported());
    assert_eq!(world.runs()[&instance("report", HOUR)].counter, Some(Counter(9)));
    let world = applied(&world, ignored(5), imported());
    assert_eq!(world.runs()[&instance("report", HOUR)].counter, Some(Counter(9)));
    assert!(refusal(&world, ignored(10), Cause::Engine).ends_with("ignores only what was imported"));
    // Its end was lost: the next trigger begins afresh (SM-108).
    let world = applied(&world, run_event("report", 10, natural()), imported());
    let run = &world.runs()[&instance("report", HOUR)];
    assert_eq!((run.state, run.counter), (State::Queued, Some(Counter(10))));
    // Beside an execution of ours nothing is imported.
    let ours = submitted();
    let refused = refusal(ours.world(), run_event("report", 3, natural()), imported());
    assert!(refused.ends_with("nothing can be imported"), "{refused}");
}

#[test]
fn a_backfill_moves_from_its_next_partition_while_it_is_open() {
    let mut story = Teller::begin("2026-03-29T00:10:00Z", Config { scheduling: false, ..Config::default() });
    story.store("report", "hours", None);
    let (start, end) = (time("2026-03-29T00:00:00Z"), time("2026-03-29T03:00:00Z"));
    let spec = BackfillSpec {
        workflow: id("report"),
        start,
        end,
        reverse: false,
        schedule: "hours".into(),
        concurrency: 1,
        description: None,
        parameters: None,
        first: start,
    };
    let fact = |event| Fact::Backfill("one".into(), event);
    let advanced = |from: &str, to: &str, all_triggered| {
        let [instant, next] = [from, to].map(|hour| time(&format!("2026-03-29T{hour}:00:00Z")));
        fact(BackfillEvent::Advanced {
            instant,
            next,
            all_triggered,
            why: styx_core::record::BackfillMove::AlreadyActive,
        })
    };
    let world = applied(story.world(), fact(BackfillEvent::Created(Arc::new(spec))), Cause::Engine);
    let made = world.backfills()["one"].modified_at;
    assert!(refusal(&world, advanced("01", "02", false), Cause::Engine).ends_with("is at another partition"));
    let world = applied(&world, advanced("00", "03", true), Cause::Engine);
    assert!(refusal(&world, advanced("03", "03", true), Cause::Engine).ends_with("has nothing more to trigger"));
    // A step isn't a change that somebody made; an edit is.
    assert_eq!(world.backfills()["one"].modified_at, made);
    let edited = BackfillEvent::Edited { concurrency: Some(2), description: None };
    let draft = Draft { fact: fact(edited), cause: Cause::Engine, idempotency_key: None };
    let mut after = world.clone();
    after.apply(&draft.into_record(&world, time("2026-03-29T13:00:00Z"), Epoch(1))).expect("it is accepted");
    assert_eq!(after.backfills()["one"].modified_at, time("2026-03-29T13:00:00Z"));
    // A resource that isn't there can't be deleted.
    let gone = Fact::Resource("db".into(), ResourceEvent::Deleted);
    assert!(refusal(&world, gone, Cause::Engine).ends_with("doesn't exist"));
}

#[test]
fn the_first_record_of_a_decision_tells_what_was_answered() {
    let mut story = submitted();
    let stored = story.records().iter().find(|fact| matches!(fact, Fact::Workflow(..))).expect("it was stored").clone();
    let record = next(story.world(), stored, Cause::Engine);
    assert!(matches!(Reply::of_record(&record), Reply::Stored(stored) if stored.json.contains("report")));
    let (start, end) = (time("2026-03-28T00:00:00Z"), time("2026-03-28T02:00:00Z"));
    story.ask(between(start, end, 1, false));
    let made = story.records().iter().find(|fact| matches!(fact, Fact::Backfill(..))).expect("it was made").clone();
    let record = next(story.world(), made, Cause::Engine);
    let (name, _) = story.world().backfills().first_key_value().expect("there is one");
    assert_eq!(Reply::of_record(&record), Reply::BackfillCreated { id: Arc::clone(name) });
}

#[test]
fn names_of_states_are_read_in_either_case_and_costs_are_tenths() {
    for state in State::ALL {
        assert_eq!(State::from_name(state.as_str()), Some(state));
        assert_eq!(State::from_name(&state.as_str().to_lowercase()), Some(state));
    }
    assert_eq!(State::from_name("RUN"), None);
    assert_eq!([Some(0), Some(20), Some(1), None].map(cost_tenths), [0, 1, 10, 10]);
    assert_ne!(digest("{}"), digest("[]"));
    assert_eq!(digest("{}"), digest("{}"));
}

#[test]
fn a_time_out_of_ours_is_a_failure_and_one_of_styx_2_leaves_all_as_it_was() {
    let at = time("2026-03-29T00:00:00Z");
    for (rules, failures, cost) in [(Rules::Ours, 1, 1.0), (Rules::Styx2, 0, 0.0)] {
        let mut run = Run::new(None, at);
        run.apply(&natural(), at, rules).expect("it is triggered");
        run.apply(&Event::Timeout { reason: None }, at, rules).expect("it is timed out");
        assert_eq!(
            (run.state, run.consecutive_failures, run.retry_cost()),
            (State::Failed, failures, cost),
            "{rules:?}"
        );
    }
    for (rules, infrastructure, failures) in [(Rules::Ours, 1, 0), (Rules::Styx2, 0, 1)] {
        let mut run = Run::new(None, at);
        run.apply(&natural(), at, rules).expect("it is triggered");
        let error = Event::RunError { message: "no node".into(), class: FailureClass::Infrastructure };
        run.apply(&error, at, rules).expect("it fails");
        assert_eq!((run.infrastructure_failures, run.consecutive_failures), (infrastructure, failures), "{rules:?}");
    }
}

#[test]
fn evidence_is_kept_up_to_its_bound_and_a_late_refusal_asks_again_soon() {
    let mut story = submitted();
    let execution = execution_of(&story);
    let refused = |length: usize| Observation {
        execution: execution.clone(),
        runner: "default".into(),
        what: Observed::Refused { retry_at: time("2026-03-29T00:10:00Z"), reason: "quota".into() },
        observed_at: None,
        evidence: vec![b' '; length].into(),
        extensions: Extensions::default(),
    };
    let kept = |observation| {
        let input = Input::Observed(observation);
        let decided = decide(story.world(), &Facts::default(), &input, story.now(), Seed(Uuid::nil()));
        match &decided.drafts[0].cause {
            Cause::Executor { evidence, .. } => evidence.len(),
            other => panic!("{other:?}"),
        }
    };
    let bound = Cause::MAX_EVIDENCE;
    assert_eq!([0, bound, bound + 1, bound + 2].map(|length| kept(refused(length))), [0, bound, 0, 0]);
    // It was to be asked again 20 minutes ago.
    story.take(&Input::Observed(refused(2)));
    let retry_at = Some(story.now() + chrono::TimeDelta::milliseconds(1));
    assert_eq!(story.world().executions()[&execution].phase, Phase::Launching { retry_at });
}

#[test]
fn triggers_by_hand_have_ids_of_their_own() {
    let mut story = submitted();
    story.store("mail", "hours", None);
    trigger(&mut story, "mail");
    let ids: Vec<_> =
        story.world().runs().values().map(|run| run.trigger.as_ref().map(|it| it.id().to_owned())).collect();
    let [Some(one), Some(other)] = ids.as_slice() else { panic!("both have a trigger: {ids:?}") };
    assert!(one != other && !one.ends_with("-00000") && !other.ends_with("-00000"), "{one} {other}");
}

#[test]
fn a_request_that_expects_a_counter_is_refused_where_the_instance_has_gone_on() {
    let mut story = submitted();
    let expecting = |name: &str, counter: Option<u64>, request| {
        let request = Box::new(request);
        Request::Expecting { instance: instance("report", name), counter: counter.map(Counter), request }
    };
    let halt = || Request::Halt { instance: instance("report", HOUR) };
    let refused = |story: &mut Teller, request| {
        story.forget();
        story.ask(request);
        story.told().contains("refused: ")
    };
    assert!(refused(&mut story, expecting(HOUR, Some(1), halt())));
    story.see("report", HOUR, Observed::Exited { code: Some(0) });
    // It has finished: what the row of its end says counts, and it goes on from there.
    assert!(refused(&mut story, expecting(HOUR, None, crate::trigger(HOUR))));
    assert!(refused(&mut story, expecting(HOUR, Some(5), crate::trigger(HOUR))));
    assert!(
        refused(&mut story, expecting("2026-03-28T23", None, crate::trigger(HOUR))),
        "another instance than is asked for"
    );
    assert!(!refused(&mut story, expecting(HOUR, Some(6), crate::trigger(HOUR))));
    assert_eq!(story.world().runs()[&instance("report", HOUR)].counter, Some(Counter(9)));
    // What isn't about an instance is held against the finished run as well.
    story.see("report", HOUR, Observed::Exited { code: Some(0) });
    assert!(refused(&mut story, expecting(HOUR, Some(12), Request::SetResource { id: "db".into(), concurrency: 1 })));
    assert!(!refused(&mut story, expecting(HOUR, Some(13), Request::SetResource { id: "db".into(), concurrency: 1 })));
}

#[test]
fn a_run_is_in_its_state_since_it_came_there_or_was_put_back() {
    let at = |second| time("2026-03-29T00:00:00Z") + chrono::TimeDelta::seconds(second);
    let told = || Event::Info { message: Message { level: MessageLevel::Info, line: "waits".into() } };
    for (rules, since) in [(Rules::Ours, [0, 0, 20, 30]), (Rules::Styx2, [0, 10, 20, 30])] {
        let mut run = Run::new(None, at(0));
        let events = [natural(), told(), Event::RetryAfter { delay_millis: 1 }, dequeue()];
        let seen = events.into_iter().zip(0..).map(|(event, nth)| {
            run.apply(&event, at(nth * 10), rules).expect("the graph has this edge");
            (run.since, run.last_event_at)
        });
        let expected = since.into_iter().zip(0..).map(|(since, nth)| (at(since), at(nth * 10)));
        assert!(seen.eq(expected), "{rules:?}");
    }
}

#[test]
fn an_execution_ends_once() {
    let mut story = submitted();
    let execution = execution_of(&story);
    let ended = |ending| Fact::Execution(execution.clone(), ExecutionEvent::Ended(ending));
    let refused = refusal(story.world(), ended(Ending::Lost), Cause::Engine);
    assert!(refused.ends_with("ends with an event of its run, which follows it"), "{refused}");
    story.ask(Request::Halt { instance: instance("report", HOUR) });
    let world = applied(story.world(), ended(Ending::Lost), Cause::Engine);
    assert_eq!(world.executions()[&execution].phase, Phase::Ended(Ending::Lost));
    let refused = refusal(&world, ended(Ending::Exit { code: Some(0) }), Cause::Engine);
    assert!(refused.ends_with("has ended already"), "{refused}");
    assert!(
        refusal(story.world(), Fact::Execution(execution.clone(), ExecutionEvent::Cleaned), Cause::Engine)
            .ends_with("hasn't ended")
    );
}

#[test]
fn a_delay_beyond_the_calendar_ends_at_its_edge_and_resources_are_held_from_the_queue_to_the_end() {
    let at = time("2026-03-29T00:00:00Z");
    assert_eq!(saturating_add_millis(at, i64::MAX), chrono::DateTime::<chrono::Utc>::MAX_UTC);
    assert_eq!(saturating_add_millis(at, i64::MIN), chrono::DateTime::<chrono::Utc>::MIN_UTC);
    assert_eq!(saturating_add_millis(at, -1_000), time("2026-03-28T23:59:59Z"));
    let holding: Vec<_> = State::ALL.into_iter().filter(|state| state.consumes_resources()).collect();
    assert_eq!(holding, [State::Prepare, State::Submitting, State::Submitted, State::Running]);
}
