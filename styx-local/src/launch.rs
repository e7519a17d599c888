//! From a launch to what a shim is asked to do.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path},
    process::{Command, Stdio},
};

use rustix::fs::{MemfdFlags, memfd_create};
use styx_core::{executor::Launch, record::Origin};

use crate::{
    environment::environment,
    family::{SHIM_TAG, TAGS},
    notes::{Request, SHIM_LOG, now_text},
    options::LocalOptions,
    run_folder::RunFolder,
};

/// Why there is nothing to ask a shim for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The workflow is at fault, and it will be the same next time.
    Workflow(String),
    /// The configuration of this server is; it may be mended.
    Server(String),
}

/// Works out what the shim is asked to do.
pub(crate) fn request(options: &LocalOptions, launch: &Launch, run: &RunFolder) -> Result<Request, Unfit> {
    let command = launch.docker_command.iter().flatten();
    let argv: Vec<String> = command.chain(&launch.docker_args).cloned().collect();
    if argv.first().is_none_or(String::is_empty) {
        let reason = "no program: the local executor runs docker_command and docker_args as program and arguments, and doesn't use the image";
        return Err(Unfit::Workflow(reason.into()));
    }
    if let Some(place) = argv.iter().position(|argument| argument.contains('\0')) {
        return Err(Unfit::Workflow(format!("docker_command and docker_args: the text at place {place} holds a NUL")));
    }
    let env = environment(options, launch, &run.shown());
    check_environment(&env)?;
    Ok(Request {
        version: Request::VERSION,
        log_id: launch.log_id.to_string(),
        execution: launch.execution.to_string(),
        argv,
        cwd: working_folder(options, &launch.origin, run)?,
        env,
        max_output_bytes: options.max_output_bytes,
        grace_millis: options.stop_grace.as_millis().try_into().unwrap_or(u64::MAX),
        termination_logging: launch.docker_termination_logging,
        umask: options.umask,
    })
}

/// What `request.json` says: the request as a person wants to read it, without the values of the environment.
pub(crate) fn for_people(launch: &Launch, request: &Request) -> Vec<u8> {
    let mut text = serde_json::json!({
        "at": now_text(),
        "logId": request.log_id,
        "execution": request.execution,
        "instance": launch.instance.key(),
        "image": launch.docker_image,
        "argv": request.argv,
        "folder": request.cwd,
        "environmentNames": request.env.keys().collect::<Vec<_>>(),
    })
    .to_string();
    text.push('\n');
    text.into_bytes()
}

/// Starts the shim and returns its process number. The caller waits for it through a pidfd.
pub(crate) fn start_shim(options: &LocalOptions, run: &RunFolder, request: &Request) -> io::Result<i32> {
    let mut memory = File::from(memfd_create("styx-request", MemfdFlags::CLOEXEC)?);
    memory.write_all(&serde_json::to_vec(request)?)?;
    memory.rewind()?;
    let shim_log = OpenOptions::new().append(true).create(true).mode(0o600).open(run.state().join(SHIM_LOG))?;
    // The tags mark the shim too, and so what it starts from the very beginning: see `family`.
    let folder = run.shown();
    let tags: [OsString; 2] = [run.name().into(), folder.clone().into()];
    let child = Command::new(&options.shim.program)
        .args(&options.shim.args)
        .arg(folder)
        .envs(TAGS.iter().zip(tags))
        .env(SHIM_TAG, &request.log_id)
        .current_dir("/")
        .stdin(Stdio::from(memory))
        .stdout(Stdio::null())
        .stderr(Stdio::from(shim_log))
        .spawn()?;
    Ok(rustix::process::Pid::from_child(&child).as_raw_nonzero().get())
}

fn working_folder(options: &LocalOptions, origin: &Origin, run: &RunFolder) -> Result<String, Unfit> {
    let folder = match origin {
        Origin::Api | Origin::RemovedFile { .. } => run.shown(),
        Origin::File { path, .. } => {
            let Some(workflows) = &options.workflows else {
                return Err(Unfit::Server(format!("no folder of workflows is configured, so {path} has no place")));
            };
            let file = Path::new(&**path);
            if !file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(Unfit::Workflow(format!(
                    "the workflow's file {path} lies outside the folder of workflows"
                )));
            }
            let file = workflows.join(file);
            file.parent().unwrap_or(workflows).to_owned()
        }
    };
    folder.into_os_string().into_string().map_err(|folder| Unfit::Server(format!("{} isn't UTF-8", folder.display())))
}

fn check_environment(env: &BTreeMap<String, String>) -> Result<(), Unfit> {
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Unfit::Workflow(format!("{name:?} can't be the name of a variable")));
        }
        if value.contains('\0') {
            return Err(Unfit::Workflow(format!("the value of the variable {name} holds a NUL")));
        }
    }
    Ok(())
}
