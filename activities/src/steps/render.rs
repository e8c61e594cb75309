//! `render`: the Dockerfile of a container, its base images pinned, and the content key of its image.

use kilnworks_workflows::steps::{RenderInput, Rendered};

use crate::{
    registry::RegistryClient,
    render::{bases, keyed, platforms, read},
    source::Sources,
};

/// Renders what a container's build needs. It asks registries for the digests of base images, and
/// writes nothing. `executor` is the executor's image.
pub async fn render(
    sources: &Sources,
    registry: &RegistryClient,
    executor: &str,
    input: RenderInput,
) -> anyhow::Result<Rendered> {
    let plan = input.plan.clone();
    let rendered = read(sources, input).await?;
    let asked = &plan;
    let resolve = move |image| bases::look_up(registry, asked, image);
    let rendered = keyed(rendered, &plan, executor, resolve).await?;
    platforms::check(registry, &plan, &rendered.bases).await?;
    Ok(rendered)
}
