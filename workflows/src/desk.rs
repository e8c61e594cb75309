//! The states of a component's containers in its workflow, and the decisions of users about them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use temporalio_workflow::WorkflowCancellationToken;

use crate::{
    decision::{Decision, Retry},
    plan::ComponentPlan,
    spec::ResourcesSpec,
};

/// Where a container stands.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// It has not begun.
    Waiting,
    /// Its workflow runs. The token cancels it.
    Running(WorkflowCancellationToken),
    /// It failed, and waits for a user's decision.
    Undecided,
    /// It ended in this way.
    Ended(&'static str),
}

/// It has an image.
pub(crate) const DONE: &str = "is done";
/// It has no image.
pub(crate) const FAILED: &str = "has failed";
/// A user cancelled it.
pub(crate) const CANCELLED: &str = "is cancelled";

/// The containers of one component, by their place in it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    component: String,
    pub(crate) names: Vec<String>,
    pub(crate) standing: Vec<Standing>,
    /// The containers of the component that each is built from.
    from: Vec<Vec<usize>>,
    paused: BTreeSet<usize>,
    /// The containers that a user cancelled, without the build.
    cancelled: BTreeSet<usize>,
    /// New resources that users have set.
    pub(crate) resources: BTreeMap<usize, ResourcesSpec>,
    /// Whether it takes no more decisions.
    closed: bool,
}

impl Desk {
    /// No container has begun.
    pub(crate) fn of(component: &ComponentPlan) -> Self {
        let all = || component.containers.iter();
        let place = |base: &String| all().position(|one| one.path() == *base);
        Self {
            component: component.name.clone(),
            names: all().map(|one| one.container.clone()).collect(),
            standing: all().map(|_| Standing::Waiting).collect(),
            from: all().map(|one| one.from().iter().filter_map(place).collect()).collect(),
            ..Self::default()
        }
    }

    /// Whether the containers are known.
    pub(crate) fn is_open(&self) -> bool {
        !self.standing.is_empty()
    }

    /// The first container that can begin.
    pub(crate) fn next(&self) -> Option<usize> {
        let mut all = self.standing.iter().enumerate();
        let is_next = |(index, one): &(usize, &Standing)| {
            matches!(one, Standing::Waiting) && !self.is_paused(*index) && self.is_ready(*index)
        };
        all.find(is_next).map(|(index, _)| index)
    }

    /// Whether its bases have ended, or the build ends.
    fn is_ready(&self, index: usize) -> bool {
        let mut bases = self.from[index].iter();
        self.closed || bases.all(|base| matches!(self.standing[*base], Standing::Ended(_)))
    }

