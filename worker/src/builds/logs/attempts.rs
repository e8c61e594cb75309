//! The attempts of a container that have a log.

use kilnworks_activities::{
    pod::{phase, seen::SeenPod},
    store::ContextStore,
};
use kilnworks_workflows::{names, platform};
use kube::{Api, ResourceExt, api::ListParams};

/// The attempts that have a log, in the store or in the cluster.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Run id of the workflow of the container.
    pub(super) run_id: String,
    /// Their numbers, in ascending order.
    pub(super) numbers: Vec<u32>,
}

impl Attempts {
    /// Lists the store and the cluster.
    pub(super) async fn find(
        store: &dyn ContextStore,
        pods: &Api<SeenPod>,
        run_id: String,
        platform: &str,
    ) -> anyhow::Result<Self> {
        let prefix = names::logs_prefix(&run_id, platform);
        let stored = store.list(&prefix).await?;
        let stored = stored
            .iter()
            .filter_map(|part| part.key.strip_prefix(&prefix)?.split('/').next()?.parse().ok());
        let listed = listed(pods, &run_id, platform).await?;
        let started = listed.iter().filter(|pod| phase::has_begun(pod));
        let started =
            started.filter_map(|pod| pod.labels().get(&names::label("attempt"))?.parse().ok());
        let mut numbers: Vec<u32> = stored.chain(started).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Self { run_id, numbers })
    }

    /// The attempt to show next: the requested one, otherwise the last one, then the next after `shown`.
    pub(super) fn next(&self, requested: Option<u32>, shown: Option<u32>) -> Option<u32> {
        let mut numbers = self.numbers.iter().copied();
        match (requested, shown) {
            (Some(requested), _) => numbers.find(|number| *number == requested),
            (None, None) => numbers.last(),
            (None, Some(shown)) => numbers.find(|number| *number > shown),
        }
    }
}

/// The Pod of an attempt, if it still exists.
pub(super) async fn pod(
    pods: &Api<SeenPod>,
    run_id: &str,
    platform: &str,
    attempt: u32,
) -> anyhow::Result<Option<SeenPod>> {
    let (label, number) = (names::label("attempt"), attempt.to_string());
    let mut listed = listed(pods, run_id, platform).await?.into_iter();
    Ok(listed.find(|pod| pod.labels().get(&label) == Some(&number)))
}

/// The Pods of a workflow run, of one platform of a multi-platform image.
async fn listed(pods: &Api<SeenPod>, run_id: &str, platform: &str) -> anyhow::Result<Vec<SeenPod>> {
    let selector = format!("{}={run_id}", names::label("run"));
    let mut found = pods.list(&ListParams::default().labels(&selector)).await?.items;
    let (word, of) = (platform::word(platform), names::label("platform"));
    found.retain(|pod| pod.labels().get(&of).map_or("", String::as_str) == word);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::Attempts;

    #[test]
    fn the_last_attempt_comes_first_then_later_ones() {
        let attempts = Attempts { run_id: String::new(), numbers: vec![1, 2, 3] };
        assert_eq!(attempts.next(None, None), Some(3));
        assert_eq!(attempts.next(None, Some(1)), Some(2));
        assert_eq!(attempts.next(None, Some(3)), None);
        assert_eq!(attempts.next(Some(1), None), Some(1));
        assert_eq!(attempts.next(Some(4), None), None);
    }
}
