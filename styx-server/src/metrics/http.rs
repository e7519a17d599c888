//! Requests and connections.

use std::time::Duration;

use hyper::Method;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::Spans;

/// Measures requests and connections.
#[derive(Debug, Clone)]
pub(crate) struct HttpMetrics {
    requests: Family<Answered, Counter>,
    duration: Spans<2>,
    connections: Gauge,
    accepted: Counter,
    evicted: Counter,
}

/// A request that was answered; the route is a pattern, so that there are only so many.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    method: &'static str,
    status: u16,
}

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Gauge);

impl HttpMetrics {
    /// Begins at zero.
    pub(crate) fn new() -> Self {
        // From half a millisecond to half a minute.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_5, 3.0, 11));
        Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(buckets),
            connections: Gauge::default(),
            accepted: Counter::default(),
            evicted: Counter::default(),
        }
    }

    /// Puts them into a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        let requests = "Requests that were answered, by pattern of their path, method and status";
        registry.register("http_requests", requests, self.requests.clone());
        let duration = "How long it took until the head of an answer was there";
        registry.register_with_unit("http_request_duration", duration, Unit::Seconds, self.duration.clone());
        registry.register("http_connections", "Connections that are open", self.connections.clone());
        let accepted = "Connections that were accepted";
        registry.register("http_connections_accepted", accepted, self.accepted.clone());
        let evicted = "Connections without a request that were closed to make room for others";
        registry.register("http_connections_evicted", evicted, self.evicted.clone());
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, route: &'static str, method: &Method, status: u16, took: Duration) {
        let method = name(method);
        self.requests.get_or_create(&Answered { route, method, status }).inc();
        self.duration.get_or_create(&[("route", route), ("method", method)]).observe(took.as_secs_f64());
    }

    /// Counts a connection, and that it is open until the guard is dropped.
    pub(crate) fn connected(&self) -> Connected {
        self.accepted.inc();
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// Counts connections that were closed to make room.
    pub(crate) fn evicted(&self, connections: usize) {
        self.evicted.inc_by(connections as u64);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The name of a method; of those that no route has, one for all.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
