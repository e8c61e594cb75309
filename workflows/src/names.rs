//! Names that Kilnworks derives. Later steps get the name, and do not derive it again.

use sha2::{Digest, Sha256};

use crate::{build_id::BuildId, platform};

/// Prefix of every label and annotation that we put on a Kubernetes object.
pub const LABEL_PREFIX: &str = "kiln.io";

/// A label or annotation of ours.
pub fn label(name: &str) -> String {
    format!("{LABEL_PREFIX}/{name}")
}

/// Workflow id of a component's or container's build under its parent's.
pub fn child_workflow_id(parent: &str, name: &str) -> String {
    format!("{parent}/{name}")
}

/// A container among all of an app: `component/container`.
pub fn container(component: &str, container: &str) -> String {
    format!("{component}/{container}")
}

/// Whether a name made by [`container`] is of a component.
pub fn is_of(name: &str, component: &str) -> bool {
    name.split_once('/').is_some_and(|(of, _)| of == component)
}

/// The image of a container, without tag.
pub fn repository(prefix: &str, app: &str, component: &str, container: &str) -> String {
    format!("{prefix}/{app}-{component}-{container}")
}

/// The package of a component or of an app, without tag.
pub fn package(prefix: &str, app: &str, component: Option<&str>) -> String {
    let component = component.map(|component| format!("-{component}")).unwrap_or_default();
    format!("{prefix}/{app}{component}")
}

/// The Helm chart of a component, without tag.
pub fn chart(package: &str) -> String {
    format!("{package}-chart")
}

/// The repository of images that are kept for reuse, each with its content key as the tag.
pub fn reuse_repository(prefix: &str) -> String {
    format!("{prefix}/{REUSED}")
}

const REUSED: &str = "kiln-cache";

/// Whether a package cannot have this name.
pub fn is_reserved(package: &str) -> bool {
    package == REUSED
}

/// The tag of a package: its version where there is one, else of what is in it.
pub fn package_tag(version: Option<&str>, contents: &str) -> String {
    match version {
        Some(version) => version_tag(version),
        None => {
            let hash = contents.rsplit(':').next().unwrap_or(contents);
            format!("c{}", hash.get(..12).unwrap_or(hash))
        }
    }
}

/// A version as a tag: a tag cannot hold a `+`, and Helm writes it so, too.
pub fn version_tag(version: &str) -> String {
    version.replace('+', "_")
}

/// Id of the workflow that holds a version of a package, so that no two builds find the same.
pub fn version_workflow_id(repository: &str, version: &str) -> String {
    format!("kiln-version/{repository}/{version}")
}

/// The repository of an image reference, without tag and digest.
pub fn repository_of(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository.to_owned(),
        _ => name.to_owned(),
    }
}

/// An image as it is pulled, whatever becomes of its tags.
pub fn reference(repository: &str, digest: &str) -> String {
    format!("{repository}@{digest}")
}

/// The first tag of an image: the version where there is one, else the commit's.
pub fn first_tag(version: Option<&str>, commit: &str) -> String {
    match version {
        Some(version) => version_tag(version),
        None => format!("g{}", commit.get(..12).unwrap_or(commit)),
    }
}

/// The tag of a manifest in a package's repository. Registries delete manifests without a tag.
pub fn child_tag(digest: &str) -> String {
    let hex = digest.rsplit_once(':').map_or(digest, |(_, hex)| hex);
    format!("kiln-{}", hex.get(..12).unwrap_or(hex))
}

/// The tag of the referrers of a manifest, for registries without the referrers API.
pub fn referrers_tag(digest: &str) -> String {
    digest.replace(':', "-")
}

/// Name of an attempt's Pod or Job, `<app>-<component>-<container>[-<platform>]-<attempt>-<hash>`: a
/// DNS label of at most 57 characters, as a Job appends six for its Pod. The hash is of the execution,
/// the attempt, the platform and the rendering.
pub fn pod(id: &BuildId, rendered: &str) -> String {
    let platform = platform::word(id.platform.trim_start_matches("linux/"));
    let platform = if platform.is_empty() { platform } else { format!("-{platform}") };
    let end = format!("{platform}-{}-{}", id.attempt, attempt_hash(id, rendered));
    let readable = format!("{}-{}-{}", id.app, id.component, id.container);
    let readable =
        readable.get(..POD.saturating_sub(end.len())).unwrap_or(&readable).trim_end_matches('-');
    format!("{readable}{end}")
}

/// Longest name of a Pod or Job.
const POD: usize = 57;

/// The tag that the executor of an attempt pushes. If the registry has it, the image is complete.
pub fn attempt_tag(id: &BuildId, rendered: &str) -> String {
    format!("kiln-{}", attempt_hash(id, rendered))
}

/// The label value that equal builds share. The scope is an installation, a repository of kept images,
/// a Secret of the registry and a layer cache.
pub fn content(scope: &[&str], key: &str) -> String {
    label_hash(&format!("{}\n{key}", scope.join("\n")))
}

fn attempt_hash(id: &BuildId, rendered: &str) -> String {
    let BuildId { run_id, attempt, platform, .. } = id;
    hex(format!("{run_id}/{attempt}/{platform}/{rendered}").as_bytes())[..10].to_owned()
}

/// Where all logs lie in the store.
pub const LOGS: &str = "logs/";

/// Prefix of an attempt's log in the store. `platform` is empty unless the container has several.
pub fn log_prefix(run_id: &str, platform: &str, attempt: u32) -> String {
    format!("{}{attempt}/", logs_prefix(run_id, platform))
}

/// Where the logs of all attempts of an execution lie, for one platform where there are several.
pub fn logs_prefix(run_id: &str, platform: &str) -> String {
    match platform::word(platform).as_str() {
        "" => format!("{LOGS}{run_id}/"),
        word => format!("{LOGS}{run_id}/{word}/"),
    }
}

/// A value as a label: a hash, as a label allows 63 characters of few kinds.
pub fn label_hash(value: &str) -> String {
    hex(value.as_bytes())[..32].to_owned()
}

/// SHA-256 in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The four task queues of one installation, made of one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskQueues {
    /// Workflows and light steps.
    pub main: String,
    /// Fetch, render, upload.
    pub source: String,
    /// Launch: few slots, so that what waits behind it is the build queue.
    pub launch: String,
    /// Await a build: thousands of slots.
    pub await_build: String,
}

impl TaskQueues {
    /// The queues of the installation whose workflows run on the queue `prefix`.
    pub fn of(prefix: &str) -> Self {
        Self {
            main: prefix.to_owned(),
            source: format!("{prefix}-source"),
            launch: format!("{prefix}-launch"),
            await_build: format!("{prefix}-await"),
        }
    }
}
