//! IAM over HTTP, as Google speaks it (API version 1).

pub mod answer;
mod token;

use std::time::Duration;

use reqwest::{Client, Method, Url, header};
use serde_json::json;

pub use token::{Credentials, CredentialsError};

use self::{answer::HttpAnswer, token::Tokens};
use super::iam::{CreatedKey, Iam, IamError, KeyKind, Listed};

/// Where Google's IAM is.
pub const IAM: &str = "https://iam.googleapis.com";

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Google's IAM.
///
/// Its own credentials need the role Service Account Key Admin (`roles/iam.serviceAccountKeyAdmin`) for each account.
#[derive(Debug)]
pub struct GoogleIam {
    http: Client,
    base: Url,
    tokens: Tokens,
}

impl GoogleIam {
    /// IAM at `base` (tests have one on loopback), reached with these credentials. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The address is none, or the machine has no certificates to trust.
    pub fn new(base: &str, credentials: Credentials) -> Result<Self, IamError> {
        Self::with_timeout(base, credentials, REQUEST_TIMEOUT)
    }

    /// The same, with another limit on what one request may take: 30 s at most, as a call can be up to four of them.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_timeout(base: &str, credentials: Credentials, timeout: Duration) -> Result<Self, IamError> {
        install_crypto();
        let trouble = |message: String| IamError::Trouble { message };
        let url = Url::parse(base).map_err(|error| trouble(format!("the address of IAM, {base}: {error}")))?;
        if url.cannot_be_a_base() {
            return Err(trouble(format!("the address of IAM, {base}, isn't one of HTTP")));
        }
        let builder = || Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
        let built = |client: reqwest::Result<Client>| {
            client.map_err(|error| trouble(format!("no HTTP client: {}", full(error))))
        };
        // The metadata server is of this machine, and so are servers on loopback: no proxy can be in between.
        let direct = built(builder().no_proxy().build())?;
        let is_near = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        let http = if is_near { direct.clone() } else { built(builder().build())? };
        let tokens = Tokens::new(http.clone(), direct, credentials);
        Ok(Self { http, base: url, tokens })
    }

    /// Sends a request, once more with a new token if the one that there was isn't taken.
    async fn send(&self, method: Method, url: Url, body: Option<&serde_json::Value>) -> Result<HttpAnswer, IamError> {
        let mut answer = self.send_once(method.clone(), url.clone(), body).await?;
        if answer.status == 401 {
            self.tokens.forget();
            answer = self.send_once(method, url, body).await?;
        }
        Ok(answer)
    }

    async fn send_once(
        &self,
        method: Method,
        url: Url,
        body: Option<&serde_json::Value>,
    ) -> Result<HttpAnswer, IamError> {
        let token = self.tokens.get().await?;
        let mut request = self.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request).await
    }

    /// `/v1/projects/PROJECT/serviceAccounts/ACCOUNT/keys`.
    fn keys_of(&self, account: &str) -> Url {
        let project = project_of(account).unwrap_or_else(|| "-".to_owned());
        self.url(["projects", &project, "serviceAccounts", account, "keys"])
    }

    fn key(&self, name: &str) -> Url {
        self.url(name.split('/'))
    }

    fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1").extend(segments);
        }
        url
    }
}

impl Iam for GoogleIam {
    async fn list_keys(&self, account: &str) -> Result<Listed, IamError> {
        let mut url = self.keys_of(account);
        url.set_query(Some("keyTypes=USER_MANAGED"));
        answer::listed(&self.send(Method::GET, url, None).await?)
    }

    async fn create_key(&self, account: &str, kind: KeyKind) -> Result<CreatedKey, IamError> {
        let private_key_type = match kind {
            KeyKind::Json => "TYPE_GOOGLE_CREDENTIALS_FILE",
            KeyKind::P12 => "TYPE_PKCS12_FILE",
        };
        let body = json!({"privateKeyType": private_key_type, "keyAlgorithm": "KEY_ALG_RSA_2048"});
        answer::created(&self.send(Method::POST, self.keys_of(account), Some(&body)).await?)
    }

    async fn key_exists(&self, name: &str) -> Result<bool, IamError> {
        answer::exists(&self.send(Method::GET, self.key(name), None).await?)
    }

    async fn delete_key(&self, name: &str) -> Result<(), IamError> {
        answer::deleted(&self.send(Method::DELETE, self.key(name), None).await?)
    }

    async fn identity(&self) -> Option<String> {
        self.tokens.identity().await
    }
}

/// The project of an account, if its name tells. IAM takes `-` as well, but then answers 403 for an account that isn't there.
fn project_of(account: &str) -> Option<String> {
    let (name, domain) = account.split_once('@')?;
    if domain == "appspot.gserviceaccount.com" {
        return Some(name.to_owned());
    }
    let project = domain.strip_suffix(".iam.gserviceaccount.com")?;
    // A project of a domain, `example.com:project`, has the domain behind it here.
    Some(match project.split_once('.') {
        Some((project, domain)) => format!("{domain}:{project}"),
        None => project.to_owned(),
    })
}

/// Sends a request and reads all of its answer.
async fn read(request: reqwest::RequestBuilder) -> Result<HttpAnswer, IamError> {
    let lost = |error: reqwest::Error| IamError::Later {
        may_have_happened: !error.is_connect() && !error.is_builder(),
        message: format!("no answer: {}", full(error)),
        retry_after: None,
    };
    let response = request.send().await.map_err(lost)?;
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (retry_after, date) = (text(header::RETRY_AFTER), text(header::DATE));
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(lost)?.to_vec();
    Ok(HttpAnswer { status, retry_after, date, body })
}

/// An error with what caused it. The address is left out: what was asked for stands around it.
fn full(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Chooses the cryptography of TLS for this process, unless somebody has.
fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // An error means that the process has chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_account_tells_its_project() {
        let of = |account| project_of(account);
        assert_eq!(of("a@p-1.iam.gserviceaccount.com").as_deref(), Some("p-1"));
        assert_eq!(of("a@p.example.com.iam.gserviceaccount.com").as_deref(), Some("example.com:p"));
        assert_eq!(of("p-1@appspot.gserviceaccount.com").as_deref(), Some("p-1"));
        assert_eq!(of("123-compute@developer.gserviceaccount.com"), None);
        assert_eq!(of("nobody"), None);
    }

    #[test]
    fn a_name_stays_in_its_place_in_an_address() {
        let credentials = Credentials::metadata("http://127.0.0.1:1");
        let iam = GoogleIam::new("http://127.0.0.1:2/prefix/", credentials).expect("a client");
        let url = iam.keys_of("a/../../b?c#d@p.iam.gserviceaccount.com");
        let expected = "http://127.0.0.1:2/prefix/v1/projects/p/serviceAccounts/a%2F..%2F..%2Fb%3Fc%23d@p.iam.gserviceaccount.com/keys";
        assert_eq!(url.as_str(), expected);
    }
}
