//! The bounds of inputs and of texts in results. An input over its bound is a fault with the field, the
//! size and the bound. A text over its bound is cut, with a mark.
//!
//! They follow from other limits. Temporal: payloads of 2 MB, requests of 4 MB, histories of 50 MB, ids
//! of 1000 characters. Kubernetes: 256 KiB of annotations, objects of about 1 MB. Linux: arguments of
//! 128 KiB. Registries: names of 255 characters.

/// Bytes of a document as compact JSON, without what a parent workflow adds. The documents of children
/// are smaller, so a child never refuses what its parent accepted.
pub const DOCUMENT_BYTES: usize = 1024 * 1024;

/// How deep a document may be nested. Steps wrap its parts, and JSON readers stop at 128.
pub const DEPTH: usize = 64;

/// Containers of one app.
pub const CONTAINERS: usize = 500;

/// Bytes of the plan of a document as JSON: what its containers inherit is in each of them.
pub const PLAN_BYTES: usize = 1536 * 1024;

/// Bytes of all documents for the children of a workflow, which may start in one request.
pub const HANDED_DOWN_BYTES: usize = 3 * 1024 * 1024;

/// Characters of the name of an app, a component, a container.
pub const NAME: usize = 40;

/// Characters of a workflow id in the engine.
pub const WORKFLOW_ID: usize = 1000;

/// Characters of a version and of a tag.
pub const TAG: usize = 128;

/// Characters of the name of a Kubernetes object, of a key in it, of the name of an `ARG`.
pub const KEY: usize = 253;

/// Characters of an image's name, with its registry.
pub const REPOSITORY: usize = 255;

/// Bytes of a git URL.
pub const URL: usize = 1024;

/// Characters of a revision.
pub const REVISION: usize = 255;

/// Bytes of a path in the source.
pub const PATH: usize = 1024;

/// Characters of a quantity and of a time.
pub const TERM: usize = 64;

/// Platforms of a container: each has a Pod of its own.
pub const PLATFORMS: usize = 8;

/// Build args of a container.
pub const BUILD_ARGS: usize = 128;

/// Labels of an image.
pub const LABELS: usize = 128;

/// Tags of an image beside the first one. All of them are in the result of an app.
pub const TAGS: usize = 16;

/// More flags for Kaniko.
pub const FLAGS: usize = 64;

/// Containers that one is built from.
pub const FROM: usize = 16;

/// Bytes of a base image in the input of a container, with its names.
pub const REFERENCE_BYTES: usize = 512;

/// Build secrets of a container.
pub const SECRETS: usize = 32;

/// Bytes of `made` of a component's images. Above, the build args and base images are left out.
pub const MADE_BYTES: usize = 512 * 1024;

/// Bytes of the containers that a parent looks up, of all its sources. Others look up themselves.
pub const WANTED_BYTES: usize = 1024 * 1024;

/// Bytes of the images that a parent finds and hands to children. Containers find other images.
pub const FOUND_BYTES: usize = 512 * 1024;

/// Files of a component's package, and of an app's.
pub const FILES: usize = 100;

/// Files of a package once directories are read.
pub const PACKAGED_FILES: usize = 1000;

/// Bytes of a file that is a template, and of what it renders to.
pub const TEMPLATE_FILE_BYTES: usize = 1024 * 1024;

/// Bytes of a file that is no template. libgit2 reads it whole into memory.
pub const FILE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of all files of a package together, without those that containers yield.
pub const FILES_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of one file of a Helm chart: Helm opens no larger one.
pub const CHART_FILE_BYTES: usize = 5 * 1024 * 1024;

/// Bytes of all files of a Helm chart: Helm opens no larger one.
pub const CHART_BYTES: usize = 100 * 1024 * 1024;

/// Files that a container yields.
pub const YIELDED_FILES: usize = 1000;

/// Bytes of all files that a container yields.
pub const YIELDED_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// How deep a directory of a source is walked into: each level takes some of a thread's stack.
pub const SOURCE_DEPTH: usize = 256;

/// Entries of a directory in a context or a package, and of a source with submodules. git stores equal
/// directories once, so a small source can have any number.
pub const SOURCE_ENTRIES: usize = 1_000_000;

/// Bytes of the listings of a directory and of its parents. libgit2 reads each whole into memory.
pub const LISTING_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of a file of a context, except Git LFS files. libgit2 inflates it whole into memory.
pub const CONTEXT_FILE_BYTES: u64 = 512 * 1024 * 1024;

/// Bytes of all files of a context, before they are compressed.
pub const CONTEXT_BYTES: u64 = 20 * 1024 * 1024 * 1024;

/// Files of a Helm chart.
pub const CHART_FILES: usize = 10_000;

/// Bytes of one value of a build arg or a label, as it is written and as it is rendered.
pub const VALUE_BYTES: usize = 32 * 1024;

/// Bytes of one flag for Kaniko.
pub const FLAG_BYTES: usize = 1024;

/// Bytes of the rendered build args and labels of one container. Kubernetes doubles each `$`.
pub const ARGUMENT_BYTES: usize = 256 * 1024;

/// Bytes of a rendered Dockerfile with its ignore file, which are annotations.
pub const DOCKERFILE_BYTES: usize = 64 * 1024;

/// Bytes of a failure's message.
pub const MESSAGE_BYTES: usize = 32 * 1024;

/// Bytes of the texts of all failures of a workflow. Above, only the first ones are in full.
pub const DETAILS_BYTES: usize = 512 * 1024;

/// Bytes of a failure's message beyond [`DETAILS_BYTES`], and of a reason in the progress.
pub const REASON_BYTES: usize = 512;

/// Earlier attempts of a container that its own workflow lists: an outage may take hundreds.
pub const EARLIER: usize = 20;

/// Earlier attempts of a container that its component and its app list.
pub const EARLIER_OF_MANY: usize = 3;

/// Bytes of the message of each of those.
pub const EARLIER_BYTES: usize = 128;

/// Attempts of a container during an outage, of all its platforms. Each adds at most 400 KiB to the
/// history.
pub const ATTEMPTS: u32 = 100;

/// Bytes of the table in the Temporal UI.
pub const MARKDOWN_BYTES: usize = 64 * 1024;

/// Bytes of the reason for a decision.
pub const DECISION_BYTES: usize = 1024;

/// Bytes of the summary of a step, a line in the Temporal UI.
pub const SUMMARY_BYTES: usize = 200;

/// The fault of a count over its bound.
pub(crate) fn at_most(count: usize, bound: usize, unit: &str) -> Result<(), String> {
    match count > bound {
        true => Err(format!("{count} {unit}; at most {bound} are accepted")),
        false => Ok(()),
    }
}
