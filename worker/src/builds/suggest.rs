//! Errors about unknown builds, with suggestions of similar ids.

use std::time::Duration;

use temporalio_client::errors::WorkflowInteractionError;

use crate::{
    engine::{Engine, list, refused},
    output::Error,
};

/// Timeout for the suggestions.
const PATIENCE: Duration = Duration::from_secs(2);

/// Number of builds to search: running builds first, then the most recent.
const LOOKED_THROUGH: usize = 500;

/// Minimum Jaro-Winkler similarity of a suggestion. 1 means equal.
const ALIKE: f64 = 0.85;

/// Maximum number of suggestions.
const SHOWN: usize = 3;

/// The error for an unknown build, with similar ids.
pub(crate) async fn not_found(engine: &Engine, id: &str) -> Error {
    let filter = "WorkflowType IN ('BuildApp', 'BuildComponent', 'BuildContainer')".to_owned();
    let rpc = list::quickly(PATIENCE);
    let known = list::list(engine, filter, LOOKED_THROUGH, rpc).await.unwrap_or_default();
    let near = near(id, known.iter().map(|one| one.id()));
    let hint = match near.is_empty() {
        true => "`kiln ls` lists the builds; TEMPORAL_NAMESPACE selects the namespace".to_owned(),
        false => format!("did you mean {}? `kiln ls` lists the builds", near.join(" or ")),
    };
    Error::input(format!("there is no build `{id}`"))
        .at(format!("namespace `{}` of {}", engine.namespace, engine.address))
        .hint(hint)
}

/// Why the engine did not report or change a build.
pub(crate) async fn explain(error: WorkflowInteractionError, engine: &Engine, id: &str) -> Error {
    match error {
        WorkflowInteractionError::NotFound(_) => not_found(engine, id).await,
        WorkflowInteractionError::Rpc(status) => refused(&status, &engine.address).into(),
        other => anyhow::Error::from(other).into(),
    }
}

/// The most similar ids, the best first.
fn near<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let alike = |id: &'a str| (strsim::jaro_winkler(typed, id), id);
    let mut alike: Vec<_> = known.map(alike).filter(|(alike, _)| *alike >= ALIKE).collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut ids: Vec<_> = alike.into_iter().map(|(_, id)| format!("`{id}`")).collect();
    ids.dedup();
    ids.truncate(SHOWN);
    ids
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn the_nearest_come_first() {
        let known = ["shop-1.2.0", "shop-1.2.0/web", "bakery-7", "shop-1.3.0", "shop-1.2.1"];
        let near = |typed| near(typed, known.into_iter());
        assert_eq!(near("shpo-1.2.0")[0], "`shop-1.2.0`");
        assert_eq!(near("shop-1.2.0/wbe")[0], "`shop-1.2.0/web`");
        assert_eq!(near("bakery7"), ["`bakery-7`"]);
        assert_eq!(near("shop-1.2").len(), 3);
        assert!(near("something-else").is_empty());
    }
}
