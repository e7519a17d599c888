//! What Styx 2.x does not have: the server's configuration at run time, and contexts.

use serde::Serialize;
use styx_client::{ConfigSource, RuntimeConfig};

use super::style::or_empty;
use crate::args::Setting;
use styx_host::table::table;
use styx_host::text::visible;

/// A context as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct ShownContext {
    pub(crate) name: String,
    pub(crate) current: bool,
    pub(crate) host: String,
    pub(crate) token_file: Option<String>,
}

pub(crate) fn pretty_config(config: &RuntimeConfig) -> String {
    table(["NAME", "VALUE", "SOURCE"], &rows(config))
}

pub(crate) fn plain_config(config: &RuntimeConfig) -> String {
    rows(config)
        .iter()
        .map(|[name, value, source]| visible(&format!("{name} {source} {value}")).into_owned() + "\n")
        .collect()
}

pub(crate) fn pretty_contexts(contexts: &[ShownContext]) -> String {
    let rows: Vec<_> = contexts
        .iter()
        .map(|context| {
            let current = if context.current { "*" } else { "" };
            [current.into(), context.name.clone(), context.host.clone(), or_empty(context.token_file.as_ref())]
        })
        .collect();
    table(["CURRENT", "NAME", "HOST", "TOKEN FILE"], &rows)
}

pub(crate) fn plain_contexts(contexts: &[ShownContext]) -> String {
    let line = |context: &ShownContext| {
        let ShownContext { name, current, host, token_file } = context;
        visible(&format!("{name} {current} {host} {}", or_empty(token_file.as_ref()))).into_owned() + "\n"
    };
    contexts.iter().map(line).collect()
}

fn rows(config: &RuntimeConfig) -> Vec<[String; 3]> {
    let RuntimeConfig {
        enabled,
        concurrency,
        submission_rate_limit,
        client_blacklist,
        debug,
        executor,
        executors,
        clock,
        sources,
    } = config;
    let blacklist: Vec<_> = client_blacklist.iter().map(|client| format!("{client:?}")).collect();
    let row = |setting: Setting, value: String, source: ConfigSource| {
        let source = match source {
            ConfigSource::Default => "default",
            ConfigSource::File => "file",
            ConfigSource::Api => "api",
        };
        [setting.name().to_owned(), value, source.to_owned()]
    };
    let mut rows = vec![
        row(Setting::Enabled, enabled.to_string(), sources.enabled),
        row(
            Setting::Concurrency,
            concurrency.map_or_else(|| "none".into(), |limit| limit.to_string()),
            sources.concurrency,
        ),
        row(Setting::SubmissionRateLimit, submission_rate_limit.to_string(), sources.submission_rate_limit),
        row(Setting::ClientBlacklist, blacklist.join(" "), sources.client_blacklist),
        row(Setting::Debug, debug.to_string(), sources.debug),
    ];
    if !executor.is_empty() {
        let others: Vec<_> = executors.iter().filter(|name| *name != executor).map(String::as_str).collect();
        let beside = if others.is_empty() { String::new() } else { format!(" (beside {})", others.join(", ")) };
        rows.push(row(Setting::Executor, format!("{executor}{beside}"), sources.executor));
    }
    rows.extend(clock.iter().map(|clock| row(Setting::Clock, clock.clone(), ConfigSource::Default)));
    rows
}
