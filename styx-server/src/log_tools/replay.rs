//! `styx-server log replay`: the log's inputs given to the present code, and every decision that comes out otherwise.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use styx_core::{
    config::Config,
    id::Position,
    log::LogReader,
    record::{ConfigEvent, Fact, Record, Subject},
    run::Rules,
    world::RefusedRecord,
};
use styx_engine::replay::{Difference, Kind, Options, Replay, Summary};

use super::{
    CLEAN, DAMAGED, DIFFERS, DataArgs, ReportFormat, UNUSABLE,
    about::{PAGE, Stopped, pages},
    json, near, progress, stopped, wording,
};
use crate::settings;

/// What is asked again, and how.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Each decision is asked again from the world as it was before it, with what was really recorded before: a difference stays \
one difference. Requests that were refused and observations that led to nothing aren't in a log and can't be asked again.

Exit codes: 0 nothing differs; 3 something does; 1 the log is damaged; 2 it can't be opened.")]
pub struct ReplayArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// Decide under the configuration of this file (TOML, as the server reads it) instead of the recorded one; executor,
    /// run_api_workflows and max_executions stay as recorded unless the file names them
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Fold imported events under these rules too: `ours` is the strict graph
    #[arg(long, value_enum, value_name = "RULES")]
    pub rules: Option<RulesArg>,
    /// Ask decisions from this position on; those before are only folded
    #[arg(long, value_name = "POSITION")]
    pub from: Option<u64>,
    /// Ask decisions up to this position
    #[arg(long, value_name = "POSITION")]
    pub to: Option<u64>,
    /// How differences look: as text, or each as a JSON object on a line, and the summary as the last one
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// Rules for imported events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RulesArg {
    /// The strict graph with our improvements
    Ours,
    /// All that Styx 2.x accepts: what is marked as ignored and would be taken now
    Styx2,
}

/// Why a replay ended early.
enum Failed {
    Stopped(Stopped),
    Refused(Position, RefusedRecord),
}

impl From<Stopped> for Failed {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Stopped::Output(error).into()
    }
}

/// Replays; the exit code says whether anything differs.
pub(super) fn run(
    reader: &dyn LogReader,
    args: &ReplayArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let config = match config(reader, args) {
        Ok(config) => config,
        Err(error) => {
            writeln!(notes, "styx-server: {error:#}")?;
            return Ok(UNUSABLE);
        }
    };
    let options = Options {
        config,
        rules: args.rules.map(|rules| match rules {
            RulesArg::Ours => Rules::Ours,
            RulesArg::Styx2 => Rules::Styx2,
        }),
        from: args.from.map(Position),
        to: args.to.map(Position),
    };
    // What can't be read is told of when it is read.
    let nothing = |tail| near::no_records(Position(args.from.unwrap_or(1)), args.to, tail);
    if let Some(text) = reader.tail().ok().and_then(nothing) {
        writeln!(notes, "styx-server: {text}")?;
        return Ok(UNUSABLE);
    }
    match replay(reader, options, args, out) {
        Ok(summary) => Ok(if summary.differences() == 0 { CLEAN } else { DIFFERS }),
        Err(Failed::Stopped(why)) => {
            out.flush()?;
            stopped(why, &args.data, notes)
        }
        Err(Failed::Refused(position, refused)) => {
            out.flush()?;
            let data = args.data.data.display();
            writeln!(
                notes,
                "styx-server: a record up to {position} doesn't follow from those before it: {refused}; \
                 `styx-server log verify --data {data}` finds all damages"
            )?;
            Ok(DAMAGED)
        }
    }
}

/// The configuration to ask with: the file's, on top of the first recorded one where the server's depends on its flags.
fn config(reader: &dyn LogReader, args: &ReplayArgs) -> anyhow::Result<Option<Arc<Config>>> {
    let Some(path) = &args.config else { return Ok(None) };
    let set = reader.history(&Subject::Config, Position::FIRST, usize::MAX).context("reading the configuration")?;
    let recorded = set.iter().rev().find_map(|record| match &record.fact {
        Fact::Config(ConfigEvent::Set(config)) => Some(config),
        _ => None,
    });
    let recorded = recorded.map(|config| Config::clone(config)).unwrap_or_default();
    Ok(Some(Arc::new(settings::config_of_file(path, &recorded)?)))
}

fn replay(reader: &dyn LogReader, options: Options, args: &ReplayArgs, out: &mut dyn Write) -> Result<Summary, Failed> {
    let last = options.to;
    let tail = reader.tail().map_err(|error| Stopped::Log(Position::FIRST, error))?;
    let bar = progress::bar("replaying", tail.0);
    let mut replay = Replay::new(options);
    let mut next = Position::FIRST;
    pages(reader, Position::FIRST..=Position(u64::MAX), |page| {
        let end = page.last().map_or(next, |record| record.position);
        bar.inc(page.len() as u64);
        for record in page {
            let found = replay.add(record).map_err(|refused| Failed::Refused(end, refused))?;
            show(&found, args, out, &bar)?;
        }
        // A decision has its records in one piece: what begins behind the last one asked for isn't asked.
        if last.is_some_and(|last| end.0 > last.0.saturating_add(PAGE as u64)) {
            return Ok(ControlFlow::Break(()));
        }
        next = end.next();
        Ok::<_, Failed>(ControlFlow::Continue(()))
    })?;
    let found = replay.finish().map_err(|refused| Failed::Refused(next, refused))?;
    show(&found, args, out, &bar)?;
    bar.finish_and_clear();
    let summary = *replay.summary();
    match args.format {
        ReportFormat::Text => text_summary(&summary, args, out)?,
        ReportFormat::Json => writeln!(out, "{}", json!({ "summary": json_summary(&summary) }))?,
    }
    Ok(summary)
}

