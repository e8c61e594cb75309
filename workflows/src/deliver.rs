//! The last step of a component's and an app's build: the package.

use std::{collections::BTreeMap, time::SystemTime};

use temporalio_workflow::WorkflowContext;

use crate::{
    build_id::BuildId,
    output::{ContainerImage, Package},
    plan::{Outline, Registry},
    policy::{Policy, Step},
    release::Release,
    steps::{DeliverInput, Delivered, Steps},
    stop::Stop,
};

/// What a package is made of.
#[derive(Debug, Default)]
pub(crate) struct Deliverable {
    /// Name of the component; none for the app's own package.
    pub(crate) component: Option<String>,
    /// A component's images.
    pub(crate) images: Vec<ContainerImage>,
    /// How their registries are reached, where that is not the package's own.
    pub(crate) registries: BTreeMap<String, Registry>,
    /// An app's components.
    pub(crate) components: Vec<Delivered>,
    /// Commit of the files' source.
    pub(crate) commit: Option<String>,
}

/// Makes the package of a component, or of the app.
pub(crate) async fn deliver<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    outline: &Outline,
    release: &Release,
    made: Deliverable,
) -> Result<Option<Package>, Stop> {
    let summary = format!("deliver {}", made.component.as_deref().unwrap_or(&outline.app));
    let options = policy.options(Step::Deliver, summary, ctx.cancellation_token());
    let own = ctx.workflow_id().to_owned();
    let time = |time: Option<SystemTime>| {
        time.map(|time| humantime::format_rfc3339_millis(time).to_string()).unwrap_or_default()
    };
    let input = DeliverInput {
        id: BuildId {
            app: outline.app.clone(),
            component: made.component.clone().unwrap_or_default(),
            root: own.clone(),
            workflow_id: own,
            run_id: ctx.info().first_execution_run_id().to_owned(),
            ..BuildId::default()
        },
        app: outline.app.clone(),
        component: made.component,
        version: release.version.clone(),
        delivery: outline.delivery.clone(),
        commit: made.commit,
        images: made.images,
        components: made.components,
        registries: made.registries,
        started: time(ctx.info().start_time()),
        finished: time(ctx.workflow_time()),
    };
    Ok(ctx.execute_activity(Steps::deliver, input, options).await?)
}
