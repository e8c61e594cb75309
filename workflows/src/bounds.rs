//! The bounds of what is accepted, and of what is told. Over one of the first is a fault that names
//! the field, the size and the bound; a text over one of the second is cut, and the cut is marked.
//!
//! They follow from what stands below us: the engine takes payloads of 2 MB, requests of 4 MB,
//! histories of 50 MB and ids of 1000 characters; Kubernetes takes 256 KiB
//! of annotations and objects of about 1 MB; Linux takes arguments of 128 KiB; a registry takes
//! names of 255 characters.

/// Bytes of a document as compact JSON, without what a parent workflow adds. What a document passes
/// on to a child is smaller than itself, so a child never refuses what its parent took.
pub const DOCUMENT_BYTES: usize = 1024 * 1024;

/// How deep a document may be nested. Steps wrap its parts, and JSON readers stop at 128.
pub const DEPTH: usize = 64;

/// Containers of one app.
pub const CONTAINERS: usize = 500;

/// Bytes of the plan of a document as JSON: what its containers inherit is in each of them.
pub const PLAN_BYTES: usize = 1536 * 1024;

/// Bytes of all documents together that a workflow hands to its children, which may all start in
/// one request.
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

/// Bytes with which an image that a container is built from is handed down, its names included.
pub const REFERENCE_BYTES: usize = 512;

/// Build secrets of a container.
pub const SECRETS: usize = 32;

/// Bytes of what a component's images were made of, as its package is handed it. Where there is
/// more, the names of build args and the base images are left out.
pub const MADE_BYTES: usize = 512 * 1024;

/// Bytes of the containers that are looked for as their sources are fetched, of all sources
/// together. Those of a source that does not fit find out themselves.
pub const WANTED_BYTES: usize = 1024 * 1024;

/// Bytes of the images that were found before their containers were begun: these ride with what is
/// handed to children. What is over is found by the containers themselves.
pub const FOUND_BYTES: usize = 512 * 1024;

/// Files of a component's package, and of an app's.
pub const FILES: usize = 100;

/// Files of a package once directories are read.
pub const PACKAGED_FILES: usize = 1000;

/// Bytes of a file that is a template, and of what it renders to.
pub const TEMPLATE_FILE_BYTES: usize = 1024 * 1024;

/// Bytes of a file that is taken as it is. libgit2 reads it into memory as a whole.
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

/// Entries of a directory that is packed, of one that enters a package, and of a source with
/// submodules. git keeps a directory once, however often it is named, so a small source may have any
/// number.
pub const SOURCE_ENTRIES: usize = 1_000_000;

/// Bytes of the listing of a directory of a source, with those of the directories that it is in.
/// libgit2 reads each into memory as a whole.
pub const LISTING_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of one file of a context. libgit2 inflates it into memory as a whole. What Git LFS keeps is
/// not read so: only [`CONTEXT_BYTES`] bounds it.
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

/// Bytes of a rendered Dockerfile with its ignore file: they ride in annotations.
pub const DOCKERFILE_BYTES: usize = 64 * 1024;

/// Bytes of a failure's message.
pub const MESSAGE_BYTES: usize = 32 * 1024;

/// Bytes of the texts of all failures of one workflow. Where there are more, the first ones are
/// told in full.
pub const DETAILS_BYTES: usize = 512 * 1024;

/// Bytes of a failure's message beyond [`DETAILS_BYTES`], and of a reason in the progress.
pub const REASON_BYTES: usize = 512;

/// Earlier attempts of a container that its own workflow lists: an outage may take hundreds.
pub const EARLIER: usize = 20;

/// Earlier attempts of a container that its component and its app list.
pub const EARLIER_OF_MANY: usize = 3;

/// Bytes of the message of each of those.
pub const EARLIER_BYTES: usize = 128;

/// Attempts of a container during an outage, of all its platforms together, which count against no
/// other bound. Each leaves its inputs in the history, 400 KiB at most.
pub const ATTEMPTS: u32 = 100;

/// Bytes of the table that the engine's UI shows of a build.
pub const MARKDOWN_BYTES: usize = 64 * 1024;

/// Bytes of the reason that someone gives for a decision.
pub const DECISION_BYTES: usize = 1024;

/// Bytes of the summary of a step, one line in the engine's UI. It may hold a URL.
pub const SUMMARY_BYTES: usize = 200;

/// Says what is over a bound. `unit` is what is counted.
pub(crate) fn at_most(count: usize, bound: usize, unit: &str) -> Result<(), String> {
    match count > bound {
        true => Err(format!("{count} {unit}; at most {bound} are accepted")),
        false => Ok(()),
    }
}
