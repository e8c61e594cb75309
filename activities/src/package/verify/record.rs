//! Compares the record of a package with the package.

use kilnworks_workflows::record::{API_VERSION, Record};

use crate::{
    package::read::{self, Package},
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
    let package = read::package(repository, package.clone(), index).await?;
    Ok(match serde_json::from_slice::<Record>(&package.record) {
        Ok(record) if record.api_version == API_VERSION => {
            let faults = faults(&package, &record)?;
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

fn faults(package: &Package, record: &Record) -> anyhow::Result<Vec<String>> {
    let of = &package.of;
    let mut faults = Vec::new();
    let said = (&record.app, &record.component, &record.version);
    if said != (&of.app, &of.component, &of.version) {
        faults.push(format!("record: it is of `{}`, another one than the package", record.app));
    }
    images(package, record, &mut faults)?;
    files(package, record, &mut faults);
    for chart in &record.charts {
        if !package.charts.iter().any(|it| it.digest == chart.digest) {
            let (name, digest) = (&chart.name, &chart.digest);
            faults.push(format!("chart {name}: `{digest}` of the record is not in the package"));
        }
    }
    Ok(faults)
}

/// In both directions: an image that the record does not name is a fault, too.
fn images(package: &Package, record: &Record, faults: &mut Vec<String>) -> anyhow::Result<()> {
    for one in record.images.iter().filter(|one| !one.files) {
        let names = (&one.component, &one.container);
        let held = package.digest_of(names.0, names.1)?;
        // An image that was used as it is may be an index, of which the package has one image.
        if held.is_none() || (one.made.is_some() && held.as_ref() != Some(&one.digest)) {
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
    Ok(())
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
