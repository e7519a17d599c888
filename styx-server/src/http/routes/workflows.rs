//! Workflows and their switches (E-02 to E-08, E-12).

use std::{collections::VecDeque, sync::Arc};

use axum::{body::Bytes, response::Response};
use chrono::{DateTime, SubsecRound, Utc};
use hyper::StatusCode;
use styx_client::{OwedPayload, WorkflowState, json};
use styx_core::{
    decide::{Refusal, Reply, Request},
    id::WorkflowId,
    log::{Definition, LogError, LogReader, for_each_row},
    record::{Origin, Runs, StoredWorkflow},
    workflow::{Finding, JsonError, WorkflowConfiguration, check, launch_errors, parse_instant},
    world::{Row, RowKey, RowScope, Workflow},
};

use super::pieces::{self, PIECE, Pieces};
use crate::{
    http::{
        App, Call,
        request::camel_case,
        response::{ApiError, after, no_content, ok, ok_raw, owing},
    },
    views::{self, Descriptions},
};

/// E-02, and E-03 for one component.
pub(super) async fn list(call: &Call, component: Option<&str>) -> Result<Response, ApiError> {
    let all = component.is_none();
    let full = all && call.query.get("full").is_some();
    let filter = if all { Filter::of(call)? } else { Filter::default() };
    // What is kept has no states in it, which change with every natural trigger.
    let revision = call.app.watched.revision.settled().filter(|_| !full && filter.is_empty());
    if let Some(list) = revision.and_then(|revision| call.app.lists.get(revision, &component.map(str::to_owned))) {
        return Ok(ok_raw(list));
    }
    let moment = call.moment();
    let scope = RowScope::Workflows { component: component.map(Into::into) };
    let waiting = call.read_at(&moment, move |moment| {
        let (mut found, mut owing) = (Vec::new(), 0);
        for_each_row(moment.reader(), &scope, |key, row| {
            if let (RowKey::Workflow(id), Row::Workflow(workflow)) = (key, row) {
                owing += usize::from(full && !workflow.owed.is_empty());
                found.push((id.key(), id));
            }
            Ok(())
        })?;
        found.sort_unstable();
        Ok((found.into_iter().map(|(_, id)| id).collect(), owing))
    });
    let (waiting, count) = waiting.await?;
    let shown_at = full.then(|| call.app.clock.now());
    let app = Arc::clone(&call.app);
    let list = List { app, waiting, filter, shown_at, opened: false, begun: false, ended: false };
    let Some(revision) = revision else { return Ok(owing(count, pieces::answer(call, moment, list).await?)) };
    let (first, list) = pieces::begin(call, &moment, list, MOST_KEPT).await?;
    if !list.ended {
        return Ok(pieces::go_on(call, moment, first, list));
    }
    let whole = Bytes::from(first);
    call.app.lists.keep(revision, component.map(str::to_owned), whole.clone(), whole.len());
    Ok(ok_raw(whole))
}

/// A list of about so many bytes is kept for whoever asks for it next; a longer one is made while it is sent.
const MOST_KEPT: usize = 4 * 1024 * 1024;

/// Workflows, made piece by piece: by key, which isn't quite the order of their rows.
struct List {
    app: Arc<App>,
    waiting: VecDeque<WorkflowId>,
    filter: Filter,
    /// With their states at this time.
    shown_at: Option<DateTime<Utc>>,
    opened: bool,
    begun: bool,
    ended: bool,
}

impl Pieces for List {
    fn has_ended(&self) -> bool {
        self.ended
    }

    fn next_piece(&mut self, reader: &dyn LogReader, _: &Descriptions<'_>) -> Result<String, LogError> {
        let mut piece = String::new();
        if !std::mem::replace(&mut self.opened, true) {
            piece.push('[');
        }
        while piece.len() < PIECE {
            let Some(id) = self.waiting.pop_front() else {
                piece.push(']');
                self.ended = true;
                break;
            };
            let Some(workflow) = find_in(reader, id.clone())? else { continue };
            let definition = self.app.definitions.get(reader, workflow.stored_at)?;
            let stored = &definition.stored;
            if !self.filter.keeps(&id, &stored.json) {
                continue;
            }
            if std::mem::replace(&mut self.begun, true) {
                piece.push(',');
            }
            piece += &match self.shown_at {
                Some(now) => views::workflows::with_state(&id, &stored.json, &workflow, now),
                None => views::workflows::workflow(&id, &stored.json),
            };
        }
        Ok(piece)
    }
}

/// E-04.
pub(super) async fn get(call: &Call, id: WorkflowId) -> Result<Response, ApiError> {
    let found = find_stored(call, &id)?;
    let (_, definition) = found.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    Ok(ok_raw(views::workflows::workflow(&id, &definition.stored.json)))
}

