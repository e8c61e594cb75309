//! The contract of the steps: what each takes and gives. The `activities` crate implements it,
//! tests fake it, the workflows call it through [`crate::policy`].
//!
//! Every step may run twice, on another machine, after its side effect was done: the second run
//! finds the effect and gives the same answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

use crate::{
    document::Kind,
    output::{Base, BuildOutput, ContainerImage, Package, PlatformImage},
    plan::{BuildPlan, Clocks, ContainerPlan, Delivery, GitSource, Outline, Place, Registry},
    spec::Resolved,
    sweep::{SweepInput, SweepReport},
};

/// The steps of a build.
#[derive(Debug)]
pub struct Steps;

#[activity_definitions]
impl Steps {
    /// Reads a document and says what will be done. No input and output: it runs in the workflow's
    /// own worker and leaves one event.
    #[activity(name = "split")]
    pub fn split(_: SplitInput) -> Result<Split, ActivityError> {
        unimplemented!()
    }

    /// Finds the commit of a revision and fetches it.
    #[activity(name = "fetch_source")]
    pub fn fetch_source(_: FetchInput) -> Result<Fetched, ActivityError> {
        unimplemented!()
    }

    /// Says which version a build is to have, and what is published under it already.
    #[activity(name = "check_version")]
    pub fn check_version(_: VersionInput) -> Result<Versioned, ActivityError> {
        unimplemented!()
    }

    /// Says whether what a document comes to is published already: then what, else nothing. It
    /// builds nothing and publishes nothing.
    #[activity(name = "compare")]
    pub fn compare(_: CompareInput) -> Result<Option<BuildOutput>, ActivityError> {
        unimplemented!()
    }

    /// Renders the Dockerfile as it is at a commit, and looks whether its image is there already:
    /// then it has the build's own name and tags when this ends. Where it is not and that is asked
    /// for, it does what `upload` does.
    #[activity(name = "render")]
    pub fn render(_: RenderInput) -> Result<Rendered, ActivityError> {
        unimplemented!()
    }

    /// Puts the context into the store, unless its key is there already.
    #[activity(name = "upload")]
    pub fn upload(_: UploadInput) -> Result<Context, ActivityError> {
        unimplemented!()
    }

    /// Waits for room, then creates the Pod or Job. Launching twice makes one.
    #[activity(name = "launch")]
    pub fn launch(_: LaunchInput) -> Result<Launched, ActivityError> {
        unimplemented!()
    }

    /// Waits for the end of the executor: a digest that the registry has, or a classified failure.
    /// After a success it does what `clean_up` does.
    #[activity(name = "await_build")]
    pub fn await_build(_: AwaitInput) -> Result<Built, ActivityError> {
        unimplemented!()
    }

    /// Puts the index of the images of several platforms under the tags of the image.
    #[activity(name = "index")]
    pub fn index(_: IndexInput) -> Result<Built, ActivityError> {
        unimplemented!()
    }

    /// Looks up an image that is used as it is.
    #[activity(name = "resolve_image")]
    pub fn resolve_image(_: ResolveInput) -> Result<Built, ActivityError> {
        unimplemented!()
    }

    /// Makes the package of a component or an app, once every digest was seen in the registry. None
    /// where no registry is named.
    #[activity(name = "deliver")]
    pub fn deliver(_: DeliverInput) -> Result<Option<Package>, ActivityError> {
        unimplemented!()
    }

    /// Removes every object in the cluster that this execution made.
    #[activity(name = "clean_up")]
    pub fn clean_up(_: CleanUpInput) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Removes what nobody owns any more, in the cluster and in the store.
    #[activity(name = "sweep")]
    pub fn sweep(_: SweepInput) -> Result<SweepReport, ActivityError> {
        unimplemented!()
    }
}

pub use steps::{
    AwaitBuild, CheckVersion, CleanUp, Compare, Deliver, FetchSource, Index, Launch, Render,
    ResolveImage, Split as SplitStep, Sweep, Upload,
};

/// A document and what it should be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SplitInput {
    /// What it should be.
    pub kind: Kind,
    /// The document, as it was given.
    pub document: Value,
}

/// What will be done, as far as the workflow of the document needs it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// Names and sources.
    pub outline: Outline,
    /// The container in full, where the document describes just one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerPlan>,
    /// What a parent workflow handed down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// Settings of the installation that a workflow goes by. They are recorded here, so that a
    /// changed setting changes no history.
    pub settings: EngineSettings,
}

/// Settings of the installation that a workflow goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineSettings {
    /// Seconds without a heartbeat after which a worker counts as dead.
    pub heartbeat: u64,
    /// How many Pods a container may take, the first one included.
    pub max_attempts: u32,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { heartbeat: 60, max_attempts: 3 }
    }
}

