//! The launch of an attempt. Its step awaits the build, too, and gives what came of it; it gives
//! the bare Pod where its worker stopped meanwhile, and then another step awaits it.
//!
//! The first launch comes with the rendering where there is room for it at once. Only a success
//! comes back by that: for all else it gives the bare Pod, or none, and what is below goes on. What
//! is rendered anew may stand on newer images than a Pod that was launched before was made of: such
//! a Pod is not taken for this build's.

use std::{collections::BTreeMap, time::Duration};

use futures::{FutureExt, pin_mut};
use temporalio_common::error::{ActivityExecutionError, TimeoutType};
use temporalio_workflow::{WorkflowCancellationToken, select};

use super::{Build, BuildContainer, granted::Granted};
use crate::{
    failure::FailureType,
    plan::{BuildPlan, Clocks},
    policy::{self, Step},
    progress::{Observed, State},
    steps::{BuildId, LaunchInput, Launched, RenderInput, Rendered, Steps},
    stop::Stop,
};

/// The Pods that steps told of while they went on: by platform, with the attempt that each is of.
#[derive(Debug, Default)]
pub(super) struct Pods {
    known: BTreeMap<String, (u32, Launched)>,
    /// Content key of what is built, once it is known.
    key: Option<String>,
}

impl Pods {
    /// Notes what a step tells of, and says whether that has a Pod of this build.
    pub(super) fn note(&mut self, seen: &Observed) -> bool {
        let launched = seen.launched.as_ref().filter(|it| is_of(it, self.key.as_ref()));
        if let Some(launched) = launched {
            self.known.insert(seen.platform.clone(), (seen.attempt, launched.clone()));
        }
        launched.is_some()
    }

    /// Forgets those that build something else, and says whether there were any.
    fn only(&mut self, key: Option<&String>) -> bool {
        let before = self.known.len();
        self.known.retain(|_, (_, launched)| is_of(launched, key));
        self.key = key.cloned();
        self.known.len() < before
    }

    fn of(&self, id: &BuildId) -> Option<Launched> {
        let (_, launched) =
            self.known.get(&id.platform).filter(|(attempt, _)| *attempt == id.attempt)?;
        Some(launched.clone())
    }

    /// Whether an attempt's is known.
    pub(super) fn has(&self, platform: &str, attempt: u32) -> bool {
        self.known.get(platform).is_some_and(|(of, _)| *of == attempt)
    }
}

/// Whether a Pod builds what has this key. Of most it is not said, as they build nothing else.
fn is_of(launched: &Launched, key: Option<&String>) -> bool {
    launched.key.is_none() || key.is_none() || launched.key.as_ref() == key
}

