//! A package as SREWorks' appmanager takes it over its own import.
//!
//! ```text
//! <file>.zip
//! ├── <TYPE>_<component>.zip    one for each component
//! │   └── meta.yaml             an OAM Component, its images filled in
//! └── meta.yaml                 appId, packageVersion, tags, and each component's name and MD5
//! ```
//!
//! Of a component's package the file is that component's zip alone.
//!
//! Known from its sources: the names of the files and of the fields of both kinds of `meta.yaml`,
//! that `relativePath` is a file beside the app's `meta.yaml`, that `packageExt` holds the
//! component's own, and that its import compares the app's version with the one in the request.
//! Assumed, as its importer was not run: that a Microservice without ports and environment is
//! accepted, that empty `packageOptions` are `{}`, and that a version needs no build number.
//!
//! It has no word for Helm charts out of a registry and for a package's own files: these are named
//! as left out.

mod meta;

use std::{
    io::{Cursor, Write},
    path::Path,
};

use anyhow::Context;
use kilnworks_activities::package::{archive::write::beside, read::Package};
use md5::{Digest, Md5};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use self::meta::{Component, components};

/// What each zip says of itself.
const META: &str = "meta.yaml";

/// Writes a package, and says what there is to tell of it.
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
        let name = format!("{}_{}.zip", component.kind, component.name);
        entries.push(component.entry(&name, &md5(&bytes)));
        files.push((name, bytes));
    }
    files.push((META.to_owned(), meta::app(package, entries)?.into_bytes()));
    zip(&files)
}

/// The same files make the same zip: no time is in it.
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
    fn a_zip_has_no_time_and_is_read() {
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
