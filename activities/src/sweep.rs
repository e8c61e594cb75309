//! `sweep`: removes what nobody owns any more, in the cluster and in the store.
//!
//! A workflow cleans up after itself, whatever happens to it, but for two things: a terminated one
//! runs no clean-up, and a cluster may be away for longer than a clean-up is tried. What is left
//! then is found by its labels, and goes when the engine says that its owner no longer runs. While
//! the engine does not say so of each, nothing goes.

pub mod aged;
pub mod objects;
pub mod orphan;
pub mod owner;

use std::{collections::BTreeMap, time::SystemTime};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    names,
    sweep::{SweepInput, SweepReport},
};

use self::orphan::{Facts, Fate, Owner, OwnerState};
use crate::{
    cluster::Cluster,
    log::Logs,
    metrics::metrics,
    settings::SweepSettings,
    store::{CONTEXTS, SECTIONS},
};

/// How many owners are asked after at once.
const AT_ONCE: usize = 8;

/// Removes what nobody owns any more, and says what that was. `ask` asks the engine.
///
/// Run twice, also at once, it does no more than once: what one removed, the other does not find.
pub async fn sweep<F>(
    cluster: &Cluster,
    logs: Logs<'_>,
    settings: &SweepSettings,
    input: SweepInput,
    ask: impl Fn(Owner) -> F,
) -> anyhow::Result<SweepReport>
where
    F: Future<Output = anyhow::Result<OwnerState>>,
{
    let now = SystemTime::now();
    let mut report = SweepReport { dry_run: input.dry_run, ..SweepReport::default() };
    sweep_objects(cluster, logs, settings, now, &mut report, ask).await?;
    let (store, dry) = (logs.store, input.dry_run);
    let contexts = aged::remove(store, CONTEXTS, settings.keep_contexts, now, dry).await?;
    let logs = aged::remove(store, names::LOGS, settings.keep_logs, now, dry).await?;
    // What tells of a context is put after it, and so outlives it. It is too little to be told of.
    aged::remove(store, SECTIONS, settings.keep_contexts, now, dry).await?;
    (report.contexts, report.kept.contexts) = (contexts.removed, contexts.kept);
    (report.logs, report.kept.logs) = (logs.removed, logs.kept);
    match aged::tidy(store, &[CONTEXTS, SECTIONS, names::LOGS], now, dry).await {
        Ok(count) => report.unfinished_uploads = count,
        // Not every store lets us look; a bucket's lifecycle rule can do the same.
        Err(error) => tracing::warn!("cut-off uploads stay in the store: {error:#}"),
    }
    tracing::info!(
        dry_run = dry,
        objects = report.objects.count,
        contexts = report.contexts.count,
        logs = report.logs.count,
        unfinished_uploads = report.unfinished_uploads,
        "swept"
    );
    if !dry {
        metrics().sweep(&report);
    }
    Ok(report)
}

async fn sweep_objects<F>(
    cluster: &Cluster,
    logs: Logs<'_>,
    settings: &SweepSettings,
    now: SystemTime,
    report: &mut SweepReport,
    ask: impl Fn(Owner) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<OwnerState>>,
{
    let now = Timestamp::try_from(now)?;
    let objects = objects::list(cluster).await?;
    let old = objects.iter().filter_map(|facts| orphan::asked(facts, now, settings.after).ok());
    let mut owners: Vec<Owner> = old.flatten().cloned().collect();
    owners.sort();
    owners.dedup();
    let states = states(owners, ask).await?;
    let mut orphans = Vec::new();
    for facts in &objects {
        let fate = match orphan::asked(facts, now, settings.after) {
            Ok(owners) => {
                let states: Vec<_> = owners.iter().map(|owner| &states[owner]).collect();
                orphan::fate(facts, &states, now)
            }
            Err(left) => left,
        };
        match fate {
            Fate::Left(reason) => report.kept.objects.add(facts.told(reason)),
            Fate::Deleted(reason) | Fate::Forced(reason) => {
                report.objects.add(facts.told(reason));
                orphans.push((facts, fate));
            }
        }
    }
    if !report.dry_run {
        tell(&orphans);
        objects::remove(cluster, logs, &orphans).await?;
    }
    Ok(())
}

/// What the engine says of each owner. One that it does not answer for ends the sweep.
async fn states<F>(
    owners: Vec<Owner>,
    ask: impl Fn(Owner) -> F,
) -> anyhow::Result<BTreeMap<Owner, OwnerState>>
where
    F: Future<Output = anyhow::Result<OwnerState>>,
{
    let asked = owners.into_iter().map(|owner| {
        let answer = ask(owner.clone());
        async move { anyhow::Ok((owner, answer.await?)) }
    });
    stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await
}

/// Notes each in the log: a sweep that is cut off reports nothing.
fn tell(orphans: &[(&Facts, Fate)]) {
    for (facts, fate) in orphans {
        tracing::info!(kind = facts.kind, name = facts.name, ?fate, "removes an orphan");
    }
}

#[cfg(test)]
mod tests;
