//! Packs a directory of the source as a Helm chart: the archive of `helm package`, and the OCI artifact
//! that `helm pull oci://` accepts.

mod metadata;

use std::io::Write;

use anyhow::Context;
use flate2::{Compression, write::GzEncoder};
use kilnworks_workflows::{bounds, failure::FailureType, names};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use tar::{Builder, EntryType};
use tokio_util::sync::CancellationToken;

use self::metadata::Metadata;
use super::{
    helmignore::Rules,
    layout::{CHART, CHART_ARCHIVE},
    source::{SourceFile, SourceFiles},
};
use crate::{
    context::pack::entries::header,
    error::fail,
    registry::{Manifest, descriptor},
    source::{
        Snapshot,
        tree::{Kind, Tree},
    },
};

/// A packed chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its version. In a tag, `+` becomes `_`.
    pub version: String,
    /// The archive: the manifest's only layer.
    pub archive: Vec<u8>,
    /// `Chart.yaml` as JSON: the manifest's config.
    pub config: Vec<u8>,
    /// The manifest.
    pub manifest: Manifest,
}

/// Packs the chart in a directory of a source. The same tree makes the same bytes. Without `version`
/// the chart keeps its own version.
pub async fn chart(
    snapshot: &Snapshot,
    commit: &str,
    path: &str,
    version: Option<&str>,
) -> anyhow::Result<Chart> {
    let (commit, path) = (commit.to_owned(), path.to_owned());
    let version = version.map(str::to_owned);
    let read = move |tree: &Tree, cancel: &CancellationToken| {
        let place = SourceFiles { tree, commit: &commit, cancel };
        pack(place, &path, version.as_deref())
    };
    snapshot.read(read).await
}

fn pack(place: SourceFiles<'_>, path: &str, version: Option<&str>) -> anyhow::Result<Chart> {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    let dir = place.find(path)?;
    if dir.kind != Kind::Dir {
        return Err(invalid(path, "is not a directory, as a chart must be"));
    }
    let entry = place.find(&at("Chart.yaml"))?;
    let text = place.content(&entry, bounds::CHART_FILE_BYTES)?;
    let metadata =
        Metadata::read(text, version).map_err(|what| invalid(&at("Chart.yaml"), &what))?;
    let mut files = place.below(&dir, bounds::CHART_FILES, &rules(place, &at(".helmignore"))?)?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    if let Some(missing) = missing_dependency(&metadata, &files) {
        let what = format!("its dependency `{missing}` is not in `charts/`; commit it there");
        return Err(invalid(&at("Chart.yaml"), &what));
    }
    let archive = archive(place, &metadata, &files)?;
    let config = metadata.config();
    let manifest = manifest(&metadata, &config, &archive)?;
    Ok(Chart { name: metadata.name, version: metadata.version, archive, config, manifest })
}

/// The rules of `.helmignore`, if it exists. They never exclude `Chart.yaml`.
fn rules(
    place: SourceFiles<'_>,
    path: &str,
) -> anyhow::Result<impl Fn(&str, bool) -> bool + use<>> {
    let content = match place.tree.find(path)? {
        None => Vec::new(),
        Some(entry) => place.content(&entry, bounds::TEMPLATE_FILE_BYTES)?,
    };
    let text = String::from_utf8_lossy(&content);
    let rules = Rules::parse(&text).map_err(|what| invalid(path, &what))?;
    Ok(move |path: &str, is_dir: bool| path != "Chart.yaml" && rules.ignore(path, is_dir))
}

/// A dependency that Helm would not find, because there is neither a directory nor an archive for it.
fn missing_dependency<'a>(metadata: &'a Metadata, files: &[SourceFile]) -> Option<&'a str> {
    let is_there = |name: &str| {
        let (directory, archive) = (format!("charts/{name}/"), format!("charts/{name}-"));
        files.iter().any(|file| {
            file.path.starts_with(&directory)
                || file.path.starts_with(&archive) && file.path.ends_with(".tgz")
        })
    };
    metadata.dependencies().find(|name| !is_there(name))
}

fn archive(
    place: SourceFiles<'_>,
    metadata: &Metadata,
    files: &[SourceFile],
) -> anyhow::Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut bytes = 0;
    for file in files {
        let content = match file.path.as_str() {
            "Chart.yaml" => metadata.text.clone().into_bytes(),
            _ => place.content(&file.entry, bounds::CHART_FILE_BYTES)?,
        };
        bytes += content.len();
        if bytes > bounds::CHART_BYTES {
            let what = format!("has more than {} MiB", bounds::CHART_BYTES / 1024 / 1024);
            return Err(invalid(&format!("the chart `{}`", metadata.name), &what));
        }
        append(&mut archive, &format!("{}/{}", metadata.name, file.path), &content)?;
    }
    let gzip = archive.into_inner().context("cannot end the chart's archive")?;
    gzip.finish().context("cannot end the chart's archive")
}

fn append(archive: &mut Builder<impl Write>, path: &str, content: &[u8]) -> anyhow::Result<()> {
    let mut header = header(EntryType::Regular, 0o644, content.len() as u64);
    archive
        .append_data(&mut header, path, content)
        .with_context(|| format!("cannot pack `{path}` of the chart"))
}

fn manifest(metadata: &Metadata, config: &[u8], archive: &[u8]) -> anyhow::Result<Manifest> {
    let blob = |media_type: &str, bytes: &[u8]| {
        descriptor(media_type, &format!("sha256:{}", names::hex(bytes)), bytes.len() as u64)
    };
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        config: blob(CHART, config),
        layers: vec![blob(CHART_ARCHIVE, archive)],
        annotations: Some(metadata.annotations()),
        ..OciImageManifest::default()
    };
    Manifest::of(serde_json::to_vec(&manifest)?)
}

fn invalid(place: &str, what: &str) -> anyhow::Error {
    fail(FailureType::InvalidSpec, format!("chart: {place}: {what}"))
}
