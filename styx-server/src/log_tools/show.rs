//! `styx-server log show`: the records that are asked for, as a table or as JSON lines.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use clap::{Args, ValueEnum};
use styx_core::{
    event::Event,
    id::{ExecutionId, InstanceId, Position, WorkflowId},
    log::LogReader,
    record::{Fact, Record, RunEvent},
};

use super::{
    CLEAN, DAMAGED, DataArgs,
    about::{About, Stopped, first_since},
    json,
    table::Table,
    wording,
};

/// Which records are shown, and how.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Which log
    #[command(flatten)]
    pub data: DataArgs,
    /// How the records look
    #[arg(long, value_enum, default_value_t = ShowFormat::Table)]
    pub format: ShowFormat,
    /// Show records from this position on
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    pub from: u64,
    /// Show at most this many records
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Only a workflow with its runs and their executions
    #[arg(long, value_name = "COMPONENT#WORKFLOW", value_parser = parse_workflow, group = "about")]
    pub workflow: Option<WorkflowId>,
    /// Only the runs of an instance with their executions
    #[arg(long, value_name = "COMPONENT#WORKFLOW#PARAMETER", value_parser = parse_instance, group = "about")]
    pub instance: Option<InstanceId>,
    /// Only an execution, and its run while it has it
    #[arg(long, value_name = "ID", value_parser = parse_execution, group = "about")]
    pub execution: Option<ExecutionId>,
    /// Only records of this time and later, such as 2026-03-29, 2026-03-29T07:00 or 2026-03-29T07:00:00Z (UTC)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub since: Option<DateTime<Utc>>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub until: Option<DateTime<Utc>>,
}

/// How records look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// A table for people
    Table,
    /// A JSON object a line
    Json,
}

impl ShowArgs {
    fn about(&self) -> About {
        let workflow = self.workflow.clone().map(About::Workflow);
        let instance = self.instance.clone().map(About::Instance);
        let execution = self.execution.clone().map(About::Execution);
        workflow.or(instance).or(execution).unwrap_or(About::Everything)
    }
}

/// Shows them; the exit code says whether the log could be read.
pub(super) fn run(
    reader: &dyn LogReader,
    args: &ShowArgs,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> io::Result<u8> {
    let mut shown = 0;
    let stopped = show(reader, args, out, &mut shown);
    match stopped {
        Ok(()) => {
            if shown == 0 {
                out.flush()?;
                writeln!(notes, "no such records")?;
            }
            Ok(CLEAN)
        }
        Err(Stopped::Output(error)) => Err(error),
        Err(Stopped::Log(position, error)) => {
            out.flush()?;
            let data = args.data.data.display();
            writeln!(
                notes,
                "styx-server: stopped before record {position}: {error}; `styx-server log verify --data {data}` finds \
                 all damages"
            )?;
            Ok(DAMAGED)
        }
    }
}

fn show(reader: &dyn LogReader, args: &ShowArgs, out: &mut dyn Write, shown: &mut u64) -> Result<(), Stopped> {
    let mut from = Position(args.from);
    if let Some(since) = args.since {
        from = from.max(first_since(reader, since)?);
    }
    let mut printer = match args.format {
        ShowFormat::Table => Printer::Table(Table::new(&mut *out)),
        ShowFormat::Json => Printer::Json(&mut *out),
    };
    let mut visit = |record: &Record| {
        let is_late = args.until.is_some_and(|until| record.at >= until);
        if is_late || args.limit.is_some_and(|limit| *shown >= limit) {
            return Ok(ControlFlow::Break(()));
        }
        *shown += 1;
        let output = output(&args.data.data, record);
        match &mut printer {
            Printer::Table(table) => table.add(record, output, || leader_cause(reader, record))?,
            Printer::Json(out) => writeln!(out, "{}", json::record(record, output))?,
        }
        Ok(ControlFlow::Continue(()))
    };
    let visited = args.about().visit(reader, from, &mut visit);
    if let Printer::Table(table) = &mut printer {
        table.flush().map_err(Stopped::Output)?;
    }
    visited
}

/// Where records go.
enum Printer<'a> {
    Table(Table<&'a mut dyn Write>),
    Json(&'a mut dyn Write),
}

/// The cause of the decision that a record belongs to.
fn leader_cause(reader: &dyn LogReader, record: &Record) -> String {
    let leader = reader.read(record.decision, 1).ok().and_then(|leader| leader.into_iter().next());
    let cause = leader.and_then(|leader| wording::cause(&leader.cause));
    cause.unwrap_or_else(|| format!("decision {}", record.decision))
}

/// Where the output of the execution that a record submits is, if the local executor left any.
fn output(data: &Path, record: &Record) -> Option<String> {
    let Fact::Run(_, RunEvent::Styx { event: Event::Submitted { execution: Some(execution), .. }, .. }) = &record.fact
    else {
        return None;
    };
    let name = execution.to_string();
    let folder = data.join("runs").join(&name);
    // An imported id may be any text, also one that leads elsewhere.
    let is_name = !name.contains('/') && !name.starts_with('.');
    (is_name && folder.is_dir()).then(|| format!("{}/", folder.display()))
}

fn parse_workflow(text: &str) -> Result<WorkflowId, String> {
    WorkflowId::parse_key(text).map_err(|_| "expected COMPONENT#WORKFLOW".into())
}

fn parse_instance(text: &str) -> Result<InstanceId, String> {
    InstanceId::parse_key(text).map_err(|_| "expected COMPONENT#WORKFLOW#PARAMETER".into())
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
fn parse_execution(text: &str) -> Result<ExecutionId, String> {
    Ok(ExecutionId::parse(text))
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    let with_zone = DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
    let in_utc = || {
        let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
        formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    };
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN));
    let time = with_zone.or_else(|| in_utc().or_else(date).map(|time| time.and_utc()));
    time.ok_or_else(|| "expected a time such as 2026-03-29, 2026-03-29T07:00 or 2026-03-29T07:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, at) in [
            ("2026-03-29", "2026-03-29T00:00:00Z"),
            ("2026-03-29T07:00", "2026-03-29T07:00:00Z"),
            ("2026-03-29 07:00:01.250", "2026-03-29T07:00:01.250Z"),
            ("2026-03-29T07:00:00+02:00", "2026-03-29T05:00:00Z"),
        ] {
            assert_eq!(wording::instant(parse_time(text).unwrap()), at);
        }
        for text in ["", "yesterday", "2026-13-01", "07:00"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
