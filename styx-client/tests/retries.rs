//! What is sent again, and what is not, against a server that fails as the test says.

#![expect(clippy::unwrap_used, reason = "clippy knows the tests, but not what helps them")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use styx_client::{
    ApiError, BackfillFilter, Client, Error, Host, Resource, Retries, TransportErrorKind, TriggerRequest, WorkflowId,
    WorkflowInstance,
};

/// What becomes of a request that was read in full.
#[derive(Clone, Copy)]
enum Fate {
    /// It is answered: status, further headers, body.
    Answered(u16, &'static str, &'static str),
    /// The connection ends without an answer.
    Cut,
    /// The connection ends in the middle of the answer.
    CutWithin,
}

const DONE: Fate = Fate::Answered(200, "", r#"{"id":"r","concurrency":1}"#);

/// A server that treats requests so, one after the other, and gives what it was sent.
fn server(fates: &'static [Fate]) -> (Client, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        fates
            .iter()
            .map(|fate| {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read_request(&mut stream);
                match fate {
                    Fate::Answered(status, headers, body) => {
                        let length = body.len();
                        write!(stream, "HTTP/1.1 {status} Text\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
                            .unwrap();
                    }
                    Fate::Cut => {}
                    Fate::CutWithin => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"").unwrap(),
                }
                request
            })
            .collect()
    });
    let retries =
        Retries::default().with_first_wait(Duration::from_millis(1)).with_longest_wait(Duration::from_secs(2));
    (Client::new(&host).unwrap().with_retries(retries), server)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the client went away");
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
    }
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn resource() -> Resource {
    Resource { id: "r".into(), concurrency: 1 }
}

fn instance() -> WorkflowInstance {
    WorkflowInstance::new("c", "w", "2024-05-06")
}

#[test]
fn a_creation_keeps_its_key_over_all_tries() {
    let (client, server) = server(&[Fate::Cut, Fate::Answered(503, "", ""), Fate::CutWithin, DONE]);
    assert_eq!(client.create_resource(&resource()).unwrap(), resource());
    let requests = server.join().unwrap();
    let keys: Vec<_> = requests.iter().map(|request| header(request, "idempotency-key").unwrap()).collect();
    assert_eq!(keys[0].len(), 32);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let ids: Vec<_> = requests.iter().map(|request| header(request, "x-styx-request-id").unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn every_creation_has_a_key_of_its_own() {
    let (client, server) = server(&[DONE, DONE]);
    client.create_resource(&resource()).unwrap();
    client.create_resource(&resource()).unwrap();
    let requests = server.join().unwrap();
    assert_ne!(header(&requests[0], "idempotency-key").unwrap(), header(&requests[1], "idempotency-key").unwrap());
}

#[test]
fn all_creations_have_keys_and_nothing_else_has() {
    const ANY: Fate = Fate::Answered(400, "", "");
    let (client, server) = server(&[ANY; 8]);
    let request = TriggerRequest {
        workflow_id: WorkflowId::new("c", "w"),
        parameter: "2024-05-06".into(),
        trigger_parameters: None,
    };
    client.trigger(&request, false).unwrap_err();
    client.create_resource(&resource()).unwrap_err();
    client.update_resource(&resource()).unwrap_err();
    client.delete_resource("r").unwrap_err();
    client.halt(&instance()).unwrap_err();
    client.retry(&instance()).unwrap_err();
    client.backfills(&BackfillFilter::default(), true).unwrap_err();
    client.halt_backfill("b", true).unwrap_err();
    let keyed: Vec<_> = server.join().unwrap().iter().map(|text| header(text, "idempotency-key").is_some()).collect();
    assert_eq!(keyed, [true, true, false, false, false, false, false, false]);
}

#[test]
fn a_request_without_key_is_sent_once() {
    for fate in [
        &[Fate::Cut],
        &[Fate::CutWithin],
        &[Fate::Answered(503, "Retry-After: 0\r\n", "")],
        &[Fate::Answered(429, "", "")],
    ] {
        let (client, server) = server(fate);
        client.halt(&instance()).unwrap_err();
        assert_eq!(server.join().unwrap().len(), 1);
    }
}

#[test]
fn reads_are_sent_again_and_the_servers_wait_is_kept() {
    let (client, server) = server(&[Fate::Answered(429, "Retry-After: 1\r\n", ""), Fate::Cut, DONE]);
    let began = Instant::now();
    assert_eq!(client.resource("r").unwrap(), resource());
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.join().unwrap().len(), 3);
}

#[test]
fn there_is_an_end_to_it() {
    let (client, server) = server(&[Fate::Answered(503, "", ""); 4]);
    match client.resource("r") {
        Err(Error::Api(ApiError { status: 503, retry_after: None, .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(server.join().unwrap().len(), 4);
}

#[test]
fn too_long_a_wait_is_a_refusal() {
    let (client, server) = server(&[Fate::Answered(503, "Retry-After: 3\r\n", "")]);
    match client.resource("r") {
        Err(Error::Api(error)) => assert_eq!(error.retry_after, Some(Duration::from_secs(3))),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let retries = Retries::default()
        .with_most(100)
        .with_first_wait(Duration::from_millis(10))
        .with_longest_wait(Duration::from_millis(20));
    let client = Client::new(&Host::parse(&format!("http://{address}")).unwrap()).unwrap().with_retries(retries);
    let server = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        let (mut stream, _) = TcpListener::bind(address).unwrap().accept().unwrap();
        let request = read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
        request
    });
    // Nothing was sent while there was nobody, so this holds without a key too.
    client.halt(&instance()).unwrap();
    assert!(header(&server.join().unwrap(), "idempotency-key").is_none());
}

#[test]
fn without_retries_nothing_is_sent_twice() {
    let (client, server) = server(&[Fate::Cut]);
    match client.with_retries(Retries::NONE).resource("r") {
        Err(Error::Transport { source, .. }) => assert_eq!(source.kind(), TransportErrorKind::Other),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn a_token_is_sent_with_everything() {
    let (client, server) = server(&[Fate::Answered(401, "", "")]);
    let client = client.with_token("s3cret.token-1").unwrap();
    match client.resource("r") {
        Err(Error::Api(error)) => assert!(error.authenticated),
        other => panic!("{other:?}"),
    }
    assert_eq!(header(&server.join().unwrap()[0], "authorization"), Some("bearer s3cret.token-1"));
    for text in ["", "a b", "a\n", "ü"] {
        let client = Client::new(&Host::parse("http://h").unwrap()).unwrap();
        assert!(client.with_token(text).is_err(), "{text:?}");
    }
}
