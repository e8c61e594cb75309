//! The chaos suite: builds on the real stack while a part of the stack fails.
//!
//! A case starts builds, injects a fault, and says how each build must end. The suite judges the rest
//! of every case: no image is missing in the registry, no attempt had two Pods, nothing is left in the
//! cluster and the store, and everything ended within the case's limit.

mod builds;
mod cluster;
mod engine;
mod equal;
mod judge;
mod planted;
mod recipe;
mod running;
mod scene;
mod sightings;
mod stage;
mod table;
mod wires;
mod workers;

use std::time::Duration;

use futures::future::BoxFuture;

pub use planted::planted;
pub use recipe::Recipe;
pub use running::Build;
pub use scene::{Hand, Scene};
pub use stage::Stage;
pub use table::{Verdict, table};

/// How long a case may take unless it sets a limit of its own.
const LIMIT: Duration = Duration::from_secs(120);

/// How long objects may stay after the end of a case: a Pod's deletion takes its grace period, and
/// `clean_up` waits for cancelled launches.
const TIDY: Duration = Duration::from_secs(50);

/// One fault, and the builds that must survive it.
pub struct Case {
    /// Its name on the command line.
    pub name: String,
    /// Whether it is part of the short form.
    pub is_sharp: bool,
    /// Whether its fault breaks a part that other cases need, so that it runs alone.
    pub is_alone: bool,
    /// When everything must be over.
    pub limit: Duration,
    /// How long a build's objects may stay after its end.
    tidy: Duration,
    strike: Box<dyn Fn(Scene) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl Case {
    fn new<S, F>(name: impl Into<String>, strike: S) -> Self
    where
        S: Fn(Scene) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            name: name.into(),
            is_sharp: false,
            is_alone: false,
            limit: LIMIT,
            tidy: TIDY,
            strike: Box::new(move |scene| Box::pin(strike(scene))),
        }
    }

    fn sharp(self) -> Self {
        Self { is_sharp: true, ..self }
    }

    fn alone(self) -> Self {
        Self { is_alone: true, ..self }
    }

    fn within(self, seconds: u64) -> Self {
        Self { limit: Duration::from_secs(seconds), ..self }
    }
}

/// Whether the stack is an external one: the suite must not stop its parts, and its Pods do not reach
/// the proxies of the suite.
fn is_external() -> bool {
    std::env::var("KILN_STACK").is_ok_and(|stack| stack == "external")
}

/// Every case, grouped by where its fault is.
pub fn cases() -> Vec<Case> {
    let places =
        [workers::cases(), equal::cases(), wires::cases(), builds::cases(), cluster::cases()];
    places.into_iter().flatten().collect()
}
