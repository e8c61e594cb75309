//! The contract of the steps. The `activities` crate implements it, tests fake it, and the workflows call
//! it through [`crate::policy`].
//!
//! Every step can run twice, on another machine, after its effect happened. The second run finds the
//! effect and returns the same answer.

mod context;
mod image;
mod package;
mod pod;
mod render;
mod source;
mod split;
mod sweep;

use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

pub use self::{
    context::{Context, UploadInput},
    image::{
        Built, ChildImage, FindImageInput, FoundImage, FoundImages, ImageTags, IndexInput,
        PlatformSource, Published, ResolveInput, Reuse, TagInput,
    },
    package::{DeliverInput, Delivered},
    pod::{AwaitInput, Awaited, CleanUpInput, LaunchInput, Launched, LaunchedKind},
    render::{RenderInput, Rendered, RenderedPlatform},
    source::{
        CompareInput, FetchInput, Fetched, FindImagesInput, ReadyImage, ReadyImages, VersionInput,
        Versioned,
    },
    split::{EngineSettings, Split, SplitInput},
    sweep::{Amount, Kept, MOST_NAMED, Objects, SweepInput, SweepReport, SweptObject},
};
use crate::output::{BuildOutput, Package};

/// The steps of a build.
#[derive(Debug)]
pub struct Steps;

#[activity_definitions]
impl Steps {
    /// Returns the plan of a document. It does no I/O, so it is a local activity and leaves one event.
    #[activity(name = "split")]
    pub fn split(_: SplitInput) -> Result<Split, ActivityError> {
        unimplemented!()
    }

    /// Returns the version that a build is to have, and what is published under it already.
    #[activity(name = "check_version")]
    pub fn check_version(_: VersionInput) -> Result<Versioned, ActivityError> {
        unimplemented!()
    }

    /// Returns what is published, or none if a build would differ from it. It writes nothing.
    #[activity(name = "compare")]
    pub fn compare(_: CompareInput) -> Result<Option<BuildOutput>, ActivityError> {
        unimplemented!()
    }

    /// Returns the commit of a revision, and fetches the commit into the worker's cache.
    #[activity(name = "fetch_source")]
    pub fn fetch_source(_: FetchInput) -> Result<Fetched, ActivityError> {
        unimplemented!()
    }

    /// Returns the images that containers of a source have already, so that they need no workflow. It
    /// writes nothing, and leaves out what it cannot find in time.
    #[activity(name = "find_images")]
    pub fn find_images(_: FindImagesInput) -> Result<ReadyImages, ActivityError> {
        unimplemented!()
    }

    /// Renders a Dockerfile at a commit, pins its base images, and computes the content key. It writes
    /// nothing.
    #[activity(name = "render")]
    pub fn render(_: RenderInput) -> Result<Rendered, ActivityError> {
        unimplemented!()
    }

    /// Looks for an image of this content key. It writes nothing.
    #[activity(name = "find_image")]
    pub fn find_image(_: FindImageInput) -> Result<FoundImages, ActivityError> {
        unimplemented!()
    }

    /// Puts the context into the store, unless its key is there already.
    #[activity(name = "upload")]
    pub fn upload(_: UploadInput) -> Result<Context, ActivityError> {
        unimplemented!()
    }

    /// Waits for room and creates the Pod or Job, or returns an unfinished Pod of another build that
    /// makes the same image.
    #[activity(name = "launch")]
    pub fn launch(_: LaunchInput) -> Result<Launched, ActivityError> {
        unimplemented!()
    }

    /// Waits for the end of the executor: a digest that the registry has, or a classified failure.
    #[activity(name = "await_build")]
    pub fn await_build(_: AwaitInput) -> Result<Awaited, ActivityError> {
        unimplemented!()
    }

    /// Puts the index of the images of several platforms, by its digest.
    #[activity(name = "index")]
    pub fn index(_: IndexInput) -> Result<Built, ActivityError> {
        unimplemented!()
    }

    /// Writes all tags of images, also those of their content keys. No other step writes a tag.
    #[activity(name = "tag")]
    pub fn tag(_: TagInput) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Looks up an image that is used as it is.
    #[activity(name = "resolve_image")]
    pub fn resolve_image(_: ResolveInput) -> Result<Built, ActivityError> {
        unimplemented!()
    }

    /// Publishes the package of a component or an app. None if there is no registry.
    #[activity(name = "deliver")]
    pub fn deliver(_: DeliverInput) -> Result<Option<Package>, ActivityError> {
        unimplemented!()
    }

    /// Deletes every object in the cluster that this execution made, once its log is kept.
    #[activity(name = "clean_up")]
    pub fn clean_up(_: CleanUpInput) -> Result<(), ActivityError> {
        unimplemented!()
    }

    /// Deletes what no build owns any more, in the cluster and in the store.
    #[activity(name = "sweep")]
    pub fn sweep(_: SweepInput) -> Result<SweepReport, ActivityError> {
        unimplemented!()
    }
}

pub use steps::{
    AwaitBuild, CheckVersion, CleanUp, Compare, Deliver, FetchSource, FindImage, FindImages, Index,
    Launch, Render, ResolveImage, Split as SplitStep, Sweep, Tag, Upload,
};
