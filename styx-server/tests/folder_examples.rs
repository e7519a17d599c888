//! The shipped examples are sound, and their scripts do what they say.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use styx_files::Folder;

/// A copy of the examples, so that nothing is written into the source.
struct Examples(tempfile::TempDir);

impl Examples {
    fn new() -> Self {
        let examples = Self(tempfile::tempdir().unwrap());
        for part in ["workflows", "jobs", "data"] {
            copy(&shipped().join(part), &examples.0.path().join(part));
        }
        examples
    }

    /// Runs a workflow's job as the local executor does; gives its exit code and its output.
    fn run(&self, workflow: &str, parameter: &str, tries: &str) -> (Option<i32>, String) {
        self.run_with(workflow, parameter, &[("STYX_EXECUTION_TRIES", tries)])
    }

    /// With variables that a trigger sets.
    fn run_with(&self, workflow: &str, parameter: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let folder = Folder::read(self.0.path().join("workflows"), Default::default()).unwrap();
        let (_, found) = folder.workflows().find(|(_, found)| found.id.workflow() == workflow).unwrap();
        let args = found.configuration.docker_args.as_ref().unwrap();
        let argv: Vec<_> = args.iter().map(|arg| if arg == "{}" { parameter } else { arg }).collect();
        let run_dir = self.0.path().join("run");
        fs::create_dir_all(&run_dir).unwrap();
        let output = Command::new(argv[0])
            .args(&argv[1..])
            .current_dir(self.0.path().join("workflows"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("STYX_RUN_DIR", run_dir)
            // What is installed for a job is kept for the next run of the tests.
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .envs(&found.configuration.env)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    fn written(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap()
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn the_workflows_are_sound() {
    let folder = Folder::read(shipped().join("workflows"), Default::default()).unwrap();
    assert!(folder.errors().is_empty(), "{:?}", folder.errors());
    let ids: Vec<_> = folder.workflows().map(|(_, workflow)| workflow.id.key()).collect();
    let expected = [
        "examples#orders-so-far",
        "examples#hourly-report",
        "examples#best-product",
        "examples#check-orders",
        "examples#daily-summary",
        "examples#product-classes",
        "examples#flaky-upload",
    ];
    assert_eq!(ids, expected);
    assert!(folder.workflows().all(|(_, workflow)| workflow.enabled && workflow.configuration.docker_image.is_some()));
    let jobs = fs::read_dir(shipped().join("jobs")).unwrap().map(Result::unwrap);
    for script in jobs.filter(|job| job.path().extension().is_some_and(|extension| extension == "sh")) {
        let mode = script.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{:?} must be executable", script.path());
    }
}

#[test]
fn the_configuration_is_toml() {
    let text = fs::read_to_string(shipped().join("styx-server.toml")).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["missing_dependencies_delay"].as_str(), Some("PT10S"));
}

#[test]
fn every_hour_of_the_sample_day_has_orders() {
    for hour in 0..24 {
        let text = fs::read_to_string(shipped().join(format!("data/orders/{hour:02}.csv"))).unwrap();
        assert!(text.starts_with("time,order,product,quantity,price\n") && text.lines().count() > 1, "{hour}");
    }
}

#[test]
fn orders_so_far() {
    let examples = Examples::new();
    let run = |minute| examples.run("orders-so-far", minute, "0");
    assert_eq!(run("2026-03-29T07:15:00Z"), (Some(0), "3 orders from 07:00 to 07:15\n".into()));
    assert_eq!(run("2026-03-29T07:02:00Z"), (Some(0), "0 orders from 07:00 to 07:02\n".into()));
    let lines = "2026-03-29T07:15:00Z,3\n2026-03-29T07:02:00Z,0\n";
    assert_eq!(examples.written("out/orders-so-far.csv"), lines);
}

#[test]
fn a_report_and_what_waits_for_it() {
    let examples = Examples::new();
    let best = || examples.run("best-product", "2026-03-29T07", "0");
    assert_eq!(best(), (Some(20), "out/reports/2026-03-29T07.csv isn't there yet\n".into()));

    let report = "product,quantity,revenue\napples,4,1.80\nbread,3,9.60\ncheese,2,9.50\nmilk,3,3.57\ntomatoes,1,0.60\n";
    for _ in 0..2 {
        assert_eq!(examples.run("hourly-report", "2026-03-29T07", "0"), (Some(0), report.into()));
        assert_eq!(examples.written("out/reports/2026-03-29T07.csv"), report);
    }
    assert_eq!(fs::read_dir(examples.0.path().join("out/reports")).unwrap().count(), 1, "no draft is left");

    assert_eq!(best(), (Some(0), "bread 9.60\n".into()));
    assert_eq!(examples.written("out/best/2026-03-29T07.txt"), "bread 9.60\n");
    assert_eq!(examples.run("hourly-report", "soon", "0"), (Some(50), "not an hour: soon\n".into()));
}

#[test]
fn a_summary_waits_for_all_hours_and_luigi_for_the_summary() {
    let examples = Examples::new();
    let summary = || examples.run("daily-summary", "2026-03-29", "0");
    let classes = || examples.run("product-classes", "2026-03-29", "0");
    let hours: Vec<String> = (0..24).map(|hour| format!("2026-03-29T{hour:02}")).collect();
    for hour in &hours[..23] {
        assert_eq!(examples.run("hourly-report", hour, "0").0, Some(0), "{hour}");
    }
    assert_eq!(summary(), (Some(20), "no report yet of the hours: 23\n".into()));
    let luigi = is_installed(&classes());
    if luigi {
        let (code, said) = classes();
        assert!(code == Some(20) && said.contains("missing external dependencies"), "{code:?} {said}");
    }

    examples.run("hourly-report", &hours[23], "0");
    let expected = "product,quantity,revenue\napples,76,34.20\nbread,50,160.00\ncheese,45,213.75\ncoffee,78,616.20\n\
                    milk,58,69.02\ntomatoes,67,40.20\n";
    assert_eq!(summary(), (Some(0), expected.into()));
    assert_eq!(examples.written("out/summaries/2026-03-29.csv"), expected);
    assert_eq!(examples.run("daily-summary", "2026", "0"), (Some(50), "not a day: 2026\n".into()));
    assert_eq!(examples.run("product-classes", "2026", "0"), (Some(50), "not a day: 2026\n".into()));
    if !luigi {
        return;
    }

    let path = "out/classes/2026-03-29.csv";
    let classes_of_day = "product,revenue,share,class\ncoffee,616.20,0.544,A\ncheese,213.75,0.189,A\nbread,160.00,0.141,A\n\
                          milk,69.02,0.061,B\ntomatoes,40.20,0.035,B\napples,34.20,0.030,C\n";
    let ran = |(code, said): (Option<i32>, String)| {
        assert_eq!(code, Some(0), "{said}");
        said.contains("1 ran successfully")
    };
    assert!(ran(classes()), "Luigi runs the task");
    assert_eq!(examples.written(path), classes_of_day);
    assert!(!ran(classes()), "Luigi finds the task complete");
    // Another summary: what was made of the one before is not complete any more.
    fs::write(examples.0.path().join("out/summaries/2026-03-29.csv"), "product,quantity,revenue\nmilk,1,1.00\n")
        .unwrap();
    assert!(ran(classes()), "Luigi checks more than that the file is there");
    assert_eq!(examples.written(path), "product,revenue,share,class\nmilk,1.00,1.000,A\n");
    fs::write(examples.0.path().join("out/summaries/2026-03-29.csv"), "product,quantity,revenue\nmilk,1,a lot\n")
        .unwrap();
    let (code, said) = classes();
    assert!(code == Some(1) && said.contains("could not convert"), "{code:?} {said}");
}

/// Whether Luigi could be installed; says loudly if not.
fn is_installed((code, said): &(Option<i32>, String)) -> bool {
    let lacking = matches!(code, Some(50 | 75));
    if lacking {
        // Not with eprintln!, which tests keep to themselves.
        let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: the Luigi task of the examples. It says: {said}");
    }
    !lacking
}

#[test]
fn orders_that_cannot_be_right_are_found() {
    let examples = Examples::new();
    let check = |most| examples.run_with("check-orders", "2026-03-29T19", &[("MAX_QUANTITY", most)]);
    let (code, said) = check("5");
    assert!(
        code == Some(3) && said.starts_with("line 9 can't be right: 19:37:09,20641,apples,6,0.45\n"),
        "{code:?} {said}"
    );
    assert!(!examples.0.path().join("out/checks/2026-03-29T19.txt").exists());
    assert_eq!(check("6"), (Some(0), "11 orders checked, 0 wrong\n".into()));
    assert_eq!(examples.written("out/checks/2026-03-29T19.txt"), "11 orders checked, 0 wrong\n");
    let none = examples.run("check-orders", "2026-03-29T24", "0");
    assert_eq!(none, (Some(20), "data/orders/24.csv isn't there yet\n".into()));
    for hour in 0..24 {
        assert_eq!(examples.run("check-orders", &format!("2026-03-29T{hour:02}"), "0").0, Some(0), "{hour}");
    }
}

#[test]
fn fails_twice_and_then_succeeds() {
    let examples = Examples::new();
    let run = |tries| examples.run("flaky-upload", "2026-03-29T07:00:00Z", tries);
    assert_eq!(run("0"), (Some(1), "try 1: connection reset by peer\n".into()));
    assert_eq!(run("1"), (Some(1), "try 2: connection reset by peer\n".into()));
    let uploaded = "uploaded 2026-03-29T07:00:00Z after 3 tries\n";
    assert_eq!(run("2"), (Some(0), uploaded.into()));
    assert_eq!(examples.written("run/receipt.txt"), uploaded);
}
