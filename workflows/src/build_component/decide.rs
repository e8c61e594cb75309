//! What is decided about a component's containers.

use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;
use temporalio_workflow::{TimerResult, WorkflowContext, join_all};

use super::BuildComponent;
use crate::{
    BuildApp, BuildContainer,
    build::{json_of, raw},
    consent::Asks,
    decision::{Answer, Approve, Changed, Decision, Order, Refusal},
    desk::Standing,
    names::child_workflow_id,
    policy,
    progress::{Progress, State},
};

type Ctx = WorkflowContext<BuildComponent>;

impl Asks for BuildComponent {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn answer(&self) -> Option<&Approve> {
        self.consent.as_ref()
    }
}

impl BuildComponent {
    /// Why a decision is refused, where that is so.
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

    /// Follows a decision and shows it; gives the containers for which it changed something.
    fn take(&mut self, decision: &Decision) -> Vec<Changed> {
        let changed = self.desk.follow(decision);
        for (index, row) in self.progress.containers.iter_mut().enumerate() {
            if !changed.contains(&index) {
                continue;
            }
            match self.desk.standing(index) {
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
            name: format!("{component}/{}", self.desk.name(index)),
            runs: matches!(self.desk.standing(index), Standing::Running(_)),
        };
        changed.into_iter().map(told).collect()
    }
}

/// Follows a decision of whoever asks this workflow.
pub(super) async fn follow(ctx: &Ctx, decision: Decision) -> Result<String, Refusal> {
    let names = take(ctx, &decision)?;
    pass_on(ctx, &decision).await;
    Ok(decision.done(&names))
}

/// Follows a decision of whoever asked the parent, and answers it.
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
        // Where it has ended nobody waits any more.
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

/// Containers that run hold themselves back before they are launched, and keep their timeouts.
async fn pass_on(ctx: &Ctx, decision: &Decision) {
    if matches!(decision, Decision::Cancel(_) | Decision::Retry(_)) {
        return;
    }
    let order = Order { decision: decision.clone(), asker: None, number: 0 };
    let order = &raw(&json!(order));
    let names = ctx.state(|s| s.desk.running(decision));
    join_all(names.iter().map(|name| pass_on_to(ctx, decision, order, name))).await;
}

/// It may be about to start, and is held back here until then. Where it has ended there is nothing
/// to hold back.
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
