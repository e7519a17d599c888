//! Desired effects: what is to be done outside, as a function of the world. They are read for the keys that a batch changed,
//! and once at start for all; so an effect lost in a crash is requested again.

mod desired;
mod launch;

pub use self::{
    desired::{desired, retry_at},
    launch::{definition_of, environment, filled_in, launch},
};
