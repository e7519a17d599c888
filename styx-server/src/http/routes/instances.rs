//! What ran for the instances of a workflow (E-09, E-10).

use std::collections::VecDeque;

use axum::response::Response;
use chrono::{DateTime, Utc};
use styx_core::{
    id::{InstanceId, WorkflowId},
    log::{LogError, LogReader},
    schedule::{Offset, Schedule},
};

use super::{
    named::Named,
    pieces::{self, PIECE, Pieces},
    workflows::find_in,
};
use crate::{
    http::{Call, moment::Moment, response::ApiError},
    views::{
        Descriptions,
        history::{InstanceHistory, without_triggers},
        instances::Instances,
        workflows,
    },
};

/// How many instances a list has unless it is said.
const DEFAULT_LIMIT: i64 = 168;
/// How many periods `tail` may reach back: some schedules have to be gone through one by one.
const MAX_TAIL: i64 = 1_000_000;

/// E-09.
pub(super) async fn list(call: &Call, id: WorkflowId) -> Result<Response, ApiError> {
    let limit = limit(call)?;
    let moment = call.moment();
    if call.query.is_true("tail") {
        let list = tail(call, &moment, id, limit).await?;
        return pieces::answer(call, moment, list).await;
    }
    let instances = if let Some(start) = call.query.filter("start") {
        let range = Instances::from(id, start, usize::MAX);
        call.query.filter("stop").into_iter().fold(range, Instances::up_to)
    } else {
        let at_most = if limit <= 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        Instances::from(id, call.query.filter("offset").unwrap_or_default(), at_most)
    };
    pieces::answer(call, moment, List::of(instances)).await
}

/// E-10.
pub(super) async fn get(call: &Call, instance: InstanceId) -> Result<Response, ApiError> {
    let moment = call.moment();
    let named = Named::find(call, moment.reader(), &instance)?;
    let id = named.instance.clone();
    let find = move |moment: &Moment| InstanceHistory::find(moment.reader(), &id, &instance, &moment.descriptions());
    let Some(history) = call.read_at(&moment, find).await? else {
        let refusal = ApiError::not_found("Workflow instance not found");
        return Ok(named.mark(refusal.into_response(Some(&call.operator.request_id))));
    };
    let history =
        history.map_err(|problem| ApiError::internal(&call.operator.request_id, "UntellableHistory", problem))?;
    Ok(named.mark(pieces::answer(call, moment, One { history, ended: false }).await?))
}

/// The history of one instance.
struct One {
    history: InstanceHistory,
    ended: bool,
}

impl Pieces for One {
    fn has_ended(&self) -> bool {
        self.ended
    }

