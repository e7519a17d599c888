//! The job's output, from a pipe to a file that doesn't grow without end.

use std::{
    fs::{File, OpenOptions},
    io::{self, PipeReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// How long to wait for the last output once all processes of the job are gone.
///
/// Only someone outside, who was handed the job's standard output, can hold the pipe open then.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// A file that takes a job's output, up to a limit.
pub(crate) struct Pump {
    file: File,
    left: u64,
    limit: u64,
    is_full: bool,
    has_failed: bool,
}

/// A pump at work.
pub(crate) struct Pumped(Receiver<()>);

impl Pump {
    /// Opens the file.
    pub(crate) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self { file, left: limit, limit, is_full: false, has_failed: false })
    }

    /// Copies from the pipe until its last writer is gone. What is beyond the limit is read and dropped: a job must not
    /// stand still because it says too much.
    pub(crate) fn start(mut self, mut reader: PipeReader) -> io::Result<Pumped> {
        let (done, is_done) = channel();
        thread::Builder::new().name("output".into()).spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => self.take(&buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            drop(self);
            let _ = done.send(());
        })?;
        Ok(Pumped(is_done))
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.is_full {
            return;
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let (kept, dropped) = bytes.split_at(bytes.len().min(room));
        self.left -= kept.len() as u64;
        let mut written = self.file.write_all(kept);
        if !dropped.is_empty() {
            self.is_full = true;
            let line = format!("\n[styx: the output is longer than {} bytes, the rest is dropped]\n", self.limit);
            written = written.and_then(|()| self.file.write_all(line.as_bytes()));
        }
        if let Err(error) = written
            && !std::mem::replace(&mut self.has_failed, true)
        {
            // Not the job's business: it goes on. On a full disk this can't be written either.
            let _ = writeln!(io::stderr(), "styx shim: writing output: {error}; some of it is missing");
        }
    }
}

impl Pumped {
    /// Waits until all output is in the file.
    pub(crate) fn finish(self) {
        let _ = self.0.recv_timeout(LAST_OUTPUT);
    }
}
