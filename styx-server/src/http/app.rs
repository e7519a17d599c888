//! What requests are answered with.

use std::sync::Arc;

use axum::body::Bytes;
use styx_client::Readiness;
use styx_core::{
    id::WorkflowId,
    log::{Definition, Definitions, LogReader},
    workflow::Rules,
};
use styx_engine::{clock::Clock, engine::EngineHandle};
use tokio::sync::{Semaphore, watch};

use super::{Aside, Guard, revised::Revised};
use crate::{
    auth::Access, checkpoints::Checkpoints, disk::Disk, health::Health, metrics::Metrics, settings::HttpSettings,
    tail::Watched, views::Descriptions,
};

/// What requests are answered with: the parts of a server, and what is kept between requests.
pub(crate) struct App {
    /// Takes writes, and reads what is durable.
    pub(crate) engine: EngineHandle,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// Which web pages may ask.
    pub(crate) guard: Guard,
    /// Who may ask.
    pub(crate) access: Access,
    /// Limits.
    pub(crate) http: HttpSettings,
    /// The disk of the data folder, on which space must be left.
    pub(crate) disk: Arc<Disk>,
    /// What workflows must keep to.
    pub(crate) rules: Rules,
    /// Whether the executor runs workflows that no file defines.
    pub(crate) runs_api_workflows: bool,
    /// A trigger may only set variables that the workflow's own environment has.
    pub(crate) declared_env_only: bool,
    /// What workflows are, by the record that stores them.
    pub(crate) definitions: Definitions,
    /// Lists of workflows as they were made last, by component; without one, of all.
    pub(crate) lists: Revised<Option<String>, Bytes>,
    /// What workflows were when they were asked for last.
    pub(crate) present: Revised<WorkflowId, Arc<Definition>>,
    /// How many requests more may wait for records, so that others find a connection.
    pub(crate) waits: Semaphore,
    /// Threads that may wait for the disk.
    pub(crate) aside: Aside,
    /// Makes checkpoints of the log.
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// Where the log ends, what decisions follow now, and the revision of what workflows are.
    pub(crate) watched: Watched,
    /// What is measured.
    pub(crate) metrics: Arc<Metrics>,
    /// How the server is.
    pub(crate) health: Arc<Health>,
    /// Whether the server was told to stop: whoever waits for something waits no longer.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The parts of a server that requests need, as [`App`] describes them.
pub(crate) struct Parts {
    pub(crate) engine: EngineHandle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guard: Guard,
    pub(crate) access: Access,
    pub(crate) http: HttpSettings,
    pub(crate) disk: Arc<Disk>,
    pub(crate) rules: Rules,
    pub(crate) runs_api_workflows: bool,
    pub(crate) declared_env_only: bool,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) watched: Watched,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl App {
    /// Nothing is kept yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            engine,
            clock,
            guard,
            access,
            http,
            disk,
            rules,
            runs_api_workflows,
            declared_env_only,
            checkpoints,
            watched,
            metrics,
            health,
            stopping,
        } = parts;
        let waits = Semaphore::new(http.max_waits());
        Self {
            engine,
            clock,
            guard,
            access,
            http,
            disk,
            rules,
            runs_api_workflows,
            declared_env_only,
            definitions: Definitions::default(),
            lists: Revised::default(),
            present: Revised::default(),
            waits,
            aside: Aside::default(),
            checkpoints,
            watched,
            metrics,
            health,
            stopping,
        }
    }

    /// How the server is, with why.
    pub(super) fn readiness(&self) -> Readiness {
        let clock = self.engine.clock_status();
        self.health.readiness(self.disk.refusal(), clock.holds().then(|| clock.to_string()))
    }

    /// Spells out what executions ran.
    pub(super) fn descriptions<'a>(&'a self, reader: &'a dyn LogReader) -> Descriptions<'a> {
        Descriptions::new(reader, &self.definitions, self.declared_env_only)
    }
}
