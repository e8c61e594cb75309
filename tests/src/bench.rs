//! The benchmark: what a build costs beyond its Pod, its source and Temporal.
//!
//! Each line of the table is a function that measures Kilnworks and a floor in the same run, one after
//! the other on the same machine. The ratio counts, not the seconds. A line works in a scene of its own,
//! which deletes everything that the line made.

mod awaiting;
mod context;
mod engine;
mod fake_node;
mod figure;
pub mod floor;
mod hundred;
mod images;
mod kubelet;
mod layers;
mod pods;
mod process;
mod repository;
mod scene;
mod shared_source;
mod stages;
mod statistics;
mod table;
mod tidy;
mod tree;
mod trivial;
mod until;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use futures::{FutureExt, future::LocalBoxFuture};

pub use figure::{Aim, Figure};
pub use scene::Scene;
pub use table::{Row, table};
pub use until::Until;

/// What one line measures.
type Measure = for<'a> fn(&'a Scene) -> LocalBoxFuture<'a, Result<Vec<Figure>>>;

/// A line of the table.
pub struct Line {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// What it is compared with.
    pub floor: &'static str,
    /// After this time the line fails.
    limit: Duration,
    measure: Measure,
}

/// How long a line may take to delete everything that it made.
const TIDY: Duration = Duration::from_secs(60);

/// How long all lines may take, before the last one deletes what it made.
pub const WHOLE: Duration = Duration::from_secs(14 * 60);

impl Line {
    /// Measures the line. An error is part of the row, so that the other lines are still measured.
    pub async fn run(&self, until: &Until) -> Row {
        let begun = Instant::now();
        let figures = match until.is_over() {
            true => Err(anyhow!("there was no time left for it")),
            false => self.figures(until).await,
        };
        Row { name: self.name, what: self.what, floor: self.floor, figures, took: begun.elapsed() }
    }

    async fn figures(&self, until: &Until) -> Result<Vec<Figure>> {
        let scene = Scene::open(self.name).await?;
        // The helpers that tests share panic.
        let measured = std::panic::AssertUnwindSafe((self.measure)(&scene)).catch_unwind();
        let figures = tokio::select! {
            measured = measured => match measured {
                Ok(figures) => figures,
                Err(panic) => Err(anyhow!("it broke: {}", words(&*panic))),
            },
            () = tokio::time::sleep(self.limit) => {
                Err(anyhow!("not over after {} s", self.limit.as_secs()))
            }
            () = until.over() => Err(anyhow!("it was stopped")),
        };
        if figures.is_err() {
            scene.show();
        }
        let tidied = tokio::time::timeout(TIDY, scene.tidy()).await;
        tidied
            .context("the objects of this line were not deleted in time")?
            .context("cannot delete the objects of this line")?;
        figures
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

/// Every line, in the order of the table.
pub fn lines() -> Vec<Line> {
    let line = |name, seconds, what, floor, measure| Line {
        name,
        what,
        floor,
        limit: Duration::from_secs(seconds),
        measure,
    };
    vec![
        line(
            "trivial-build",
            240,
            "a trivial build, start to result",
            "the same Pod, created and watched by a bare client",
            |scene| trivial::measure(scene).boxed_local(),
        ),
        line(
            "hundred-builds",
            300,
            "100 builds of instant Pods",
            "100 bare Pods, created and watched",
            |scene| hundred::measure(scene).boxed_local(),
        ),
        line(
            "engine",
            180,
            "what the engine carries, with steps that do nothing",
            "one workflow of four empty activities per container",
            |scene| engine::measure(scene).boxed_local(),
        ),
        line(
            "awaiting",
            300,
            "a worker that awaits 100 builds, and 1,000: slope per build",
            "",
            |scene| awaiting::measure(scene).boxed_local(),
        ),
        line(
            "context",
            240,
            "a context of 160 MB and 10,000 files, source to store",
            "`git clone --depth 1`, `tar cz`, one upload by the AWS SDK",
            |scene| context::measure(scene).boxed_local(),
        ),
        line(
            "one-repository",
            120,
            "42 containers from one repository",
            "one shallow fetch, and each directory packed once",
            |scene| shared_source::one_repository(scene).boxed_local(),
        ),
        line(
            "unchanged-app",
            150,
            "an unchanged app of 42 containers, rebuilt",
            "empty workflows with as many events",
            |scene| shared_source::unchanged(scene).boxed_local(),
        ),
        line(
            "layer-cache",
            180,
            "a rebuild with one source file changed, with the layer cache",
            "the executor alone with the same cache, as a bare Pod",
            |scene| layers::measure(scene).boxed_local(),
        ),
    ]
}
