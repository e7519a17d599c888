//! Lines on their way to an output that may be slow, full or gone. Whoever logs never waits for it: what can't be written in time
//! or at all is left out and counted.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use styx_core::executor_event::run_to_end;

/// The most lines that wait for the output.
const MOST_LINES: usize = 16_384;
/// The most bytes that wait for the output.
const MOST_BYTES: usize = 8 << 20;
/// How long after a failure the output is tried again if nothing is logged meanwhile.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How many lines were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// The output didn't take lines as fast as they came.
    pub(crate) waiting: u64,
    /// The output refused them.
    pub(crate) refused: u64,
}

impl LeftOut {
    fn total(self) -> u64 {
        self.waiting.saturating_add(self.refused)
    }
}

/// Takes lines at once, however the output is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is a line.
    came: Condvar,
    /// There is none any more, and none is being written.
    drained: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    is_writing: bool,
    left_out: LeftOut,
    end: End,
}

/// What is known of the end of the thread.
#[derive(Default)]
enum End {
    /// It works, and nobody wants to know.
    #[default]
    Unwatched,
    /// To be called when it ends.
    Watched(Box<dyn FnOnce(&str) + Send>),
    /// It has ended, and why.
    Ended(String),
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unwatched => "Unwatched",
            Self::Watched(_) => "Watched",
            Self::Ended(_) => "Ended",
        })
    }
}

impl Lines {
    /// The name of the thread that writes them.
    pub(crate) const THREAD: &str = "styx-log-lines";

    /// Starts the thread that writes the lines to `output`. `notice` is the line that reports how many were left out.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub(crate) fn start(
        output: impl Write + Send + 'static,
        notice: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let lines = Self::default();
        let shared = Arc::clone(&lines.0);
        let mut writer = Writer { output, notice, reported: 0, is_torn: false };
        thread::Builder::new().name(Self::THREAD.to_owned()).spawn(move || {
            let reason = run_to_end(|| -> Result<(), Infallible> {
                loop {
                    writer.step(&shared);
                }
            });
            let before = std::mem::replace(&mut shared.lock().end, End::Ended(reason.clone()));
            if let End::Watched(ended) = before {
                ended(&reason);
            }
        })?;
        Ok(lines)
    }

    /// `ended` is called with the reason when the thread ends, at once if it has.
    pub(crate) fn when_ended(&self, ended: impl FnOnce(&str) + Send + 'static) {
        let mut queue = self.0.lock();
        if let End::Ended(reason) = &queue.end {
            let reason = reason.clone();
            drop(queue);
            ended(&reason);
        } else {
            queue.end = End::Watched(Box::new(ended));
        }
    }

    /// Takes a line, which ends with a line break. It is left out if too many wait.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        if queue.lines.len() >= MOST_LINES || queue.bytes.saturating_add(line.len()) > MOST_BYTES {
            queue.left_out.waiting += 1;
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line.to_vec());
        self.0.came.notify_one();
    }

    /// Waits until all lines are written, at most so long.
    pub(crate) fn flush(&self, at_most: Duration) {
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        // The lines that an output doesn't take within this time stay behind.
        drop(self.0.drained.wait_timeout_while(self.0.lock(), at_most, is_busy));
    }

    /// How many lines were left out so far.
    pub(crate) fn left_out(&self) -> LeftOut {
        self.0.lock().left_out
    }
}

/// One event is one write: the formatter hands over whole lines.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    /// Nothing that is done under the lock panics.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread owns.
struct Writer<W, N> {
    output: W,
    notice: N,
    /// How many of the lines that were left out are reported.
    reported: u64,
    /// The output ends with a part of a line.
    is_torn: bool,
}

impl<W: Write, N: Fn(u64) -> Vec<u8>> Writer<W, N> {
    /// Writes the next line, once there is one, after a notice of those that were left out before it.
    fn step(&mut self, shared: &Shared) {
        let (line, left_out) = self.next(shared);
        let mut works = self.report(left_out);
        if let Some(line) = &line {
            works = works && self.write(line).is_ok();
        }
        let mut queue = shared.lock();
        queue.is_writing = false;
        if line.is_some() && !works {
            queue.left_out.refused += 1;
        }
        if queue.lines.is_empty() {
            shared.drained.notify_all();
        }
    }

    /// The next line, or none when it is time to try the output again.
    fn next(&self, shared: &Shared) -> (Option<Vec<u8>>, u64) {
        let is_empty = |queue: &mut Queue| queue.lines.is_empty();
        let mut queue = shared.lock();
        queue = if queue.left_out.total() > self.reported {
            let waited = shared.came.wait_timeout_while(queue, TRY_AGAIN, is_empty);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            shared.came.wait_while(queue, is_empty).unwrap_or_else(PoisonError::into_inner)
        };
        let line = queue.lines.pop_front();
        queue.bytes -= line.as_ref().map_or(0, Vec::len);
        queue.is_writing = true;
        (line, queue.left_out.total())
    }

