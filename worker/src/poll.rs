//! Where a build and its children stand. A parent knows its children by their ends alone; what
//! they do meanwhile they are asked themselves.

use std::time::Duration;

use futures::{StreamExt, stream};
use kilnworks_workflows::{
    BuildApp,
    names::child_workflow_id,
    progress::{ContainerProgress, Progress, State},
    steps::Launched,
};
use temporalio_client::{RetryOptions, RpcOptions, WorkflowDescribeOptions, WorkflowQueryOptions};
use temporalio_common::protos::temporal::api::workflow::v1::PendingActivityInfo;

use crate::{connect::Engine, outcome::Build};

/// How long one answer may take. A question to a build without a worker is held open by the
/// engine, and the next one is better asked later.
const ONE_ANSWER: Duration = Duration::from_secs(5);

/// How many children are asked at once.
const AT_ONCE: usize = 8;

/// Where a build stands, or nothing where nobody answers now.
pub(crate) async fn progress(engine: &Engine, build: &Build) -> Option<Progress> {
    let mut progress = ask(build).await?;
    let id = &build.info().workflow_id;
    let running = |row: &&ContainerProgress| {
        !row.state.is_final() && !matches!(row.state, State::Waiting | State::Fetching)
    };
    let mut components: Vec<String> =
        progress.containers.iter().filter(running).map(|row| row.component.clone()).collect();
    components.dedup();
    let children = components.iter().map(|component| child_workflow_id(id, component));
    merge(&mut progress, ask_all(engine, children.collect()).await);
    let running = progress.containers.iter().filter(running);
    let children = running
        .map(|row| child_workflow_id(&child_workflow_id(id, &row.component), &row.container));
    let children = children.collect();
    merge(&mut progress, ask_all(engine, children).await);
    explain(engine, id, &mut progress).await;
    Some(progress)
}

/// Says what the workflow of a row does not know of its pending step: why that is tried again, and
/// that a launch has its Pod, of which no event tells before the build has run for a while.
async fn explain(engine: &Engine, id: &str, progress: &mut Progress) {
    for row in progress.containers.iter_mut().filter(|row| row.reason.is_none()) {
        let workflow = match row.state {
            State::Fetching => id.to_owned(),
            State::Packing | State::Queued => {
                child_workflow_id(&child_workflow_id(id, &row.component), &row.container)
            }
            _ => continue,
        };
        let pending = pending(engine, &workflow).await;
        row.reason = trouble(&pending);
        let is_early = matches!(row.state, State::Packing | State::Queued);
        if is_early && row.reason.is_none() && are_launched(&pending) {
            row.state = State::Building;
        }
    }
}

/// The steps of a workflow that are not over.
async fn pending(engine: &Engine, workflow: &str) -> Vec<PendingActivityInfo> {
    let build = engine.client.get_workflow_handle::<BuildApp>(workflow);
    let described = build.describe(WorkflowDescribeOptions::default()).await;
    described.map_or_else(|_| Vec::new(), |described| described.raw().pending_activities.clone())
}

/// The last failure of a step that the engine tries again.
fn trouble(pending: &[PendingActivityInfo]) -> Option<String> {
    pending.iter().find_map(|step| Some(step.last_failure.as_ref()?.message.clone()))
}

/// Whether every step has its Pod, as its heartbeats say.
fn are_launched(pending: &[PendingActivityInfo]) -> bool {
    let is_launched = |step: &PendingActivityInfo| {
        let details = step.heartbeat_details.iter().flat_map(|all| &all.payloads);
        details.into_iter().any(|one| serde_json::from_slice::<Launched>(&one.data).is_ok())
    };
    !pending.is_empty() && pending.iter().all(is_launched)
}

/// The answer of one workflow.
pub(crate) async fn ask(build: &Build) -> Option<Progress> {
    let mut rpc = RpcOptions::default();
    rpc.timeout = Some(ONE_ANSWER);
    rpc.retry_options = Some(RetryOptions::no_retries());
    let options = WorkflowQueryOptions::builder().rpc_options(rpc).build();
    match build.query(BuildApp::progress, (), options).await {
        Ok(progress) => Some(progress),
        Err(error) => {
            // A child that is not there yet is no error, and neither is a worker that is busy.
            tracing::debug!(id = build.info().workflow_id, %error, "no answer");
            None
        }
    }
}

async fn ask_all(engine: &Engine, ids: Vec<String>) -> Vec<Progress> {
    let asked = ids.into_iter().map(async |id| {
        let build = engine.client.get_workflow_handle::<BuildApp>(id);
        ask(&build).await
    });
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    answers.into_iter().flatten().collect()
}

/// Puts the rows of children over the rows of their parent, which knows that they run and little
/// more. An end is an end: the child may have been asked before it.
fn merge(progress: &mut Progress, children: Vec<Progress>) {
    for seen in children.into_iter().flat_map(|child| child.containers) {
        for row in progress.rows(&seen.component, Some(&seen.container)) {
            if !row.state.is_final() {
                *row = seen.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::{
        progress::{ContainerProgress, Progress, State},
        steps::{Launched, LaunchedKind},
    };
    use temporalio_common::protos::temporal::api::{
        common::v1::{Payload, Payloads},
        workflow::v1::PendingActivityInfo,
    };

    use super::{are_launched, merge};

    fn one(state: State) -> Progress {
        let row = ContainerProgress {
            component: "web".to_owned(),
            container: "server".to_owned(),
            state,
            ..ContainerProgress::default()
        };
        Progress {
            app: "shop".to_owned(),
            version: None,
            containers: vec![row],
            ..Progress::default()
        }
    }

    #[test]
    fn a_child_knows_more_until_the_end() {
        for (parent, child, merged) in [
            (State::Building, State::Queued, State::Queued),
            (State::Building, State::Waiting, State::Waiting),
            (State::Failed, State::Building, State::Failed),
        ] {
            let mut progress = one(parent);
            merge(&mut progress, vec![one(child)]);
            assert_eq!(progress.containers[0].state, merged);
        }
    }
    #[test]
    fn a_launch_has_its_pod_once_a_heartbeat_names_it() {
        let launched = Launched {
            kind: LaunchedKind::Pod,
            namespace: "builds".to_owned(),
            name: "one".to_owned(),
            uid: "1".to_owned(),
            joined: None,
            key: None,
            built: None,
        };
        let step = |details: Option<Vec<u8>>| PendingActivityInfo {
            heartbeat_details: details
                .map(|data| Payloads { payloads: vec![Payload { data, ..Payload::default() }] }),
            ..PendingActivityInfo::default()
        };
        let named = || step(Some(serde_json::to_vec(&launched).expect("JSON")));
        assert!(are_launched(&[named(), named()]));
        for not in [vec![], vec![step(None)], vec![step(Some(b"null".to_vec())), named()]] {
            assert!(!are_launched(&not));
        }
    }
}
