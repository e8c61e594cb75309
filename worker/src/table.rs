//! Results as people read them, on stdout. No borders: a line is a record, for `grep` and `awk`.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use kilnworks_workflows::plan::{
    BuildPlan, Clocks, ContainerPlan, GitSource, Plan, Resources, Work,
};
use serde::Serialize;

use crate::{end::Error, units};

/// Prints a text on stdout. A reader that has gone away, as `head` does, is no error.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("cannot write").into())
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON on stdout.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    print(&serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?)
}

/// What would be built.
pub(crate) fn plan(plan: &Plan) -> String {
    let header = [
        "CONTAINER",
        "SOURCE",
        "CONTEXT",
        "DOCKERFILE",
        "IMAGE",
        "CACHE",
        "RESOURCES",
        "CLOCKS",
    ];
    table(&header, plan.containers().map(container)).trim_fmt()
}

fn container(container: &ContainerPlan) -> Vec<String> {
    let init = if container.init { " (init)" } else { "" };
    let name = format!("{}/{}{init}", container.component, container.container);
    match &container.work {
        Work::Use { image } => {
            let mut row = vec![name, dash(), dash(), dash(), image.clone()];
            row.extend([dash(), dash(), dash()]);
            row
        }
        Work::Build(build) => vec![
            name,
            source(&build.source),
            match build.context_dir.as_str() {
                "" => ".".to_owned(),
                dir => dir.to_owned(),
            },
            build.dockerfile.clone(),
            first_image(container.version.as_deref(), build),
            build
                .cache
                .as_ref()
                .map_or_else(|| "off".to_owned(), |cache| cache.repo.clone()),
            resources(&build.resources),
            clocks(&build.clocks),
        ],
    }
}

fn source(source: &GitSource) -> String {
    source.key()
}

/// The image with its first tag; without a version only the commit, once it is known, names it.
fn first_image(version: Option<&str>, build: &BuildPlan) -> String {
    let tag = kilnworks_workflows::names::first_tag(version, "<commit>");
    format!("{}:{tag}", build.repository)
}

fn resources(resources: &Resources) -> String {
    let storage = resources.ephemeral_storage.as_deref();
    let storage = storage.map_or_else(String::new, |size| format!(" {size} disk"));
    format!("{} cpu {}{storage}", resources.cpu, resources.memory)
}

fn clocks(clocks: &Clocks) -> String {
    let all = [
        clocks.queued,
        clocks.scheduling,
        clocks.pulling,
        clocks.building,
        clocks.whole,
    ];
    let all = all.map(|seconds| {
        let time = units::time(std::time::Duration::from_secs(seconds));
        time.replace(' ', "")
    });
    let [queued, scheduling, pulling, building, whole] = all;
    format!(
        "queued {queued}, scheduling {scheduling}, pulling {pulling}, building {building}, whole {whole}"
    )
}

fn table<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests;
