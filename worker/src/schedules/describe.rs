//! `kiln schedule describe`.

use std::time::Duration;

use kilnworks_workflows::build::APP;
use serde::Serialize;
use temporalio_client::schedules::{ScheduleDescription, ScheduleDescriptionAction};
use temporalio_common::protos::temporal::api::schedule::v1::SchedulePolicies;

use super::{
    handle::Schedule,
    run::{Run, keyword, runs},
    when,
};
use crate::{
    cli::DescribeArgs,
    engine::Engine,
    output::{Error, document, stdout, table, units},
    settings::Common,
};

/// A schedule of builds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    name: String,
    workflow_type: String,
    task_queue: String,
    app: Option<String>,
    when: String,
    overlap: String,
    catch_up: Option<String>,
    pause_on_failure: bool,
    paused: bool,
    note: Option<String>,
    /// Number of runs that were skipped because the previous run was still building.
    skipped: i64,
    /// Number of runs that were missed while the engine was down.
    missed: i64,
    next: Vec<String>,
    /// The latest run comes first.
    runs: Vec<Run>,
    ui: Option<String>,
}

/// Shows a schedule.
pub(super) async fn describe(
    engine: &Engine,
    args: DescribeArgs,
    common: &Common,
) -> Result<(), Error> {
    let (_, found) = Schedule::find(engine, &args.name).await?;
    let mut runs = runs(engine, found.recent_actions()).await;
    runs.reverse();
    let ui = engine.schedule_page(common.temporal_ui.as_ref(), &args.name);
    let described = Described { runs, ui, ..read(args.name, &found) };
    document::show(args.output, &described, || show(&described))
}

fn read(name: String, found: &ScheduleDescription) -> Described {
    let ScheduleDescriptionAction::StartWorkflow(action) = found.action() else {
        unreachable!("`Schedule::find` checked the action")
    };
    let schedule = found.raw().schedule.clone().unwrap_or_default();
    let policies = schedule.policies.unwrap_or_default();
    let started = schedule.action.and_then(|action| action.action);
    let attributes = started.and_then(|action| {
        use temporalio_common::protos::temporal::api::schedule::v1::schedule_action::Action;
        let Action::StartWorkflow(workflow) = action;
        workflow.search_attributes
    });
    Described {
        name,
        workflow_type: action.workflow_type().to_owned(),
        task_queue: action.task_queue().to_owned(),
        app: keyword(attributes.as_ref(), APP.name()),
        when: schedule.spec.as_ref().map(when::when).unwrap_or_default(),
        overlap: overlap(&policies),
        catch_up: policies
            .catchup_window
            .and_then(|it| Duration::try_from(it).ok())
            .map(units::time),
        pause_on_failure: policies.pause_on_failure,
        paused: found.paused(),
        note: found.note().filter(|note| !note.is_empty()).map(str::to_owned),
        skipped: found.overlap_skipped(),
        missed: found.missed_catchup_window(),
        next: found.future_action_times().into_iter().map(when::time).collect(),
        runs: Vec::new(),
        ui: None,
    }
}

/// The policy, as the value of `--overlap`.
fn overlap(policies: &SchedulePolicies) -> String {
    use clap::ValueEnum;
    let number = policies.overlap_policy.max(1);
    let mut all = crate::cli::Overlap::value_variants().iter();
    let policy = all.find(|one| **one as i32 == number).and_then(ValueEnum::to_possible_value);
    policy.map_or_else(|| number.to_string(), |policy| policy.get_name().to_owned())
}

fn show(described: &Described) -> Result<(), Error> {
    let one = described;
    let app = one.app.as_deref().or_else(|| one.runs.first()?.app.as_deref()).unwrap_or("-");
    eprintln!("schedule `{}`  {}", one.name, one.ui.as_deref().unwrap_or_default());
    let state = match (one.paused, one.note.as_deref()) {
        (true, Some(note)) => format!("paused: {note}"),
        (true, None) => "paused".to_owned(),
        (false, _) => "active".to_owned(),
    };
    let next: Vec<_> = one.next.iter().take(3).map(String::as_str).collect();
    let facts = [
        ("APP", app.to_owned()),
        ("STARTS", format!("{} on task queue {}", one.workflow_type, one.task_queue)),
        ("WHEN", one.when.clone()),
        ("STATE", state),
        ("NEXT", next.join(", ")),
        ("OVERLAP", format!("{}, {} skipped so far", one.overlap, one.skipped)),
        (
            "CATCH-UP",
            format!("{}, {} missed so far", one.catch_up.as_deref().unwrap_or("-"), one.missed),
        ),
        ("ON FAILURE", if one.pause_on_failure { "pauses" } else { "continues" }.to_owned()),
    ];
    for (name, value) in facts {
        stdout::print(format!("{name:<12}{value}").trim_end())?;
    }
    stdout::print("")?;
    let row = |run: &Run| {
        let or_dash = |text: &Option<String>| text.as_deref().unwrap_or("-").to_owned();
        vec![or_dash(&run.started), or_dash(&run.outcome), run.id.clone()]
    };
    stdout::print(&table::rows(&["STARTED", "OUTCOME", "BUILD"], one.runs.iter().map(row)))
}
