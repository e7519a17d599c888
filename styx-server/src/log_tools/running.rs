//! The server that uses a data folder.

use std::{env, fs, io, path::Path};

use styx_client::{Client, Host};

use crate::serve::ADDRESS_FILE;

/// The variable that holds the token by which a server knows who asks; `styx` has the same.
const TOKEN: &str = "STYX_TOKEN";

/// Asks a server, with the token of the environment if there is one.
pub(super) fn client(host: &Host) -> Result<Client, String> {
    let client = Client::new(host).map_err(|error| error.to_string())?;
    match env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
        Some(token) => client.with_token(token.trim()).map_err(|error| format!("{TOKEN}: {error}")),
        None => Ok(client),
    }
}

/// The server that the folder's address file names; `unreadable` says what it means that there is no such file.
pub(super) fn host_of(data: &Path, unreadable: impl FnOnce(&Path, io::Error) -> String) -> Result<Host, String> {
    let path = data.join(ADDRESS_FILE);
    let address = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
    Host::parse(&format!("http://{}", address.trim())).map_err(|error| error.to_string())
}
