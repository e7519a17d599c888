//! The space on the disk that what executors report must still find.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use styx_store::rocks::free_bytes;

/// The disk of a data folder, and what must stay free on it.
pub(crate) struct Disk {
    data: PathBuf,
    reserve: u64,
    /// When it was looked at last, and what was free.
    looked: Mutex<Option<(Instant, u64)>>,
}

impl Disk {
    /// How long a look counts: what is written meanwhile is small against any reserve.
    const COUNTS: Duration = Duration::from_millis(100);

    /// The disk that holds a data folder; `reserve` in bytes.
    pub(crate) fn new(data: PathBuf, reserve: u64) -> Self {
        Self { data, reserve, looked: Mutex::default() }
    }

    /// Why nothing may be written now: the disk is nearly full. One that can't be asked refuses nothing, writing to it will tell.
    pub(crate) fn refusal(&self) -> Option<String> {
        let free =
            self.free().inspect_err(|error| tracing::warn!("asking how much of the disk is free: {error}")).ok()?;
        (free < self.reserve).then(|| {
            format!(
                "only {free} bytes are free on the disk of {}, less than the reserve of {}: nothing is written until there is \
                 more",
                self.data.display(),
                self.reserve
            )
        })
    }

    fn free(&self) -> std::io::Result<u64> {
        // A look is whole or isn't there.
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, free)) = looked.filter(|(at, _)| at.elapsed() < Self::COUNTS) {
            return Ok(free);
        }
        let free = free_bytes(&self.data)?;
        *looked = Some((Instant::now(), free));
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_refused_below_the_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |reserve| Disk::new(dir.path().to_owned(), reserve).refusal();
        assert_eq!(refusal(0), None);
        let refused = refusal(u64::MAX).unwrap();
        assert!(refused.starts_with("only ") && refused.contains("less than the reserve of 18446744073709551615"));
        // A disk that can't be asked refuses nothing: writing to it will tell.
        assert_eq!(Disk::new(dir.path().join("gone"), u64::MAX).refusal(), None);
    }

    #[test]
    fn a_look_counts_for_a_moment() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path().to_owned(), 1 << 20);
        *disk.looked.lock().unwrap() = Some((Instant::now(), 7));
        assert!(disk.refusal().is_some());
        *disk.looked.lock().unwrap() = Instant::now().checked_sub(Disk::COUNTS).map(|at| (at, 7));
        assert!(disk.refusal().is_none());
    }
}
