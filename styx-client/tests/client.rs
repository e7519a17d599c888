//! The client against a server that answers what the test says, byte for byte.

#![expect(clippy::unwrap_used, reason = "clippy knows the tests, but not what helps them")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use styx_client::{Client, Effect, Error, Host, TransportErrorKind, WorkflowInstance};

/// Answers one request with these bytes, and gives the request.
fn answering(response: &'static str) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !is_complete(&request) {
            let read = stream.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "the client went away");
            request.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (Client::new(&host).unwrap(), server)
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn instance() -> WorkflowInstance {
    WorkflowInstance::new("sales", "a b", "2024-05-06")
}

#[track_caller]
fn refusal_of(response: &'static str) -> (u16, String, String) {
    let (client, server) = answering(response);
    let error = client.events(&instance()).unwrap_err();
    server.join().unwrap();
    match error {
        Error::Api(error) => (error.status, error.reason, error.request_id),
        other => panic!("{other}"),
    }
}

#[test]
fn the_status_line_says_what_is_wrong() {
    let response = "HTTP/1.1 409 Not today: [a], `b`, (c)\r\nX-Styx-Request-Id: abc\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(refusal_of(response), (409, "Not today: [a], `b`, (c)".into(), "abc".into()));
}

#[test]
fn the_body_says_it_where_the_status_line_does_not() {
    let response = "HTTP/1.1 409 Conflict\r\nX-Styx-Request-Id: abc\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"error\":\"not today\"}";
    assert_eq!(refusal_of(response), (409, "not today".into(), "abc".into()));
    let response = "HTTP/1.1 404 \r\nX-Styx-Request-Id: abc\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(refusal_of(response), (404, "Not Found".into(), "abc".into()));
}

#[test]
fn a_request_has_the_headers_that_servers_look_at() {
    let (client, server) =
        answering("HTTP/1.1 200 OK\r\nX-Styx-Effect: none\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    assert_eq!(client.halt(&instance()).unwrap(), Effect::Nothing);
    let request = server.join().unwrap().to_lowercase();
    assert!(request.starts_with("post /api/v3/scheduler/halt http/1.1\r\n"), "{request}");
    assert!(request.contains(concat!("user-agent: styx client ", env!("CARGO_PKG_VERSION"), "\r\n")), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    assert!(request.ends_with(
        "\r\n\r\n{\"workflow_id\":{\"component_id\":\"sales\",\"id\":\"a b\"},\"parameter\":\"2024-05-06\"}"
    ));
    let id = request.lines().find_map(|line| line.strip_prefix("x-styx-request-id: ")).unwrap();
    assert_eq!(id.len(), 32);
}

#[test]
fn an_effect_is_taken_for_granted() {
    let (client, server) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(client.retry(&instance()).unwrap(), Effect::Taken);
    server.join().unwrap();
}

#[test]
fn a_page_of_a_proxy_is_no_answer() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 7\r\nConnection: close\r\n\r\n<html/>";
    let (client, server) = answering(page);
    let error = client.halt(&instance()).unwrap_err().to_string();
    assert!(error.contains("the answer is a page for people (text/html)"), "{error}");
    server.join().unwrap();
}

#[test]
fn an_answer_that_cannot_be_read_is_an_error() {
    let (client, server) = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    assert!(matches!(client.workflows(), Err(Error::Decode { .. })));
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /api/v3/workflows HTTP/1.1\r\n"), "{request}");
}

#[test]
fn the_executions_of_an_instance_are_asked_for() {
    let (client, server) = answering(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"workflow_instance\":{\"workflow_id\":{\"component_id\":\"sales\",\"id\":\"a b\"},\"parameter\":\"2024-05-06\"},\"triggers\":[]}",
    );
    let told = client.executions(&instance()).unwrap();
    assert_eq!((told.workflow_instance, told.triggers), (instance(), vec![]));
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /api/v3/workflows/sales/a%20b/instances/2024-05-06 HTTP/1.1\r\n"), "{request}");
}

#[test]
fn nobody_there_is_an_error_of_its_own() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Client::new(&Host::parse(&format!("http://127.0.0.1:{port}")).unwrap()).unwrap();
    match client.active_states(None) {
        Err(Error::Transport { source, url, .. }) => {
            assert_eq!(source.kind(), TransportErrorKind::Connect);
            assert_eq!(source.to_string(), "Connection refused");
            assert_eq!(url, format!("http://127.0.0.1:{port}/api/v3/status/activeStates"));
        }
        other => panic!("{other:?}"),
    }
}
