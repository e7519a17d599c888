//! `config`: the server's configuration while it runs.

use std::collections::BTreeSet;

use styx_client::{Change, Client, ClockChange, Limit, RuntimeConfigPatch};

use crate::args::{ConfigCommand, Setting};
use crate::failure::Failure;
use crate::output::Printer;

/// Runs a command on the configuration, and shows what counts then.
pub(crate) fn run(command: ConfigCommand, client: &Client, printer: &mut Printer) -> Result<(), Failure> {
    let config = match command {
        ConfigCommand::Show => client.config()?,
        ConfigCommand::Set { name, values } => client.change_config(&set(name, &values)?)?,
        ConfigCommand::Unset { names } => client.change_config(&unset(&names)?)?,
        ConfigCommand::Add { name, values } => change_list(client, name, |list| list.extend(values))?,
        ConfigCommand::Remove { name, values } => {
            change_list(client, name, |list| list.retain(|client| !values.contains(client)))?
        }
    };
    printer.config(&config)
}

fn set(name: Setting, values: &[String]) -> Result<RuntimeConfigPatch, Failure> {
    let mut patch = RuntimeConfigPatch::default();
    match name {
        Setting::Enabled => patch.enabled = Change::Set(boolean(name, values)?),
        Setting::Concurrency => patch.concurrency = Change::Set(limit(name, values)?),
        Setting::SubmissionRateLimit => patch.submission_rate_limit = Change::Set(rate(name, values)?),
        Setting::ClientBlacklist => patch.client_blacklist = Change::Set(values.iter().cloned().collect()),
        Setting::Debug => patch.debug = Change::Set(boolean(name, values)?),
        Setting::Executor => {
            let name = single(values).ok_or_else(|| expected(name, "the name of an executor"))?;
            patch.executor = Change::Set(name.to_owned());
        }
        Setting::Clock if single(values) == Some("accept") => patch.clock = Some(ClockChange::Accept),
        Setting::Clock => return Err(expected(name, "accept")),
    }
    Ok(patch)
}

fn unset(names: &[Setting]) -> Result<RuntimeConfigPatch, Failure> {
    let mut patch = RuntimeConfigPatch::default();
    for name in names {
        match name {
            Setting::Enabled => patch.enabled = Change::Reset,
            Setting::Concurrency => patch.concurrency = Change::Reset,
            Setting::SubmissionRateLimit => patch.submission_rate_limit = Change::Reset,
            Setting::ClientBlacklist => patch.client_blacklist = Change::Reset,
            Setting::Debug => patch.debug = Change::Reset,
            Setting::Executor => patch.executor = Change::Reset,
            Setting::Clock => {
                return Err(Failure::Usage("clock can't be unset: set the machine's clock instead".to_owned()));
            }
        }
    }
    Ok(patch)
}

fn change_list(
    client: &Client,
    name: Setting,
    change: impl FnOnce(&mut BTreeSet<String>),
) -> Result<styx_client::RuntimeConfig, Failure> {
    if name != Setting::ClientBlacklist {
        return Err(Failure::Usage(format!("{} is not a list: use `styx config set`", name.name())));
    }
    let config = client.config()?;
    let mut list = config.client_blacklist.clone();
    change(&mut list);
    if list == config.client_blacklist {
        return Ok(config);
    }
    Ok(client.change_config(&RuntimeConfigPatch { client_blacklist: Change::Set(list), ..Default::default() })?)
}

fn boolean(name: Setting, values: &[String]) -> Result<bool, Failure> {
    match single(values) {
        Some("true" | "on") => Ok(true),
        Some("false" | "off") => Ok(false),
        _ => Err(expected(name, "true or false")),
    }
}

fn limit(name: Setting, values: &[String]) -> Result<Limit, Failure> {
    match single(values) {
        Some("none") => Ok(Limit::None),
        text => {
            text.and_then(|text| text.parse().ok()).map(Limit::At).ok_or_else(|| expected(name, "a number, or none"))
        }
    }
}

fn rate(name: Setting, values: &[String]) -> Result<f64, Failure> {
    let rate = single(values).and_then(|text| text.parse().ok()).filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
    rate.ok_or_else(|| expected(name, "a number a second"))
}

fn single(values: &[String]) -> Option<&str> {
    match values {
        [value] => Some(value),
        _ => None,
    }
}

fn expected(name: Setting, what: &str) -> Failure {
    Failure::Usage(format!("{}: expected {what}", name.name()))
}
