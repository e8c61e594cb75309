//! What is rendered, with its base images pinned, and its content key.

use kilnworks_workflows::{
    failure::FailureType,
    plan::ContainerPlan,
    steps::{Rendered, RenderedPlatform},
};

use super::{
    dockerfile,
    key::{self, Inputs},
    pin::{self, Found, Pinned},
};
use crate::error::fail;

/// Pins the base images of what was rendered, unless its plan wants none pinned, and adds its key,
/// unless something from outside may change under it. `executor` is the executor's image,
/// `resolve` says what is known of an image.
///
/// # Errors
/// Those of [`pin::pin`], and `InvalidTemplate` where the Dockerfile becomes too large.
pub async fn keyed<F, Answer>(
    rendered: Rendered,
    plan: &ContainerPlan,
    executor: &str,
    resolve: F,
) -> anyhow::Result<Rendered>
where
    F: Fn(String) -> Answer,
    Answer: Future<Output = anyhow::Result<Found>>,
{
    let Some(build) = plan.work.as_build() else {
        return Err(fail(FailureType::Internal, "an image used as it is has no content key"));
    };
    let (text, args, target) =
        (&rendered.dockerfile, &rendered.build_args, build.target.as_deref());
    let Pinned { dockerfile, bases, reusable } = match build.pin {
        true => pin::pin(text, args, target, resolve).await?,
        false => pin::unpinned(text, args, target)?,
    };
    dockerfile::bounded(build, &dockerfile, rendered.dockerignore.as_deref())?;
    let own = own_platform();
    let inputs = Inputs {
        context: &rendered.content,
        dockerfile: &dockerfile,
        dockerignore: rendered.dockerignore.as_deref(),
        build_args: args,
        target,
        platform: build.platform().unwrap_or(&own),
        labels: &rendered.labels,
        flags: &build.flags,
        secrets: &build.secrets,
        executor,
    };
    let platforms = build.several().iter().map(|platform| RenderedPlatform {
        platform: platform.clone(),
        key: reusable.then(|| key::key(&Inputs { platform, ..inputs })),
    });
    let platforms: Vec<_> = platforms.collect();
    let key = match platforms.as_slice() {
        [] => reusable.then(|| key::key(&inputs)),
        all => key::of_index(all.iter().map(|one| one.key.as_deref())),
    };
    let key_platform = build.platforms.is_empty().then_some(own);
    Ok(Rendered { dockerfile, bases, key, key_platform, platforms, ..rendered })
}

/// What an image is keyed for where no platform is named: nodes are like the worker's own machine.
pub fn own_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}
