//! What keeps web pages of others away from a server, with and without authentication: `Host`, `Origin`, `Sec-Fetch-Site`.
//!
//! A page in a browser on this machine can send requests to loopback addresses. It can't forge these headers: `Host` is
//! the name that the page's address has (DNS rebinding), `Origin` is where the page comes from.

use std::net::IpAddr;

use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    header::{HOST, HeaderName, ORIGIN},
};

use super::{is_write, response::ApiError};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which names the server answers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    /// Listens where others can reach it: any IP address is accepted as a name, since an address can't be rebound.
    pub(crate) reachable: bool,
    /// Further names, in lower case; the operator's own, so no foreign page has them.
    pub(crate) hosts: Vec<String>,
}

impl Guard {
    /// Refuses what a browser sends for a page that isn't ours.
    ///
    /// # Errors
    ///
    /// 421 for a foreign `Host`, 403 for a foreign `Origin` and for requests across sites.
    pub(super) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = self.host(uri, headers)?;
        for origin in headers.get_all(ORIGIN) {
            let origin = String::from_utf8_lossy(origin.as_bytes()).to_lowercase();
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            if authority != Some(host.as_str()) {
                let text = format!("requests from pages of {origin} are refused: they may not use this server");
                return Err(ApiError::new(StatusCode::FORBIDDEN, text));
            }
        }
        for site in headers.get_all(SEC_FETCH_SITE) {
            let refused = match site.as_bytes() {
                b"same-origin" | b"none" => false,
                // Other ports of this machine: their pages may link here and not write here.
                b"same-site" => is_write(method),
                _ => true,
            };
            if refused {
                let text = "requests from pages of other sites are refused: open the address in a tab of its own";
                return Err(ApiError::new(StatusCode::FORBIDDEN, text));
            }
        }
        Ok(())
    }

    /// The one name and port that the request is for, in lower case.
    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, ApiError> {
        let mut names =
            headers.get_all(HOST).iter().map(|host| String::from_utf8_lossy(host.as_bytes()).to_lowercase());
        let refuse = |text: String| Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, text));
        let Some(host) = names.next() else {
            return refuse("the request names no host".to_owned());
        };
        let in_uri = uri.authority().map(|authority| authority.as_str().to_lowercase());
        if names.chain(in_uri).any(|other| other != host) {
            return refuse("the request names several hosts".to_owned());
        }
        if !self.is_ours(&host) {
            let address = if self.reachable { "an address" } else { "localhost" };
            let known = self.hosts.iter().map(String::as_str).chain([address]).collect::<Vec<_>>().join(", ");
            return refuse(format!(
                "this server doesn't answer to the name {host}: use {known}, or start it with --host-name for this one"
            ));
        }
        Ok(host)
    }

    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !name.ends_with(':') && !port.contains(']') => (name, Some(port)),
            _ => (host, None),
        };
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return false;
        }
        let address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(v6) => v6.parse().map(IpAddr::V6).ok(),
            None => name.parse().map(IpAddr::V4).ok(),
        };
        match address {
            Some(address) => self.reachable || address.is_loopback(),
            None => name == "localhost" || self.hosts.iter().any(|known| known == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, method: &str, headers: &[(&str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        match guard.check(&method, &Uri::from_static("/ping"), &map) {
            Ok(()) => 200,
            Err(error) => error.into_response(None).status().as_u16(),
        }
    }

    #[test]
    fn only_loopback_names_are_ours() {
        let guard = Guard::default();
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]:8080", "[::1]"] {
            assert_eq!(status(&guard, "GET", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8080",
            "localhost:",
            "localhost:x",
            "localhost:80:80",
            "0.0.0.0",
            "192.168.1.1:8080",
            "[::2]",
            "::1",
            "",
            "a@localhost",
        ] {
            assert_eq!(status(&guard, "GET", &[("host", host)]), 421, "{host}");
        }
        assert_eq!(status(&guard, "GET", &[]), 421);
        assert_eq!(status(&guard, "GET", &[("host", "localhost"), ("host", "evil.example")]), 421);
    }

    #[test]
    fn a_server_that_others_can_reach_answers_to_addresses_and_named_hosts() {
        let guard = Guard { reachable: true, hosts: vec!["styx.example".to_owned()] };
        for host in ["10.0.0.7:8080", "styx.example", "[2001:db8::1]:80", "localhost"] {
            assert_eq!(status(&guard, "GET", &[("host", host)]), 200, "{host}");
        }
        assert_eq!(status(&guard, "GET", &[("host", "evil.example")]), 421);
        let behind_a_proxy = Guard { reachable: false, ..guard };
        assert_eq!(status(&behind_a_proxy, "GET", &[("host", "styx.example")]), 200);
        assert_eq!(status(&behind_a_proxy, "GET", &[("host", "10.0.0.7:8080")]), 421);
    }

    #[test]
    fn pages_of_others_are_refused() {
        let guard = Guard::default();
        let host = ("host", "localhost:8080");
        for origin in ["http://evil.example", "null", "http://localhost:3000", "https://localhost", "file://"] {
            assert_eq!(status(&guard, "POST", &[host, ("origin", origin)]), 403, "{origin}");
            assert_eq!(status(&guard, "GET", &[host, ("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(status(&guard, "POST", &[host, ("origin", "http://localhost:8080")]), 200);
        for (method, site, expected) in [
            ("GET", "cross-site", 403),
            ("POST", "cross-site", 403),
            ("GET", "same-site", 200),
            ("POST", "same-site", 403),
            ("GET", "none", 200),
            ("POST", "same-origin", 200),
            ("GET", "new-word", 403),
        ] {
            assert_eq!(status(&guard, method, &[host, ("sec-fetch-site", site)]), expected, "{method} {site}");
        }
    }
}
