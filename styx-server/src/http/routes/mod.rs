//! The routes: one function for each endpoint.

mod backfills;
mod config;
mod instances;
pub(super) mod log;
mod named;
mod pieces;
mod resources;
mod scheduler;
mod status;
mod workflows;

use std::sync::Arc;

use axum::response::Response;
use hyper::StatusCode;
use styx_core::id::{InstanceId, WorkflowId};

use super::{
    App, Call,
    response::{ApiError, plain, pong, readiness, text},
    router::Route,
};
use crate::metrics;

/// What `GET /` says.
pub(super) const INDEX: &str = "\
Styx is running. It triggers workflows by schedule and sees each run through.

With the command line tool:
  export STYX_CLI_HOST=http://localhost:8080     (the address that you see this at)
  styx ls                                        what runs now
  styx workflow ls                               all workflows
  styx trigger COMPONENT WORKFLOW PARAMETER      start a run, e.g. of 2026-01-31
  styx events COMPONENT WORKFLOW PARAMETER       what happened to it

Or with curl:
  curl http://localhost:8080/api/v3/workflows
  curl http://localhost:8080/api/v3/status/activeStates
  curl http://localhost:8080/api/v3/status/events/COMPONENT/WORKFLOW/PARAMETER
";

/// All that is measured; the text is made where waiting for the counting thread holds up nobody.
pub(super) async fn metrics(app: Arc<App>) -> Result<Response, ApiError> {
    let metrics = Arc::clone(&app.metrics);
    if let Some(why) = metrics.stopped() {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why));
    }
    metrics.clock.show(app.engine.clock_status());
    let text = app.aside.scrape(move || metrics.encode()).await;
    let text = text.map_err(|panic| ApiError::internal("-", "Panic", panic))?;
    let text = text.map_err(|error| ApiError::internal("-", "Metrics", error))?;
    Ok(plain(metrics::CONTENT_TYPE, text))
}

/// Answers a route.
pub(super) async fn answer(call: &Call, route: Route<'_>) -> Result<Response, ApiError> {
    match route {
        Route::Index => Ok(text(INDEX)),
        Route::Ping => Ok(pong()),
        Route::Ready => Ok(readiness(&call.app.readiness())),
        Route::Metrics => metrics(Arc::clone(&call.app)).await,
        Route::Workflows => workflows::list(call, None).await,
        Route::ComponentWorkflows { component } => workflows::list(call, Some(component)).await,
        Route::Workflow { component, workflow } => workflows::get(call, WorkflowId::new(component, workflow)).await,
        Route::FullWorkflow { component, workflow } => {
            workflows::get_full(call, WorkflowId::new(component, workflow)).await
        }
        Route::StoreWorkflow { component } => workflows::store(call, component).await,
        Route::DeleteWorkflow { component, workflow } => {
            workflows::delete(call, WorkflowId::new(component, workflow)).await
        }
        Route::WorkflowState { component, workflow } => {
            workflows::state(call, WorkflowId::new(component, workflow)).await
        }
        Route::PatchState { component, workflow } => {
            workflows::patch_state(call, WorkflowId::new(component, workflow)).await
        }
        Route::Instances { component, workflow } => instances::list(call, WorkflowId::new(component, workflow)).await,
        Route::Instance { component, workflow, parameter } => {
            instances::get(call, InstanceId::new(WorkflowId::new(component, workflow), parameter)).await
        }
        Route::Events { component, workflow, parameter } => {
            status::events(call, InstanceId::new(WorkflowId::new(component, workflow), parameter)).await
        }
        Route::TestServiceAccount => status::test_service_account(call),
        Route::ActiveStates => status::active_states(call).await,
        Route::Trigger => scheduler::trigger(call).await,
        Route::Halt => scheduler::halt(call).await,
        Route::Retry => scheduler::retry(call).await,
        Route::Checkpoints => log::list_checkpoints(call).await,
        Route::MakeCheckpoint => log::make_checkpoint(call).await,
        Route::Records => log::records(call).await,
        Route::Resources => resources::list(call).await,
        Route::CreateResource => resources::create(call).await,
        Route::Resource { id } => resources::get(call, id).await,
        Route::EditResource { id } => resources::edit(call, id).await,
        Route::DeleteResource { id } => resources::delete(call, id).await,
        Route::Backfills => backfills::list(call).await,
        Route::CreateBackfill => backfills::create(call).await,
        Route::Backfill { id } => backfills::get(call, id).await,
        Route::EditBackfill { id } => backfills::edit(call, id).await,
        Route::HaltBackfill { id } => backfills::halt(call, id).await,
        Route::InjectEvent => scheduler::inject(call).await,
        Route::Config => config::get(call).await,
        Route::ChangeConfig => config::change(call).await,
        Route::Explain { component, workflow, parameter } => {
            status::explain(call, InstanceId::new(WorkflowId::new(component, workflow), parameter)).await
        }
        Route::ScheduleState { component, workflow } => {
            workflows::schedule_state(call, WorkflowId::new(component, workflow))
        }
        Route::Owed => workflows::owed(call).await,
        Route::EndExecution { id } => scheduler::end_execution(call, id).await,
    }
}
