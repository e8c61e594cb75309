//! `kiln schedule create`.

use std::time::Duration;

use kilnworks_workflows::{bounds, build::raw, plan::Plan};
use serde_json::json;
use temporalio_client::{
    grpc::WorkflowService,
    tonic::{Code, IntoRequest},
};
use temporalio_common::protos::temporal::api::{
    common::v1::{Payload, Payloads, SearchAttributes, WorkflowType},
    schedule::v1::{
        IntervalSpec, Schedule as Wanted, ScheduleAction, SchedulePolicies, ScheduleSpec,
        schedule_action::Action,
    },
    sdk::v1::UserMetadata,
    taskqueue::v1::TaskQueue,
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1::{CreateScheduleRequest, UpdateScheduleRequest},
};
use uuid::Uuid;

use super::{
    handle::{Schedule, rejected},
    when,
};
use crate::{
    builds::{
        search_attributes,
        spec::{self, Overrides, Spec},
        summary,
    },
    cli::CreateArgs,
    engine::{Engine, connect},
    output::Error,
    settings::Common,
};

/// Length of what the engine appends to the id of each run: `-2026-01-31T02:00:00Z`.
const APPENDED: usize = 21;

/// Creates or replaces a schedule.
pub(super) async fn create(args: CreateArgs, common: &Common) -> Result<(), Error> {
    let overrides = Overrides {
        version: args.version.as_deref(),
        only_if_changed: args.only_if_changed,
        ..Overrides::default()
    };
    let spec = spec::read(&args.spec, overrides)?;
    let id = id_of(&spec.plan.app, &args.name)?;
    let attributes = search_attributes(&spec.plan).to_proto();
    let action = action(&spec, id, &common.task_queue, attributes.clone());
    let wanted = Wanted {
        spec: Some(times(&args)),
        action: Some(ScheduleAction { action: Some(Action::StartWorkflow(action)) }),
        policies: Some(policies(&args)),
        state: None,
    };
    let engine = connect::once().await?;
    let created = match create_new(&engine, &args.name, wanted.clone(), attributes.clone()).await {
        Err(status) if status.code() == Code::AlreadyExists && args.replace => {
            replace(&engine, &args.name, wanted, attributes).await?;
            "replaced"
        }
        Err(status) => return Err(rejected(&status, &engine, &args.name)),
        Ok(()) => "created",
    };
    report(&engine, &args.name, created, &spec.plan).await
}

/// Prefix of the ids of the runs. It contains the name of the schedule, because two schedules of an app
/// may start a run in the same second.
fn id_of(app: &str, name: &str) -> Result<String, Error> {
    let id = match name.strip_prefix(app) {
        Some(rest) if rest.is_empty() || rest.starts_with('-') => name.to_owned(),
        _ => format!("{app}-{name}"),
    };
    let most = bounds::WORKFLOW_ID - 2 * (1 + bounds::NAME) - APPENDED;
    match id.len() {
        length if length > most => Err(Error::input(format!(
            "the prefix of its build ids has {length} bytes; accepted are at most {most}"
        ))
        .hint("give the schedule a shorter name")),
        _ => Ok(id),
    }
}

/// Starts a build with the same options as `kiln build`.
fn action(
    spec: &Spec,
    id: String,
    queue: &str,
    search_attributes: SearchAttributes,
) -> NewWorkflowExecutionInfo {
    NewWorkflowExecutionInfo {
        workflow_id: id,
        workflow_type: Some(WorkflowType { name: "BuildApp".to_owned() }),
        task_queue: Some(TaskQueue { name: queue.to_owned(), ..TaskQueue::default() }),
        input: Some(Payloads { payloads: raw(&spec.document).payloads }),
        search_attributes: Some(search_attributes),
        user_metadata: Some(UserMetadata {
            summary: payload(&summary(&spec.plan)),
            ..UserMetadata::default()
        }),
        ..NewWorkflowExecutionInfo::default()
    }
}

fn payload(text: &str) -> Option<Payload> {
    raw(&json!(text)).payloads.into_iter().next()
}

fn times(args: &CreateArgs) -> ScheduleSpec {
    let every = |every: Duration| IntervalSpec { interval: every.try_into().ok(), phase: None };
    ScheduleSpec {
        cron_string: args.cron.iter().map(|cron| when::commented(cron)).collect(),
        interval: args.every.map(every).into_iter().collect(),
        jitter: args.jitter.and_then(|jitter| jitter.try_into().ok()),
        timezone_name: args.time_zone.clone().unwrap_or_default(),
        ..ScheduleSpec::default()
    }
}

fn policies(args: &CreateArgs) -> SchedulePolicies {
    SchedulePolicies {
        overlap_policy: args.overlap as i32,
        catchup_window: args.catch_up.and_then(|window| window.try_into().ok()),
        pause_on_failure: args.pause_on_failure,
        ..SchedulePolicies::default()
    }
}

async fn create_new(
    engine: &Engine,
    name: &str,
    schedule: Wanted,
    search_attributes: SearchAttributes,
) -> Result<(), temporalio_client::tonic::Status> {
    let request = CreateScheduleRequest {
        namespace: engine.namespace.clone(),
        schedule_id: name.to_owned(),
        schedule: Some(schedule),
        request_id: Uuid::new_v4().to_string(),
        search_attributes: Some(search_attributes),
        ..CreateScheduleRequest::default()
    };
    let mut service = engine.client.connection().clone();
    service.create_schedule(request.into_request()).await.map(drop)
}

/// Replaces a schedule of builds. A paused schedule stays paused.
async fn replace(
    engine: &Engine,
    name: &str,
    schedule: Wanted,
    search_attributes: SearchAttributes,
) -> Result<(), Error> {
    let (_, found) = Schedule::find(engine, name).await?;
    let state = found.raw().schedule.as_ref().and_then(|schedule| schedule.state.clone());
    let request = UpdateScheduleRequest {
        namespace: engine.namespace.clone(),
        schedule_id: name.to_owned(),
        schedule: Some(Wanted { state, ..schedule }),
        conflict_token: found.conflict_token().to_vec(),
        request_id: Uuid::new_v4().to_string(),
        search_attributes: Some(search_attributes),
        ..UpdateScheduleRequest::default()
    };
    let mut service = engine.client.connection().clone();
    let replaced = service.update_schedule(request.into_request()).await;
    replaced.map(drop).map_err(|status| rejected(&status, engine, name))
}

/// Reports the next run, and warns about a fixed version.
async fn report(engine: &Engine, name: &str, created: &str, plan: &Plan) -> Result<(), Error> {
    let (_, found) = Schedule::find(engine, name).await?;
    let next = found.future_action_times().into_iter().next().map(when::time);
    let next = match (found.paused(), next) {
        (true, _) => "the schedule is paused".to_owned(),
        (false, Some(next)) => format!("the next run is at {next}"),
        (false, None) => "the schedule has no next run".to_owned(),
    };
    eprintln!("{created}: `{name}`; {next}");
    if let Some(version) = &plan.version {
        eprintln!(
            "hint: every run has the version {version} and fails once something has changed; \
             `--version auto` gives each run a new version"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn run_ids_start_with_the_app() {
        assert_eq!(id_of("shop", "nightly").unwrap(), "shop-nightly");
        assert_eq!(id_of("shop", "shop").unwrap(), "shop");
        assert_eq!(id_of("shop", "shop-nightly").unwrap(), "shop-nightly");
        assert_eq!(id_of("shop", "shopping").unwrap(), "shop-shopping");
        let error = id_of("shop", &"n".repeat(1000)).unwrap_err().to_string();
        assert!(error.contains("at most"), "{error}");
    }
}
