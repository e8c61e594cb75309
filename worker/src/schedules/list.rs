//! `kiln schedule list`.

use futures::TryStreamExt;
use kilnworks_workflows::build::APP;
use serde::Serialize;
use temporalio_client::schedules::{ListSchedulesOptions, ScheduleSummary};

use super::{
    handle::{BUILDS, call_failed},
    run::{Run, keyword, runs},
    when,
};
use crate::{
    cli::ListArgs,
    engine::Engine,
    output::{Error, document, stdout, table},
};

/// A schedule of builds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    workflow_type: String,
    app: Option<String>,
    when: String,
    paused: bool,
    note: Option<String>,
    next: Option<String>,
    last: Option<Run>,
}

/// Lists the schedules of builds, sorted by name.
pub(super) async fn list(engine: &Engine, args: ListArgs) -> Result<(), Error> {
    let all = engine.client.list_schedules(ListSchedulesOptions::default());
    let all: Vec<_> = all.try_collect().await.map_err(|error| call_failed(error, engine, ""))?;
    let is_build = |one: &ScheduleSummary| one.workflow_type().is_some_and(is_build);
    let ours: Vec<_> = all.into_iter().filter(is_build).collect();
    let last: Vec<_> = ours.iter().map(|one| one.recent_actions().pop()).collect();
    let mut last_runs = runs(engine, last.iter().flatten().cloned().collect()).await.into_iter();
    let last = last.into_iter().map(|last| last.and_then(|_| last_runs.next()));
    let mut listed: Vec<_> = ours.iter().zip(last).map(|(one, last)| read(one, last)).collect();
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    document::show(args.output, &listed, || show(&listed))
}

fn is_build(kind: &str) -> bool {
    BUILDS.contains(&kind)
}

fn read(summary: &ScheduleSummary, last: Option<Run>) -> Listed {
    let own = keyword(summary.raw().search_attributes.as_ref(), APP.name());
    let spec = summary.raw().info.as_ref().and_then(|info| info.spec.as_ref());
    Listed {
        name: summary.schedule_id().to_owned(),
        workflow_type: summary.workflow_type().unwrap_or_default().to_owned(),
        app: own.or_else(|| last.as_ref()?.app.clone()),
        when: spec.map(when::when).unwrap_or_default(),
        paused: summary.paused(),
        note: summary.note().filter(|note| !note.is_empty()).map(str::to_owned),
        next: summary.future_action_times().into_iter().next().map(when::time),
        last,
    }
}

fn show(listed: &[Listed]) -> Result<(), Error> {
    if listed.is_empty() {
        eprintln!("there is no schedule of builds; `kiln schedule create` creates one");
        return Ok(());
    }
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let row = |one: &Listed| {
        let last = one.last.as_ref();
        let next = Some("paused").filter(|_| one.paused).or(one.next.as_deref());
        vec![
            one.name.clone(),
            or_dash(one.app.as_deref()),
            one.when.clone(),
            or_dash(next),
            or_dash(last.and_then(|last| last.started.as_deref())),
            or_dash(last.and_then(|last| last.outcome.as_deref())),
        ]
    };
    let header = ["NAME", "APP", "WHEN", "NEXT", "LAST", "OUTCOME"];
    stdout::print(&table::rows(&header, listed.iter().map(row)))
}
