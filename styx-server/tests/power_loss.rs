//! What the server's tools report as done is there after a loss of power: tokens, imports, exports, checkpoints.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use common::{LONG, Server, command, data, tail};
use power_loss::{Disk, Loss};

const LOSSES: [Loss; 2] = [Loss::AllUnsynced, Loss::Contents];

fn tool(disk: &Disk, args: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_styx-server"));
    let output = command.args(args).args(paths).envs(disk.environment()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A log with some records in it, without a server.
fn told() -> (tempfile::TempDir, std::path::PathBuf) {
    let (dir, data) = data();
    let server = Server::start(&data);
    server.store("c", "w", "hours", LONG);
    assert_eq!(server.trigger("c", "w", "2024-01-01T00").status, 200);
    assert!(server.stop().success());
    (dir, data)
}

#[test]
fn an_import_and_an_export_outlive_a_loss_of_power() {
    let (_dir, original) = told();
    for loss in LOSSES {
        for is_there in [false, true] {
            let place = tempfile::tempdir().unwrap();
            let [exported, data] = ["log.jsonl", "below/data"].map(|name| place.path().join(name));
            if is_there {
                fs::create_dir_all(&data).unwrap();
            }
            let disk = Disk::new(place.path());
            tool(&disk, &["log", "export", "--data", original.to_str().unwrap(), "--output"], &[&exported]);
            disk.lose_power(loss);
            tool(&disk, &["log", "import", "--data", data.to_str().unwrap()], &[&exported]);
            disk.lose_power(loss);
            assert_eq!(tail(&data), tail(&original), "{loss:?}");
            tool(&disk, &["log", "verify", "--data"], &[&data]);
        }
    }
}

#[test]
fn a_token_outlives_a_loss_of_power() {
    for loss in LOSSES {
        let place = tempfile::tempdir().unwrap();
        let disk = Disk::new(place.path());
        let data = place.path().join("below/data");
        tool(&disk, &["token", "create", "--name", "ann", "--data"], &[&data]);
        disk.lose_power(loss);
        let listed = tool(&disk, &["token", "list", "--data"], &[&data]);
        assert!(String::from_utf8_lossy(&listed.stdout).contains("ann"), "{loss:?}: {listed:?}");
    }
}

#[test]
fn a_checkpoint_outlives_a_loss_of_power() {
    for loss in LOSSES {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        let log = fs::File::create(data.with_extension("log")).unwrap();
        let disk = Disk::new(place.path());
        let child = command(&data).args(["--executor", "fake"]).envs(disk.environment()).stderr(log).spawn().unwrap();
        let server = Server::attach(child, &data);
        server.store("c", "w", "hours", LONG);
        let made = server.post("/api/v4/checkpoints", "").json();
        disk.lose_power(loss);
        let checkpoint = data.join(made["path"].as_str().unwrap());
        assert_eq!(Some(tail(&checkpoint)), made["position"].as_u64(), "{loss:?}");
        assert!(checkpoint.join("styx.lock").exists(), "{loss:?}: readers lock it");
        tool(&disk, &["log", "verify", "--data"], &[&checkpoint]);
    }
}
