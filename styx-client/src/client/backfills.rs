//! Backfills.

use chrono::NaiveDate;
use reqwest::Method;

use super::Client;
use crate::{Backfill, BackfillFilter, BackfillInput, BackfillPayload, BackfillsPayload, EditableBackfillInput, Error};

impl Client {
    /// Some of the backfills, with the states of their instances or without.
    ///
    /// # Errors
    /// As all requests.
    pub fn backfills(&self, filter: &BackfillFilter, with_states: bool) -> Result<BackfillsPayload, Error> {
        let BackfillFilter { component, workflow, show_all, start } = filter;
        let start = start.map(|day: NaiveDate| day.to_string());
        let mut query = Vec::new();
        query.extend(component.iter().map(|component| ("component", component.as_str())));
        query.extend(workflow.iter().map(|workflow| ("workflow", workflow.as_str())));
        query.push(("showAll", boolean(*show_all)));
        query.push(("status", boolean(with_states)));
        query.extend(start.iter().map(|start| ("start", start.as_str())));
        self.get(&["backfills"], &query)
    }

    /// A backfill, with the states of its instances or without.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such backfill.
    pub fn backfill(&self, id: &str, with_states: bool) -> Result<BackfillPayload, Error> {
        self.get(&["backfills", id], &[("status", boolean(with_states))])
    }

    /// Creates a backfill.
    ///
    /// # Errors
    /// As all requests; refused if an instance of the range is active, or, without `allow_future`, of the future.
    pub fn create_backfill(&self, input: &BackfillInput, allow_future: bool) -> Result<Backfill, Error> {
        let query = [("allowFuture", boolean(allow_future))];
        self.send(self.call(Method::POST, &["backfills"], &query).with(input).keyed())?.read()
    }

    /// Changes what is given of a backfill, and leaves the rest.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such backfill.
    pub fn edit_backfill(&self, input: &EditableBackfillInput) -> Result<Backfill, Error> {
        self.send(self.call(Method::PUT, &["backfills", &input.id], &[]).with(input))?.read()
    }

    /// Halts a backfill: it triggers nothing more. Unless that is to be graceful, its active instances are halted too.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such backfill.
    pub fn halt_backfill(&self, id: &str, graceful: bool) -> Result<(), Error> {
        self.send(self.call(Method::DELETE, &["backfills", id], &[("graceful", boolean(graceful))])).map(drop)
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
