//! The files that a spec asks for: from the source or from the spec, rendered or copied.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context;
use kilnworks_workflows::{bounds, failure::FailureType, names, spec::FileSpec};
use minijinja::Value;
use tokio_util::sync::CancellationToken;

use super::{media, source::SourceFiles};
use crate::{
    blocking::blocking,
    error::fail,
    registry::Body,
    source::{
        Snapshot,
        tree::{Kind, Tree},
    },
    template::{self, Limit},
};

/// The largest rendered file of a package.
const OF_FILE: Limit = Limit {
    bytes: bounds::TEMPLATE_FILE_BYTES,
    what: "what a template of a package may have and render to; `template: false` takes larger files as they are",
};

/// Larger contents are on the disk until they are sent.
const IN_MEMORY: usize = bounds::TEMPLATE_FILE_BYTES;

/// A file with its content.
#[derive(Clone, Debug, PartialEq)]
pub struct Ready {
    /// Its name: a relative path.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// `sha256:…` of its content.
    pub digest: String,
    /// Bytes of its content.
    pub size: u64,
    /// Its content; if it is large, in a file of the caller's directory.
    pub content: Body,
    /// The template that it was rendered from.
    pub template: Option<String>,
}

/// Reads and renders the files of a package, in the order of the spec and of their names. `source` is
/// the source of their paths, with its commit; none if the spec contains all of them. Large contents
/// are written to `dir`, which the caller deletes.
pub async fn files(
    source: Option<(Snapshot, String)>,
    specs: Vec<FileSpec>,
    values: Value,
    dir: &Path,
) -> anyhow::Result<Vec<Ready>> {
    let dir = dir.to_owned();
    let Some((snapshot, commit)) = source else {
        return blocking(move |_| Reader::new(&values, &dir).all(None, &specs)).await;
    };
    let read = move |tree: &Tree, cancel: &CancellationToken| {
        let place = SourceFiles { tree, commit: &commit, cancel };
        Reader::new(&values, &dir).all(Some(place), &specs)
    };
    snapshot.read(read).await
}

/// Renders one file. Its template cannot include another file, because a package contains each
/// template by itself, and whoever renders it again has no source.
pub fn render_one(name: &str, template: &str, values: &Value) -> anyhow::Result<String> {
    template::render_within(&OF_FILE, &template::environment(), name, template, values)
}

struct Reader<'a> {
    values: &'a Value,
    dir: &'a Path,
    ready: Vec<Ready>,
    names: BTreeSet<String>,
    bytes: usize,
}

impl<'a> Reader<'a> {
    fn new(values: &'a Value, dir: &'a Path) -> Self {
        Self { values, dir, ready: Vec::new(), names: BTreeSet::new(), bytes: 0 }
    }

    fn all(
        mut self,
        place: Option<SourceFiles<'_>>,
        specs: &[FileSpec],
    ) -> anyhow::Result<Vec<Ready>> {
        for spec in specs {
            let name = spec.name.as_deref().or(spec.path.as_deref()).unwrap_or_default();
            match (&spec.content, &spec.path, place) {
                (Some(text), ..) => self.add(spec, name.to_owned(), text.clone().into_bytes())?,
                (None, Some(path), Some(place)) => self.at(place, spec, path, name)?,
                _ => return Err(invalid(format!("`{name}` is in a source, and none is given"))),
            }
        }
        self.no_file_is_a_directory()?;
        Ok(self.ready)
    }

    /// Adds the file at a path, or all files below it.
    fn at(
        &mut self,
        place: SourceFiles<'_>,
        spec: &FileSpec,
        path: &str,
        name: &str,
    ) -> anyhow::Result<()> {
        let max = if spec.template { bounds::TEMPLATE_FILE_BYTES } else { bounds::FILE_BYTES };
        let entry = place.find(path)?;
        if entry.kind != Kind::Dir {
            return self.add(spec, name.to_owned(), place.content(&entry, max)?);
        }
        for found in place.below(&entry, bounds::PACKAGED_FILES, &|_, _| false)? {
            let name = if name.is_empty() { found.path } else { format!("{name}/{}", found.path) };
            self.add(spec, name, place.content(&found.entry, max)?)?;
        }
        Ok(())
    }

    fn add(&mut self, spec: &FileSpec, name: String, content: Vec<u8>) -> anyhow::Result<()> {
        let (bytes, template) = match spec.template {
            false => (content, None),
            true => {
                let text = String::from_utf8(content).map_err(|_| {
                    let what =
                        "is not UTF-8, so it cannot be a template; `template: false` copies it unchanged";
                    fail(FailureType::InvalidTemplate, format!("{name}: {what}"))
                })?;
                if text.len() > OF_FILE.bytes {
                    let message = format!("{name}: {}", OF_FILE.fault());
                    return Err(fail(FailureType::InvalidTemplate, message));
                }
                (render_one(&name, &text, self.values)?.into_bytes(), Some(text))
            }
        };
        self.count(&name, bytes.len() + template.as_ref().map_or(0, String::len))?;
        let media_type = spec.media_type.clone().unwrap_or_else(|| media::of(&name));
        let (digest, size) = (format!("sha256:{}", names::hex(&bytes)), bytes.len() as u64);
        let content = self.keep(bytes)?;
        self.ready.push(Ready { name, media_type, digest, size, content, template });
        Ok(())
    }

    fn count(&mut self, name: &str, bytes: usize) -> anyhow::Result<()> {
        if !self.names.insert(name.to_owned()) {
            return Err(invalid(format!("two files of the package have the name `{name}`")));
        }
        if self.names.len() > bounds::PACKAGED_FILES {
            let most = bounds::PACKAGED_FILES;
            return Err(invalid(format!("the package has more than {most} files")));
        }
        self.bytes += bytes;
        match self.bytes > bounds::FILES_BYTES {
            true => Err(invalid(format!(
                "the files of the package have more than {} MiB together, at `{name}`",
                bounds::FILES_BYTES / 1024 / 1024
            ))),
            false => Ok(()),
        }
    }

    fn keep(&self, bytes: Vec<u8>) -> anyhow::Result<Body> {
        if bytes.len() <= IN_MEMORY {
            return Ok(Body::Bytes(bytes));
        }
        let path = self.dir.join(format!("file-{}", self.ready.len()));
        fs::write(&path, bytes).context("cannot keep a file of the package")?;
        Ok(Body::File(path))
    }

    /// Fails if there are files `a` and `a/b`, which could not be unpacked together.
    fn no_file_is_a_directory(&self) -> anyhow::Result<()> {
        for name in &self.names {
            let mut above = name.as_str();
            while let Some((directory, _)) = above.rsplit_once('/') {
                if self.names.contains(directory) {
                    let what =
                        format!("`{directory}` is a file of the package, and so is `{name}`");
                    return Err(invalid(what));
                }
                above = directory;
            }
        }
        Ok(())
    }
}

fn invalid(message: String) -> anyhow::Error {
    fail(FailureType::InvalidSpec, format!("files: {message}"))
}
