//! What was typed to decide about a running build.

use clap::Args;

/// `kiln pause` and `kiln resume`.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Only this container: `component/container`, `component/`, or its name where no other has it.
    pub(crate) container: Option<String>,
}

/// `kiln retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// The container: `component/container`, or its name where no other has it.
    pub(crate) container: String,
    /// Requested cores from now on, as `500m`.
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) cpu: Option<String>,
    /// Memory from now on, as `4Gi`.
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) memory: Option<String>,
    /// Scratch space from now on, as `20Gi`.
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) ephemeral_storage: Option<String>,
}

/// `kiln extend`.
#[derive(Debug, Args)]
pub(crate) struct ExtendArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// The container: `component/container`, or its name where no other has it.
    pub(crate) container: String,
    /// Which of its clocks.
    #[arg(value_parser = ["queued", "scheduling", "pulling", "building", "whole"])]
    pub(crate) clock: String,
    /// How much longer it runs, as `30m`.
    #[arg(value_name = "TIME")]
    pub(crate) by: String,
}

/// `kiln approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Refuse the delivery, for this reason.
    #[arg(long, value_name = "REASON")]
    pub(crate) reject: Option<String>,
}
