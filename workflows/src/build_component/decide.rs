//! Decisions about the containers of a component.

use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;
use temporalio_workflow::{TimerResult, WorkflowContext, join_all};

use super::BuildComponent;
use crate::{
    BuildApp, BuildContainer,
    build::{json_of, raw},
    decision::{Answer, Changed, Decision, Order, Refusal},
    desk::Standing,
    names::child_workflow_id,
    policy,
    progress::State,
};

type Ctx = WorkflowContext<BuildComponent>;

impl BuildComponent {
    /// Checks a decision.
    pub(super) fn check(&self, decision: &Decision) -> Result<(), Refusal> {
        decision.check(&self.progress)?;
        if self.ended && matches!(decision, Decision::Retry(_)) {
            return Err("a failure has ended the build, as `failFast` is set".into());
        }
        let row = self.progress.containers.iter();
        let mut row = row.filter(|row| decision.is_about(&row.component, &row.container));
        let is_begun = row.next().is_some_and(|row| row.state != State::Waiting);
        if matches!(decision, Decision::Extend(_)) && !is_begun {
            return Err("it is not being built yet; its timeouts do not run".into());
        }
        Ok(self.desk.check(decision)?)
    }

    /// Follows a decision and shows it. Returns the changed containers.
    fn take(&mut self, decision: &Decision) -> Vec<Changed> {
        let changed = self.desk.follow(decision);
        for (index, row) in self.progress.containers.iter_mut().enumerate() {
            if !changed.contains(&index) {
                continue;
            }
            match &self.desk.standing[index] {
                // Its own workflow says what it does.
                Standing::Running(_) => {}
                Standing::Waiting if self.desk.is_paused(index) => row.set(State::Paused),
                Standing::Waiting => row.set(State::Waiting),
                Standing::Undecided => row.state = State::Undecided,
                Standing::Ended(_) if row.state == State::Undecided => row.state = State::Failed,
                Standing::Ended(_) => row.set(State::Cancelled),
            }
        }
        let component = self.progress.containers.first().map(|row| row.component.clone());
        let component = component.unwrap_or_default();
        let told = |index| Changed {
            name: format!("{component}/{}", self.desk.names[index]),
            runs: matches!(self.desk.standing[index], Standing::Running(_)),
        };
        changed.into_iter().map(told).collect()
    }
}

/// Follows a decision of a user.
pub(super) async fn follow(ctx: &Ctx, decision: Decision) -> Result<String, Refusal> {
    let names = take(ctx, &decision)?;
    pass_on(ctx, &decision).await;
    Ok(decision.done(&names))
}

/// Follows a decision that the parent passes on, and answers it.
pub(super) async fn obey(ctx: &Ctx, order: &RawValue) {
    let Ok(order) = serde_json::from_value::<Order>(json_of(order)) else { return };
    if ctx.wait_condition(|s| s.desk.is_open()).await.is_err() {
        return;
    }
    let outcome = take(ctx, &order.decision).map_err(|refusal| refusal.to_string());
    let is_done = outcome.is_ok();
    if let Some(asker) = &order.asker {
        let answer: Value = json!(Answer { number: order.number, outcome });
        let asker = ctx.external_workflow(asker.clone(), None);
        // An asker that has ended does not wait.
        let _ = asker.signal(BuildApp::answered, raw(&answer), Default::default()).await;
    }
    if is_done {
        pass_on(ctx, &order.decision).await;
    }
}

fn take(ctx: &Ctx, decision: &Decision) -> Result<Vec<Changed>, Refusal> {
    ctx.state(|s| s.check(decision))?;
    let (names, details) = ctx.state_mut(|s| (s.take(decision), s.progress.markdown()));
    ctx.set_current_details(details);
    Ok(names)
}

/// Passes a decision on to the containers that run: they know their launch and their timeouts.
async fn pass_on(ctx: &Ctx, decision: &Decision) {
    if matches!(decision, Decision::Cancel(_) | Decision::Retry(_)) {
        return;
    }
    let order = Order { decision: decision.clone(), asker: None, number: 0 };
    let order = &raw(&json!(order));
    let names = ctx.state(|s| s.desk.running(decision));
    join_all(names.iter().map(|name| pass_on_to(ctx, decision, order, name))).await;
}

/// Passes a decision on to a container. Its workflow may not have started yet, or may have ended.
async fn pass_on_to(ctx: &Ctx, decision: &Decision, order: &RawValue, name: &String) {
    const TRIES: u32 = 3;
    let id = child_workflow_id(ctx.workflow_id(), name);
    for _ in 0..TRIES {
        let child = ctx.external_workflow(id.clone(), None);
        let told = child.signal(BuildContainer::decided, order.clone(), Default::default()).await;
        let runs = || ctx.state(|s| s.desk.running(decision).contains(name));
        if told.is_ok() || !runs() || ctx.timer(policy::ID_RETRY).await == TimerResult::Cancelled {
            return;
        }
    }
}
