//! The last step of a component's and an app's build: the package.

use std::{collections::BTreeMap, time::SystemTime};

use temporalio_workflow::WorkflowContext;

use crate::{
    build::id,
    build_id::BuildId,
    execute::execute,
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
    let options = || policy.options(Step::Deliver, summary.clone(), ctx.cancellation_token());
    let time = |time: Option<SystemTime>| {
        time.map(|time| humantime::format_rfc3339_millis(time).to_string()).unwrap_or_default()
    };
    let input = DeliverInput {
        id: BuildId {
            component: made.component.clone().unwrap_or_default(),
            ..id(ctx, &outline.app)
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
    Ok(execute(ctx, Step::Deliver, || Steps::deliver, input, options).await?)
}
