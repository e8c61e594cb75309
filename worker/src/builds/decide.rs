//! `kiln pause`, `resume`, `retry`, `extend`, `approve`, and `cancel` of one container: decisions about a
//! running build. The build itself validates a decision.

use kilnworks_workflows::{
    BuildApp,
    build::raw,
    decision::{Approve, Retry, Scope, Which},
    spec::ResourcesSpec,
};
use serde::Serialize;
use serde_json::{Value, json};
use temporalio_client::{
    Client, RpcOptions, UntypedUpdate, UntypedWorkflow, WorkflowExecuteUpdateOptions,
    WorkflowHandle, errors::WorkflowUpdateError,
};
use temporalio_common::data_converters::PayloadConverter;

use super::{
    name::{self, Name},
    poll, suggest,
};
use crate::{
    cli::{ApproveArgs, ExtendArgs, HoldArgs, RetryArgs},
    engine::{Engine, connect, refused},
    output::{Error, Exit},
};

/// Timeout of a decision. The build forwards it to its components, which may be starting.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Pauses or resumes a build or a part of it. `update` is the name of the update.
pub(crate) async fn pause_or_resume(update: &str, args: HoldArgs) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let scope = match args.container.as_deref() {
        None => Scope::default(),
        Some(given) => match given.strip_suffix('/') {
            Some(component) => Scope { component: Some(component.to_owned()), container: None },
            None => {
                let which = named(&engine, &args.id, given).await?;
                Scope { component: Some(which.component), container: Some(which.container) }
            }
        },
    };
    decide(&engine, &args.id, update, &scope).await
}

/// Retries a failed container.
pub(crate) async fn retry(args: RetryArgs) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let Which { component, container } = named(&engine, &args.id, &args.container).await?;
    let RetryArgs { cpu, memory, ephemeral_storage, .. } = args;
    let given = cpu.is_some() || memory.is_some() || ephemeral_storage.is_some();
    let resources = given.then_some(ResourcesSpec { cpu, memory, ephemeral_storage });
    let retry = Retry { component, container, resources };
    decide(&engine, &args.id, "retry_container", &retry).await
}

/// Extends a time limit of a container.
pub(crate) async fn extend(args: ExtendArgs) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let Which { component, container } = named(&engine, &args.id, &args.container).await?;
    let ExtendArgs { id, timeout, by, .. } = args;
    let payload =
        json!({"component": component, "container": container, "timeout": timeout, "by": by});
    decide(&engine, &id, "extend", &payload).await
}

/// Approves or rejects a delivery.
pub(crate) async fn approve(args: ApproveArgs) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    decide(&engine, &args.id, "approve", &Approve { reject: args.reject }).await
}

/// Cancels one container.
pub(crate) async fn cancel_container(id: &str, container: &str) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let which = named(&engine, id, container).await?;
    decide(&engine, id, "cancel_container", &which).await
}

/// The container with this name. If the name has no component, the progress of the build finds it.
async fn named(engine: &Engine, id: &str, given: &str) -> Result<Which, Error> {
    if let Some((component, container)) = given.split_once('/') {
        let (component, container) = (component.to_owned(), container.to_owned());
        return Ok(Which { component, container });
    }
    let build = engine.client.get_workflow_handle::<BuildApp>(id);
    let rows = poll::ask(&build).await.unwrap_or_default().containers;
    let all: Vec<_> = rows.into_iter().map(Name::from).collect();
    let Name { component, container, .. } = name::one_of(&all, given)?;
    Ok(Which { component, container })
}

/// Sends a decision to a build and prints the answer.
async fn decide(
    engine: &Engine,
    id: &str,
    update: &str,
    payload: &impl Serialize,
) -> Result<Exit, Error> {
    let build: WorkflowHandle<Client, UntypedWorkflow> = engine.client.get_workflow_handle(id);
    let mut rpc = RpcOptions::default();
    rpc.timeout = Some(PATIENCE);
    let options = WorkflowExecuteUpdateOptions::builder().rpc_options(rpc).build();
    let payload: Value = json!(payload);
    let asked = build.execute_update(UntypedUpdate::new(update), raw(&payload), options);
    match asked.await {
        Ok(answer) => {
            let message: String = answer.to_value(&PayloadConverter::serde_json());
            eprintln!("{message}");
            Ok(Exit::Success)
        }
        Err(error) => Err(refused_by(error, engine, id).await),
    }
}

/// Why the decision was not made.
async fn refused_by(error: WorkflowUpdateError, engine: &Engine, id: &str) -> Error {
    match error {
        WorkflowUpdateError::Failed(failure) => {
            Error::input(failure.message).hint(format!("`kiln status {id}` shows its state"))
        }
        WorkflowUpdateError::NotFound(status) if status.message().contains("completed") => {
            Error::input(format!("the build `{id}` has ended"))
                .hint("start the build again; it reuses finished images")
        }
        WorkflowUpdateError::NotFound(_) => suggest::not_found(engine, id).await,
        WorkflowUpdateError::Rpc(status) => refused(&status, &engine.address).into(),
        other => anyhow::Error::from(other).into(),
    }
}
