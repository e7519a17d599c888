//! What ends a command early, as text and exit code.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use styx_client::{ApiError, Error, TransportErrorKind};
use styx_host::text::{shortened, visible};
use thiserror::Error;

use crate::aside::tell;

/// Anything unforeseen, and what was not confirmed.
const UNKNOWN: u8 = 1;
/// Errors in the files that were to be checked.
const FINDINGS: u8 = 1;
/// Bad arguments, or workflows that are not valid.
pub(crate) const BAD_ARGUMENTS: u8 = 2;
/// No usable answer.
const NO_ANSWER: u8 = 3;
/// The server refused.
const REFUSED: u8 = 4;
/// The server wants to know who asks.
const UNAUTHORIZED: u8 = 5;
/// A workflow file that cannot be read as workflows.
const UNREADABLE: u8 = 6;

/// How much of a text of others is shown.
const LONGEST: usize = 2_000;
/// What many who try a server on their own machine need to hear.
const PLAIN_HTTP_HINT: &str = "\nA host without a scheme means https. For plain HTTP write http:// in front of it.";

/// Why a command did not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The arguments cannot be followed.
    #[error("styx: error: {0}")]
    Usage(String),
    /// Workflows are not valid.
    #[error("{}", describe(.0))]
    Invalid(Vec<InvalidWorkflow>),
    /// A file does not hold workflows.
    #[error("Workflow configuration doesn't conform to the expected structure, {0}")]
    Structure(String),
    /// The server did not do it.
    #[error("{}", explain(.0))]
    Client(#[from] Error),
    /// A text names no instance of a workflow; nothing was done.
    #[error("styx: error: {0}")]
    NoPartition(String),
    /// Several requests came to nothing, each for its own reason.
    #[error("{}", lines(.0))]
    Several(Vec<Failure>),
    /// Workflow files have errors, which have been printed.
    #[error("{}", count(.0, "error"))]
    Findings(usize),
    /// What was asked about is not so, which has been printed.
    #[error("")]
    Denied,
    /// The user thought better of it.
    #[error("not confirmed")]
    NotConfirmed,
    /// Reading or writing failed on this side.
    #[error("styx: error: {0}")]
    Io(#[from] io::Error),
}

/// A workflow that is not valid, and why.
#[derive(Debug)]
pub(crate) struct InvalidWorkflow {
    pub(crate) id: String,
    pub(crate) errors: Vec<String>,
}

impl Failure {
    /// One failure of the requests that failed, if any.
    pub(crate) fn of_all(mut failures: Vec<Self>) -> Result<(), Self> {
        match failures.len() {
            0 => Ok(()),
            1 => Err(failures.remove(0)),
            _ => Err(Self::Several(failures)),
        }
    }

    /// Whether the server may be back in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Client(Error::Transport { .. }) => true,
            Self::Client(Error::Api(error)) => error.status == 429 || error.status >= 500,
            _ => false,
        }
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            // Who reads us has read enough: `styx ls | head`.
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Denied => {}
            _ => tell(self),
        }
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Invalid(_) => BAD_ARGUMENTS,
            Self::Structure(_) => UNREADABLE,
            Self::Client(Error::Api(error)) if error.status == 401 => UNAUTHORIZED,
            Self::Client(Error::Api(_)) | Self::NoPartition(_) => REFUSED,
            Self::Client(Error::Unaddressable { .. }) => BAD_ARGUMENTS,
            Self::Client(_) => NO_ANSWER,
            Self::Several(failures) => failures.first().map_or(UNKNOWN, Self::exit_code),
            Self::Findings(_) => FINDINGS,
            Self::Denied | Self::NotConfirmed | Self::Io(_) => UNKNOWN,
        }
    }
}

fn describe(workflows: &[InvalidWorkflow]) -> String {
    let mut text = String::new();
    for InvalidWorkflow { id, errors } in workflows {
        let _ = writeln!(text, "Invalid workflow configuration: {}", visible(&shortened(id, LONGEST)));
        for error in errors {
            let _ = writeln!(text, "  error: {}", visible(&shortened(error, LONGEST)));
        }
    }
    text.trim_end_matches('\n').into()
}

/// Says what happened to a request in the words of Styx 2.x, which named the classes of its errors.
fn explain(error: &Error) -> String {
    match error {
        Error::Api(error) if error.status == 401 => explain_unauthorized(error),
        Error::Api(error) => format!("API error: {}", visible(&error.to_string())),
        Error::Unaddressable { .. } => format!("styx: error: {error}"),
        Error::Transport { method, url, source } => {
            let class = match source.kind() {
                TransportErrorKind::Connect => "ConnectException",
                TransportErrorKind::Timeout => "SocketTimeoutException",
                _ => "IOException",
            };
            let hint = if is_likely_plain_http(url) { PLAIN_HTTP_HINT } else { "" };
            format!("Client error: Request failed: {method} {url}: {class}: {source}{hint}")
        }
        error => format!("Client error: {error}"),
    }
}

/// Whether TLS was asked of this machine, which few servers there speak.
fn is_likely_plain_http(url: &str) -> bool {
    ["https://localhost", "https://127.", "https://[::1]"].iter().any(|start| url.starts_with(start))
}

fn explain_unauthorized(error: &ApiError) -> String {
    let hint = if error.authenticated {
        "\nThe server does not take the token that was sent."
    } else {
        "\nThe server wants to know who asks. Put a token into STYX_TOKEN, name a file that holds one with \
         --token-file, or add it to a context: styx context add NAME HOST --token-file FILE"
    };
    format!("API error: Unauthorized: {}{hint}", visible(&error.to_string()))
}

/// A number and what is counted.
pub(crate) fn count(number: &usize, noun: &str) -> String {
    format!("{number} {noun}{}", if *number == 1 { "" } else { "s" })
}

fn lines(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
