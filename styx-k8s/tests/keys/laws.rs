//! What holds for the keys of service accounts whatever fails, and whenever Styx dies.

use chrono::TimeDelta;
use proptest::prelude::*;
use styx_k8s::keys::{Elsewhere, KeyError, KeySettings};

use crate::{
    fake_iam::STYX,
    world::{Disturbance, Styx, World, run},
};

const A: &str = "a@p1.iam.gserviceaccount.com";
const B: &str = "b@p2.iam.gserviceaccount.com";

#[derive(Debug, Clone)]
enum Op {
    /// A launch of one of the accounts, whose pod shows itself after so many minutes.
    Launch(usize, i64),
    /// The pod that was launched as the so manieth of those that live ends.
    End(usize),
    Collect,
    Restart,
    /// Minutes go by.
    Advance(i64),
    /// Somebody makes a key of an account.
    Foreign(usize),
}

/// An operation in a namespace, and what happens to its calls.
#[derive(Debug, Clone)]
struct Happening {
    namespace: usize,
    op: Op,
    disturbances: Vec<(usize, Disturbance)>,
}

fn op(has_foreign: bool) -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..2_usize, 0..55_i64).prop_map(|(account, after)| Op::Launch(account, after)),
        4 => (0..20_usize).prop_map(Op::End),
        4 => Just(Op::Collect),
        1 => Just(Op::Restart),
        3 => (1..20_i64).prop_map(Op::Advance),
        3 => (20..600_i64).prop_map(Op::Advance),
        4 => (600..1800_i64).prop_map(Op::Advance),
        u32::from(has_foreign) => (0..2_usize).prop_map(Op::Foreign),
    ]
}

fn happening(namespaces: usize, has_foreign: bool) -> impl Strategy<Value = Happening> {
    let disturbance = prop::sample::select(Disturbance::ALL.to_vec());
    let disturbances = prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec((0..9_usize, disturbance), 1..3),
    ];
    (0..namespaces, op(has_foreign), disturbances).prop_map(|(namespace, op, disturbances)| Happening {
        namespace,
        op,
        disturbances,
    })
}

struct Case {
    world: World,
    settings: KeySettings,
    styx: Vec<Styx>,
}

impl Case {
    fn new(namespaces: usize) -> Self {
        let (world, settings) = (World::new(&[A, B], namespaces), KeySettings::default());
        let styx = (0..namespaces).map(|namespace| world.styx(namespace, &settings)).collect();
        Self { world, settings, styx }
    }

    fn restart(&mut self, namespace: usize) {
        self.styx[namespace] = self.world.styx(namespace, &self.settings);
    }

    /// What the other namespaces hold.
    fn elsewhere(&self, namespace: usize) -> Option<Elsewhere> {
        let mut elsewhere = Elsewhere::default();
        for (other, styx) in self.styx.iter().enumerate().filter(|(other, _)| *other != namespace) {
            // The crash of another executor is another one's story.
            let held = run(styx.keys.held()).unwrap_or_else(|| panic!("no crash in {other}"));
            let held = held.ok()?;
            elsewhere.keys.extend(held.keys);
            elsewhere.attempts.extend(held.attempts);
        }
        Some(elsewhere)
    }

    fn happen(&mut self, happening: &Happening) -> Option<Result<(), KeyError>> {
        let namespace = happening.namespace;
        let elsewhere = self.elsewhere(namespace);
        {
            let mut state = self.world.state();
            state.calls = 0;
            state.disturbances = happening.disturbances.iter().copied().collect();
        }
        let result = match happening.op {
            Op::Launch(account, after) => {
                let answer = self.styx[namespace].launch([A, B][account], TimeDelta::minutes(after));
                answer.map(|answer| answer.map(|_| ()))
            }
            Op::End(pod) => {
                let mut state = self.world.state();
                let count = state.pods.len();
                if count > 0 {
                    state.pods.remove(pod % count);
                }
                Some(Ok(()))
            }
            Op::Collect => self.styx[namespace].collect(elsewhere.as_ref()).map(|_| Ok(())),
            Op::Restart => {
                self.restart(namespace);
                Some(Ok(()))
            }
            Op::Advance(minutes) => {
                self.world.advance(TimeDelta::minutes(minutes));
                Some(Ok(()))
            }
            Op::Foreign(account) => {
                let mut state = self.world.state();
                let now = state.now;
                if state.iam.living([A, B][account]).len() < 3 {
                    state.iam.make([A, B][account], "ann@example.com", now);
                }
                Some(Ok(()))
            }
        };
        self.world.state().disturbances.clear();
        if result.is_none() {
            self.restart(namespace);
        }
        result
    }

