//! Reports what a build waits for, to the people who watch it.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use kilnworks_workflows::{
    BuildApp,
    build::raw,
    build_id::BuildId,
    progress::{Observed, State},
};
use serde_json::json;
use temporalio_client::WorkflowSignalOptions;
use temporalio_sdk::activities::ActivityContext;

use crate::secrets::redact;

/// How long a wait lasts before it is reported.
const WORTH_REPORTING: Duration = Duration::from_secs(2);

/// Pause between two signals of one step.
const PAUSE: Duration = Duration::from_secs(5);

/// Reports what a build waits for: in the details of the step's heartbeats, and by a signal to the
/// build's own workflow and to its parents. A signal is an event in a history, so a wait is signalled
/// once, after two seconds, and at most one wait in five seconds.
pub struct Observer {
    /// None in tests: nothing is reported then.
    ctx: Option<ActivityContext>,
    id: BuildId,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// What the build waits for now.
    wait: Option<(State, String)>,
    since: Option<(Instant, SystemTime)>,
    /// When the last signal was sent, and what it said.
    reported: Option<(Instant, Option<(State, String)>)>,
}

impl Observer {
    /// Reports for a step that runs.
    pub fn new(ctx: &ActivityContext, id: &BuildId) -> Self {
        // An earlier run of this step may have reported a wait that is over.
        let reported = (ctx.info().attempt > 1).then(|| (Instant::now(), None));
        let seen = Mutex::new(Seen { reported, ..Seen::default() });
        Self { ctx: Some(ctx.clone()), id: id.clone(), seen }
    }

    /// Reports nothing.
    pub fn silent(id: &BuildId) -> Self {
        Self { ctx: None, id: id.clone(), seen: Mutex::default() }
    }

    /// The build that is observed.
    pub fn id(&self) -> &BuildId {
        &self.id
    }

    /// Notes what the build waits for now. Call this with every change, and about every second.
    pub async fn see(&self, state: State, reason: &str) {
        self.note(state, reason, WORTH_REPORTING).await;
    }

    /// Same as [`Self::see`], but reports at once.
    pub async fn see_at_once(&self, state: State, reason: &str) {
        self.note(state, reason, Duration::ZERO).await;
    }

    async fn note(&self, state: State, reason: &str, worth: Duration) {
        let now = (state, reason.to_owned());
        let (is_new_wait, is_due) = {
            let mut seen = self.lock();
            let is_new_state = seen.wait.as_ref().is_none_or(|(before, _)| *before != state);
            if is_new_state {
                seen.since = Some((Instant::now(), SystemTime::now()));
            }
            let is_new_wait = seen.wait.as_ref() != Some(&now);
            seen.wait = Some(now.clone());
            let lasted = seen.since.is_some_and(|(since, _)| since.elapsed() >= worth);
            let (is_unsaid, rested) = match &seen.reported {
                None => (true, true),
                Some((at, said)) => (said.as_ref() != Some(&now), at.elapsed() >= PAUSE),
            };
            (is_new_wait, lasted && is_unsaid && rested)
        };
        if is_new_wait {
            self.beat().await;
        }
        if is_due {
            let is_heard = self.report(state, reason).await;
            self.lock().reported = Some((Instant::now(), Some(now).filter(|_| is_heard)));
        }
    }

    /// Sends a heartbeat with what the build waits for.
    pub async fn beat(&self) {
        let Some(ctx) = &self.ctx else { return };
        let seen = self.lock().clone();
        let details = seen.wait.map(|(state, reason)| {
            let since = seen.since.map(|(_, at)| rfc3339(at));
            json!({"state": state, "since": since, "reason": redact::known().text(&reason)})
        });
        let _ = ctx.record_heartbeat(details).await;
    }

    /// Signals a wait at once. False if the build's own workflow did not get the signal.
    pub async fn report(&self, state: State, reason: &str) -> bool {
        let Some(ctx) = &self.ctx else { return true };
        let since = self.lock().since.map_or_else(SystemTime::now, |(_, at)| at);
        let payload = json!(Observed {
            component: self.id.component.clone(),
            container: self.id.container.clone(),
            platform: self.id.platform.clone(),
            state,
            reason: redact::known().text(reason),
            since: rfc3339(since),
            attempt: self.id.attempt,
            ..Observed::default()
        });
        let own = self.id.workflow_id.as_str();
        let mut is_heard = true;
        for workflow in self.shown_in() {
            let handle = ctx.client().get_workflow_handle::<BuildApp>(workflow);
            let options = WorkflowSignalOptions::default();
            if let Err(error) = handle.signal(BuildApp::observed, raw(&payload), options).await {
                tracing::debug!(%workflow, %error, "cannot report what the build waits for");
                is_heard &= workflow != own;
            }
        }
        is_heard
    }

    /// The workflows that show the wait: the build's own, its component's, and the root. The id of a
    /// container's workflow starts with the id of its component's.
    fn shown_in(&self) -> BTreeSet<&str> {
        let BuildId { workflow_id, root, .. } = &self.id;
        let component = workflow_id.rsplit_once('/').map(|(component, _)| component);
        let component = component.filter(|_| workflow_id != root);
        [workflow_id.as_str(), root].into_iter().chain(component).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