    /// Whether every container has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.standing.iter().all(|one| matches!(one, Standing::Ended(_)))
    }

    pub(crate) fn is_undecided(&self, index: usize) -> bool {
        matches!(self.standing[index], Standing::Undecided)
    }

    /// Ends all pauses and open decisions, as the build ends.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.paused.clear();
        for one in &mut self.standing {
            if matches!(one, Standing::Undecided) {
                *one = Standing::Ended(FAILED);
            }
        }
    }

    /// Pauses containers before the build begins.
    pub(crate) fn hold(&mut self, names: &[String]) {
        let all = self.names.iter().enumerate();
        self.paused.extend(all.filter(|(_, name)| names.contains(name)).map(|(index, _)| index));
    }

    /// Cancels containers before the build begins.
    pub(crate) fn skip(&mut self, names: &[String]) {
        for index in 0..self.names.len() {
            if names.contains(&self.names[index]) {
                self.standing[index] = Standing::Ended(CANCELLED);
                self.cancelled.insert(index);
            }
        }
    }

    /// Whether a user cancelled this container, without the build.
    pub(crate) fn is_cancelled(&self, index: usize) -> bool {
        self.cancelled.contains(&index)
    }

    /// Whether a container is paused.
    pub(crate) fn is_paused(&self, index: usize) -> bool {
        self.paused.contains(&index)
    }

    /// The running containers of a decision.
    pub(crate) fn running(&self, decision: &Decision) -> Vec<String> {
        let meant = self.meant(decision).into_iter();
        let running = meant.filter(|index| matches!(self.standing[*index], Standing::Running(_)));
        running.map(|index| self.names[index].clone()).collect()
    }

    fn meant(&self, decision: &Decision) -> Vec<usize> {
        let all = self.names.iter().enumerate();
        let meant = all.filter(|(_, name)| decision.is_about(&self.component, name));
        meant.map(|(index, _)| index).collect()
    }

    /// Checks a decision.
    pub(crate) fn check(&self, decision: &Decision) -> Result<(), String> {
        if self.closed {
            return Err("the build is ending".to_owned());
        }
        let meant = self.meant(decision);
        let Some(first) = meant.first() else {
            return Err("there is no such container".to_owned());
        };
        let name = format!("`{}/{}`", self.component, self.names[*first]);
        let is_left = |index: &usize| {
            matches!(self.standing[*index], Standing::Waiting | Standing::Running(_))
        };
        match (decision, &self.standing[*first]) {
            (Decision::Pause(_), _) if !meant.iter().any(is_left) => {
                Err("nothing of it is left to be launched".to_owned())
            }
            (Decision::Pause(_), _) if meant.iter().all(|index| self.is_paused(*index)) => {
                Err("it is paused already".to_owned())
            }
            (Decision::Resume(_), _) if !meant.iter().any(|index| self.is_paused(*index)) => {
                Err("it is not paused".to_owned())
            }
            (Decision::Cancel(_), Standing::Ended(how)) => Err(format!("{name} {how} already")),
            (Decision::Extend(_), Standing::Running(_)) => Ok(()),
            (Decision::Extend(_), Standing::Ended(how)) => Err(format!("{name} {how} already")),
            (Decision::Extend(_), _) => {
                Err(format!("{name} is not being built; its timeouts do not run"))
            }
            (Decision::Retry(_), Standing::Waiting) => Err(format!("{name} is still to be begun")),
            (Decision::Retry(_), Standing::Running(_)) => Err(format!("{name} is being built")),
            (Decision::Retry(_), Standing::Ended(how)) if *how == DONE => {
                Err(format!("{name} {how}; there is nothing to try again"))
            }
            _ => Ok(()),
        }
    }

    /// Follows a checked decision. Returns the changed containers.
    pub(crate) fn follow(&mut self, decision: &Decision) -> Vec<usize> {
        let meant = self.meant(decision);
        let changed = meant.into_iter().filter(|index| match decision {
            Decision::Pause(_) => {
                let ended = matches!(self.standing[*index], Standing::Ended(_));
                !ended && self.paused.insert(*index)
            }
            Decision::Resume(_) => self.paused.remove(index),
            Decision::Cancel(_) => {
                if !matches!(self.standing[*index], Standing::Undecided) {
                    self.cancelled.insert(*index);
                }
                self.standing[*index] = match &self.standing[*index] {
                    Standing::Running(token) => {
                        token.cancel_with_reason("someone cancelled this container");
                        return true;
                    }
                    Standing::Undecided => Standing::Ended(FAILED),
                    _ => Standing::Ended(CANCELLED),
                };
                true
            }
            Decision::Extend(_) => true,
            Decision::Retry(Retry { resources, .. }) => {
                self.standing[*index] = Standing::Waiting;
                self.cancelled.remove(index);
                if let Some(given) = resources {
                    self.resources.entry(*index).or_default().replace(given);
                }
                true
            }
        });
        changed.collect()
    }
}

/// Sets resources in a container's document.
pub(crate) fn grant(container: &mut Value, given: &ResourcesSpec) {
    let own = container.get("resources").cloned().unwrap_or_default();
    let mut resources: ResourcesSpec = serde_json::from_value(own).unwrap_or_default();
    resources.replace(given);
    container["resources"] = json!(resources);
}
