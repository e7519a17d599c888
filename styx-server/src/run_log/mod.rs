//! A line of the server's log for each run that ends, is tried again or is given up. Lines follow from the records, so they are
//! true, and whoever decides waits for none of them.

mod limiter;

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use prometheus_client::metrics::counter::Counter;
use styx_core::{
    event::{Event, Trigger},
    id::InstanceId,
    record::{Cause, Fact, Record, RunEvent},
    run::{Rules, Run},
    world::World,
};
use styx_host::text::shortened;

use self::limiter::{Kind, Limiter};
use crate::{cli::LogRuns, settings::Iso};

/// The most characters of a line's reason; it may come from an executor.
const MOST_REASON: usize = 500;

/// Logs what becomes of runs.
pub(crate) struct RunLog {
    shows: LogRuns,
    began: Instant,
    limiter: Limiter,
    /// Why the last try of this instance failed: what follows from that comes with the next records of the decision.
    failure: Option<(InstanceId, String)>,
    left_out: Counter,
}

/// What is logged of a run.
#[derive(Debug, PartialEq)]
struct Line {
    kind: Kind,
    workflow: String,
    parameter: String,
    tries: u32,
    /// Since the run's trigger.
    duration: TimeDelta,
    /// Until the next try.
    delay: Option<TimeDelta>,
    reason: Option<String>,
    /// Nobody asked for it.
    is_warning: bool,
}

impl RunLog {
    /// Logs what `shows` says; `left_out` counts the lines that are too many.
    pub(crate) fn new(shows: LogRuns, left_out: Counter) -> Self {
        Self { shows, began: Instant::now(), limiter: Limiter::default(), failure: None, left_out }
    }

    /// Logs what a record means, which is about to be folded into `world`.
    pub(crate) fn record(&mut self, record: &Record, world: &World) {
        let Some(line) = self.line(record, world).filter(|line| self.is_shown(line.kind)) else { return };
        if self.limiter.admits(line.kind, self.began.elapsed()) {
            line.log();
        } else {
            self.left_out.inc();
        }
    }

    /// Logs how many lines were left out, if it is time for that; returns how long to wait for the next time.
    pub(crate) fn report(&mut self) -> Option<Duration> {
        let now = self.began.elapsed();
        if let Some(counts) = self.limiter.report(now) {
            let total: u64 = counts.iter().map(|(_, count)| count).sum();
            let counts = counts.iter().filter(|(_, count)| *count > 0);
            let counts: Vec<_> = counts.map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
            tracing::warn!(
                left_out = total,
                "lines about runs were left out, there were too many: {}",
                counts.join(", ")
            );
        }
        self.limiter.report_at().map(|at| at.saturating_sub(now))
    }

    fn is_shown(&self, kind: Kind) -> bool {
        match self.shows {
            LogRuns::Off => false,
            LogRuns::Failures => kind != Kind::Done,
            LogRuns::All => true,
        }
    }

    /// The line that a record leads to.
    fn line(&mut self, record: &Record, world: &World) -> Option<Line> {
        let Fact::Run(instance, RunEvent::Styx { event, .. }) = &record.fact else { return None };
        let run = world.runs().get(instance).filter(|_| record.rules() == Rules::Ours)?;
        if let Some(failure) = failure(event, run) {
            self.failure = Some((instance.clone(), failure));
            return None;
        }
        let kind = match event {
            Event::Success => Kind::Done,
            Event::Halt { .. } => Kind::Halted,
            Event::RetryAfter { .. } => Kind::Retried,
            Event::Stop { .. } => Kind::GivenUp,
            _ => return None,
        };
        let failure = self.failure.take_if(|(of, _)| of == instance).map(|(_, failure)| failure);
        let failure = failure.filter(|_| kind != Kind::Done);
        let (delay, reason) = match event {
            Event::RetryAfter { delay_millis } => (Some(TimeDelta::milliseconds(*delay_millis)), None),
            Event::Halt { reason } | Event::Stop { reason } => (None, reason.clone()),
            _ => (None, None),
        };
        let is_asked_for = matches!(record.cause, Cause::Operator(_)) || is_halted_with_its_backfill(run, world);
        Some(Line {
            kind,
            workflow: instance.workflow().to_string(),
            parameter: instance.parameter().to_owned(),
            tries: run.tries,
            duration: record.at - run.began_at,
            delay,
            reason: joined(failure, reason.as_deref(), &record.cause),
            is_warning: kind == Kind::GivenUp || kind == Kind::Halted && !is_asked_for,
        })
    }
}

/// Why a try has failed, if that is what an event says.
fn failure(event: &Event, run: &Run) -> Option<String> {
    let state = run.state;
    match event {
        Event::Terminate { exit_code: Some(code) } => Some(format!("exit code {code}")),
        Event::Terminate { exit_code: None } => Some("it ended without an exit code".to_owned()),
        Event::RunError { message, .. } => Some(message.to_string()),
        Event::Timeout { reason: Some(reason) } => Some(reason.to_string()),
        Event::Timeout { reason: None } => Some(format!("it was in {state} for too long")),
        _ => None,
    }
}

/// What failed, what was decided and who asked for it; nothing is said twice.
fn joined(failure: Option<String>, reason: Option<&str>, cause: &Cause) -> Option<String> {
    let reason = reason.unwrap_or_default();
    let failure = failure.filter(|failure| !reason.starts_with(failure.as_str()));
    let by = match cause {
        Cause::Operator(operator) if !reason.ends_with(&format!("by {}", operator.actor)) => {
            Some(format!("asked for by {}", operator.actor))
        }
        _ => None,
    };
    let parts: Vec<&str> = failure.iter().map(String::as_str).chain([reason]).chain(by.as_deref()).collect();
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then(|| shortened(&text, MOST_REASON).into_owned())
}

