//! What someone may have meant who named a build that is not there.

use std::time::Duration;

use crate::{connect::Engine, end::Error, visibility};

/// How long a suggestion is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many builds are looked through: those that run first, then the last that ended.
const LOOKED_THROUGH: usize = 500;

/// How alike two ids are that are taken for one another; 1 is the same.
const ALIKE: f64 = 0.85;

/// How many ids are suggested.
const SHOWN: usize = 3;

/// No such build. Names those that are called nearly so.
pub(crate) async fn not_found(engine: &Engine, id: &str) -> Error {
    let filter = "WorkflowType IN ('BuildApp', 'BuildComponent', 'BuildContainer')".to_owned();
    let rpc = visibility::quickly(PATIENCE);
    let known = visibility::list(engine, filter, LOOKED_THROUGH, rpc).await.unwrap_or_default();
    let near = near(id, known.iter().map(|one| one.id()));
    let hint = match near.is_empty() {
        true => "`kiln ls` lists the builds; TEMPORAL_NAMESPACE says where they are looked for"
            .to_owned(),
        false => format!("did you mean {}? `kiln ls` lists the builds", near.join(" or ")),
    };
    Error::input(format!("there is no build `{id}`"))
        .at(format!("namespace `{}` of {}", engine.namespace, engine.address))
        .hint(hint)
}

/// The ids that are most like the one that was typed, the nearest first.
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
