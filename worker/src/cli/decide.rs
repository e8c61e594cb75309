//! The commands that decide about a running build.

use clap::Args;

/// `kiln pause` and `kiln resume`.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Only this container: `component/container`, or its name if the name is unique. `component/`
    /// is a whole component.
    pub(crate) container: Option<String>,
}

/// `kiln retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// The container: `component/container`, or its name if the name is unique.
    pub(crate) container: String,
    /// New CPU request, such as `500m`.
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) cpu: Option<String>,
    /// New memory, such as `4Gi`.
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) memory: Option<String>,
    /// New ephemeral storage, such as `20Gi`.
    #[arg(long, value_name = "QUANTITY")]
    pub(crate) ephemeral_storage: Option<String>,
}

/// `kiln extend`.
#[derive(Debug, Args)]
pub(crate) struct ExtendArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// The container: `component/container`, or its name if the name is unique.
    pub(crate) container: String,
    /// The time limit to extend.
    #[arg(value_parser = ["queued", "scheduling", "pulling", "building", "whole"])]
    pub(crate) timeout: String,
    /// The time to add, such as `30m`.
    #[arg(value_name = "TIME")]
    pub(crate) by: String,
}

/// `kiln approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Reject the delivery, for this reason.
    #[arg(long, value_name = "REASON")]
    pub(crate) reject: Option<String>,
}
