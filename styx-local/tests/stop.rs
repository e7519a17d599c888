//! Stops, tombstones, clean-up, and what belongs to others.

#[path = "support/mod.rs"]
mod support;

use std::{fs, time::Duration};

use styx_core::executor::{Effect, Observed};
use support::{PATIENCE, Place, Watched, ends_within, execution, exited, has_ended, hear, hold};
use uuid::Uuid;

#[test]
fn a_stop_asks_first() {
    let place = Place::new();
    let executor = place.executor();
    let (id, word) = (execution(1), place.word("word"));
    let script = r#"trap 'echo bye; exit 7' TERM; echo ready > "$1"; while :; do sleep 0.05; done"#;
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    assert_eq!(hear(&word), "ready");
    let job = hold(executor.pid_of(&id));
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(7)]);
    assert!(has_ended(&job));
    assert!(executor.output(&id).contains("bye"));
    // Asked again, by whatever request, the same end is told.
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(7)]);
    executor.launch(place.launch(&id, &["true"]));
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(7)]);
    executor.expect_nothing_more();
}

#[test]
fn a_stop_ends_the_group_with_a_child_that_is_deaf() {
    let place = Place::new();
    let mut options = place.options();
    options.stop_grace = Duration::from_millis(300);
    let executor = Watched::new(options);
    let (id, word) = (execution(1), place.word("word"));
    let script = r#"(trap '' TERM; echo "$(sh -c 'echo $PPID')" > "$1"; while :; do sleep 600; done) & wait"#;
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    let child = hold(hear(&word).parse().unwrap());
    let job = hold(executor.pid_of(&id));
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(143)]);
    assert!(has_ended(&child) && has_ended(&job));
}

#[test]
fn a_job_that_is_deaf_is_killed_after_the_grace() {
    let place = Place::new();
    let mut options = place.options();
    options.stop_grace = Duration::from_millis(200);
    let executor = Watched::new(options);
    let (id, word) = (execution(1), place.word("word"));
    let script = r#"trap '' TERM; echo ready > "$1"; while :; do sleep 600; done"#;
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    hear(&word);
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(137)]);
}

#[test]
fn a_stop_that_comes_first_forbids_the_launch() {
    let place = Place::new();
    let executor = place.executor();
    let id = execution(1);
    executor.perform(place.stop(&id));
    executor.expect(&id, &[Observed::NeverStarted]);
    let ran = place.path("ran");
    for executor in [&executor, &place.executor()] {
        executor.launch(place.launch(&id, &["touch", ran.to_str().unwrap()]));
        executor.expect(&id, &[Observed::NeverStarted]);
    }
    executor.perform(place.clean_up(&id));
    executor.expect(&id, &[Observed::Cleaned]);
    executor.launch(place.launch(&id, &["touch", ran.to_str().unwrap()]));
    executor.expect(&id, &[Observed::NeverStarted]);
    assert!(!ran.exists());
}

#[test]
fn a_stop_right_after_a_launch_ends_it_or_forbids_it() {
    let place = Place::new();
    let executor = place.executor();
    for n in 0..20 {
        let id = execution(n);
        executor.launch(place.launch(&id, &["sleep", "600"]));
        executor.perform(place.stop(&id));
        match executor.next_of(&id) {
            Observed::NeverStarted => assert_eq!(place.note(&id, "job"), None),
            Observed::Launched => executor.expect(&id, &[Observed::Started, exited(143)]),
            other => panic!("{other:?}"),
        }
    }
    executor.expect_nothing_more();
}

