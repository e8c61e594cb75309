//! `kiln sweep`: starts a sweep, waits for it, and reports what it deleted.

use std::time::Duration;

use kilnworks_workflows::{
    Sweep,
    build::raw,
    steps::{Amount, SweepInput, SweepReport, SweptObject},
};
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowHandle, WorkflowStartOptions,
    errors::WorkflowStartError,
};
use uuid::Uuid;

use crate::{
    builds::outcome::{self, Outcome},
    cli::SweepArgs,
    engine::{Engine, connect, refused},
    output::{Error, Exit, document, stdout, table, units},
    settings::Common,
};

type Sweeping = WorkflowHandle<Client, Sweep>;

/// Sweeps once. Concurrent sweeps are safe.
pub(crate) async fn sweep(args: SweepArgs, common: Common) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let sweeping = start(&engine, &common, args.dry_run).await?;
    let id = &sweeping.info().workflow_id;
    let ended = tokio::select! {
        ended = outcome::wait(&engine, &sweeping) => ended?,
        () = warn(&sweeping, &common.task_queue) => unreachable!("it never ends"),
        _ = tokio::signal::ctrl_c() => {
            eprintln!("detached; the sweep `{id}` continues");
            return Ok(Exit::Detached);
        }
    };
    match &ended {
        Outcome::Succeeded(report) => document::show(args.output, report, || show(report))?,
        other => other.complain(id),
    }
    Ok(ended.exit())
}

async fn start(engine: &Engine, common: &Common, dry_run: bool) -> Result<Sweeping, Error> {
    let queue = &common.task_queue;
    // Only the worker knows the name of the installation. The queue identifies it, too.
    let random = &Uuid::new_v4().simple().to_string()[..8];
    let id = format!("kiln-sweep-{queue}-manual-{random}");
    let summary = if dry_run { "kiln sweep --dry-run" } else { "kiln sweep" };
    let options = WorkflowStartOptions::new(queue, id).static_summary(summary).build();
    let input = raw(&serde_json::json!(SweepInput { dry_run }));
    let started = engine.client.start_workflow(Sweep::run, input, options).await;
    let started = started.map_err(|error| match error {
        WorkflowStartError::Rpc(status) => refused(&status, &engine.address).into(),
        other => Error::from(anyhow::Error::from(other)),
    })?;
    Ok(Sweeping::new(engine.client.clone(), started.info().clone()))
}

/// How long a sweep may wait for a worker before a warning.
const WORKER_TIMEOUT: Duration = Duration::from_secs(10);

/// Warns once if no worker takes the sweep. Never returns.
async fn warn(sweeping: &Sweeping, queue: &str) {
    tokio::time::sleep(WORKER_TIMEOUT).await;
    let described = sweeping.describe(WorkflowDescribeOptions::default()).await;
    // Without a worker the history has two events: the start, and the first task on the queue.
    if described.is_ok_and(|described| described.history_length() <= 2) {
        eprintln!("no worker answers on task queue `{queue}`; is `kiln worker` running?");
    }
    std::future::pending().await
}

fn show(report: &SweepReport) -> Result<(), Error> {
    let objects = &report.objects;
    if !objects.named.is_empty() {
        stdout::print(&table::rows(
            &["OBJECT", "WORKFLOW", "WHY"],
            objects.named.iter().map(object),
        ))?;
        stdout::print("")?;
    }
    stdout::print(&amounts(report))?;
    if report.dry_run {
        eprintln!("dry run: nothing was deleted");
    }
    Ok(())
}

fn object(object: &SweptObject) -> Vec<String> {
    let name = format!("{} {}", object.kind, object.name);
    vec![name, object.workflow_id.clone(), object.reason.clone()]
}

fn amounts(report: &SweepReport) -> String {
    let deleted = if report.dry_run { "WOULD DELETE" } else { "DELETED" };
    let kept = &report.kept;
    let counted = |what: &str, deleted: u64, left: Option<u64>| {
        let left = left.map_or_else(|| "-".to_owned(), |left| left.to_string());
        vec![what.to_owned(), deleted.to_string(), "-".to_owned(), left, "-".to_owned()]
    };
    let measured = |what: &str, deleted: Amount, left: Amount| {
        let mut row = vec![what.to_owned()];
        for amount in [deleted, left] {
            row.extend([amount.count.to_string(), units::bytes(amount.bytes)]);
        }
        row
    };
    let rows = [
        counted("Jobs and Pods", report.objects.count, Some(kept.objects.count)),
        measured("contexts", report.contexts, kept.contexts),
        measured("logs", report.logs, kept.logs),
        counted("unfinished uploads", report.unfinished_uploads, None),
    ];
    table::rows(&["WHAT", deleted, "SIZE", "KEPT", "SIZE"], rows.into_iter())
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::steps::{Amount, Objects, SweepReport, SweptObject};

    use super::{amounts, object};
    use crate::output::table;

    #[test]
    fn a_report_is_two_tables() {
        let mut objects = Objects::default();
        objects.add(SweptObject {
            kind: "Pod".to_owned(),
            name: "kiln-shop-web-server-0123456789".to_owned(),
            workflow_id: "shop-1.2.0/web/server".to_owned(),
            reason: "its workflow has ended".to_owned(),
        });
        let mut report = SweepReport {
            objects,
            contexts: Amount { count: 12, bytes: 345_678_901 },
            ..SweepReport::default()
        };
        report.kept.logs = Amount { count: 7, bytes: 1234 };
        let rows = report.objects.named.iter().map(object);
        let named = table::rows(&["OBJECT", "WORKFLOW", "WHY"], rows);
        insta::assert_snapshot!(format!("{named}\n\n{}", amounts(&report)));
        report.dry_run = true;
        assert!(amounts(&report).contains("WOULD DELETE"));
    }
}
