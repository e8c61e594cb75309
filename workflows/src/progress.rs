//! The progress of a build: the answer of the query `progress`.

mod markdown;
mod platforms;
mod state;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{platforms::PlatformProgress, state::State};
use crate::{
    bounds,
    failure::{FailureType, head},
    names,
    output::{BuildOutput, ContainerImage},
    plan::{ComponentPlan, Plan},
    stop::Stop,
};

/// The progress of a build.
#[derive(Clone, Debug, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Name of the app.
    pub app: String,
    /// Version of the app.
    #[serde(default)]
    pub version: Option<String>,
    /// What the whole build waits for, such as `for approval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Since when, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// One per container, in plan order.
    pub containers: Vec<ContainerProgress>,
}

/// The progress of a container.
#[derive(Clone, Debug, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProgress {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// What it does or waits for.
    pub state: State,
    /// The reason in words.
    #[serde(default)]
    pub reason: Option<String>,
    /// Since when it waits, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The attempt.
    #[serde(default)]
    pub attempt: u32,
    /// The image, once it is there.
    #[serde(default)]
    pub reference: Option<String>,
    /// URL of the log of its failure in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The progress of each platform, if there are several. `state` is then that of the platform that
    /// is furthest behind, and `reason` names all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<PlatformProgress>,
}

impl ContainerProgress {
    /// What the workflow that a user started shows of it.
    pub(crate) fn observed(&self) -> Observed {
        Observed {
            component: self.component.clone(),
            container: self.container.clone(),
            state: self.state,
            reason: self.reason.clone().unwrap_or_default(),
            since: self.since.clone().unwrap_or_default(),
            reference: self.reference.clone(),
            log: self.log.clone(),
            ..Observed::default()
        }
    }

    /// The container among all containers of the app: `component/container`.
    pub fn path(&self) -> String {
        names::container(&self.component, &self.container)
    }

    /// Sets a state that needs no reason.
    pub fn set(&mut self, state: State) {
        (self.state, self.reason, self.since) = (state, None, None);
        self.settle();
    }
}

/// What a step sees a container wait for: the payload of the signal `observed`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Name of the component; empty where all of them wait.
    pub component: String,
    /// Name of the container; empty where all of them wait.
    pub container: String,
    /// The platform; empty if the container does not have several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// What it waits in.
    pub state: State,
    /// The reason in the words of the cluster.
    pub reason: String,
    /// Since when, as RFC 3339.
    pub since: String,
    /// The attempt; 0 before the first one.
    #[serde(default, skip_serializing_if = "is_none")]
    pub attempt: u32,
    /// The image, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where the log of its failure is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

fn is_none(attempt: &u32) -> bool {
    *attempt == 0
}

/// A reason, cut to the length of a row.
pub(crate) fn reason(text: &str) -> String {
    head(text, bounds::REASON_BYTES)
}

/// The reason of a wait for containers.
pub(crate) fn waits_for<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: BTreeSet<_> = names.map(String::as_str).collect();
    let names: Vec<_> = names.into_iter().collect();
    (!names.is_empty()).then(|| reason(&format!("for {}", names.join(", "))))
}

impl Progress {
    /// The progress before the build begins.
    pub fn of(plan: &Plan) -> Self {
        let containers = plan.components.iter().flat_map(|component| {
            component.containers.iter().map(|container| ContainerProgress {
                component: component.name.clone(),
                container: container.container.clone(),
                platforms: PlatformProgress::of(container.several()),
                ..ContainerProgress::default()
            })
        });
        Self {
            app: plan.app.clone(),
            version: plan.version.clone(),
            containers: containers.collect(),
            ..Self::default()
        }
    }

    /// The containers of a component, or the one that is named.
    pub fn rows<'a>(
        &'a mut self,
        component: &'a str,
        container: Option<&'a str>,
    ) -> impl Iterator<Item = &'a mut ContainerProgress> {
        self.containers.iter_mut().filter(move |row| {
            row.component == component && container.is_none_or(|name| row.container == name)
        })
    }

    /// Shows which containers of a component wait for other containers of it.
    pub(crate) fn wait(&mut self, component: &ComponentPlan) {
        for container in &component.containers {
            let Some(reason) = waits_for(component.own(container)) else { continue };
            for row in self.rows(&component.name, Some(&container.container)) {
                if !row.state.is_final() && row.state != State::Paused {
                    (row.state, row.reason) = (State::Waiting, Some(reason.clone()));
                }
            }
        }
    }

    /// Sets the state of every container.
    pub fn set_all(&mut self, state: State) {
        self.containers.iter_mut().for_each(|row| row.set(state));
    }

    /// Shows an image that exists.
    pub(crate) fn has(&mut self, image: &ContainerImage) {
        for row in self.rows(&image.component, Some(&image.container)) {
            row.set(State::Done);
            row.reference = Some(image.reference.clone());
        }
    }

    /// Sets the state and the reason of the containers of a component.
    pub(crate) fn set(&mut self, component: &str, state: State, reason: Option<&String>) {
        for row in self.rows(component, None) {
            row.set(state);
            row.reason = reason.cloned();
        }
    }

    /// Shows how the containers of a component ended.
    pub fn end(&mut self, component: &str, outcome: &Result<BuildOutput, Stop>) {
        let (images, failures, other) = match outcome {
            Ok(output) => (output.images.as_slice(), &[][..], State::Done),
            Err(Stop::Failed(details)) => {
                (details.images.as_slice(), details.failures.as_slice(), State::Failed)
            }
            Err(Stop::Cancelled) => (&[][..], &[][..], State::Cancelled),
        };
        for row in self.rows(component, None) {
            let image = images.iter().find(|image| image.container == row.container);
            let failure = failures.iter().find(|failure| failure.container == row.container);
            row.state = match failure.map(|failure| failure.kind) {
                _ if image.is_some() => State::Done,
                Some(FailureType::ContainerCancelled) => State::Cancelled,
                _ => other,
            };
            row.settle();
            row.since = None;
            row.reference = image.map(|image| image.reference.clone());
            row.log = failure.and_then(|failure| failure.log.clone());
            row.reason = failure.map(|failure| reason(&failure.message));
            let attempts = image.map(|image| image.attempts);
            row.attempt = attempts.or(failure.and_then(|failure| failure.attempt)).unwrap_or(0);
        }
    }

    /// Shows the payload of the signal `observed`. An invalid payload is ignored, as it must not stop a
    /// build.
    pub fn observe(&mut self, payload: Value) {
        if let Ok(observed) = serde_json::from_value(payload) {
            self.note(&observed);
        }
    }

    /// Shows what a step saw.
    pub fn note(&mut self, observed: &Observed) {
        let is_for = |name: &str, wanted: &str| wanted.is_empty() || name == wanted;
        for row in &mut self.containers {
            let is_meant = is_for(&row.component, &observed.component)
                && is_for(&row.container, &observed.container);
            if is_meant && !observed.platform.is_empty() && !row.state.is_final() {
                let why = Some(reason(&observed.reason)).filter(|reason| !reason.is_empty());
                row.stand(&observed.platform, observed.state, why, None);
            } else if is_meant && !row.state.is_final() {
                row.state = observed.state;
                row.attempt = row.attempt.max(observed.attempt);
                row.reason = Some(reason(&observed.reason)).filter(|reason| !reason.is_empty());
                row.since =
                    Some(head(&observed.since, bounds::TERM)).filter(|since| !since.is_empty());
                row.reference = observed.reference.clone();
                row.log = observed.log.clone();
            }
        }
    }
}
