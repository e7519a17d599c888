//! Reads workflow folders, good ones and many bad ones, and compares what is said about them to the letter.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::Path,
};

use chrono::TimeDelta;
use proptest::prelude::*;
use styx_core::workflow::Rules;
use styx_files::{FileWorkflow, Folder, read_named};

/// The rules of a server that runs no programs.
fn rules() -> Rules {
    let fires_after = Some("2026-03-29T06:30:00Z".parse().unwrap());
    Rules { max_running_timeout: Some(TimeDelta::hours(48)), needs_program: false, pod_check: None, fires_after }
}

/// Reads a folder of these files.
fn read(files: &[(&str, &str)]) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(dir.path(), path, text);
    }
    Folder::read(dir.path(), rules()).unwrap()
}

fn write(dir: &Path, path: &str, text: &str) {
    let file = dir.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// What is said about `sales.yaml` with this text; it must contribute nothing.
#[track_caller]
fn refuse(text: &str, expected: &str) {
    let folder = read(&[("sales.yaml", text)]);
    assert_eq!(errors(&folder), expected.trim_start());
    assert_eq!(names(&folder), [""; 0], "a file with errors contributes nothing");
    assert!(folder.component("sales")["sales.yaml"].is_err());
}

fn errors(folder: &Folder) -> String {
    folder.errors().iter().map(|error| format!("{error}\n")).collect()
}

/// The first workflow.
fn only(folder: &Folder) -> &FileWorkflow {
    folder.workflows().next().unwrap().1
}

fn names(folder: &Folder) -> Vec<String> {
    folder.workflows().map(|(path, workflow)| format!("{path} {}", workflow.id)).collect()
}

#[test]
fn a_file_holds_a_workflow_a_list_or_documents() {
    let folder = read(&[
        ("a.yaml", "id: one\nschedule: hourly\n"),
        ("b.yml", "- id: one\n  schedule: daily\n- {id: two, schedule: weekly, enabled: false}\n"),
        ("c.yaml", "---\nid: one\nschedule: daily\n---\n# nothing\n---\n- id: two\n  schedule: '@daily'\n"),
        ("d.json", "{\n\t\"id\": \"one\",\n\t\"schedule\": \"0 3 * * *\"\n}\n"),
        ("e.YAML", "\u{feff}id: one\r\nschedule: yearly\r\n"),
        ("empty.yaml", "# id: one\n"),
    ]);
    assert_eq!(errors(&folder), "");
    let expected = ["a.yaml a#one", "b.yml b#one", "b.yml b#two", "c.yaml c#one", "c.yaml c#two", "d.json d#one"];
    assert_eq!(names(&folder)[..6], expected);
    assert_eq!(names(&folder)[6..], ["e.YAML e#one"]);
    let disabled = folder.workflows().filter(|(_, workflow)| !workflow.enabled);
    assert_eq!(disabled.map(|(_, workflow)| workflow.id.key()).collect::<Vec<_>>(), ["b#two"]);
}

#[test]
fn all_fields() {
    let text = r#"
id: daily-report
schedule: '@daily'
offset: P1DT2H
commit_sha: 12345e7
docker_image: registry.example.org/report:7
docker_args: [./run.sh, "{}", 1.50, no, 0x1F, 007]
docker_termination_logging: true
service_account: job@acme.iam.gserviceaccount.com
env:
  MODE: full
  RATIO: 1.10
  my.name: x
running_timeout: PT1H30M
deployment_source: {source: by-hand}
"#;
    let folder = read(&[("sales.yaml", text)]);
    assert_eq!(errors(&folder), "");
    let expected = concat!(
        r#"{"id":"daily-report","schedule":"days","offset":"P1DT2H","commit_sha":"12345e7","#,
        r#""docker_image":"registry.example.org/report:7","docker_args":["./run.sh","{}","1.50","no","0x1F","007"],"#,
        r#""docker_termination_logging":true,"service_account":"job@acme.iam.gserviceaccount.com","resources":[],"#,
        r#""env":{"MODE":"full","RATIO":"1.10","my.name":"x"},"running_timeout":5400.000000000,"#,
        r#""retry_condition":null,"flyte_exec_conf":null,"#,
        r#""deployment_source":{"repository":null,"source":"by-hand"},"deployment_time":null}"#,
    );
    assert_eq!(only(&folder).configuration.to_json(), expected);
    let seconds = read(&[("sales.yaml", "id: a\nschedule: daily\nrunning_timeout: 90.5\n")]);
    assert_eq!(only(&seconds).configuration.running_timeout.map(|span| span.to_string()), Some("PT1M30.5S".into()));
}

#[test]
fn anchors_and_merges_share_fields() {
    let text = "- &base {id: a, schedule: daily, docker_image: busybox}\n- <<: *base\n  id: b\n";
    let folder = read(&[("sales.yaml", text)]);
    assert_eq!(errors(&folder), "");
    assert_eq!(folder.workflows().nth(1).unwrap().1.configuration.docker_image.as_deref(), Some("busybox"));
}

#[test]
fn one_anchor_serves_a_long_file() {
    let base =
        "- &base {id: base, schedule: daily, docker_image: busybox, docker_args: &args [echo, '{}'], env: {A: b}}\n";
    let merged: String = (0..150).map(|number| format!("- <<: *base\n  id: w{number}\n")).collect();
    let named: String =
        (0..150).map(|number| format!("- {{id: v{number}, schedule: daily, docker_args: *args}}\n")).collect();
    let folder = read(&[("merged.yaml", &format!("{base}{merged}")), ("named.yaml", &format!("{base}{named}"))]);
    assert_eq!(errors(&folder), "");
    assert_eq!(names(&folder).len(), 302);
}

#[test]
fn a_file_may_have_many_documents() {
    let documents = (0..1_500).map(|number| format!("id: w{number}\nschedule: daily\n"));
    let folder = read(&[("many.yaml", &documents.collect::<Vec<_>>().join("---\n"))]);
    assert_eq!(errors(&folder), "");
    assert_eq!(names(&folder).len(), 1_500);
}

#[test]
fn the_folder_is_read_with_its_folders_but_not_what_is_hidden() {
    let text = "id: one\nschedule: daily\n";
    let dir = tempfile::tempdir().unwrap();
    // As Kubernetes mounts a ConfigMap.
    write(dir.path(), "..2026_03_29/mounted.yaml", text);
    symlink("..2026_03_29", dir.path().join("..data")).unwrap();
    symlink("..data/mounted.yaml", dir.path().join("mounted.yaml")).unwrap();
    for path in ["b/c/deep.yaml", "b.yaml", ".git/x.yaml", ".hidden.yaml", "notes.txt", "b/run.sh", "x.yaml~", "yaml"] {
        write(dir.path(), path, text);
    }
    symlink("..", dir.path().join("b/up")).unwrap();
    let folder = Folder::read(dir.path(), Default::default()).unwrap();
    assert_eq!(errors(&folder), "");
    assert_eq!(names(&folder), ["b.yaml b#one", "b/c/deep.yaml deep#one", "mounted.yaml mounted#one"]);
}

#[test]
fn a_bad_file_leaves_the_others_alone() {
    let folder = read(&[
        ("a.yaml", "id: one\nschedule: daily\n"),
        ("b.yaml", "- id: one\n  schedule: daily\n- id: two\n  schedule: never\n"),
        ("c.yaml", "id: one\nschedule: daily\n"),
    ]);
    assert_eq!(names(&folder), ["a.yaml a#one", "c.yaml c#one"]);
    let expected = "b.yaml:4:13: schedule: invalid schedule: `never` is no known schedule, expected hourly, daily, \
                    weekly, monthly, yearly or a cron expression [V-14]\n";
    assert_eq!(errors(&folder), expected);
    assert!(folder.component("b")["b.yaml"].is_err() && folder.component("a")["a.yaml"].is_ok());
}

#[test]
fn a_name_that_is_used_twice_is_nobodys() {
    let folder = read(&[
        ("a.yaml", "id: one\nschedule: daily\n"),
        ("eu/sales.yaml", "- {id: one, schedule: daily}\n- {id: two, schedule: daily}\n"),
        ("us/sales.yaml", "id: two\nschedule: daily\n"),
        ("z.yaml", "- id: x\n  schedule: daily\n- id: x\n  schedule: hourly\n"),
    ]);
    assert_eq!(
        errors(&folder),
        "\
eu/sales.yaml:2:8: id: the workflow sales#two is defined at us/sales.yaml:1:5 as well
us/sales.yaml:1:5: id: the workflow sales#two is defined at eu/sales.yaml:2:8 as well
z.yaml:1:7: id: the workflow z#x is defined at z.yaml:3:7 as well
z.yaml:3:7: id: the workflow z#x is defined at z.yaml:1:7 as well
"
    );
    assert_eq!(names(&folder), ["a.yaml a#one"]);
}

#[test]
fn every_schedule_that_never_fires_is_found() {
    refuse(
        "- {id: a, schedule: daily}\n- {id: b, schedule: 0 0 31 2 *}\n- id: c\n  schedule: 0 0 30 2 *\n",
        "
sales.yaml:2:21: schedule: invalid schedule: `0 0 31 2 *` never fires
sales.yaml:4:13: schedule: invalid schedule: `0 0 30 2 *` never fires
",
    );
}

#[test]
fn what_could_never_be_launched() {
    let text = "id: a\nschedule: daily\ndocker_image: a\ndocker_args: [x, \"y\\0\"]\nenv: {\"A=B\": c, D: \"\\0\"}\n";
    refuse(
        text,
        "
sales.yaml:4:18: docker_args[1]: holds a NUL character (at byte 1), so no program can be given it [L-1]
sales.yaml:5:6: env: the name \"A=B\" holds a `=`, so no program can be given it [L-2]
sales.yaml:5:20: env.D: holds a NUL character (at byte 0), so no program can be given it [L-1]
",
    );
    let rules = Rules { needs_program: true, ..rules() };
    let said = |text: &str| styx_files::read_text("sales.yaml", text, &rules).map_err(|errors| errors[0].to_string());
    let missing = "docker_args: is missing or begins with an empty text: the local executor runs it as program and arguments, not \
                   the image [L-4]";
    let bare = "id: a\nschedule: daily\ndocker_image: a\n";
    assert_eq!(said(bare), Err(format!("sales.yaml:1:1: {missing}")));
    assert_eq!(said(&format!("{bare}docker_args: ['']\n")), Err(format!("sales.yaml:4:14: {missing}")));
    assert!(said(&format!("{bare}docker_args: ['x']\n")).is_ok() && said("id: a\nschedule: daily\n").is_ok());
}

/// What is wrong with a file, or the workflows of one without errors.
type Verdict = BTreeMap<String, Result<Vec<String>, BTreeSet<String>>>;

fn sound(workflows: &[FileWorkflow]) -> Vec<String> {
    workflows.iter().map(|workflow| format!("{workflow:?}")).collect()
}

/// As the server has it.
fn of_folder(folder: &Folder) -> Verdict {
    let mut verdict: Verdict = BTreeMap::new();
    for error in folder.errors() {
        let said = verdict.entry(error.path.clone()).or_insert_with(|| Err(BTreeSet::new()));
        said.as_mut().unwrap_err().insert(error.to_string());
    }
    for component in folder.components() {
        for (path, workflows) in folder.component(component) {
            match workflows {
                Ok(workflows) => assert!(verdict.insert(path.to_owned(), Ok(sound(workflows))).is_none()),
                Err(_) => assert!(verdict.contains_key(path), "{path} is refused without a reason"),
            }
        }
    }
    verdict
}

/// As `styx workflow lint` has it.
fn of_lint(dir: &Path) -> Verdict {
    let prefix = format!("{}/", dir.display());
    let without = |text: &str| text.replace(&prefix, "");
    let verdict = read_named(&[dir], &rules()).unwrap().into_iter().map(|file| {
        let said = file.said.map(|workflows| sound(&workflows));
        (without(&file.path), said.map_err(|errors| errors.iter().map(|error| without(&error.to_string())).collect()))
    });
    verdict.collect()
}

fn entry() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just("one"), Just("two"), Just("three"), Just("#")];
    let schedule =
        prop_oneof![5 => Just("daily"), 1 => Just("0 0 31 2 *"), 1 => Just("never"), 1 => Just("0 0 30 2 *")];
    let rest = prop_oneof![
        4 => Just(""),
        1 => Just(", shedule: daily"),
        1 => Just(", env: {A: }"),
        1 => Just(", docker_args: a"),
        1 => Just(", docker_args: [\"\\0\"]"),
        1 => Just(", running_timeout: P3D"),
        1 => Just(", offset: P9999Y"),
        1 => Just("}]"),
    ];
    (id, schedule, rest).prop_map(|(id, schedule, rest)| format!("- {{id: {id}, schedule: {schedule}{rest}}}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Lint and server say the same of every folder: the same errors, and the same workflows.
    #[test]
    fn lint_says_what_the_server_says(
        files in proptest::collection::btree_map(0..6_usize, proptest::collection::vec(entry(), 0..4), 0..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        for (path, entries) in &files {
            let path = ["a.yaml", "b.yml", "eu/a.yaml", "us/a.json", ".hidden.yaml", "notes.txt"][*path];
            write(dir.path(), path, &entries.concat());
        }
        let folder = Folder::read(dir.path(), rules()).unwrap();
        prop_assert_eq!(of_folder(&folder), of_lint(dir.path()));
        // However it comes to it.
        let mut later = Folder::new(dir.path(), rules());
        let all: BTreeSet<String> = folder.errors().into_iter().map(|error| error.path).collect();
        later.look(&all, &mut |_| {}).unwrap();
        later.look_at(&all, &mut |_| {});
        prop_assert_eq!(of_folder(&later), of_folder(&folder));
    }
}

#[test]
fn what_is_no_yaml() {
    refuse(
        "id: a\nschedule: @daily\n",
        "sales.yaml:2:11: unexpected character: `@'; a text that begins with @ needs quotes\n",
    );
    refuse(
        "id: a\nschedule: */5 * * * *\n",
        "sales.yaml:2:11: reference to unknown value; a text that begins with * needs quotes\n",
    );
    refuse(
        "id: a\nschedule: * * * * *\n",
        "sales.yaml:2:11: while scanning an anchor or alias, did not find expected alphabetic or numeric character; \
         a text that begins with * needs quotes\n",
    );
    refuse(
        "id: a\n\tschedule: daily\n",
        "sales.yaml:1:5: while scanning a plain scalar, found a tab; lines are indented by blanks\n",
    );
    refuse(
        "id: a: b\n",
        "sales.yaml:1:6: mapping values are not allowed in this context; a text with a colon and a blank in it needs quotes, and keys of one map begin in one column\n",
    );
    refuse("id: \"a\nschedule: daily\n", "sales.yaml:1:5: unclosed quote\n");
    refuse("id: a\nid: b\n", "sales.yaml:2:1: duplicate mapping key `id` is not allowed here\n");
    refuse("id: !!python/object a\n", "sales.yaml:1:21: unsupported tag `!!python/object`\n");
    refuse("{\"id\": \"a\",\n \"schedule\": \"daily\"\n]}\n", "sales.yaml:1:1: mismatched bracket '{' closed by ']'\n");
    refuse(&"[".repeat(100_000), "sales.yaml:1:256: recursion limit exceeded\n");
}

#[test]
fn what_is_no_workflow() {
    refuse("just text\n", "sales.yaml:1:1: expected a workflow, that is keys and values, or a list of workflows\n");
    refuse(
        "- id: a\n  schedule: daily\n- b\n-\n- [{id: c}]\n",
        "
sales.yaml:3:3: expected a workflow, that is keys and values, or a list of workflows
sales.yaml:4:2: expected a workflow, that is keys and values, or a list of workflows
sales.yaml:5:3: expected a workflow, that is keys and values, or a list of workflows
",
    );
    refuse("{}\n", "sales.yaml:1:1: id: is required\nsales.yaml:1:1: schedule: is required\n");
    refuse(
        "- id:\n  schedule: ~\n",
        "sales.yaml:1:5: id: is required, and has no value\nsales.yaml:2:13: schedule: is required, and has no value\n",
    );
}

#[test]
fn keys_that_there_are_not() {
    refuse(
        "id: a\nshedule: daily\ndocker_imgae: busybox\ndockerArgs: []\ncomponent: b\npriority: 7\n",
        "
sales.yaml:2:1: shedule: unknown key, did you mean `schedule`?
sales.yaml:3:1: docker_imgae: unknown key, did you mean `docker_image`?
sales.yaml:4:1: dockerArgs: unknown key, did you mean `docker_args`?
sales.yaml:5:1: component: unknown key; the component is the file's name without extension
sales.yaml:6:1: priority: unknown key
",
    );
    refuse(
        "id: a\nschedule: daily\ndeployment_source: {src: b}\n",
        "
sales.yaml:3:20: deployment_source.source: is required
sales.yaml:3:21: deployment_source.src: unknown key
",
    );
}

#[test]
fn values_of_another_type() {
    refuse(
        r#"
id: [a]
schedule: 5
offset: {hours: 1}
docker_args: [./run.sh, {}, "{}"]
docker_termination_logging: maybe
env: [A=b]
running_timeout: 2h
deployment_time: 2026-03-29
enabled: yes
"#,
        r#"
sales.yaml:2:5: id: expected a text, found a list; a text that begins with [ needs quotes
sales.yaml:3:11: schedule: expected a text, found the number 5
sales.yaml:4:9: offset: expected a text, found an object; a text that begins with { needs quotes
sales.yaml:5:25: docker_args[1]: expected a text, found an object; the placeholder needs quotes: "{}"
sales.yaml:6:29: docker_termination_logging: expected true or false, found the text "maybe"
sales.yaml:7:6: env: expected a map of texts, found a list; write each variable as NAME: VALUE, without a `-`
sales.yaml:8:18: running_timeout: expected a number of seconds, or a duration such as "PT2H", found the text "2h"
sales.yaml:9:18: deployment_time: expected an instant such as "2024-05-06T07:00:00Z", found the text "2026-03-29"
sales.yaml:10:10: enabled: expected true or false, found the text "yes"
"#,
    );
    refuse(
        "id: a\nschedule: daily\nenv:\n  SECRET:\n  my.key: [s3cret]\n",
        "sales.yaml:4:9: env.SECRET: value cannot be null; write \"\" for an empty text\n",
    );
    refuse(
        "id: a\nschedule: daily\nenv:\n  my.key: [s3cret]\ndocker_args:\n- x\n-\n",
        "
sales.yaml:4:11: env.my.key: expected a text, found a list; a text that begins with [ needs quotes
sales.yaml:7:2: docker_args[1]: value cannot be null; write \"\" for an empty text
",
    );
}

#[test]
fn broken_rules() {
    refuse(
        r#"
id: ""
schedule: 61 * * * *
offset: 1H
docker_image: Busybox
service_account: nobody
running_timeout: 59
"#,
        "
sales.yaml:2:5: id: workflow id cannot be empty [V-3]
sales.yaml:3:11: schedule: invalid schedule: minute: `61` at column 1 is out of range, expected 0-59 [V-14]
sales.yaml:4:9: offset: invalid offset: `1` at column 1 is refused, expected `P` at the start [V-13]
sales.yaml:5:15: docker_image: invalid image: Invalid image name (Busybox), only ^([a-z0-9._-]+)$ is allowed for each slash-separated name component (failed on \"Busybox\") [V-20]
sales.yaml:6:18: service_account: service account is not a valid email address: nobody [V-16]
sales.yaml:7:18: running_timeout: running timeout is too small: PT59S, limit = PT1M [V-15]
",
    );
    refuse(
        "id: a\nschedule: daily\nrunning_timeout: P3D\n",
        "sales.yaml:3:18: running_timeout: running timeout is too big: PT72H, limit = PT48H [V-26]\n",
    );
    let folder = read(&[("a#b.yaml", "id: a\nschedule: daily\n")]);
    assert_eq!(errors(&folder), "a#b.yaml: component_id: component id cannot contain # [V-2]\n");
}

#[test]
fn rules_of_what_workflows_rarely_have() {
    refuse(
        r##"
id: a
schedule: daily
resources: [warehouse]
retry_condition: "#tries < 4 &&"
secret:
  name: My_Secret
  mount_path: etc/my-keys
flyte_exec_conf:
  reference_id: {resource_type: TASK, project: "", domain: d, name: n, version: v}
"##,
        r##"
sales.yaml:5:18: retry_condition: invalid retry condition: column 14: expected an operand, found the end [V-17]
sales.yaml:7:9: secret.name: secret name is not valid, only lower-case letters, digits, inner - and . (at most 253): My_Secret [S-1]
sales.yaml:8:15: secret.mount_path: secret mount path must be an absolute path without : and ..: etc/my-keys [S-2]
sales.yaml:10:33: flyte_exec_conf.reference_id.resource_type: only launch plans ("LAUNCH_PLAN") are supported as resource type, but received: TASK [V-21]
sales.yaml:10:48: flyte_exec_conf.reference_id.project: project cannot be empty [V-23]
"##,
    );
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "big.json", &" ".repeat(1024 * 1024 + 1));
    fs::write(dir.path().join("latin.yaml"), b"id: caf\xe9\n").unwrap();
    fs::write(dir.path().join("later.yaml"), b"\xef\xbb\xbfid: a\r\nenv:\r  B: \xc3\xa9\xe9\n").unwrap();
    fs::write(dir.path().join("utf16.yaml"), b"\xff\xfei\0d\0").unwrap();
    fs::write(dir.path().join("marked.yaml"), b"\xef\xbb\xbfid\xff").unwrap();
    symlink("nowhere", dir.path().join("lost.yaml")).unwrap();
    let folder = Folder::read(dir.path(), Default::default()).unwrap();
    assert_eq!(
        errors(&folder),
        "\
big.json: is longer than 1048576 bytes, so it isn't read
later.yaml:3:7: isn't UTF-8 at byte 22
latin.yaml:1:8: isn't UTF-8 at byte 7
lost.yaml: can't be read: No such file or directory (os error 2)
marked.yaml:1:3: isn't UTF-8 at byte 5
utf16.yaml:1:1: isn't UTF-8 at byte 0
"
    );
    let error = Folder::read(dir.path().join("missing"), Default::default()).unwrap_err();
    assert!(error.to_string().ends_with("missing: No such file or directory (os error 2)"), "{error}");
}

#[test]
fn a_text_that_would_grow_without_bound_is_refused() {
    let mut text = "a: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let above = vec![format!("*l{}", level - 1); 10].join(", ");
        text += &format!("b{level}: &l{level} [{above}]\n");
    }
    let folder = read(&[("sales.yaml", &text)]);
    assert!(errors(&folder).starts_with("sales.yaml:"), "{}", errors(&folder));
    assert!(errors(&folder).len() < 1_000, "{}", errors(&folder).len());
}

#[test]
fn nor_may_one_long_text_or_list_stand_for_thousands() {
    let names = |many: usize| vec!["*long"; many].join(", ");
    let (text, list) = ("x".repeat(400_000), vec!["x"; 100_000].join(","));
    for (long, many) in [(format!("'{text}'"), 50_000), (format!("[{list}]"), 50_000), (format!("[{list}]"), 4)] {
        let folder = read(&[("sales.yaml", &format!("a: &long {long}\nb: [{}]\n", names(many)))]);
        assert!(errors(&folder).contains("too large or too complex"), "{}", errors(&folder));
        assert!(errors(&folder).len() < 1_000, "{}", errors(&folder).len());
    }
}

#[test]
fn a_look_tells_of_what_changed_and_of_nothing_else() {
    let text = "id: one\nschedule: daily\n";
    let dir = tempfile::tempdir().unwrap();
    for path in ["a.yaml", "b.yaml", "eu/c.yaml"] {
        write(dir.path(), path, text);
    }
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let mut folder = Folder::new(dir.path(), Default::default());
    let look = |folder: &mut Folder, alone: &[&str]| folder.look(&set(alone), &mut |_| {}).unwrap();
    assert_eq!(look(&mut folder, &["b.yaml"]), set(&["a", "c"]));
    assert_eq!(look(&mut folder, &[]), set(&["b"]));
    assert_eq!(look(&mut folder, &[]), set(&[]));
    // Written again as it was: nothing changed.
    write(dir.path(), "a.yaml", text);
    write(dir.path(), "b.yaml", "id: two\nschedule: daily\n");
    fs::remove_file(dir.path().join("eu/c.yaml")).unwrap();
    fs::create_dir(dir.path().join("d.yaml")).unwrap();
    let looked = folder.look_at(&set(&["a.yaml", "b.yaml", "eu/c.yaml", "d.yaml", "none.yaml"]), &mut |_| {});
    assert_eq!((looked.changed, looked.is_whole), (set(&["b", "c"]), false));
    assert_eq!(names(&folder), ["a.yaml a#one", "b.yaml b#two"]);
    assert_eq!(look(&mut folder, &[]), set(&[]));
}
