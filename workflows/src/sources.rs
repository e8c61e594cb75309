//! The sources of a build, fetched ahead: each distinct one once.

use std::collections::BTreeMap;

use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext};

use crate::{
    build::bounded,
    plan::{GitSource, Outline},
    policy::{FETCHES, Policy, Step},
    spec::Resolved,
    steps::{BuildId, FetchInput, Steps},
};

/// What is known of the sources that are fetched ahead, by [`GitSource::key`].
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<String, Option<String>>);

impl Sources {
    /// A source's commit. One that cannot be fetched has none: its containers fetch it themselves,
    /// and its failure is then theirs, while the others go on.
    pub(crate) fn note(&mut self, key: String, commit: Option<String>) {
        self.0.insert(key, commit);
    }

    /// Whether nothing more is to be waited for.
    pub(crate) fn know<'a>(&self, mut keys: impl Iterator<Item = &'a String>) -> bool {
        keys.all(|key| self.0.contains_key(key))
    }

    /// What a child is handed: no more than it needs.
    pub(crate) fn resolved<'a>(
        &self,
        root: &str,
        keys: impl Iterator<Item = &'a String>,
    ) -> Resolved {
        let commit = |key: &String| Some((key.clone(), self.0.get(key)?.clone()?));
        Resolved {
            commits: keys.filter_map(commit).collect(),
            root: root.to_owned(),
            ..Resolved::default()
        }
    }

    /// The commit of a source.
    pub(crate) fn commit(&self, key: &str) -> Option<String> {
        self.0.get(key)?.clone()
    }
}

/// Fetches each source once, and gives its commit to `done` as soon as it is there.
pub(crate) async fn fetch_sources<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    outline: &Outline,
    group: &WorkflowCancellationToken,
    done: impl Fn(String, Option<String>),
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
            ..BuildId::default()
        };
        let input = FetchInput { id, source: source.clone() };
        let fetched = ctx.execute_activity(Steps::fetch_source, input, options).await;
        done(source.key(), fetched.ok().map(|fetched| fetched.commit));
    })
    .await;
}
