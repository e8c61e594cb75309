//! One build in a list.

use std::time::{Duration, SystemTime};

use kilnworks_workflows::build::{APP, COMMIT, COMPONENT, CONTAINER, OUTCOME, VERSION};
use serde::Serialize;
use temporalio_client::{WorkflowExecution, WorkflowExecutionStatus};

use crate::{
    builds::status,
    output::{table, units},
};

/// The outcome of a successful build.
const SUCCEEDED: &str = "succeeded";

/// One build in a list.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) run_id: String,
    pub(super) workflow_type: String,
    pub(super) app: Option<String>,
    pub(super) component: Option<String>,
    pub(super) container: Option<String>,
    pub(super) version: Option<String>,
    pub(super) commit: Option<String>,
    /// The status of the engine.
    pub(super) status: String,
    /// `succeeded`, `unchanged`, `cancelled` or a failure type, once the build has ended.
    pub(super) outcome: Option<String>,
    /// RFC 3339.
    pub(super) started: Option<String>,
    /// RFC 3339. None while the build is running.
    pub(super) ended: Option<String>,
    /// URL in the Temporal UI.
    pub(super) ui: Option<String>,
    #[serde(skip)]
    pub(super) age: Duration,
    #[serde(skip)]
    pub(super) time: Duration,
}

impl Listed {
    /// The build of a list entry.
    pub(super) fn of(one: &WorkflowExecution, page: impl Fn(&str) -> Option<String>) -> Self {
        let attributes = one.search_attributes();
        let now = SystemTime::now();
        let (started, ended) = (one.start_time(), one.close_time());
        let between = |from: Option<SystemTime>, to: Option<SystemTime>| {
            let time = to.unwrap_or(now).duration_since(from?).ok();
            Some(time.unwrap_or_default())
        };
        let written = |time| humantime::format_rfc3339_millis(time).to_string();
        Self {
            id: one.id().to_owned(),
            run_id: one.run_id().to_owned(),
            workflow_type: one.workflow_type().to_owned(),
            app: attributes.get(&APP),
            component: attributes.get(&COMPONENT),
            container: attributes.get(&CONTAINER),
            version: attributes.get(&VERSION),
            commit: attributes.get(&COMMIT),
            status: status::word(one.status()),
            outcome: match one.status() {
                WorkflowExecutionStatus::Running => None,
                _ => attributes.get(&OUTCOME),
            },
            started: started.map(written),
            ended: ended.map(written),
            ui: page(one.id()),
            age: between(started, None).unwrap_or_default(),
            time: between(started, ended).unwrap_or_default(),
        }
    }

    /// The name: `app`, `app/component` or `app/component/container`.
    fn what(&self) -> String {
        let parts = [&self.app, &self.component, &self.container];
        let parts: Vec<_> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join("/")
    }

    /// The outcome, or the status without an outcome.
    fn state(&self) -> &str {
        match (&self.outcome, self.status.as_str()) {
            (Some(outcome), _) => outcome,
            (None, "completed") => SUCCEEDED,
            (None, "canceled") => "cancelled",
            (None, status) => status,
        }
    }
}

/// The table of builds.
pub(super) fn table(listed: &[Listed]) -> String {
    let row = |one: &Listed| {
        vec![
            one.id.clone(),
            one.what(),
            one.version.clone().unwrap_or_else(|| "-".to_owned()),
            one.state().to_owned(),
            units::age(one.age),
            units::seconds(one.time.as_secs_f64()),
        ]
    };
    let header = ["ID", "WHAT", "VERSION", "STATE", "BEGAN", "TIME"];
    table::rows(&header, listed.iter().map(row))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Listed, table};

    fn one(id: &str, status: &str, outcome: Option<&str>, age: u64, time: u64) -> Listed {
        Listed {
            id: id.to_owned(),
            app: Some("shop".to_owned()),
            status: status.to_owned(),
            outcome: outcome.map(str::to_owned),
            age: Duration::from_secs(age),
            time: Duration::from_secs(time),
            ..Listed::default()
        }
    }

    #[test]
    fn a_list_has_one_line_per_build() {
        let mut listed = [
            one("shop-1.3.0", "running", None, 42, 42),
            one("shop-1.2.0/web/server", "failed", Some("BuildFailed"), 4000, 12),
            one("shop-1.1.0", "completed", None, 300_000, 100),
            one("shop-1.0.0", "terminated", None, 90_000, 100),
            one("shop-0.9.0", "canceled", None, 3_000_000, 7),
        ];
        listed[0].version = Some("1.3.0".to_owned());
        listed[1].component = Some("web".to_owned());
        listed[1].container = Some("server".to_owned());
        insta::assert_snapshot!(table(&listed));
    }
}
