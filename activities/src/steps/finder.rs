//! Finding the image of a container that is not built yet.

use kilnworks_workflows::{
    build_id::BuildId,
    output::ContainerImage,
    plan::{BuildPlan, ContainerPlan},
    steps::{FindImageInput, ImageTags, ReadyImage, RenderInput},
};

use super::{find_image::find_image, render::render};
use crate::{registry::RegistryClient, source::Sources};

/// Containers that are looked after side by side.
pub const SIDE_BY_SIDE: usize = 4;

/// Where images are found, and for whom.
pub struct Finder<'a> {
    /// The registries.
    pub registry: &'a RegistryClient,
    /// The sources.
    pub sources: &'a Sources,
    /// What builds: see [`crate::pod::object::Site::executor`].
    pub executor: &'a str,
    /// The build that needs them.
    pub id: BuildId,
}

impl Finder<'_> {
    /// The image that a build at a commit would make, where it is there. `package` is what has the
    /// build's version already. A container that is built from another one is not looked for.
    pub async fn find(
        &self,
        plan: &ContainerPlan,
        build: &BuildPlan,
        commit: &str,
        package: Option<String>,
    ) -> anyhow::Result<Option<ReadyImage>> {
        let input = RenderInput {
            id: self.id.clone(),
            plan: plan.clone(),
            commit: commit.to_owned(),
            images: Default::default(),
        };
        let rendered = render(self.sources, self.registry, self.executor, input).await?;
        let input = FindImageInput::of(self.id.clone(), plan, &rendered, package);
        let Some(found) = find_image(self.registry, &input).await?.image else { return Ok(None) };
        let Some(tags) = ImageTags::of(plan, &rendered, &found) else { return Ok(None) };
        let image = ContainerImage::found(plan, build, commit, &rendered, found.built, &self.id);
        Ok(Some(ReadyImage { image, tags }))
    }
}
