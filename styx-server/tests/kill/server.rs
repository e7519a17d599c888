//! The server under test: sixty workflows, one due each second, and one that the client triggers.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::client::Client;

const BINARY: &str = env!("CARGO_BIN_EXE_styx-server");

pub(crate) struct Server {
    folder: PathBuf,
    address: SocketAddr,
    /// What it gets beside the variables of the test.
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

impl Server {
    pub(crate) fn prepare(folder: &Path) -> Self {
        fs::create_dir(folder.join("disk")).expect("a folder");
        let workflows = folder.join("workflows");
        fs::create_dir(&workflows).expect("a folder");
        let mut yaml = String::new();
        for second in 0..60 {
            let _ = writeln!(yaml, "- id: every-minute-{second}\n  schedule: '* * * * *'\n  offset: PT{second}S");
            let _ = writeln!(yaml, "  docker_image: none\n  docker_args: ['./job.sh', '{{}}']");
        }
        let _ = writeln!(yaml, "- id: by-hand\n  schedule: '* * * * *'\n  enabled: false");
        let _ = writeln!(yaml, "  docker_image: none\n  docker_args: ['./job.sh', '{{}}']");
        fs::write(workflows.join("crash.yaml"), yaml).expect("a file");
        // One short append is atomic: each start is a line.
        let job = "#!/bin/sh\necho \"$STYX_EXECUTION_ID\" >> ../starts\nsleep 0.1\n";
        let script = workflows.join("job.sh");
        fs::write(&script, job).expect("a file");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
        let config = "[backoff]\nbase = \"PT0.2S\"\nmax_exponent = 0\n\
                      [infrastructure_backoff]\nbase = \"PT0.2S\"\nmax_exponent = 0\n";
        fs::write(folder.join("server.toml"), config).expect("a file");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        Self { folder: folder.to_owned(), address: free, environment: Vec::new() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the data folder lies.
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.disk().join("data")
    }

    /// Execution ids in the order in which jobs started.
    pub(crate) fn starts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("starts")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn start(&self) -> Running {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("server.log")).expect("a file");
        let child = Command::new(BINARY)
            .arg("--data")
            .arg(self.data())
            .arg("--workflows")
            .arg(self.folder.join("workflows"))
            .arg("--config")
            .arg(self.folder.join("server.toml"))
            .args(["--executor", "local", "--listen", &self.address.to_string()])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("the server starts");
        Running { child, address: self.address, log: self.folder.join("server.log") }
    }

    pub(crate) fn verify(&self) -> Output {
        let data = self.data();
        let data = data.to_str().expect("a path");
        Command::new(BINARY).args(["log", "verify", "--data", data]).output().expect("verify runs")
    }
}

pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Running {
    pub(crate) fn wait_until_it_answers(&mut self) {
        let begin = Instant::now();
        // It takes connections before it has read its log.
        while !Client::new(self.address).is_ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let end: Vec<_> = log.lines().rev().take(20).collect();
                panic!("the server ended by itself, {status}; its log, last line first:\n{}", end.join("\n"));
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "the server doesn't answer within a minute");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL, if it still lives.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is ours to kill");
        self.child.wait().expect("it is gone");
    }

    /// SIGTERM, and the end that follows.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "a graceful stop ends with {status}");
    }
}