    /// Returns whether the output has taken the notice, or needed none.
    fn report(&mut self, left_out: u64) -> bool {
        let unreported = left_out.saturating_sub(self.reported);
        if unreported == 0 {
            return true;
        }
        let notice = (self.notice)(unreported);
        let works = self.write(&notice).is_ok();
        if works {
            self.reported = left_out;
        }
        works
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.output.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The line is there, but for its break, which comes before the next one.
                Err(_) if self.is_torn && rest == b"\n" => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use proptest::prelude::*;

    use super::*;

    /// Takes so many bytes, then refuses; what it takes is kept. Each step may bring more room.
    #[derive(Default)]
    struct Disk {
        room: usize,
        bytes: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.bytes.extend_from_slice(&bytes[..taken]);
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn notice(count: u64) -> Vec<u8> {
        format!("left out {count} lines\n").into_bytes()
    }

    proptest! {
        /// However the disk fills and is emptied: every line is there whole, or counted and reported.
        #[test]
        fn a_line_is_written_whole_or_counted(room in prop::collection::vec(0_usize..60, 1..80)) {
            let shared = Shared::default();
            let lines = Lines(Arc::new(shared));
            let mut writer = Writer { output: Disk::default(), notice, reported: 0, is_torn: false };
            for (number, room) in room.iter().enumerate() {
                writer.output.room = *room;
                lines.push(format!("line {number:03}.\n").as_bytes());
                writer.step(&lines.0);
            }
            writer.output.room = usize::MAX;
            lines.push(b"the last\n");
            writer.step(&lines.0);
            let text = String::from_utf8(writer.output.bytes).unwrap();
            let whole: Vec<&str> = text.lines().collect();
            let written = (0..room.len()).filter(|number| whole.contains(&format!("line {number:03}.").as_str())).count();
            let reported = |line: &&str| line.strip_prefix("left out ")?.strip_suffix(" lines")?.parse::<u64>().ok();
            let reported: u64 = whole.iter().filter_map(reported).sum();
            prop_assert_eq!(lines.left_out().refused, (room.len() - written) as u64);
            prop_assert_eq!(reported, lines.left_out().refused, "{}", text);
            prop_assert_eq!(whole.last(), Some(&"the last"));
        }
    }

    /// Blocks in each write until it is let go on.
    struct Pipe {
        began: Sender<Vec<u8>>,
        goes_on: Receiver<()>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.began.send(bytes.to_vec());
            let _ = self.goes_on.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_an_output_that_takes_nothing() {
        let ((began, written), (go_on, goes_on)) = (channel(), channel());
        let lines = Lines::start(Pipe { began, goes_on }, notice).unwrap();
        lines.push(b"first\n");
        assert_eq!(written.recv().unwrap(), b"first\n");
        for _ in 0..MOST_LINES + 7 {
            lines.push(b"x\n");
        }
        assert_eq!(lines.left_out(), LeftOut { waiting: 7, refused: 0 });
        lines.flush(Duration::from_millis(1));
        // From here on the reader takes everything.
        drop(go_on);
        assert_eq!(written.recv().unwrap(), b"left out 7 lines\n");
        lines.push(b"last\n");
        lines.flush(Duration::from_secs(60));
        let rest: Vec<Vec<u8>> = written.try_iter().collect();
        assert_eq!((rest.len(), rest.last().unwrap().as_slice()), (MOST_LINES + 1, b"last\n".as_slice()));
    }

    #[test]
    fn whoever_watches_learns_of_the_end_of_the_thread_whenever_it_ends() {
        let panics = |_: u64| -> Vec<u8> { panic!("a bad one") };
        let full = Disk { room: 0, bytes: Vec::new() };
        let lines = Lines::start(full, panics).unwrap();
        let (tell, told) = channel();
        let (first, second) = (tell.clone(), tell);
        lines.when_ended(move |reason| first.send(reason.to_owned()).unwrap());
        assert_eq!(told.try_recv().ok(), None);
        // The output refuses it, and the notice of that panics.
        lines.push(b"line\n");
        lines.push(b"line\n");
        assert_eq!(told.recv().unwrap(), "it panicked: a bad one");
        lines.when_ended(move |reason| second.send(reason.to_owned()).unwrap());
        assert_eq!(told.recv().unwrap(), "it panicked: a bad one");
    }

    #[test]
    fn long_lines_are_bounded_together() {
        let lines = Lines::default();
        let line = vec![b'x'; MOST_BYTES / 4];
        (0..6).for_each(|_| lines.push(&line));
        assert_eq!(lines.left_out().waiting, 2);
    }
}
