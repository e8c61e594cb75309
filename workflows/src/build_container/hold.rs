//! Holding a container back before it is launched.

use temporalio_workflow::WaitConditionOptions;

use super::{Build, BuildContainer};
use crate::{
    build::{now, tell},
    decision::Refusal,
    progress::{Observed, State},
    steps::BuildId,
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

    /// Notes that it has a Pod, where that is so.
    pub(super) fn passes(&mut self, past: bool) {
        self.past |= past;
    }

    /// Notes that another launch is to come.
    pub(super) fn begins(&mut self) {
        self.past = false;
    }
}

impl BuildContainer {
    /// Whether an attempt is to be held back now. One that has a Pod is not.
    pub(super) fn is_held(&self, id: &BuildId) -> bool {
        self.hold.held && !self.pods.has(&id.platform, id.attempt)
    }
}

impl Build<'_> {
    pub(super) async fn wait_until_resumed(&self, id: &BuildId) -> Result<(), Stop> {
        self.stands(State::Paused, None, None);
        self.tell(State::Paused).await;
        let mut options = WaitConditionOptions::default();
        options.cancellation_token = Some(self.token.clone());
        let may = |s: &BuildContainer| !s.is_held(id);
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
                since: now(self.ctx),
                ..Observed::default()
            };
            tell(self.ctx, &resolved.root, seen).await;
        }
    }
}
