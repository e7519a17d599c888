//! Backfills (E-18 to E-22).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use axum::response::Response;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use hyper::StatusCode;
use serde_json::Value;
use styx_client::{BackfillInput, BackfillPayload, EditableBackfillInput, json, time::format_instant};
use styx_core::{
    decide::{Refusal, Reply, Request},
    event::TriggerParameters,
    id::WorkflowId,
    log::{LogError, LogReader},
    schedule::Schedule,
    workflow::parse_instant,
    world::{Backfill, Row, RowKey, RowScope},
};

use super::{
    pieces::{self, PIECE, Pieces},
    scheduler::check_stored,
    workflows::find_definition,
};
use crate::{
    http::{
        Call, bounds,
        request::Payload,
        response::{ApiError, empty, ok},
    },
    views::{Descriptions, backfills, partitions::Partitions},
};

/// E-18.
pub(super) async fn list(call: &Call) -> Result<Response, ApiError> {
    let list = List {
        filter: Filter::of(call)?,
        with_statuses: call.query.get("status") == Some("true"),
        after: None,
        waiting: VecDeque::new(),
        states: None,
        progress: Progress::New,
    };
    pieces::answer(call, call.moment(), list).await
}

/// E-19.
pub(super) async fn create(call: &Call) -> Result<Response, ApiError> {
    let asked = read_input(call)?;
    let workflow = WorkflowId::new(asked.component.as_str(), asked.workflow.as_str());
    let found = find_definition(call, &workflow)?;
    check_stored(call, &workflow, found.as_deref(), asked.trigger_parameters.as_ref())?;
    let Ok(concurrency) = u32::try_from(asked.concurrency) else {
        // The original looks for the workflow first.
        return Err(found.map_or_else(|| Refusal::UnknownWorkflow.into(), |_| negative_concurrency()));
    };
    bounds::description(asked.description.as_deref())?;
    let parameters = asked.trigger_parameters.map(|parameters| TriggerParameters { env: Arc::new(parameters.env) });
    let request = Request::CreateBackfill {
        workflow,
        start: asked.start,
        end: asked.end,
        concurrency,
        reverse: asked.reverse,
        description: asked.description.map(Into::into),
        parameters,
        allow_future: call.query.is_true("allowFuture"),
    };
    let id = match call.ask(request).await? {
        Reply::BackfillCreated { id } => id,
        other => return Err(ApiError::internal(&call.operator.request_id, "Reply", format!("{other:?}"))),
    };
    let made = find(call, &id)?.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    Ok(ok(&backfills::as_made(&id, &made)))
}

/// E-20.
pub(super) async fn get(call: &Call, id: &str) -> Result<Response, ApiError> {
    let moment = call.moment();
    let found = find_in(moment.reader(), id).map_err(|error| call.unreadable(&error))?;
    let backfill = found.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    if call.query.get("status").is_some_and(|status| status != "true") {
        return Ok(ok(&BackfillPayload { backfill: backfills::backfill(id, &backfill), statuses: None }));
    }
    let head = json::to_string(&backfills::backfill(id, &backfill))
        .map_err(|error| ApiError::internal(&call.operator.request_id, "JsonError", error))?;
    let mut view = View { head: Some(head), states: States::of(id, &backfill), summary: None, ended: false };
    if let Some(page) = &call.page {
        let mut partitions = Partitions::of(id, &backfill);
        let schedule = Schedule::parse(&backfill.spec.schedule).ok();
        if let (Some(from), Some(schedule)) = (&page.from, schedule) {
            let at = schedule.partition(from).map_err(|problem| ApiError::bad_request(problem.to_string()))?;
            view.states.partitions = partitions.starting_at(at.max(backfill.spec.start));
            partitions = Partitions::of(id, &backfill);
        }
        view.states.left = page.limit;
        view.summary = Some(Summary { all: partitions, counts: BTreeMap::new(), next: None, is_begun: false });
    }
    pieces::answer(call, moment, view).await
}

/// E-21.
pub(super) async fn edit(call: &Call, id: &str) -> Result<Response, ApiError> {
    let asked: EditableBackfillInput = call.payload.parse()?;
    if asked.id != id {
        return Err(ApiError::bad_request("ID of payload does not match ID in uri."));
    }
    let Ok(concurrency) = asked.concurrency.map(u32::try_from).transpose() else {
        // The original looks for the backfill first.
        let unknown = Refusal::EditOfUnknownBackfill { id: id.into() };
        return Err(find(call, id)?.map_or_else(|| unknown.into(), |_| negative_concurrency()));
    };
    bounds::description(asked.description.as_deref())?;
    let description = asked.description.map(Into::into);
    call.ask(Request::EditBackfill { id: id.into(), concurrency, description }).await?;
    let edited = find(call, id)?.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    Ok(ok(&backfills::backfill(id, &edited)))
}

