//! The process between the server and a job. It outlives the server, and it does little, so that it has few reasons to die.
//!
//! A binary that uses the local executor hands the arguments after its hidden sub-command to [`main`], before it does
//! anything else:
//!
//! ```no_run
//! let mut args = std::env::args_os().skip(1);
//! if args.next().is_some_and(|command| command == "shim") {
//!     let code: std::process::ExitCode = styx_local::shim::main(args);
//! }
//! ```

mod descendants;
mod output;

use std::{
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, set_child_subreaper, setsid, wait},
};

use styx_host::inherited;

use crate::{
    notes::{Claimant, Exit, How, Job, OUTPUT, Request, SIGNAL, TERMINATION_LOG, exit_code, now_text},
    place::Place,
    process::{ProcessId, boot_id},
    run_folder::RunFolder,
};
use output::Pump;

/// The exit code of a shim that found the execution claimed, and started nothing.
pub const ALREADY_CLAIMED: u8 = 97;

/// The longest pause between two tries to note an end.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How much of a termination log counts.
const MAX_TERMINATION_LOG: u64 = 64 << 10;

/// Does the work of a shim and returns when the job has ended. `args` is the run folder; the request is on standard input.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(ALREADY_CLAIMED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "styx shim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `false` if the execution was claimed before.
fn run(args: impl IntoIterator<Item = OsString>) -> io::Result<bool> {
    inherited::begin_shim()?;
    // A session of its own: the terminal's Ctrl-C is for the server. It fails for one who leads a group already.
    let _ = setsid();
    let mut args = args.into_iter();
    let (Some(folder), None) = (args.next(), args.next()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expects one argument, a run folder"));
    };
    let request: Request = serde_json::from_reader(io::stdin().lock())?;
    if request.version != Request::VERSION {
        let message = format!("request of version {}, this shim knows {}", request.version, Request::VERSION);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    // Whoever the job's processes leave behind becomes our child, so that we know when all are gone.
    set_child_subreaper(Some(rustix::process::getpid()))?;

    let root = PathBuf::from(folder).parent().map(Path::to_owned).unwrap_or_default();
    let place = Arc::new(Place::open(&root)?);
    let run = RunFolder::at(place, request.log_id.clone(), request.execution.clone());
    let signal = open_signal(&run.state());
    if !run.claim(Claimant::Shim { boot_id: boot_id()?, process: ProcessId::current()? })? {
        return Ok(false);
    }
    let signal = signal?;
    if let Some(signal) = &signal {
        // The server may be gone; the next one reads the claim.
        let _ = rustix::io::write(signal, b"c");
    }
    let how = match job(&request, &run, signal) {
        Ok(how) => how,
        Err(error) => How::Lost { reason: format!("can't run it: {error}") },
    };
    note_end(&run, how);
    Ok(true)
}

/// Runs the job and all that it starts to their end.
fn job(request: &Request, run: &RunFolder, signal: Option<OwnedFd>) -> io::Result<How> {
    // Somebody may have emptied the place meanwhile.
    run.make_run()?;
    let pump = Pump::open(&run.run().join(OUTPUT), request.max_output_bytes)?;
    let work = fs::File::open(run.run())?;
    if !Path::new(&request.cwd).is_dir() {
        return Ok(How::NotLaunchable { reason: format!("the folder {} isn't there", request.cwd) });
    }
    let (reader, writer) = io::pipe()?;
    let Some((program, arguments)) = request.argv.split_first() else {
        return Ok(How::NotLaunchable { reason: "no program".into() });
    };
    // Back to the shim's own after the job has inherited it: what the shim writes is private.
    let own_umask = request.umask.map(|umask| rustix::process::umask(Mode::from_raw_mode(umask)));
    // The command holds the writing end of the pipe, so it has to go before the pipe can end.
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&request.env)
        .current_dir(&request.cwd)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn();
    own_umask.map(rustix::process::umask);
    let leader = match spawned {
        Ok(child) => Pid::from_child(&child),
        Err(error) => return not_started(program, &error),
    };
    let started = ProcessId::of(leader.as_raw_nonzero().get())
        .and_then(|process| run.write_job(&Job { process, at: now_text() }))
        .and_then(|()| pump.start(reader));
    let pumped = match started {
        Ok(pumped) => pumped,
        Err(error) => {
            // Nobody could find it again, so it mustn't go on.
            let _ = kill_process_group(leader, Signal::KILL);
            descendants::end_all(Duration::ZERO)?;
            return Err(error);
        }
    };
    drop(signal);
    let _ = fs::remove_file(run.state().join(SIGNAL));

    let status = wait_for(leader)?;
    descendants::end_all(Duration::from_millis(request.grace_millis))?;
    pumped.finish();

    let number = status.terminating_signal();
    let raw = status.exit_status().or(number.map(|number| 128 + number)).unwrap_or(-1);
    let message = request.termination_logging.then(|| termination_log(&work));
    Ok(How::Ran { status: raw, signal: number, code: exit_code(raw, message.as_deref()) })
}

/// Waits for the job's leading process, and for whoever became our child meanwhile.
fn wait_for(leader: Pid) -> io::Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == leader => return Ok(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Says whose fault it is that a program can't be started.
fn not_started(program: &str, error: &io::Error) -> io::Result<How> {
    let program: String = program.chars().take(200).collect();
    let reason = match Errno::from_io_error(error) {
        Some(Errno::NOENT) => {
            format!("no program {program} in PATH or the folder, or the interpreter it names is missing")
        }
        Some(Errno::ACCESS) => format!("{program} is not executable, or a folder on its path can't be entered"),
        Some(
            Errno::NOEXEC
            | Errno::TOOBIG
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::PERM
            | Errno::INVAL
            | Errno::LIBBAD,
        ) => format!("can't start {program}: {error}"),
        _ => return Err(io::Error::new(error.kind(), format!("{program}: {error}"))),
    };
    Ok(How::NotLaunchable { reason })
}

/// Notes the end, whatever is in the way: the job's work is done and must not be done twice for want of a few bytes. A full
/// disk, or one that takes no writes, is waited out.
fn note_end(run: &RunFolder, how: How) {
    let exit = Exit { at: now_text(), how };
    let mut pause = Duration::from_secs(1);
    while let Err(error) = run.write_exit(&exit) {
        if pause == Duration::from_secs(1) {
            let _ = writeln!(io::stderr(), "styx shim: can't note the end yet: {error}");
        }
        thread::sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Our end of the pipe that tells the server to look: it is open until the job runs.
fn open_signal(folder: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(folder.join(SIGNAL), flags, Mode::empty()) {
        Ok(signal) => Ok(Some(signal)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the job left in its termination log. The job made it: it may be no file at all, or one without an end.
fn termination_log(folder: &fs::File) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut text = Vec::new();
    if let Ok(opened) = rustix::fs::openat(folder, TERMINATION_LOG, flags, Mode::empty()) {
        let file = fs::File::from(opened);
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            // What could be read counts.
            let _ = file.take(MAX_TERMINATION_LOG).read_to_end(&mut text);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
