//! The sources of a build, fetched ahead: each distinct one once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext};

use crate::{
    bounds,
    build::bounded,
    document::Kind,
    output::ContainerImage,
    plan::{GitSource, Outline, OutlinedContainer},
    policy::{FETCHES, Policy, Step},
    release::Release,
    spec::Resolved,
    steps::{BuildId, FetchInput, Fetched, Steps, Wanted},
};

/// What is known of the sources that are fetched ahead, and which images of theirs are there.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// By [`GitSource::key`].
    commits: BTreeMap<String, Option<String>>,
    found: Vec<ContainerImage>,
    found_bytes: usize,
}

impl Sources {
    /// A source's commit. One that cannot be fetched has none: its containers fetch it themselves,
    /// and its failure is then theirs, while the others go on.
    pub(crate) fn note(&mut self, key: String, commit: Option<String>) {
        self.commits.insert(key, commit);
    }

    /// What became of a fetch.
    fn fetched(&mut self, key: String, fetched: Option<Fetched>) {
        let Fetched { commit, found } = match fetched {
            Some(fetched) => fetched,
            None => return self.note(key, None),
        };
        for image in found {
            self.found_bytes += json!(image).to_string().len();
            if self.found_bytes <= bounds::FOUND_BYTES {
                self.found.push(image);
            }
        }
        self.note(key, Some(commit));
    }

    /// Whether nothing more is to be waited for.
    pub(crate) fn know<'a>(&self, mut keys: impl Iterator<Item = &'a String>) -> bool {
        keys.all(|key| self.commits.contains_key(key))
    }

    /// What a child is handed: no more than it needs.
    pub(crate) fn resolved<'a>(
        &self,
        root: &str,
        keys: impl Iterator<Item = &'a String>,
    ) -> Resolved {
        let commit = |key: &String| Some((key.clone(), self.commits.get(key)?.clone()?));
        Resolved {
            commits: keys.filter_map(commit).collect(),
            root: root.to_owned(),
            ..Resolved::default()
        }
    }

    /// The commit of a source.
    pub(crate) fn commit(&self, key: &str) -> Option<String> {
        self.commits.get(key)?.clone()
    }

    /// The images of a component that are there already.
    pub(crate) fn found(&self, component: &str) -> impl Iterator<Item = &ContainerImage> {
        self.found.iter().filter(move |image| image.component == component)
    }
}

/// A workflow that someone started, and that fetches for all below it.
pub(crate) trait Fetches {
    /// Its sources.
    fn sources(&mut self) -> &mut Sources;
}

/// Fetches each source once, and takes note of it as soon as it is there.
pub(crate) async fn fetch_sources<W: Fetches>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    document: (Kind, &Value),
    outline: &Outline,
    release: &Release,
    group: &WorkflowCancellationToken,
) {
    let sources = outline.sources.iter().collect();
    bounded(sources, FETCHES, async |source: &GitSource| {
        let summary = format!("fetch {}", source.url);
        let options = policy.options(Step::FetchSource, summary, group.clone());
        let own = ctx.workflow_id().to_owned();
        let id = BuildId {
            app: outline.app.clone(),
            root: own.clone(),
            workflow_id: own,
            run_id: ctx.info().first_execution_run_id().to_owned(),
            ..BuildId::default()
        };
        let wanted = wanted(document, outline, &source.key(), release);
        let input = FetchInput { id, source: source.clone(), wanted };
        let fetched = ctx.execute_activity(Steps::fetch_source, input, options).await;
        ctx.state_mut(|s| s.sources().fetched(source.key(), fetched.ok()));
    })
    .await;
}

/// The containers of a source, but for those that are built from others: what these will be is not
/// known yet. None where there are none.
fn wanted(
    (kind, document): (Kind, &Value),
    outline: &Outline,
    source: &str,
    release: &Release,
) -> Option<Wanted> {
    let is_meant =
        |one: &OutlinedContainer| one.source.as_deref() == Some(source) && one.from.is_empty();
    let (mut components, mut published) = (Vec::new(), BTreeMap::new());
    for (index, component) in outline.components.iter().enumerate() {
        let whole = match kind {
            Kind::App => &document["components"][index],
            _ => &document["component"],
        };
        let containers = component.containers.iter().enumerate();
        let containers = containers.filter(|(_, container)| is_meant(container));
        let containers: Vec<_> = containers.map(|(at, _)| &whole["containers"][at]).collect();
        if containers.is_empty() {
            continue;
        }
        components.push(with(whole, "containers", json!(containers)));
        let package = release.published(&component.name).cloned();
        published.extend(package.map(|package| (component.name.clone(), package)));
    }
    let document = match kind {
        _ if components.is_empty() => return None,
        Kind::App => with(document, "components", json!(components)),
        _ => with(document, "component", components.swap_remove(0)),
    };
    Some(Wanted { kind, document, version: release.version.clone(), published })
}

/// An object with another value under a key, which is not copied.
fn with(object: &Value, key: &str, value: Value) -> Value {
    let fields = object.as_object().into_iter().flatten().filter(|(name, _)| *name != key);
    let mut copy: Value = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    copy[key] = value;
    copy
}
