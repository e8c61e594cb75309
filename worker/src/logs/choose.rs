//! Which containers of a build are meant, and where their builds are in the engine.

use std::time::{Duration, Instant, SystemTime};

use kilnworks_workflows::{BuildApp, names::child_workflow_id, progress::State};
use temporalio_client::{
    WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionStatus,
    errors::WorkflowInteractionError,
};

use super::{
    PAUSE,
    name::{self, Name},
};
use crate::{
    cli::LogsArgs,
    connect::{Engine, waiting_mends},
    end::{Error, Exit},
    outcome::{self, Outcome},
    poll,
    status::not_told,
};

/// How long this command bears with an engine that does not answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// A container whose log is wanted.
#[derive(Debug)]
pub(super) struct Chosen {
    /// `component/container`, and the platform where there are several.
    pub(super) name: String,
    /// Which one of several platforms; empty where there is one image.
    pub(super) platform: String,
    /// Whether its image was there when it was asked for: then it may have no workflow.
    is_done: bool,
    /// Id of its own workflow.
    workflow_id: String,
    /// Id of the build that was named, and when that began: a child that is older belongs to an
    /// earlier build of the same id.
    root: (String, Option<SystemTime>),
}

impl Chosen {
    /// Run id of the container's build; none where that has not begun.
    pub(super) async fn run_id(&self, engine: &Engine) -> anyhow::Result<Option<String>> {
        let described = self.describe(engine, &self.workflow_id).await?;
        let described = described.filter(|one| one.start_time() >= self.root.1);
        Ok(described.map(|one| {
            let first = one.raw().workflow_execution_info.as_ref();
            let first = first.map(|info| info.first_run_id.clone()).unwrap_or_default();
            if first.is_empty() { one.run_id().to_owned() } else { first }
        }))
    }

    /// Whether nothing more happens with the container.
    pub(super) async fn has_ended(&self, engine: &Engine) -> anyhow::Result<bool> {
        let runs =
            |one: &WorkflowExecutionDescription| one.status() == WorkflowExecutionStatus::Running;
        let own = self.describe(engine, &self.workflow_id).await?;
        match own.filter(|one| one.start_time() >= self.root.1) {
            Some(own) => Ok(!runs(&own)),
            None if self.is_done => Ok(true),
            // It may never begin.
            None => Ok(!self.describe(engine, &self.root.0).await?.is_some_and(|root| runs(&root))),
        }
    }

    /// What the engine knows. One that is away for a while is asked again.
    async fn describe(
        &self,
        engine: &Engine,
        id: &str,
    ) -> anyhow::Result<Option<WorkflowExecutionDescription>> {
        let build = engine.client.get_workflow_handle::<BuildApp>(id);
        let asked = Instant::now();
        loop {
            match build.describe(WorkflowDescribeOptions::default()).await {
                Ok(described) => return Ok(Some(described)),
                Err(WorkflowInteractionError::NotFound(_)) => return Ok(None),
                Err(WorkflowInteractionError::Rpc(status))
                    if waiting_mends(&status) && asked.elapsed() < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The containers that were asked for, in plan order.
pub(super) async fn choose(engine: &Engine, args: &LogsArgs) -> Result<Vec<Chosen>, Error> {
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    let described = build.describe(WorkflowDescribeOptions::default()).await;
    let described = match described {
        Ok(described) => described,
        Err(error) => return Err(not_told(error, engine, &args.id).await),
    };
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

/// All containers of a build. A build that has ended tells of them by its end where no worker
/// answers any more.
async fn all(engine: &Engine, args: &LogsArgs) -> Result<Vec<Name>, Error> {
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    loop {
        let described = build.describe(WorkflowDescribeOptions::default()).await;
        let described = match described {
            Ok(described) => described,
            Err(error) => return Err(not_told(error, engine, &args.id).await),
        };
        let runs = described.status() == WorkflowExecutionStatus::Running;
        let progress = poll::ask(&build).await.unwrap_or_default();
        let rows = progress.containers.into_iter().map(|row| Name {
            component: row.component,
            container: row.container,
            platforms: row.platforms.into_iter().map(|one| one.platform).collect(),
            is_done: row.state == State::Done,
        });
        let mut rows: Vec<_> = rows.collect();
        if rows.is_empty() && !runs {
            rows = by_end(outcome::wait(engine, &build).await?);
        }
        match (rows.is_empty(), runs && args.follow) {
            (false, _) => return Ok(rows),
            (true, true) => tokio::time::sleep(PAUSE).await,
            (true, false) => {
                let what = format!("nobody tells the containers of `{}`", args.id);
                return Err(Error::new(Exit::Failed, what)
                    .hint("it may not have come so far, or no `kiln worker` runs"));
            }
        }
    }
}

fn by_end(outcome: Outcome) -> Vec<Name> {
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
