//! The server that uses a data folder.

use std::{fs, io, path::Path};

use styx_client::Host;

use crate::serve::ADDRESS_FILE;

/// The server that the folder's address file names; `unreadable` says what it means that there is no such file.
pub(super) fn host_of(data: &Path, unreadable: impl FnOnce(&Path, io::Error) -> String) -> Result<Host, String> {
    let path = data.join(ADDRESS_FILE);
    let address = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
    Host::parse(&format!("http://{}", address.trim())).map_err(|error| error.to_string())
}
