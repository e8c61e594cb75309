//! Puts an image that was pushed where it belongs, beside where its executor pushed it.

use kilnworks_workflows::{
    failure::FailureType,
    names,
    steps::{AwaitInput, Built, Reuse},
};

use crate::{
    error::failure_of,
    registry::{Manifest, RegistryClient, Repository, place_new},
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
    manifest: &Manifest,
) -> anyhow::Result<()> {
    if input.launched.joined.is_none() && input.reuse.is_none() {
        return Ok(());
    }
    let joined = input.launched.joined.as_deref().map(names::repository_of);
    let pushed = joined.as_ref().unwrap_or(&input.repository);
    let from = registry.open(pushed, &input.registry).await?;
    let named = name(registry, input, &from, manifest);
    tokio::try_join!(named, mark(registry, input, built, &from, manifest))?;
    Ok(())
}

/// Gives the image the build's own name and tags. What may be shared is pushed under its attempt's
/// tag alone: its maker may have left.
async fn name(
    registry: &RegistryClient,
    input: &AwaitInput,
    from: &Repository,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    if input.launched.joined.is_none() {
        return place_new(from, manifest, from, &input.tags).await;
    }
    let own = registry.open(&input.repository, &input.registry).await?;
    let tags = input.tags.iter().cloned().chain([input.attempt_tag()]);
    place_new(from, manifest, &own, &tags.collect::<Vec<_>>()).await
}

/// Puts the image under its content key, where it has one.
async fn mark(
    registry: &RegistryClient,
    input: &AwaitInput,
    built: &Built,
    from: &Repository,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    let Some(Reuse { repository, key }) = &input.reuse else { return Ok(()) };
    // Where no platform is named the key is for the worker's: a node of another kind made something
    // else.
    if input.platform.is_none() && built.platform != own_platform() {
        return Ok(());
    }
    let marking = async {
        let kept = registry.open(repository, &input.registry).await?;
        place_new(from, manifest, &kept, &[names::reuse_tag(key)]).await
    };
    match marking.await {
        Err(error) if !is_outage(&error) => {
            tracing::warn!(repository, key, "the image will not be used again: {error:#}");
            Ok(())
        }
        marked => marked,
    }
}

fn is_outage(error: &anyhow::Error) -> bool {
    failure_of(error).is_some_and(|it| it.kind == FailureType::RegistryUnavailable)
}
