//! The descriptors that the executor's thread waits for.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    io::Errno,
};

/// Wakes the thread.
pub(crate) fn wake(descriptor: &OwnedFd) {
    if let Err(error) = rustix::io::write(descriptor, &1_u64.to_ne_bytes()) {
        // A counter that is full wakes as well.
        tracing::debug!(%error, "waking the local executor");
    }
}

/// Names descriptors of an execution to the kernel, and says who is meant when one of them stirs.
pub(crate) struct Watcher {
    epoll: OwnedFd,
}

impl Watcher {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Asks for one event on each change of the descriptor. It ends with the descriptor.
    pub(crate) fn watch(&self, descriptor: impl AsFd, token: u64) -> io::Result<()> {
        let events = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&self.epoll, descriptor, epoll::EventData::new_u64(token), events)?;
        Ok(())
    }

    /// Waits until a descriptor stirs, or for as long as `timeout`; without one for ever.
    pub(crate) fn wait(&self, events: &mut Vec<epoll::Event>, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
