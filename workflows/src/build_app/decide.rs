//! Decisions about the containers of an app. A component that runs decides about its own.

use serde_json::json;
use temporalio_workflow::{TimerResult, WorkflowContext, join_all};

use super::{BuildApp, parts::Phase};
use crate::{
    BuildComponent,
    build::raw,
    decision::{Changed, Decision, Order, Refusal, Retry},
    names::child_workflow_id,
    policy,
    progress::{ContainerProgress, State},
};

type Ctx = WorkflowContext<BuildApp>;

impl BuildApp {
    /// Checks a decision as far as the app knows.
    pub(super) fn check(&self, decision: &Decision) -> Result<(), Refusal> {
        decision.check(&self.progress)?;
        if self.parts.is_over() {
            return Err("every container has ended, and the build with them".into());
        }
        if self.ended && matches!(decision, Decision::Retry(_)) {
            return Err("a failure has ended the build, as `failFast` is set".into());
        }
        let left = || self.meant(decision).filter(|row| !row.state.is_final());
        let is_paused = |row: &ContainerProgress| self.parts.paused.contains(&row.path());
        match decision {
            Decision::Pause(_) if left().next().is_none() => {
                Err("nothing of it is left to be launched".into())
            }
            Decision::Pause(_) if left().all(is_paused) => Err("it is paused already".into()),
            Decision::Resume(_) if !self.meant(decision).any(is_paused) => {
                Err("it is not paused".into())
            }
            Decision::Pause(_) | Decision::Resume(_) => Ok(()),
            Decision::Cancel(_) | Decision::Retry(_) | Decision::Extend(_) => {
                let row = self.meant(decision).next().ok_or("there is no such container")?;
                Ok(self.check_one(decision, row)?)
            }
        }
    }

    fn check_one(&self, decision: &Decision, row: &ContainerProgress) -> Result<(), String> {
        let name = format!("`{}`", row.path());
        match (decision, self.parts.phase(&row.component)) {
            (_, Phase::Running) => Ok(()),
            (Decision::Extend(_), Phase::Waiting) => {
                Err(format!("{name} is not being built; its timeouts do not run"))
            }
            (Decision::Retry(Retry { resources: Some(_), .. }), Phase::Waiting) => {
                Err(format!("{name} is still to be begun; retry it without resources"))
            }
            (Decision::Retry(_), Phase::Waiting) if row.state != State::Cancelled => {
                Err(format!("{name} is still to be begun"))
            }
            (Decision::Retry(_), Phase::Ended) if row.state == State::Done => {
                Err(format!("{name} is done; there is nothing to try again"))
            }
            (Decision::Retry(_), _) => Ok(()),
            _ if row.state.is_final() => Err(format!("{name} is {} already", row.state.words())),
            _ => Ok(()),
        }
    }

    fn meant<'a>(&'a self, decision: &'a Decision) -> impl Iterator<Item = &'a ContainerProgress> {
        let rows = self.progress.containers.iter();
        rows.filter(|row| decision.is_about(&row.component, &row.container))
    }

    /// Follows a decision for the components that do not run. Returns the changed containers.
    fn take(&mut self, decision: &Decision) -> Vec<Changed> {
        let mut changed = Vec::new();
        for row in &mut self.progress.containers {
            if !decision.is_about(&row.component, &row.container) {
                continue;
            }
            let (name, phase) = (row.path(), self.parts.phase(&row.component));
            let is_new = match decision {
                // A component that runs may refuse it.
                Decision::Pause(_) if phase == Phase::Running => false,
                Decision::Pause(_) => !row.state.is_final() && self.parts.paused.insert(name),
                Decision::Resume(_) => self.parts.paused.remove(&name),
                Decision::Cancel(_) => phase == Phase::Waiting && self.parts.cancelled.insert(name),
                Decision::Retry(retry) if phase == Phase::Ended => {
                    self.parts.want(retry.clone());
                    true
                }
                Decision::Retry(_) => self.parts.cancelled.remove(&name),
                Decision::Extend(_) => false,
            };
            if is_new && phase != Phase::Running {
                row.set(match decision {
                    Decision::Pause(_) => State::Paused,
                    Decision::Resume(_) | Decision::Retry(_) => State::Waiting,
                    Decision::Cancel(_) => State::Cancelled,
                    Decision::Extend(_) => continue,
                });
                changed.push(Changed { name: row.path(), runs: false });
            }
        }
        changed
    }

