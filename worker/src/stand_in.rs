//! Stands in for the activities until they are there: it has the one step that needs nothing
//! outside. To be deleted with the line in [`crate::run`] that names it.
// The macro makes public items of it, and the definitions' names are used by the engine alone.
#![expect(unreachable_pub, dead_code)]

use std::sync::Arc;

use kilnworks_activities::{error::to_engine, settings::Settings, split::split};
use kilnworks_workflows::steps::{EngineSettings, Split, SplitInput, SplitStep};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// The step that needs nothing outside.
pub struct Activities {
    settings: EngineSettings,
}

impl Activities {
    /// Opens what the steps need.
    pub async fn open(settings: Settings, _temporal_namespace: &str) -> anyhow::Result<Arc<Self>> {
        let settings = EngineSettings {
            heartbeat: settings.heartbeat,
            max_attempts: settings.max_attempts,
        };
        Ok(Arc::new(Self { settings }))
    }
}

#[activities]
impl Activities {
    /// Reads a document.
    #[activity(definition = SplitStep)]
    pub async fn split(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: SplitInput,
    ) -> Result<Split, ActivityError> {
        split(input, self.settings).map_err(to_engine)
    }
}
