//! What was written is there after a loss of power, whole. The writer is this test's own binary on a disk that forgets what
//! wasn't synced.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use power_loss::{Disk, Loss};
use styx_host::{
    file::{FileWriter, write_document, write_internal, write_state},
    folder,
};

/// Long enough for several writes of the file system.
fn text(number: u32) -> Vec<u8> {
    format!("{number:08}\n").repeat(1_500).into_bytes()
}

fn number(text: &[u8]) -> u32 {
    let number = std::str::from_utf8(text.get(..8).unwrap_or_default()).unwrap().parse().unwrap_or(0);
    assert!(text == self::text(number), "{} bytes that begin with {number}", text.len());
    number
}

fn output(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = FileWriter::output(path)?;
    file.write_all(bytes)?;
    file.commit()
}

#[test]
#[ignore = "no test: the writer that loses its power"]
fn writer() {
    let root = PathBuf::from(env::var_os("STYX_HOST_CHILD").expect("only the test below starts it"));
    for n in 1.. {
        let write = |name: &str, write: &dyn Fn(&Path) -> io::Result<()>| {
            write(&root.join(name)).unwrap();
            println!("\nack {n} {name}");
        };
        write("state", &|path| write_state(path, &text(n)));
        write("internal", &|path| write_internal(path, &text(n)));
        write("document", &|path| write_document(path, &text(n)));
        write("output", &|path| output(path, &text(n)));
        write("linked", &|path| write_state(path, &text(n)));
        write(&format!("made/{n}/below/state"), &|path| {
            folder::create(path.parent().unwrap())?;
            write_state(path, &text(n))
        });
        write(&format!("new-{n}"), &|path| output(path, &text(n)));
    }
}

#[test]
fn a_loss_of_power_takes_nothing_that_was_written() {
    let place = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let disk = Disk::new(place.path());
    for round in 0..12_u16 {
        let root = place.path().join(round.to_string());
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink("target", root.join("linked")).unwrap();
        disk.sync_all();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "writer", "--ignored", "--nocapture"])
            .envs(disk.environment())
            .env("STYX_HOST_CHILD", &root)
            .current_dir(&elsewhere)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (one_of_each, was_written) = channel();
        let acknowledged = thread::spawn(move || {
            let mut last = BTreeMap::new();
            for line in lines {
                if let Some((number, name)) = line.strip_prefix("ack ").and_then(|line| line.split_once(' ')) {
                    last.insert(name.to_owned(), number.parse::<u32>().unwrap());
                    if name == "new-1" {
                        one_of_each.send(()).unwrap();
                    }
                }
            }
            last
        });
        was_written.recv().expect("the child writes");
        thread::sleep(Duration::from_millis(u64::from(round) * 3));
        disk.lose_power(if round % 2 == 0 { Loss::AllUnsynced } else { Loss::Contents });
        child.wait().unwrap();
        let acknowledged = acknowledged.join().unwrap();
        for (name, last) in acknowledged {
            let found = fs::read(root.join(&name)).unwrap_or_else(|error| panic!("round {round}: {name}: {error}"));
            assert!(number(&found) >= last, "round {round}: {name} is {}, and {last} was written", number(&found));
        }
        assert!(fs::symlink_metadata(root.join("linked")).unwrap().is_symlink());
    }
}

/// A file with another name is written in place, so a crash may leave it half written; once it was written it is there.
#[test]
fn a_file_that_is_written_in_place_is_synced_too() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("one");
    fs::write(&path, text(7)).unwrap();
    fs::hard_link(&path, root.path().join("other")).unwrap();
    let disk = Disk::new(root.path());
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "in_place", "--ignored"])
        .envs(disk.environment())
        .env("STYX_HOST_CHILD", &path)
        .status();
    assert!(child.unwrap().success());
    disk.lose_power(Loss::AllUnsynced);
    assert_eq!(fs::read(root.path().join("other")).unwrap(), b"short");
}

#[test]
#[ignore = "no test: writes a file in place"]
fn in_place() {
    output(Path::new(&env::var_os("STYX_HOST_CHILD").expect("only the test above starts it")), b"short").unwrap();
}
