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

use super::{Schedule, refusal, when};
use crate::{
    build::{found_by, summary},
    cli::CreateArgs,
    connect::{self, Engine},
    end::Error,
    settings::Common,
    spec::{self, Instead, Spec},
};

/// What the engine appends to the id of each run: `-2026-01-31T02:00:00Z`.
const APPENDED: usize = 21;

/// Makes a schedule, or replaces one.
pub(super) async fn create(args: CreateArgs, common: &Common) -> Result<(), Error> {
    let instead = Instead {
        version: args.version.as_deref(),
        only_if_changed: args.only_if_changed,
        ..Instead::default()
    };
    let spec = spec::read(&args.spec, instead)?;
    let id = id_of(&spec.plan.app, &args.name)?;
    let attributes = found_by(&spec.plan).to_proto();
    let action = action(&spec, id, &common.task_queue, attributes.clone());
    let wanted = Wanted {
        spec: Some(times(&args)),
        action: Some(ScheduleAction { action: Some(Action::StartWorkflow(action)) }),
        policies: Some(policies(&args)),
        state: None,
    };
    let engine = connect::once().await?;
    let made = match make(&engine, &args.name, wanted.clone(), attributes.clone()).await {
        Err(status) if status.code() == Code::AlreadyExists && args.replace => {
            replace(&engine, &args.name, wanted, attributes).await?;
            "replaced"
        }
        Err(status) => return Err(refusal(&status, &engine, &args.name)),
        Ok(()) => "made",
    };
    tell(&engine, &args.name, made, &spec.plan).await
}

/// Beginning of the ids of the runs. Two schedules of an app may start at the same second.
fn id_of(app: &str, name: &str) -> Result<String, Error> {
    let id = match name.strip_prefix(app) {
        Some(rest) if rest.is_empty() || rest.starts_with('-') => name.to_owned(),
        _ => format!("{app}-{name}"),
    };
    let most = bounds::WORKFLOW_ID - 2 * (1 + bounds::NAME) - APPENDED;
    match id.len() {
        length if length > most => Err(Error::input(format!(
            "the ids of its builds would begin with {length} bytes; at most {most} are accepted"
        ))
        .hint("give the schedule a shorter name")),
        _ => Ok(id),
    }
}

/// The start of a build, as `kiln build` starts it.
fn action(
    spec: &Spec,
    id: String,
    queue: &str,
    found_by: SearchAttributes,
) -> NewWorkflowExecutionInfo {
    NewWorkflowExecutionInfo {
        workflow_id: id,
        workflow_type: Some(WorkflowType { name: "BuildApp".to_owned() }),
        task_queue: Some(TaskQueue { name: queue.to_owned(), ..TaskQueue::default() }),
        input: Some(Payloads { payloads: raw(&spec.document).payloads }),
        search_attributes: Some(found_by),
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

async fn make(
    engine: &Engine,
    name: &str,
    schedule: Wanted,
    found_by: SearchAttributes,
) -> Result<(), temporalio_client::tonic::Status> {
    let request = CreateScheduleRequest {
        namespace: engine.namespace.clone(),
        schedule_id: name.to_owned(),
        schedule: Some(schedule),
        request_id: Uuid::new_v4().to_string(),
        search_attributes: Some(found_by),
        ..CreateScheduleRequest::default()
    };
    let mut service = engine.client.connection().clone();
    service.create_schedule(request.into_request()).await.map(drop)
}

/// Replaces a schedule of builds. Who paused it wants it paused: that stays.
async fn replace(
    engine: &Engine,
    name: &str,
    schedule: Wanted,
    found_by: SearchAttributes,
) -> Result<(), Error> {
    let (_, found) = Schedule::find(engine, name).await?;
    let state = found.raw().schedule.as_ref().and_then(|schedule| schedule.state.clone());
    let request = UpdateScheduleRequest {
        namespace: engine.namespace.clone(),
        schedule_id: name.to_owned(),
        schedule: Some(Wanted { state, ..schedule }),
        conflict_token: found.conflict_token().to_vec(),
        request_id: Uuid::new_v4().to_string(),
        search_attributes: Some(found_by),
        ..UpdateScheduleRequest::default()
    };
    let mut service = engine.client.connection().clone();
    let replaced = service.update_schedule(request.into_request()).await;
    replaced.map(drop).map_err(|status| refusal(&status, engine, name))
}

/// Says when it builds next, and what may surprise.
async fn tell(engine: &Engine, name: &str, made: &str, plan: &Plan) -> Result<(), Error> {
    let (_, found) = Schedule::find(engine, name).await?;
    let next = found.future_action_times().into_iter().next().map(when::time);
    let next = match (found.paused(), next) {
        (true, _) => "it is paused".to_owned(),
        (false, Some(next)) => format!("the next run is at {next}"),
        (false, None) => "it never starts by itself".to_owned(),
    };
    eprintln!("{made}: `{name}`; {next}");
    if let Some(version) = &plan.version {
        eprintln!(
            "hint: every run has the version {version}, and fails once something has changed; \
             `--version auto` gives each a new one"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn runs_begin_with_their_app() {
        assert_eq!(id_of("shop", "nightly").unwrap(), "shop-nightly");
        assert_eq!(id_of("shop", "shop").unwrap(), "shop");
        assert_eq!(id_of("shop", "shop-nightly").unwrap(), "shop-nightly");
        assert_eq!(id_of("shop", "shopping").unwrap(), "shop-shopping");
        let error = id_of("shop", &"n".repeat(1000)).unwrap_err().to_string();
        assert!(error.contains("at most"), "{error}");
    }
}