/// A source to fetch.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FetchInput {
    /// Who waits for it.
    #[serde(default)]
    pub id: BuildId,
    /// Where the code is.
    pub source: GitSource,
}

/// A fetched source.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Fetched {
    /// The commit that the revision is.
    pub commit: String,
}

/// A version to look up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInput {
    /// Who waits for it.
    pub id: BuildId,
    /// The version; none where one is to be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version that is found is higher than this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Where the packages go: first the one by whose versions one is found.
    pub places: Vec<Place>,
}

/// A version, and what is published under it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Versioned {
    /// The version.
    pub version: String,
    /// The packages that are published under it, as `name@sha256:…`, in the order of the places.
    pub published: Vec<Option<String>>,
}

/// A document, of which it is asked whether it comes to anything new.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CompareInput {
    /// Who waits for it.
    pub id: BuildId,
    /// An app or a component.
    pub kind: Kind,
    /// The document.
    pub document: Value,
}

/// A Dockerfile to render.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RenderInput {
    /// Whose it is.
    #[serde(default)]
    pub id: BuildId,
    /// The container.
    pub plan: ContainerPlan,
    /// The commit.
    pub commit: String,
    /// The package that is published under this version already, as `name@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The images that it is built from, as `name@sha256:…`, by `component/container`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// Whether the context is put into the store, too, where the image is not there already: one
    /// step less.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_context: bool,
}

/// What is rendered for a container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    /// The Dockerfile, at most 64 KiB together with the ignore file.
    pub dockerfile: String,
    /// The file `<dockerfile>.dockerignore` beside it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerignore: Option<String>,
    /// Values of `ARG`s.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// Labels of the image.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// All tags, the first one first.
    pub tags: Vec<String>,
    /// Content key of the context.
    #[serde(default)]
    pub content: String,
    /// The images that the build stands on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Base>,
    /// Content key of the image: what has the same key is the same image, up to what its
    /// instructions fetch. None where that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The image, where it is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<Built>,
    /// The platforms, where there are several. The key above tells their index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<RenderedPlatform>,
    /// The context, where it was put into the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

impl Rendered {
    /// What is rendered for one of its platforms alone. It has no tags: those are the index's.
    pub fn of(&self, one: &RenderedPlatform) -> Self {
        Self {
            tags: Vec::new(),
            key: one.key.clone(),
            reused: None,
            platforms: Vec::new(),
            ..self.clone()
        }
    }
}

/// What is known of the image of one of several platforms before it is built.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RenderedPlatform {
    /// As the spec names it.
    pub platform: String,
    /// Content key of its image; none where that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The image, where it is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<Built>,
}

/// A context to put into the store.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadInput {
    /// Whose it is.
    #[serde(default)]
    pub id: BuildId,
    /// Where the code is.
    pub source: GitSource,
    /// The commit.
    pub commit: String,
    /// Directory of the source that is the context; `""` is its root.
    pub context_dir: String,
    /// Replace Git LFS pointer files.
    pub lfs: bool,
}

impl UploadInput {
    /// The context of what is rendered, where it is wanted with that.
    pub fn of(input: &RenderInput) -> Option<Self> {
        let build = input.plan.work.as_build().filter(|_| input.with_context)?;
        Some(Self {
            id: input.id.clone(),
            source: build.source.clone(),
            commit: input.commit.clone(),
            context_dir: build.context_dir.clone(),
            lfs: build.lfs,
        })
    }
}

/// A context in the store.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// Content key: the same bytes have the same key, whatever the commit, for some weeks.
    pub key: String,
    /// Size of the packed context in bytes.
    pub size: u64,
    /// The directory in the archive that is the context; empty where the archive itself is, as
    /// earlier versions packed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// SHA-256 of the packed context, where the store keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// False where it was there already.
    pub sent: bool,
}

/// Which attempt of which container's build.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildId {
    /// Name of the app.
    pub app: String,
    /// Name of the component; empty where a step is for all of them.
    pub component: String,
    /// Name of the container; empty where a step is for all of them.
    pub container: String,
    /// Id of the workflow.
    pub workflow_id: String,
    /// Run id of its first execution.
    pub run_id: String,
    /// Id of the workflow that is told what this build waits for, beside its own.
    pub root: String,
    /// Counted from 1; 0 before the first one.
    pub attempt: u32,
    /// Which one of several platforms, each of which has attempts of its own; empty where a
    /// container has one image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Whether the root was told of a wait of this build. Then it is told of its end, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

