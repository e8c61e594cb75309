//! Which images of a source's containers are there already, found together: a container whose image
//! is there needs no workflow of its own.
//!
//! It only saves time. What it cannot tell, or not soon, the container's own workflow finds out, and
//! fails for it where it must.

use std::time::Duration;

use futures::{StreamExt, stream};
use kilnworks_workflows::{
    bounds,
    output::ContainerImage,
    plan::{self, BuildPlan, ContainerPlan},
    steps::{BuildId, FetchInput, RenderInput, Wanted},
};

use crate::{error::is_final, registry::RegistryClient, render, source::Sources};

/// Containers that are looked after side by side.
pub(crate) const SIDE_BY_SIDE: usize = 4;

/// How long their own workflows wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where images are found, and who looks for them.
pub(crate) struct Finder<'a> {
    pub(crate) registry: &'a RegistryClient,
    pub(crate) sources: &'a Sources,
    /// What builds: see [`crate::object::Site::executor`].
    pub(crate) executor: &'a str,
    pub(crate) id: BuildId,
}

impl Finder<'_> {
    /// The image that a build at a commit would come to, where it is there. It has the build's own
    /// name and tags then. `published` is the package that has its version.
    pub(crate) async fn image(
        &self,
        plan: &ContainerPlan,
        build: &BuildPlan,
        commit: &str,
        published: Option<String>,
    ) -> anyhow::Result<Option<ContainerImage>> {
        let input = RenderInput {
            id: self.id.clone(),
            plan: plan.clone(),
            commit: commit.to_owned(),
            published,
            // No container that is built from another one is asked for.
            images: Default::default(),
            with_context: false,
            launch: None,
            again: false,
        };
        let mut rendered =
            render::render(self.sources, self.registry, self.executor, input).await?;
        let built = rendered.reused.take();
        Ok(built
            .map(|built| ContainerImage::found(plan, build, commit, &rendered, built, &self.id)))
    }

    /// The image of one of those that are wanted, and whether to go on.
    async fn look(
        &self,
        plan: &ContainerPlan,
        build: &BuildPlan,
        commit: &str,
        published: Option<String>,
    ) -> (Option<ContainerImage>, bool) {
        match self.image(plan, build, commit, published).await {
            Ok(found) => (found, true),
            Err(error) => {
                let container = format!("{}/{}", plan.component, plan.container);
                tracing::debug!(container, "left to its own workflow: {error:#}");
                // What waiting mends the next one would wait for, too.
                (None, is_final(&error))
            }
        }
    }
}

/// Finds the images that are there of what is wanted of a source, at the commit that it has.
pub async fn find(
    registry: &RegistryClient,
    sources: &Sources,
    executor: &str,
    input: FetchInput,
    commit: &str,
) -> Vec<ContainerImage> {
    let FetchInput { id, wanted: Some(wanted), .. } = input else { return Vec::new() };
    let Wanted { kind, document, version, published } = wanted;
    // The whole document had none of the faults that a part of it may seem to have.
    let Ok((_, plan)) = plan::read(kind, document) else { return Vec::new() };
    let plan = plan.of_version(version);
    let finder = Finder { registry, sources, executor, id };
    // A list, as a closure that lives on would tie this to one thread.
    let looks: Vec<_> = plan
        .containers()
        .filter_map(|container| {
            let build = container.work.as_build()?;
            let package = published.get(&container.component).cloned();
            let may = build.reuse.is_some() || package.is_some();
            may.then(|| finder.look(container, build, commit, package))
        })
        .collect();
    let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
    let (mut found, mut bytes) = (Vec::new(), 0);
    let all = async {
        while let Some((image, goes_on)) = looks.next().await {
            bytes += image.as_ref().map_or(0, weight);
            if bytes > bounds::FOUND_BYTES {
                break;
            }
            found.extend(image);
            if !goes_on {
                break;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        tracing::debug!(app = plan.app, "not every image was found in time");
    }
    found
}

fn weight(image: &ContainerImage) -> usize {
    serde_json::to_vec(image).map_or(0, |json| json.len())
}
