//! Shows a build until it ends, or someone leaves.

use std::time::{Duration, Instant};

use anyhow::Context;
use kilnworks_workflows::progress::Progress;
use temporalio_client::WorkflowCancelOptions;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    connect::Engine,
    end::Error,
    interrupt::{self, Answer},
    outcome::{self, Build, Outcome},
    poll,
    progress::{View, settle},
    status::not_told,
};

/// What Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Leaves at once: whoever only looks at a build does not own it.
    Leave,
    /// Asks whether to leave or to cancel; the next one leaves.
    Ask,
}

/// Shows a build that is so old already. None where someone left; the build goes on then.
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
            Interrupt::Leave => Answer::Detach,
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
                "left; the build goes on. `kiln status {id}` shows it, `kiln cancel {id}` ends it"
            );
            return Ok(None);
        }
        cancel(engine, build).await?;
        interrupt = Interrupt::Leave;
    };
    watch.end(&outcome);
    Ok(Some(outcome))
}

async fn cancel(engine: &Engine, build: &Build) -> Result<(), Error> {
    let id = &build.info().workflow_id;
    let options = WorkflowCancelOptions::builder().reason("kiln build: Ctrl-C".to_owned()).build();
    if let Err(error) = build.cancel(options).await {
        return Err(not_told(error, engine, id).await);
    }
    eprintln!("asked `{id}` to end; it cleans up. Ctrl-C leaves it to that");
    Ok(())
}

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a build may be silent before that is said.
const SILENCE: Duration = Duration::from_secs(10);

/// A view of a build.
struct Watch<'a> {
    engine: &'a Engine,
    queue: &'a str,
    build: &'a Build,
    view: View,
    last: Progress,
    from: Instant,
    told: bool,
}

impl<'a> Watch<'a> {
    fn of(engine: &'a Engine, queue: &'a str, build: &'a Build, age: Duration) -> Self {
        let (view, last) = (View::fitting(age), Progress::default());
        Self { engine, queue, build, view, last, from: Instant::now(), told: false }
    }

    /// Shows the build for ever.
    async fn run(&mut self) {
        loop {
            if let Some(progress) = poll::progress(self.engine, self.build).await {
                self.view.show(&progress);
                self.last = progress;
            } else if self.is_too_silent() {
                let queue = self.queue;
                self.view.note(&format!(
                    "no worker of task queue `{queue}` answers; does `kiln worker` run?"
                ));
                self.told = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn is_too_silent(&self) -> bool {
        self.last.containers.is_empty() && self.from.elapsed() > SILENCE && !self.told
    }

    /// Shows the end.
    fn end(&mut self, outcome: &Outcome) {
        settle(&mut self.last, outcome);
        self.view.show(&self.last);
        self.view.close();
    }
}
