//! Backfills (E-18 to E-22).

use std::sync::Arc;

use axum::response::Response;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use hyper::StatusCode;
use styx_client::{BackfillInput, BackfillPayload, BackfillsPayload, EditableBackfillInput, RunStateDataPayload, json};
use styx_core::{
    decide::{Reply, Request},
    event::TriggerParameters,
    id::WorkflowId,
    log::{LogError, LogReader, for_each_row},
    record::Runs,
    world::{Backfill, Row, RowKey, RowScope},
};

use super::{
    pieces::{self, PIECE, Pieces},
    scheduler::check_stored,
    workflows::find_stored,
};
use crate::{
    http::{
        Call,
        response::{ApiError, empty, ok},
    },
    views::{
        Descriptions,
        backfills::{self, Partitions},
    },
};

/// E-18.
pub(super) async fn list(call: &Call) -> Result<Response, ApiError> {
    let filter = Filter::of(call)?;
    let with_statuses = call.query.get("status") == Some("true");
    let declared_env_only = call.app.declared_env_only;
    let list = call.read(move |reader| {
        let mut descriptions = Descriptions::new(reader, declared_env_only);
        let mut list = Vec::new();
        for_each_row(reader, &RowScope::Backfills, |key, row| {
            let (RowKey::Backfill(id), Row::Backfill(row)) = (key, row) else {
                return Ok(());
            };
            if filter.keeps(&row) {
                let states = with_statuses.then(|| all_states(reader, &id, &row, &mut descriptions));
                let statuses = states.transpose()?.map(|active_states| RunStateDataPayload { active_states });
                list.push(BackfillPayload { backfill: backfills::backfill(&id, &row), statuses });
            }
            Ok(())
        })?;
        Ok(BackfillsPayload { backfills: list })
    });
    Ok(ok(&list.await?))
}

/// E-19.
pub(super) async fn create(call: &Call) -> Result<Response, ApiError> {
    let asked: BackfillInput = call.payload.parse()?;
    let workflow = WorkflowId::new(asked.component.as_str(), asked.workflow.as_str());
    let found = find_stored(call, &workflow).await?;
    if let Some((_, stored)) = found.filter(|(workflow, _)| workflow.spec.runs == Runs::Image) {
        check_stored(call, &workflow, &stored, asked.trigger_parameters.as_ref())?;
    }
    let concurrency =
        u32::try_from(asked.concurrency).map_err(|_| ApiError::bad_request("concurrency must not be negative"))?;
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
    let made = find(call, &id).await?.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    Ok(ok(&backfills::as_made(&id, &made)))
}

/// E-20.
pub(super) async fn get(call: &Call, id: &str) -> Result<Response, ApiError> {
    let backfill = find(call, id).await?.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    if call.query.get("status").is_some_and(|status| status != "true") {
        return Ok(ok(&BackfillPayload { backfill: backfills::backfill(id, &backfill), statuses: None }));
    }
    let head = json::to_string(&backfills::backfill(id, &backfill))
        .map_err(|error| ApiError::internal(&call.operator.request_id, "JsonError", error))?;
    let view = View {
        head: Some(head),
        partitions: Partitions::of(id, &backfill),
        declared_env_only: call.app.declared_env_only,
        begun: false,
        ended: false,
    };
    pieces::answer(call, view).await
}

/// E-21.
pub(super) async fn edit(call: &Call, id: &str) -> Result<Response, ApiError> {
    let asked: EditableBackfillInput = call.payload.parse()?;
    if asked.id != id {
        return Err(ApiError::bad_request("ID of payload does not match ID in uri."));
    }
    let concurrency = asked.concurrency.map(u32::try_from).transpose();
    let concurrency = concurrency.map_err(|_| ApiError::bad_request("concurrency must not be negative"))?;
    let description = asked.description.map(Into::into);
    call.ask(Request::EditBackfill { id: id.into(), concurrency, description }).await?;
    let edited = find(call, id).await?.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    Ok(ok(&backfills::backfill(id, &edited)))
}

/// E-22.
pub(super) async fn halt(call: &Call, id: &str) -> Result<Response, ApiError> {
    call.ask(Request::HaltBackfill { id: id.into(), graceful: call.query.is_true("graceful") }).await?;
    Ok(empty())
}

async fn find(call: &Call, id: &str) -> Result<Option<Backfill>, ApiError> {
    let key = RowKey::Backfill(id.into());
    Ok(match call.read(move |reader| reader.get(&key)).await? {
        Some(Row::Backfill(backfill)) => Some(backfill),
        _ => None,
    })
}

fn all_states(
    reader: &dyn LogReader,
    id: &str,
    backfill: &Backfill,
    descriptions: &mut Descriptions<'_>,
) -> Result<Vec<styx_client::RunStateData>, LogError> {
    let mut partitions = Partitions::of(id, backfill);
    let mut states = Vec::new();
    while let Some(state) = partitions.next(reader, descriptions)? {
        states.push(state);
    }
    Ok(states)
}

/// A backfill with the states of its instances, made piece by piece.
struct View {
    /// The backfill, until it is sent.
    head: Option<String>,
    partitions: Partitions,
    declared_env_only: bool,
    begun: bool,
    ended: bool,
}

impl Pieces for View {
    fn has_ended(&self) -> bool {
        self.ended
    }

    fn next_piece(&mut self, reader: &dyn LogReader) -> Result<String, LogError> {
        let mut piece = String::new();
        if let Some(head) = self.head.take() {
            piece = format!(r#"{{"backfill":{head},"statuses":{{"active_states":["#);
        }
        let mut descriptions = Descriptions::new(reader, self.declared_env_only);
        while piece.len() < PIECE {
            let Some(state) = self.partitions.next(reader, &mut descriptions)? else {
                piece += "]}}";
                self.ended = true;
                break;
            };
            if std::mem::replace(&mut self.begun, true) {
                piece.push(',');
            }
            piece += &json::to_string(&state).unwrap_or_else(|_| "null".to_owned());
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
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
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
