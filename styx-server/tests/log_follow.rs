//! `log show --follow` against something that answers as the server does, with a log that can be looked at offline too.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod common;
mod log_command;
mod log_tools_story;

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead, BufReader, BufWriter, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use log_command::{run, run_to};
use log_tools_story::{FIRST, SECOND};
use styx_store::RocksLog;

/// Gives records as `GET /api/v4/records` does.
struct Server {
    address: String,
    log: Arc<(Mutex<Log>, Condvar)>,
}

struct Log {
    lines: Vec<String>,
    /// How many requests wait for more of them.
    waiting: usize,
}

impl Server {
    fn start(lines: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new((Mutex::new(Log { lines, waiting: 0 }), Condvar::new()));
        let shared = Arc::clone(&log);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream.unwrap(), &shared));
            }
        });
        Self { address, log }
    }

    fn add(&self, lines: &[String]) {
        self.log.0.lock().unwrap().lines.extend_from_slice(lines);
        self.log.1.notify_all();
    }

    /// Returns once a request waits for what is to come.
    fn is_waited_for(&self) {
        drop(self.log.1.wait_while(self.log.0.lock().unwrap(), |log| log.waiting == 0).unwrap());
    }
}

fn answer(mut stream: TcpStream, (log, changed): &(Mutex<Log>, Condvar)) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while reader.read_line(&mut request).unwrap() > 2 {}
    if request.starts_with("HEAD /api/v3/status/events/") {
        // Which instance is meant: the one that was named.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        return;
    }
    let number = |name: &str| -> usize {
        let value = request.split_once(&format!("{name}=")).unwrap().1;
        value.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    assert!(request.starts_with("GET /api/v4/records?"), "{request}");
    let (from, limit, wait) = (number("from"), number("limit"), Duration::from_secs(number("wait") as u64));
    let mut log = log.lock().unwrap();
    log.waiting += 1;
    changed.notify_all();
    let (mut log, _) = changed.wait_timeout_while(log, wait, |log| log.lines.len() < from).unwrap();
    log.waiting -= 1;
    let all = &log.lines;
    let mut body = String::new();
    for line in all.iter().skip(from - 1).take(limit) {
        writeln!(body, "{line}").unwrap();
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nX-Styx-Tail: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        all.len(),
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
}

fn story() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    log_tools_story::write(dir.path());
    dir
}

fn lines(dir: &Path) -> Vec<String> {
    run(dir, &["show", "--format", "json"]).1.lines().map(str::to_owned).collect()
}

fn follow(dir: &Path, server: &Server, args: &[&str]) -> (u8, String, String) {
    run(dir, &[&["show", "--follow", "--server", &server.address], args].concat())
}

#[test]
fn it_shows_what_is_shown_offline() {
    let dir = story();
    let server = Server::start(lines(dir.path()));
    let instance = "examples#best-product#2026-03-29T06";
    for args in [
        &["--from", "1"][..],
        &["--from", "3", "--workflow", "examples#best-product"],
        &["--from", "1", "--instance", instance],
        &["--from", "1", "--execution", FIRST],
        &["--from", "1", "--execution", SECOND, "--cause", "executor"],
        &["--from", "1", "--cause", "schedule,operator"],
        &["--from", "1", "--actor", "ann"],
        &["--from", "1", "--event", "terminate,cleaned"],
        &["--since", "2026-03-29T07:00:10Z"],
        &["--tail", "4"],
    ] {
        for format in ["json", "table"] {
            let args = [args, &["--format", format]].concat();
            let offline = run(dir.path(), &[&["show"], args.as_slice()].concat());
            let count = offline.1.lines().count() - usize::from(format == "table");
            assert!(count > 0);
            let limit = count.to_string();
            assert_eq!(
                follow(dir.path(), &server, &[args.as_slice(), &["--limit", &limit]].concat()),
                offline,
                "{args:?}"
            );
        }
    }
}

#[test]
fn it_begins_with_the_last_records_and_goes_on_with_what_comes() {
    let dir = story();
    let all = lines(dir.path());
    let server = Server::start(all[..20].to_vec());
    let more = all[20..].to_vec();
    let followed = thread::scope(|scope| {
        scope.spawn(|| {
            server.is_waited_for();
            more.iter().for_each(|line| server.add(std::slice::from_ref(line)));
        });
        follow(dir.path(), &server, &["--format", "json", "--limit", "13"])
    });
    assert_eq!(followed, (0, all[10..].join("\n") + "\n", String::new()));
    // What caused a decision that began before is asked for.
    let (_, out, _) = follow(dir.path(), &server, &["--from", "16", "--cause", "timer", "--limit", "1"]);
    assert!(out.contains("        16  ") && out.contains("  timer  "), "{out}");
}

