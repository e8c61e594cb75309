//! What is rendered, with its base images pinned, and its content key.

use kilnworks_workflows::{
    failure::FailureType,
    plan::ContainerPlan,
    steps::{Rendered, RenderedPlatform},
};

use super::{
    dockerfile,
    key::{self, Inputs},
    pin::{Found, Pinned, pin},
};
use crate::{error::fail, registry::own_architecture};

/// Pins the base images, unless the plan says `pin: false`, and adds the content key, unless the build
/// takes something from outside that has no digest. `executor` is the executor's image, `resolve` looks
/// up an image.
///
/// # Errors
/// Those of [`pin`], and `InvalidTemplate` if the Dockerfile becomes too large.
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
    let resolve = |image| {
        let answer = build.pin.then(|| resolve(image));
        async {
            match answer {
                Some(answer) => answer.await,
                None => Ok(Found::Hidden),
            }
        }
    };
    let Pinned { dockerfile, bases, reusable } = pin(text, args, target, resolve).await?;
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
    let platform = |platform: &String| RenderedPlatform {
        platform: platform.clone(),
        key: reusable.then(|| key::key(&Inputs { platform, ..inputs })),
    };
    let platforms: Vec<_> = build.several().iter().map(platform).collect();
    let key = match platforms.as_slice() {
        [] => reusable.then(|| key::key(&inputs)),
        all => key::of_index(all.iter().map(|one| one.key.as_deref())),
    };
    let key_platform = build.platforms.is_empty().then_some(own);
    Ok(Rendered { dockerfile, bases, key, key_platform, platforms, ..rendered })
}

/// The platform in the key of a build that names none: nodes are like the worker's own machine.
pub fn own_platform() -> String {
    format!("linux/{}", own_architecture())
}
