//! The Dockerfile and the ignore file beside it, out of the source.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use kilnworks_workflows::{bounds, failure::FailureType, plan::BuildPlan};
use minijinja::Value;

use crate::{
    error::fail,
    source::{
        directory::{context_dir, some_files},
        tree::{Entry, Kind, Tree},
    },
    template,
};

/// Reads both. With values the Dockerfile is a template, which may include other files of the
/// context; without, it is passed as it is.
pub(super) fn read(
    tree: &Tree,
    build: &BuildPlan,
    commit: &str,
    values: Option<BTreeMap<String, Value>>,
) -> anyhow::Result<(String, Option<String>)> {
    let place = Place { tree, build, commit };
    place.context()?;
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

/// Whether both fit into a Pod.
pub(super) fn bounded(
    build: &BuildPlan,
    dockerfile: &str,
    dockerignore: Option<&str>,
) -> anyhow::Result<()> {
    match dockerfile.len() + dockerignore.map_or(0, str::len) > bounds::DOCKERFILE_BYTES {
        true => Err(invalid(&build.dockerfile, &template::too_large())),
        false => Ok(()),
    }
}

struct Place<'a> {
    tree: &'a Tree,
    build: &'a BuildPlan,
    commit: &'a str,
}

impl Place<'_> {
    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.build.context_dir)
    }

    fn context(&self) -> anyhow::Result<Entry> {
        context_dir(self.tree, &self.build.context_dir, self.commit)
    }

    /// A text file of the context; none where nothing is.
    fn text(&self, path: &str) -> anyhow::Result<Option<String>> {
        let Some(entry) = self.tree.find(&self.path(path))? else {
            return Ok(None);
        };
        if !matches!(entry.kind, Kind::File { .. }) {
            return Err(invalid(path, "is a directory; a file is wanted"));
        }
        let Some(bytes) = self.tree.read(&entry, bounds::DOCKERFILE_BYTES)? else {
            return Err(invalid(path, &template::too_large()));
        };
        let text = String::from_utf8(bytes).map_err(|_| invalid(path, "is not UTF-8"))?;
        Ok(Some(text))
    }

    fn missing(&self, path: &str) -> anyhow::Error {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let seen = self.tree.find(&self.path(directory)).ok().flatten();
        let seen = seen.or_else(|| self.context().ok()).map(|dir| some_files(self.tree, &dir));
        let message = format!(
            "there is no file `{}` at the commit `{}`; there are {}",
            self.path(path).trim_start_matches('/'),
            self.commit,
            seen.unwrap_or_default(),
        );
        fail(FailureType::RevisionNotFound, message)
    }

    /// Renders the template. What it includes is read out of the context when it is asked for:
    /// rendering changes nothing, so it is done again with each file that was missing.
    fn render(&self, text: &str, values: Value) -> anyhow::Result<String> {
        let mut included = BTreeMap::new();
        loop {
            let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            let mut env = template::environment();
            env.set_loader(loader(included.clone(), asked.clone()));
            let rendered = template::render(&env, &self.build.dockerfile, text, &values);
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

/// How many files one template may include.
const MAX_INCLUDES: usize = 32;

/// Gives out the files that are there and notes the others.
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
