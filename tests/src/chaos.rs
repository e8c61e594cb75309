//! The chaos suite: builds on the real stack while a part of it is struck, and what came of them.
//!
//! A case starts builds, strikes, and says how each build must end. What it cannot say is judged
//! for it: that no image is missing in the registry, that no attempt had two Pods, that nothing is
//! left in the cluster and the store, and that it all ended within the case's limit.

mod builds;
mod cluster;
mod engine;
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

/// How long a case may take if it does not say so itself.
const LIMIT: Duration = Duration::from_secs(120);

/// Deleting a Pod takes its grace period, and a cancelled launch is waited for.
const TIDY: Duration = Duration::from_secs(50);

/// One fault, and the builds that must survive it.
pub struct Case {
    /// Its name on the command line.
    pub name: String,
    /// Whether it is of the short form.
    pub is_sharp: bool,
    /// Whether it strikes what the other cases stand on.
    pub is_alone: bool,
    /// When everything must be over.
    pub limit: Duration,
    /// How long what a build made may stay after its end.
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

/// Whether the stack is someone else's: its parts are not ours to stop, and its Pods do not reach
/// what listens here.
fn is_external() -> bool {
    std::env::var("KILN_STACK").is_ok_and(|stack| stack == "external")
}

/// Every case, by place.
pub fn cases() -> Vec<Case> {
    let places = [workers::cases(), wires::cases(), builds::cases(), cluster::cases()];
    places.into_iter().flatten().collect()
}
