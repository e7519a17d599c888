//! The pure core of Styx: workflows and schedules, the run graph, records, the world they fold to, and all decisions.
//!
//! No clock, no randomness, no I/O: time and seed are arguments, and what they decided stands in the record.
//!
//! [`Scheduler`](scheduler::Scheduler) is the entry, and `examples/embed.rs` a complete use, with a store, a clock and jobs of
//! its own; `styx-engine` and `styx-store` have those as well. The world of a past moment is the
//! [fold](world::World::fold) of the records up to it.

pub mod condition;
pub mod config;
pub mod decide;
pub mod effects;
mod eligibility;
pub mod event;
pub mod execution;
mod execution_counter;
pub mod executor;
pub mod executor_event;
pub mod exit;
pub mod explain;
pub mod extensions;
pub mod graph;
pub mod history;
pub mod id;
pub mod log;
pub mod now;
pub mod observation;
pub mod record;
pub mod request;
pub mod run;
pub mod schedule;
pub mod scheduler;
pub mod seed;
pub mod stored_workflow;
pub mod text;
pub mod verdict;
pub mod workflow;
pub mod world;
