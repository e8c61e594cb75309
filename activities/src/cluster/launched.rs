//! Finds created Pods and Jobs, and what became of them.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::steps::{LaunchInput, Launched, LaunchedKind};
use kube::{ResourceExt, api::ListParams, runtime::reflector::ObjectRef};

use super::{Cluster, unavailable};
use crate::pod::{
    equal::{self, JOB_UID},
    manifest, phase,
    seen::SeenPod,
};

/// What became of a created Pod or Job.
pub enum Found {
    /// Its Pod.
    Pod(Arc<SeenPod>),
    /// The Job exists, but its Pod does not yet.
    NotYet,
    /// Deleted.
    Gone,
}

impl Cluster {
    /// The Pod or Job of an attempt, if the watch shows it.
    pub fn launched(&self, input: &LaunchInput) -> Option<Launched> {
        let ours = manifest::labels(&self.site.instance, &input.id);
        let pod = self.pods.find(|pod| {
            ours.iter().all(|(label, value)| pod.labels().get(label) == Some(value))
                && pod.metadata.deletion_timestamp.is_none()
        })?;
        equal::launched(&pod, input.pushes(), false).filter(|it| it.name == input.pod_name())
    }

    /// The Pod or Job of another build with the same content, if the watch shows one that has not
    /// failed. One that has pushed its image counts until its owner deletes it.
    pub fn another(&self, content: &str, run_id: &str) -> Option<Launched> {
        let now = Timestamp::now();
        let of = |pod: &SeenPod| equal::another(pod, content, run_id);
        let may_make = |pod: &SeenPod| !phase::is_over(pod, now) || phase::digest(pod).is_some();
        let pod = self.pods.find(|pod| may_make(pod) && of(pod).is_some())?;
        of(&pod)
    }

    /// What became of a created Pod or Job: from the watch, or from the API if the watch does not show
    /// it.
    pub async fn find(&self, launched: &Launched) -> anyhow::Result<Found> {
        match self.watched(launched) {
            Some(pod) => Ok(Found::Pod(pod)),
            None => self.ask(launched).await,
        }
    }

    /// The Pod that the watch shows.
    pub fn watched(&self, launched: &Launched) -> Option<Arc<SeenPod>> {
        match launched.kind {
            LaunchedKind::Pod => {
                let key = ObjectRef::new(&launched.name).within(&launched.namespace);
                let pod = self.pods.get(&key);
                pod.filter(|pod| pod.uid().as_ref() == Some(&launched.uid))
            }
            LaunchedKind::Job => {
                self.pods.find(|pod| pod.labels().get(JOB_UID) == Some(&launched.uid))
            }
        }
    }

    /// What became of a created Pod or Job, from the API.
    pub async fn ask(&self, launched: &Launched) -> anyhow::Result<Found> {
        match launched.kind {
            LaunchedKind::Pod => {
                let pod = self.pods().get_opt(&launched.name).await;
                let pod = pod.map_err(|error| unavailable("read the Pod", &error))?;
                let pod = pod.filter(|pod| pod.uid().as_ref() == Some(&launched.uid));
                Ok(pod.map_or(Found::Gone, |pod| Found::Pod(Arc::new(pod))))
            }
            LaunchedKind::Job => self.ask_for_job(launched).await,
        }
    }

    async fn ask_for_job(&self, launched: &Launched) -> anyhow::Result<Found> {
        let selector = ListParams::default().labels(&format!("{JOB_UID}={}", launched.uid));
        let pods = self.pods().list(&selector).await;
        let pods = pods.map_err(|error| unavailable("list the Job's Pods", &error))?;
        if let Some(pod) = pods.items.into_iter().next() {
            return Ok(Found::Pod(Arc::new(pod)));
        }
        let job = self.jobs().get_opt(&launched.name).await;
        let job = job.map_err(|error| unavailable("read the Job", &error))?;
        let waits = job.is_some_and(|job| {
            job.uid().as_ref() == Some(&launched.uid)
                && job.metadata.deletion_timestamp.is_none()
                && !phase::is_job_failed(&job)
        });
        Ok(if waits { Found::NotYet } else { Found::Gone })
    }
}
