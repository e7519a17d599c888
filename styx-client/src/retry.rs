//! When a request is sent again.

use std::time::Duration;

use crate::error::{Error, TransportErrorKind};

/// How often a request is sent again that came to nothing, and how long is waited before.
///
/// Sent again are requests that change nothing, and those that create something under a key by which the server knows
/// them again; all others only when nothing of them was sent. What is worth another try is that there was no
/// connection or that it broke, and the statuses 429 and 503, whose `Retry-After` is kept. A server that did not answer
/// in time is not asked again: it had its time.
///
/// Styx 2.x does not know such keys: what it is asked to create may be created twice, or be refused because it is there
/// already. [`NONE`](Self::NONE) is for it.
///
/// ```
/// use std::time::Duration;
/// use styx_client::Retries;
///
/// assert_eq!(Retries::default().with_most(0), Retries::NONE);
/// let patient = Retries::default().with_most(20).with_longest_wait(Duration::from_secs(60));
/// # assert_ne!(patient, Retries::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    most: u32,
    first_wait: Duration,
    longest_wait: Duration,
}

impl Retries {
    /// Nothing is sent twice.
    pub const NONE: Self =
        Self { most: 0, first_wait: Duration::from_millis(200), longest_wait: Duration::from_secs(10) };

    /// Sends again at most so many times.
    #[must_use]
    pub fn with_most(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    /// Waits for about so long before the first try but one, and twice as long each time after.
    #[must_use]
    pub fn with_first_wait(mut self, wait: Duration) -> Self {
        self.first_wait = wait;
        self
    }

    /// Never waits for longer. When a server asks for more, the request has failed.
    #[must_use]
    pub fn with_longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// How long to wait before a request that was sent `sent` times is sent again, if it is. `chance` is a number from 0
    /// to 1, so that many clients don't come back at once.
    pub(crate) fn wait(&self, sent: u32, is_repeatable: bool, error: &Error, chance: f64) -> Option<Duration> {
        if sent > self.most {
            return None;
        }
        let asked = match error {
            // Nothing was sent yet, so nothing can be done twice.
            Error::Transport { source, .. } if source.kind() == TransportErrorKind::Connect => None,
            Error::Transport { source, .. } if is_repeatable && source.kind() != TransportErrorKind::Timeout => None,
            Error::Api(error) if is_repeatable && matches!(error.status, 429 | 503) => error.retry_after,
            _ => return None,
        };
        let doubled = self.first_wait.saturating_mul(1 << (sent.max(1) - 1).min(20));
        let own = doubled.min(self.longest_wait).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        match asked {
            None => Some(own),
            Some(asked) if asked <= self.longest_wait => Some(asked.max(own)),
            Some(_) => None,
        }
    }
}

impl Default for Retries {
    /// Three more tries, within about a second and a half if the server doesn't ask for more.
    fn default() -> Self {
        Self::NONE.with_most(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiError, TransportError};

    fn refusal(status: u16, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        ApiError { status, reason: String::new(), request_id: String::new(), authenticated: false, retry_after }.into()
    }

    #[test]
    fn waits_double_and_are_bounded() {
        let retries = Retries::NONE.with_most(30).with_first_wait(Duration::from_secs(1));
        let waits: Vec<_> = (1..=30).map(|sent| retries.wait(sent, true, &refusal(503, None), 1.0).unwrap()).collect();
        assert_eq!(waits[..4], [1, 2, 4, 8].map(Duration::from_secs));
        assert!(waits[4..].iter().all(|wait| *wait == Duration::from_secs(10)));
        assert_eq!(retries.wait(31, true, &refusal(503, None), 1.0), None);
        assert_eq!(retries.wait(1, true, &refusal(503, None), 0.0), Some(Duration::from_millis(500)));
    }

    #[test]
    fn what_the_server_asks_for_is_kept() {
        let retries = Retries::default();
        assert_eq!(retries.wait(1, true, &refusal(429, Some(3)), 0.5), Some(Duration::from_secs(3)));
        assert!(retries.wait(1, true, &refusal(429, Some(0)), 0.5).unwrap() > Duration::ZERO);
        assert_eq!(retries.wait(1, true, &refusal(503, Some(11)), 0.5), None);
    }

    #[test]
    fn a_server_that_hangs_is_not_asked_again() {
        crate::request::install_crypto();
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_millis(20)).build().unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let source = TransportError::from(client.get(&url).send().unwrap_err());
        assert_eq!(source.kind(), TransportErrorKind::Timeout);
        let error = Error::Transport { method: "GET".into(), url, source };
        assert_eq!(Retries::default().wait(1, true, &error, 0.5), None);
    }

    #[test]
    fn other_refusals_and_unkeyed_requests_are_final() {
        let retries = Retries::default();
        for status in [400, 401, 404, 409, 500, 502] {
            assert_eq!(retries.wait(1, true, &refusal(status, None), 0.5), None, "{status}");
        }
        assert_eq!(retries.wait(1, false, &refusal(503, None), 0.5), None);
    }
}