/// E-07.
pub(super) async fn get_full(call: &Call, id: WorkflowId) -> Result<Response, ApiError> {
    let found = find_stored(call, &id)?;
    let (workflow, definition) = found.ok_or_else(|| ApiError::standard(StatusCode::NOT_FOUND))?;
    let shown = views::workflows::with_state(&id, &definition.stored.json, &workflow, call.app.clock.now());
    Ok(owing(usize::from(!workflow.owed.is_empty()), ok_raw(shown)))
}

/// E-05.
pub(super) async fn store(call: &Call, component: &str) -> Result<Response, ApiError> {
    let payload = call.payload.required()?;
    let mut configuration = read_configuration(payload)?;
    configuration.deployment_time = Some(call.app.clock.now().trunc_subsecs(3));
    let id = WorkflowId::new(component, configuration.id.as_str());
    let mut rules = call.app.rules;
    // What no executor here will ever run needs no program.
    rules.needs_program &= call.app.runs_api_workflows;
    let errors = check(component, &configuration.id, &configuration, &rules);
    if !errors.is_empty() {
        return Err(invalid(&errors));
    }
    let workflow = Arc::new(StoredWorkflow::new(&configuration, Origin::Api));
    let stored = match call.ask(Request::StoreWorkflow { id: id.clone(), workflow: Arc::clone(&workflow) }).await? {
        Reply::Stored(stored) => stored,
        _ => workflow,
    };
    Ok(ok_raw(views::workflows::workflow(&id, &stored.json)))
}

/// E-06.
pub(super) async fn delete(call: &Call, id: WorkflowId) -> Result<Response, ApiError> {
    if find(call, &id)?.is_none() && !call.is_repeated()? {
        return Err(ApiError::not_found("Workflow does not exist"));
    }
    call.ask(Request::DeleteWorkflow { id }).await?;
    Ok(no_content())
}

/// E-08: an unknown workflow has a state too (B-2).
pub(super) async fn state(call: &Call, id: WorkflowId) -> Result<Response, ApiError> {
    Ok(ok(&state_of(call, &id)?))
}

/// What [`state`] shows, and what comes before the next trigger.
pub(super) fn schedule_state(call: &Call, id: WorkflowId) -> Result<Response, ApiError> {
    let workflow = find(call, &id)?.ok_or_else(|| ApiError::not_found(format!("there is no workflow {id}")))?;
    Ok(ok(&views::workflows::schedule_state(&workflow, call.app.clock.now())))
}

/// All workflows that owe instants under earlier schedules.
pub(super) async fn owed(call: &Call) -> Result<Response, ApiError> {
    let scope = RowScope::Workflows { component: None };
    let owing = call.read(move |reader| {
        let mut found = Vec::new();
        for_each_row(reader, &scope, |key, row| {
            if let (RowKey::Workflow(id), Row::Workflow(workflow)) = (key, row)
                && !workflow.owed.is_empty()
            {
                found.push((id.key(), views::workflows::owes(&id, &workflow)));
            }
            Ok(())
        })?;
        found.sort_unstable_by(|(key, _), (other, _)| key.cmp(other));
        Ok(found.into_iter().map(|(_, workflow)| workflow).collect())
    });
    Ok(ok(&OwedPayload { workflows: owing.await? }))
}

/// E-12.
pub(super) async fn patch_state(call: &Call, id: WorkflowId) -> Result<Response, ApiError> {
    let payload = call.payload.required()?;
    if find(call, &id)?.is_none() && !call.is_repeated()? {
        return Err(Refusal::UnknownWorkflow.into());
    }
    let patch: WorkflowState = json::from_slice(payload).map_err(|_| ApiError::bad_request("Invalid payload."))?;
    if patch.enabled == Some(true) && !call.is_repeated()? {
        launchable(call, &id)?;
    }
    let request = Request::PatchWorkflow {
        id: id.clone(),
        enabled: patch.enabled,
        next_instant: patch.next_natural_trigger,
        next_fires_at: patch.next_natural_offset_trigger,
    };
    let reply = call.ask(request).await?;
    let response = ok(&state_of(call, &id)?);
    Ok(after(&reply, response))
}

/// Refuses a workflow that could be launched by no means: one that a version before this one has stored, or another executor
/// would run.
pub(super) fn launchable(call: &Call, id: &WorkflowId) -> Result<(), ApiError> {
    let Some((workflow, definition)) = find_stored(call, id)?.filter(|(found, _)| found.spec.runs == Runs::Image)
    else {
        return Ok(());
    };
    let is_run = call.app.runs_api_workflows || workflow.file().is_some();
    let configuration = definition.configuration().map_err(ApiError::bad_request)?;
    let errors = launch_errors(id.component(), configuration, call.app.rules.needs_program && is_run);
    if errors.is_empty() { Ok(()) } else { Err(invalid(&errors)) }
}

