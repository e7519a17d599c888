//! Stored workflows as launches and requests need them again and again: a record never changes, so what it stores is read once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{LogError, Rows, stored_workflow};
use crate::{
    id::{Position, WorkflowId},
    stored_workflow::StoredWorkflow,
    workflow::{Rules, WorkflowConfiguration, check},
};

/// What a record stores.
#[derive(Debug)]
pub struct Definition {
    /// As the record has it.
    pub stored: Arc<StoredWorkflow>,
    configuration: OnceLock<Result<WorkflowConfiguration, String>>,
    /// All that is wrong with it, with commas.
    errors: OnceLock<String>,
}

impl Definition {
    /// The configuration.
    ///
    /// # Errors
    ///
    /// When the JSON of the record can't be read: why.
    pub fn configuration(&self) -> Result<&WorkflowConfiguration, &str> {
        let read = || WorkflowConfiguration::from_json(&self.stored.json).map_err(|error| error.to_string());
        self.configuration.get_or_init(read).as_ref().map_err(String::as_str)
    }

    /// The configuration of workflow `id`, if it is valid.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, with commas.
    pub fn valid(&self, id: &WorkflowId, rules: &Rules) -> Result<&WorkflowConfiguration, &str> {
        let configuration = self.configuration()?;
        let errors = self.errors.get_or_init(|| {
            let errors = check(id.component(), id.workflow(), configuration, rules);
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        });
        if errors.is_empty() { Ok(configuration) } else { Err(errors) }
    }
}

/// Definitions by the record that holds them. It may be shared between threads: no lock is held while a record is read.
#[derive(Debug, Default)]
pub struct Definitions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_position: BTreeMap<Position, Arc<Definition>>,
    bytes: usize,
}

impl Definitions {
    /// When so many bytes of JSON are kept, all are let go.
    const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// What the record at `position` stores.
    ///
    /// # Errors
    ///
    /// When the log can't be read, or no workflow is stored there.
    pub fn get<R: Rows + ?Sized>(&self, rows: &R, position: Position) -> Result<Arc<Definition>, LogError> {
        if let Some(definition) = self.kept().by_position.get(&position) {
            return Ok(Arc::clone(definition));
        }
        let stored = stored_workflow(rows, position)?;
        let bytes = stored.json.len();
        let definition = Arc::new(Definition { stored, configuration: OnceLock::new(), errors: OnceLock::new() });
        let mut kept = self.kept();
        if kept.bytes + bytes > Self::MAX_BYTES {
            *kept = Kept::default();
        }
        if kept.by_position.insert(position, Arc::clone(&definition)).is_none() {
            kept.bytes += bytes;
        }
        Ok(definition)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Whoever panicked while it held the lock left whole entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
