//! Which path and method mean what: the whole of the API at one glance.

use hyper::Method;

/// What is asked for. Ids are decoded and not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// What to type.
    Index,
    /// Alive?
    Ping,
    /// Able to do its work?
    Ready,
    /// What is measured.
    Metrics,
    /// E-02.
    Workflows,
    /// E-03.
    ComponentWorkflows { component: &'a str },
    /// E-04.
    Workflow { component: &'a str, workflow: &'a str },
    /// E-05.
    StoreWorkflow { component: &'a str },
    /// E-06.
    DeleteWorkflow { component: &'a str, workflow: &'a str },
    /// E-07.
    FullWorkflow { component: &'a str, workflow: &'a str },
    /// E-08.
    WorkflowState { component: &'a str, workflow: &'a str },
    /// E-09.
    Instances { component: &'a str, workflow: &'a str },
    /// E-10.
    Instance { component: &'a str, workflow: &'a str, parameter: &'a str },
    /// E-12.
    PatchState { component: &'a str, workflow: &'a str },
    /// E-23.
    Events { component: &'a str, workflow: &'a str, parameter: &'a str },
    /// E-24.
    TestServiceAccount,
    /// E-25.
    ActiveStates,
    /// E-26.
    Trigger,
    /// E-27.
    Halt,
    /// E-28.
    Retry,
    /// Checkpoints of the log.
    Checkpoints,
    /// Make one.
    MakeCheckpoint,
    /// Records of the log.
    Records,
    /// E-13.
    Resources,
    /// E-14.
    CreateResource,
    /// E-15.
    Resource { id: &'a str },
    /// E-16.
    EditResource { id: &'a str },
    /// E-17.
    DeleteResource { id: &'a str },
    /// E-18.
    Backfills,
    /// E-19.
    CreateBackfill,
    /// E-20.
    Backfill { id: &'a str },
    /// E-21.
    EditBackfill { id: &'a str },
    /// E-22.
    HaltBackfill { id: &'a str },
    /// E-29.
    InjectEvent,
    /// What operators set at run time.
    Config,
    /// Set it.
    ChangeConfig,
    /// Why an instance waits.
    Explain { component: &'a str, workflow: &'a str, parameter: &'a str },
    /// Whether a workflow is enabled, when it runs next, and what comes before that.
    ScheduleState { component: &'a str, workflow: &'a str },
    /// What workflows owe under earlier schedules.
    Owed,
    /// Declare an execution over.
    EndExecution { id: &'a str },
}

impl Route<'_> {
    /// The path with names in the place of ids: for metrics and spans, which must not have as many values as there are ids.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Ping => "/ping",
            Self::Ready => "/ready",
            Self::Metrics => "/metrics",
            Self::Workflows => "/api/v3/workflows",
            Self::ComponentWorkflows { .. } | Self::StoreWorkflow { .. } => "/api/v3/workflows/{component}",
            Self::Workflow { .. } | Self::DeleteWorkflow { .. } => "/api/v3/workflows/{component}/{workflow}",
            Self::FullWorkflow { .. } => "/api/v3/workflows/{component}/{workflow}/full",
            Self::WorkflowState { .. } | Self::PatchState { .. } => "/api/v3/workflows/{component}/{workflow}/state",
            Self::Instances { .. } => "/api/v3/workflows/{component}/{workflow}/instances",
            Self::Instance { .. } => "/api/v3/workflows/{component}/{workflow}/instances/{parameter}",
            Self::Events { .. } => "/api/v3/status/events/{component}/{workflow}/{parameter}",
            Self::TestServiceAccount => "/api/v3/status/testServiceAccountUsageAuthorization",
            Self::ActiveStates => "/api/v3/status/activeStates",
            Self::Trigger => "/api/v3/scheduler/trigger",
            Self::Halt => "/api/v3/scheduler/halt",
            Self::Retry => "/api/v3/scheduler/retry",
            Self::Checkpoints | Self::MakeCheckpoint => "/api/v4/checkpoints",
            Self::Records => "/api/v4/records",
            Self::Resources | Self::CreateResource => "/api/v3/resources",
            Self::Resource { .. } | Self::EditResource { .. } | Self::DeleteResource { .. } => {
                "/api/v3/resources/{resource}"
            }
            Self::Backfills | Self::CreateBackfill => "/api/v3/backfills",
            Self::Backfill { .. } | Self::EditBackfill { .. } | Self::HaltBackfill { .. } => {
                "/api/v3/backfills/{backfill}"
            }
            Self::InjectEvent => "/api/v3/scheduler/events",
            Self::Config | Self::ChangeConfig => "/api/v4/config",
            Self::Explain { .. } => "/api/v4/explain/{component}/{workflow}/{parameter}",
            Self::ScheduleState { .. } => "/api/v4/workflows/{component}/{workflow}/state",
            Self::Owed => "/api/v4/owed",
            Self::EndExecution { .. } => "/api/v4/executions/{execution}/end",
        }
    }
}

/// What a method and a path mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolved<'a> {
    /// A route.
    Route(Route<'a>),
    /// The path is known and the method isn't; what the path allows, as `Allow` says it.
    MethodNotAllowed(String),
    /// Asks what the path allows.
    Options(String),
    /// No such path.
    NotFound,
}

/// Finds what a request means (C-5). `HEAD` is `GET` without a body (C-6).
pub(super) fn resolve<'a>(method: &Method, segments: &'a [&'a str]) -> Resolved<'a> {
    let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
    if let Some(route) = route(wanted, segments) {
        return Resolved::Route(route);
    }
    let methods = ["DELETE", "GET", "PATCH", "POST", "PUT"];
    let mut allowed: Vec<&str> = methods.into_iter().filter(|method| route(method, segments).is_some()).collect();
    if allowed.is_empty() {
        return Resolved::NotFound;
    }
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    allowed.push("OPTIONS");
    allowed.sort_unstable();
    let allow = allowed.join(", ");
    if method == Method::OPTIONS { Resolved::Options(allow) } else { Resolved::MethodNotAllowed(allow) }
}

fn route<'a>(method: &str, segments: &'a [&'a str]) -> Option<Route<'a>> {
    let route = match (method, segments) {
        ("GET", []) => Route::Index,
        ("GET", ["ping"]) => Route::Ping,
        ("GET", ["ready"]) => Route::Ready,
        ("GET", ["metrics"]) => Route::Metrics,
        (_, ["api", "v3", rest @ ..]) => return v3(method, rest),
        (_, ["api", "v0", rest @ ..]) => return scheduler(method, rest),
        (_, ["api", "v4", rest @ ..]) => return v4(method, rest),
        _ => return None,
    };
    Some(route)
}

fn v3<'a>(method: &str, segments: &'a [&'a str]) -> Option<Route<'a>> {
    let route = match (method, segments) {
        ("GET", ["workflows"]) => Route::Workflows,
        ("GET", ["workflows", component]) => Route::ComponentWorkflows { component },
        ("POST", ["workflows", component]) => Route::StoreWorkflow { component },
        ("GET", ["workflows", component, workflow]) => Route::Workflow { component, workflow },
        ("DELETE", ["workflows", component, workflow]) => Route::DeleteWorkflow { component, workflow },
        ("GET", ["workflows", component, workflow, "full"]) => Route::FullWorkflow { component, workflow },
        ("GET", ["workflows", component, workflow, "state"]) => Route::WorkflowState { component, workflow },
        ("PATCH", ["workflows", component, workflow, "state"]) => Route::PatchState { component, workflow },
        ("GET", ["workflows", component, workflow, "instances"]) => Route::Instances { component, workflow },
        ("GET", ["workflows", component, workflow, "instances", parameter]) => {
            Route::Instance { component, workflow, parameter }
        }
        ("GET", ["resources"]) => Route::Resources,
        ("POST", ["resources"]) => Route::CreateResource,
        ("GET", ["resources", id]) => Route::Resource { id },
        ("PUT", ["resources", id]) => Route::EditResource { id },
        ("DELETE", ["resources", id]) => Route::DeleteResource { id },
        ("GET", ["backfills"]) => Route::Backfills,
        ("POST", ["backfills"]) => Route::CreateBackfill,
        ("GET", ["backfills", id]) => Route::Backfill { id },
        ("PUT", ["backfills", id]) => Route::EditBackfill { id },
        ("DELETE", ["backfills", id]) => Route::HaltBackfill { id },
        ("GET", ["status", "events", component, workflow, parameter]) => {
            Route::Events { component, workflow, parameter }
        }
        ("GET", ["status", "activeStates"]) => Route::ActiveStates,
        ("POST", ["status", "testServiceAccountUsageAuthorization"]) => Route::TestServiceAccount,
        (_, ["scheduler", rest @ ..]) => return scheduler(method, rest),
        _ => return None,
    };
    Some(route)
}

/// What Styx 2.x doesn't have.
fn v4<'a>(method: &str, segments: &'a [&'a str]) -> Option<Route<'a>> {
    let route = match (method, segments) {
        ("GET", ["checkpoints"]) => Route::Checkpoints,
        ("POST", ["checkpoints"]) => Route::MakeCheckpoint,
        ("GET", ["records"]) => Route::Records,
        ("GET", ["config"]) => Route::Config,
        ("PATCH", ["config"]) => Route::ChangeConfig,
        ("GET", ["explain", component, workflow, parameter]) => Route::Explain { component, workflow, parameter },
        ("GET", ["workflows", component, workflow, "state"]) => Route::ScheduleState { component, workflow },
        ("GET", ["owed"]) => Route::Owed,
        ("POST", ["executions", id, "end"]) => Route::EndExecution { id },
        _ => return None,
    };
    Some(route)
}

/// The scheduler's operations, below `/api/v3/scheduler` and `/api/v0` (C-2).
fn scheduler<'a>(method: &str, segments: &[&str]) -> Option<Route<'a>> {
    let route = match (method, segments) {
        ("POST", ["trigger"]) => Route::Trigger,
        ("POST", ["halt"]) => Route::Halt,
        ("POST", ["retry"]) => Route::Retry,
        ("POST", ["events"]) => Route::InjectEvent,
        _ => return None,
    };
    Some(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(method: &str, path: &str) -> String {
        let segments: Vec<&str> = path.split('/').skip(1).filter(|_| path != "/").collect();
        match resolve(&Method::from_bytes(method.as_bytes()).unwrap(), &segments) {
            Resolved::Route(route) => format!("{route:?}"),
            Resolved::MethodNotAllowed(allow) => format!("405 {allow}"),
            Resolved::Options(allow) => format!("204 {allow}"),
            Resolved::NotFound => "404".to_owned(),
        }
    }

    #[test]
    fn methods_that_a_path_lacks_are_told_what_it_has() {
        assert_eq!(resolved("PUT", "/api/v3/workflows/c"), "405 GET, HEAD, OPTIONS, POST");
        assert_eq!(resolved("OPTIONS", "/api/v3/workflows/c/w"), "204 DELETE, GET, HEAD, OPTIONS");
        assert_eq!(resolved("GET", "/api/v0/trigger"), "405 OPTIONS, POST");
        assert_eq!(resolved("TRACE", "/ping"), "405 GET, HEAD, OPTIONS");
        assert_eq!(resolved("BREW", "/coffee"), "404");
        assert_eq!(resolved("DELETE", "/api/v4/checkpoints"), "405 GET, HEAD, OPTIONS, POST");
    }

    #[test]
    fn ids_may_be_anything() {
        assert_eq!(resolved("GET", "/api/v3/workflows/c//state"), r#"WorkflowState { component: "c", workflow: "" }"#);
        assert_eq!(resolved("HEAD", "/api/v3/workflows/c/state"), r#"Workflow { component: "c", workflow: "state" }"#);
    }

    #[test]
    fn both_prefixes_of_the_scheduler_mean_the_same() {
        for operation in ["trigger", "halt", "retry", "events"] {
            let (v3, v0) = (format!("/api/v3/scheduler/{operation}"), format!("/api/v0/{operation}"));
            assert_eq!(resolved("POST", &v3), resolved("POST", &v0));
            assert_ne!(resolved("POST", &v3), "404");
        }
        for path in ["/api/v0/nosuch", "/api/v0", "/api/v2/workflows", "/api/v3", "/API/v3/workflows", "/api/v3/config"]
        {
            assert_eq!(resolved("POST", path), "404", "{path}");
        }
    }

    #[test]
    fn every_route_of_the_specification_is_known() {
        for (method, path) in [
            ("GET", "/api/v3/workflows"),
            ("GET", "/api/v3/workflows/c/w/full"),
            ("GET", "/api/v3/workflows/c/w/instances"),
            ("GET", "/api/v3/workflows/c/w/instances/p"),
            ("PATCH", "/api/v3/workflows/c/w/state"),
            ("POST", "/api/v3/resources"),
            ("PUT", "/api/v3/resources/r"),
            ("POST", "/api/v3/backfills"),
            ("PUT", "/api/v3/backfills/b"),
            ("GET", "/api/v3/status/events/c/w/p"),
            ("GET", "/api/v3/status/activeStates"),
            ("POST", "/api/v3/status/testServiceAccountUsageAuthorization"),
        ] {
            let found = resolved(method, path);
            assert!(!found.starts_with("40"), "{method} {path}: {found}");
        }
    }
}
