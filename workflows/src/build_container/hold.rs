//! Holding a container back before it is launched.

use futures::{FutureExt, pin_mut};
use temporalio_workflow::{WaitConditionOptions, WorkflowCancellationToken, select};

use super::{Build, BuildContainer};
use crate::{
    build::{now, tell},
    decision::Refusal,
    policy::{self, Step},
    progress::{Observed, State},
    steps::{LaunchInput, Launched, Steps},
    stop::Stop,
};

/// Whether a container is held back.
#[derive(Debug, Default)]
pub(super) struct Hold {
    held: bool,
    /// Whether it has a Pod or needs none, so that there is nothing to hold back.
    past: bool,
}

impl Hold {
    /// Why it cannot be changed, where that is so.
    pub(super) fn check(&self, hold: bool) -> Result<(), Refusal> {
        match (hold, self.held) {
            (true, _) if self.past => Err("it is launched already".into()),
            (true, true) => Err("it is paused already".into()),
            (false, false) => Err("it is not paused".into()),
            _ => Ok(()),
        }
    }

    pub(super) fn set(&mut self, hold: bool) {
        self.held = hold;
    }
}

impl Build<'_> {
    /// The launch, held back while someone wants that. One that waits for room is taken back; it
    /// may have made its Pod at that moment, which the next launch finds by its name.
    pub(super) async fn launch_unless_held(&self, input: LaunchInput) -> Result<Launched, Stop> {
        self.ctx.state_mut(|s| s.hold.past = false);
        loop {
            if self.ctx.state(|s| s.hold.held) {
                self.wait_until_resumed().await?;
            }
            let token = self.token.child_token();
            let launched = self.launch_once(input.clone(), token.clone()).fuse();
            let held = self.ctx.wait_condition(|s| s.hold.held).fuse();
            pin_mut!(launched, held);
            let launched = select! {
                launched = launched => launched,
                _ = held => {
                    token.cancel_with_reason("someone paused this container");
                    launched.await
                }
            };
            let taken_back = matches!(launched, Err(Stop::Cancelled)) && !self.token.is_cancelled();
            if !taken_back {
                self.ctx.state_mut(|s| s.hold.past = launched.is_ok());
                return launched;
            }
        }
    }

    async fn launch_once(
        &self,
        input: LaunchInput,
        token: WorkflowCancellationToken,
    ) -> Result<Launched, Stop> {
        let mut options = self.policy().options(Step::Launch, self.summary("launch"), token);
        options.priority = Some(policy::turn(&self.plan.app, &input.build));
        let platform = input.id.platform.clone();
        self.launching.borrow_mut().insert(platform.clone());
        let launched = self.ctx.execute_activity(Steps::launch, input, options).await;
        let launched = launched.map_err(Stop::from);
        if !matches!(launched, Err(Stop::Cancelled)) {
            self.launching.borrow_mut().remove(&platform);
        }
        launched
    }

    async fn wait_until_resumed(&self) -> Result<(), Stop> {
        self.stands(State::Paused, None, None);
        self.tell(State::Paused).await;
        let mut options = WaitConditionOptions::default();
        options.cancellation_token = Some(self.token.clone());
        let may = |s: &BuildContainer| !s.hold.held;
        let resumed = self.ctx.wait_condition_with_options(may, options).await;
        resumed.map_err(|_| Stop::Cancelled)?;
        self.stands(State::Queued, None, None);
        self.tell(State::Queued).await;
        Ok(())
    }

    /// Tells the workflow that someone started.
    async fn tell(&self, state: State) {
        if let Some(resolved) = &self.split.resolved {
            let seen = Observed {
                component: self.plan.component.clone(),
                container: self.plan.container.clone(),
                platform: self.platform.clone(),
                state,
                reason: String::new(),
                since: now(self.ctx),
            };
            tell(self.ctx, &resolved.root, seen).await;
        }
    }
}
