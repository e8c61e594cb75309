//! The contract of the steps: what each takes and gives. The `activities` crate implements it,
//! tests fake it, the workflows call it through [`crate::policy`].
//!
//! Every step may run twice, on another machine, after its side effect was done: the second run
//! finds the effect and gives the same answer.

mod context;
mod image;
mod package;
mod pod;
mod render;
mod source;
mod split;

use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

pub use self::{
    context::{Context, UploadInput},
    image::{Built, IndexInput, ResolveInput, Reuse},
    package::{DeliverInput, Delivered},
    pod::{AwaitInput, BuildId, CleanUpInput, LaunchInput, Launched, LaunchedKind},
    render::{RenderInput, Rendered, RenderedPlatform},
    source::{CompareInput, FetchInput, Fetched, VersionInput, Versioned, Wanted},
    split::{EngineSettings, Split, SplitInput},
};
use crate::{
    output::{BuildOutput, Package},
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

    /// Finds the commit of a revision and fetches it. Of containers that are named it looks whether
    /// their images are there already, as `render` does; what cannot be told is left to `render`.
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
    /// for, it does what `upload` does, and what `launch` does where there is room at once. A second
    /// run may find newer base images: then what the first one launched is not its own.
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
