//! Which server to ask, and who asks.

use std::{env, path::Path};

use serde_json::Value;
use styx_client::{Client, Error, Exchange, Host, TransportError};
use styx_host::file;

use crate::args::Global;
use crate::aside::tell;
use crate::contexts::Contexts;
use crate::failure::Failure;

/// The most bytes of a file with a token.
const MAX_TOKEN_FILE: u64 = 64 * 1024;

/// Makes the client of the server that flags, environment and contexts name, in this order.
pub(crate) fn connect(global: &Global) -> Result<Client, Failure> {
    let (host, token_of_context) = match given(global) {
        // The token of a context is for its server, and no other.
        Some(host) => (host.to_owned(), None),
        None => {
            let contexts = Contexts::load()?;
            let (_, context) = contexts.chosen(global.context.as_deref())?.ok_or_else(|| no_host(&contexts))?;
            (context.host.clone(), context.token_file.clone())
        }
    };
    let host = Host::parse(&host).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut client = Client::new(&host).map_err(|error| no_client(error, &host))?;
    if let Some(token) = token(global.token_file.as_deref(), token_of_context.as_deref())? {
        client = client.with_token(&token).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    Ok(if global.debug { client.observed_by(report_exchange) } else { client })
}

/// Says so if a context was asked for and is not used.
pub(crate) fn note_unused_context(global: &Global) {
    if let (Some(_), Some(context)) = (given(global), &global.context) {
        tell(format_args!("Note: --host or STYX_CLI_HOST names a server, so the context {context} is not used"));
    }
}

/// Says so if a server is named and so no context is used.
pub(crate) fn note_no_context(global: &Global) {
    if given(global).is_some() {
        tell("Note: --host or STYX_CLI_HOST names a server, so commands ask that one and use no context");
    }
}

/// The host of the flag or the environment.
fn given(global: &Global) -> Option<&str> {
    global.host.as_deref().filter(|text| !text.is_empty())
}

/// The token of the file that is asked for, of the environment, or of the context.
fn token(asked: Option<&Path>, of_context: Option<&Path>) -> Result<Option<String>, Failure> {
    let read = |path: &Path| {
        let unreadable = |error| Failure::Usage(format!("cannot read the token in {}: {error}", path.display()));
        file::read_text(path, MAX_TOKEN_FILE).map(|text| Some(text.trim().to_owned())).map_err(unreadable)
    };
    if let Some(path) = asked {
        return read(path);
    }
    match env::var("STYX_TOKEN").ok().filter(|token| !token.is_empty()) {
        Some(token) => Ok(Some(token)),
        None => of_context.map_or(Ok(None), read),
    }
}

fn no_host(contexts: &Contexts) -> Failure {
    if !contexts.contexts.is_empty() {
        let names: Vec<_> = contexts.contexts.keys().map(String::as_str).collect();
        return Failure::Usage(format!(
            "Styx API host not set\nThere are contexts, but none is the current one ({}): choose one with `styx context \
             use NAME`, or for once with --context NAME",
            names.join(", ")
        ));
    }
    Failure::Usage(
        "Styx API host not set\nSet the environment variable STYX_CLI_HOST, give --host, or give the server a name, \
         for example\n\n  export STYX_CLI_HOST=http://127.0.0.1:8080\n  styx context add local http://127.0.0.1:8080\n"
            .into(),
    )
}

fn no_client(source: TransportError, host: &Host) -> Failure {
    Error::Transport { method: "GET".into(), url: host.to_string(), source }.into()
}

/// A body without the values of environments: what `--debug` shows is pasted into reports.
fn without_env(body: &str) -> String {
    fn hide(value: &mut Value, is_env: bool) {
        match value {
            Value::Null => {}
            Value::Array(items) => items.iter_mut().for_each(|item| hide(item, is_env)),
            Value::Object(members) => {
                members.iter_mut().for_each(|(name, value)| hide(value, is_env || name.eq_ignore_ascii_case("env")));
            }
            value if is_env => *value = "***".into(),
            _ => {}
        }
    }
    match serde_json::from_str(body) {
        Ok(mut value) => {
            hide(&mut value, false);
            value.to_string()
        }
        Err(_) => format!("{} bytes", body.len()),
    }
}

/// Tells what was asked and answered, for `--debug`.
fn report_exchange(exchange: &Exchange<'_>) {
    let Exchange { method, url, body, request_id, outcome, took, again_after } = exchange;
    tell(format_args!("debug: {method} {url} (Request ID: {request_id})"));
    if let Some(body) = body {
        tell(format_args!("debug:   {}", without_env(body)));
    }
    tell(format_args!("debug:   -> {outcome} after {} ms", took.as_millis()));
    if let Some(wait) = again_after {
        tell(format_args!("debug:   again in {} ms", wait.as_millis()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_values_of_environments() {
        let body =
            r#"{"env":{"A":"s3cret","B":["s3cret",{"c":7}]},"id":"w","trigger_parameters":{"ENV":"s3cret"},"n":1.50}"#;
        let shown =
            r#"{"env":{"A":"***","B":["***",{"c":"***"}]},"id":"w","trigger_parameters":{"ENV":"***"},"n":1.5}"#;
        assert_eq!(without_env(body), shown);
        assert_eq!(without_env("s3cret"), "6 bytes");
    }
}
