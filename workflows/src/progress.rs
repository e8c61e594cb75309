//! Where a build stands: the answer of the query `progress`.

mod markdown;
mod platforms;
mod state;

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub use self::{platforms::PlatformProgress, state::State};
use serde_json::Value;

use crate::{
    bounds,
    failure::{FailureType, head},
    output::{BuildOutput, ContainerImage},
    plan::{Outline, OutlinedComponent},
    stop::Stop,
};

/// Where a build stands.
#[derive(Clone, Debug, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Name of the app.
    pub app: String,
    /// Version of the app.
    #[serde(default)]
    pub version: Option<String>,
    /// What the build as a whole waits for, as `for approval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Since when, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// One per container, in plan order.
    pub containers: Vec<ContainerProgress>,
}

/// Where a container stands.
#[derive(Clone, Debug, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProgress {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// What it does or waits for.
    pub state: State,
    /// Why, in words, where there is something to say.
    #[serde(default)]
    pub reason: Option<String>,
    /// Since when it waits for that, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Which attempt.
    #[serde(default)]
    pub attempt: u32,
    /// The image, once it is there.
    #[serde(default)]
    pub reference: Option<String>,
    /// Where the log of its failure is: an URL of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Where each platform stands, where there are several. `state` is then that of the one that is
    /// furthest behind, and `reason` tells of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<PlatformProgress>,
}

impl ContainerProgress {
    /// Puts it into a state that needs no reason.
    pub fn set(&mut self, state: State) {
        (self.state, self.reason, self.since) = (state, None, None);
        self.settle();
    }
}

/// What a step saw a container wait for: the payload of the signal `observed`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Name of the component; empty where all of them wait.
    pub component: String,
    /// Name of the container; empty where all of them wait.
    pub container: String,
    /// Which one of several platforms; empty where a container has one image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// What it waits in.
    pub state: State,
    /// Why, in the cluster's own words.
    pub reason: String,
    /// Since when, as RFC 3339.
    pub since: String,
    /// Which attempt; 0 where there is none yet.
    #[serde(default, skip_serializing_if = "is_none")]
    pub attempt: u32,
    /// The image, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where the log of its failure is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none(attempt: &u32) -> bool {
    *attempt == 0
}

impl From<ContainerProgress> for Observed {
    fn from(row: ContainerProgress) -> Self {
        Self {
            component: row.component,
            container: row.container,
            state: row.state,
            reason: row.reason.unwrap_or_default(),
            since: row.since.unwrap_or_default(),
            reference: row.reference,
            log: row.log,
            ..Self::default()
        }
    }
}

impl Observed {
    /// What a signal brought; none where it cannot be read: a signal from outside must never hold
    /// up a build.
    pub fn read(payload: Value) -> Option<Self> {
        serde_json::from_value(payload).ok()
    }
}

/// A reason as a row holds it: the rows of 500 containers travel together.
pub(crate) fn reason(text: &str) -> String {
    head(text, bounds::REASON_BYTES)
}

/// What is waited for, in words, where it is something.
pub(crate) fn waits_for<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: BTreeSet<_> = names.map(String::as_str).collect();
    let names: Vec<_> = names.into_iter().collect();
    (!names.is_empty()).then(|| reason(&format!("for {}", names.join(", "))))
}

impl Progress {
    /// Nothing was begun.
    pub fn of(outline: &Outline) -> Self {
        let containers = outline.components.iter().flat_map(|component| {
            component.containers.iter().map(|container| ContainerProgress {
                component: component.name.clone(),
                container: container.name.clone(),
                platforms: PlatformProgress::of(&container.platforms),
                ..ContainerProgress::default()
            })
        });
        Self {
            app: outline.app.clone(),
            version: outline.version.clone(),
            waiting: None,
            since: None,
            containers: containers.collect(),
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

    /// Notes of a component that is begun which of its containers wait for others of it.
    pub(crate) fn wait(&mut self, component: &OutlinedComponent) {
        for container in &component.containers {
            let Some(reason) = waits_for(component.own(container)) else { continue };
            for row in self.rows(&component.name, Some(&container.name)) {
                if !row.state.is_final() && row.state != State::Paused {
                    (row.state, row.reason) = (State::Waiting, Some(reason.clone()));
                }
            }
        }
    }

    /// Puts every container into a state.
    pub fn set_all(&mut self, state: State) {
        self.containers.iter_mut().for_each(|row| row.set(state));
    }

    /// Notes an image that is there.
    pub(crate) fn has(&mut self, image: &ContainerImage) {
        for row in self.rows(&image.component, Some(&image.container)) {
            row.set(State::Done);
            row.reference = Some(image.reference.clone());
        }
    }

    /// Puts a component's containers into a state.
    pub fn set(&mut self, component: &str, state: State) {
        self.set_for(component, state, None);
    }

    /// Puts a component's containers into a state, and says why.
    pub(crate) fn set_for(&mut self, component: &str, state: State, reason: Option<&String>) {
        for row in self.rows(component, None) {
            row.set(state);
            row.reason = reason.cloned();
        }
    }

    /// Notes how a component's build ended, container by container.
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

    /// Notes what a step saw. What cannot be read is left out.
    pub fn observe(&mut self, payload: Value) {
        if let Some(observed) = Observed::read(payload) {
            self.note(&observed);
        }
    }

    /// Notes what a step saw.
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
