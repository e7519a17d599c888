//! All processes of a job are reached, wherever they have gone.

#[path = "support/mod.rs"]
mod support;

use std::{fs, time::Duration};

use styx_core::executor::Observed;
use support::{Place, Watched, adopt_ends, execution, exited, has_ended, hear, hear_pids, kill, orphaned};

#[test]
fn a_stop_asks_those_in_other_groups_and_sessions_first() {
    let place = Place::new();
    let executor = place.executor();
    let (id, word) = (execution(1), place.word("word"));
    // A daemon as they are made, a session, and a job of a shell with job control; the leader waits for their last words.
    let script = r#"
        child='trap "echo asked >> $1; exit" TERM; echo $$ > $2; while :; do sleep 0.05; done'
        (setsid sh -c "$child" - "$1.1" "$2" &)
        setsid sh -c "$child" - "$1.2" "$2" &
        set -m; sh -c "$child" - "$1.3" "$2" & set +m
        trap 'while ! [ -e "$1.1" -a -e "$1.2" -a -e "$1.3" ]; do sleep 0.01; done; exit 7' TERM
        echo $$ > "$2"
        while :; do sleep 0.05; done"#;
    let asked = place.path("asked");
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", asked.to_str().unwrap(), word.to_str().unwrap()]));
    executor.expect_running(&id);
    let all = hear_pids(&word, 4);
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(7)]);
    assert!(all.iter().all(has_ended));
    for n in 1..=3 {
        assert_eq!(fs::read_to_string(format!("{}.{n}", asked.display())).unwrap(), "asked\n", "asked once");
    }
}

#[test]
fn what_a_job_starts_to_end_in_order_is_not_asked_to_end() {
    let place = Place::new();
    let executor = place.executor();
    let (id, word, tidy) = (execution(1), place.word("word"), place.path("tidy"));
    let script = r#"trap 'sh -c "sleep 0.3; echo done > $2" - "$1" "$2"; exit 5' TERM; echo up > "$1"; while :; do sleep 0.05; done"#;
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap(), tidy.to_str().unwrap()]));
    executor.expect_running(&id);
    hear(&word);
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(5)]);
    assert!(tidy.exists());
}

#[test]
fn the_deaf_are_killed_wherever_they_are() {
    let place = Place::new();
    let mut options = place.options();
    options.stop_grace = Duration::from_millis(200);
    let executor = Watched::new(options);
    let (id, word) = (execution(1), place.word("word"));
    let script = r#"
        child='trap "" TERM HUP; echo $$ > "$1"; while :; do sleep 600; done'
        (setsid sh -c "$child" - "$1" &)
        setsid env -i sh -c "$child" - "$1" &
        sh -c "$child" - "$1" &
        wait"#;
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    let all = hear_pids(&word, 3);
    executor.perform(place.stop(&id));
    executor.expect(&id, &[exited(143)]);
    assert!(all.iter().all(has_ended));
}

#[test]
fn leftovers_of_a_dead_shim_are_found_under_every_name() {
    let script = r#"trap '' TERM HUP
        setsid sh -c 'echo $$ > "$1"; exec sleep 600' - "$1" &
        sh -c 'echo $$ > "$1"; exec sleep 600' - "$1" &
        echo $$ > "$1"
        while :; do sleep 600; done"#;
    for (n, name) in ["data", "moved", "link", "gone"].into_iter().enumerate() {
        let place = Place::new();
        let (id, all) = orphaned(&place, 100 + n as u128, script, 3);
        let data = place.path(name);
        match name {
            "moved" => fs::rename(place.path("data"), &data).unwrap(),
            "link" => std::os::unix::fs::symlink(place.path("data"), &data).unwrap(),
            "gone" => fs::rename(place.path("data/runs").join(id.to_string()), place.path("gone")).unwrap(),
            _ => {}
        }
        let data = if name == "gone" { place.path("data") } else { data };
        adopt_ends(&place, &data, &id, &all);
    }
}

#[test]
fn leftovers_that_cleared_their_environment_are_found_beside_others() {
    let place = Place::new();
    let script = r#"trap '' TERM HUP
        env -i sh -c 'echo $$ > "$1"; exec sleep 600' - "$1" &
        setsid sh -c 'env -i sh -c "echo \$\$ > $1; exec sleep 600" & echo $$ > "$1"; wait' - "$1" &
        echo $$ > "$1"
        while :; do sleep 600; done"#;
    let (id, all) = orphaned(&place, 200, script, 4);
    adopt_ends(&place, &place.path("data"), &id, &all);
}

#[test]
fn hundreds_of_leftovers_need_few_descriptors() {
    let place = Place::new();
    let mut options = place.options();
    options.stop_grace = Duration::from_millis(200);
    let shim = std::mem::replace(&mut options.shim.program, "sh".into());
    options.shim.args = vec!["-c".into(), r#"ulimit -n 24; exec "$0" "$1""#.into(), shim.into()];
    let executor = Watched::new(options);
    let id = execution(1);
    let script = "n=0; while [ $n -lt 300 ]; do sleep 600 & n=$((n+1)); done; exit 3";
    executor.launch(place.launch(&id, &["sh", "-c", script]));
    executor.expect(&id, &[Observed::Launched, Observed::Started, exited(3)]);

    // The same after the shim's death, seen by an executor: it holds one of them at a time.
    let id = execution(2);
    let word = place.word("word");
    let script = r#"n=0; while [ $n -lt 300 ]; do sleep 600 & n=$((n+1)); done; echo up > "$1"; wait"#;
    executor.launch(place.launch(&id, &["sh", "-c", script, "-", word.to_str().unwrap()]));
    executor.expect_running(&id);
    hear(&word);
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    kill(place.shim_pid(&id));
    assert!(matches!(executor.next_of(&id), Observed::Lost { .. }));
    assert!(fs::read_dir("/proc/self/fd").unwrap().count() < before + 50);
}