/// What somebody sees, a line at a time.
#[derive(Clone, Default)]
struct Screen(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Screen {
    /// Whether so many lines are to be seen before patience ends.
    fn shows(&self, count: usize) -> bool {
        let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
        let text = self.0.0.lock().unwrap();
        let patience = Duration::from_secs(60);
        let (text, _) = self.0.1.wait_timeout_while(text, patience, |text| lines(text) < count).unwrap();
        lines(&text) == count
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_has_come_is_shown_before_more_comes() {
    let dir = story();
    let all = lines(dir.path());
    for (format, heads) in [("table", 1), ("json", 0)] {
        let server = Server::start(all[..12].to_vec());
        let screen = Screen::default();
        let args =
            ["show", "--follow", "--server", &server.address, "--format", format, "--from", "1", "--limit", "15"];
        let shown = thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let first = screen.shows(heads + 12);
                server.add(&all[12..13]);
                let second = screen.shows(heads + 13);
                server.add(&all[13..15]);
                (first, second)
            });
            let code = run_to(dir.path(), &args, &mut BufWriter::new(screen.clone()), &mut io::sink());
            (code, watching.join().unwrap())
        });
        assert_eq!(shown, (0, (true, true)), "{format}");
        assert!(screen.shows(heads + 15), "{format}");
    }
}

#[test]
fn a_running_server_is_found_by_its_folder_and_tells_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = common::Server::start(&data);
    let before = server.get("/api/v4/records?from=1").body.lines().count();
    let limit = (before + 1).to_string();
    let args = ["show", "--format", "json", "--from", "1", "--limit", &limit];
    let screen = Screen::default();
    let followed = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let began = screen.shows(before);
            let workflow = r#"{"id":"report","schedule":"daily","docker_image":"i:1"}"#;
            assert_eq!(server.post("/api/v3/workflows/sales", workflow).status, 200);
            began
        });
        let mut notes = Vec::new();
        let follow = [&args[..], &["--follow"]].concat();
        let code = run_to(&data, &follow, &mut BufWriter::new(screen.clone()), &mut notes);
        assert!(watching.join().unwrap(), "what there was is shown first");
        (code, screen.text(), String::from_utf8(notes).unwrap())
    });
    drop(server);
    assert!(followed.1.contains("\"sales#report\""), "{followed:?}");
    assert_eq!(followed, run(&data, &args));
}

#[test]
fn it_says_when_there_is_nobody_to_follow() {
    let dir = story();
    let nobody = run(dir.path(), &["show", "--follow"]);
    assert_eq!(
        nobody,
        (2, String::new(), "styx-server: no server uses DATA, so nothing more comes: leave out --follow\n".into())
    );
    // It's in use, but whoever uses it has gone, or never said where it is.
    let _writer = RocksLog::open(dir.path()).unwrap();
    let (code, out, notes) = run(dir.path(), &["show", "--follow"]);
    assert_eq!((code, out.as_str(), notes.lines().count()), (2, "", 1));
    assert!(notes.contains("name it with --server"), "{notes}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(dir.path().join("address"), format!("{free}\n")).unwrap();
    let (code, out, notes) = run(dir.path(), &["show", "--follow"]);
    assert_eq!((code, out.as_str(), notes.lines().count()), (2, "", 1));
    assert!(notes.contains(&free.to_string()), "{notes}");

    let server = Server::start(Vec::new());
    fs::write(dir.path().join("address"), format!("{}\n", server.address.trim_start_matches("http://"))).unwrap();
    let record = r#"{"position":1,"at":"2026-03-29T07:00:00.000Z","decision":1,"subject":{"kind":"new"},"event":{"name":"x"},"cause":{"kind":"new"}}"#;
    server.add(&[record.into()]);
    // What this program doesn't know yet is shown as far as it goes.
    let (code, out, notes) = run(dir.path(), &["show", "--follow", "--limit", "1"]);
    assert_eq!((code, notes.as_str()), (0, ""));
    assert!(out.ends_with("         1  2026-03-29 07:00:00.000  new      decision 1  x\n"), "{out}");
}
