//! The Temporal namespace and its search attributes. A workflow that sets an undefined search attribute
//! hangs. So a worker checks them when it starts, and `kiln setup` creates them.

use std::{collections::HashMap, time::Duration};

use kilnworks_workflows::build::SEARCH_ATTRIBUTES;
use temporalio_client::{
    grpc::{OperatorService, WorkflowService},
    tonic::{Code, IntoRequest, Status},
};
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType,
    operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
    workflowservice::v1::{DescribeNamespaceRequest, RegisterNamespaceRequest},
};

use super::{
    Engine,
    refusal::{ConnectError, refused},
};
use crate::output::{Error, Exit};

/// Checks that a worker can run in the namespace.
pub(crate) async fn check(engine: &Engine) -> Result<(), ConnectError> {
    let namespace = &engine.namespace;
    if id(engine).await.map_err(|error| failed(engine, &error))?.is_none() {
        let what = format!("the Temporal namespace `{namespace}` does not exist");
        let hint = "run `kiln setup`, or set TEMPORAL_NAMESPACE to an existing namespace";
        return Err(ConnectError::Permanent(missing(engine, what).hint(hint)));
    }
    let missing_ones = match missing_attributes(engine).await {
        Ok(missing) => missing,
        // A hosted engine may not allow this call. Workflows then report what is missing.
        Err(error) if is_hidden(&error) => {
            tracing::warn!("cannot list the search attributes: {}", error.message());
            return Ok(());
        }
        Err(error) => return Err(failed(engine, &error)),
    };
    if missing_ones.is_empty() {
        return Ok(());
    }
    let names = missing_ones.join(", ");
    let what = format!("the Temporal namespace `{namespace}` lacks search attributes: {names}");
    Err(ConnectError::Permanent(missing(engine, what).hint("run `kiln setup`")))
}

fn missing(engine: &Engine, what: String) -> Error {
    Error::new(Exit::NoEngine, what).at(&engine.address)
}

fn failed(engine: &Engine, status: &Status) -> ConnectError {
    refused(status, &engine.address)
}

/// Whether a hosted engine does not allow a call.
pub(crate) fn is_hidden(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unimplemented | Code::Unauthenticated)
}

/// The error if a call failed because the namespace is not set up.
pub(crate) fn unready(status: &Status, engine: &Engine) -> Option<Error> {
    let namespace = &engine.namespace;
    let what = match status.code() {
        Code::NotFound => format!("the Temporal namespace `{namespace}` does not exist"),
        Code::InvalidArgument if status.message().contains("search attribute") => {
            format!("the Temporal namespace `{namespace}` lacks search attributes")
        }
        _ => return None,
    };
    Some(missing(engine, what).hint("run `kiln setup`, or set TEMPORAL_NAMESPACE"))
}

/// The id of the namespace, which is unique over all engines. None if the namespace does not exist.
pub(crate) async fn id(engine: &Engine) -> Result<Option<String>, Status> {
    let request = DescribeNamespaceRequest {
        namespace: engine.namespace.clone(),
        ..DescribeNamespaceRequest::default()
    };
    let mut service = engine.client.connection().clone();
    match service.describe_namespace(request.into_request()).await {
        Ok(described) => Ok(Some(described.into_inner().namespace_info.unwrap_or_default().id)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

/// The identity of the namespace: its id, or its name if a hosted engine does not report the id.
pub(crate) async fn identity(engine: &Engine) -> Result<String, Status> {
    match id(engine).await {
        Ok(id) => Ok(id.unwrap_or_else(|| engine.namespace.clone())),
        Err(status) if is_hidden(&status) => Ok(engine.namespace.clone()),
        Err(status) => Err(status),
    }
}

/// Creates the namespace. A namespace that exists already is no error.
pub(crate) async fn register(engine: &Engine, retention: Duration) -> Result<(), Status> {
    let request = RegisterNamespaceRequest {
        namespace: engine.namespace.clone(),
        description: "Builds of Kilnworks".to_owned(),
        workflow_execution_retention_period: retention.try_into().ok(),
        ..RegisterNamespaceRequest::default()
    };
    let mut service = engine.client.connection().clone();
    match service.register_namespace(request.into_request()).await {
        Err(status) if status.code() != Code::AlreadyExists => Err(status),
        _ => Ok(()),
    }
}

/// Our search attributes that are missing in the namespace.
pub(crate) async fn missing_attributes(engine: &Engine) -> Result<Vec<&'static str>, Status> {
    let request = ListSearchAttributesRequest { namespace: engine.namespace.clone() };
    let mut service = engine.client.connection().clone();
    let known = service
        .list_search_attributes(request.into_request())
        .await?
        .into_inner()
        .custom_attributes;
    let missing = SEARCH_ATTRIBUTES.into_iter().filter(|name| !known.contains_key(*name));
    Ok(missing.collect())
}

/// Creates search attributes of type Keyword.
pub(crate) async fn add_attributes(engine: &Engine, names: &[&str]) -> Result<(), Status> {
    let keyword = IndexedValueType::Keyword as i32;
    let request = AddSearchAttributesRequest {
        search_attributes: names
            .iter()
            .map(|name| ((*name).to_owned(), keyword))
            .collect::<HashMap<_, _>>(),
        namespace: engine.namespace.clone(),
    };
    let mut service = engine.client.connection().clone();
    match service.add_search_attributes(request.into_request()).await {
        Err(status) if status.code() != Code::AlreadyExists => Err(status),
        _ => Ok(()),
    }
}
