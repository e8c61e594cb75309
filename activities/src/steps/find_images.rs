//! `find_images`: which containers of a source have an image already. A container whose image is there
//! needs no workflow of its own.
//!
//! It only saves time, and writes nothing. What it cannot find, or not soon, the container's own
//! workflow finds, and fails for it where it must.

use std::time::Duration;

use futures::{StreamExt, stream};
use kilnworks_workflows::{
    bounds,
    plan::{BuildPlan, ContainerPlan},
    steps::{FindImagesInput, ReadyImage, ReadyImages},
};

use crate::{
    error::is_final,
    steps::finder::{Finder, SIDE_BY_SIDE},
};

/// How long the containers' own workflows wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Finds the images of the wanted containers, at the commit of their source.
pub async fn find_images(finder: Finder<'_>, input: FindImagesInput) -> ReadyImages {
    let FindImagesInput { id, commit, containers, published } = input;
    // A list, as a closure that lives on would tie this to one thread.
    let looks: Vec<_> = containers
        .iter()
        .filter_map(|container| {
            let build = container.work.as_build()?;
            let package = published.get(&container.component).cloned();
            let may = build.reuse.is_some() || package.is_some();
            may.then(|| look(&finder, container, build, &commit, package))
        })
        .collect();
    let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
    let (mut images, mut bytes) = (Vec::new(), 0);
    let all = async {
        while let Some((image, goes_on)) = looks.next().await {
            bytes += image.as_ref().map_or(0, weight);
            if bytes > bounds::FOUND_BYTES {
                break;
            }
            images.extend(image);
            if !goes_on {
                break;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        tracing::debug!(app = id.app, "not every image was found in time");
    }
    ReadyImages { images }
}

/// The image of one container, and whether to look for the others.
async fn look(
    finder: &Finder<'_>,
    plan: &ContainerPlan,
    build: &BuildPlan,
    commit: &str,
    package: Option<String>,
) -> (Option<ReadyImage>, bool) {
    match finder.find(plan, build, commit, package).await {
        Ok(found) => (found, true),
        Err(error) => {
            let container = format!("{}/{}", plan.component, plan.container);
            tracing::debug!(container, "left to its own workflow: {error:#}");
            // The others would wait for the same.
            (None, is_final(&error))
        }
    }
}

fn weight(image: &ReadyImage) -> usize {
    serde_json::to_vec(image).map_or(0, |json| json.len())
}