/// What is wrong with a workflow, or with what a trigger sets.
fn invalid(findings: &[Finding]) -> ApiError {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    ApiError::bad_request(format!("Invalid workflow configuration: [{}]", texts.join(", ")))
}

/// The row of a workflow.
pub(super) fn find(call: &Call, id: &WorkflowId) -> Result<Option<Workflow>, ApiError> {
    call.read_now(|reader| find_in(reader, id.clone()))
}

/// The row of a workflow and what it stores.
pub(super) fn find_stored(call: &Call, id: &WorkflowId) -> Result<Option<(Workflow, Arc<Definition>)>, ApiError> {
    call.read_now(|reader| {
        let Some(workflow) = find_in(reader, id.clone())? else {
            return Ok(None);
        };
        let definition = call.app.definitions.get(reader, workflow.stored_at)?;
        Ok(Some((workflow, definition)))
    })
}

/// What a workflow is: its spec and configuration, not its switch and cursor.
pub(super) fn find_definition(call: &Call, id: &WorkflowId) -> Result<Option<Arc<Definition>>, ApiError> {
    let revision = call.app.watched.revision.settled();
    if let Some(known) = revision.and_then(|revision| call.app.present.get(revision, id)) {
        return Ok(Some(known));
    }
    let Some((_, definition)) = find_stored(call, id)? else {
        return Ok(None);
    };
    if let Some(revision) = revision {
        // Beside its JSON, an entry holds ids, the spec, and a configuration that was read.
        const OVERHEAD: usize = 1_024;
        let bytes = 2 * definition.stored.json.len() + OVERHEAD;
        call.app.present.keep(revision, id.clone(), Arc::clone(&definition), bytes);
    }
    Ok(Some(definition))
}

/// The row of a workflow.
pub(super) fn find_in(reader: &dyn LogReader, id: WorkflowId) -> Result<Option<Workflow>, LogError> {
    Ok(match reader.get(&RowKey::Workflow(id))? {
        Some(Row::Workflow(workflow)) => Some(workflow),
        _ => None,
    })
}

fn state_of(call: &Call, id: &WorkflowId) -> Result<WorkflowState, ApiError> {
    let now = call.app.clock.now();
    let workflow = find(call, id)?;
    let unknown = WorkflowState { enabled: Some(false), ..WorkflowState::default() };
    Ok(workflow.map_or(unknown, |workflow| views::workflows::state(&workflow, now)))
}

fn read_configuration(payload: &[u8]) -> Result<WorkflowConfiguration, ApiError> {
    let invalid = |text: String| ApiError::bad_request(format!("Invalid payload. {text}"));
    let text = std::str::from_utf8(payload).map_err(|error| invalid(error.to_string()))?;
    WorkflowConfiguration::from_json(text).map_err(|error| match &error {
        JsonError::NullElement { path, .. } if path == "env" => {
            ApiError::bad_request(format!("Invalid workflow configuration: [{error}]"))
        }
        JsonError::Missing { path } => {
            let field = path.rsplit('.').next().unwrap_or_default();
            invalid(format!("{error}, problem: {}", camel_case(field)))
        }
        _ => invalid(error.to_string()),
    })
}

/// The filters of E-02.
#[derive(Debug, Default)]
struct Filter {
    source: Option<String>,
    before: Option<DateTime<Utc>>,
    after: Option<DateTime<Utc>>,
}

impl Filter {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let instant = |name: &str| {
            let Some(text) = call.query.filter(name) else {
                return Ok(None);
            };
            // Not the number of seconds that bodies may have.
            let instant = parse_instant(text).filter(|_| text.ends_with('Z'));
            let bad =
                || ApiError::bad_request(format!("{name}: {text} is not an instant such as 2024-05-06T07:00:00Z"));
            instant.map(Some).ok_or_else(bad)
        };
        Ok(Self {
            source: call.query.filter("deployment_type").map(str::to_owned),
            before: instant("deployment_time_before")?,
            after: instant("deployment_time_after")?,
        })
    }

    /// Keeps all.
    fn is_empty(&self) -> bool {
        self.source.is_none() && self.before.is_none() && self.after.is_none()
    }

    fn keeps(&self, id: &WorkflowId, stored_json: &str) -> bool {
        if self.is_empty() {
            return true;
        }
        let configuration = match WorkflowConfiguration::from_json(stored_json) {
            Ok(configuration) => configuration,
            Err(error) => {
                tracing::warn!("workflow {id} is left out of the list, its stored form can't be read: {error}");
                return false;
            }
        };
        let source = configuration.deployment_source.as_ref().map(|source| &source.source);
        let at = configuration.deployment_time;
        self.source.as_ref().is_none_or(|wanted| source == Some(wanted))
            && self.before.is_none_or(|before| at.is_some_and(|at| at < before))
            && self.after.is_none_or(|after| at.is_some_and(|at| at > after))
    }
}
