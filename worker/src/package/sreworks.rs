//! A package in the format that the appmanager of SREWorks imports.
//!
//! ```text
//! <file>.zip
//! ├── <TYPE>_<component>.zip    one for each component
//! │   └── meta.yaml             an OAM Component, its images filled in
//! └── meta.yaml                 appId, packageVersion, tags, and each component's name and MD5
//! ```
//!
//! For the package of a component the file is only the zip of that component.
//!
//! Known from the sources of SREWorks: the names of the files and fields of both kinds of `meta.yaml`.
//! `relativePath` is a file next to the `meta.yaml` of the app, and `packageExt` contains the `meta.yaml`
//! of the component. The import compares the version of the app with the version in the request.
//!
//! Not tested with its importer: that a Microservice without ports and environment is accepted, that
//! empty `packageOptions` are `{}`, and that a version needs no build number.
//!
//! The format has no Helm charts from a registry and no files. The command reports them as left out.

mod meta;

use std::{
    io::{Cursor, Write},
    path::Path,
};

use anyhow::Context;
use kilnworks_activities::package::{archive::write::beside, read::Package};
use md5::{Digest, Md5};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use self::meta::{Component, MICROSERVICE, components};

/// The description file of each zip.
const META: &str = "meta.yaml";

/// Writes a package, and returns a report.
pub(super) fn export(package: &Package, file: &Path) -> anyhow::Result<String> {
    let record = package.record()?;
    let components = components(package, &record)?;
    let bytes = match (&record.component, &components[..]) {
        (Some(_), [component]) => zip(&[(META.to_owned(), component.meta.clone().into_bytes())])?,
        _ => app(package, &components)?,
    };
    let mut out = beside(file).with_context(|| format!("cannot write {}", file.display()))?;
    out.write_all(&bytes).with_context(|| format!("cannot write {}", file.display()))?;
    out.persist(file).with_context(|| format!("cannot write {}", file.display()))?;
    let files = record.files.iter().map(|file| format!("\nleft out: the file {}", file.name));
    let charts = record.charts.iter().map(|chart| format!("\nleft out: the chart {}", chart.name));
    let left_out: String = files.chain(charts).collect();
    Ok(format!("{} components, MD5 {}{left_out}", components.len(), md5(&bytes)))
}

fn app(package: &Package, components: &[Component]) -> anyhow::Result<Vec<u8>> {
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for component in components {
        let bytes = zip(&[(META.to_owned(), component.meta.clone().into_bytes())])?;
        let name = format!("{MICROSERVICE}_{}.zip", component.name);
        entries.push(component.entry(&name, &md5(&bytes)));
        files.push((name, bytes));
    }
    files.push((META.to_owned(), meta::app(package, entries)?.into_bytes()));
    zip(&files)
}

/// Equal files give equal bytes, because the zip has no timestamps.
fn zip(files: &[(String, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o644);
    for (name, bytes) in files {
        writer.start_file(name, options).context("cannot write a zip")?;
        writer.write_all(bytes).context("cannot write a zip")?;
    }
    Ok(writer.finish().context("cannot write a zip")?.into_inner())
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{md5, zip};

    #[test]
    fn a_zip_has_no_timestamps_and_is_readable() {
        let files = [("meta.yaml".to_owned(), b"appId: shop\n".to_vec())];
        let bytes = zip(&files).unwrap();
        assert_eq!(bytes, zip(&files).unwrap());
        let mut read = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let text = std::io::read_to_string(read.by_name("meta.yaml").unwrap()).unwrap();
        assert_eq!(text, "appId: shop\n");
        // printf '' | md5sum
        assert_eq!(md5(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
