//! The world as it was: the log folded up to a position. One thread reads and decodes ahead while another folds.

use std::{
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use styx_core::{
    id::Position,
    log::LogError,
    record::Record,
    world::{Changes, World},
};

use super::{
    options::family,
    reader::{RocksReader, Store, corrupt, decode_record},
};
use crate::{check::failed, keys};

/// How many records are handed over at a time.
const PAGE: usize = 256;

/// How many pages the reading thread may be ahead: few, so that what it made is still in the processor's cache when it is
/// folded.
const AHEAD: usize = 4;

/// A fold of a log on its way from the first record on.
pub struct Replay<'a> {
    reader: &'a RocksReader,
    world: World,
}

impl<'a> Replay<'a> {
    /// Before the first record.
    pub fn new(reader: &'a RocksReader) -> Self {
        Self { reader, world: World::default() }
    }

    /// The world after the last record that was folded.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Folds on up to `to` and shows each record with what it changed; a position that was passed already changes nothing.
    ///
    /// # Errors
    ///
    /// `Corrupt` when a record on the way is missing, damaged, or doesn't follow from those before it; the world is that
    /// before it.
    pub fn advance(&mut self, to: Position, visit: &mut dyn FnMut(&Record, &Changes)) -> Result<(), LogError> {
        let from = self.world.tail().next();
        if from > to {
            return Ok(());
        }
        let store = &*self.reader.store;
        let world = &mut self.world;
        thread::scope(|scope| {
            let (pages, decoded) = mpsc::sync_channel(AHEAD);
            // What was folded goes back: memory is cheapest given up where it was taken.
            let (folded, spent) = mpsc::channel();
            thread::Builder::new()
                .name("decode".into())
                .spawn_scoped(scope, move || decode(store, from, to, &pages, &spent))
                .map_err(|error| failed("starting a thread that reads ahead", error.to_string()))?;
            // An error leaves this scope, drops the receiver, and with it the other thread ends.
            for page in decoded {
                let page: Vec<Record> = page?;
                for record in &page {
                    let changes = world.apply(record).map_err(|refused| {
                        let reason = format!("it doesn't follow from those before it: {refused}");
                        corrupt(format!("record {}", record.position), reason)
                    })?;
                    visit(record, &changes);
                }
                let _ = folded.send(page);
            }
            match world.tail() {
                tail if tail < to => Err(corrupt(format!("record {}", tail.next()), "it is missing".into())),
                _ => Ok(()),
            }
        })
    }
}

type Page = Result<Vec<Record>, LogError>;

/// Reads until the end, an error, or until nobody listens.
fn decode(store: &Store, from: Position, to: Position, pages: &SyncSender<Page>, spent: &Receiver<Vec<Record>>) {
    let mut entries = store.entries(family::LOG, &keys::position(from), Some(keys::position(to.next()).to_vec()));
    let mut next = || -> Result<Option<Record>, LogError> {
        let Some((key, value)) = entries.next()? else { return Ok(None) };
        let position = keys::parse_position(key).map_err(|error| corrupt("a key of the log", error.to_string()))?;
        decode_record(position, value).map(Some)
    };
    loop {
        let mut page = spent.try_recv().unwrap_or_else(|_| Vec::with_capacity(PAGE));
        page.clear();
        let end = loop {
            match next() {
                Ok(Some(record)) => page.push(record),
                Ok(None) => break Some(None),
                Err(error) => break Some(Some(error)),
            }
            if page.len() == PAGE {
                break None;
            }
        };
        let is_taken = pages.send(Ok(page)).is_ok();
        match end {
            None if is_taken => {}
            Some(Some(error)) if is_taken => {
                let _ = pages.send(Err(error));
                return;
            }
            _ => return,
        }
    }
}
