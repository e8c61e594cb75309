//! The sources of a build, fetched ahead: each distinct one once.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

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
    found: Vec<Found>,
    found_bytes: usize,
}

/// An image that was there, and when that was known.
#[derive(Debug)]
struct Found {
    image: ContainerImage,
    at: SystemTime,
}

/// How long an image that was there is taken to be there. Who waited longer looks again.
const FRESH: Duration = Duration::from_secs(3600);

impl Sources {
    /// A source's commit. One that cannot be fetched has none: its containers fetch it themselves,
    /// and its failure is then theirs, while the others go on.
    pub(crate) fn note(&mut self, key: String, commit: Option<String>) {
        self.commits.insert(key, commit);
    }

    /// What became of a fetch.
    fn fetched(&mut self, key: String, fetched: Option<Fetched>, at: SystemTime) {
        let Fetched { commit, found } = match fetched {
            Some(fetched) => fetched,
            None => return self.note(key, None),
        };
        for image in found {
            self.found_bytes += json!(image).to_string().len();
            if self.found_bytes <= bounds::FOUND_BYTES {
                self.found.push(Found { image, at });
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
    pub(crate) fn found(
        &self,
        component: &str,
        now: SystemTime,
    ) -> impl Iterator<Item = &ContainerImage> {
        let is_fresh =
            move |found: &&Found| now.duration_since(found.at).is_ok_and(|age| age <= FRESH);
        let images = self.found.iter().filter(is_fresh).map(|found| &found.image);
        images.filter(move |image| image.component == component)
    }
}

/// A workflow that someone started, and that fetches for all below it.
pub(crate) trait Fetches {
    /// Its sources.
    fn sources(&mut self) -> &mut Sources;

    /// Whether a container, by the number and the name that it has in its component, is paused or
    /// cancelled.
    fn is_held_back(&self, component: &str, index: usize, container: &str) -> bool;
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
    let left = Cell::new(bounds::WANTED_BYTES);
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
        let wanted = ctx.state(|s| wanted(s, document, outline, &source.key(), release));
        let wanted = wanted.filter(|wanted| {
            let fits = left.get().checked_sub(json!(wanted).to_string().len());
            fits.map(|rest| left.set(rest)).is_some()
        });
        let input = FetchInput { id, source: source.clone(), wanted };
        let fetched = ctx.execute_activity(Steps::fetch_source, input, options).await;
        let now = time(ctx);
        ctx.state_mut(|s| s.sources().fetched(source.key(), fetched.ok(), now));
    })
    .await;
}

/// The engine's time.
pub(crate) fn time<W>(ctx: &WorkflowContext<W>) -> SystemTime {
    ctx.workflow_time().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The containers of a source that are looked for, where there are any: none that is held back, and
/// none that is built from others, as what these will be is not known yet.
fn wanted(
    state: &impl Fetches,
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
        let containers = containers.filter(|(at, container)| {
            is_meant(container) && !state.is_held_back(&component.name, *at, &container.name)
        });
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

/// What only a package is made of.
const OF_PACKAGES: [&str; 2] = ["files", "chart"];

/// An object with another value under a key, without what only its package is made of.
fn with(object: &Value, key: &str, value: Value) -> Value {
    let is_left = |name: &str| name != key && !OF_PACKAGES.contains(&name);
    let fields = object.as_object().into_iter().flatten().filter(|(name, _)| is_left(name));
    let mut copy: Value = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    copy[key] = value;
    copy
}
