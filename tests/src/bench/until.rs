//! When nothing more is measured: after a time, or when someone asks for it.

use std::time::Duration;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::Instant,
};

/// When nothing more is measured. What was made until then is still removed.
pub struct Until {
    deadline: Instant,
    asked: watch::Receiver<bool>,
}

impl Until {
    /// So long from now, or until the program is told to stop.
    pub fn within(time: Duration) -> Self {
        let (ask, asked) = watch::channel(false);
        tokio::spawn(async move {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
            let [mut interrupt, mut terminate] = kinds.map(|kind| signal(kind).expect("a signal"));
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            ask.send_replace(true);
        });
        Self { deadline: Instant::now() + time, asked }
    }

    pub(super) fn is_over(&self) -> bool {
        *self.asked.borrow() || Instant::now() >= self.deadline
    }

    /// Waits for it.
    pub(super) async fn over(&self) {
        let mut asked = self.asked.clone();
        tokio::select! {
            _ = asked.wait_for(|asked| *asked) => {}
            () = tokio::time::sleep_until(self.deadline) => {}
        }
    }
}
