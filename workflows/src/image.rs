//! The result for a container's image, built or found.

use crate::{
    build_id::BuildId,
    names,
    output::{ContainerImage, Made, Times},
    plan::{BuildPlan, ContainerPlan},
    spec::Yields,
    steps::{Built, Rendered},
};

impl ContainerImage {
    /// An image in a repository, without Dockerfile and commit.
    pub fn of(plan: &ContainerPlan, repository: &str, built: Built) -> Self {
        Self {
            component: plan.component.clone(),
            container: plan.container.clone(),
            init: plan.init,
            reference: names::reference(repository, &built.digest),
            digest: built.digest,
            size: built.size,
            platform: built.platform,
            platforms: built.platforms,
            times: Times { total: 0.0, pod: built.pod_seconds },
            ..Self::default()
        }
    }

    /// An image that was there already, and who found it.
    pub fn found(
        plan: &ContainerPlan,
        build: &BuildPlan,
        commit: &str,
        rendered: &Rendered,
        built: Built,
        by: &BuildId,
    ) -> Self {
        let made = Made {
            source: build.source.url.clone(),
            revision: build.source.revision.clone(),
            context_dir: build.context_dir.clone(),
            context: rendered.content.clone(),
            dockerfile: format!("sha256:{}", names::hex(rendered.dockerfile.as_bytes())),
            build_args: build.build_args.keys().cloned().collect(),
            bases: rendered.bases.clone(),
            key: rendered.key.clone(),
            workflow_id: by.workflow_id.clone(),
            run_id: by.run_id.clone(),
        };
        Self {
            tags: rendered.tags.clone(),
            commit: Some(commit.to_owned()),
            reused: true,
            files: build.yields == Yields::Files,
            made: Some(Box::new(made)),
            ..Self::of(plan, &build.repository, built)
        }
    }
}
