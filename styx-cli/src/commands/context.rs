//! `context`: servers by name.

use super::connect;
use crate::args::{ContextCommand, Global};
use crate::contexts::{Context, Contexts};
use crate::failure::Failure;
use crate::output::{Printer, ShownContext};

/// Runs a command on contexts.
pub(crate) fn run(command: ContextCommand, global: &Global, printer: &mut Printer) -> Result<(), Failure> {
    let mut contexts = Contexts::load()?;
    let message = match command {
        ContextCommand::Add { name, host } => {
            let added = contexts.add(&name, &host, global.token_file.as_deref())?;
            format!("Context {name} {}.", if added { "added" } else { "replaced" })
        }
        ContextCommand::Use { name } => {
            contexts.use_(&name)?;
            format!("Context {name} is the current one now.")
        }
        ContextCommand::Remove { name } => {
            contexts.remove(&name)?;
            format!("Context {name} removed.")
        }
        ContextCommand::List => {
            let all: Vec<_> = contexts.contexts.iter().map(|(name, context)| shown(&contexts, name, context)).collect();
            return printer.contexts(&all);
        }
        ContextCommand::Show { name } => {
            if name.is_none() {
                connect::note_no_context(global);
            }
            let asked = name.as_deref().or(global.context.as_deref());
            let Some((name, context)) = contexts.chosen(asked)? else {
                return Err(Failure::Usage("there is no current context: see `styx context list`".into()));
            };
            return printer.contexts(&[shown(&contexts, &name, context)]);
        }
    };
    contexts.save()?;
    printer.message(&message)
}

fn shown(contexts: &Contexts, name: &str, context: &Context) -> ShownContext {
    ShownContext {
        name: name.into(),
        current: contexts.current.as_deref() == Some(name),
        host: context.host.clone(),
        token_file: context.token_file.as_ref().map(|path| path.display().to_string()),
    }
}
