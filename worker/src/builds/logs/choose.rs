//! The requested containers of a build, and their workflows.

use std::time::{Duration, Instant, SystemTime};

use kilnworks_workflows::{BuildApp, names::child_workflow_id};
use temporalio_client::{
    WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionStatus,
    errors::WorkflowInteractionError,
};

use crate::{
    builds::{
        name::{self, Name},
        outcome::{self, Outcome},
        poll, status,
    },
    cli::LogsArgs,
    engine::{Engine, is_temporary},
    output::{Error, Exit},
};

/// Pause between two polls.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How long the engine may be unavailable.
const PATIENCE: Duration = Duration::from_secs(300);

/// A requested container.
#[derive(Debug)]
pub(super) struct Chosen {
    /// `component/container`, with the platform of a multi-platform image.
    pub(super) name: String,
    /// The platform. Empty for a single-platform image.
    pub(super) platform: String,
    /// Whether the image existed when the progress was read. Then there may be no workflow.
    is_done: bool,
    /// Id of the workflow of the container.
    workflow_id: String,
    /// Id and start time of the given build. An older child belongs to an earlier build with the same
    /// id.
    root: (String, Option<SystemTime>),
}

impl Chosen {
    /// Run id of the workflow of the container. None if it has not started.
    pub(super) async fn run_id(&self, engine: &Engine) -> anyhow::Result<Option<String>> {
        let described = self.describe(engine, &self.workflow_id).await?;
        let described = described.filter(|one| one.start_time() >= self.root.1);
        Ok(described.map(|one| {
            let first = one.raw().workflow_execution_info.as_ref();
            let first = first.map(|info| info.first_run_id.clone()).unwrap_or_default();
            if first.is_empty() { one.run_id().to_owned() } else { first }
        }))
    }

    /// Whether the container is finished.
    pub(super) async fn has_ended(&self, engine: &Engine) -> anyhow::Result<bool> {
        let runs =
            |one: &WorkflowExecutionDescription| one.status() == WorkflowExecutionStatus::Running;
        let own = self.describe(engine, &self.workflow_id).await?;
        match own.filter(|one| one.start_time() >= self.root.1) {
            Some(own) => Ok(!runs(&own)),
            None if self.is_done => Ok(true),
            // The workflow of the container may never start.
            None => Ok(!self.describe(engine, &self.root.0).await?.is_some_and(|root| runs(&root))),
        }
    }

    /// Describes a workflow. Retries while the engine is unavailable.
    async fn describe(
        &self,
        engine: &Engine,
        id: &str,
    ) -> anyhow::Result<Option<WorkflowExecutionDescription>> {
        let build = engine.client.get_workflow_handle::<BuildApp>(id);
        let started = Instant::now();
        loop {
            match build.describe(WorkflowDescribeOptions::default()).await {
                Ok(described) => return Ok(Some(described)),
                Err(WorkflowInteractionError::NotFound(_)) => return Ok(None),
                Err(WorkflowInteractionError::Rpc(status))
                    if is_temporary(&status) && started.elapsed() < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The requested containers, in plan order.
pub(super) async fn choose(engine: &Engine, args: &LogsArgs) -> Result<Vec<Chosen>, Error> {
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    let described = status::describe(engine, &build).await?;
    let all = all(engine, args).await?;
    let root = (args.id.clone(), described.start_time());
    let wanted = match &args.container {
        Some(wanted) => vec![name::one_of(&all, wanted)?],
        None => all,
    };
    let wanted = match &args.platform {
        Some(platform) => name::of_platform(wanted, platform)?,
        None => wanted,
    };
    let chosen = wanted.iter().flat_map(|one| {
        let Name { component, container, .. } = one;
        let workflow_id = match described.workflow_type() {
            "BuildContainer" => args.id.clone(),
            "BuildComponent" => child_workflow_id(&args.id, container),
            _ => child_workflow_id(&child_workflow_id(&args.id, component), container),
        };
        let root = root.clone();
        one.each().into_iter().map(move |(name, platform)| Chosen {
            is_done: one.is_done,
            workflow_id: workflow_id.clone(),
            name,
            platform,
            root: root.clone(),
        })
    });
    Ok(chosen.collect())
}

/// All containers of a build. If no worker answers, the result of a finished build lists them.
async fn all(engine: &Engine, args: &LogsArgs) -> Result<Vec<Name>, Error> {
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    loop {
        let runs =
            status::describe(engine, &build).await?.status() == WorkflowExecutionStatus::Running;
        let progress = poll::ask(&build).await.unwrap_or_default();
        let mut rows: Vec<_> = progress.containers.into_iter().map(Name::from).collect();
        if rows.is_empty() && !runs {
            rows = from_result(outcome::wait(engine, &build).await?);
        }
        match (rows.is_empty(), runs && args.follow) {
            (false, _) => return Ok(rows),
            (true, true) => tokio::time::sleep(PAUSE).await,
            (true, false) => {
                let what = format!("cannot list the containers of `{}`", args.id);
                return Err(Error::new(Exit::Failed, what).hint(
                    "the build may not have read its spec yet, or no `kiln worker` is running",
                ));
            }
        }
    }
}

fn from_result(outcome: Outcome) -> Vec<Name> {
    let (images, failures) = match outcome {
        Outcome::Succeeded(output) => (output.images, Vec::new()),
        Outcome::Failed(details) => (details.images, details.failures),
        Outcome::Cancelled => return Vec::new(),
    };
    let images = images.into_iter().map(|one| Name {
        component: one.component,
        container: one.container,
        platforms: one.platforms.into_iter().map(|one| one.platform).collect(),
        is_done: true,
    });
    let failures = failures.into_iter().map(|one| Name {
        component: one.component,
        container: one.container,
        platforms: one.platform.into_iter().collect(),
        is_done: false,
    });
    name::merged(images.chain(failures).filter(|one| !one.container.is_empty()))
}