/// E-22.
pub(super) async fn halt(call: &Call, id: &str) -> Result<Response, ApiError> {
    call.ask(Request::HaltBackfill { id: id.into(), graceful: call.query.is_true("graceful") }).await?;
    Ok(empty())
}

/// The request of E-19, whose ends are instants, as with Styx 2.x, or any text that names a partition of the workflow.
fn read_input(call: &Call) -> Result<BackfillInput, ApiError> {
    let Ok(mut body) = serde_json::from_slice::<Value>(call.payload.0.as_deref().unwrap_or_default()) else {
        return call.payload.parse();
    };
    let (Some(component), Some(workflow)) = (body["component"].as_str(), body["workflow"].as_str()) else {
        return call.payload.parse();
    };
    let found = find_definition(call, &WorkflowId::new(component, workflow))?;
    let Some(schedule) = found.and_then(|found| Schedule::parse(&found.stored.spec.schedule).ok()) else {
        return call.payload.parse();
    };
    let mut is_changed = false;
    for name in ["start", "end"] {
        let Some(text) = body[name].as_str() else { continue };
        let instant = parse_instant(text.trim());
        match schedule.partition(text) {
            Ok(at) if instant == Some(at) => {}
            Ok(at) => {
                body[name] = format_instant(at).into();
                is_changed = true;
            }
            // An instant that is no partition is refused together with all else that may be wrong.
            Err(_) if instant.is_some() => {}
            Err(problem) => {
                let rule = if name == "end" { ", and end is exclusive" } else { "" };
                return Err(ApiError::bad_request(format!("Payload parsing failed: {name}: {problem}{rule}")));
            }
        }
    }
    if is_changed { Payload(serde_json::to_vec(&body).ok()).parse() } else { call.payload.parse() }
}

fn negative_concurrency() -> ApiError {
    ApiError::bad_request("concurrency must not be negative")
}

fn find(call: &Call, id: &str) -> Result<Option<Backfill>, ApiError> {
    call.read_now(|reader| find_in(reader, id))
}

fn find_in(reader: &dyn LogReader, id: &str) -> Result<Option<Backfill>, LogError> {
    Ok(match reader.get(&RowKey::Backfill(id.into()))? {
        Some(Row::Backfill(backfill)) => Some(backfill),
        _ => None,
    })
}

/// The states of a backfill's instances, made piece by piece.
struct States {
    partitions: Partitions,
    begun: bool,
    /// How many more at most.
    left: usize,
}

impl States {
    fn of(id: &str, backfill: &Backfill) -> Self {
        Self { partitions: Partitions::of(id, backfill), begun: false, left: usize::MAX }
    }

    /// Adds states until the piece is long enough; whether they are all there now.
    fn add_to(
        &mut self,
        piece: &mut String,
        reader: &dyn LogReader,
        descriptions: &Descriptions<'_>,
    ) -> Result<bool, LogError> {
        while piece.len() < PIECE {
            if self.left == 0 {
                return Ok(true);
            }
            let Some(state) = self.partitions.next(reader, descriptions)? else {
                return Ok(true);
            };
            self.left -= 1;
            if std::mem::replace(&mut self.begun, true) {
                piece.push(',');
            }
            *piece += &json::to_string(&state).unwrap_or_else(|_| "null".to_owned());
        }
        Ok(false)
    }
}

/// A backfill with the states of its instances.
struct View {
    /// The backfill, until it is sent.
    head: Option<String>,
    states: States,
    /// What follows the states, if only some of them are wanted.
    summary: Option<Summary>,
    ended: bool,
}

/// How many of a backfill's instances are in which state.
struct Summary {
    /// Those that are still to be counted.
    all: Partitions,
    counts: BTreeMap<String, u64>,
    /// The first instance after those that were sent.
    next: Option<String>,
    is_begun: bool,
}

impl Pieces for View {
    fn has_ended(&self) -> bool {
        self.ended
    }

