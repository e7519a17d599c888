//! Random numbers, which only the server draws: the core takes what was drawn.

use uuid::{Builder, Uuid};

/// A random UUID of version 4.
///
/// # Errors
///
/// When the system gives no random bytes.
pub(crate) fn uuid() -> Result<Uuid, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}
