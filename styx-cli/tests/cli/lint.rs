//! `styx workflow lint`: the words, the codes, and what comes next.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{styx, text};

const NOW: &str = "2026-03-29T06:30:00Z";

/// Files in a folder of their own.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = dir.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self(dir)
    }

    fn lint(&self, args: &[&str]) -> Output {
        styx(&[&["workflow", "lint", "--now", NOW], args].concat(), None, self.0.path(), "")
    }

    #[track_caller]
    fn check(&self, args: &[&str], exit_code: i32, stdout: &str, stderr: &str) {
        let output = self.lint(args);
        assert_eq!(text(&output.stdout), stdout);
        assert_eq!(text(&output.stderr), stderr);
        assert_eq!(output.status.code(), Some(exit_code));
    }
}

const HOURLY: &str = "- {id: hourly, schedule: hourly, docker_image: busybox, docker_args: [ls]}\n";

#[test]
fn sound_files_show_what_comes_next() {
    let files = Files::new(&[
        ("flows/sales.yaml", HOURLY),
        (
            "flows/eu/stock.json",
            r#"{"id":"count","schedule":"0 0 31 12 *","offset":"P1D","docker_image":"a","docker_args":["x"],"enabled":false}"#,
        ),
        ("flows/notes.txt", "nothing"),
    ]);
    let pretty = "\
WORKFLOW      SCHEDULE     FIRES                 PARAMETER
stock#count   0 0 31 12 *  2027-01-01T00:00:00Z  2026-12-31T00:00:00Z  (disabled)
                           2028-01-01T00:00:00Z  2027-12-31T00:00:00Z  (disabled)
                           2029-01-01T00:00:00Z  2028-12-31T00:00:00Z  (disabled)
                           2030-01-01T00:00:00Z  2029-12-31T00:00:00Z  (disabled)
                           2031-01-01T00:00:00Z  2030-12-31T00:00:00Z  (disabled)
sales#hourly  hours        2026-03-29T07:00:00Z  2026-03-29T06
                           2026-03-29T08:00:00Z  2026-03-29T07
                           2026-03-29T09:00:00Z  2026-03-29T08
                           2026-03-29T10:00:00Z  2026-03-29T09
                           2026-03-29T11:00:00Z  2026-03-29T10

2 sound workflows, 0 errors, 0 warnings
";
    files.check(&["flows"], 0, pretty, "");
    let plain = "\
sales hourly 2026-03-29T07:00:00Z 2026-03-29T06
sales hourly 2026-03-29T08:00:00Z 2026-03-29T07
sales hourly 2026-03-29T09:00:00Z 2026-03-29T08
sales hourly 2026-03-29T10:00:00Z 2026-03-29T09
sales hourly 2026-03-29T11:00:00Z 2026-03-29T10
";
    files.check(&["--plain", "flows/sales.yaml"], 0, plain, "");
    let coloured = text(&files.lint(&["--color=always", "flows"]).stdout);
    assert!(coloured.contains("\x1b[34msales#hourly\x1b[m  hours  "), "{coloured}");
}

#[test]
fn errors_are_a_line_each_and_exit_code_1() {
    let files = Files::new(&[
        ("flows/sales.yaml", "- id: a\n  shedule: daily\n- {id: b, schedule: 61 * * * *}\n"),
        ("flows/never.yaml", "- {id: a, schedule: 0 0 31 2 *}\n"),
        ("flows/eu/stock.yaml", HOURLY),
        ("flows/us/stock.yaml", HOURLY),
    ]);
    let never = "flows/never.yaml:1:21: schedule: invalid schedule: `0 0 31 2 *` never fires\n";
    let errors = format!(
        "\
flows/eu/stock.yaml:1:8: id: the workflow stock#hourly is defined at flows/us/stock.yaml:1:8 as well
{never}flows/sales.yaml:2:3: shedule: unknown key, did you mean `schedule`?
flows/sales.yaml:3:21: schedule: invalid schedule: minute: `61` at column 1 is out of range, expected 0-59 [V-14]
flows/us/stock.yaml:1:8: id: the workflow stock#hourly is defined at flows/eu/stock.yaml:1:8 as well
"
    );
    files.check(&["flows"], 1, &format!("{errors}\n0 sound workflows, 5 errors, 0 warnings\n"), "5 errors\n");
    files.check(&["-p", "flows/never.yaml"], 1, never, "1 error\n");
}

