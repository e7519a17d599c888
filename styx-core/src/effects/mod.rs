//! Desired effects: what is to be done outside, as a function of the world. They are read for the keys that a batch changed,
//! and once at start for all; so an effect lost in a crash is requested again. An [`EffectTracker`] remembers which of them this
//! process has requested, and when what was refused is requested again.

mod desired;
mod launch;
mod tracker;

pub use self::{
    desired::desired,
    launch::{definition_of, environment, filled_in, launch},
    tracker::{EffectTracker, Requests, TrackerOptions, is_reachable},
};
