//! Puts an image that was pushed where it belongs, beside where its executor pushed it.

use kilnworks_workflows::{
    failure::FailureType,
    names,
    steps::{AwaitInput, Built, Reuse},
};

use crate::{
    error::failure_of,
    registry::{RegistryClient, place_known},
    render::own_platform,
};

/// Copies an image that another build's Pod pushed to this build's own repository, under its tags,
/// and marks each so that it is used again. Doing it twice is doing it once.
///
/// That it cannot be marked is no reason to fail a build that has its image: only an outage is
/// waited for.
pub(super) async fn place(
    registry: &RegistryClient,
    input: &AwaitInput,
    built: &Built,
) -> anyhow::Result<()> {
    let own = names::attempt_tag(&input.id);
    let tags: Vec<_> = input.tags.iter().cloned().chain([own]).collect();
    if let Some(pushed) = &input.launched.joined {
        let pushed = names::repository_of(pushed);
        copy(registry, input, &built.digest, (&pushed, &input.repository), &tags).await?;
    } else if input.reuse.is_some() {
        // What may be shared is pushed under its attempt's tag alone: its maker may have left.
        let own = (&*input.repository, &*input.repository);
        copy(registry, input, &built.digest, own, &tags).await?;
    }
    let Some(Reuse { repository, key }) = &input.reuse else { return Ok(()) };
    // Where no platform is named the key is for the worker's: a node of another kind made something
    // else.
    if input.platform.is_none() && built.platform != own_platform() {
        return Ok(());
    }
    let tags = [names::reuse_tag(key)];
    let marked = copy(registry, input, &built.digest, (&input.repository, repository), &tags).await;
    match marked {
        Err(error) if !is_outage(&error) => {
            tracing::warn!(repository, key, "the image will not be used again: {error:#}");
            Ok(())
        }
        marked => marked,
    }
}

async fn copy(
    registry: &RegistryClient,
    input: &AwaitInput,
    digest: &str,
    (from, to): (&str, &str),
    tags: &[String],
) -> anyhow::Result<()> {
    let from = registry.open(from, &input.registry).await?;
    let to = registry.open(to, &input.registry).await?;
    place_known(&from, digest, &to, tags).await.map(drop)
}

fn is_outage(error: &anyhow::Error) -> bool {
    failure_of(error).is_some_and(|it| it.kind == FailureType::RegistryUnavailable)
}
