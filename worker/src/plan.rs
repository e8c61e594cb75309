//! `kiln plan`: what would be built, without a server.

use kilnworks_activities::settings::Settings;
use kilnworks_workflows::plan::Plan;

use crate::{
    cli::{Output, PlanArgs, Show},
    end::{Error, Exit},
    settings::{self, Values},
    spec, table,
};

/// Shows a plan, or the Pods that it comes to.
pub(crate) fn plan(args: PlanArgs, values: &Values) -> Result<Exit, Error> {
    let spec = spec::read(&args.spec, args.version.as_deref())?;
    match (args.show, args.output) {
        (Some(Show::Pods), _) => {
            let installation = settings::installation(values)?;
            table::print(&pods(&spec.plan, &installation.steps)?)?;
        }
        (None, Output::Table) => table::print(&table::plan(&spec.plan))?,
        (None, Output::Json) => table::json(&spec.plan)?,
    }
    Ok(Exit::Success)
}

/// The manifests of the build Pods or Jobs as YAML, one document each, in plan order.
// To be filled with the cluster side's own render function; nothing else here changes.
fn pods(_plan: &Plan, _settings: &Settings) -> Result<String, Error> {
    Err(Error::new(
        Exit::Failed,
        "the manifests cannot be shown yet",
    ))
}
