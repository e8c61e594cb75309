//! Builds the containers of a component, until none is left and no decision is open.

use std::{cell::RefCell, time::Duration};

use futures::{FutureExt, pin_mut};
use temporalio_workflow::{
    TimerOptions, WorkflowCancellationToken, WorkflowContext, join, join_all, select,
};

use super::BuildComponent;
use crate::{
    build::{now, report},
    desk::{CANCELLED, DONE, FAILED, Standing},
    failure::FailureType,
    output::BuildOutput,
    plan::{ContainerPlan, Plan},
    progress::State,
    spec::OnFailure,
    stop::Stop,
};

type Outcome = Result<BuildOutput, Stop>;

/// How each container ended the last time.
pub(super) type Outcomes = Vec<Option<Outcome>>;

/// The containers at work.
pub(super) struct Work<'a> {
    pub(super) ctx: &'a WorkflowContext<BuildComponent>,
    pub(super) plan: &'a Plan,
    pub(super) group: &'a WorkflowCancellationToken,
    pub(super) root: &'a str,
    pub(super) outcomes: RefCell<Outcomes>,
}

impl Work<'_> {
    /// Builds every container. The outcomes have the order of the component.
    pub(super) async fn run(
        self,
        build: impl AsyncFn(usize, WorkflowCancellationToken) -> Outcome,
    ) -> Vec<Outcome> {
        let containers = &self.plan.components[0].containers;
        let lanes = containers.len().min(self.plan.max_parallel as usize);
        let lanes = join_all((0..lanes).map(|_| self.lane(&build)));
        let asked = containers.iter().enumerate().filter(|_| self.waits());
        let timeouts = asked.map(|(index, container)| {
            self.decide_within(index, Duration::from_secs(container.work.timeouts().whole))
        });
        join!(lanes, join_all(timeouts));
        self.ctx.state_mut(|s| s.desk.close());
        let outcomes = self.outcomes.into_inner().into_iter().zip(containers);
        let component = self.plan.components[0].name.as_str();
        let never = |container: &ContainerPlan| Err(cancelled(component, &container.container));
        outcomes.map(|(outcome, one)| outcome.unwrap_or_else(|| never(one))).collect()
    }

    /// Whether a failed container waits for a decision.
    fn waits(&self) -> bool {
        self.plan.on_failure == OnFailure::Wait
    }

    async fn lane(&self, build: &impl AsyncFn(usize, WorkflowCancellationToken) -> Outcome) {
        loop {
            let ready = |s: &BuildComponent| s.desk.next().is_some() || s.desk.is_over();
            if self.ctx.wait_condition(ready).await.is_err() {
                self.ctx.state_mut(|s| s.desk.close());
            }
            let token = self.group.child_token();
            let Some(index) = self.ctx.state_mut(|s| {
                let index = s.desk.next()?;
                s.desk.standing[index] = Standing::Running(token.clone());
                Some(index)
            }) else {
                return;
            };
            let outcome = build(index, token).await;
            self.end(index, outcome).await;
        }
    }

    /// Records how a container ended.
    async fn end(&self, index: usize, outcome: Outcome) {
        let is_asked = self.ctx.state(|s| s.desk.is_cancelled(index));
        let component = self.plan.components[0].name.as_str();
        let container = &self.plan.components[0].containers[index];
        let name = &container.container;
        let is_begun = self.ctx.state(|s| s.bases.images(container.from().iter())).is_ok();
        let outcome = match outcome {
            Err(Stop::Cancelled) if is_asked => Err(cancelled(component, name)),
            outcome => outcome,
        };
        let standing = match &outcome {
            Ok(_) => Standing::Ended(DONE),
            Err(stop) if is_asked || matches!(stop, Stop::Cancelled) => Standing::Ended(CANCELLED),
            Err(_) if self.waits() && is_begun => Standing::Undecided,
            Err(_) => Standing::Ended(FAILED),
        };
        if self.plan.fail_fast && outcome.as_ref().is_err_and(Stop::is_of_itself) {
            self.ctx.state_mut(|s| {
                s.ended = true;
                s.desk.close();
            });
            self.group.cancel_with_reason("another container failed, and failFast is set");
        }
        let undecided = matches!(standing, Standing::Undecided);
        self.outcomes.borrow_mut()[index] = Some(outcome);
        self.ctx.state_mut(|s| s.desk.standing[index] = standing);
        if undecided {
            self.ask(component, name).await;
        } else if self.root != self.ctx.workflow_id() && !self.ctx.state(|s| s.desk.is_over()) {
            // The last container ends the component, which the root sees.
            self.report(component, name).await;
        }
    }

    /// Shows the root the state of a container.
    async fn report(&self, component: &str, name: &str) {
        let row = self
            .ctx
            .state_mut(|s| s.progress.rows(component, Some(name)).next().map(|row| row.observed()));
        if let Some(row) = row {
            report(self.ctx, self.root, row).await;
        }
    }

    /// Shows that a container waits for a user's decision.
    async fn ask(&self, component: &str, name: &str) {
        let since = now(self.ctx);
        let details = self.ctx.state_mut(|s| {
            for row in s.progress.rows(component, Some(name)) {
                (row.state, row.since) = (State::Undecided, Some(since.clone()));
            }
            s.progress.markdown()
        });
        self.ctx.set_current_details(details);
        if self.root != self.ctx.workflow_id() {
            self.report(component, name).await;
        }
    }

    /// Waits for each decision about a container at most as long as its whole timeout.
    async fn decide_within(&self, index: usize, whole: Duration) {
        loop {
            let asks = |s: &BuildComponent| s.desk.is_undecided(index) || s.desk.is_over();
            let asked = self.ctx.wait_condition(asks).await;
            if asked.is_err() || !self.ctx.state(|s| s.desk.is_undecided(index)) {
                return;
            }
            let timeout = WorkflowCancellationToken::new();
            let timer = TimerOptions::builder(whole)
                .cancellation_token(timeout.clone())
                .summary("a decision".to_owned())
                .build();
            let timer = self.ctx.timer(timer).fuse();
            let decided = self.ctx.wait_condition(|s| !s.desk.is_undecided(index)).fuse();
            pin_mut!(timer, decided);
            select! {
                decided = decided => {
                    timeout.cancel();
                    if decided.is_err() {
                        return; // The build is cancelled: a lane closes the desk.
                    }
                }
                _ = timer => self.give_up(index),
            };
        }
    }

    fn give_up(&self, index: usize) {
        let component = &self.plan.components[0];
        let details = self.ctx.state_mut(|s| {
            s.desk.standing[index] = Standing::Ended(FAILED);
            let name = &component.containers[index].container;
            s.progress.rows(&component.name, Some(name)).for_each(|row| row.state = State::Failed);
            s.progress.markdown()
        });
        self.ctx.set_current_details(details);
    }
}

pub(super) fn cancelled(component: &str, container: &str) -> Stop {
    let stop = Stop::because(FailureType::ContainerCancelled, "someone cancelled it");
    stop.of(component, container)
}