/// A Pod or Job to create.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchInput {
    /// Whose it is.
    pub id: BuildId,
    /// How the image is built, with the resources of this attempt.
    pub build: BuildPlan,
    /// How its registry is reached.
    pub registry: Registry,
    /// What was rendered.
    pub rendered: Rendered,
    /// The context in the store.
    pub context: Context,
    /// Whether an earlier attempt was killed for its memory: then the executor saves it where it
    /// can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spare_memory: bool,
    /// Whether the build is awaited, too, once it is launched: one step less.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_await: bool,
    /// Whether a launch of the same attempt was begun before, and its worker not heard of again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// A created Pod or Job. Later steps use these names and never derive them again.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Launched {
    /// `Pod` or `Job`.
    pub kind: LaunchedKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The image that it pushes last, as `name:tag`, where another build of the same thing made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<String>,
    /// What came of it, where that was awaited. A worker that stops meanwhile leaves it to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
}

/// What carries the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum LaunchedKind {
    /// A bare Pod.
    Pod,
    /// A Job with one Pod.
    Job,
}

/// A Pod or Job to wait for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwaitInput {
    /// Whose it is.
    pub id: BuildId,
    /// The Pod or Job.
    pub launched: Launched,
    /// The image, without tag.
    pub repository: String,
    /// All tags of the image.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Repository of the images that are used again, and the content key of this one; none where
    /// it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// The rendered Dockerfile, in which a failed instruction is looked up.
    pub dockerfile: String,
    /// How its registry is reached.
    pub registry: Registry,
    /// The clocks; scheduling, pulling and building are counted here.
    pub clocks: Clocks,
    /// What it is built for, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

impl AwaitInput {
    /// The wait for what a launch made.
    pub fn of(input: &LaunchInput, launched: Launched) -> Self {
        let LaunchInput { id, build, rendered, registry, .. } = input;
        let key = rendered.key.clone();
        let reuse = build.reuse.clone().zip(key).map(|(repository, key)| Reuse { repository, key });
        Self {
            id: id.clone(),
            launched,
            repository: build.repository.clone(),
            tags: rendered.tags.clone(),
            reuse,
            dockerfile: rendered.dockerfile.clone(),
            registry: registry.clone(),
            clocks: build.clocks,
            platform: build.platform().map(str::to_owned),
        }
    }
}

/// Where an image that may be used again is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reuse {
    /// Repository of all such images.
    pub repository: String,
    /// Content key of this one.
    pub key: String,
}

/// An image in its registry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// Config and layers as they are stored, in bytes.
    pub size: u64,
    /// `os/architecture`.
    pub platform: String,
    /// Seconds from the Pod's creation to the end of its executor; 0 where there was no Pod.
    #[serde(default)]
    pub pod_seconds: f64,
    /// The images of its platforms, where it is an index that was built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<PlatformImage>,
    /// Whether all that its execution made in the cluster is removed already: then nobody needs to
    /// clean up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tidied: bool,
}

/// An index to put.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexInput {
    /// Whose it is.
    pub id: BuildId,
    /// The image, without tag. Every platform's image is there.
    pub repository: String,
    /// All tags of the image.
    pub tags: Vec<String>,
    /// The images, in the order of the index.
    pub images: Vec<PlatformImage>,
    /// How its registry is reached.
    pub registry: Registry,
}

/// An image to look up.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ResolveInput {
    /// The image, with its registry and tag or digest.
    pub image: String,
    /// How its registry is reached.
    pub registry: Registry,
}

/// What a package is made of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliverInput {
    /// Who waits for it; its container is empty.
    #[serde(default)]
    pub id: BuildId,
    /// Name of the app.
    pub app: String,
    /// Name of the component; none for the app's own package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it goes, and its files; none where there is no registry, and so no package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Commit of the files' source, where a parent has found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// A component's images, in plan order.
    #[serde(default)]
    pub images: Vec<ContainerImage>,
    /// An app's components, in plan order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Delivered>,
    /// How the registry of each container's image is reached, where that is not the package's own,
    /// by the container's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, Registry>,
    /// When the workflow started, as RFC 3339.
    pub started: String,
    /// When everything was there, as RFC 3339.
    pub finished: String,
}

/// A component's package, as it enters the app's.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Delivered {
    /// Where it is.
    pub place: Place,
    /// The package.
    pub package: Package,
}

/// Whose objects to remove.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanUpInput {
    /// Id of the container's workflow.
    pub workflow_id: String,
    /// Run id of its first execution.
    pub run_id: String,
    /// Whether a cancelled launch may still be creating a Pod.
    #[serde(default)]
    pub launching: bool,
}
