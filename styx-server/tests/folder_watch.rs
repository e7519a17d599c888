//! A running server and a workflow folder in which things happen.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use common::{Server, command, run_to_end};
use styx_files::Folder;
use tempfile::TempDir;

/// Longer than it takes to see a change, and to decide that somebody is done.
const SETTLED: Duration = Duration::from_millis(1_500);

/// A server that doesn't wait for long, so that a test needn't either.
const IMPATIENT: &str = "[workflow_folder]\nremoved_after = \"PT1S\"\nsweep_every = \"PT1S\"\n";

/// A server that watches a folder.
struct Watched {
    dir: TempDir,
    server: Option<Server>,
}

impl Watched {
    fn start(files: &[(&str, &str)]) -> Self {
        Self::start_with(IMPATIENT, files)
    }

    fn start_with(configuration: &str, files: &[(&str, &str)]) -> Self {
        let mut watched = Self { dir: TempDir::new().unwrap(), server: None };
        fs::create_dir(watched.folder()).unwrap();
        fs::write(watched.dir.path().join("server.toml"), configuration).unwrap();
        files.iter().for_each(|(path, text)| watched.write(path, text));
        watched.restart(&["--executor", "fake"]);
        watched
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("workflows")
    }

    fn restart(&mut self, args: &[&str]) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        let (folder, configuration) = (self.folder(), self.dir.path().join("server.toml"));
        let named = ["--workflows", folder.to_str().unwrap(), "--config", configuration.to_str().unwrap()];
        let args = [&named[..], args].concat();
        self.server = Some(Server::start_with(&self.dir.path().join("data"), &args));
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        write(&self.folder(), path, text);
    }

    /// As a careful editor does.
    fn replace(&self, path: &str, text: &str) {
        let temporary = self.folder().join(".save.tmp");
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, self.folder().join(path)).unwrap();
    }

    /// As a ConfigMap is published: all files at once, by the link that leads to them.
    fn publish(&self, version: &str, files: &[(&str, &str)]) {
        let folder = self.folder();
        for (name, text) in files {
            write(&folder, &format!("..{version}/{name}"), text);
        }
        symlink(format!("..{version}"), folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.folder().join(path)).unwrap();
    }

    /// Each workflow's schedule and switch.
    fn workflows(&self) -> BTreeMap<String, (String, bool)> {
        let all = self.server().get("/api/v3/workflows?full=true").json();
        let each = all.as_array().unwrap().iter().map(|each| {
            let (workflow, state) = (&each["workflow"], &each["state"]);
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let name = format!("{}#{}", text(&workflow["component_id"]), text(&workflow["workflow_id"]));
            (name, (text(&workflow["configuration"]["schedule"]), state["enabled"].as_bool().unwrap()))
        });
        each.collect()
    }

    /// Waits until there are these workflows, by name, schedule and switch.
    #[track_caller]
    fn expect(&self, expected: &[(&str, &str, bool)]) {
        let expected =
            expected.iter().map(|(name, schedule, enabled)| ((*name).to_owned(), ((*schedule).to_owned(), *enabled)));
        let expected: BTreeMap<_, _> = expected.collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.workflows() != expected {
            let is = self.workflows();
            assert!(Instant::now() < deadline, "expected {expected:#?}, there is {is:#?}\n{}", self.server().log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// As [`expect`](Self::expect), and so it stays.
    #[track_caller]
    fn expect_to_stay(&self, expected: &[(&str, &str, bool)]) {
        self.expect(expected);
        thread::sleep(SETTLED);
        self.expect(expected);
    }

    #[track_caller]
    fn expect_said(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.server().log().contains(text) {
            assert!(Instant::now() < deadline, "nothing says `{text}`:\n{}", self.server().log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn switch(&self, component: &str, workflow: &str, enabled: bool) {
        let path = format!("/api/v3/workflows/{component}/{workflow}/state");
        let answer = self.server().ask("PATCH", &path, &[], Some(&format!(r#"{{"enabled":{enabled}}}"#)));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// What happened to a workflow, from the log of the server, which is stopped for it.
    fn history(&mut self, workflow: &str) -> Vec<String> {
        self.server.take().unwrap().stop();
        let data = self.dir.path().join("data");
        let reader = styx_store::open_read_only(&data).unwrap();
        let subject = styx_core::record::Subject::Workflow(styx_core::id::WorkflowId::parse_key(workflow).unwrap());
        let records = styx_core::log::LogReader::history(&reader, &subject, styx_core::id::Position(1), 1_000).unwrap();
        let told = records.iter().map(|record| match &record.fact {
            styx_core::record::Fact::Workflow(_, event) => match event {
                styx_core::record::WorkflowEvent::Stored(stored) => format!("stored {:?}", stored.spec.origin),
                styx_core::record::WorkflowEvent::Switched { enabled } => format!("switched {enabled}"),
                styx_core::record::WorkflowEvent::FileRemoved { path } => format!("removed from {path}"),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        });
        told.filter(|told| !told.starts_with("CursorMoved")).collect()
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// A workflow; the real server of the tests must not fire it.
fn workflow(id: &str, schedule: &str) -> String {
    format!("- id: {id}\n  schedule: {schedule}\n  docker_image: busybox\n")
}

#[test]
fn files_that_come_change_and_go_take_effect_at_once() {
    let watched = Watched::start(&[("a.yaml", &workflow("one", "yearly"))]);
    watched.expect(&[("a#one", "years", true)]);
    watched.write("b.json", r#"[{"id":"one","schedule":"monthly","enabled":false},{"id":"two","schedule":"yearly"}]"#);
    watched.write("deep/er/c.yml", "id: one\nschedule: yearly\n---\nid: two\nschedule: monthly\n");
    watched.write("a.yaml", &(workflow("one", "monthly") + &workflow("two", "yearly")));
    let all = [
        ("a#one", "months", true),
        ("a#two", "years", true),
        ("b#one", "months", false),
        ("b#two", "years", true),
        ("c#one", "years", true),
        ("c#two", "months", true),
    ];
    watched.expect(&all);
    watched.remove("b.json");
    watched.write("a.yaml", &workflow("two", "yearly"));
    fs::remove_dir_all(watched.folder().join("deep")).unwrap();
    let gone = all.map(|(name, schedule, _)| (name, schedule, name == "a#two"));
    watched.expect(&gone);
    watched.expect_said("workflow b#two was disabled: the file b.json defines it no more");
    watched.expect_said("workflow a#one was disabled: the file a.yaml defines it no more");
    watched.write("b.json", r#"[{"id":"two","schedule":"yearly"}]"#);
    let back = gone.map(|(name, schedule, enabled)| (name, schedule, enabled || name == "b#two"));
    watched.expect_to_stay(&back);
}

/// The sweep is a minute away, so what is seen before was notified.
#[test]
fn a_changed_file_takes_effect_before_any_sweep() {
    let watched = Watched::start_with("[workflow_folder]\nsweep_every = \"PT1M\"\n", &[]);
    for schedule in ["yearly", "monthly", "weekly"] {
        watched.replace("a.yaml", &workflow("one", schedule));
        watched.expect(&[("a#one", &format!("{}s", schedule.trim_end_matches("ly")), true)]);
    }
}

#[test]
fn folders_that_come_and_go_whole_are_seen() {
    let watched = Watched::start(&[]);
    let outside = watched.dir.path().join("outside");
    write(&outside, "team/a.yaml", &workflow("one", "yearly"));
    write(&outside, "linked/b.yaml", &workflow("one", "yearly"));
    fs::rename(outside.join("team"), watched.folder().join("team")).unwrap();
    symlink(outside.join("linked"), watched.folder().join("linked")).unwrap();
    watched.expect(&[("a#one", "years", true), ("b#one", "years", true)]);
    // A folder that came is watched as well, also where a link leads to it.
    watched.write("team/a.yaml", &workflow("one", "monthly"));
    write(&outside, "linked/b.yaml", &workflow("one", "monthly"));
    watched.expect(&[("a#one", "months", true), ("b#one", "months", true)]);
    fs::rename(watched.folder().join("team"), outside.join("gone")).unwrap();
    fs::remove_file(watched.folder().join("linked")).unwrap();
    watched.expect(&[("a#one", "months", false), ("b#one", "months", false)]);
    fs::rename(outside.join("gone"), watched.folder().join(".hidden")).unwrap();
    watched.expect_to_stay(&[("a#one", "months", false), ("b#one", "months", false)]);
}

#[test]
fn a_file_that_is_away_for_a_moment_keeps_the_switch() {
    // Without a setting of its own the server waits for half a minute.
    let files = [("a.yaml", &*workflow("one", "yearly")), ("b.yaml", &*workflow("two", "yearly"))];
    let watched = Watched::start_with("[workflow_folder]\nsweep_every = \"PT1S\"\n", &files);
    watched.switch("a", "one", false);
    watched.switch("b", "two", false);
    let off = [("a#one", "years", false), ("b#two", "years", false)];
    watched.expect(&off);
    // Such as another branch, and back.
    watched.remove("a.yaml");
    thread::sleep(Duration::from_millis(500));
    watched.write("a.yaml", &workflow("one", "yearly"));
    watched.expect_to_stay(&off);
    // The folder anew.
    let (folder, away) = (watched.folder(), watched.dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    fs::create_dir(&folder).unwrap();
    thread::sleep(Duration::from_millis(500));
    watched.write("b.yaml", &workflow("two", "yearly"));
    watched.write("a.yaml", &workflow("one", "yearly"));
    watched.expect_to_stay(&off);
}

#[test]
fn a_file_that_comes_back_after_its_time_is_as_new() {
    let watched = Watched::start(&[("a.yaml", &workflow("one", "yearly")), ("b.yaml", &workflow("two", "yearly"))]);
    watched.switch("a", "one", false);
    watched.switch("b", "two", false);
    watched.expect(&[("a#one", "years", false), ("b#two", "years", false)]);
    watched.remove("a.yaml");
    watched.expect_said("workflow a#one was disabled");
    watched.write("a.yaml", &workflow("one", "yearly"));
    watched.expect(&[("a#one", "years", true), ("b#two", "years", false)]);
}

/// Without settings of its own the server waits for half a minute.
#[test]
fn a_file_that_is_away_for_seconds_halts_nothing() {
    let text = "id: one\nschedule: yearly\ndocker_image: a\ndocker_args: [sleep, '20']\n";
    let mut watched = Watched::start_with("", &[("a.yaml", text)]);
    watched.restart(&["--executor", "local"]);
    watched.switch("a", "one", false);
    let backfill = r#"{"component":"a","workflow":"one","start":"2020-01-01T00:00:00Z","end":"2023-01-01T00:00:00Z","concurrency":1}"#;
    let id = watched.server().post("/api/v3/backfills", backfill).json()["id"].as_str().unwrap().to_owned();
    watched.remove("a.yaml");
    let gone = "the file a.yaml is gone: unless it comes back within 30 s, disabled will be a#one";
    watched.expect_said(gone);
    // The absence counts from the start.
    watched.restart(&["--executor", "local"]);
    thread::sleep(Duration::from_secs(3));
    watched.write("a.yaml", text);
    watched.expect_to_stay(&[("a#one", "years", false)]);
    let shown = watched.server().get(&format!("/api/v3/backfills/{id}")).json();
    assert_eq!(shown["backfill"]["halted"], false, "{shown}");
    let log = watched.server().log();
    assert!(log.matches(gone).count() == 2 && !log.contains("was disabled"), "{log}");
}

#[test]
fn what_a_removal_halts_is_named() {
    let text = "id: one\nschedule: yearly\ndocker_image: a\ndocker_args: [sleep, '20']\n";
    let mut watched = Watched::start(&[("a.yaml", text)]);
    watched.restart(&["--executor", "local"]);
    let backfill = r#"{"component":"a","workflow":"one","start":"2020-01-01T00:00:00Z","end":"2023-01-01T00:00:00Z","concurrency":1}"#;
    let id = watched.server().post("/api/v3/backfills", backfill).json()["id"].as_str().unwrap().to_owned();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !watched.server().get("/api/v3/status/activeStates").json().to_string().contains("RUNNING") {
        assert!(Instant::now() < deadline, "{}", watched.server().log());
        thread::sleep(Duration::from_millis(20));
    }
    watched.remove("a.yaml");
    watched.expect_said(&format!(
        "workflow a#one was disabled: the file a.yaml defines it no more; halted with it are the backfills {id}; these go on and \
         are not tried again if they fail: 2020"
    ));
}

#[test]
fn a_change_under_another_name_is_found() {
    let watched = Watched::start(&[]);
    let outside = watched.dir.path().join("outside.yaml");
    fs::write(&outside, workflow("one", "yearly")).unwrap();
    fs::hard_link(&outside, watched.folder().join("a.yaml")).unwrap();
    watched.expect(&[("a#one", "years", true)]);
    // No event tells of that, nor of the next one.
    for (schedule, shown) in [("weekly", "weeks"), ("yearly", "years"), ("hourly", "hours")] {
        fs::write(&outside, workflow("one", schedule)).unwrap();
        watched.expect(&[("a#one", shown, true)]);
    }
}

#[test]
fn files_that_vanish_all_at_once_are_told_of_loudly() {
    let watched = Watched::start(&[("a.yaml", &workflow("one", "yearly")), ("b.yaml", &workflow("one", "yearly"))]);
    let away = watched.dir.path().join("away");
    fs::rename(watched.folder(), &away).unwrap();
    fs::create_dir(watched.folder()).unwrap();
    watched.expect_said("all 2 files of the workflow folder");
    watched.expect(&[("a#one", "years", false), ("b#one", "years", false)]);
}

#[test]
fn what_can_never_run_is_refused_by_name() {
    let mut watched = Watched::start(&[]);
    watched.restart(&["--executor", "local", "--run-api-workflows"]);
    watched.write("a.yaml", &workflow("one", "yearly"));
    let missing = "docker_args: is missing or begins with an empty text: the local executor runs it as program and arguments, \
                   not the image";
    watched.expect_said(&format!("a.yaml:1:3: {missing} [L-4]"));
    let store = |rest: &str| {
        let body = format!(r#"{{"id":"one","schedule":"yearly","docker_image":"a"{rest}}}"#);
        watched.server().post("/api/v3/workflows/b", &body)
    };
    let invalid = |text: &str| format!("Invalid workflow configuration: [{text}]");
    store("").check(400, &invalid(missing));
    let nul = "docker_args[1]: holds a NUL character (at byte 0), so no program can be given it";
    store(r#","docker_args":["a","\u0000"]"#).check(400, &invalid(nul));
    let name = r#"env: the name "A=B" holds a `=`, so no program can be given it"#;
    store(r#","docker_args":["a"],"env":{"A=B":"c"}"#).check(400, &invalid(name));
    let long = "x".repeat(131_056);
    let answer = store(&format!(r#","docker_args":["{long}"]"#));
    assert!(answer.reason.contains("as the variable STYX_DOCKER_ARGS, more than 131071"), "{answer:?}");
    store(r#","docker_args":["true"],"env":{"A":"b"}"#).check(200, "OK");
    let trigger = r#"{"workflow_id":{"component_id":"b","id":"one"},"parameter":"2020","trigger_parameters":{"env":{"A":"\u0000"}}}"#;
    let refused = watched.server().post("/api/v3/scheduler/trigger", trigger);
    refused.check(
        400,
        "Invalid trigger parameters: env.A: holds a NUL character (at byte 0), so no program can be given it",
    );
    assert_eq!(watched.workflows().len(), 1);
    // What another executor has taken can't be enabled on this one.
    let old = r#"{"id":"two","schedule":"yearly","docker_image":"a"}"#;
    watched.restart(&["--executor", "fake"]);
    watched.server().post("/api/v3/workflows/b", old).check(200, "OK");
    watched.restart(&["--executor", "local", "--run-api-workflows"]);
    let switch = watched.server().ask("PATCH", "/api/v3/workflows/b/two/state", &[], Some(r#"{"enabled":true}"#));
    switch.check(400, &invalid(missing));
    watched.server().trigger("b", "two", "2020").check(400, &invalid(missing));
}

#[test]
fn a_config_map_is_swapped_as_a_whole() {
    let watched = Watched::start(&[]);
    let folder = watched.folder();
    watched.publish("v1", &[("a.yaml", &workflow("one", "yearly")), ("b.yaml", &workflow("one", "yearly"))]);
    for name in ["a.yaml", "b.yaml"] {
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
    watched.expect(&[("a#one", "years", true), ("b#one", "years", true)]);
    for (version, schedule, shown) in [("v2", "monthly", "months"), ("v3", "weekly", "weeks")] {
        watched.publish(version, &[("a.yaml", &workflow("one", schedule)), ("b.yaml", &workflow("one", "yearly"))]);
        watched.expect(&[("a#one", shown, true), ("b#one", "years", true)]);
    }
    fs::remove_dir_all(folder.join("..v1")).unwrap();
    watched.publish("v4", &[("a.yaml", &workflow("one", "daily"))]);
    fs::remove_file(folder.join("b.yaml")).unwrap();
    watched.expect_to_stay(&[("a#one", "days", true), ("b#one", "years", false)]);
}

#[test]
fn a_folder_that_is_named_from_where_the_server_runs_is_watched_as_any() {
    let mut watched = Watched::start(&[]);
    watched.server.take().unwrap().stop();
    watched.publish("v1", &[("a.yaml", &workflow("one", "yearly"))]);
    symlink("..data/a.yaml", watched.folder().join("a.yaml")).unwrap();
    let data = watched.dir.path().join("data");
    let mut command = command(&data);
    command
        .args(["--executor", "fake", "--workflows", "workflows"])
        .current_dir(watched.dir.path())
        .stderr(Stdio::null());
    watched.server = Some(Server::attach(command.spawn().unwrap(), &data));
    watched.expect(&[("a#one", "years", true)]);
    watched.publish("v2", &[("a.yaml", &workflow("one", "monthly"))]);
    watched.expect(&[("a#one", "months", true)]);
    watched.write("b.yaml", &workflow("one", "yearly"));
    watched.expect(&[("a#one", "months", true), ("b#one", "years", true)]);
}

/// Jobs run in the folder of their workflow's file, and write there.
#[test]
fn what_is_no_workflow_file_holds_nothing_up() {
    let watched = Watched::start(&[("a.yaml", &workflow("one", "yearly")), ("b.yaml", &workflow("two", "yearly"))]);
    watched.remove("a.yaml");
    let mut written = 0;
    while watched.workflows()["a#one"].1 {
        written += 1;
        assert!(written < 60, "six times as long as a file that is gone is waited for");
        watched.write("output.txt", &written.to_string());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_file_that_is_being_written_keeps_what_it_held() {
    let text = workflow("one", "yearly") + &workflow("two", "yearly");
    let mut watched = Watched::start(&[("a.yaml", &text)]);
    let held = [("a#one", "years", true), ("a#two", "years", false)];
    watched.switch("a", "two", false);
    watched.expect(&held);
    let mut file = fs::File::create(watched.folder().join("a.yaml")).unwrap();
    thread::sleep(SETTLED);
    file.write_all(workflow("one", "monthly").as_bytes()).unwrap();
    watched.expect_to_stay(&held);
    file.write_all(workflow("two", "monthly").as_bytes()).unwrap();
    drop(file);
    watched.expect(&[("a#one", "months", true), ("a#two", "months", false)]);
    // Whoever closes an empty file may be about to open it again.
    fs::write(watched.folder().join("a.yaml"), "").unwrap();
    watched.expect_said("a.yaml: is empty; a comment would say that it's meant to be");
    watched.expect_to_stay(&[("a#one", "months", true), ("a#two", "months", false)]);
    watched.replace("a.yaml", &text);
    watched.expect(&held);
    watched.expect_said("a.yaml: nothing is wrong with it any more");
    assert_eq!(
        watched.history("a#two"),
        [
            r#"stored File { path: "a.yaml", enabled: true }"#,
            "switched true",
            "switched false",
            r#"stored File { path: "a.yaml", enabled: true }"#,
            r#"stored File { path: "a.yaml", enabled: true }"#,
        ]
    );
}

#[test]
fn a_bad_file_is_told_of_and_stops_no_other() {
    let watched = Watched::start(&[("a.yaml", &workflow("one", "yearly")), ("bad.yaml", "id: [")]);
    watched.expect(&[("a#one", "years", true)]);
    watched.write("a.yaml", &(workflow("one", "monthly") + "- id: two\n  shedule: daily\n"));
    watched.write("b.yaml", &workflow("one", "yearly"));
    watched.expect_said("a.yaml:5:3: shedule: unknown key, did you mean `schedule`?");
    watched.expect_to_stay(&[("a#one", "years", true), ("b#one", "years", true)]);
    watched.write("a.yaml", &(workflow("one", "monthly") + &workflow("two", "0 0 31 2 *")));
    watched.expect_said("a.yaml:5:13: schedule: invalid schedule: `0 0 31 2 *` never fires");
    watched.expect_to_stay(&[("a#one", "years", true), ("b#one", "years", true)]);
    watched.write("a.yaml", &(workflow("one", "monthly") + &workflow("two", "yearly")));
    watched.write("bad.yaml", &workflow("one", "yearly"));
    let all =
        [("a#one", "months", true), ("a#two", "years", true), ("b#one", "years", true), ("bad#one", "years", true)];
    watched.expect(&all);
    // What can't be read any more isn't gone either: the link leads to itself, which stops the administrator too.
    symlink("b.yaml", watched.folder().join(".b.tmp")).unwrap();
    fs::rename(watched.folder().join(".b.tmp"), watched.folder().join("b.yaml")).unwrap();
    watched.expect_said("b.yaml: ");
    watched.expect_to_stay(&all);
    watched.replace("b.yaml", &workflow("one", "yearly"));
    watched.remove("bad.yaml");
    watched.expect(&all.map(|(name, schedule, _)| (name, schedule, name != "bad#one")));
}

#[test]
fn what_two_files_define_stays_as_it_was() {
    let mut watched = Watched::start(&[("eu/a.yaml", &workflow("one", "yearly"))]);
    watched.expect(&[("a#one", "years", true)]);
    watched.switch("a", "one", false);
    watched.write("us/a.yaml", &workflow("one", "monthly"));
    watched.expect_said("us/a.yaml:1:7: id: the workflow a#one is defined at eu/a.yaml:1:7 as well");
    watched.expect_to_stay(&[("a#one", "years", false)]);
    watched.remove("us/a.yaml");
    watched.expect_said("us/a.yaml, which had errors, is gone");
    watched.expect_to_stay(&[("a#one", "years", false)]);
    watched.write("us/a.yaml", &workflow("one", "monthly"));
    thread::sleep(SETTLED);
    watched.remove("eu/a.yaml");
    watched.expect(&[("a#one", "months", false)]);
    // In one go from one file to the other: it is never without one.
    fs::rename(watched.folder().join("us/a.yaml"), watched.folder().join("eu/a.yaml")).unwrap();
    watched.expect_to_stay(&[("a#one", "months", false)]);
    assert_eq!(
        watched.history("a#one"),
        [
            r#"stored File { path: "eu/a.yaml", enabled: true }"#,
            "switched true",
            "switched false",
            r#"stored File { path: "us/a.yaml", enabled: true }"#,
            r#"stored File { path: "eu/a.yaml", enabled: true }"#,
        ]
    );
}

#[test]
fn what_a_file_defines_is_not_for_the_api() {
    let watched = Watched::start(&[("a.yaml", &workflow("one", "yearly"))]);
    let server = watched.server();
    let body = r#"{"id":"one","schedule":"hourly","docker_image":"busybox"}"#;
    let text = "the workflow is defined by the file a.yaml of the workflow folder: change it there";
    server.post("/api/v3/workflows/a", body).check(409, text);
    server.ask("DELETE", "/api/v3/workflows/a/one", &[], None).check(409, text);
    watched.expect(&[("a#one", "years", true)]);
    watched.switch("a", "one", false);
    watched.expect(&[("a#one", "years", false)]);
    // One that was made through the API is taken over.
    server.post("/api/v3/workflows/b", body).check(200, "OK");
    watched.write("b.yaml", &workflow("one", "yearly"));
    watched.expect(&[("a#one", "years", false), ("b#one", "years", true)]);
    watched.expect_said("workflow b#one, made through the API, is defined by the file b.yaml from here on");
    server.post("/api/v3/workflows/b", body).check(409, &text.replace("a.yaml", "b.yaml"));
    // Without its file it is anybody's.
    watched.remove("a.yaml");
    watched.remove("b.yaml");
    watched.expect(&[("a#one", "years", false), ("b#one", "years", false)]);
    server.ask("DELETE", "/api/v3/workflows/a/one", &[], None).check(204, "No Content");
    server.post("/api/v3/workflows/b", body).check(200, "OK");
    watched.expect(&[("b#one", "hours", false)]);
}

#[test]
fn a_switch_survives_restarts_and_other_edits() {
    let mut watched = Watched::start(&[("a.yaml", &workflow("one", "yearly"))]);
    watched.switch("a", "one", false);
    watched.restart(&["--executor", "fake"]);
    watched.expect(&[("a#one", "years", false)]);
    watched.write("a.yaml", &workflow("one", "monthly"));
    watched.expect_to_stay(&[("a#one", "months", false)]);
    watched.write("a.yaml", &(workflow("one", "monthly") + "  enabled: true\n"));
    watched.expect_to_stay(&[("a#one", "months", false)]);
    watched.write("a.yaml", &(workflow("one", "monthly") + "  enabled: false\n"));
    thread::sleep(SETTLED);
    watched.switch("a", "one", true);
    watched.restart(&["--executor", "fake"]);
    watched.expect(&[("a#one", "months", true)]);
    watched.write("a.yaml", &workflow("one", "monthly"));
    watched.expect_to_stay(&[("a#one", "months", true)]);
}

#[test]
fn the_folder_itself_is_replaced_or_away_for_a_while() {
    let watched = Watched::start(&[("a.yaml", &workflow("one", "yearly"))]);
    let away = watched.dir.path().join("away");
    fs::rename(watched.folder(), &away).unwrap();
    watched.expect_said("the workflow folder can't be listed, its workflows stay as they are until it is back");
    watched.expect_to_stay(&[("a#one", "years", true)]);
    write(&away, "a.yaml", &workflow("one", "monthly"));
    fs::rename(&away, watched.folder()).unwrap();
    watched.expect(&[("a#one", "months", true)]);
    watched.expect_said("the workflow folder is back");
    watched.write("b.yaml", &workflow("one", "yearly"));
    watched.expect(&[("a#one", "months", true), ("b#one", "years", true)]);
    // Another one in its place, at once.
    write(&away, "a.yaml", &workflow("one", "weekly"));
    let old = watched.dir.path().join("old");
    fs::rename(watched.folder(), old).unwrap();
    fs::rename(&away, watched.folder()).unwrap();
    watched.expect(&[("a#one", "weeks", true), ("b#one", "years", false)]);
    watched.write("b.yaml", &workflow("one", "daily"));
    watched.expect(&[("a#one", "weeks", true), ("b#one", "days", true)]);
}

#[test]
fn a_folder_behind_a_link_is_followed_when_the_link_is_set() {
    let mut watched = Watched::start(&[]);
    let versions = watched.dir.path().join("versions");
    write(&versions, "1/a.yaml", &workflow("one", "yearly"));
    write(&versions, "2/a.yaml", &workflow("one", "monthly"));
    fs::remove_dir(watched.folder()).unwrap();
    symlink("versions/1", watched.folder()).unwrap();
    watched.restart(&["--executor", "fake"]);
    watched.expect(&[("a#one", "years", true)]);
    symlink("versions/2", watched.dir.path().join("next")).unwrap();
    fs::rename(watched.dir.path().join("next"), watched.folder()).unwrap();
    watched.expect(&[("a#one", "months", true)]);
    write(&versions, "2/a.yaml", &workflow("one", "weekly"));
    watched.expect(&[("a#one", "weeks", true)]);
}

#[test]
fn the_local_executor_runs_no_workflow_whose_file_was_removed() {
    let mut watched = Watched::start(&[("a.yaml", &workflow("one", "yearly"))]);
    watched.restart(&["--executor", "local"]);
    watched.remove("a.yaml");
    watched.expect(&[("a#one", "years", false)]);
    let text = "the file a.yaml that defined the workflow was removed, and the local executor runs only workflows of the \
                workflow folder: put the file back, or start the server with --run-api-workflows";
    watched.server().trigger("a", "one", "2020").check(403, text);
    let switch = watched.server().ask("PATCH", "/api/v3/workflows/a/one/state", &[], Some(r#"{"enabled":true}"#));
    switch.check(403, text);
}

#[test]
fn a_folder_that_is_not_there_at_the_start_is_an_error() {
    let (dir, data) = common::data();
    let missing = dir.path().join("missing");
    let (status, stderr) = run_to_end(command(&data).arg("--workflows").arg(&missing));
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("missing: No such file or directory"), "{stderr}");
}

/// Whatever happens, and however fast: in the end the log holds what the folder says.
#[test]
fn what_happens_at_random_ends_in_what_the_folder_says() {
    let watched = Watched::start(&[]);
    let folder = watched.folder();
    let mut random: u64 = 0x5eed;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    const SCHEDULES: [&str; 4] = ["yearly", "monthly", "weekly", "0 0 1 1 *"];
    for step in 0..150 {
        let path = ["a.yaml", "b.yaml", "eu/a.yaml", "eu/c.yaml", "us/a.yaml", "us/deep/b.yaml"][next(6) as usize];
        let file = folder.join(path);
        let mut text = String::new();
        for id in ["one", "two", "three"] {
            if next(3) > 0 {
                text += &workflow(id, SCHEDULES[next(4) as usize]);
            }
        }
        match next(12) {
            0..4 => write(&folder, path, &text),
            4..6 => {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                watched.replace(path, &text);
            }
            6..8 => drop(fs::remove_file(&file)),
            8 => drop(fs::rename(&file, folder.join("b.yaml"))),
            9 => drop(fs::rename(folder.join("eu"), folder.join("asia"))),
            10 => drop(fs::remove_dir_all(folder.join("us"))),
            _ => write(&folder, path, "- id: {"),
        }
        if step % 10 == 9 {
            thread::sleep(Duration::from_millis(next(700)));
        }
    }
    // Nothing broken or double is left, so that all is known.
    for path in ["eu", "us", "asia"] {
        let _ = fs::remove_dir_all(folder.join(path));
    }
    write(&folder, "a.yaml", &workflow("one", "daily"));
    let _ = fs::remove_file(folder.join("b.yaml"));
    write(&folder, "eu/b.yaml", &workflow("two", "weekly"));

    let fresh = Folder::read(&folder, Default::default()).unwrap();
    assert!(fresh.errors().is_empty());
    let said: BTreeMap<_, _> = fresh
        .workflows()
        .map(|(_, workflow)| (workflow.id.key(), (workflow.configuration.schedule.as_str().to_owned(), true)))
        .collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut is = watched.workflows();
        is.retain(|name, (_, enabled)| *enabled || said.contains_key(name));
        if is == said {
            return;
        }
        assert!(Instant::now() < deadline, "{is:#?} instead of {said:#?}\n{}", watched.server().log());
        thread::sleep(Duration::from_millis(50));
    }
}
