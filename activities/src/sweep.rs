//! `sweep`: deletes what has no owner any more, in the cluster and in the store.
//!
//! Each workflow cleans up after itself, with two exceptions: a terminated workflow runs no clean-up,
//! and the cluster may be down for longer than the clean-up is retried. A sweep finds what is left by
//! its labels, and deletes it if Temporal says that its workflow does not run. If Temporal gives no
//! answer for one of the workflows, the sweep deletes nothing.

pub mod aged;
pub mod objects;
pub mod orphan;
pub mod owner;

use std::{collections::BTreeMap, time::SystemTime};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    names,
    steps::{SweepInput, SweepReport},
};

use self::orphan::{Facts, Fate, Owner, OwnerState};
use crate::{
    cluster::Cluster,
    log::Logs,
    metrics::metrics,
    settings::SweepSettings,
    store::{CONTEXTS, SECTIONS},
};

/// How many owners Temporal is asked about at the same time.
const AT_ONCE: usize = 8;

/// Deletes what has no owner any more, and returns what that was. `ask` asks Temporal about an owner.
///
/// Two sweeps at the same time delete no more than one: what one sweep deleted, the other does not
/// find.
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
    // The record of a context's sections is put after the context, so it expires later. It is too
    // small to be reported.
    aged::remove(store, SECTIONS, settings.keep_contexts, now, dry).await?;
    (report.contexts, report.kept.contexts) = (contexts.removed, contexts.kept);
    (report.logs, report.kept.logs) = (logs.removed, logs.kept);
    match aged::discard_unfinished(store, &[CONTEXTS, SECTIONS, names::LOGS], now, dry).await {
        Ok(count) => report.unfinished_uploads = count,
        // Some stores do not list unfinished uploads. A lifecycle rule of the bucket does the same.
        Err(error) => tracing::warn!("unfinished uploads stay in the store: {error:#}"),
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
        metrics().sweeps(1, &report);
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
    let mut owners: Vec<Owner> = old.cloned().collect();
    owners.sort();
    owners.dedup();
    let states = states(owners, ask).await?;
    let mut orphans = Vec::new();
    for facts in &objects {
        let fate = match orphan::asked(facts, now, settings.after) {
            Ok(owner) => orphan::fate(facts, &states[owner], now),
            Err(left) => left,
        };
        match fate {
            Fate::Left(reason) => report.kept.objects.add(facts.reported(reason)),
            Fate::Deleted(reason) | Fate::Forced(reason) => {
                report.objects.add(facts.reported(reason));
                orphans.push((facts, fate));
            }
        }
    }
    if !report.dry_run {
        note(&orphans);
        objects::remove(cluster, logs, &orphans).await?;
    }
    Ok(())
}

/// What Temporal says of each owner. One missing answer ends the sweep.
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

/// Writes each orphan into the worker's log: a sweep that is cut off returns no report.
fn note(orphans: &[(&Facts, Fate)]) {
    for (facts, fate) in orphans {
        tracing::info!(kind = facts.kind, name = facts.name, ?fate, "deletes an orphan");
    }
}

#[cfg(test)]
mod tests;
