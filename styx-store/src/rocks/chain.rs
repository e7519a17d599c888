//! The hash chain: each batch's hash covers all batches before it.

use sha2::{Digest, Sha256};
use styx_core::{id::Position, log::LogError};

use crate::keys::{self, hex};

/// A hash of everything up to some batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// The hash of an empty log.
    pub const EMPTY: Self = Self([0; 32]);
}

impl std::fmt::Display for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl std::fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The next hash, while its records are added.
pub(super) struct Link(Sha256);

impl Link {
    /// SHA-256 of the hash before, the first position, and then the records; each says how long it is.
    pub(super) fn new(previous: &ChainHash, first: Position) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(previous.0);
        hasher.update(keys::position(first));
        Self(hasher)
    }

    pub(super) fn add(&mut self, record: &[u8]) {
        self.0.update(record);
    }

    pub(super) fn finish(self) -> ChainHash {
        ChainHash(self.0.finalize().into())
    }
}

/// What is stored of a batch, beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchEntry {
    pub(super) first: Position,
    pub(super) count: u32,
    pub(super) hash: ChainHash,
}

impl BatchEntry {
    pub(super) fn last(&self) -> Position {
        Position(self.first.0.saturating_add(u64::from(self.count)).saturating_sub(1))
    }

    pub(super) fn value(&self) -> [u8; 36] {
        let mut value = [0; 36];
        value[..4].copy_from_slice(&self.count.to_be_bytes());
        value[4..].copy_from_slice(&self.hash.0);
        value
    }

    pub(super) fn parse(key: &[u8], value: &[u8]) -> Result<Self, LogError> {
        let corrupt = |reason: &str| LogError::Corrupt { place: format!("batch {}", hex(key)), reason: reason.into() };
        let first = keys::parse_position(key).map_err(|_| corrupt("its key is no position"))?;
        let value: [u8; 36] = value.try_into().map_err(|_| corrupt("it isn't 36 bytes"))?;
        let [c0, c1, c2, c3, ..] = value;
        let count = u32::from_be_bytes([c0, c1, c2, c3]);
        let mut hash = [0; 32];
        hash.copy_from_slice(&value[4..]);
        if count == 0 {
            return Err(corrupt("it has no record"));
        }
        Ok(Self { first, count, hash: ChainHash(hash) })
    }
}
