//! `backfill show`: the instances of a backfill as they arrive, of which there may be millions.

use std::collections::BTreeMap;

use styx_client::{Backfill, BackfillItem, BackfillPage, BackfillPayload, Client, RunStateData, RunStateDataPayload};
use styx_core::schedule::Schedule;

use crate::failure::{Failure, count};
use crate::output::{BackfillStream, Printer};

/// How many instances a table lists, unless it is said; as many are kept to be sorted.
const LISTED: usize = 1_000;

/// What to show of a backfill.
pub(crate) struct Part<'a> {
    pub(crate) id: &'a str,
    /// From which instance on.
    pub(crate) from: Option<&'a str>,
    /// How many instances at most; 0 is no limit.
    pub(crate) limit: Option<usize>,
    /// Whether long texts are shown in full.
    pub(crate) whole: bool,
}

/// Shows a backfill.
pub(crate) fn show(client: &Client, part: &Part<'_>, printer: &mut Printer) -> Result<(), Failure> {
    let mut shown = Shown::new(part, printer.has_header());
    let limit = (shown.limit < usize::MAX).then_some(shown.limit);
    let page = BackfillPage { from: part.from.map(str::to_owned), limit };
    client.visit_backfill(part.id, &page, |item| match item {
        BackfillItem::Backfill(backfill) => shown.begin(*backfill),
        BackfillItem::Instance(state) => shown.add(*state, printer),
        BackfillItem::Counts(counts) => {
            shown.by_state = counts;
            Ok(())
        }
        BackfillItem::Next(next) => {
            shown.next = Some(next);
            Ok(())
        }
    })?;
    shown.end(printer)
}

/// What was seen of a backfill so far.
struct Shown<'a> {
    part: &'a Part<'a>,
    limit: usize,
    /// Whether the form of output counts the instances: tables do, and so look at all of them.
    counts: bool,
    backfill: Option<Backfill>,
    /// The first instance to list, as the backfill's schedule names it.
    from: Option<String>,
    /// Of all instances: counted by the server, or else as they came.
    by_state: BTreeMap<String, u64>,
    listed: usize,
    /// Those that are to be listed, until they are too many to be kept.
    kept: Vec<RunStateData>,
    /// What prints the others, one by one.
    stream: Option<BackfillStream>,
    /// The first that is not listed.
    next: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(part: &'a Part<'a>, counts: bool) -> Self {
        let limit = match part.limit {
            None if counts => LISTED,
            None | Some(0) => usize::MAX,
            Some(limit) => limit,
        };
        Self {
            part,
            limit,
            counts,
            backfill: None,
            from: None,
            by_state: BTreeMap::new(),
            listed: 0,
            kept: Vec::new(),
            stream: None,
            next: None,
        }
    }

    fn begin(&mut self, backfill: Backfill) -> Result<(), Failure> {
        if let Some(text) = self.part.from {
            let schedule = Schedule::parse(&backfill.schedule).ok();
            self.from =
                Some(match schedule.map(|schedule| schedule.partition(text).map(|at| schedule.parameter(at))) {
                    Some(named) => named.map_err(|problem| Failure::NoPartition(problem.to_string()))?,
                    None => text.to_owned(),
                });
        }
        self.backfill = Some(backfill);
        Ok(())
    }

    fn add(&mut self, state: RunStateData, printer: &mut Printer) -> Result<(), Failure> {
        match self.by_state.get_mut(&state.state) {
            Some(number) => *number += 1,
            None => drop(self.by_state.insert(state.state.clone(), 1)),
        }
        let parameter = &state.workflow_instance.parameter;
        if self.from.as_ref().is_some_and(|from| parameter < from) {
            return Ok(());
        }
        if self.listed >= self.limit {
            self.next.get_or_insert_with(|| parameter.clone());
            return Ok(());
        }
        self.listed += 1;
        if let Some(stream) = &mut self.stream {
            return printer.backfill_instance(stream, &state);
        }
        self.kept.push(state);
        if self.kept.len() > LISTED && !self.counts {
            let (Some(backfill), kept) = (&self.backfill, std::mem::take(&mut self.kept)) else { return Ok(()) };
            let mut stream = printer.begin_backfill(backfill)?;
            kept.iter().try_for_each(|state| printer.backfill_instance(&mut stream, state))?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    fn end(self, printer: &mut Printer) -> Result<(), Failure> {
        if let Some(stream) = self.stream {
            return printer.end_backfill(stream);
        }
        let Some(backfill) = self.backfill else { return Ok(()) };
        let all = usize::try_from(self.by_state.values().sum::<u64>()).unwrap_or(usize::MAX);
        let numbers = (self.counts && self.listed < all).then(|| {
            let states: Vec<_> = self.by_state.iter().map(|(state, number)| format!("{number} {state}")).collect();
            format!("{}: {}", count(&all, "instance"), states.join(", "))
        });
        let more = self
            .next
            .filter(|_| self.counts)
            .map(|next| format!("… and more: add --from {next} to list what follows, or --limit 0 to list all"));
        let statuses = Some(RunStateDataPayload { active_states: self.kept });
        printer.backfill(&BackfillPayload { backfill, statuses }, self.part.whole, numbers.as_deref(), more.as_deref())
    }
}
