//! The Temporal namespace and its search attributes. A workflow that sets an attribute which its
//! namespace lacks would hang, so a worker looks before it starts, and `kiln setup` makes them.

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

use crate::{
    connect::{Engine, Trouble, refused},
    end::{Error, Exit},
};

/// Whether a worker can run in the namespace.
pub(crate) async fn check(engine: &Engine) -> Result<(), Trouble> {
    let namespace = &engine.namespace;
    if id(engine).await.map_err(|error| told(engine, &error))?.is_none() {
        let what = format!("the Temporal namespace `{namespace}` does not exist");
        let hint = "run `kiln setup`, or set TEMPORAL_NAMESPACE to one that does";
        return Err(Trouble::End(missing(engine, what).hint(hint)));
    }
    let missing_ones = match missing_attributes(engine).await {
        Ok(missing) => missing,
        // A hosted engine may not let us look. The workflows' own errors then say what is missing.
        Err(error) if hidden(&error) => {
            tracing::warn!("cannot see the search attributes: {}", error.message());
            return Ok(());
        }
        Err(error) => return Err(told(engine, &error)),
    };
    if missing_ones.is_empty() {
        return Ok(());
    }
    let names = missing_ones.join(", ");
    let what = format!("the Temporal namespace `{namespace}` lacks search attributes: {names}");
    Err(Trouble::End(missing(engine, what).hint("run `kiln setup`")))
}

fn missing(engine: &Engine, what: String) -> Error {
    Error::new(Exit::NoEngine, what).at(&engine.address)
}

fn told(engine: &Engine, status: &Status) -> Trouble {
    refused(status, &engine.address)
}

/// Whether a hosted engine does not let us look.
pub(crate) fn hidden(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unimplemented | Code::Unauthenticated)
}

/// What a refusal means where the namespace is not ready; none where it is something else.
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

/// The id of the namespace, which no other engine's has; none where there is no such namespace.
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

/// What tells the namespace from every other engine's: its id, or its name where a hosted engine
/// does not let us look.
pub(crate) async fn identity(engine: &Engine) -> Result<String, Status> {
    match id(engine).await {
        Ok(id) => Ok(id.unwrap_or_else(|| engine.namespace.clone())),
        Err(status) if hidden(&status) => Ok(engine.namespace.clone()),
        Err(status) => Err(status),
    }
}

/// Makes the namespace. Somebody else may be quicker.
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

/// Our search attributes that the namespace lacks.
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

/// Makes search attributes, all of type Keyword.
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