/// The clock is in 2026, so an offset of some thousand years leads out of the calendar, back or ahead.
#[test]
fn an_offset_that_leads_out_of_the_calendar_is_the_fault_of_the_offset() {
    let files = Files::new(&[
        ("out.yaml", "- id: a\n  schedule: days\n  offset: P9999Y\n- {id: b, offset: -P8000Y, schedule: 0 0 1 * *}\n"),
        ("never.yaml", "- {id: a, offset: P1D, schedule: 0 0 31 2 *}\n"),
    ]);
    let errors = "\
never.yaml:1:34: schedule: invalid schedule: `0 0 31 2 *` never fires
out.yaml:3:11: offset: invalid offset: with `P9999Y` the first trigger lies outside the years 0000 to 9999
out.yaml:4:19: offset: invalid offset: with `-P8000Y` the first trigger lies outside the years 0000 to 9999
";
    files.check(&["-p", "never.yaml", "out.yaml"], 1, errors, "3 errors\n");
}

#[test]
fn the_first_instants_shown_are_those_to_come() {
    // The 28th to the 31st of January fired with the 29th of March.
    let files = Files::new(&[(
        "a.yaml",
        "{id: a, schedule: daily, offset: P1M29D, docker_image: busybox, docker_args: [ls]}\n",
    )]);
    let next = "\
a a 2026-03-30T00:00:00Z 2026-02-01
a a 2026-03-31T00:00:00Z 2026-02-02
a a 2026-04-01T00:00:00Z 2026-02-03
a a 2026-04-02T00:00:00Z 2026-02-04
a a 2026-04-03T00:00:00Z 2026-02-05
";
    files.check(&["--plain", "a.yaml"], 0, next, "");
}

#[test]
fn a_name_that_is_used_twice_is_seen_however_its_files_are_named() {
    let files = Files::new(&[
        ("pair/a/sales.yaml", HOURLY),
        (
            "pair/b/sales.yaml",
            &format!("{HOURLY}- {{id: other, schedule: daily, docker_image: busybox, docker_args: [ls]}}\n"),
        ),
        ("pair/twice.yaml", &HOURLY.repeat(2)),
    ]);
    let pair = "\
pair/a/sales.yaml:1:8: id: the workflow sales#hourly is defined at pair/b/sales.yaml:1:8 as well
pair/b/sales.yaml:1:8: id: the workflow sales#hourly is defined at pair/a/sales.yaml:1:8 as well
";
    files.check(&["-p", "pair/a/sales.yaml", "pair/b/sales.yaml"], 1, pair, "2 errors\n");
    files.check(&["-p", "pair/a", "pair/b"], 1, pair, "2 errors\n");
    files.check(&["-p", "pair/a/sales.yaml", "pair/b"], 1, pair, "2 errors\n");
    let all = format!(
        "{pair}\
pair/twice.yaml:1:8: id: the workflow twice#hourly is defined at pair/twice.yaml:2:8 as well
pair/twice.yaml:2:8: id: the workflow twice#hourly is defined at pair/twice.yaml:1:8 as well
"
    );
    files.check(&["-p", "pair"], 1, &all, "4 errors\n");
}

#[test]
fn the_hook_of_the_help_sees_that_a_changed_file_clashes_with_another() {
    let files = Files::new(&[("workflows/a/sales.yaml", HOURLY), ("workflows/b/sales.yaml", HOURLY)]);
    let help = text(&styx(&["workflow", "lint", "--help"], None, files.0.path(), "").stdout);
    let (_, hook) = help.split_once("As a hook of pre-commit").unwrap();
    let (_, hook) = hook.split_once('\n').unwrap();
    let hook: serde_json::Value = serde_saphyr::from_str(hook).unwrap();
    let mut args: Vec<_> = hook[0]["entry"].as_str().unwrap().split(' ').skip(1).collect();
    if hook[0]["pass_filenames"] != false {
        args.push("workflows/a/sales.yaml");
    }
    let output = styx(&args, None, files.0.path(), "");
    assert!(text(&output.stdout).ends_with("\n0 sound workflows, 2 errors, 0 warnings\n"), "{output:?}");
}

