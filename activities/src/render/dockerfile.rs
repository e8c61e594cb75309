//! Reads and renders the Dockerfile, and reads its ignore file.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use kilnworks_workflows::{bounds, failure::FailureType, plan::BuildPlan};
use minijinja::Value;

use crate::{
    error::fail,
    source::{
        directory::some_files,
        tree::{Entry, Kind, Tree},
    },
    template::{self, OF_DOCKERFILE},
};

/// Reads both files. With `values`, the Dockerfile is a template, which may include other files of the
/// context.
pub(super) fn read(
    tree: &Tree,
    build: &BuildPlan,
    context: &Entry,
    commit: &str,
    values: Option<BTreeMap<String, Value>>,
) -> anyhow::Result<(String, Option<String>)> {
    let place = Place { tree, build, context, commit };
    let text = place.text(&build.dockerfile)?;
    let text = text.ok_or_else(|| place.missing(&build.dockerfile))?;
    let dockerfile = match values {
        None => text,
        Some(values) => place.render(&text, values.into())?,
    };
    let ignore = format!("{}.dockerignore", build.dockerfile);
    let dockerignore = place.text(&ignore)?;
    bounded(build, &dockerfile, dockerignore.as_deref())?;
    Ok((dockerfile, dockerignore))
}

/// Checks that both files fit into a Pod.
pub(super) fn bounded(
    build: &BuildPlan,
    dockerfile: &str,
    dockerignore: Option<&str>,
) -> anyhow::Result<()> {
    match dockerfile.len() + dockerignore.map_or(0, str::len) > bounds::DOCKERFILE_BYTES {
        true => Err(invalid(&build.dockerfile, &OF_DOCKERFILE.fault())),
        false => Ok(()),
    }
}

struct Place<'a> {
    tree: &'a Tree,
    build: &'a BuildPlan,
    context: &'a Entry,
    commit: &'a str,
}

impl Place<'_> {
    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.build.context_dir)
    }

    /// A text file of the context; none if it does not exist.
    fn text(&self, path: &str) -> anyhow::Result<Option<String>> {
        let Some(entry) = self.tree.find(&self.path(path))? else {
            return Ok(None);
        };
        if !matches!(entry.kind, Kind::File { .. }) {
            return Err(invalid(path, "is a directory; a file is wanted"));
        }
        let Some(bytes) = self.tree.read(&entry, bounds::DOCKERFILE_BYTES)? else {
            return Err(invalid(path, &OF_DOCKERFILE.fault()));
        };
        let text = String::from_utf8(bytes).map_err(|_| invalid(path, "is not UTF-8"))?;
        Ok(Some(text))
    }

    fn missing(&self, path: &str) -> anyhow::Error {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let seen = self.tree.find(&self.path(directory)).ok().flatten();
        let seen = some_files(self.tree, seen.as_ref().unwrap_or(self.context));
        let message = format!(
            "there is no file `{}` at the commit `{}`; there are {}",
            self.path(path).trim_start_matches('/'),
            self.commit,
            seen,
        );
        fail(FailureType::RevisionNotFound, message)
    }

    /// Renders the template. The loader cannot borrow the tree, so it only notes the missing files. They
    /// are read then, and the template is rendered again.
    fn render(&self, text: &str, values: Value) -> anyhow::Result<String> {
        let mut included = BTreeMap::new();
        loop {
            let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            let mut env = template::environment();
            env.set_loader(loader(included.clone(), asked.clone()));
            let name = &self.build.dockerfile;
            let rendered = template::render_within(&OF_DOCKERFILE, &env, name, text, &values);
            let asked = std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner));
            let known = included.len();
            for name in asked {
                if let Some(text) = self.text(&name)? {
                    included.insert(name, text);
                }
            }
            if included.len() == known || known > MAX_INCLUDES {
                return rendered;
            }
        }
    }
}

/// The most files that one template may include.
const MAX_INCLUDES: usize = 32;

/// Returns the files that were read, and notes the others.
fn loader(
    included: BTreeMap<String, String>,
    asked: Arc<Mutex<BTreeSet<String>>>,
) -> impl Fn(&str) -> Result<Option<String>, minijinja::Error> + Send + Sync + 'static {
    move |name| {
        let text = included.get(name).cloned();
        if text.is_none() {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(name.to_owned());
        }
        Ok(text)
    }
}

fn invalid(path: &str, what: &str) -> anyhow::Error {
    fail(FailureType::InvalidTemplate, format!("{path}: {what}"))
}