#[test]
fn a_shim_that_hangs_before_its_claim_holds_up_no_stop() {
    let place = Place::new();
    let mut options = place.options();
    let word = place.word("word");
    // It says that it is there, and goes on only long after it was stopped.
    let script = r#"echo $$ > "$1"; kill -STOP $$; exec "$0" "$2""#;
    let shim = std::mem::replace(&mut options.shim.program, "sh".into());
    options.shim.args = vec!["-c".into(), script.into(), shim.into(), word.clone().into()];
    let executor = Watched::new(options);
    let ran = place.path("ran");
    for (n, clean_up) in [(1, false), (2, true)] {
        let id = execution(n);
        executor.launch(place.launch(&id, &["touch", ran.to_str().unwrap()]));
        let shim = hold(hear(&word).parse().unwrap());
        if clean_up {
            executor.perform(place.clean_up(&id));
            executor.expect(&id, &[Observed::NeverStarted, Observed::Cleaned]);
        } else {
            executor.perform(place.stop(&id));
            executor.expect(&id, &[Observed::NeverStarted]);
        }
        assert!(ends_within(&shim, PATIENCE));
        // The mark stays: a shim that would come later starts nothing.
        let later = place.executor();
        later.launch(place.launch(&id, &["touch", ran.to_str().unwrap()]));
        later.expect(&id, &[Observed::NeverStarted]);
    }
    assert!(!ran.exists());
}

#[test]
fn what_belongs_to_another_log_is_not_touched() {
    let place = Place::new();
    let executor = place.executor();
    let (id, word) = (execution(1), place.word("word"));
    executor.launch(place.launch(&id, &["sh", "-c", "echo up > \"$1\"; exec sleep 600", "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    hear(&word);
    let job = hold(executor.pid_of(&id));

    let other = place.executor();
    let (executor_name, log_id) = (|| "local".into(), Uuid::from_u128(8));
    let mut launch = place.launch(&id, &["true"]);
    launch.log_id = log_id;
    other.launch(launch);
    other.expect(&id, &[Observed::NeverStarted]);
    other.perform(Effect::Adopt { executor: executor_name(), log_id, execution: id.clone() });
    assert!(matches!(other.next_of(&id), Observed::Lost { .. }));
    other.perform(Effect::Stop { executor: executor_name(), log_id, execution: id.clone() });
    other.expect(&id, &[Observed::NeverStarted]);
    other.perform(Effect::CleanUp { executor: executor_name(), log_id, execution: id.clone() });
    other.expect(&id, &[Observed::Cleaned]);
    assert!(!has_ended(&job));
    executor.expect_nothing_more();
    // A folder of unknown origin isn't ours either.
    fs::create_dir(place.run_folder(&execution(2))).unwrap();
    executor.launch(place.launch(&execution(2), &["true"]));
    executor.expect(&execution(2), &[Observed::NeverStarted]);
    assert_eq!(fs::read_dir(place.run_folder(&execution(2))).unwrap().count(), 0);

    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(143)]);
    assert!(has_ended(&job));
}

#[test]
fn the_output_of_the_last_runs_is_kept() {
    let place = Place::new();
    let mut options = place.options();
    options.keep_runs = 2;
    let executor = Watched::new(options);
    for n in 0..4 {
        let id = execution(n);
        executor.launch(place.launch(&id, &["sh", "-c", "echo out; mkdir \"$STYX_RUN_DIR/mine\""]));
        executor.expect(&id, &[Observed::Launched, Observed::Started, exited(0)]);
        executor.perform(place.clean_up(&id));
        executor.perform(place.clean_up(&id));
        executor.expect(&id, &[Observed::Cleaned, Observed::Cleaned]);
    }
    let kept: Vec<_> = (0..4).map(|n| executor.executor.output_of(&execution(n)).exists()).collect();
    assert_eq!(kept, [false, false, true, true]);
    assert!(!place.run_folder(&execution(0)).join("mine").exists());
    // What is left of the old ones still refuses a late launch, and remembers the end.
    executor.launch(place.launch(&execution(0), &["false"]));
    executor.expect(&execution(0), &[Observed::Launched, Observed::Started, exited(0)]);
}

#[test]
fn a_clean_up_of_what_lives_ends_it_first() {
    let place = Place::new();
    let executor = place.executor();
    let id = execution(1);
    executor.launch(place.launch(&id, &["sleep", "600"]));
    executor.expect_running(&id);
    let job = hold(executor.pid_of(&id));
    executor.perform(place.clean_up(&id));
    executor.expect(&id, &[exited(143), Observed::Cleaned]);
    assert!(has_ended(&job));
    // Nothing is known of this one, so there is nothing to remove.
    executor.perform(place.clean_up(&execution(2)));
    executor.expect(&execution(2), &[Observed::Cleaned]);
    assert!(!place.run_folder(&execution(2)).exists());
}
