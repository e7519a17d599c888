//! The workflow folder of a running server: what its files say becomes what the log holds, at the start and whenever a
//! file changes.

mod debounce;
mod gone;
mod halted;
mod keeper;
mod loader;
mod watch;

pub(crate) use self::{
    keeper::{Keeper, Surroundings},
    loader::{Load, Loader},
};
