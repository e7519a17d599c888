//! The access tokens that Styx itself goes by.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, header};
use rustls::{
    SignatureScheme,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject},
    sign::SigningKey,
};
use serde::Deserialize;
use serde_json::json;

use super::{answer, read};
use crate::keys::iam::IamError;

/// Where the metadata server is, inside Google's cloud and in pods with Workload Identity.
const METADATA: &str = "http://metadata.google.internal";
/// What a token is for. The role of who asks restricts it further.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long before its end a token isn't used any more.
const MARGIN: Duration = Duration::from_secs(60);
/// How long an assertion is valid.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);

/// Where tokens come from.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The metadata server: the account of the machine, or of the pod with Workload Identity.
    Metadata {
        /// Its address.
        base: String,
    },
    /// The file of a service account, as Google hands it out.
    File(Arc<ServiceAccountFile>),
}

/// The file of a service account can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file of a service account: {0}")]
pub struct CredentialsError(String);

/// A service account's file.
pub struct ServiceAccountFile {
    email: String,
    key_id: Option<String>,
    token_uri: String,
    key: Arc<dyn SigningKey>,
}

impl std::fmt::Debug for ServiceAccountFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAccountFile").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Default for Credentials {
    /// The metadata server of Google's cloud.
    fn default() -> Self {
        Self::metadata(METADATA)
    }
}

impl Credentials {
    /// The metadata server at another address.
    pub fn metadata(base: &str) -> Self {
        Self::Metadata { base: base.trim_end_matches('/').to_owned() }
    }

    /// The file of a service account.
    ///
    /// # Errors
    ///
    /// It can't be read, or isn't one.
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let text = std::fs::read(path).map_err(|error| CredentialsError(format!("{}: {error}", path.display())))?;
        Self::from_json(&text)
            .map_err(|CredentialsError(error)| CredentialsError(format!("{}: {error}", path.display())))
    }

    /// The content of such a file.
    ///
    /// # Errors
    ///
    /// It isn't one.
    pub fn from_json(text: &[u8]) -> Result<Self, CredentialsError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "type")]
            kind: String,
            client_email: String,
            private_key_id: Option<String>,
            private_key: String,
            token_uri: String,
        }
        let refused = |text: String| CredentialsError(text);
        // Without the text around the place, which may be the key.
        let file: File = serde_json::from_slice(text).map_err(|error| refused(error.to_string()))?;
        if file.kind != "service_account" {
            return Err(refused(format!("its type is {:?}: \"service_account\" is needed", file.kind)));
        }
        let key = PrivateKeyDer::from_pem_slice(file.private_key.as_bytes());
        let key = key.map_err(|error| refused(format!("private_key: {error}")))?;
        let key = any_supported_type(&key).map_err(|error| refused(format!("private_key: {error}")))?;
        if key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).is_none() {
            return Err(refused("private_key isn't an RSA key".to_owned()));
        }
        let File { client_email: email, private_key_id: key_id, token_uri, .. } = file;
        Ok(Self::File(Arc::new(ServiceAccountFile { email, key_id, token_uri, key })))
    }
}

/// Tokens, each used until shortly before its end.
#[derive(Debug)]
pub(super) struct Tokens {
    http: Client,
    /// Without a proxy, for the metadata server.
    direct: Client,
    credentials: Credentials,
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    token: String,
    until: Instant,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(http: Client, direct: Client, credentials: Credentials) -> Self {
        Self { http, direct, credentials, held: Mutex::default() }
    }

    /// A token that is valid for a minute at least.
    pub(super) async fn get(&self) -> Result<String, IamError> {
        if let Some(held) = self.lock().clone()
            && Instant::now() < held.until
        {
            return Ok(held.token);
        }
        let request = match &self.credentials {
            Credentials::Metadata { base } => metadata(&self.direct, base, "token"),
            Credentials::File(file) => {
                let form = "application/x-www-form-urlencoded";
                let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
                let body = format!("grant_type={grant}&assertion={}", file.assertion(SystemTime::now())?);
                self.http.post(&file.token_uri).header(header::CONTENT_TYPE, form).body(body)
            }
        };
        // Nothing of IAM has happened yet, whatever became of this.
        let answer = read(request).await.map_err(|error| no_token(&error.to_string()))?;
        if answer.status != 200 {
            return Err(no_token(&answer::error(&answer).to_string()));
        }
        #[derive(Deserialize)]
        struct Token {
            access_token: String,
            expires_in: u64,
        }
        let token: Token = serde_json::from_slice(&answer.body)
            .map_err(|error| no_token(&format!("the answer can't be read: {error}")))?;
        let life = Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        let until = Instant::now() + life.min(ASSERTION_LIFE);
        *self.lock() = Some(Held { token: token.access_token.clone(), until });
        Ok(token.access_token)
    }

    /// Has the next request get a new token.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// The e-mail address that the tokens are for.
    pub(super) async fn identity(&self) -> Option<String> {
        match &self.credentials {
            Credentials::File(file) => Some(file.email.clone()),
            Credentials::Metadata { base } => {
                let answer =
                    read(metadata(&self.direct, base, "email")).await.ok().filter(|answer| answer.status == 200)?;
                let email = String::from_utf8(answer.body).ok()?.trim().to_owned();
                // With Workload Identity for Kubernetes' own accounts it is the name of a pool instead.
                email.contains('@').then_some(email)
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceAccountFile {
    /// A signed statement that it is this account that asks for a token (RFC 7523).
    fn assertion(&self, now: SystemTime) -> Result<String, IamError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + ASSERTION_LIFE.as_secs(),
        });
        let encode = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).expect("the key was checked");
        let signature = signer.sign(signed.as_bytes()).map_err(|error| no_token(&error.to_string()))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn metadata(http: &Client, base: &str, what: &str) -> reqwest::RequestBuilder {
    let url = format!("{base}/computeMetadata/v1/instance/service-accounts/default/{what}");
    http.get(url).header("Metadata-Flavor", "Google")
}

fn no_token(message: &str) -> IamError {
    IamError::Trouble { message: format!("there is no access token: {message}") }
}
