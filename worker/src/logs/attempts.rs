//! Which attempts of a container's build have a log.

use k8s_openapi::api::batch::v1::Job;
use kilnworks_activities::{cluster::JOB_UID, phase, seen::SeenPod, store::ContextStore};
use kilnworks_workflows::{names, platform};
use kube::{Api, ResourceExt, api::ListParams};

/// Where the Pods of builds are.
pub(super) struct Pods {
    pub(super) pods: Api<SeenPod>,
    pub(super) jobs: Api<Job>,
}

/// The attempts that have a log, in the store or in the cluster.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Run id of the container's build.
    pub(super) run_id: String,
    /// Their numbers, in order.
    pub(super) numbers: Vec<u32>,
}

impl Attempts {
    /// Asks both.
    pub(super) async fn find(
        store: &dyn ContextStore,
        pods: &Pods,
        run_id: String,
        platform: &str,
    ) -> anyhow::Result<Self> {
        let prefix = names::logs_prefix(&run_id, platform);
        let stored = store.list(&prefix).await?;
        let stored = stored
            .iter()
            .filter_map(|part| part.key.strip_prefix(&prefix)?.split('/').next()?.parse().ok());
        let listed = listed(pods, &run_id, platform).await?;
        let begun = listed.iter().filter(|pod| phase::has_begun(pod));
        let begun =
            begun.filter_map(|pod| pod.labels().get(&names::label("attempt"))?.parse().ok());
        let mut numbers: Vec<u32> = stored.chain(begun).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Self { run_id, numbers })
    }

    /// What to show: what was asked for, else the last one, else the first one after `shown`.
    pub(super) fn next(&self, asked: Option<u32>, shown: Option<u32>) -> Option<u32> {
        let mut numbers = self.numbers.iter().copied();
        match (asked, shown) {
            (Some(asked), _) => numbers.find(|number| *number == asked),
            (None, None) => numbers.last(),
            (None, Some(shown)) => numbers.find(|number| *number > shown),
        }
    }
}

/// The Pod of an attempt, while it is there.
pub(super) async fn pod(
    pods: &Pods,
    run_id: &str,
    platform: &str,
    attempt: u32,
) -> anyhow::Result<Option<SeenPod>> {
    let (label, number) = (names::label("attempt"), attempt.to_string());
    let mut listed = listed(pods, run_id, platform).await?.into_iter();
    Ok(listed.find(|pod| pod.labels().get(&label) == Some(&number)))
}

/// The Pods of an execution: those that it made, and those that it shares with equal builds. Of
/// several platforms only those for one.
async fn listed(pods: &Pods, run_id: &str, platform: &str) -> anyhow::Result<Vec<SeenPod>> {
    let made = format!("{}={run_id}", names::label("run"));
    let mut found = pods.pods.list(&ListParams::default().labels(&made)).await?.items;
    let member = ListParams::default().labels(&names::member(run_id));
    found.extend(pods.pods.list(&member).await?);
    let jobs = match pods.jobs.list_metadata(&member).await {
        // Where no Jobs are made, nobody needs to be allowed to look at them.
        Err(kube::Error::Api(status)) if status.code == 403 => Vec::new(),
        jobs => jobs?.items,
    };
    for uid in jobs.iter().filter_map(ResourceExt::uid) {
        let of_job = ListParams::default().labels(&format!("{JOB_UID}={uid}"));
        found.extend(pods.pods.list(&of_job).await?);
    }
    let word = platform::word(platform);
    let of = names::label("platform");
    found.retain(|pod| pod.labels().get(&of).map_or("", String::as_str) == word);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::Attempts;

    #[test]
    fn the_last_attempt_is_shown_and_then_those_after_it() {
        let attempts = Attempts { run_id: String::new(), numbers: vec![1, 2, 3] };
        assert_eq!(attempts.next(None, None), Some(3));
        assert_eq!(attempts.next(None, Some(1)), Some(2));
        assert_eq!(attempts.next(None, Some(3)), None);
        assert_eq!(attempts.next(Some(1), None), Some(1));
        assert_eq!(attempts.next(Some(4), None), None);
    }
}
