//! `styx-server log show --follow`: records as they come, from the server that writes them.

use std::{
    io::{self, Write},
    sync::mpsc::{self, SyncSender},
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use styx_client::{Client, Host, WorkflowInstance};
use styx_core::id::{InstanceId, Position};
use styx_store::OpenError;

use super::{
    CLEAN, UNUSABLE,
    choice::{Choice, LastDecision},
    facets::{Facets, Said},
    moment::first_at,
    near::taken_as,
    running::{client, host_of},
    show::{Printer, ShowArgs},
    signals, wording,
};

/// How many records are shown to begin with.
const TO_BEGIN_WITH: usize = 10;

/// How many records are asked for at a time.
const PAGE: u64 = 500;

/// How long the server is to wait for news: less than any proxy's patience.
const WAIT: Duration = Duration::from_secs(20);

/// Something that ends or goes on the following.
enum News {
    /// Each a line of JSON.
    Records(Vec<String>),
    /// The server can't be asked any more.
    Failed(String),
    /// Ctrl-C, or a request to end.
    Stop,
}

/// Follows until somebody stops it, the server goes away, or as many records are shown as may be.
pub(super) fn run(args: &ShowArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let host = match host(args) {
        Ok(host) => host,
        Err(why) => {
            writeln!(notes, "styx-server: {why}")?;
            return Ok(UNUSABLE);
        }
    };
    let mut args = args.clone();
    let begun = client(&host).and_then(|client| {
        if let Some(instance) = &mut args.choice.instance {
            *instance = named(&client, instance, notes)?;
        }
        start(&client, &args).map(|from| (client, from))
    });
    let (client, from) = match begun {
        Ok(begun) => begun,
        Err(why) => return failed(&why, notes),
    };
    let args = &args;
    let (news, arrived) = mpsc::sync_channel(2);
    let stop = news.clone();
    // Neither thread is joined: one waits for a signal, the other for the server, and both end with the process.
    thread::Builder::new().name("signals".into()).spawn(move || {
        if signals::wait().is_some() {
            let _ = stop.send(News::Stop);
        }
    })?;
    thread::Builder::new().name("follow".into()).spawn(move || ask(&host, from, &news))?;
    let mut shown = Shown {
        args,
        client,
        choice: Choice::new(&args.choice),
        decisions: LastDecision::default(),
        count: 0,
        printer: Printer::new(args.format, out),
    };
    for news in arrived {
        match news {
            News::Records(lines) if shown.add(&lines)? => {}
            News::Records(_) | News::Stop => break,
            News::Failed(why) => return failed(&why, notes),
        }
    }
    Ok(CLEAN)
}

/// Asks again and again, until nobody listens or it fails.
fn ask(host: &Host, from: Position, news: &SyncSender<News>) {
    let mut from = from.0;
    let ended = |why: String| drop(news.send(News::Failed(why)));
    let client = match client(host) {
        Ok(client) => client,
        Err(why) => return ended(why),
    };
    loop {
        match client.records(from, PAGE, WAIT) {
            // A position is never left out, so each line is the next one.
            Ok(page) => {
                from += page.lines.len() as u64;
                if news.send(News::Records(page.lines)).is_err() {
                    return;
                }
            }
            Err(error) => return ended(error.to_string()),
        }
    }
}

fn failed(why: &str, notes: &mut dyn Write) -> io::Result<u8> {
    writeln!(notes, "styx-server: {}", wording::one_line(why))?;
    Ok(UNUSABLE)
}

/// What is shown so far, and what is chosen.
struct Shown<'a> {
    args: &'a ShowArgs,
    client: Client,
    choice: Choice<'a>,
    decisions: LastDecision,
    count: u64,
    printer: Printer<'a>,
}

impl Shown<'_> {
    /// Shows what is chosen of these; false when it was enough.
    fn add(&mut self, lines: &[String]) -> io::Result<bool> {
        let is_enough = |count| self.args.limit.is_some_and(|limit| count >= limit);
        for line in lines {
            let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
            let Some(facets) = Facets::of_json(&record) else { continue };
            // Whoever began within a decision has to ask what caused it.
            let leader = || record_at(&self.client, facets.decision).ok();
            let read = || Said::of_json(&record).or_else(|| Said::of_json(&leader()?));
            let said = self.decisions.said(facets.decision, read);
            if is_enough(self.count) || !self.choice.takes(&facets, || said.clone()) {
                continue;
            }
            self.count += 1;
            self.printer.add_json(line, &record, || said.clone())?;
        }
        self.printer.flush()?;
        Ok(!is_enough(self.count))
    }
}

/// The server to ask: the one that is named, or the one that uses the folder.
fn host(args: &ShowArgs) -> Result<Host, String> {
    if let Some(server) = &args.server {
        return Host::parse(server).map_err(|error| error.to_string());
    }
    let data = args.data.data.display();
    match styx_store::open_read_only(&args.data.data) {
        Err(OpenError::InUse { .. }) => {}
        Ok(_) => return Err(format!("no server uses {data}, so nothing more comes: leave out --follow")),
        Err(error) => return Err(error.to_string()),
    }
    host_of(&args.data.data, |path, error| {
        format!("{data} is in use, but {} doesn't say by which server: {error}; name it with --server", path.display())
    })
}

/// The instance that was asked for, as the server takes its name: the log itself can't be read while the server writes it.
fn named(client: &Client, sent: &InstanceId, notes: &mut dyn Write) -> Result<InstanceId, String> {
    let about = client.named(&WorkflowInstance::from(sent)).map_err(|error| error.to_string())?;
    if let Some(problem) = about.no_partition {
        return Err(problem);
    }
    let Some(taken) = about.partition.filter(|taken| taken != sent.parameter()) else { return Ok(sent.clone()) };
    taken_as(sent.parameter(), &taken, notes).map_err(|error| error.to_string())?;
    Ok(InstanceId::new(sent.workflow().clone(), taken))
}

/// Where to begin: where it was said, or with the last records that there are.
fn start(client: &Client, args: &ShowArgs) -> Result<Position, String> {
    let from = args.from.map(Position);
    if let (Some(from), None, None) = (from, args.since, args.tail) {
        return Ok(from);
    }
    let tail = client.records(1, 0, Duration::ZERO).map_err(|error| error.to_string())?.tail;
    let start = match args.since {
        Some(since) => {
            let time_at = |position| time_at(client, position);
            first_at(Position::FIRST, Position(tail), |time| time >= since, time_at)?
        }
        None => {
            let count = u64::try_from(args.tail.unwrap_or(TO_BEGIN_WITH)).unwrap_or(u64::MAX);
            Position(tail.saturating_sub(count) + 1)
        }
    };
    Ok(from.map_or(start, |from| from.max(start)))
}

fn time_at(client: &Client, position: Position) -> Result<DateTime<Utc>, String> {
    let record = record_at(client, position)?;
    let at = record["at"].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    at.map(|at| at.with_timezone(&Utc)).ok_or_else(|| format!("record {position} has no time"))
}

/// The record at a position, as JSON.
fn record_at(client: &Client, position: Position) -> Result<Value, String> {
    let page = client.records(position.0, 1, Duration::ZERO).map_err(|error| error.to_string())?;
    let line = page.lines.first().ok_or_else(|| format!("the server doesn't give record {position}"))?;
    serde_json::from_str(line).map_err(|error| format!("record {position} isn't JSON: {error}"))
}
