//! The options of the four workers: what they serve, and their slots.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use kilnworks_activities::{Activities, metrics::ended};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, ReserveVersion, Sweep, names::TaskQueues,
};
use temporalio_common::worker::{
    VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion,
};
use temporalio_sdk::{
    WorkerOptions,
    activities::{ActivityDefinitions, ActivityImplementer},
    runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
};

use super::traces::Traces;
use crate::{cli::Queue, settings::Version};

/// Number of workflows that a worker caches between their tasks. A workflow that awaits its build has no
/// task for minutes, and its history is short. A workflow of an app with hundreds of containers takes a
/// few megabytes, so this number bounds the memory of a busy worker.
const CACHED_WORKFLOWS: usize = 128;

/// Pause between two heartbeats of one step. The SDK's own, 48 s of a timeout of 60 s, would show a
/// state in the Temporal UI, and a cancellation to a step, that much later.
const HEARTBEATS: Duration = Duration::from_secs(5);

/// The options of one worker. Only the main queue has workflows. Every worker registers every step, and
/// the policy table alone decides which queue a step uses.
pub(super) fn options(
    queue: Queue,
    queues: &TaskQueues,
    activities: Arc<Activities>,
    grace: Duration,
    traced: bool,
) -> anyhow::Result<WorkerOptions> {
    let (name, slots) = match queue {
        Queue::Main => (&queues.main, 100),
        // These steps compute on one core or wait for a registry or the store. They limit their own
        // computations to the number of cores.
        Queue::Source => (&queues.source, 2 * available_parallelism()?.get()),
        // Few slots: further launches wait in the engine, which makes the task queue the build queue.
        Queue::Launch => (&queues.launch, 4),
        // These steps only wait, so they must not queue.
        Queue::Await => (&queues.await_build, 2000),
    };
    let slots = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(slots))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let mut options = WorkerOptions::new(name)
        .tuner(slots)
        .max_cached_workflows(CACHED_WORKFLOWS)
        .graceful_shutdown_period(grace)
        .max_heartbeat_throttle_interval(HEARTBEATS)
        .default_heartbeat_throttle_interval(HEARTBEATS)
        .workflow_interceptor(ended::counting())
        .register_activities(Shared(activities));
    if traced {
        options = options.worker_plugin(Traces::plugin());
    }
    let mut options = options.build();
    if queue == Queue::Main {
        options
            .register_workflow::<BuildApp>()?
            .register_workflow::<BuildComponent>()?
            .register_workflow::<BuildContainer>()?
            .register_workflow::<ReserveVersion>()?
            .register_workflow::<Sweep>()?;
    }
    Ok(options)
}

/// The activities, which the four workers share.
struct Shared(Arc<Activities>);

impl ActivityImplementer for Shared {
    fn register_all(self: Arc<Self>, definitions: &mut ActivityDefinitions) {
        self.0.clone().register_all(definitions);
    }
}

/// The deployment options for a worker version.
pub(super) fn deployment(version: &Version) -> WorkerDeploymentOptions {
    let behavior = match version.pinned {
        true => VersioningBehavior::Pinned,
        false => VersioningBehavior::AutoUpgrade,
    };
    let version = WorkerDeploymentVersion::builder()
        .deployment_name(&version.deployment)
        .build_id(&version.build_id)
        .build();
    WorkerDeploymentOptions::new(version)
        .use_worker_versioning(true)
        .default_versioning_behavior(behavior)
        .build()
}