#[test]
fn what_is_named_twice_counts_once() {
    let files = Files::new(&[("a/sales.yaml", HOURLY), ("a/bad.yaml", "id: a\n")]);
    symlink("a", files.0.path().join("same")).unwrap();
    let absolute = files.0.path().join("a/sales.yaml");
    let absolute = absolute.to_str().unwrap();
    for args in [
        ["a/sales.yaml", "a/sales.yaml"],
        ["a/sales.yaml", "same/sales.yaml"],
        ["a/sales.yaml", "a/../a/./sales.yaml"],
        ["a/sales.yaml", absolute],
    ] {
        let output = files.lint(&args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert!(text(&output.stdout).ends_with("\n1 sound workflow, 0 errors, 0 warnings\n"), "{output:?}");
    }
    for args in [["a", "a/sales.yaml"], ["a/sales.yaml", "a"], ["a", "same"], [".", "a"]] {
        let output = files.lint(&args);
        assert!(text(&output.stdout).ends_with("\n1 sound workflow, 1 error, 0 warnings\n"), "{args:?}: {output:?}");
    }
    // A link to a file is one more file, as it is for a server: it may even be of another component.
    for (link, count) in
        [("b/sales.yaml", "0 sound workflows, 2 errors"), ("c/other.yaml", "2 sound workflows, 0 errors")]
    {
        let at = files.0.path().join(link);
        fs::create_dir(at.parent().unwrap()).unwrap();
        symlink("../a/sales.yaml", at).unwrap();
        let output = files.lint(&["a/sales.yaml", link]);
        assert!(text(&output.stdout).ends_with(&format!("\n{count}, 0 warnings\n")), "{link}: {output:?}");
    }
}

#[test]
fn programs_get_json() {
    let files = Files::new(&[
        ("bad.yaml", "id: a\nschedule: daily\nrunning_timeout: 1\n"),
        ("empty.yaml", "- {id: a, schedule: yearly}\n"),
    ]);
    let output = files.lint(&["--json", "bad.yaml", "empty.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let instants = (2026..2031)
        .map(|year| json!({ "fires_at": format!("{}-01-01T00:00:00Z", year + 1), "parameter": year.to_string() }));
    let expected = json!({
        "errors": [{
            "path": "bad.yaml", "line": 3, "column": 18, "field": "running_timeout",
            "text": "running timeout is too small: PT1S, limit = PT1M", "rule": "V-15",
        }],
        "warnings": [{
            "path": "empty.yaml", "line": 1, "column": 8, "field": "docker_image",
            "text": "there is nothing to run: its triggers are skipped; give it a docker_image, or `enabled: false`",
            "rule": null,
        }],
        "workflows": [{
            "component_id": "empty", "workflow_id": "a", "path": "empty.yaml", "line": 1, "column": 8, "enabled": true,
            "schedule": "years", "offset": null, "next": instants.collect::<Vec<_>>(),
        }],
    });
    assert_eq!(report, expected);
}

#[test]
fn warnings_leave_the_exit_code_alone() {
    let files = Files::new(&[("a.yaml", "- {id: a, schedule: yearly}\n- {id: b, schedule: yearly, enabled: false}\n")]);
    let output = files.lint(&["a.yaml"]);
    assert_eq!(output.status.code(), Some(0));
    let first = "a.yaml:1:8: docker_image: warning: there is nothing to run: its triggers are skipped; give it a \
                 docker_image, or `enabled: false`\n\nWORKFLOW  SCHEDULE  FIRES";
    assert!(text(&output.stdout).starts_with(first), "{}", text(&output.stdout));
    assert!(text(&output.stdout).ends_with("\n2 sound workflows, 0 errors, 1 warning\n"));
}

#[test]
fn the_server_s_limit_can_be_given() {
    let files = Files::new(&[(
        "a.yaml",
        "{id: a, schedule: daily, docker_image: b, running_timeout: PT3H, docker_args: [c]}\n",
    )]);
    assert_eq!(files.lint(&["a.yaml"]).status.code(), Some(0));
    let said = "a.yaml:1:60: running_timeout: running timeout is too big: PT3H, limit = PT2H [V-26]\n";
    files.check(&["-p", "--max-running-timeout", "PT2H", "a.yaml"], 1, said, "1 error\n");
    for span in ["2h", "-PT2H"] {
        assert_eq!(files.lint(&["--max-running-timeout", span, "a.yaml"]).status.code(), Some(2), "{span}");
    }
}

#[test]
fn what_the_executor_can_never_run_is_an_error() {
    let files = Files::new(&[
        ("a.yaml", "{id: a, schedule: daily, docker_image: b}\n"),
        ("b.yaml", "{id: a, schedule: daily, docker_image: b, docker_args: [c, \"\\0\"], env: {\"\": d}}\n"),
    ]);
    let nul = "./b.yaml:1:60: docker_args[1]: holds a NUL character (at byte 0), so no program can be given it [L-1]\n\
               ./b.yaml:1:77: env: the name \"\" is empty, so no program can be given it [L-2]\n";
    let missing = "./a.yaml:1:1: docker_args: is missing or begins with an empty text: the local executor runs it as program and \
                   arguments, not the image [L-4]\n";
    files.check(&["-p", "."], 1, &format!("{missing}{nul}"), "3 errors\n");
    let fake = format!("{nul}a a 2026-03-30T00:00:00Z 2026-03-29\n");
    let output = text(&files.lint(&["-p", "--executor", "fake", "."]).stdout);
    assert!(output.starts_with(&fake), "{output}");
    // As a server would without a limit of its own.
    let files = Files::new(&[("a.yaml", "{id: a, schedule: daily, running_timeout: P3D}\n")]);
    assert_eq!(files.lint(&["a.yaml"]).status.code(), Some(1));
    assert_eq!(files.lint(&["--max-running-timeout", "P3D", "a.yaml"]).status.code(), Some(0));
}

#[test]
fn a_file_with_an_error_counts_for_nothing_as_in_a_server() {
    let broken = "- {id: a, schedule: daily}\n- {id: b, schedule: 0 0 31 2 *}\n- {id: c, schedule: 0 0 30 2 *}\n";
    let output = text(&Files::new(&[("a.yaml", broken)]).lint(&["a.yaml"]).stdout);
    assert!(output.ends_with("\n0 sound workflows, 2 errors, 0 warnings\n"), "{output}");
}

#[test]
fn what_a_server_would_not_read_is_warned_of() {
    let files = Files::new(&[("notes.txt", HOURLY), (".hidden.yaml", HOURLY)]);
    let output = text(&files.lint(&["notes.txt", ".hidden.yaml"]).stdout);
    let warning = "warning: a server doesn't read it: names end in .yaml, .yml or .json and don't begin with a dot\n";
    assert!(output.starts_with(&format!("notes.txt: {warning}.hidden.yaml: {warning}")), "{output}");
}

#[test]
fn what_is_not_there_is_an_argument_that_cannot_be_followed() {
    let files = Files::new(&[]);
    let said = "styx: error: cannot read none.yaml: No such file or directory (os error 2)\n";
    files.check(&["none.yaml"], 2, "", said);
    assert_eq!(files.lint(&[]).status.code(), Some(2));
    files.check(&["."], 0, "\n0 sound workflows, 0 errors, 0 warnings\n", "");
}

#[test]
fn the_examples_are_sound() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/workflows");
    let output = Files::new(&[]).lint(&[examples.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains(" 0 errors, 0 warnings\n"), "{}", text(&output.stdout));
}

/// A width over 65,535 made the formatter panic; names, schedules and errors of any length are shown and end.
#[test]
fn texts_of_any_length_are_told_of_in_bounds() {
    let long = "0,".repeat(35_000);
    let files = Files::new(&[
        ("long.yaml", &*format!("- {{id: a, schedule: '{long}0 * * * *', docker_image: b}}\n{HOURLY}")),
        ("name.yaml", &*format!("- {{id: {}, schedule: hourly, docker_image: b}}\n", "n".repeat(70_000))),
        (
            "offset.yaml",
            &*format!("- {{id: a, schedule: hourly, offset: P{}D, docker_image: b}}\n", "1".repeat(70_000)),
        ),
        ("sound.yaml", HOURLY),
    ]);
    for args in [&["."][..], &["--plain", "."], &["--color=always", "."]] {
        let output = files.lint(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(!err.contains("panicked") && out.contains("sound"), "{err}");
        assert!(out.lines().all(|line| line.len() < 3_000), "a line of {:?} bytes", out.lines().map(str::len).max());
    }
    assert_eq!(files.lint(&["--json", "."]).status.code(), Some(1));
}

/// What a file says reaches the terminal only with its control characters written out, sound or not.
#[test]
fn nothing_in_a_file_acts_on_the_terminal() {
    let bad = "\u{1b}]0;x\u{7}\u{202e}\u{200b}\u{9b}2J";
    let id = r#""\e]0;x\a\u202e\u200b\u009b2J\r\nsound#b  hours""#;
    let files = Files::new(&[
        ("sound.yaml", &*format!("- {{id: {id}, schedule: hourly, docker_image: b}}\n")),
        (&*format!("{bad}.yaml"), HOURLY),
        ("wrong.yaml", &*format!("- {{id: {id}, schedule: {id}, docker_image: {id}, {id}: 1}}\n")),
    ]);
    for args in [
        &["."][..],
        &["--plain", "."],
        &["."],
        &["wrong.yaml"],
        &["no\u{1b}[2Jfile"],
        &["--json", "."],
        &["-o", "yaml", "."],
    ] {
        let output = files.lint(args);
        for shown in [text(&output.stdout), text(&output.stderr)] {
            let acts = |letter: char| letter.is_control() && letter != '\n' || "\u{202e}\u{200b}".contains(letter);
            assert!(!shown.contains(acts), "{shown:?}");
            assert!(!shown.lines().any(|line| line.starts_with("sound#b")), "{shown}");
        }
    }
}

#[test]
fn a_pod_template_is_read_and_checked_as_kubernetes_would() {
    let workflow =
        |pod: &str| format!("id: nightly\nschedule: daily\ndocker_image: busybox\ndocker_args: [ls]\npod:\n{pod}");
    // What kubectl takes: an octal mode in either form, a flag that isn't written as JSON has it.
    let sound = workflow(
        "  spec:
    hostNetwork: no
    volumes:
    - {name: a, secret: {secretName: team-a, defaultMode: 0400, optional: yes}}
    - {name: b, configMap: {name: b, defaultMode: 0o444}}
",
    );
    let output = Files::new(&[("flows/sales.yaml", &sound)]).lint(&["flows"]);
    assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
    let broken = workflow(
        "  spec:
    restartPolicy: Always
    contaners: []
    containers:
    - name: styx-run
      image: other
      env:
      - {name: A, value: yes}
    volumes:
    - name: conf
      secret: {secretName: styx-wf-sa-keys-1-a, defaultMode: '0400'}
",
    );
    let expected = "\
flows/sales.yaml:7:20: pod.spec.restartPolicy: is always Never in a pod of Styx, which retries by itself: leave it out [L-5]
flows/sales.yaml:8:16: pod.spec.contaners: unknown field, did you mean `containers`? [L-5]
flows/sales.yaml:11:14: pod.spec.containers[0].image: is the workflow's docker_image: leave it out [L-5]
flows/sales.yaml:13:26: pod.spec.containers[0].env[0].value: expected a text, found true or false; a text needs quotes [L-5]
flows/sales.yaml:16:28: pod.spec.volumes[0].secret.secretName: names that begin with styx-wf-sa-keys are those of the keys that Styx manages: no workflow may use them [L-5]

0 sound workflows, 5 errors, 0 warnings
";
    Files::new(&[("flows/sales.yaml", &broken)]).check(&["flows"], 1, expected, "5 errors\n");
}
