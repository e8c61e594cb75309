//! `kiln build`: starts a build, shows its progress, and exits with its outcome.

use std::time::Duration;

use kilnworks_workflows::{
    BuildApp,
    build::{APP, VERSION, raw},
    plan::Plan,
};
use temporalio_client::{
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
    errors::WorkflowStartError,
};
use temporalio_common::search_attributes::SearchAttributes;
use uuid::Uuid;

use super::{
    follow::{self, Interrupt},
    outcome::Build,
    spec::{self, Overrides, Spec},
};
use crate::{
    cli::BuildArgs,
    engine::{Engine, connect, namespace, refused},
    output::{Error, Exit, OutputFormat, document, stdout},
    settings::Common,
};

/// Builds an app. The build continues even if this command is killed.
pub(crate) async fn build(args: BuildArgs, common: Common) -> Result<Exit, Error> {
    let overrides = Overrides {
        version: args.version.as_deref(),
        no_reuse: args.no_reuse,
        ..Overrides::default()
    };
    let spec = spec::read(&args.spec, overrides)?;
    let id = args.id.unwrap_or_else(|| default_id(&spec));
    let engine = connect::once().await?;
    let build = start(&engine, &common, &spec, &id).await?;
    let page = engine.page(common.temporal_ui.as_ref(), &id);
    if args.detach {
        return detached(&id, page.as_deref(), args.output);
    }
    eprintln!("build `{id}`{}", suffix(page.as_deref()));
    let queue = &common.task_queue;
    match follow::follow(&engine, queue, &build, Duration::ZERO, Interrupt::Ask).await? {
        None => Ok(Exit::Detached),
        Some(outcome) => {
            outcome.show(&id, args.output)?;
            Ok(outcome.exit())
        }
    }
}

fn suffix(page: Option<&str>) -> String {
    page.map_or_else(String::new, |page| format!("  {page}"))
}

/// The id contains the version, so that one version of an app is not built twice at the same time.
fn default_id(spec: &Spec) -> String {
    let app = &spec.plan.app;
    match &spec.plan.version {
        Some(version) => format!("{app}-{version}"),
        None => format!("{app}-{}", &Uuid::new_v4().simple().to_string()[..8]),
    }
}

/// The summary of a build in the Temporal UI.
pub(crate) fn summary(plan: &Plan) -> String {
    let version = plan.version.as_deref().unwrap_or_default();
    format!("build {} {version}", plan.app).trim_end().to_owned()
}

/// The search attributes that a build has from its start.
pub(crate) fn search_attributes(plan: &Plan) -> SearchAttributes {
    let version = plan.version.clone().map(|version| VERSION.value_set(version));
    SearchAttributes::new(std::iter::once(APP.value_set(plan.app.clone())).chain(version))
}

async fn start(engine: &Engine, common: &Common, spec: &Spec, id: &str) -> Result<Build, Error> {
    let options = WorkflowStartOptions::new(&common.task_queue, id)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .search_attributes(search_attributes(&spec.plan))
        .static_summary(summary(&spec.plan))
        .build();
    let started = engine
        .client
        .start_workflow(BuildApp::run, raw(&spec.document), options)
        .await
        .map_err(|error| not_started(error, engine, id))?;
    // The handle is bound to this run, so that it never shows a later build with the same id.
    Ok(Build::new(engine.client.clone(), started.info().clone()))
}

fn not_started(error: WorkflowStartError, engine: &Engine, id: &str) -> Error {
    match error {
        WorkflowStartError::AlreadyStarted { .. } => Error::input(format!(
            "the build `{id}` is already running"
        ))
        .hint(format!("`kiln status {id}` shows it; `--id` or `--version` starts another build")),
        WorkflowStartError::Rpc(status) => namespace::unready(&status, engine)
            .unwrap_or_else(|| refused(&status, &engine.address).into()),
        other => anyhow::Error::from(other).into(),
    }
}

fn detached(id: &str, page: Option<&str>, output: OutputFormat) -> Result<Exit, Error> {
    document::show(output, &serde_json::json!({"id": id, "ui": page}), || {
        stdout::print(id)?;
        page.map_or(Ok(()), stdout::print)
    })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::plan::Plan;
    use serde_json::Value;

    use super::{Spec, default_id};

    fn spec(version: Option<&str>) -> Spec {
        let plan =
            Plan { app: "shop".to_owned(), version: version.map(str::to_owned), ..Plan::default() };
        let document = Value::Null;
        Spec { document, plan }
    }

    #[test]
    fn the_id_is_random_without_a_version() {
        assert_eq!(default_id(&spec(Some("1.2.0"))), "shop-1.2.0");
        let id = default_id(&spec(None));
        assert_eq!(id.len(), "shop-".len() + 8);
        assert_ne!(id, default_id(&spec(None)));
    }
}
