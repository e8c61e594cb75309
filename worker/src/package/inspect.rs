//! `kiln package inspect`: shows the content of a package.

use kilnworks_activities::package::{
    read::Package,
    whole::{self, Whole},
};
use kilnworks_workflows::{output::ContainerImage, record::Record};
use serde::Serialize;
use serde_json::Value;

use super::reach;
use crate::{
    cli::InspectArgs,
    output::{
        Error, Exit, document, stdout,
        table::{self, short},
        units,
    },
};

/// The record, and facts of the registry.
#[derive(Serialize)]
struct Inspected {
    reference: String,
    digest: String,
    /// Number of referrers of the package and of its content.
    referrers: usize,
    /// The record as stored, including fields of later versions.
    #[serde(flatten)]
    record: Value,
}

/// Shows a package.
pub(crate) async fn inspect(args: InspectArgs) -> Result<Exit, Error> {
    let reference = &args.package.reference;
    let package = reach::open(&args.package).await?;
    let whole = whole::in_repository(&package.repository, package.manifest.clone(), true).await;
    let whole = whole.and_then(Whole::sound).map_err(|error| {
        reach::explain(error, reference).hint("`kiln package verify` lists every fault")
    })?;
    let explain = |error| reach::explain(error, reference);
    let inspected = Inspected {
        reference: package.repository.reference(&package.manifest.digest),
        digest: package.manifest.digest.clone(),
        referrers: whole.referrers.len(),
        record: serde_json::from_slice(&package.record)
            .map_err(|error| explain(anyhow::Error::from(error).context("the record")))?,
    };
    let record = package.record().map_err(explain)?;
    let text = text(&package, &record, &whole).map_err(explain)?;
    document::show(args.output, &inspected, || stdout::print(&text))?;
    Ok(Exit::Success)
}

fn text(package: &Package, record: &Record, whole: &Whole) -> anyhow::Result<String> {
    let head = vec![
        vec!["package".to_owned(), package.of.title()],
        vec!["app".to_owned(), record.app.clone()],
        vec!["component".to_owned(), or_dash(record.component.as_deref())],
        vec!["version".to_owned(), or_dash(record.version.as_deref())],
        vec!["digest".to_owned(), package.manifest.digest.clone()],
        vec!["size".to_owned(), units::bytes(whole.size())],
        vec!["referrers".to_owned(), whole.referrers.len().to_string()],
        vec!["build".to_owned(), record.run.workflow_id.clone()],
    ];
    let images = record.images.iter().filter(|one| !one.files);
    let images: Vec<_> = images.map(|image| rows(package, image)).collect::<Result<_, _>>()?;
    let header = ["CONTAINER", "PLATFORM", "SIZE", "DIGEST", "COMMIT", "REUSED"];
    let mut parts =
        vec![table::plain(head.into_iter()), table::rows(&header, images.into_iter().flatten())];
    if !record.files.is_empty() {
        parts.push(files(record));
    }
    if !record.charts.is_empty() {
        let charts = record.charts.iter().map(|chart| {
            let digest = short(&chart.digest, DIGEST);
            vec![chart.name.clone(), chart.version.clone(), digest, chart.reference.clone()]
        });
        parts.push(table::rows(&["CHART", "VERSION", "DIGEST", "REFERENCE"], charts));
    }
    Ok(parts.join("\n\n"))
}

/// Length of `sha256:` and twelve digits.
const DIGEST: usize = 7 + 12;

/// A row for an image, and one row for each platform of a multi-platform image.
fn rows(package: &Package, image: &ContainerImage) -> anyhow::Result<Vec<Vec<String>>> {
    let stored = package.digest_of(&image.component, &image.container)?;
    let mut rows = vec![row(image, stored.as_deref().unwrap_or("missing"))];
    rows.extend(image.platforms.iter().map(|one| {
        let name = format!("  {}/{}", image.component, image.container);
        let digest = short(&one.digest, DIGEST);
        let (size, none) = (units::bytes(one.size), || "-".to_owned());
        vec![name, one.platform.clone(), size, digest, none(), none()]
    }));
    Ok(rows)
}

fn row(image: &ContainerImage, digest: &str) -> Vec<String> {
    let names = (&image.component, &image.container);
    vec![
        format!("{}/{}{}", names.0, names.1, if image.init { " (init)" } else { "" }),
        image.platform.clone(),
        units::bytes(image.size),
        short(digest, DIGEST),
        or_dash(image.commit.as_deref().map(|commit| short(commit, 12)).as_deref()),
        if image.reused { "yes" } else { "no" }.to_owned(),
    ]
}

fn files(record: &Record) -> String {
    let row = |file: &kilnworks_workflows::record::PackagedFile| {
        vec![
            file.component.iter().chain([&file.name]).cloned().collect::<Vec<_>>().join("/"),
            file.media_type.clone(),
            units::bytes(file.size),
            short(&file.digest, DIGEST),
            if file.template.is_some() { "yes" } else { "no" }.to_owned(),
        ]
    };
    let header = ["FILE", "MEDIA TYPE", "SIZE", "DIGEST", "RENDERED"];
    table::rows(&header, record.files.iter().map(row))
}

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}
