//! What users decide about a running build: the payloads of the updates, which are the same in all
//! workflows. Public wire. Payloads are raw and read here, so that a wrong payload is refused and does
//! not fail the task of a workflow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;

use crate::{
    bounds::{self, at_most},
    build::json_of,
    checks,
    fault::{listed, quoted},
    names,
    plan::{Timeout, timeout_of},
    progress::{ContainerProgress, Progress},
    spec::ResourcesSpec,
};

/// Why a decision is refused, for the user.
pub(crate) type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Payload of `pause` and `resume`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Name of the component. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Name of the container. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

impl Scope {
    pub(crate) fn holds(&self, component: &str, container: &str) -> bool {
        let is = |wanted: &Option<String>, name| wanted.as_deref().is_none_or(|it| it == name);
        is(&self.component, component) && is(&self.container, container)
    }
}

/// Payload of `cancel_container`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Which {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
}

/// Payload of `retry_container`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// New resources of its Pod. Fields that are left out do not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
}

/// Payload of `extend`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Extend {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// Which timeout of its build.
    pub timeout: Timeout,
    /// How much longer it runs, such as `30m` or `1h 30m`: one second to 30 days.
    pub by: String,
}

impl Extend {
    /// The same in seconds.
    pub(crate) fn seconds(&self) -> Result<u64, String> {
        timeout_of(&self.by).ok_or_else(|| {
            let accepted = "a time from 1s to 30days, as `30m`";
            format!("by: {}; accepted is {accepted}", quoted(&self.by))
        })
    }
}

/// Payload of `approve`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// Rejects the delivery for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<String>,
}

/// A decision about containers, as a parent passes it on to a child.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Decision {
    Pause(Scope),
    Resume(Scope),
    Cancel(Which),
    Retry(Retry),
    Extend(Extend),
}

/// The payload of the signal `decided`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) decision: Decision,
    /// The workflow that waits for an [`Answer`].
    #[serde(default)]
    pub(crate) asker: Option<String>,
    /// Which of its orders it is.
    #[serde(default)]
    pub(crate) number: u64,
}

/// The payload of the signal `answered`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    pub(crate) number: u64,
    /// The changed containers, or why the decision is refused.
    pub(crate) outcome: Result<Vec<Changed>, String>,
}

/// A container for which a decision changed something.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changed {
    /// `component/container`.
    pub(crate) name: String,
    /// Whether its own workflow runs, which then shows the state.
    pub(crate) runs: bool,
}

/// Reads a decision. No payload counts as `{}`.
pub(crate) fn read<T: DeserializeOwned>(payload: &RawValue) -> Result<T, String> {
    let value = match json_of(payload) {
        Value::Null => json!({}),
        value => value,
    };
    serde_json::from_value(value).map_err(|error| format!("the payload is refused: {error}"))
}

impl Decision {
    /// Checks the names and the values of the decision.
    pub(crate) fn check(&self, progress: &Progress) -> Result<(), String> {
        let rows = &progress.containers;
        if rows.is_empty() {
            return Err("the build has not read its spec yet; ask again".to_owned());
        }
        if !rows.iter().any(|row| self.is_about(&row.component, &row.container)) {
            let names: Vec<_> = rows.iter().map(ContainerProgress::path).collect();
            let names = listed(names.iter().map(String::as_str), ", ");
            let wanted = quoted(&self.target());
            return Err(format!("there is no container {wanted}; there are {names}"));
        }
        match self {
            Self::Retry(Retry { resources: Some(resources), .. }) => quantities(resources),
            Self::Extend(extend) => extend.seconds().map(drop),
            _ => Ok(()),
        }
    }

    /// Whether it is about this container.
    pub(crate) fn is_about(&self, component: &str, container: &str) -> bool {
        match self {
            Self::Pause(scope) | Self::Resume(scope) => scope.holds(component, container),
            _ => self.target() == names::container(component, container),
        }
    }

    /// The containers that it names, as `component/container` with `*` for all.
    fn target(&self) -> String {
        let any = |name: &Option<String>| name.clone().unwrap_or("*".to_owned());
        match self {
            Self::Pause(Scope { component, container })
            | Self::Resume(Scope { component, container }) => {
                names::container(&any(component), &any(container))
            }
            Self::Cancel(Which { component, container })
            | Self::Retry(Retry { component, container, .. })
            | Self::Extend(Extend { component, container, .. }) => {
                names::container(component, container)
            }
        }
    }

    /// What was done, for the user.
    pub(crate) fn done(&self, changed: &[Changed]) -> String {
        let names = listed(changed.iter().map(|one| one.name.as_str()), ", ");
        match self {
            Self::Pause(_) => format!("not launched until they are resumed: {names}"),
            Self::Resume(_) => format!("resumed: {names}"),
            Self::Cancel(_) => format!("cancelled: {names}"),
            Self::Retry(Retry { resources: Some(resources), .. }) => {
                format!("tried again: {names} with {}", json!(resources))
            }
            Self::Retry(_) => format!("tried again: {names}"),
            Self::Extend(Extend { timeout, by, .. }) => {
                format!("extended: {names}, {} by {by}", timeout.word())
            }
        }
    }
}

impl Approve {
    /// Checks the reason.
    pub(crate) fn check(&self) -> Result<(), String> {
        let reason = self.reject.as_deref().unwrap_or("none");
        if reason.trim().is_empty() {
            return Err("reject: ``; accepted is a reason".to_owned());
        }
        let fault = |fault| format!("reject: the reason has {fault}");
        at_most(reason.len(), bounds::DECISION_BYTES, "bytes").map_err(fault)
    }
}

fn quantities(resources: &ResourcesSpec) -> Result<(), String> {
    for (name, value) in resources.named() {
        if let Some(value) = value {
            checks::quantity(value).map_err(|fault| format!("resources.{name}: {fault}"))?;
        }
    }
    Ok(())
}
