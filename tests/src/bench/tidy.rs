//! Removing all that a line has made.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_activities::{
    settings::{Bucket, Delivery},
    store::{ContextStore, s3::S3Store},
};
use kilnworks_workflows::{BuildApp, names};
use serde_json::Value;
use temporalio_client::WorkflowTerminateOptions;

use super::{
    Scene,
    pods::{self, SCENE},
};
use crate::engine::variable;

/// The stack's bucket.
pub(super) async fn store() -> S3Store {
    S3Store::open(Bucket {
        name: variable("KILN_S3_BUCKET"),
        endpoint: Some(variable("KILN_S3_ENDPOINT")),
        region: None,
        secret: None,
        delivery: Delivery::Direct,
    })
    .await
}

impl Scene {
    /// Removes all that the line has made: what runs first, so that nothing is made anew.
    pub(super) async fn tidy(&self) -> Result<()> {
        let mut runs = self.end_workflows().await;
        // Children whose parents ended before they did, and whatever else a line left behind.
        let own = format!("ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH '{}'", self.name);
        let left = self.engine.list_workflows(own, Default::default());
        let left: Vec<_> = left.try_collect().await?;
        let left = left.iter().map(|workflow| workflow.id().to_owned()).collect();
        *self.workflows.lock().expect("no panic holds it") = left;
        runs.extend(self.end_workflows().await);
        self.stop_workers();
        let log = self.log();
        self.remove_pods().await?;
        if let Some(node) = self.node.lock().await.take() {
            node.remove().await?;
        }
        self.remove_objects(&log, &runs).await?;
        self.remove_images().await.context("the registry")
    }

    /// Ends what still runs, and gives the run ids of all.
    async fn end_workflows(&self) -> Vec<String> {
        let ids = std::mem::take(&mut *self.workflows.lock().expect("no panic holds it"));
        let ending = stream::iter(ids).map(|id| async move {
            let handle = self.engine.get_workflow_handle::<BuildApp>(&id);
            let described = handle.describe(Default::default()).await.ok()?;
            // Most have ended long ago.
            let _ = handle.terminate(WorkflowTerminateOptions::default()).await;
            Some(described.run_id().to_owned())
        });
        ending.buffer_unordered(20).filter_map(async |run| run).collect().await
    }

    async fn remove_pods(&self) -> Result<()> {
        let apps = self.apps.lock().expect("no panic holds it").join(",");
        let ours = format!("kiln.io/app in ({apps})");
        let bare = format!("{SCENE} in ({0},{0}-0,{0}-1)", self.name);
        pods::remove(&self.pods(), &ours).await?;
        pods::remove(&self.pods(), &bare).await
    }

    /// Contexts, of which the workers tell in their logs, and the kept logs of its builds.
    async fn remove_objects(&self, log: &str, runs: &[String]) -> Result<()> {
        let store = store().await;
        let mut keys = self.keys.lock().expect("no panic holds it").clone();
        keys.extend(contexts(log).into_iter().map(|(key, _)| key));
        for run in runs {
            let kept = store.list(&names::logs_prefix(run, "")).await?;
            keys.extend(kept.into_iter().map(|object| object.key));
        }
        for key in keys {
            store.delete(&key).await?;
        }
        Ok(())
    }

    /// What lies under its apps' names. The layers themselves are the registry's to collect.
    async fn remove_images(&self) -> Result<()> {
        let registry = format!("http://{}/v2", variable("KILN_REGISTRY"));
        let client = reqwest::Client::new();
        for repository in repositories(&client, &registry, &self.name).await? {
            let at = format!("{registry}/{repository}");
            let tags = client.get(format!("{at}/tags/list")).send().await?.json::<Value>().await?;
            let mut digests = BTreeSet::new();
            for tag in strings(&tags["tags"]) {
                let asked = client.head(format!("{at}/manifests/{tag}"));
                let answer = asked.header("Accept", MANIFESTS).send().await?;
                let digest = answer.headers().get("docker-content-digest");
                digests.extend(digest.and_then(|digest| Some(digest.to_str().ok()?.to_owned())));
            }
            for digest in digests {
                client.delete(format!("{at}/manifests/{digest}")).send().await?;
            }
        }
        Ok(())
    }
}

/// The repositories whose names begin so. A registry lists a thousand at once.
async fn repositories(
    client: &reqwest::Client,
    registry: &str,
    prefix: &str,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    // They are listed by their names.
    let mut last = prefix.to_owned();
    loop {
        let asked = client.get(format!("{registry}/_catalog?n=1000&last={last}")).send().await?;
        let page: Value = asked.error_for_status()?.json().await?;
        let page = strings(&page["repositories"]);
        let own = page.iter().take_while(|name| name.starts_with(prefix));
        found.extend(own.map(|&name| name.to_owned()));
        match page.last().filter(|name| name.starts_with(prefix)) {
            Some(name) => last = (*name).to_owned(),
            None => return Ok(found),
        }
    }
}

const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.oci.image.index.v1+json";

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The contexts that a worker's log says it has sent: key and size.
pub(super) fn contexts(log: &str) -> Vec<(String, u64)> {
    let sent = log.lines().filter(|line| line.contains("uploaded a context"));
    let field = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}="))?;
        rest.split_whitespace().next().map(|value| value.trim_matches('"').to_owned())
    };
    sent.filter_map(|line| Some((field(line, "key")?, field(line, "size")?.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::contexts;

    #[test]
    fn a_log_tells_of_contexts() {
        let log = "INFO uploaded a context key=\"contexts/a/context.tar.gz\" size=12 seconds=0.1\n\
                   INFO something else key=1 size=2\n";
        assert_eq!(contexts(log), [("contexts/a/context.tar.gz".to_owned(), 12)]);
    }
}
