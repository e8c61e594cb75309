//! The version of a worker in Temporal worker versioning. A build stays on the version that it started
//! on (`pinned`) or moves to the next version (`auto-upgrade`).

use clap::ValueEnum;

use super::lower::Lowering;

/// The version of a worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    /// The worker deployment: the name of the installation.
    pub(crate) deployment: String,
    /// The build id of the version.
    pub(crate) build_id: String,
    /// Whether a build stays on the version that it started on.
    pub(crate) pinned: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Versioning {
    Off,
    Pinned,
    AutoUpgrade,
}

/// The version, if versioning is on.
pub(super) fn lower(lowering: &mut Lowering<'_>, install: &str) -> Option<Version> {
    let versioning = lowering.choice("versioning", Versioning::Off);
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
