//! An app's components as far as decisions about them go. Those that run are asked themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    decision::{Answer, Changed, Retry},
    desk::grant as grant_to,
    failure::FailureType,
    plan::{ComponentPlan, Plan},
    stop::Stop,
};

/// Where a component stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Running,
    Ended,
}

/// Component and container.
pub(super) type Name = (String, String);

/// The components.
#[derive(Debug, Default)]
pub(super) struct Parts {
    phases: BTreeMap<String, Phase>,
    /// Containers that are held back.
    pub(super) paused: BTreeSet<Name>,
    /// Containers that were cancelled before their component was begun.
    pub(super) cancelled: BTreeSet<Name>,
    /// What is to be tried again of components that have ended.
    again: BTreeMap<String, Vec<Retry>>,
    /// How many orders were sent.
    orders: u64,
    answers: BTreeMap<u64, Result<Vec<Changed>, String>>,
}

impl Parts {
    pub(super) fn of(plan: &Plan) -> Self {
        let names = plan.components.iter().map(|component| component.name.clone());
        Self { phases: names.map(|name| (name, Phase::Waiting)).collect(), ..Self::default() }
    }

    /// Where a component stands.
    pub(super) fn phase(&self, component: &str) -> Phase {
        self.phases.get(component).copied().unwrap_or(Phase::Ended)
    }

    /// The components that run.
    pub(super) fn running(&self) -> Vec<String> {
        let running = self.phases.iter().filter(|(_, phase)| **phase == Phase::Running);
        running.map(|(name, _)| name.clone()).collect()
    }

    /// Whether every container of a component is held back, so that it needs no room.
    pub(super) fn is_held(&self, component: &ComponentPlan) -> bool {
        let names = component.containers.iter();
        let names = names.map(|one| (component.name.clone(), one.container.clone()));
        let mut left = names.filter(|name| !self.cancelled.contains(name)).peekable();
        left.peek().is_some() && left.all(|name| self.paused.contains(&name))
    }

    /// A component is begun: its containers that are held back, and those that are cancelled.
    pub(super) fn begin(&mut self, component: &str) -> (Vec<String>, Vec<String>) {
        self.phases.insert(component.to_owned(), Phase::Running);
        let of = |names: &BTreeSet<Name>| {
            let of = names.iter().filter(|(of, _)| of == component);
            of.map(|(_, name)| name.clone()).collect()
        };
        (of(&self.paused), of(&self.cancelled))
    }

    pub(super) fn end(&mut self, component: &str) {
        self.phases.insert(component.to_owned(), Phase::Ended);
    }

    /// Whether every component has ended, and none is to be tried again.
    pub(super) fn is_over(&self) -> bool {
        self.again.is_empty() && self.phases.values().all(|phase| *phase == Phase::Ended)
    }

    /// A component that has ended is to be begun again, for this container.
    pub(super) fn want(&mut self, retry: Retry) {
        self.cancelled.remove(&(retry.component.clone(), retry.container.clone()));
        self.again.entry(retry.component.clone()).or_default().push(retry);
    }

    pub(super) fn is_wanted(&self, component: &str) -> bool {
        self.again.contains_key(component)
    }

    /// What is to be tried again of a component: then it is to be begun.
    pub(super) fn begin_again(&mut self, component: &str) -> Vec<Retry> {
        let wanted = self.again.remove(component).unwrap_or_default();
        if !wanted.is_empty() {
            self.phases.insert(component.to_owned(), Phase::Waiting);
        }
        wanted
    }

    /// What someone cancelled while its component ran stays so, unless it is wanted again.
    pub(super) fn keep_cancelled(&mut self, component: &str, stop: &Stop, wanted: &[Retry]) {
        let Stop::Failed(details) = stop else { return };
        let kept = details.failures.iter().filter(|failure| {
            failure.kind == FailureType::ContainerCancelled
                && failure.cause.is_none()
                && !wanted.iter().any(|retry| retry.container == failure.container)
        });
        self.cancelled.extend(kept.map(|one| (component.to_owned(), one.container.clone())));
    }

    /// The number of the next order.
    pub(super) fn order(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }

    /// Takes an answer; one that cannot be read is left out.
    pub(super) fn note(&mut self, payload: Value) {
        if let Ok(answer) = serde_json::from_value::<Answer>(payload) {
            self.answers.insert(answer.number, answer.outcome);
        }
    }

    pub(super) fn is_answered(&self, number: u64) -> bool {
        self.answers.contains_key(&number)
    }

    pub(super) fn take_answer(&mut self, number: u64) -> Option<Result<Vec<Changed>, String>> {
        self.answers.remove(&number)
    }
}

/// Puts what was given for one container into its component's document.
pub(super) fn grant(document: &mut Value, retry: &Retry) {
    let containers = document["component"]["containers"].as_array_mut();
    let mut containers = containers.into_iter().flatten();
    let container = containers.find(|one| one["name"] == retry.container.as_str());
    if let (Some(container), Some(given)) = (container, &retry.resources) {
        grant_to(container, given);
    }
}
