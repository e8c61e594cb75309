//! Names that Kilnworks derives. Each is made here, once; whoever comes later is handed the name.

use sha2::{Digest, Sha256};

use crate::{platform, steps::BuildId};

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

/// Where the images lie that are used again, each under [`reuse_tag`].
pub fn reuse_repository(prefix: &str) -> String {
    format!("{prefix}/{REUSED}")
}

const REUSED: &str = "kiln-cache";

/// Whether a package cannot have this name.
pub fn is_reserved(package: &str) -> bool {
    package == REUSED
}

/// The tag of an image by its content key.
pub fn reuse_tag(key: &str) -> String {
    key.to_owned()
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

/// The tag that keeps a manifest of a package in the package's own repository: what has no tag,
/// registries clear away.
pub fn child_tag(digest: &str) -> String {
    let hex = digest.rsplit_once(':').map_or(digest, |(_, hex)| hex);
    format!("kiln-{}", hex.get(..12).unwrap_or(hex))
}

/// The tag of the index of what refers to a manifest, in registries that keep none by themselves:
/// the distribution specification's.
pub fn referrers_tag(digest: &str) -> String {
    digest.replace(':', "-")
}

/// Name of an attempt's Pod or Job: a DNS label of at most 63 characters. The same attempt of the
/// same execution has the same name, whoever derives it; no other has.
pub fn pod(id: &BuildId) -> String {
    let hash = attempt_hash(&id.run_id, id.attempt, &id.platform);
    let readable = format!("{}-{}-{}", id.app, id.component, id.container);
    let of = platform::word(id.platform.trim_start_matches("linux/"));
    let of = if of.is_empty() { of } else { format!("-{of}") };
    // "kiln-", "-" and ten digits of the hash leave 47; a Job appends 6 more for its Pod.
    let readable = readable.get(..40 - of.len()).unwrap_or(&readable).trim_end_matches('-');
    format!("kiln-{readable}{of}-{hash}")
}

/// The tag under which an attempt pushes its image last, beside the user's own. Where it is there,
/// that attempt has pushed everything, even if its Pod is gone. An attempt may be rendered anew, and
/// then find another content key: it has another tag by that.
pub fn attempt_tag(id: &BuildId, key: Option<&str>) -> String {
    let run = key.map_or_else(|| id.run_id.clone(), |key| format!("{}\n{key}", id.run_id));
    format!("kiln-{}", attempt_hash(&run, id.attempt, &id.platform))
}

/// What tells a Pod or Job that equal builds share, as a label's value: the same attempt at the same
/// content key has the same, within one scope; no other has. The scope is an installation, a
/// repository of images that are used again, a Secret of the registry, what the Pod may use, and the
/// layer cache.
pub fn share(scope: &[&str], key: &str, attempt: u32) -> String {
    label_hash(&format!("{}\n{key}\n{attempt}", scope.join("\n")))
}

/// Name of a Pod or Job that equal builds share: whoever builds the same finds it by that.
pub fn shared_pod(share: &str) -> String {
    format!("kiln-{share}")
}

/// Prefix of [`member`].
pub const MEMBER_PREFIX: &str = "member.kiln.io/";

/// The label and annotation of an execution on what it shares with others, while it does.
pub fn member(run_id: &str) -> String {
    format!("{MEMBER_PREFIX}{}", label_hash(run_id))
}

fn attempt_hash(run_id: &str, attempt: u32, platform: &str) -> String {
    let of = if platform.is_empty() { String::new() } else { format!("/{platform}") };
    hex(format!("{run_id}/{attempt}{of}").as_bytes())[..10].to_owned()
}

/// Where all logs lie in the store.
pub const LOGS: &str = "logs/";

/// Where the log of an attempt lies in the store: everything under this prefix. `platform` is which
/// one of several, else empty.
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
    /// Launch: few slots, so that what waits behind it is the build queue. The wait for what was
    /// launched takes none.
    pub launch: String,
    /// Await what another worker launched: thousands of slots.
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
