//! A backfill whose instances are read one after the other: there may be millions.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufReader;
use std::time::Duration;

use reqwest::Method;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Client;
use crate::error::TransportError;
use crate::{Backfill, Error, RunStateData, json};

/// For how long an answer may go on.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A part of a backfill, as the server sends it.
#[derive(Clone, Debug, PartialEq)]
pub enum BackfillItem {
    /// The backfill itself: first and once.
    Backfill(Box<Backfill>),
    /// Where one of its instances stands.
    Instance(Box<RunStateData>),
    /// How many of all its instances are in which state, if a part of them was asked for and the server counts them.
    Counts(BTreeMap<String, u64>),
    /// The parameter of the first instance after that part, if the server says so.
    Next(String),
}

/// Which instances of a backfill are wanted; the default is all. Styx 2.x sends all, whatever is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillPage {
    /// The parameter of the first one.
    pub from: Option<String>,
    /// How many at most.
    pub limit: Option<usize>,
}

impl Client {
    /// Visits a backfill, and then its instances as they arrive, until all are visited or `visit` fails. Memory is taken for one
    /// of them at a time.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such backfill. What `visit` returned, if it failed.
    pub fn visit_backfill<E: From<Error>>(
        &self,
        id: &str,
        page: &BackfillPage,
        mut visit: impl FnMut(BackfillItem) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut call = self.call(Method::GET, &["backfills", id], &[("status", "true")]).within(LONGEST);
        call.page = page.clone();
        let response = self.send_and(&call, Ok)?;
        let mut failed = None;
        let mut visit = |item| {
            visit(item).map_err(|error| {
                failed = Some(error);
                serde_json::Error::custom("a visit failed")
            })
        };
        let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(response));
        let read = Payload { visit: &mut visit }.deserialize(&mut deserializer);
        match (read, failed) {
            (_, Some(error)) => Err(error),
            (Ok(()), None) => Ok(()),
            (Err(source), None) => {
                let (method, url) = (call.method.to_string(), call.url.clone());
                Err(match source.is_io() || source.is_eof() {
                    true => Error::Transport { method, url, source: TransportError::broken(source.to_string()) },
                    false => Error::Decode { method, url, source },
                }
                .into())
            }
        }
    }
}

/// What is done with an item.
type Visit<'a> = dyn FnMut(BackfillItem) -> Result<(), serde_json::Error> + 'a;

/// `{"backfill": …, "statuses": {"active_states": […]}}`, in any order.
struct Payload<'a> {
    visit: &'a mut Visit<'a>,
}

impl<'de> DeserializeSeed<'de> for Payload<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Payload<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a backfill with its instances")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_backfill = false;
        // Of a server that sends them first.
        let mut early: Option<Box<RawValue>> = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "backfill" => {
                    let raw = map.next_value::<Box<RawValue>>()?;
                    let backfill = json::from_slice(raw.get().as_bytes()).map_err(A::Error::custom)?;
                    (self.visit)(BackfillItem::Backfill(backfill)).map_err(A::Error::custom)?;
                    has_backfill = true;
                }
                "statuses" if has_backfill => map.next_value_seed(Statuses { visit: self.visit })?,
                "statuses" => early = Some(map.next_value()?),
                "counts" => {
                    let counts = map.next_value()?;
                    (self.visit)(BackfillItem::Counts(counts)).map_err(A::Error::custom)?;
                }
                "next" => {
                    if let Some(next) = map.next_value()? {
                        (self.visit)(BackfillItem::Next(next)).map_err(A::Error::custom)?;
                    }
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !has_backfill {
            return Err(A::Error::missing_field("backfill"));
        }
        if let Some(early) = early {
            let statuses = Statuses { visit: self.visit };
            statuses.deserialize(&mut serde_json::Deserializer::from_str(early.get())).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// `{"active_states": […]}` or null, or the list in it.
struct Statuses<'a, 'v> {
    visit: &'a mut Visit<'v>,
}

impl<'de> DeserializeSeed<'de> for Statuses<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Statuses<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("instances of a backfill")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "active_states" => map.next_value_seed(Statuses { visit: self.visit })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<Box<RawValue>>()? {
            let state = json::from_slice(raw.get().as_bytes()).map_err(A::Error::custom)?;
            (self.visit)(BackfillItem::Instance(state)).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
