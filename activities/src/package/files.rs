//! The files that a spec asks for: out of the source or written in the spec, rendered or as they
//! are.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use kilnworks_workflows::{bounds, failure::FailureType, names, spec::FileSpec};
use minijinja::Value;
use tokio_util::sync::CancellationToken;

use super::{media, source::Place};
use crate::{
    blocking::blocking,
    error::fail,
    render::template::{self, Limit},
    source::{
        Snapshot,
        tree::{Kind, Tree},
    },
};

/// How much a file of a package may render to.
const OF_FILE: Limit = Limit {
    bytes: bounds::TEMPLATE_FILE_BYTES,
    what: "what a template of a package may have and render to; `template: false` takes larger files as they are",
};

/// Content of more bytes lies on the disk until it is sent.
const IN_MEMORY: usize = bounds::TEMPLATE_FILE_BYTES;

/// A file that is ready to enter a package.
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
    /// Its content.
    pub content: Content,
    /// The template that it was rendered from.
    pub template: Option<String>,
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file of the directory that the caller gave.
    File(PathBuf),
}

/// Reads and renders the files of a package, in the order of the spec and of their names. `source`
/// is where their paths are, with its commit; none where all of them are written in the spec.
/// Large contents are put into `dir`, which the caller removes.
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
        let place = Place { tree, commit: &commit, cancel };
        Reader::new(&values, &dir).all(Some(place), &specs)
    };
    snapshot.read(read).await
}

/// Renders one file. It may include no other: a package holds each template alone, and whoever
/// renders it again has no source.
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

    fn all(mut self, place: Option<Place<'_>>, specs: &[FileSpec]) -> anyhow::Result<Vec<Ready>> {
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

    /// The file at a path, or all files below it.
    fn at(
        &mut self,
        place: Place<'_>,
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
                        "is not UTF-8, so it is no template; `template: false` takes it as it is";
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

    fn keep(&self, bytes: Vec<u8>) -> anyhow::Result<Content> {
        if bytes.len() <= IN_MEMORY {
            return Ok(Content::Bytes(bytes));
        }
        let path = self.dir.join(format!("file-{}", self.ready.len()));
        fs::write(&path, bytes).context("cannot keep a file of the package")?;
        Ok(Content::File(path))
    }

    /// Whoever unpacks the files could not have both `a` and `a/b`.
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
