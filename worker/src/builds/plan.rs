//! `kiln plan`: what a build would do. Needs no server.

use kilnworks_activities::{
    context::pack,
    pod::{
        access::Access,
        object::{Site, render_object},
    },
    settings::Settings,
    store,
};
use kilnworks_workflows::{
    build_id::BuildId,
    names,
    plan::{BuildPlan, ContainerPlan, Plan},
    steps::{Context, LaunchInput, Rendered},
};
use serde_json::Value;

use super::spec::{self, Overrides};
use crate::{
    cli::{PlanArgs, Show},
    output::{Error, Exit, OutputFormat, document, stdout, tables},
    settings::{self, Values},
};

/// Shows the plan or the build Pods of a spec.
pub(crate) async fn plan(args: PlanArgs, values: &Values) -> Result<Exit, Error> {
    let overrides = Overrides { version: args.version.as_deref(), ..Overrides::default() };
    let spec = spec::read(&args.spec, overrides)?;
    match (args.show, args.output) {
        (Some(Show::Pods), _) => {
            let installation = settings::installation(values)?;
            show_pods(&pods(&spec.plan, installation.steps).await?, args.output)?;
        }
        (None, output) => {
            document::show(output, &spec.plan, || stdout::print(&tables::plan(&spec.plan)))?;
        }
    }
    Ok(Exit::Success)
}

/// Prints Pods like `kubectl`: YAML documents, or one list in JSON.
fn show_pods(pods: &[Value], output: OutputFormat) -> Result<(), Error> {
    if output == OutputFormat::Json {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": pods});
        return stdout::json(&list);
    }
    let mut text = String::new();
    for pod in pods {
        let yaml = serde_saphyr::to_string(pod).map_err(anyhow::Error::from)?;
        text += &format!("---\n{yaml}");
    }
    stdout::print(text.trim_end())
}

/// The manifests of the build Pods or Jobs, in plan order. Values that depend on the commit are
/// placeholders in angle brackets.
async fn pods(plan: &Plan, settings: Settings) -> Result<Vec<Value>, Error> {
    let namespace = settings.cluster.namespace.clone();
    let store = store::open(&settings.store).await?;
    let access = Access::of(store.location(&store::context_key("<content>")));
    let site = Site::new(settings.cluster, "<temporal namespace>", &settings.install)?;
    let mut pods = Vec::new();
    for container in plan.containers() {
        let Some(build) = container.work.as_build() else {
            continue;
        };
        for build in one_by_one(build) {
            let mut object = render_object(&site, &launch(container, &build), &access)?;
            object["metadata"]["namespace"] = namespace.clone().into();
            pods.push(object);
        }
    }
    Ok(pods)
}

/// One build per platform, as each platform has its own Pod.
fn one_by_one(build: &BuildPlan) -> Vec<BuildPlan> {
    let one = |it: &String| BuildPlan { platforms: vec![it.clone()], ..build.clone() };
    match build.several() {
        [] => vec![build.clone()],
        several => several.iter().map(one).collect(),
    }
}

fn launch(container: &ContainerPlan, build: &BuildPlan) -> LaunchInput {
    let unknown = || "unknown".to_owned();
    let version = container.version.as_deref();
    // Only the builds of a multi-platform image have the platform in their name.
    let several = container.work.as_build().is_some_and(|it| !it.several().is_empty());
    let platform = build.platform().filter(|_| several).unwrap_or_default().to_owned();
    let mut tags = vec![names::first_tag(version, "<commit>")];
    tags.extend(build.tags.iter().cloned());
    tags.retain(|_| !several);
    LaunchInput {
        id: BuildId {
            app: container.app.clone(),
            component: container.component.clone(),
            container: container.container.clone(),
            workflow_id: unknown(),
            run_id: unknown(),
            root: unknown(),
            attempt: 1,
            platform,
        },
        build: build.clone(),
        registry: container.registry.clone(),
        rendered: Rendered {
            dockerfile: format!("<{} rendered>", build.dockerfile),
            build_args: build.build_args.clone(),
            labels: build.labels.clone(),
            tags,
            ..Rendered::default()
        },
        context: Context {
            root: pack::ROOT.to_owned(),
            sha256: Some("<sha256>".to_owned()),
            ..Context::default()
        },
        spare_memory: false,
        since: String::new(),
        pauses: 0,
        alone: false,
    }
}
