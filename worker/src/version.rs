//! The version that the engine knows a worker by, where worker versioning is on. A build that began
//! under one version stays with its workers, or goes on with those of the next one.

use clap::ValueEnum;
use temporalio_common::worker::{
    VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion,
};

use crate::settings::lower::Lowering;

/// The version of a worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    /// The worker deployment: the installation's name.
    pub(crate) deployment: String,
    /// Which of its versions.
    pub(crate) build_id: String,
    /// Whether a build stays with the version that it began under.
    pub(crate) pinned: bool,
}

impl Version {
    /// The same for the engine.
    pub(crate) fn options(&self) -> WorkerDeploymentOptions {
        let version = WorkerDeploymentVersion::builder()
            .deployment_name(&self.deployment)
            .build_id(&self.build_id)
            .build();
        let behavior = match self.pinned {
            true => VersioningBehavior::Pinned,
            false => VersioningBehavior::AutoUpgrade,
        };
        WorkerDeploymentOptions::new(version)
            .use_worker_versioning(true)
            .default_versioning_behavior(behavior)
            .build()
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Versioning {
    Off,
    Pinned,
    AutoUpgrade,
}

/// The version that settings ask for; none where versioning is off.
pub(crate) fn lower(lowering: &mut Lowering<'_>, install: &str) -> Option<Version> {
    let versioning = lowering.choice("versioning", Versioning::Off, Versioning::value_variants());
    lowering.check("build-id", "1 to 63 letters, digits, `.`, `_` and `-`", |given| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        given.len() <= 63 && given.chars().all(plain)
    });
    let build_id = lowering.text("build-id");
    let pinned = match versioning {
        Versioning::Off => return None,
        Versioning::Pinned => true,
        Versioning::AutoUpgrade => false,
    };
    let build_id = build_id.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    Some(Version { deployment: install.to_owned(), build_id, pinned })
}
