//! A disk that is slow to sync: what grouping is worth shows only there.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::Outcome;

/// A library that makes the syncs of a process slow, compiled into a folder.
pub(crate) struct SlowDisk {
    library: PathBuf,
}

impl SlowDisk {
    /// # Errors
    ///
    /// When `cc` doesn't compile it.
    pub(crate) fn compile(folder: &Path) -> Outcome<Self> {
        let (source, library) = (folder.join("slow_sync.c"), folder.join("slow_sync.so"));
        fs::write(&source, include_str!("slow_sync.c"))?;
        let status =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status()?;
        if !status.success() {
            return Err(format!("cc can't compile {}", source.display()).into());
        }
        Ok(Self { library })
    }

    /// What a process whose syncs are to take so much longer needs in its environment.
    pub(crate) fn environment(&self, longer: Duration) -> [(&'static str, OsString); 2] {
        let micros = longer.as_micros().to_string();
        [("LD_PRELOAD", self.library.clone().into()), ("BENCH_HTTP_SYNC_US", micros.into())]
    }
}
