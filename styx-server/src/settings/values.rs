//! Values as the configuration file writes them.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, de::Error as _};
use styx_core::{
    config::{Backoff, Rate},
    workflow::Span,
};

/// An ISO-8601 duration in the file, such as `PT10M`; not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Iso(pub(crate) TimeDelta);

impl Iso {
    /// The same for timers.
    pub(crate) fn std(self) -> Duration {
        self.0.to_std().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Iso {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for Iso {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = Span::parse_iso(text).ok().map(Span::to_delta).filter(|delta| *delta >= TimeDelta::zero());
        let expected = "expected days, hours, minutes and seconds such as PT10M or P1DT12H";
        span.map(Self).ok_or_else(|| format!("`{text}` is not an ISO-8601 duration: {expected}"))
    }
}

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span::from(self.0).fmt(f)
    }
}

/// Where to listen, in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listen(pub(super) SocketAddr);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        listen(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// Reads where to listen.
///
/// # Errors
///
/// When it isn't a socket address.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected an IP address and a port such as 127.0.0.1:8080 or [::1]:8080";
    text.parse().map_err(|_| format!("`{text}` is not a socket address: {expected}"))
}

/// A cost in the file: a number with at most one decimal; kept in tenths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost(pub(super) u32);

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cost = f64::deserialize(deserializer)?;
        let tenths = (cost * 10.0).round();
        if !(0.0..=f64::from(u32::MAX)).contains(&tenths) || (tenths / 10.0 - cost).abs() > 1e-9 {
            let text =
                format!("`{cost}` is not a cost: expected a number from 0 with at most one decimal, such as 50.0");
            return Err(D::Error::custom(text));
        }
        Ok(Self(tenths as u32))
    }
}

/// A rate in the file, as a number a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerSecond(pub(super) Rate);

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = f64::deserialize(deserializer)?;
        let text = || format!("`{rate}` is not a rate: expected a number a second from 0.001, such as 1000.0");
        Rate::per_second(rate).map(Self).ok_or_else(|| D::Error::custom(text()))
    }
}

/// An exponent in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exponent(pub(super) u32);

impl<'de> Deserialize<'de> for Exponent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let exponent = u32::deserialize(deserializer)?;
        let most = Backoff::MAX_EXPONENT;
        if exponent > most {
            return Err(D::Error::custom(format!("`{exponent}` is too large an exponent, at most {most}")));
        }
        Ok(Self(exponent))
    }
}
