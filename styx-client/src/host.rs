//! Where the server is, and the addresses of its resources.

use reqwest::Url;
use thiserror::Error;

/// The path below which Styx's API is.
const V3: &str = "api/v3";
/// The path below which that is which only this server has.
const V4: &str = "api/v4";

/// The address of a server.
///
/// A text with `://` says everything; its path is dropped. A bare host means `https`, without an exception for this
/// machine, so plain HTTP must be written out.
///
/// ```
/// use styx_client::Host;
///
/// assert_eq!(Host::parse("styx.example.org").unwrap().to_string(), "https://styx.example.org");
/// assert_eq!(Host::parse("http://127.0.0.1:8080/ignored").unwrap().to_string(), "http://127.0.0.1:8080");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    origin: String,
    is_this_machine: bool,
}

/// A text that does not say where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not the address of a server: {text:?}")]
pub struct ParseHostError {
    /// Without what stands before an `@`, which may be a password.
    text: String,
}

impl Host {
    /// Reads an address.
    ///
    /// # Errors
    /// When the text names no host, or a scheme other than `http` and `https`.
    pub fn parse(text: &str) -> Result<Self, ParseHostError> {
        let error = || ParseHostError { text: text.rsplit('@').next().unwrap_or(text).into() };
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&full).map_err(|_| error())?;
        let name = url.host_str().ok_or_else(error)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(error());
        }
        Ok(Self { is_this_machine: is_this_machine(name), origin: url.origin().ascii_serialization() })
    }

    /// Whether the server is on this machine, where no proxy can be in between.
    pub(crate) fn is_this_machine(&self) -> bool {
        self.is_this_machine
    }

    /// The address of something in Styx's API. Segments and query values are taken literally and escaped here.
    pub(crate) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        self.url_below(V3, segments, query)
    }

    /// The address at which a server only says that it is there.
    pub(crate) fn ping_url(&self) -> String {
        format!("{}/ping", self.origin)
    }

    /// The same for what Styx 2.x doesn't have.
    pub(crate) fn v4_url(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        self.url_below(V4, segments, query)
    }

    fn url_below(&self, base: &str, segments: &[&str], query: &[(&str, &str)]) -> String {
        let mut url = format!("{}/{base}", self.origin);
        for segment in segments {
            url.push('/');
            push_escaped(&mut url, segment, is_plain_in_segment);
        }
        for (i, (name, value)) in query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            push_escaped(&mut url, value, is_plain_in_query);
        }
        url
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}

/// A segment of a path that doesn't reach the server as it is: `.` and `..` are resolved on the way, however they are escaped,
/// and an empty one at the end isn't told from none.
pub(crate) fn lost_segment(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let path = path.split('?').next().unwrap_or(path);
    path.split('/').find(|segment| matches!(*segment, "" | "." | ".."))
}

fn is_this_machine(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn push_escaped(url: &mut String, text: &str, is_plain: fn(u8) -> bool) {
    for byte in text.bytes() {
        if is_plain(byte) {
            url.push(byte.into());
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// What stands for itself in a segment. The original escapes only what it must, and a server may log what it gets.
fn is_plain_in_segment(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"#%/<>?[\\]^`{|}".contains(&byte)
}

fn is_plain_in_query(byte: u8) -> bool {
    is_plain_in_segment(byte) && !b"&+=;'".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_means_https() {
        for (text, expected) in [
            ("localhost:8080", "https://localhost:8080"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080/x?y", "http://[::1]:8080"),
            ("HTTPS://Styx.Example.Org", "https://styx.example.org"),
            ("https://user@styx.example.org:443", "https://styx.example.org"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "ftp://styx.example.org", "http://", "a b"] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn segments_and_values_are_escaped() {
        let host = Host::parse("http://h").unwrap();
        assert_eq!(
            host.url(&["workflows", "a b/c#d%", "n ä", "x:+@&=,;'!*()~$-._"], &[]),
            "http://h/api/v3/workflows/a%20b%2Fc%23d%25/n%20%C3%A4/x:+@&=,;'!*()~$-._"
        );
        assert_eq!(host.url(&["\"<>?[\\]^`{|}\n"], &[]), "http://h/api/v3/%22%3C%3E%3F%5B%5C%5D%5E%60%7B%7C%7D%0A");
        assert_eq!(host.url(&["x"], &[("a", "1 +&=2"), ("b", "")]), "http://h/api/v3/x?a=1%20%2B%26%3D2&b=");
    }

    #[test]
    fn an_id_changes_no_path() {
        let host = Host::parse("http://h:1").unwrap();
        for id in ["", ".", ".."] {
            for path in [vec![id], vec!["workflows", id, "w"], vec!["workflows", "c", id]] {
                assert_eq!(lost_segment(&host.url(&path, &[("a", "/x/../")])), Some(id), "{path:?}");
            }
        }
        for id in ["...", ".a", "a.", "%2e", "%2E%2e", "/", "a/../b", "\\..\\", "?", "#"] {
            let url = host.url(&["workflows", id, "w"], &[("a", "/x/../")]);
            assert_eq!(lost_segment(&url), None, "{id}");
            let parsed = Url::parse(&url).unwrap();
            assert_eq!(parsed.path_segments().unwrap().count(), 5, "{parsed}");
            assert_eq!(parsed.as_str(), url, "{id}");
        }
        assert_eq!(lost_segment(&host.ping_url()), None);
    }

    #[test]
    fn this_machine_is_known_by_name_and_address() {
        for (text, expected) in [
            ("http://localhost", true),
            ("http://127.0.0.9:1", true),
            ("http://[::1]", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(Host::parse(text).unwrap().is_this_machine(), expected, "{text}");
        }
    }
}
