//! `styx-server log show --follow`: records as they come, from the server that writes them.

use std::{
    fs,
    io::{self, Write},
    sync::mpsc::{self, SyncSender},
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use styx_client::{Client, Host};
use styx_core::id::Position;
use styx_store::OpenError;

use super::{
    CLEAN, UNUSABLE,
    choice::{Choice, LastDecision},
    facets::{Facets, Said},
    moment::first_at,
    show::{Printer, ShowArgs},
    signals, wording,
};

/// How many records are shown to begin with.
const TO_BEGIN_WITH: usize = 10;

/// How many records are asked for at a time.
const PAGE: usize = 500;

/// How long the server is to wait for news: less than any proxy's patience.
const WAIT: Duration = Duration::from_secs(20);

/// Something that ends or goes on the following.
enum News {
    Records(Vec<Value>),
    Failed(styx_client::Error),
    /// Ctrl-C, or a request to end.
    Stop,
}

/// Follows until somebody stops it, the server goes away, or as many records are shown as may be.
pub(super) fn run(args: &ShowArgs, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<u8> {
    let client = match host(args).and_then(|host| Client::new(&host).map_err(|error| error.to_string())) {
        Ok(client) => client,
        Err(why) => {
            writeln!(notes, "styx-server: {why}")?;
            return Ok(UNUSABLE);
        }
    };
    let from = match start(&client, args) {
        Ok(from) => from,
        Err(error) => return failed(&error, notes),
    };
    let (news, arrived) = mpsc::sync_channel(2);
    let stop = news.clone();
    // Neither thread is joined: one waits for a signal, the other for the server, and both end with the process.
    thread::Builder::new().name("signals".into()).spawn(move || {
        if signals::wait().is_some() {
            let _ = stop.send(News::Stop);
        }
    })?;
    thread::Builder::new().name("follow".into()).spawn(move || ask(&client, from, &news))?;
    let mut shown = Shown {
        args,
        choice: Choice::new(&args.choice),
        decisions: LastDecision::default(),
        count: 0,
        printer: Printer::new(args.format, out),
    };
    for news in arrived {
        match news {
            News::Records(records) => {
                if !shown.add(&records)? {
                    break;
                }
            }
            News::Failed(error) => return failed(&error, notes),
            News::Stop => break,
        }
    }
    Ok(CLEAN)
}

/// Asks again and again, until nobody listens.
fn ask(client: &Client, from: Position, news: &SyncSender<News>) {
    let mut from = from.0;
    loop {
        let answer = match client.records(from, PAGE, WAIT) {
            Ok(records) => {
                let last = records.iter().filter_map(|record| record["position"].as_u64()).max();
                from = last.map_or(from, |last| last + 1);
                News::Records(records)
            }
            Err(error) => News::Failed(error),
        };
        let goes_on = matches!(answer, News::Records(_));
        if news.send(answer).is_err() || !goes_on {
            return;
        }
    }
}

fn failed(error: &styx_client::Error, notes: &mut dyn Write) -> io::Result<u8> {
    writeln!(notes, "styx-server: {}", wording::one_line(&error.to_string()))?;
    Ok(UNUSABLE)
}

/// What is shown so far, and what is chosen.
struct Shown<'a> {
    args: &'a ShowArgs,
    choice: Choice<'a>,
    decisions: LastDecision,
    count: u64,
    printer: Printer<'a>,
}

impl Shown<'_> {
    /// Shows what is chosen of these; false when it was enough.
    fn add(&mut self, records: &[Value]) -> io::Result<bool> {
        let is_enough = |count| self.args.limit.is_some_and(|limit| count >= limit);
        for line in records {
            let Some(facets) = Facets::of_json(line) else { continue };
            let mut said = || match Said::of_json(line) {
                Some(said) => self.decisions.said(facets.decision, || Some(said)),
                // Following began within the decision: what caused it came before.
                None => self.decisions.said(facets.decision, || None),
            };
            // Every record is shown to it, so that the cause is known when the next one of the decision comes.
            let cause = said();
            if is_enough(self.count) || !self.choice.takes(&facets, || cause.clone()) {
                continue;
            }
            self.count += 1;
            self.printer.add_json(line, || cause.clone())?;
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
    let path = args.data.data.join("address");
    let address = fs::read_to_string(&path).map_err(|error| {
        format!("{data} is in use, but {} doesn't say by which server: {error}; name it with --server", path.display())
    })?;
    Host::parse(&format!("http://{}", address.trim())).map_err(|error| error.to_string())
}

/// Where to begin: where it was said, or with the last records that there are.
fn start(client: &Client, args: &ShowArgs) -> Result<Position, styx_client::Error> {
    let from = args.from.map(Position);
    if let (Some(from), None, None) = (from, args.since, args.tail) {
        return Ok(from);
    }
    let tail = tail(client)?;
    let start = match args.since {
        Some(since) => first_at(Position::FIRST, tail, |time| time >= since, |position| time_at(client, position))?,
        None if from.is_some() && args.tail.is_none() => Position::FIRST,
        None => {
            let count = u64::try_from(args.tail.unwrap_or(TO_BEGIN_WITH)).unwrap_or(u64::MAX);
            Position(tail.0.saturating_sub(count) + 1)
        }
    };
    Ok(from.map_or(start, |from| from.max(start)))
}

/// The last position, found by asking: doubling until there is nothing, then halving.
fn tail(client: &Client) -> Result<Position, styx_client::Error> {
    let is_there = |position| client.records(position, 1, Duration::ZERO).map(|records| !records.is_empty());
    let mut above = 1;
    while is_there(above)? {
        above *= 2;
    }
    let mut there = above / 2;
    while above - there > 1 {
        let middle = there + (above - there) / 2;
        if is_there(middle)? {
            there = middle;
        } else {
            above = middle;
        }
    }
    Ok(Position(there))
}

fn time_at(client: &Client, position: Position) -> Result<DateTime<Utc>, styx_client::Error> {
    let record = client.records(position.0, 1, Duration::ZERO)?.into_iter().next();
    let time = record.and_then(|record| DateTime::parse_from_rfc3339(record["at"].as_str()?).ok());
    Ok(time.map_or(DateTime::UNIX_EPOCH, |time| time.with_timezone(&Utc)))
}
