//! Compares the record of a package with the package.

use std::collections::BTreeMap;

use kilnworks_workflows::record::{API_VERSION, Record};

use crate::{
    package::{
        indexes::{Whose, indexes},
        read::{self, Package},
    },
    registry::{Manifest, Repository},
};

/// How much of a record is in its package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Images.
    pub images: usize,
    /// Files.
    pub files: usize,
    /// Helm charts.
    pub charts: usize,
}

/// Compares the record with the package, and returns what differs.
pub(super) async fn check(
    repository: &Repository,
    package: &Manifest,
) -> anyhow::Result<(Counts, Vec<String>)> {
    let index = read::kind(package).map_err(|other| anyhow::anyhow!("it is {other}"))?;
    let entries = index.manifests.clone();
    let package = read::package(repository, package.clone(), index).await?;
    Ok(match serde_json::from_slice::<Record>(&package.record) {
        Ok(record) if record.api_version == API_VERSION => {
            let indexes = indexes(&entries)?;
            let faults = faults(&package, &record, &indexes);
            let (files, charts) = (record.files.len(), record.charts.len());
            let images = record.images.iter().filter(|one| !one.files).count();
            (Counts { images, files, charts }, faults)
        }
        Ok(record) => {
            let fault = format!("record: its apiVersion is `{}`", record.api_version);
            (Counts::default(), vec![fault + ", which this version does not know"])
        }
        Err(error) => (Counts::default(), vec![format!("record: it is not one: {error}")]),
    })
}

fn faults(package: &Package, record: &Record, indexes: &BTreeMap<Whose, Manifest>) -> Vec<String> {
    let of = &package.of;
    let mut faults = Vec::new();
    let said = (&record.app, &record.component, &record.version);
    if said != (&of.app, &of.component, &of.version) {
        faults.push(format!("record: it is of `{}`, another one than the package", record.app));
    }
    images(package, record, indexes, &mut faults);
    files(package, record, &mut faults);
    for chart in &record.charts {
        if !package.charts.iter().any(|it| it.entry.digest == chart.digest) {
            let (name, digest) = (&chart.name, &chart.digest);
            faults.push(format!("chart {name}: `{digest}` of the record is not in the package"));
        }
    }
    faults
}

/// In both directions: an image that the record does not name is a fault, too.
fn images(
    package: &Package,
    record: &Record,
    indexes: &BTreeMap<Whose, Manifest>,
    faults: &mut Vec<String>,
) {
    for one in record.images.iter().filter(|one| !one.files) {
        let names = (&one.component, &one.container);
        let held: Vec<_> =
            package.images.iter().filter(|it| (&it.component, &it.container) == names).collect();
        // An image that was used as it is may be an index, of which the package has one image. Of a
        // build for several platforms it has all images.
        let of_several = indexes.get(&(names.0.clone(), names.1.clone()));
        let same = held.iter().any(|it| it.entry.digest == one.digest)
            || of_several.is_some_and(|index| index.digest == one.digest);
        if held.is_empty() || (!same && one.made.is_some()) {
            let (name, digest) = (format!("{}/{}", names.0, names.1), &one.digest);
            faults.push(format!("image {name}: `{digest}` of the record is not in the package"));
        }
    }
    for held in &package.images {
        let names = (&held.component, &held.container);
        if !record.images.iter().any(|one| (&one.component, &one.container) == names) {
            faults.push(format!("image {}/{}: the record does not name it", names.0, names.1));
        }
    }
}

fn files(package: &Package, record: &Record, faults: &mut Vec<String>) {
    for file in &record.files {
        let name = format!("file {}", file.name);
        let same = |it: &&read::File| {
            (&it.component, &it.name, &it.blob.digest)
                == (&file.component, &file.name, &file.digest)
        };
        match package.files.iter().find(same) {
            None => faults
                .push(format!("{name}: `{}` of the record is not in the package", file.digest)),
            Some(held) if held.blob.size.unsigned_abs() != file.size => {
                let is = held.blob.size;
                faults.push(format!("{name}: it has {is} bytes; the record says {}", file.size));
            }
            Some(_) => {}
        }
        let template = file.template.as_ref();
        let missing = template
            .filter(|digest| !package.templates.iter().any(|it| it.blob.digest == **digest));
        if let Some(digest) = missing {
            faults.push(format!(
                "{name}: its template `{digest}` of the record is not in the package"
            ));
        }
    }
}