fn is_halted_with_its_backfill(run: &Run, world: &World) -> bool {
    match &run.trigger {
        Some(Trigger::Backfill(id)) => world.backfills().get(id).is_some_and(|backfill| backfill.halts_runs),
        _ => false,
    }
}

impl Line {
    fn log(&self) {
        let Self { kind, tries, .. } = self;
        let (workflow, parameter, outcome) = (&*self.workflow, &*self.parameter, kind.as_str());
        let duration = Iso(self.duration).to_string();
        let delay = self.delay.map(|delay| Iso(delay).to_string());
        let (duration, delay, reason) = (&*duration, delay.as_deref(), self.reason.as_deref());
        // Texts as values, not as displayed: those are escaped.
        let text = match kind {
            Kind::Done => "run is done",
            Kind::Halted => "run was halted",
            Kind::Retried => "run is tried again",
            Kind::GivenUp => "run is given up",
        };
        if self.is_warning {
            tracing::warn!(workflow, parameter, outcome, tries, duration, delay, reason, "{text}");
        } else {
            tracing::info!(workflow, parameter, outcome, tries, duration, delay, reason, "{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use styx_core::{id::Epoch, run::State};
    use styx_store::conformance::Story;

    use super::*;

    /// Whatever happens: one line for each run that ends, and one for each further try, with what the run's row says of it.
    #[test]
    fn every_end_and_every_further_try_has_one_line() {
        let (mut lines, mut ends, mut retries) = ([0; Kind::COUNT], 0, 0);
        for seed in 0..40 {
            let mut story = Story::new(seed);
            for _ in 0..60 {
                story.next_batch(Epoch(1), 12);
            }
            let (mut world, mut run_log) = (World::default(), RunLog::new(LogRuns::All, Counter::default()));
            for record in story.records() {
                let line = run_log.line(record, &world);
                let changes = world.apply(record).unwrap();
                if record.rules() == Rules::Styx2 {
                    assert_eq!(line, None);
                    continue;
                }
                let is_retry =
                    matches!(&record.fact, Fact::Run(_, RunEvent::Styx { event: Event::RetryAfter { .. }, .. }));
                let finished = changes.finished.as_deref().map(|(_, finished)| &finished.0);
                ends += usize::from(finished.is_some());
                retries += usize::from(is_retry);
                assert_eq!(line.is_some(), finished.is_some() || is_retry, "seed {seed}: {record:?}");
                let Some(line) = line else { continue };
                lines[line.kind as usize] += 1;
                assert_eq!(line.delay.is_some(), is_retry);
                if let Some(run) = finished {
                    assert_eq!(line.tries, run.tries);
                    assert_eq!(line.kind == Kind::Done, run.state == State::Done);
                    assert!(line.kind != Kind::GivenUp || line.is_warning, "{line:?}");
                }
            }
        }
        assert_eq!(lines.iter().sum::<usize>(), ends + retries);
        assert!(lines.iter().all(|count| *count > 10), "every kind came up: {lines:?}");
    }

    #[test]
    fn what_is_logged_can_be_chosen() {
        let shown = |shows| Kind::ALL.map(|kind| RunLog::new(shows, Counter::default()).is_shown(kind));
        assert_eq!(shown(LogRuns::Off), [false; 4]);
        assert_eq!(shown(LogRuns::Failures), [false, true, true, true]);
        assert_eq!(shown(LogRuns::All), [true; 4]);
    }

    /// Takes what is logged.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_left_out_is_reported_once_when_it_is_time() {
        let mut run_log = RunLog::new(LogRuns::All, Counter::default());
        let logged = Logged::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let dispatch = tracing::Dispatch::new(subscriber);
        let report = |run_log: &mut RunLog, elapsed| {
            run_log.began = Instant::now().checked_sub(Duration::from_secs(elapsed)).unwrap();
            let wait = tracing::dispatcher::with_default(&dispatch, || run_log.report());
            (wait, String::from_utf8(std::mem::take(&mut *logged.0.lock().unwrap())).unwrap())
        };
        assert_eq!(report(&mut run_log, 0), (None, String::new()));
        let lines = [(Kind::Done, 107), (Kind::Retried, 101), (Kind::GivenUp, 1)];
        for (kind, count) in lines {
            for _ in 0..count {
                run_log.limiter.admits(kind, Duration::ZERO);
            }
        }
        let (wait, text) = report(&mut run_log, 3);
        assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(7)) && text.is_empty(), "{wait:?} {text}");
        let (wait, text) = report(&mut run_log, 10);
        assert_eq!(wait, None);
        assert!(text.contains("left_out=8") && text.contains("7 done, 1 retried"), "{text}");
        assert!(!text.contains("given up"), "{text}");
        assert_eq!(report(&mut run_log, 99), (None, String::new()));
    }

    #[test]
    fn a_reason_says_nothing_twice() {
        let failed = || Some("exit code 50".to_owned());
        let said = |failure, reason| joined(failure, reason, &Cause::Engine);
        assert_eq!(said(failed(), Some("exit code 50: unrecoverable")).unwrap(), "exit code 50: unrecoverable");
        assert_eq!(said(failed(), Some("too many")).unwrap(), "exit code 50; too many");
        assert_eq!(said(failed(), None).unwrap(), "exit code 50");
        assert_eq!(said(None, None), None);
    }
}
