//! `kiln build`: starts a build, shows how it goes, ends as it ends.

use std::time::{Duration, Instant};

use kilnworks_workflows::{
    BuildApp,
    build::{APP, VERSION, raw},
    plan::Plan,
    progress::Progress,
};
use temporalio_client::{
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
    errors::WorkflowStartError,
    tonic::{Code, Status},
};
use temporalio_common::search_attributes::SearchAttributes;
use uuid::Uuid;

use crate::{
    cli::{BuildArgs, Output},
    connect::{self, Engine, refused},
    end::{Error, Exit},
    outcome::{self, Build},
    poll,
    progress::{View, settle},
    settings::Common,
    spec::{self, Instead, Spec},
    table,
};

/// Builds an app. Whatever happens to this command, the build goes on.
pub(crate) async fn build(args: BuildArgs, common: Common) -> Result<Exit, Error> {
    let instead =
        Instead { version: args.version.as_deref(), no_reuse: args.no_reuse, ..Instead::default() };
    let spec = spec::read(&args.spec, instead)?;
    let id = args.id.unwrap_or_else(|| default_id(&spec));
    let engine = connect::once().await?;
    let build = start(&engine, &common, &spec, &id).await?;
    let page = engine.page(common.temporal_ui.as_ref(), &id);
    if args.detach {
        return detached(&id, page.as_deref(), args.output);
    }
    eprintln!("build `{id}`{}", beside(page.as_deref()));
    follow(&engine, &common, &build, args.output).await
}

fn beside(page: Option<&str>) -> String {
    page.map_or_else(String::new, |page| format!("  {page}"))
}

/// The same version of an app has one id, so that it is not built twice at once.
fn default_id(spec: &Spec) -> String {
    let app = &spec.plan.app;
    match &spec.plan.version {
        Some(version) => format!("{app}-{version}"),
        None => format!("{app}-{}", &Uuid::new_v4().simple().to_string()[..8]),
    }
}

/// What the engine's UI says of a build.
pub(crate) fn summary(plan: &Plan) -> String {
    let version = plan.version.as_deref().unwrap_or_default();
    format!("build {} {version}", plan.app).trim_end().to_owned()
}

/// What a build is found by from its start.
pub(crate) fn found_by(plan: &Plan) -> SearchAttributes {
    let version = plan.version.clone().map(|version| VERSION.value_set(version));
    SearchAttributes::new(std::iter::once(APP.value_set(plan.app.clone())).chain(version))
}

async fn start(engine: &Engine, common: &Common, spec: &Spec, id: &str) -> Result<Build, Error> {
    let options = WorkflowStartOptions::new(&common.task_queue, id)
        .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .search_attributes(found_by(&spec.plan))
        .static_summary(summary(&spec.plan))
        .build();
    let started = engine
        .client
        .start_workflow(BuildApp::run, raw(&spec.document), options)
        .await
        .map_err(|error| not_started(error, engine, id))?;
    // Bound to this run: whoever builds under the same id later is not watched by mistake.
    Ok(Build::new(engine.client.clone(), started.info().clone()))
}

fn not_started(error: WorkflowStartError, engine: &Engine, id: &str) -> Error {
    match error {
        WorkflowStartError::AlreadyStarted { .. } => {
            Error::input(format!("the build `{id}` runs already"))
                .hint(format!("`kiln status {id}` shows it; `--id` or `--version` makes another"))
        }
        WorkflowStartError::Rpc(status) => refused_start(&status, engine),
        other => anyhow::Error::from(other).into(),
    }
}

/// Why the engine starts nothing.
pub(crate) fn refused_start(status: &Status, engine: &Engine) -> Error {
    let namespace = &engine.namespace;
    let unready = match status.code() {
        Code::NotFound => format!("the Temporal namespace `{namespace}` does not exist"),
        Code::InvalidArgument if status.message().contains("search attribute") => {
            format!("the Temporal namespace `{namespace}` lacks search attributes")
        }
        _ => return refused(status, &engine.address).into(),
    };
    Error::new(Exit::NoEngine, unready)
        .at(&engine.address)
        .hint("run `kiln setup`, or set TEMPORAL_NAMESPACE")
}

fn detached(id: &str, page: Option<&str>, output: Output) -> Result<Exit, Error> {
    match output {
        Output::Json => table::json(&serde_json::json!({"id": id, "ui": page}))?,
        Output::Table => {
            table::print(id)?;
            if let Some(page) = page {
                table::print(page)?;
            }
        }
    }
    Ok(Exit::Success)
}

/// Shows a build until it ends, or someone leaves.
async fn follow(
    engine: &Engine,
    common: &Common,
    build: &Build,
    output: Output,
) -> Result<Exit, Error> {
    let id = &build.info().workflow_id;
    let mut view = View::fitting();
    let mut last = Progress::default();
    let outcome = tokio::select! {
        outcome = outcome::wait(engine, build) => outcome?,
        () = watch(engine, common, build, &mut view, &mut last) => unreachable!("it never ends"),
        _ = tokio::signal::ctrl_c() => {
            view.close();
            eprintln!("left; the build goes on. `kiln status {id}` shows it, `kiln cancel {id}` ends it");
            return Ok(Exit::Detached);
        }
    };
    settle(&mut last, &outcome);
    view.show(&last);
    view.close();
    outcome.show(id, output)?;
    Ok(outcome.exit())
}

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a build may be silent before that is said.
const SILENCE: Duration = Duration::from_secs(10);

/// Shows a build for ever.
async fn watch(
    engine: &Engine,
    common: &Common,
    build: &Build,
    view: &mut View,
    last: &mut Progress,
) {
    let begun = Instant::now();
    let mut told = false;
    loop {
        if let Some(progress) = poll::progress(engine, build).await {
            view.show(&progress);
            *last = progress;
        } else if last.containers.is_empty() && begun.elapsed() > SILENCE && !told {
            let queue = &common.task_queue;
            view.note(&format!(
                "no worker of task queue `{queue}` answers; does `kiln worker` run?"
            ));
            told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
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
    fn a_version_has_one_id_and_no_version_has_a_new_one_each_time() {
        assert_eq!(default_id(&spec(Some("1.2.0"))), "shop-1.2.0");
        let id = default_id(&spec(None));
        assert_eq!(id.len(), "shop-".len() + 8);
        assert_ne!(id, default_id(&spec(None)));
    }
}
