//! SIGTERM and SIGINT.
//!
//! In a container `kiln` is process 1, and the kernel ignores signals to process 1 without a handler.
//! The container would then end only by SIGKILL. So commands that run in containers install the handlers
//! first.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{Error, Exit};

/// Both signals. A signal that arrives while nobody waits is kept.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. From now on a signal does not end the process by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The result of `work`, or none if a signal comes first.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.next() => None,
        }
    }
}

/// Runs `work`. A signal ends it with an error that has this hint.
pub(crate) async fn or_ended<T>(
    work: impl Future<Output = Result<T, Error>>,
    hint: &str,
) -> Result<T, Error> {
    let done = Signals::listen()?.unless(work).await;
    done.unwrap_or_else(|| Err(Error::new(Exit::Failed, "a signal ended this command").hint(hint)))
}