    /// All pods end, and nothing fails any more: everything is collected.
    fn end(&mut self) {
        self.world.state().pods.clear();
        for round in 0..8 {
            self.world.advance(TimeDelta::hours(12));
            for namespace in 0..self.styx.len() {
                let elsewhere = self.elsewhere(namespace);
                let collected = self.styx[namespace].collect(elsewhere.as_ref()).expect("no crash").expect("a list");
                // A key that was just deleted may still be listed.
                assert!(round < 7 || collected.problems.is_empty(), "{:?}", collected.problems);
            }
        }
        let state = self.world.state();
        for namespace in &state.namespaces {
            assert!(namespace.is_empty(), "left: {:?}", namespace.keys());
        }
        let left = state.iam.keys.iter().filter(|(_, key)| key.creator == STYX && key.deleted_at.is_none());
        assert_eq!(left.map(|(name, _)| name).collect::<Vec<_>>(), Vec::<&String>::new(), "keys are left");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The checks on the way are in the world: no deletion of what a pod uses, no launch with keys that are gone.
    #[test]
    fn keys_are_valid_while_used_and_none_is_left(story in prop::collection::vec(happening(1, false), 1..60)) {
        let mut case = Case::new(1);
        for happening in &story {
            let result = case.happen(happening);
            if matches!(happening.op, Op::Launch(..)) && happening.disturbances.is_empty() {
                // Nobody else makes keys, so there is always room, at the latest when attempts have been judged.
                let answer = result.expect("no crash");
                prop_assert!(!matches!(answer, Err(KeyError::Refused(_))), "{answer:?}");
            }
            prop_assert_eq!(case.world.state().iam.refused_as_full, 0, "a key too many was tried");
        }
        case.end();
    }

    #[test]
    fn keys_of_others_stay(story in prop::collection::vec(happening(1, true), 1..60)) {
        let mut case = Case::new(1);
        case.world.state().iam.shows_creators = true;
        let mut foreign = 0;
        for happening in &story {
            case.happen(happening);
            let state = case.world.state();
            let living = state.iam.keys.values().filter(|key| key.creator == "ann@example.com" && key.deleted_at.is_none());
            let living = living.count();
            prop_assert!(living >= foreign);
            foreign = living;
        }
        case.end();
    }

    #[test]
    fn two_executors_leave_each_other_alone(story in prop::collection::vec(happening(2, false), 1..60)) {
        let mut case = Case::new(2);
        for happening in &story {
            case.happen(happening);
        }
        case.end();
    }
}

/// How many calls a first launch makes, and a rotation.
fn calls(is_rotation: bool) -> usize {
    let case = prepared(is_rotation);
    case.world.state().calls = 0;
    assert!(matches!(case.styx[0].launch(A, TimeDelta::zero()), Some(Ok(_))));
    case.world.state().calls
}

/// Before the first launch, or before one that rotates.
fn prepared(is_rotation: bool) -> Case {
    let case = Case::new(1);
    if is_rotation {
        assert!(matches!(case.styx[0].launch(A, TimeDelta::zero()), Some(Ok(_))));
        case.world.advance(TimeDelta::hours(24));
    }
    case
}

/// Each single disturbance of a launch: the next launch has keys at once, and nothing is left in the end.
#[test]
fn a_launch_may_be_cut_short_anywhere() {
    for is_rotation in [false, true] {
        let calls = calls(is_rotation);
        assert!((6..=8).contains(&calls), "{calls}");
        for call in 0..calls {
            for disturbance in Disturbance::ALL {
                let mut case = prepared(is_rotation);
                let launch = |disturbances| Happening { namespace: 0, op: Op::Launch(0, 0), disturbances };
                let result = case.happen(&launch(vec![(call, disturbance)]));
                let what = format!("{disturbance:?} at call {call}, rotation: {is_rotation}");
                assert_eq!(result.is_none(), disturbance.is_crash(), "{what}");
                if is_rotation && call > 1 && !disturbance.is_crash() {
                    // The old keys do meanwhile. Calls 0 and 1 find out what there is.
                    assert_eq!(result, Some(Ok(())), "{what}");
                }
                case.world.advance(TimeDelta::seconds(31));
                assert_eq!(case.happen(&launch(Vec::new())), Some(Ok(())), "{what}");
                assert!(case.world.state().iam.living(A).len() <= 6, "{what}");
                case.end();
            }
        }
    }
}

/// Each single disturbance of a collection that has an old secret and the keys of an attempt to remove.
#[test]
fn a_collection_may_be_cut_short_anywhere() {
    for first in 0..14 {
        for disturbance in Disturbance::ALL {
            let mut case = prepared(true);
            let happening = |op, disturbances| Happening { namespace: 0, op, disturbances };
            // An attempt that left both keys and no secret.
            let died = case.happen(&happening(Op::Launch(0, 0), vec![(4, Disturbance::CrashAfter)]));
            assert_eq!(died, None);
            assert_eq!(case.world.state().iam.living(A).len(), 4);
            assert_eq!(case.happen(&happening(Op::Launch(0, 0), Vec::new())), Some(Ok(())));
            case.world.state().pods.clear();
            case.world.advance(TimeDelta::hours(26));
            case.happen(&happening(Op::Collect, vec![(first, disturbance)]));
            case.world.advance(TimeDelta::minutes(1));
            assert_eq!(
                case.happen(&happening(Op::Launch(0, 0), Vec::new())),
                Some(Ok(())),
                "{disturbance:?} at {first}"
            );
            case.end();
        }
    }
}
