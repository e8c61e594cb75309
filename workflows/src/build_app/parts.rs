//! The components of an app, for decisions. A component that runs decides itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    decision::{Answer, Changed, Retry},
    desk::grant as grant_to,
    failure::FailureType,
    names,
    plan::{ComponentPlan, ContainerPlan, Plan},
    stop::Stop,
};

/// Where a component stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Running,
    Ended,
}

/// The components.
#[derive(Debug, Default)]
pub(super) struct Parts {
    phases: BTreeMap<String, Phase>,
    /// Paused containers, as `component/container`.
    pub(super) paused: BTreeSet<String>,
    /// Containers that a user cancelled before their component began.
    pub(super) cancelled: BTreeSet<String>,
    /// The retries of components that have ended.
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

    /// Whether every container of a component is paused, so that it needs no room.
    pub(super) fn is_held(&self, component: &ComponentPlan) -> bool {
        let names = component.containers.iter().map(ContainerPlan::path);
        let mut left = names.filter(|name| !self.cancelled.contains(name)).peekable();
        left.peek().is_some() && left.all(|name| self.paused.contains(&name))
    }

    /// Begins a component. Returns its paused and its cancelled containers.
    pub(super) fn begin(&mut self, component: &str) -> (Vec<String>, Vec<String>) {
        self.phases.insert(component.to_owned(), Phase::Running);
        let of = |names: &BTreeSet<String>| {
            let split = names.iter().filter_map(|name| name.split_once('/'));
            split.filter(|(of, _)| *of == component).map(|(_, name)| name.to_owned()).collect()
        };
        (of(&self.paused), of(&self.cancelled))
    }

    pub(super) fn end(&mut self, component: &str) {
        self.phases.insert(component.to_owned(), Phase::Ended);
    }

    /// Whether every component has ended, without open retries.
    pub(super) fn is_over(&self) -> bool {
        self.again.is_empty() && self.phases.values().all(|phase| *phase == Phase::Ended)
    }

    /// Retries a container of a component that has ended.
    pub(super) fn want(&mut self, retry: Retry) {
        self.cancelled.remove(&names::container(&retry.component, &retry.container));
        self.again.entry(retry.component.clone()).or_default().push(retry);
    }

    pub(super) fn is_wanted(&self, component: &str) -> bool {
        self.again.contains_key(component)
    }

    /// Takes the retries of a component. With any, it begins again.
    pub(super) fn begin_again(&mut self, component: &str) -> Vec<Retry> {
        let wanted = self.again.remove(component).unwrap_or_default();
        if !wanted.is_empty() {
            self.phases.insert(component.to_owned(), Phase::Waiting);
        }
        wanted
    }

    /// Keeps the containers that a user cancelled, unless they are retried.
    pub(super) fn keep_cancelled(&mut self, component: &str, stop: &Stop, wanted: &[Retry]) {
        let Stop::Failed(details) = stop else { return };
        let kept = details.failures.iter().filter(|failure| {
            failure.kind == FailureType::ContainerCancelled
                && failure.cause.is_none()
                && !wanted.iter().any(|retry| retry.container == failure.container)
        });
        self.cancelled.extend(kept.map(|one| names::container(component, &one.container)));
    }

    /// The number of the next order.
    pub(super) fn order(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }

    /// Takes an answer. An invalid one is ignored.
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

/// Sets the resources of a retry in the document of its component.
pub(super) fn grant(document: &mut Value, retry: &Retry) {
    let containers = document["component"]["containers"].as_array_mut();
    let mut containers = containers.into_iter().flatten();
    let container = containers.find(|one| one["name"] == retry.container.as_str());
    if let (Some(container), Some(given)) = (container, &retry.resources) {
        grant_to(container, given);
    }
}
