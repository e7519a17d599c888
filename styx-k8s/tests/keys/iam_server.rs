//! The fake IAM on loopback, with the metadata server and the token endpoint beside it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    fake_iam::{Reply, STYX, failure, failure_with},
    world::{Disturbance, World},
};

/// The private key of the service account whose file tests use. It opens nothing.
pub(crate) const PRIVATE_KEY: &str = include_str!("nobodys-key.pem");

/// A server, which ends with the runtime of its test.
pub(crate) struct IamServer {
    pub(crate) address: SocketAddr,
}

struct Context {
    world: World,
    address: SocketAddr,
}

impl IamServer {
    pub(crate) async fn start(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let context = Arc::new(Context { world: world.clone(), address });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let context = context.clone();
                let service = service_fn(move |request| {
                    let context = context.clone();
                    async move { context.answer(request).await }
                });
                // A connection that is broken on purpose ends with an error.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A file of Styx's own account, whose tokens come from here.
    pub(crate) fn file(&self) -> Value {
        json!({
            "type": "service_account", "project_id": "ops", "private_key_id": "k1", "private_key": PRIVATE_KEY,
            "client_email": STYX, "client_id": "1", "token_uri": format!("{}/token", self.url()),
        })
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hang up")
    }
}

impl std::error::Error for HangUp {}

impl Context {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HangUp> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let path = percent_decoded(head.uri.path());
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(what) = path.strip_prefix("/computeMetadata/v1/instance/service-accounts/default/") {
            return Ok(self.metadata(what, header("Metadata-Flavor")));
        }
        if path == "/token" {
            let form = std::str::from_utf8(&body).expect("a form");
            return Ok(self.reply(self.token(form), None));
        }
        let path = path.strip_prefix("/v1/").expect("a path of IAM");
        if head.method == "GET" && path.ends_with("/keys") {
            assert_eq!(head.uri.query(), Some("keyTypes=USER_MANAGED"));
        }
        let token = header("Authorization").and_then(|value| value.strip_prefix("Bearer "));
        if token != Some(&self.present_token()) {
            let text = "Request had invalid authentication credentials. Expected OAuth 2 access token.";
            return Ok(self.reply(failure(401, "UNAUTHENTICATED", text), None));
        }
        let disturbance = self.world.next();
        match disturbance {
            Some(Disturbance::LostBefore) => {
                let reply = failure(500, "INTERNAL", "Internal error encountered.");
                return Ok(self.reply(reply, None));
            }
            Some(Disturbance::TooMany) => {
                let info =
                    json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]);
                let text = "Quota exceeded for quota metric 'Write requests' of service 'iam.googleapis.com'";
                return Ok(self.reply(failure_with(429, "RESOURCE_EXHAUSTED", text, info), Some("20")));
            }
            _ => {}
        }
        let reply = {
            let mut state = self.world.state();
            if head.method == "DELETE" {
                state.check_deletion(path);
            }
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") };
            let now = state.now;
            state.iam.answer(head.method.as_str(), path, &body, now)
        };
        match disturbance {
            Some(Disturbance::LostAfter) => Err(HangUp),
            Some(Disturbance::CrashAfter) => {
                // Longer than the client waits.
                tokio::time::sleep(Duration::from_secs(5)).await;
                Err(HangUp)
            }
            _ => Ok(self.reply(reply, None)),
        }
    }

    fn metadata(&self, what: &str, flavor: Option<&str>) -> Response<Full<Bytes>> {
        if flavor != Some("Google") {
            return self.reply((403, json!("Missing required header: Metadata-Flavor")), None);
        }
        match what {
            "token" => self.reply((200, self.shown_token()), None),
            "email" => Response::new(Full::from(STYX)),
            _ => self.reply((404, Value::Null), None),
        }
    }

    /// Answers RFC 7523: the assertion has to be signed by the account's key, and be for this endpoint.
    fn token(&self, form: &str) -> Reply {
        let rest = form.strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
        let assertion = rest.expect("the grant of an assertion");
        let (signed, signature) = assertion.rsplit_once('.').expect("a signature");
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let der = PrivatePkcs8KeyDer::from_pem_slice(PRIVATE_KEY.as_bytes()).expect("a key");
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("an RSA key");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        if public.verify(signed.as_bytes(), &decoded(signature)).is_err() {
            return (400, json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}));
        }
        let (head, claims) = signed.split_once('.').expect("a header");
        let json = |text| serde_json::from_slice::<Value>(&decoded(text)).expect("JSON");
        assert_eq!(json(head), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        let claims = json(claims);
        assert_eq!(claims["iss"], STYX);
        assert_eq!(claims["aud"], format!("http://{}/token", self.address));
        assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
        assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|at| at + 3600));
        (200, self.shown_token())
    }

    fn shown_token(&self) -> Value {
        json!({"access_token": self.present_token(), "expires_in": 3599, "token_type": "Bearer"})
    }

    /// Tokens change with the day, earlier than they say.
    fn present_token(&self) -> String {
        format!("token-of-{}", self.world.now().date_naive())
    }

    fn reply(&self, (status, body): Reply, retry_after: Option<&str>) -> Response<Full<Bytes>> {
        let date = self.world.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut response = Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .header(header::DATE, date);
        if let Some(after) = retry_after {
            response = response.header(header::RETRY_AFTER, after);
        }
        response.body(Full::from(body.to_string())).expect("a response")
    }
}

fn percent_decoded(path: &str) -> String {
    let mut bytes = path.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits: Vec<u8> = bytes.by_ref().take(2).collect();
            let digits = std::str::from_utf8(&digits).expect("digits");
            decoded.push(u8::from_str_radix(digits, 16).expect("two digits"));
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).expect("UTF-8")
}
