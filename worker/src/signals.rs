//! What asks a process to end: SIGTERM and SIGINT.
//!
//! In a container `kiln` is process 1, to which the kernel gives no default action: a signal that
//! nobody listens to is lost, and the container's end waits for SIGKILL. So what runs in containers
//! listens from its first moment on.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::end::{Error, Exit};

/// Both signals. One that comes while nobody waits for it is kept.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on: neither ends the process by itself any more.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What comes of something, or none where a signal comes first.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.next() => None,
        }
    }
}

/// Does something that a signal ends with an error, which says what to do about it.
pub(crate) async fn or_ended<T>(
    work: impl Future<Output = Result<T, Error>>,
    hint: &str,
) -> Result<T, Error> {
    let done = Signals::listen()?.unless(work).await;
    done.unwrap_or_else(|| {
        Err(Error::new(Exit::Failed, "a signal ended this before it was done").hint(hint))
    })
}
