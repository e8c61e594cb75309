//! A worker with a release pipeline that builds its images with Kilnworks.

mod pipeline;

use std::error::Error;

use temporalio_client::{
    Client, ClientOptions, Connection, envconfig::LoadClientConfigProfileOptions,
};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};

use crate::pipeline::ReleasePipeline;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (connection, options) =
        ClientOptions::load_from_config(LoadClientConfigProfileOptions::default())?;
    let client = Client::new(Connection::connect(connection).await?, options)?;
    let queue = std::env::var("PIPELINE_TASK_QUEUE").unwrap_or_else(|_| "pipelines".to_owned());
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let options = WorkerOptions::new(queue).register_workflow::<ReleasePipeline>()?.build();
    Worker::new(&runtime, client, options)?.run().await?;
    Ok(())
}
