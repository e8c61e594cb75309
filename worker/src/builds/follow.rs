//! Shows a build until it ends or the user detaches.

use std::time::{Duration, Instant};

use anyhow::Context;
use kilnworks_workflows::progress::Progress;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    cancel,
    interrupt::{self, Answer},
    outcome::{self, Build, Outcome},
    poll,
    settle::settle,
};
use crate::{
    engine::Engine,
    output::{Error, progress::View},
};

/// What Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Detaches at once.
    Detach,
    /// Asks whether to detach or to cancel. A second Ctrl-C detaches.
    Ask,
}

/// Shows a build that started `age` ago. Returns none if the user detached.
pub(crate) async fn follow(
    engine: &Engine,
    queue: &str,
    build: &Build,
    age: Duration,
    mut interrupt: Interrupt,
) -> Result<Option<Outcome>, Error> {
    let id = &build.info().workflow_id;
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut watch = Watch::of(engine, queue, build, age);
    let ended = outcome::wait(engine, build);
    tokio::pin!(ended);
    let outcome = loop {
        tokio::select! {
            outcome = &mut ended => break outcome?,
            () = watch.run() => unreachable!("it never ends"),
            _ = interrupts.recv() => watch.view.close(),
        }
        let answer = match interrupt {
            Interrupt::Detach => Answer::Detach,
            Interrupt::Ask => tokio::select! {
                outcome = &mut ended => {
                    eprintln!();
                    break outcome?;
                }
                answer = interrupt::ask(id) => answer,
                _ = interrupts.recv() => {
                    eprintln!();
                    Answer::Detach
                }
            },
        };
        if answer == Answer::Detach {
            eprintln!(
                "detached; the build continues. `kiln status {id}` shows it, `kiln cancel {id}` cancels it"
            );
            return Ok(None);
        }
        cancel::request(engine, build, "kiln build: Ctrl-C").await?;
        eprintln!("requested the cancellation of `{id}`; it is cleaning up. Ctrl-C detaches");
        interrupt = Interrupt::Detach;
    };
    watch.end(&outcome);
    Ok(Some(outcome))
}

/// Pause between two polls.
const PAUSE: Duration = Duration::from_secs(1);

/// How long no worker may answer before a message says so.
const SILENCE: Duration = Duration::from_secs(10);

/// A build and its live view.
struct Watch<'a> {
    engine: &'a Engine,
    queue: &'a str,
    build: &'a Build,
    view: View,
    last: Progress,
    from: Instant,
    is_warned: bool,
}

impl<'a> Watch<'a> {
    fn of(engine: &'a Engine, queue: &'a str, build: &'a Build, age: Duration) -> Self {
        let (view, last) = (View::fitting(age), Progress::default());
        Self { engine, queue, build, view, last, from: Instant::now(), is_warned: false }
    }

    /// Shows the build. Never returns.
    async fn run(&mut self) {
        loop {
            if let Some(progress) = poll::progress(self.engine, self.build).await {
                self.view.show(&progress);
                self.last = progress;
            } else if self.must_warn() {
                let queue = self.queue;
                self.view.note(&format!(
                    "no worker answers on task queue `{queue}`; is `kiln worker` running?"
                ));
                self.is_warned = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn must_warn(&self) -> bool {
        self.last.containers.is_empty() && self.from.elapsed() > SILENCE && !self.is_warned
    }

    /// Shows the final state.
    fn end(&mut self, outcome: &Outcome) {
        settle(&mut self.last, outcome);
        self.view.show(&self.last);
        self.view.close();
    }
}
