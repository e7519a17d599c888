//! Requests that come while the server reads its log.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use tokio::sync::watch;

use super::{
    App, Busy, Guard, busy, handle,
    path::segments,
    refused, response,
    router::{Resolved, Route, resolve},
};
use crate::health::Health;

/// What is there before the log is read.
struct Starting {
    guard: Guard,
    health: Arc<Health>,
    loaded: watch::Receiver<Option<Arc<App>>>,
}

/// The service, from the start on: one handler, since paths are told apart by rules of our own. Whether the server is alive and ready is answered at once, all else waits until `loaded` holds
/// what it is answered with.
pub(crate) fn router(guard: Guard, health: Arc<Health>, loaded: watch::Receiver<Option<Arc<App>>>) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(Starting { guard, health, loaded }))
}

async fn answer(State(starting): State<Arc<Starting>>, request: Request) -> Response {
    let loaded = starting.loaded.borrow().clone();
    if let Some(app) = loaded {
        return handle(State(app), request).await;
    }
    if let Some(response) = starting.answer_now(&request) {
        return response;
    }
    let mut loaded = starting.loaded.clone();
    // The server ends if nothing comes.
    let app = loaded.wait_for(Option::is_some).await.ok().and_then(|app| app.clone());
    match app {
        Some(app) => handle(State(app), request).await,
        None => busy(Busy::Stopped).into_response(None),
    }
}

impl Starting {
    /// The answer that needs no log.
    fn answer_now(&self, request: &Request) -> Option<Response> {
        let path = request.uri().path();
        let segments = segments(path).ok()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Resolved::Route(route @ (Route::Ping | Route::Ready)) = resolve(request.method(), &segments) else {
            return None;
        };
        if let Err(error) = self.guard.check(request.method(), request.uri(), request.headers()) {
            return Some(refused(error, None, false));
        }
        Some(match route {
            Route::Ping => response::pong(),
            _ => response::readiness(&self.health.readiness(None, None)),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use hyper::StatusCode;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn while_the_server_starts_it_is_alive_and_not_ready_and_all_else_waits() {
        let (load, loaded) = watch::channel(None);
        let router = router(Guard::default(), Arc::default(), loaded);
        let ask = |path: &str| {
            let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
            router.clone().oneshot(request)
        };
        assert_eq!(ask("/ping").await.unwrap().status(), StatusCode::OK);
        let ready = ask("/ready").await.unwrap();
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(ready.into_body(), 1_000).await.unwrap();
        assert_eq!(&*body, br#"{"status":"starting","reasons":[]}"#);
        let foreign = Request::get("/ready").header("host", "evil.example").body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(foreign).await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
        let list = tokio::spawn(ask("/api/v3/workflows"));
        tokio::task::yield_now().await;
        assert!(!list.is_finished());
        drop(load);
        assert_eq!(list.await.unwrap().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
