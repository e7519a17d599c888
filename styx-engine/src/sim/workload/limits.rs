//! Requests about limits: resources, and what operators set at run time.

use std::sync::Arc;

use styx_core::{
    config::{Limit, Rate},
    decide::{Request, RuntimePatch, Setting},
    world::World,
};

use super::Workload;
use crate::sim::random::Random;

/// All resources that there may be.
const RESOURCES: [&str; 3] = ["r0", "r1", "r2"];

/// The resources that a workflow names.
pub(super) fn needed(random: &mut Random) -> Vec<String> {
    let count = *random.pick(&[0, 0, 1, 1, 2, 3]);
    (0..count).map(|_| (*random.pick(&RESOURCES)).to_owned()).collect()
}

impl Workload {
    /// Most resources are defined to begin with.
    pub(super) fn first_resources(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        for id in RESOURCES {
            if self.random.chance(85) {
                requests.push(set(id, self.random.between(1, 3)));
            }
        }
        requests
    }

    pub(super) fn set_resource(&mut self) -> Request {
        let id = *self.random.pick(&RESOURCES);
        set(id, *self.random.pick(&[-1, 0, 1, 1, 1, 2, 2, 3]))
    }

    pub(super) fn delete_resource(&mut self) -> Request {
        Request::DeleteResource { id: (*self.random.pick(&RESOURCES)).into() }
    }

    pub(super) fn operate(&mut self) -> Request {
        let random = &mut self.random;
        let mut patch = RuntimePatch::default();
        if random.chance(60) {
            let limits = [Limit::AtMost(0), Limit::AtMost(1), Limit::AtMost(2), Limit::AtMost(4), Limit::Unlimited];
            patch.max_executions = Some(setting(random, &limits));
        }
        if random.chance(50) {
            let rates = [Rate::per_second(0.05), Rate::per_second(0.5), Rate::per_second(3.0), Some(Rate::DEFAULT)];
            let rates: Vec<Rate> = rates.into_iter().flatten().collect();
            patch.dequeue_rate = Some(setting(random, &rates));
        }
        if random.chance(20) {
            patch.scheduling = Some(random.chance(75));
        }
        if random.chance(25) {
            patch.debug = Some(random.chance(50));
        }
        if random.chance(10) {
            let clients = (0..random.between(0, 2)).map(|n| Arc::from(format!("client-{n}")));
            patch.blocked_clients = Some(Arc::new(clients.collect()));
        }
        Request::Operate(patch)
    }

    /// Lets go of all that limits hold back for ever.
    pub(super) fn let_go(&mut self, world: &World) -> Vec<Request> {
        let mut requests = vec![Request::Configure(Arc::new(self.config()))];
        let random = &mut self.random;
        let limits = [Limit::AtMost(1), Limit::AtMost(3), Limit::Unlimited];
        let max_executions = Some(setting(random, &limits));
        requests.push(Request::Operate(RuntimePatch { max_executions, debug: Some(false), ..RuntimePatch::default() }));
        for id in RESOURCES {
            match world.resources().get(id) {
                Some(resource) if resource.concurrency > 0 => {}
                // What isn't defined holds nobody back: those that need it fail.
                None if random.chance(30) => {}
                _ => requests.push(set(id, random.between(1, 3))),
            }
        }
        requests
    }
}

fn set(id: &str, concurrency: i64) -> Request {
    Request::SetResource { id: id.into(), concurrency }
}

fn setting<T: Copy>(random: &mut Random, values: &[T]) -> Setting<T> {
    if random.chance(30) { Setting::Configured } else { Setting::Value(*random.pick(values)) }
}