impl Build<'_> {
    /// What is rendered, and what came of the first launch where that was done at once. It is taken
    /// back, and rendered alone, where someone pauses the container before its Pod is known. A clock
    /// that someone extends runs out, and the Pod is awaited by another step then.
    pub(super) async fn render_and_launch(
        &self,
        commit: &str,
        build: &BuildPlan,
    ) -> Result<Rendered, Stop> {
        let id = self.id(1);
        if !build.several().is_empty() || self.ctx.state(|s| s.is_held(&id)) {
            return self.render(commit, true).await;
        }
        let token = self.token.child_token();
        let input = RenderInput { launch: Some(self.clocks()), ..self.render_input(commit, true) };
        let (step, summary) = (Step::RenderAndLaunch, self.summary("render and build"));
        let options = self.policy().options(step, summary, token.clone());
        self.launching.borrow_mut().insert(String::new(), id.attempt);
        let rendered = self.ctx.execute_activity(Steps::render, input, options).fuse();
        let held = self.ctx.wait_condition(|s| s.is_held(&id)).fuse();
        pin_mut!(rendered, held);
        let rendered = select! {
            rendered = rendered => rendered,
            _ = held => {
                // A build that was begun before is rendered to the end: nothing is launched by that.
                if self.ctx.patched("rendering-is-taken-back") {
                    token.cancel_with_reason("someone paused this container");
                }
                rendered.await
            }
        };
        if !matches!(rendered, Err(ActivityExecutionError::Cancelled(_))) {
            self.launching.borrow_mut().remove("");
            return rendered.map(|rendered| self.only(rendered)).map_err(Stop::from);
        }
        if self.token.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        self.again.set(true);
        self.stands(State::Paused, None, None);
        Ok(self.only(self.render(commit, true).await?))
    }

    /// Forgets a Pod that an earlier rendering launched, and that builds something else.
    fn only(&self, rendered: Rendered) -> Rendered {
        let forgotten = self.ctx.state_mut(|s| s.pods.only(rendered.key.as_ref()));
        if forgotten || rendered.again {
            self.again.set(true);
        }
        rendered
    }

    /// The launch, once more for as long as someone has extended a clock by that ran out.
    pub(super) async fn launch(&self, mut input: LaunchInput) -> Result<Launched, Stop> {
        input.build.clocks = self.clocks();
        self.ctx.state_mut(|s| s.hold.begins());
        loop {
            let counted = self.ctx.state(|s| s.granted);
            let launched = self.launch_unless_held(&mut input, counted).await;
            let granted = self.ctx.state(|s| s.granted);
            match &launched {
                Err(stop) if granted != counted && is_late(stop, granted, counted) => {
                    let queued = granted.queued_since(counted);
                    input.build.clocks = Clocks { queued, ..self.clocks() };
                }
                _ => return launched,
            }
        }
    }

    /// The launch, held back while someone wants that. One that waits for room is taken back; it
    /// may have made its Pod at that moment, which the next launch finds by its name. So does the
    /// one after a worker that died; where the Pod is known, no other launch is needed.
    async fn launch_unless_held(
        &self,
        input: &mut LaunchInput,
        counted: Granted,
    ) -> Result<Launched, Stop> {
        let (id, mut lost) = (input.id.clone(), false);
        let known = || self.ctx.state(|s| s.pods.of(&id));
        loop {
            if self.ctx.state(|s| s.is_held(&id)) {
                self.wait_until_resumed(&id).await?;
            }
            if let Some(launched) = known() {
                return Ok(self.goes_on(launched));
            }
            let begun = self.ctx.workflow_time();
            let launched = self.launch_until_changed(input.clone(), counted, lost).await;
            let end = match launched {
                Err(error) => End::of(error, input.build.clocks.queued),
                Ok(launched) => End::Launched(launched),
            };
            match (end, known()) {
                (End::Stopped(stop), _) => return Err(stop),
                (End::Cancelled, _) if self.token.is_cancelled() => return Err(Stop::Cancelled),
                (End::Launched(launched), _) | (End::Cancelled | End::Lost, Some(launched)) => {
                    return Ok(self.goes_on(launched));
                }
                (End::Cancelled, None) => {}
                (End::Lost, None) => {
                    lost = true;
                    let passed = self.ctx.workflow_time().zip(begun);
                    let passed = passed.and_then(|(now, begun)| now.duration_since(begun).ok());
                    let passed = passed.unwrap_or_default().as_secs();
                    let queued = &mut input.build.clocks.queued;
                    *queued = queued.saturating_sub(passed);
                }
            }
            // What was taken back, or lost its worker, may have come to its end meanwhile.
            input.again = true;
        }
    }

    /// Notes that there is a Pod, which nothing holds back.
    pub(super) fn goes_on(&self, launched: Launched) -> Launched {
        self.launching.borrow_mut().remove(&self.platform);
        self.ctx.state_mut(|s| s.hold.passes(true));
        launched
    }

    /// One launch, until someone pauses it or, where its Pod is known, extends a clock of it.
    async fn launch_until_changed(
        &self,
        input: LaunchInput,
        counted: Granted,
        lost: bool,
    ) -> Result<Launched, ActivityExecutionError> {
        let (id, token) = (input.id.clone(), self.token.child_token());
        let is_extended = |s: &BuildContainer| s.granted != counted && s.pods.of(&id).is_some();
        let launched = self.launch_once(input, token.clone(), lost).fuse();
        let held = self.ctx.wait_condition(|s| s.is_held(&id)).fuse();
        let extended = self.ctx.wait_condition(is_extended).fuse();
        pin_mut!(launched, held, extended);
        let why = select! {
            launched = launched => return launched,
            _ = held => "someone paused this container",
            _ = extended => "someone extended a clock",
        };
        token.cancel_with_reason(why);
        launched.await
    }

    async fn launch_once(
        &self,
        input: LaunchInput,
        token: WorkflowCancellationToken,
        lost: bool,
    ) -> Result<Launched, ActivityExecutionError> {
        let mut options = self.policy().options(Step::Launch, self.summary("build"), token);
        // What is launched already is not to wait behind what is not.
        options.priority = Some(match lost {
            true => policy::at_once(),
            false => policy::turn(&self.plan.app, &input.build),
        });
        let BuildId { platform, attempt, .. } = input.id.clone();
        self.launching.borrow_mut().insert(platform.clone(), attempt);
        let launched = self.ctx.execute_activity(Steps::launch, input, options).await;
        if !matches!(launched, Err(ActivityExecutionError::Cancelled(_))) {
            self.launching.borrow_mut().remove(&platform);
        }
        launched
    }
}

/// How a launch ended.
enum End {
    Launched(Launched),
    Cancelled,
    /// Its worker is not heard of any more.
    Lost,
    Stopped(Stop),
}

impl End {
    fn of(error: ActivityExecutionError, queued: u64) -> Self {
        let timeout = match &error {
            ActivityExecutionError::Cancelled(_) => return Self::Cancelled,
            ActivityExecutionError::Failed(failed) => failed.cause().and_then(|it| it.as_timeout()),
            _ => None,
        };
        match timeout.map(|timeout| timeout.timeout_type()) {
            Some(TimeoutType::Heartbeat) => Self::Lost,
            // It counts its own clock; where no worker took it in time, nobody did.
            Some(_) => Self::Stopped(Stop::because(
                FailureType::QuotaExceeded,
                format!(
                    "no place became free within {} (queued)",
                    humantime::format_duration(Duration::from_secs(queued))
                ),
            )),
            None => Self::Stopped(error.into()),
        }
    }
}

/// Whether a stop is that of a clock which was extended meanwhile.
fn is_late(stop: &Stop, granted: Granted, counted: Granted) -> bool {
    use FailureType::{DeadlineExceeded, ImagePullFailed, QuotaExceeded, Unschedulable};
    match stop.first().map(|first| first.kind) {
        Some(QuotaExceeded) => granted.queued_since(counted) > 0,
        Some(Unschedulable | ImagePullFailed | DeadlineExceeded) => true,
        _ => false,
    }
}
