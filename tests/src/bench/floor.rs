//! What the engine itself takes: workflows of activities that do nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::future::try_join_all;
use temporalio_client::{Client, WorkflowGetResultOptions, WorkflowStartOptions};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    activities::{ActivityContext, ActivityError},
};
use temporalio_workflow::{ActivityOptions, WorkflowContext, WorkflowResult};

use crate::stack::unique;

/// Calls so many activities that do nothing, one after the other.
#[workflow]
#[derive(Debug, Default)]
pub struct Empty;

#[workflow_methods]
impl Empty {
    #[run(name = "Empty")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, activities: u32) -> WorkflowResult<()> {
        for _ in 0..activities {
            let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(60));
            ctx.execute_activity(Nothing::nothing, (), options.build()).await?;
        }
        Ok(())
    }
}

/// The activity that does nothing.
#[derive(Debug)]
pub struct Nothing;

#[activities]
impl Nothing {
    #[activity(name = "nothing")]
    pub async fn nothing(
        self: Arc<Self>,
        _ctx: ActivityContext,
        (): (),
    ) -> Result<(), ActivityError> {
        Ok(())
    }
}

/// What so many workflows took, all started at once.
pub(super) struct Took {
    pub(super) time: Duration,
    /// Events of all their histories.
    pub(super) events: usize,
}

/// Runs so many of them, with a worker of their own.
pub(super) async fn run(client: &Client, workflows: usize, activities: u32) -> Result<Took> {
    let queue = unique("bench-floor");
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let options = WorkerOptions::new(&queue)
        .register_workflow::<Empty>()?
        .register_activities(Nothing)
        .graceful_shutdown_period(Duration::from_secs(1))
        .build();
    let mut worker = Worker::new(&runtime, client.clone(), options)?;
    let stop = worker.shutdown_handle();
    let measure = async {
        let took = measure(client, &queue, workflows, activities).await;
        stop();
        took
    };
    let (took, ran) = tokio::join!(measure, worker.run());
    ran?;
    took
}

async fn measure(client: &Client, queue: &str, workflows: usize, activities: u32) -> Result<Took> {
    let begun = Instant::now();
    let handles = try_join_all((0..workflows).map(async |number| {
        let options = WorkflowStartOptions::new(queue, format!("{queue}-{number}")).build();
        let handle = client.start_workflow(Empty::run, activities, options).await?;
        handle.get_result(WorkflowGetResultOptions::default()).await?;
        anyhow::Ok(handle)
    }))
    .await?;
    let time = begun.elapsed();
    let mut events = 0;
    for handle in &handles {
        events += handle.describe(Default::default()).await?.history_length();
    }
    Ok(Took { time, events })
}