    /// Shows what a running component has changed.
    fn show_done(&mut self, decision: &Decision, changed: &[Changed]) {
        for row in &mut self.progress.containers {
            let name = row.path();
            let Some(Changed { runs, .. }) = changed.iter().find(|one| one.name == name) else {
                continue;
            };
            if matches!(decision, Decision::Pause(_)) {
                self.parts.paused.insert(name);
            }
            match decision {
                Decision::Pause(_) if !runs => row.set(State::Paused),
                Decision::Resume(_) if !runs => row.set(State::Waiting),
                Decision::Retry(_) => row.set(State::Waiting),
                Decision::Cancel(_) if row.state == State::Undecided => row.state = State::Failed,
                _ => {}
            }
        }
    }
}

/// Follows a decision, here and in the components that run.
pub(super) async fn follow(ctx: &Ctx, decision: Decision) -> Result<String, Refusal> {
    let mut changed = ctx.state_mut(|s| s.take(&decision));
    let is_meant = |component: &String| {
        ctx.state(|s| s.meant(&decision).any(|row| row.component == *component))
    };
    let running: Vec<_> = ctx.state(|s| s.parts.running()).into_iter().filter(is_meant).collect();
    let answers = join_all(running.iter().map(|component| order(ctx, component, &decision))).await;
    let mut refusal = None;
    for answer in answers {
        match answer {
            Ok(done) => {
                ctx.state_mut(|s| s.show_done(&decision, &done));
                changed.extend(done);
            }
            Err(why) => refusal = Some(why),
        }
    }
    if refusal.is_some() && changed.is_empty() {
        // Its component may have ended meanwhile. Then the app follows the decision.
        let is_valid = ctx.state(|s| s.check(&decision)).is_ok();
        changed = ctx.state_mut(|s| if is_valid { s.take(&decision) } else { Vec::new() });
    }
    ctx.set_current_details(ctx.state(|s| s.progress.markdown()));
    match refusal {
        Some(why) if changed.is_empty() => Err(why.into()),
        _ => Ok(decision.done(&changed)),
    }
}

/// Passes a decision on to a component, and waits for its answer.
async fn order(ctx: &Ctx, component: &str, decision: &Decision) -> Result<Vec<Changed>, String> {
    let ended = || "its component has ended meanwhile; ask again".to_owned();
    let runs = |s: &BuildApp| s.parts.phase(component) == Phase::Running;
    let number = ctx.state_mut(|s| s.parts.order());
    let asker = Some(ctx.workflow_id().to_owned());
    let order = raw(&json!(Order { decision: decision.clone(), asker, number }));
    let child = ctx.external_workflow(child_workflow_id(ctx.workflow_id(), component), None);
    // It may be about to start.
    while child.signal(BuildComponent::decided, order.clone(), Default::default()).await.is_err() {
        if !ctx.state(runs) {
            return Err(ended());
        }
        if ctx.timer(policy::ID_RETRY).await == TimerResult::Cancelled {
            return Err("the build is being cancelled".to_owned());
        }
    }
    let answered = ctx.wait_condition(|s| s.parts.is_answered(number) || !runs(s)).await;
    let answer = ctx.state_mut(|s| s.parts.take_answer(number));
    match answered {
        Ok(()) => answer.unwrap_or_else(|| Err(ended())),
        Err(_) => Err("the build is being cancelled".to_owned()),
    }
}
