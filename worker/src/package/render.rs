//! `kiln package render`: renders the files of a package again, for the registry that it is in.
//!
//! Each image is referenced by its digest in the repository of the package. So a copied package needs
//! only the registry that it was copied to.

mod files;
mod images;

use kilnworks_activities::package::{files::render_one, read::Package, values::values};
use kilnworks_workflows::{
    bounds,
    record::{PackagedFile, Record},
};

use self::{files::Rendered, images::references};
use super::reach;
use crate::{
    cli::RenderArgs,
    output::{Error, Exit, stdout},
};

/// Renders a package. It writes files only after every file is rendered.
pub(crate) async fn render(args: RenderArgs) -> Result<Exit, Error> {
    let reference = &args.package.reference;
    let package = reach::open(&args.package).await?;
    let explain = |error| reach::explain(error, reference);
    let record = package.record().map_err(explain)?;
    let images = references(&package, args.platform.as_deref()).await?;
    let mut rendered = Vec::new();
    for file in record.files.iter().filter(|file| file.template.is_some()) {
        let template = template(&package, file).await.map_err(explain)?;
        let (component, commit) = (file.component.as_deref(), file.commit.as_deref());
        let values = values(&record, component, commit, &|image| images.of(image));
        let text = render_one(&file.name, &template, &values).map_err(explain)?;
        rendered.push(Rendered { name: name(&record, file), text });
    }
    if rendered.is_empty() {
        eprintln!("the package has no files to render");
        return Ok(Exit::Success);
    }
    match &args.output {
        None => stdout::print(documents(&rendered).trim_end())?,
        Some(directory) => files::write(directory, &rendered, args.force)?,
    }
    Ok(Exit::Success)
}

async fn template(package: &Package, file: &PackagedFile) -> anyhow::Result<String> {
    let stored = |digest: &String| package.templates.iter().find(|it| it.blob.digest == *digest);
    let stored = file.template.as_ref().and_then(stored);
    let stored = stored.ok_or_else(|| {
        anyhow::anyhow!("the template of the file `{}` is not in the package", file.name)
    })?;
    let bytes = package.bytes(stored, bounds::TEMPLATE_FILE_BYTES as u64).await?;
    String::from_utf8(bytes)
        .map_err(|_| anyhow::anyhow!("the template of the file `{}` is not UTF-8", file.name))
}

fn name(record: &Record, file: &PackagedFile) -> String {
    let below = file.component.as_ref().filter(|_| record.component.is_none());
    below.into_iter().chain([&file.name]).cloned().collect::<Vec<_>>().join("/")
}

/// All files as one text for `kubectl apply -f -`.
fn documents(rendered: &[Rendered]) -> String {
    let document = |Rendered { name, text }: &Rendered| {
        let text = text.strip_prefix("---\n").unwrap_or(text);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        format!("---\n# {name}\n{text}{end}")
    };
    rendered.iter().map(document).collect()
}
