//! The wait for the end of an executor, and the reasons that it reports meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{progress::State, steps::AwaitInput};
use kube::ResourceExt;

use super::{failed, timeouts};
use crate::{
    cluster::{Cluster, Found, nodes::Nodes},
    pod::{
        phase::{self, Standing},
        seen::SeenPod,
    },
    temporal::Observer,
};

/// How long a silent wait lasts before the events are read, and the pause between two readings.
const EVENTS: Duration = Duration::from_secs(2);

/// Waits until the executor has ended, and gives its Pod; none where that is gone.
pub(super) async fn wait(
    cluster: &Cluster,
    input: &AwaitInput,
    observer: &Observer,
    began: Option<Timestamp>,
) -> anyhow::Result<Option<Arc<SeenPod>>> {
    let mut changes = cluster.changes();
    let mut explained = Explained::default();
    let mut nodes = Nodes::of(input.platform.as_deref());
    cluster.ready().await?;
    loop {
        let now = Timestamp::now();
        let seen = cluster.watched(&input.launched);
        // Boxed, as in all of these: a build waits much longer for a change, and thousands wait.
        let standing = match Box::pin(cluster.find(&input.launched)).await? {
            Found::Pod(pod) if phase::is_over(&pod, now) => return Ok(Some(pod)),
            Found::Pod(pod) => {
                let uid = pod.uid().unwrap_or_default();
                Box::pin(explained.fill(cluster, &uid, phase::standing(&pod))).await
            }
            Found::NotYet => {
                let none =
                    Standing { state: State::Scheduling, since: None, reason: String::new() };
                Box::pin(explained.fill(cluster, &input.launched.uid, none)).await
            }
            Found::Gone => return Ok(None),
        };
        let standing = Box::pin(placed(cluster, &mut nodes, standing, observer)).await;
        let standing = timeouts::counted(standing, began);
        if let Some(failure) = timeouts::ran_out(&standing, &input.timeouts, now) {
            // The watch may be behind: the API's word counts before a build is given up.
            return match Box::pin(cluster.ask(&input.launched)).await? {
                Found::Pod(pod) if phase::is_over(&pod, now) => Ok(Some(pod)),
                Found::Pod(pod) if phase::standing(&pod).state != standing.state => {
                    changes.next_of(cluster, &input.launched, seen.as_deref()).await;
                    continue;
                }
                Found::Gone => Ok(None),
                _ => Err(failed(input, failure)),
            };
        }
        changes.next_of(cluster, &input.launched, seen.as_deref()).await;
    }
}

/// Reports where a Pod stands: at once where no node can ever take it, as the cluster is.
async fn placed(
    cluster: &Cluster,
    nodes: &mut Nodes,
    standing: Standing,
    observer: &Observer,
) -> Standing {
    let (reason, lacks) = match standing.state {
        State::Scheduling => nodes.explain(cluster, &standing.reason).await,
        _ => (standing.reason, false),
    };
    match lacks {
        true => observer.see_at_once(standing.state, &reason).await,
        false => observer.see(standing.state, &reason).await,
    }
    Standing { reason, ..standing }
}

/// The reason of a wait that the Pod's status keeps to itself, out of the events.
#[derive(Default)]
struct Explained {
    state: Option<State>,
    since: Option<Instant>,
    began: Option<Timestamp>,
    read: Option<Instant>,
    warning: Option<String>,
}

impl Explained {
    async fn fill(&mut self, cluster: &Cluster, uid: &str, standing: Standing) -> Standing {
        if self.state != Some(standing.state) {
            *self = Self {
                state: Some(standing.state),
                since: Some(Instant::now()),
                began: Some(Timestamp::now()),
                ..Self::default()
            };
        }
        let rested = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() >= EVENTS);
        let silent = standing.reason.is_empty() && standing.state != State::Building;
        if silent && rested(self.since) && rested(self.read) {
            self.read = Some(Instant::now());
            self.warning = cluster.warnings.latest(cluster, uid).await.or(self.warning.take());
        }
        let warning = self.warning.clone().filter(|_| silent);
        Standing {
            // A Job without a Pod has no times of its own to count from.
            since: standing.since.or(self.began),
            reason: warning.unwrap_or(standing.reason),
            ..standing
        }
    }
}