fn show(found: &[Difference], args: &ReplayArgs, out: &mut dyn Write, bar: &indicatif::ProgressBar) -> io::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    bar.suspend(|| {
        for difference in found {
            match args.format {
                ReportFormat::Text => text(difference, out)?,
                ReportFormat::Json => writeln!(out, "{}", as_json(difference))?,
            }
        }
        Ok(())
    })
}

fn text(difference: &Difference, out: &mut dyn Write) -> io::Result<()> {
    let Difference { position, at, kind, recorded, decided, reason } = difference;
    let leader = recorded.first().or(decided.first());
    let subject = leader.map_or_else(String::new, |record| wording::one_line(&record.subject().to_string()));
    let cause = leader.and_then(|record| wording::cause(&record.cause)).unwrap_or_default();
    let place = match kind {
        Kind::Added => format!("before {position}"),
        _ => position.to_string(),
    };
    let heading = format!("{place}  {}  {subject}  ({cause})  {}", wording::instant(*at), words(*kind));
    writeln!(out, "{}", heading.bold())?;
    if let Some(reason) = reason {
        writeln!(out, "      {}", wording::one_line(reason))?;
    }
    for index in 0..recorded.len().max(decided.len()) {
        match (recorded.get(index), decided.get(index)) {
            (Some(was), Some(now)) if was.fact == now.fact && (index > 0 || was.cause == now.cause) => {
                writeln!(out, "      {}", line(was))?;
            }
            (was, now) => {
                let (mut old, mut new) = (was.map(line), now.map(line));
                if old == new {
                    // The words don't tell what differs.
                    (old, new) = (was.map(detailed), now.map(detailed));
                }
                if let Some(old) = old {
                    writeln!(out, "    {} {}", "-".red(), old)?;
                }
                if let Some(new) = new {
                    writeln!(out, "    {} {}", "+".green(), new)?;
                }
            }
        }
    }
    Ok(())
}

fn line(record: &Record) -> String {
    let (name, info) = (record.fact.name(), wording::info(record));
    if info.is_empty() { name.to_owned() } else { format!("{name}  {info}") }
}

fn detailed(record: &Record) -> String {
    let json = json::record(record, None);
    format!("{} {}", json["event"], json["cause"])
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Changed => "is decided otherwise",
        Kind::Dropped => "isn't decided any more",
        Kind::Added => "is decided, and isn't in the log",
        Kind::RefusedByRules => "is refused by these rules",
        Kind::FoldedOtherwise => "is folded otherwise by these rules",
    }
}

fn text_summary(summary: &Summary, args: &ReplayArgs, out: &mut dyn Write) -> io::Result<()> {
    let Summary { records, same, changed, dropped, added, .. } = summary;
    if summary.differences() > 0 {
        writeln!(out)?;
    }
    writeln!(out, "records      {records}")?;
    writeln!(out, "decisions    {same} the same, {changed} changed, {dropped} dropped, {added} added")?;
    if args.rules.is_some() {
        let (refused, otherwise) = (summary.refused_by_rules, summary.folded_otherwise);
        writeln!(out, "imported     {refused} refused, {otherwise} folded otherwise")?;
    }
    let (not_decided, unknown, overruled) = (summary.not_decided, summary.unknown, summary.overruled);
    if not_decided + unknown + overruled > 0 {
        let mut parts = Vec::new();
        for (count, what) in [
            (not_decided, "imported or forks"),
            (unknown, "whose input the log doesn't tell"),
            (overruled, "configurations, overruled by --config"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        writeln!(out, "not asked    {}", parts.join(", "))?;
    }
    match summary.differences() {
        0 => writeln!(out, "{}", "no difference".green().bold()),
        1 => writeln!(out, "{}", "1 difference".red().bold()),
        count => writeln!(out, "{}", format!("{count} differences").red().bold()),
    }
}

fn as_json(difference: &Difference) -> Value {
    let Difference { position, at, kind, recorded, decided, reason } = difference;
    let kind = match kind {
        Kind::Changed => "changed",
        Kind::Dropped => "dropped",
        Kind::Added => "added",
        Kind::RefusedByRules => "refusedByRules",
        Kind::FoldedOtherwise => "foldedOtherwise",
    };
    let records = |records: &[Record]| records.iter().map(|record| json::record(record, None)).collect::<Vec<_>>();
    json!({
        "position": position.0,
        "at": wording::instant(*at),
        "kind": kind,
        "reason": reason,
        "recorded": records(recorded),
        "decided": records(decided),
    })
}

fn json_summary(summary: &Summary) -> Value {
    json!({
        "records": summary.records,
        "same": summary.same,
        "changed": summary.changed,
        "dropped": summary.dropped,
        "added": summary.added,
        "refused_by_rules": summary.refused_by_rules,
        "folded_otherwise": summary.folded_otherwise,
        "not_decided": summary.not_decided,
        "unknown": summary.unknown,
        "overruled": summary.overruled,
        "differences": summary.differences(),
    })
}
