//! Which instance a request is about, and how its answer says so.

use axum::response::Response;
use styx_core::{id::InstanceId, log::LogReader, schedule::NoPartition};

use crate::{
    http::{
        Call,
        response::{ApiError, about, about_none},
    },
    views,
};

/// The instance that a request names.
#[derive(Debug)]
pub(super) struct Named {
    /// The instance.
    pub(super) instance: InstanceId,
    /// Why there is none; then the instance is as it was sent, and nothing ever happened to it.
    pub(super) problem: Option<NoPartition>,
}

impl Named {
    /// Finds what a request names.
    pub(super) fn find(call: &Call, reader: &dyn LogReader, sent: &InstanceId) -> Result<Self, ApiError> {
        Ok(match views::named::named(reader, sent).map_err(|error| call.unreadable(&error))? {
            Ok(instance) => Self { instance, problem: None },
            Err(problem) => Self { instance: sent.clone(), problem: Some(problem) },
        })
    }

    /// Refuses a request with a precondition about an instance that can't be.
    pub(super) fn check_expected(&self, call: &Call) -> Result<(), ApiError> {
        match &self.problem {
            Some(problem) if call.once.expected.is_some() && !call.is_repeated()? => {
                Err(ApiError::not_found(problem.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Marks an answer with the instance that it is about, or with why it is about none.
    pub(super) fn mark(&self, response: Response) -> Response {
        match &self.problem {
            Some(problem) => about_none(&problem.to_string(), response),
            None => about(self.instance.parameter(), response),
        }
    }
}