    fn next_piece(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<String, LogError> {
        let mut piece = String::new();
        self.ended = self.history.add_to(&mut piece, PIECE, reader, descriptions)?;
        Ok(piece)
    }
}

fn limit(call: &Call) -> Result<i64, ApiError> {
    let Some(text) = call.query.get("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    text.parse()
        .map_err(|_| ApiError::bad_request(format!("limit: {text} is not a whole number such as {DEFAULT_LIMIT}")))
}

/// The instances of the last periods before the next natural trigger.
async fn tail(call: &Call, moment: &Moment, id: WorkflowId, limit: i64) -> Result<List, ApiError> {
    if limit > MAX_TAIL {
        return Err(ApiError::bad_request(format!("limit: {limit} is more than {MAX_TAIL}, the most with tail")));
    }
    let workflow = find_in(moment.reader(), id.clone()).map_err(|error| call.unreadable(&error))?;
    let workflow = workflow.ok_or_else(|| ApiError::not_found("Could not find workflow."))?;
    let next = workflows::state(&workflow, call.app.clock.now()).next_natural_trigger;
    let next = next.ok_or_else(|| ApiError::not_found("No next natural trigger for workflow."))?;
    let (schedule, offset) =
        workflow.spec.triggers().map_err(|error| ApiError::internal(&call.operator.request_id, "Schedule", error))?;
    let at_most = if limit <= 0 { 0 } else { usize::MAX };
    // Some schedules are gone through step by step, which is nothing for a thread that serves others.
    let list = call.read(move |_| {
        if offset.has_months() {
            let tail = Tail::new(schedule, offset, next, limit);
            return Ok(List { tail: Some(tail.clone()), ..List::of(tail.around(id, at_most)) });
        }
        let first = schedule.moved(next, -limit.max(0));
        // Where the schedule doesn't reach back so far, its first instance is the first of all.
        let first = first.map(|first| schedule.parameter(first)).unwrap_or_default();
        Ok(List::of(Instances::from(id, &first, at_most).up_to(&schedule.parameter(next))))
    });
    list.await
}

/// The last triggers before one, where they needn't come in the order of their instants.
#[derive(Clone)]
struct Tail {
    schedule: Schedule,
    offset: Offset,
    /// The first; `None` where the schedule doesn't reach back so far.
    first: Option<DateTime<Utc>>,
    /// The trigger that comes after the last.
    end: DateTime<Utc>,
    /// The smallest instant and the greatest.
    bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Tail {
    fn new(schedule: Schedule, offset: Offset, end: DateTime<Utc>, limit: i64) -> Self {
        let (mut first, mut bounds) = (Some(end), None);
        for _ in 0..limit {
            first = first.and_then(|at| schedule.preceding(&offset, at)).map(|trigger| trigger.instant);
            let Some(at) = first else { break };
            let (least, greatest) = bounds.unwrap_or((at, at));
            bounds = Some((at.min(least), at.max(greatest)));
        }
        Self { schedule, offset, first, end, bounds }
    }

    /// All instances between the smallest instant and the greatest.
    fn around(&self, id: WorkflowId, at_most: usize) -> Instances {
        let Some((least, greatest)) = self.bounds else { return Instances::from(id, "", 0) };
        let start = self.first.map(|_| self.schedule.parameter(least)).unwrap_or_default();
        let end = self.schedule.next(greatest).map(|next| self.schedule.parameter(next));
        end.iter().fold(Instances::from(id, &start, at_most), |instances, end| instances.up_to(end))
    }

    /// Whether an instance is no later trigger, and none before the first.
    fn keeps(&self, instance: &InstanceId) -> bool {
        let Ok(instant) = self.schedule.partition(instance.parameter()) else { return true };
        let place = |instant| (self.offset.add_to(instant), instant);
        place(instant) < place(self.end) && self.first.is_none_or(|first| place(first) <= place(instant))
    }
}

/// A JSON list of instances with their histories, made piece by piece.
struct List {
    instances: Instances,
    /// Which of them are kept; all without it.
    tail: Option<Tail>,
    waiting: VecDeque<InstanceId>,
    /// Of the instance that is being told.
    history: Option<InstanceHistory>,
    begun: bool,
    ended: bool,
}

impl List {
    /// How many instances are looked up at a time.
    const PAGE: usize = 100;

    fn of(instances: Instances) -> Self {
        Self { instances, tail: None, waiting: VecDeque::new(), history: None, begun: false, ended: false }
    }
}

impl Pieces for List {
    fn has_ended(&self) -> bool {
        self.ended
    }

    fn next_piece(&mut self, reader: &dyn LogReader, descriptions: &Descriptions<'_>) -> Result<String, LogError> {
        let mut piece = String::new();
        while piece.len() < PIECE {
            if let Some(history) = &mut self.history {
                if history.add_to(&mut piece, PIECE, reader, descriptions)? {
                    self.history = None;
                }
                continue;
            }
            let Some(instance) = self.waiting.pop_front() else {
                let page = self.instances.next_page(reader, Self::PAGE)?;
                if page.is_empty() {
                    piece += if self.begun { "]" } else { "[]" };
                    self.ended = true;
                    break;
                }
                let keeps = |instance: &InstanceId| self.tail.as_ref().is_none_or(|tail| tail.keeps(instance));
                self.waiting.extend(page.into_iter().filter(keeps));
                continue;
            };
            piece.push(if self.begun { ',' } else { '[' });
            self.begun = true;
            match InstanceHistory::find(reader, &instance, &instance, descriptions)? {
                Some(Ok(history)) => self.history = Some(history),
                Some(Err(problem)) => {
                    tracing::warn!("{instance} is listed without its triggers: {problem}");
                    piece += &without_triggers(&instance);
                }
                None => piece += &without_triggers(&instance),
            }
        }
        Ok(piece)
    }
}
