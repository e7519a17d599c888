//! What runs and what happened, and who may use a service account (E-23 to E-25).

use std::collections::{BTreeSet, VecDeque};

use axum::response::Response;
use styx_client::{Explanation, TestServiceAccountUsageRequest, TestServiceAccountUsageResponse, json};
use styx_core::{
    explain::{self, Reason},
    id::InstanceId,
    log::{LogError, LogReader},
    world::{Row, RowKey, RowScope},
};
use styx_engine::clock::ClockStatus;

use super::{
    named::Named,
    pieces::{self, PIECE, Pieces},
};
use crate::{
    http::{
        Call,
        response::{ApiError, ok},
    },
    views::{
        self, Descriptions,
        events::Events,
        waits::{self, Waits},
    },
};

/// E-23.
pub(super) async fn events(call: &Call, instance: InstanceId) -> Result<Response, ApiError> {
    let moment = call.moment();
    let named = Named::find(call, moment.reader(), &instance)?;
    let events = Events::of(named.instance.clone());
    Ok(named.mark(pieces::answer(call, moment, EventList { events, opened: false, begun: false }).await?))
}

/// The events of an instance, made piece by piece.
struct EventList {
    events: Events,
    opened: bool,
    begun: bool,
}

impl Pieces for EventList {
    fn has_ended(&self) -> bool {
        self.events.has_ended()
    }

    fn next_piece(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<String, LogError> {
        let mut piece = String::new();
        if !std::mem::replace(&mut self.opened, true) {
            piece += r#"{"events":["#;
        }
        while piece.len() < PIECE && !self.events.has_ended() {
            for event in self.events.next_page(reader, descriptions)? {
                if std::mem::replace(&mut self.begun, true) {
                    piece.push(',');
                }
                piece += &json::to_string(&event).unwrap_or_else(|_| "null".to_owned());
            }
        }
        if self.events.has_ended() {
            piece += "]}";
        }
        Ok(piece)
    }
}

/// E-24: nothing restricts who may use which service account, so everybody may, and there is nothing to say about it.
pub(super) fn test_service_account(call: &Call) -> Result<Response, ApiError> {
    let TestServiceAccountUsageRequest { service_account, principal } = call.payload.parse()?;
    Ok(ok(&TestServiceAccountUsageResponse {
        authorized: true,
        blacklisted: false,
        message: None,
        service_account,
        principal,
    }))
}

/// E-25.
pub(super) async fn active_states(call: &Call) -> Result<Response, ApiError> {
    let scopes = scopes(call)?.into();
    pieces::answer(call, call.moment(), States { scopes, after: None, opened: false, begun: false, ended: false }).await
}

/// Why an instance waits, in words; of one that isn't active, why there is nothing to wait for. Only for the place of a queued
/// run in its line the engine is asked.
pub(super) async fn explain(call: &Call, instance: InstanceId) -> Result<Response, ApiError> {
    let moment = call.moment();
    let named = Named::find(call, moment.reader(), &instance)?;
    if let Some(problem) = &named.problem {
        return Err(ApiError::not_found(problem.to_string()));
    }
    let instance = named.instance.clone();
    let clock = call.app.engine.clock_status();
    let clock = (clock != ClockStatus::Agrees).then(|| clock.to_string());
    let with_clock = |reasons: &[Reason]| reasons.iter().map(ToString::to_string).chain(clock.clone()).collect();
    let asked = instance.clone();
    let mut waits = call.read_at(&moment, move |moment| waits::waits(moment.reader(), &asked)).await?;
    if matches!(waits, Waits::InLine) {
        let asked = instance.clone();
        let reasons = call.look(move |world, now| explain::explain(world, &asked, now.at)).await?;
        if let Some(reasons) = reasons {
            return Ok(named.mark(ok(&Explanation { reasons: with_clock(&reasons) })));
        }
        // It has ended meanwhile.
        waits = call.read(move |reader| waits::waits(reader, &instance)).await?;
    }
    match waits {
        Waits::For(reason) => Ok(named.mark(ok(&Explanation { reasons: with_clock(&[reason]) }))),
        Waits::Owed(reasons) => {
            let reasons = reasons.into_iter().chain(clock).collect();
            Ok(named.mark(ok(&Explanation { reasons })))
        }
        Waits::NoRun(text) => Err(ApiError::not_found(clock.map_or(text.clone(), |clock| format!("{text}; {clock}")))),
        // A run that was triggered again meanwhile.
        Waits::InLine => Ok(named.mark(ok(&Explanation { reasons: vec![Reason::Next.to_string()] }))),
    }
}

/// Active runs, made piece by piece, by component, workflow and parameter.
struct States {
    scopes: VecDeque<RowScope>,
    after: Option<RowKey>,
    opened: bool,
    begun: bool,
    ended: bool,
}

impl States {
    /// How many rows are read at a time.
    const PAGE: usize = 50;
}

impl Pieces for States {
    fn has_ended(&self) -> bool {
        self.ended
    }

    fn next_piece(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<String, LogError> {
        let mut piece = String::new();
        if !std::mem::replace(&mut self.opened, true) {
            piece += r#"{"active_states":["#;
        }
        while piece.len() < PIECE {
            let Some(scope) = self.scopes.front() else {
                piece += "]}";
                self.ended = true;
                break;
            };
            let rows = reader.scan(scope, self.after.as_ref(), Self::PAGE)?;
            self.after = rows.last().map(|(key, _)| key.clone());
            if rows.len() < Self::PAGE {
                self.scopes.pop_front();
                self.after = None;
            }
            for (key, row) in rows {
                if let (RowKey::Run(instance), Row::Run(run)) = (key, row) {
                    if std::mem::replace(&mut self.begun, true) {
                        piece.push(',');
                    }
                    let state = views::states::state(&instance, &run, descriptions)?;
                    piece += &json::to_string(&state).unwrap_or_else(|_| "null".to_owned());
                }
            }
        }
        Ok(piece)
    }
}

/// Which runs are asked for.
fn scopes(call: &Call) -> Result<Vec<RowScope>, ApiError> {
    let of = |component: Option<&str>, workflow: Option<&str>| RowScope::Runs {
        component: component.map(Into::into),
        workflow: workflow.map(Into::into),
    };
    if let Some(components) = call.query.filter("components") {
        let components: BTreeSet<&str> = components.split(',').filter(|component| !component.is_empty()).collect();
        return Ok(components.into_iter().map(|component| of(Some(component), None)).collect());
    }
    match (call.query.filter("component"), call.query.filter("workflow")) {
        (None, Some(_)) => Err(ApiError::bad_request("No component id specified!")),
        (component, workflow) => Ok(vec![of(component, workflow)]),
    }
}