    fn next_piece(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<String, LogError> {
        let mut piece = String::new();
        if let Some(head) = self.head.take() {
            piece = format!(r#"{{"backfill":{head},"statuses":{{"active_states":["#);
        }
        let Some(summary) = self.summary.as_mut() else {
            if self.states.add_to(&mut piece, reader, descriptions)? {
                piece += "]}}";
                self.ended = true;
            }
            return Ok(piece);
        };
        if !summary.is_begun {
            if self.states.add_to(&mut piece, reader, descriptions)? {
                piece += "]}";
                summary.next = self.states.partitions.next_parameter();
                summary.is_begun = true;
            }
            return Ok(piece);
        }
        if summary.all.count(reader, descriptions, &mut summary.counts)? {
            let json = |value: Result<String, _>| value.unwrap_or_else(|_: serde_json::Error| "null".to_owned());
            let (counts, next) = (json(json::to_string(&summary.counts)), json(json::to_string(&summary.next)));
            piece += &format!(r#","counts":{counts},"next":{next}}}"#);
            self.ended = true;
        } else {
            // A blank says that more will come.
            piece.push(' ');
        }
        Ok(piece)
    }
}

/// Backfills, with the states of their instances if they were asked for.
struct List {
    filter: Filter,
    with_statuses: bool,
    after: Option<RowKey>,
    waiting: VecDeque<(Arc<str>, Backfill)>,
    /// Of the backfill that is being told.
    states: Option<States>,
    progress: Progress,
}

/// How far a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    New,
    Opened,
    Begun,
    Ended,
}

impl List {
    /// How many rows are read at a time.
    const PAGE: usize = 100;

    /// The next backfill of the list.
    fn next(&mut self, reader: &dyn LogReader) -> Result<Option<(Arc<str>, Backfill)>, LogError> {
        while self.waiting.is_empty() {
            let rows = reader.scan(&RowScope::Backfills, self.after.as_ref(), Self::PAGE)?;
            let Some((last, _)) = rows.last() else { return Ok(None) };
            self.after = Some(last.clone());
            self.waiting.extend(rows.into_iter().filter_map(|(key, row)| match (key, row) {
                (RowKey::Backfill(id), Row::Backfill(row)) if self.filter.keeps(&row) => Some((id, row)),
                _ => None,
            }));
        }
        Ok(self.waiting.pop_front())
    }
}

impl Pieces for List {
    fn has_ended(&self) -> bool {
        self.progress == Progress::Ended
    }

    fn next_piece(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<String, LogError> {
        let mut piece = String::new();
        if self.progress == Progress::New {
            piece += r#"{"backfills":["#;
            self.progress = Progress::Opened;
        }
        while piece.len() < PIECE {
            if let Some(states) = &mut self.states {
                if states.add_to(&mut piece, reader, descriptions)? {
                    piece += "]}}";
                    self.states = None;
                }
                continue;
            }
            let Some((id, row)) = self.next(reader)? else {
                piece += "]}";
                self.progress = Progress::Ended;
                break;
            };
            if std::mem::replace(&mut self.progress, Progress::Begun) == Progress::Begun {
                piece.push(',');
            }
            let backfill = json::to_string(&backfills::backfill(&id, &row)).unwrap_or_else(|_| "null".to_owned());
            if self.with_statuses {
                piece += &format!(r#"{{"backfill":{backfill},"statuses":{{"active_states":["#);
                self.states = Some(States::of(&id, &row));
            } else {
                piece += &format!(r#"{{"backfill":{backfill},"statuses":null}}"#);
            }
        }
        Ok(piece)
    }
}

/// The filters of E-18.
#[derive(Debug)]
struct Filter {
    component: Option<String>,
    workflow: Option<String>,
    show_all: bool,
    start: Option<DateTime<Utc>>,
}

impl Filter {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let text = |name: &str| call.query.filter(name).map(str::to_owned);
        let start = call.query.filter("start").map(|text| {
            // Read leniently, a day may have blanks, a sign or fewer digits.
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()
                .filter(|day| text.len() == 10 && day.to_string() == text);
            let bad = || ApiError::bad_request(format!("start: {text} is not a day such as 2024-05-06"));
            day.map(|day| day.and_time(NaiveTime::MIN).and_utc()).ok_or_else(bad)
        });
        let (component, workflow) = (text("component"), text("workflow"));
        let both = component.is_some() && workflow.is_some();
        let start = start.transpose()?.filter(|_| both);
        Ok(Self { component, workflow, show_all: call.query.get("showAll") == Some("true"), start })
    }

    fn keeps(&self, backfill: &Backfill) -> bool {
        let id = &backfill.spec.workflow;
        (self.show_all || backfill.is_open())
            && self.component.as_deref().is_none_or(|component| component == id.component())
            && self.workflow.as_deref().is_none_or(|workflow| workflow == id.workflow())
            && self.start.is_none_or(|start| backfill.spec.start >= start)
    }
}
