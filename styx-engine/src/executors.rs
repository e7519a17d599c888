//! The executors of a process by name: each effect goes to the one that its execution was submitted to.

use std::{collections::BTreeMap, sync::Arc};

use styx_core::executor::{Effect, Executor};

/// Executors by name. As one [`Executor`] it hands each effect to the one that it names.
///
/// ```
/// use std::sync::{Arc, mpsc::channel};
/// use styx_core::executor::{Effect, Executor};
/// use styx_engine::executors::Executors;
///
/// struct Channel(std::sync::Mutex<std::sync::mpsc::Sender<Effect>>);
/// impl Executor for Channel {
///     fn perform(&self, effect: Effect) {
///         let _ = self.0.lock().unwrap().send(effect);
///     }
///     fn all_requested(&self) {}
/// }
///
/// let (sender, effects) = channel();
/// let executors = Executors::default().with("blue", Arc::new(Channel(sender.into())));
/// let (log_id, execution) = (uuid::Uuid::nil(), styx_core::id::ExecutionId::parse("e-1"));
/// executors.perform(Effect::Stop { executor: "blue".into(), log_id, execution });
/// assert_eq!(&**effects.recv().unwrap().executor(), "blue");
/// ```
#[derive(Clone, Default)]
pub struct Executors(BTreeMap<Arc<str>, Arc<dyn Executor>>);

impl Executors {
    /// These and one more; another one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, executor: Arc<dyn Executor>) -> Self {
        self.0.insert(name.into(), executor);
        self
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }
}

impl Executor for Executors {
    fn perform(&self, effect: Effect) {
        match self.0.get(effect.executor()) {
            Some(executor) => executor.perform(effect),
            // The configuration that decisions follow names one that this process doesn't have. What is asked of it stays
            // desired, and is requested again after a restart.
            None => tracing::error!(
                execution = %effect.execution(),
                "an effect is for the executor `{}`, which this process doesn't have: {:?}",
                effect.executor(),
                effect.kind()
            ),
        }
    }

    fn all_requested(&self) {
        self.0.values().for_each(|executor| executor.all_requested());
    }
}
