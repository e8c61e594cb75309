//! The progress of a build and its children. A parent knows only the end of a child, so this module
//! queries running children, too.

use std::time::Duration;

use futures::{StreamExt, stream};
use kilnworks_workflows::{
    BuildApp,
    names::child_workflow_id,
    progress::{ContainerProgress, Progress, State},
};
use temporalio_client::{WorkflowDescribeOptions, WorkflowQueryOptions};
use temporalio_common::protos::temporal::api::workflow::v1::PendingActivityInfo;

use super::outcome::Build;
use crate::engine::{Engine, list};

/// Timeout of one query. Without a worker the engine keeps a query open.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of queries at the same time.
const AT_ONCE: usize = 8;

/// The progress of a build. None if no worker answers.
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

/// Adds what only the pending activities of a workflow show: why the engine retries a step, and
/// whether the Pod exists.
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
        row.reason = last_failure(&pending);
        if let (None, Some(state)) = (&row.reason, state_of(&pending)) {
            row.state = state;
        }
    }
}

/// The pending activities of a workflow.
async fn pending(engine: &Engine, workflow: &str) -> Vec<PendingActivityInfo> {
    let build = engine.client.get_workflow_handle::<BuildApp>(workflow);
    let described = build.describe(WorkflowDescribeOptions::default()).await;
    described.map_or_else(|_| Vec::new(), |described| described.raw().pending_activities.clone())
}

/// The last failure of a step that the engine retries.
fn last_failure(pending: &[PendingActivityInfo]) -> Option<String> {
    pending.iter().find_map(|step| Some(step.last_failure.as_ref()?.message.clone()))
}

/// The state by the pending steps: `launch` waits for room in the cluster, `await_build` for a Pod.
/// A multi-platform image is queued while one of its platforms is.
fn state_of(pending: &[PendingActivityInfo]) -> Option<State> {
    let is_pending = |name: &str| {
        pending.iter().any(|step| step.activity_type.as_ref().is_some_and(|it| it.name == name))
    };
    match (is_pending("launch"), is_pending("await_build")) {
        (true, _) => Some(State::Queued),
        (false, true) => Some(State::Building),
        (false, false) => None,
    }
}

/// The progress of one workflow.
pub(crate) async fn ask(build: &Build) -> Option<Progress> {
    let options = WorkflowQueryOptions::builder().rpc_options(list::quickly(QUERY_TIMEOUT)).build();
    match build.query(BuildApp::progress, (), options).await {
        Ok(progress) => Some(progress),
        Err(error) => {
            // A child may not have started yet, and a worker may be busy.
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

/// Replaces rows of the parent by rows of its children, which know more. A final state stays, because
/// the child may have answered before its end.
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
    use kilnworks_workflows::progress::{ContainerProgress, Progress, State};
    use temporalio_common::protos::temporal::api::{
        common::v1::ActivityType, workflow::v1::PendingActivityInfo,
    };

    use super::{merge, state_of};

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
    fn a_child_knows_more_until_its_end() {
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
    fn the_pending_step_shows_the_state() {
        let pending = |names: &[&str]| {
            let step = |name: &&str| PendingActivityInfo {
                activity_type: Some(ActivityType { name: (*name).to_owned() }),
                ..PendingActivityInfo::default()
            };
            names.iter().map(step).collect::<Vec<_>>()
        };
        assert_eq!(state_of(&pending(&["launch"])), Some(State::Queued));
        assert_eq!(state_of(&pending(&["await_build"])), Some(State::Building));
        assert_eq!(state_of(&pending(&["await_build", "launch"])), Some(State::Queued));
        assert_eq!(state_of(&pending(&["upload"])), None);
        assert_eq!(state_of(&pending(&[])), None);
    }
}
