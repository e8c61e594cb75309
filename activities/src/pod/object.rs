//! What is created for an attempt: a Pod, or a Job with that Pod.

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::{Pod, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kilnworks_workflows::{
    build_id::BuildId,
    names,
    plan::{BuildPlan, GitSource, Registry, Resources, Timeouts},
    steps::{Context, LaunchInput, Rendered},
};
use serde_json::Value;

use super::{access::Access, manifest, presigned, template::Template};
use crate::settings::{ClusterSettings, LauncherKind};

/// What all objects of one installation share.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where and how builds run.
    pub settings: ClusterSettings,
    /// Tells this installation's objects from another's in the same namespace.
    pub instance: String,
    template: Option<Template>,
}

/// A Pod, or a Job with one.
#[derive(Clone, Debug)]
pub enum Object {
    /// A bare Pod.
    Pod(Box<Pod>),
    /// A Job with one Pod.
    Job(Box<Job>),
}

impl Site {
    /// The installation of a name in a Temporal namespace. Fails where the operator's Pod template
    /// cannot be read, rendered or merged, so that a worker says so when it starts.
    pub fn new(
        settings: ClusterSettings,
        temporal_namespace: &str,
        install: &str,
    ) -> anyhow::Result<Self> {
        let template = settings.pod_template.as_deref().map(Template::read);
        let site = Self {
            instance: names::label_hash(&format!("{temporal_namespace}/{install}")),
            template: template.transpose()?,
            settings,
        };
        site.object(&sample(), &Access::default())?;
        Ok(site)
    }

    /// What builds: the executor's image, and the template over its Pod.
    pub fn executor(&self) -> String {
        let template =
            self.template.as_ref().map(|template| names::hex(template.text().as_bytes()));
        let image = &self.settings.executor_image;
        template.map_or_else(|| image.clone(), |template| format!("{image} in {template}"))
    }

    /// What is created for an attempt.
    pub fn object(&self, input: &LaunchInput, access: &Access) -> anyhow::Result<Object> {
        let pod = manifest::pod(&self.settings, &self.instance, input, access);
        let pod = match &self.template {
            Some(template) => {
                template.over(&pod, &input.id, input.build.platform().unwrap_or_default())?
            }
            None => pod,
        };
        Ok(match self.settings.launcher {
            LauncherKind::Pod => Object::Pod(Box::new(pod)),
            LauncherKind::Job => Object::Job(Box::new(job(pod))),
        })
    }
}

impl Object {
    /// Gives its Pod an annotation.
    pub fn annotate(&mut self, name: String, value: String) {
        let metadata = match self {
            Self::Pod(pod) => Some(&mut pod.metadata),
            Self::Job(job) => {
                job.spec.as_mut().map(|spec| spec.template.metadata.get_or_insert_default())
            }
        };
        if let Some(metadata) = metadata {
            metadata.annotations.get_or_insert_default().insert(name, value);
        }
    }
}

/// The manifest of an attempt's Pod or Job, for people.
pub fn render_object(site: &Site, input: &LaunchInput, access: &Access) -> anyhow::Result<Value> {
    Ok(match site.object(input, access)? {
        Object::Pod(pod) => serde_json::to_value(pod)?,
        Object::Job(job) => serde_json::to_value(job)?,
    })
}

/// A Job of one Pod and one try: what a new attempt is, and whether, is the workflow's to decide.
/// It is not removed by time, since the Pod's end must be seen first.
fn job(mut pod: Pod) -> Job {
    let name = pod.metadata.name.take();
    let namespace = pod.metadata.namespace.take();
    let (labels, mut annotations) = (pod.metadata.labels.clone(), pod.metadata.annotations.clone());
    // It is of use to the Pod alone.
    annotations.iter_mut().for_each(|all| drop(all.remove(&presigned::annotation())));
    Job {
        metadata: ObjectMeta { name, namespace, labels, annotations, ..ObjectMeta::default() },
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            template: PodTemplateSpec { metadata: Some(pod.metadata), spec: pod.spec },
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// The Pod that a Job would make, for the API server to look at.
pub fn pod_of(job: &Job) -> Pod {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let mut metadata = template.metadata.unwrap_or_default();
    metadata.generate_name = job.metadata.name.as_ref().map(|name| format!("{name}-"));
    Pod { metadata, spec: template.spec, status: None }
}

/// A build that stands for any: the operator's template is tried with it.
pub fn sample() -> LaunchInput {
    let text = |text: &str| text.to_owned();
    LaunchInput {
        id: BuildId {
            app: text("app"),
            component: text("component"),
            container: text("container"),
            workflow_id: text("sample"),
            run_id: text("sample"),
            root: text("sample"),
            attempt: 1,
            platform: String::new(),
        },
        build: BuildPlan {
            from: Vec::new(),
            source: GitSource {
                url: String::new(),
                revision: None,
                secret: None,
                submodules: false,
            },
            context_dir: String::new(),
            dockerfile: text("Dockerfile"),
            template: None,
            build_args: Default::default(),
            target: None,
            repository: text("localhost/sample"),
            tags: Vec::new(),
            labels: Default::default(),
            cache: None,
            flags: Vec::new(),
            secrets: Vec::new(),
            lfs: false,
            pin: false,
            reuse: None,
            priority: None,
            fairness_key: None,
            platforms: Vec::new(),
            yields: Default::default(),
            resources: Resources { cpu: text("1"), memory: text("1Gi"), ephemeral_storage: None },
            timeouts: Timeouts { queued: 1, scheduling: 1, pulling: 1, building: 1, whole: 1 },
        },
        registry: Registry::default(),
        rendered: Rendered::default(),
        context: Context::default(),
        spare_memory: false,
        since: String::new(),
        pauses: 0,
        alone: false,
    }
}

#[cfg(test)]
mod tests;
