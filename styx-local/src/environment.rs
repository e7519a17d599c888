//! The environment of a job, built from nothing.

use std::{collections::BTreeMap, path::Path};

use styx_core::executor::Launch;

use crate::{notes::TERMINATION_LOG, options::LocalOptions};

/// Builds it: `PATH` of the configuration, over it what workflow and trigger set (also `PATH`, if they do), over that
/// the variables of Styx (spec part (d)), and last the operator's for names that are still free.
pub(crate) fn environment(options: &LocalOptions, launch: &Launch, run_folder: &Path) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([("PATH".to_owned(), options.path.clone())]);
    env.extend(launch.env.clone());
    env.extend(launch.styx_variables().map(|(name, value)| (name.to_owned(), value.unwrap_or_default())));
    let own = [
        ("STYX_ENVIRONMENT", options.environment.clone()),
        ("STYX_TERMINATION_LOG", run_folder.join(TERMINATION_LOG).to_string_lossy().into_owned()),
        ("STYX_RUN_DIR", run_folder.to_string_lossy().into_owned()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in &options.execution_env {
        env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    env
}
