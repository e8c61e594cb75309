//! Keeping a container from being launched.

use std::collections::BTreeSet;

use temporalio_workflow::WaitConditionOptions;

use super::{observed, walk::Walk};
use crate::{build::report, decision::Refusal, plan::ContainerPlan, progress::State, stop::Stop};

/// Whether a container is paused.
#[derive(Debug, Default)]
pub(super) struct Pause {
    is_paused: bool,
    /// How many Pods its current attempts have: one per platform.
    pods: usize,
    /// The platforms whose Pod is launched; one with an empty name where there is one image.
    launched: BTreeSet<String>,
}

impl Pause {
    pub(super) fn of(plan: &ContainerPlan) -> Self {
        let several = plan.work.as_build().map_or(0, |build| build.several().len());
        Self { pods: several.max(1), ..Self::default() }
    }

    /// Why it cannot be paused or resumed, where that is so.
    pub(super) fn check(&self, pause: bool) -> Result<(), Refusal> {
        match (pause, self.is_paused) {
            (true, _) if self.launched.len() >= self.pods.max(1) => {
                Err("it is launched already".into())
            }
            (true, true) => Err("it is paused already".into()),
            (false, false) => Err("it is not paused".into()),
            _ => Ok(()),
        }
    }

    pub(super) fn set(&mut self, paused: bool) {
        self.is_paused = paused;
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_paused
    }

    /// Notes whether the current attempt for a platform has its Pod.
    pub(super) fn note(&mut self, platform: &str, is_launched: bool) {
        match is_launched {
            true => drop(self.launched.insert(platform.to_owned())),
            false => drop(self.launched.remove(platform)),
        }
    }
}

impl Walk<'_> {
    /// Waits until the container is resumed. True where it was paused.
    pub(super) async fn wait_while_paused(&self) -> Result<bool, Stop> {
        if !self.ctx.state(|s| s.pause.is_on()) {
            return Ok(false);
        }
        self.paused(State::Paused).await;
        let mut options = WaitConditionOptions::default();
        options.cancellation_token = Some(self.token.clone());
        let resumed = self.ctx.wait_condition_with_options(|s| !s.pause.is_on(), options).await;
        resumed.map_err(|_| Stop::Cancelled)?;
        self.paused(State::Queued).await;
        Ok(true)
    }

    async fn paused(&self, state: State) {
        self.stands(state, None, None);
        if let Some(resolved) = &self.split.resolved {
            let mut seen = observed(self.ctx, self.plan, state);
            seen.platform.clone_from(&self.platform);
            report(self.ctx, &resolved.root, seen).await;
        }
    }
}
