//! Images, progress and plans as tables.

use std::time::Duration;

use kilnworks_workflows::{
    output::{ContainerImage, PlatformImage},
    plan::{BuildPlan, ContainerPlan, Plan, Resources, Timeouts, Work},
    progress::{ContainerProgress, Progress},
};

use super::{
    table::{align_right, one_line, short, table},
    units,
};

/// The images of a build.
pub(crate) fn images(images: &[ContainerImage]) -> String {
    let header = ["CONTAINER", "IMAGE", "DIGEST", "SIZE", "COMMIT", "TIME", "IN POD", "OVERHEAD"];
    let mut table = table(&header, images.iter().flat_map(image_rows));
    for right in [3, 5, 6, 7] {
        align_right(&mut table, right);
    }
    table.trim_fmt()
}

/// A row for an image, and one row for each platform of a multi-platform image.
fn image_rows(one: &ContainerImage) -> Vec<Vec<String>> {
    let platform = |it: &PlatformImage| {
        let digest = short(&it.digest, "sha256:".len() + 12);
        let mut row = vec![format!("  {}", it.platform), dash(), digest, units::bytes(it.size)];
        row.extend([dash(), dash(), dash(), dash()]);
        row
    };
    std::iter::once(image(one)).chain(one.platforms.iter().map(platform)).collect()
}

fn image(image: &ContainerImage) -> Vec<String> {
    let repository = image.reference.split('@').next().unwrap_or_default();
    vec![
        format!("{}/{}", image.component, image.container),
        match image.tags.first() {
            Some(tag) => format!("{repository}:{tag}"),
            None => repository.to_owned(),
        },
        short(&image.digest, "sha256:".len() + 12),
        units::bytes(image.size),
        image.commit.as_deref().map_or_else(dash, |commit| short(commit, 12)),
        units::seconds(image.times.total),
        match image.attempts {
            0 if image.reused => "reused".to_owned(),
            0 => dash(),
            _ => units::seconds(image.times.pod),
        },
        // The time outside the Pod. Kubernetes reports whole seconds, so the difference can be off
        // by half a second and even be negative.
        units::seconds((image.times.total - image.times.pod).max(0.0)),
    ]
}

/// The progress of a build.
pub(crate) fn progress(progress: &Progress) -> String {
    let row = |row: &ContainerProgress| {
        let note = row.reason.as_deref().or(row.reference.as_deref());
        vec![
            format!("{}/{}", row.component, row.container),
            row.state.word().to_owned(),
            match row.attempt {
                0 => dash(),
                attempt => attempt.to_string(),
            },
            one_line(note.unwrap_or_default()),
        ]
    };
    let header = ["CONTAINER", "STATE", "ATTEMPT", "NOTE"];
    table(&header, progress.containers.iter().map(row)).trim_fmt()
}

/// The plan of a build.
pub(crate) fn plan(plan: &Plan) -> String {
    let header =
        ["CONTAINER", "SOURCE", "CONTEXT", "DOCKERFILE", "IMAGE", "CACHE", "RESOURCES", "TIMEOUTS"];
    table(&header, plan.containers().map(container)).trim_fmt()
}

fn container(container: &ContainerPlan) -> Vec<String> {
    let init = if container.init { " (init)" } else { "" };
    let name = format!("{}/{}{init}", container.component, container.container);
    match &container.work {
        Work::Use { image, .. } => {
            let mut row = vec![name, dash(), dash(), dash(), image.clone()];
            row.extend([dash(), dash(), dash()]);
            row
        }
        Work::Build(build) => vec![
            name + &note("from", &build.from) + &note("for", &build.platforms),
            build.source.key(),
            match build.context_dir.as_str() {
                "" => ".".to_owned(),
                dir => dir.to_owned(),
            },
            build.dockerfile.clone(),
            first_image(container.version.as_deref(), build),
            build.cache.as_ref().map_or_else(|| "off".to_owned(), |cache| cache.repo.clone()),
            resources(&build.resources),
            timeouts(&build.timeouts),
        ],
    }
}

fn note(word: &str, names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(" ({word} {})", names.join(", ")),
    }
}

/// The image with its first tag. Without a version the tag is the commit, which a plan does not know.
fn first_image(version: Option<&str>, build: &BuildPlan) -> String {
    let tag = kilnworks_workflows::names::first_tag(version, "<commit>");
    format!("{}:{tag}", build.repository)
}

fn resources(resources: &Resources) -> String {
    let storage = resources.ephemeral_storage.as_deref();
    let storage = storage.map_or_else(String::new, |size| format!(" {size} disk"));
    format!("{} cpu {}{storage}", resources.cpu, resources.memory)
}

fn timeouts(timeouts: &Timeouts) -> String {
    let all =
        [timeouts.queued, timeouts.scheduling, timeouts.pulling, timeouts.building, timeouts.whole];
    let all = all.map(|seconds| {
        let time = units::time(Duration::from_secs(seconds));
        time.replace(' ', "")
    });
    let [queued, scheduling, pulling, building, whole] = all;
    format!(
        "queued {queued}, scheduling {scheduling}, pulling {pulling}, building {building}, whole {whole}"
    )
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests;
