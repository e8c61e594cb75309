//! The steps, in the order of the walk.

use std::{sync::Arc, time::Duration};

use kilnworks_activities::{
    error::Ended,
    steps::split,
    temporal::{time, to_engine},
};
use kilnworks_workflows::{
    failure::FailureType,
    names,
    output::{BuildOutput, ContainerImage, Outcome, Package},
    plan::{ContainerPlan, Delivery, Place},
    steps::{self, SweepInput, SweepReport, *},
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{
    Another, COMMIT, FakeSteps, Fate, built, digest, name_of,
    results::{BEAT, error, hang, kept, launched, rendered},
};

#[activities]
impl FakeSteps {
    #[activity(definition = steps::SplitStep)]
    pub async fn split(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: SplitInput,
    ) -> Result<Split, ActivityError> {
        split::split(input, self.settings).map_err(to_engine)
    }

    #[activity(definition = steps::CheckVersion)]
    pub async fn check_version(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: VersionInput,
    ) -> Result<Versioned, ActivityError> {
        let published = self.script().published.clone();
        let version = input.version.unwrap_or_else(|| {
            let next = |patch: u64| format!("1.0.{patch}");
            let after = input.after.unwrap_or_default();
            let is_free = |version: &String| *version > after && !published.contains(version);
            (0..).map(next).find(is_free).unwrap_or_default()
        });
        self.note(format!("check_version {version}"));
        let found = published.contains(&version);
        let reference = |place: &Place| names::reference(&place.repository, &digest(&version));
        let published = input.places.iter().map(|place| found.then(|| reference(place)));
        Ok(Versioned { published: published.collect(), version })
    }

    #[activity(definition = steps::Compare)]
    pub async fn compare(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: CompareInput,
    ) -> Result<Option<BuildOutput>, ActivityError> {
        self.note(format!("compare {}", input.id.app));
        if self.script().comparison_fails {
            return Err(error(FailureType::SourceNotFound, "there is no such repository"));
        }
        let version = self.script().unchanged.clone();
        Ok(version.map(|version| BuildOutput {
            app: input.id.app,
            version: Some(version),
            outcome: Outcome::Unchanged,
            images: Vec::new(),
            package: None,
        }))
    }

    #[activity(definition = steps::FetchSource)]
    pub async fn fetch_source(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: FetchInput,
    ) -> Result<Fetched, ActivityError> {
        let url = input.source.url;
        self.note(format!("fetch_source {url}"));
        if self.script().unavailable_sources.contains(&url) {
            return Err(error(FailureType::SourceUnavailable, "the server is unavailable"));
        }
        if self.script().missing_sources.contains(&url) {
            return Err(error(FailureType::SourceNotFound, "there is no such repository"));
        }
        Ok(Fetched { commit: COMMIT.to_owned() })
    }

    #[activity(definition = steps::FindImages)]
    pub async fn find_images(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: FindImagesInput,
    ) -> Result<ReadyImages, ActivityError> {
        let FindImagesInput { id, commit, containers, .. } = input;
        self.note(format!("find_images {}", name_of(&id)));
        let find = |container: &ContainerPlan| {
            let name = names::container(&container.component, &container.container);
            self.script().wanted.push(name.clone());
            let build = container.work.as_build().expect("only builds are wanted");
            let rendered = rendered(container, &name, &commit);
            let found = self.script().found.contains(&name).then(|| kept(&name))?;
            let tags = ImageTags::of(container, &rendered, &found)?;
            let image =
                ContainerImage::found(container, build, &commit, &rendered, found.built, &id);
            Some(ReadyImage { image, tags })
        };
        Ok(ReadyImages { images: containers.iter().filter_map(find).collect() })
    }

    #[activity(definition = steps::Render)]
    pub async fn render(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: RenderInput,
    ) -> Result<Rendered, ActivityError> {
        let name = name_of(&input.id);
        let images: Vec<_> = input.images.iter().map(|(of, it)| format!("{of} {it}")).collect();
        let on = if images.is_empty() { "" } else { " on " };
        self.note(format!("render {name}{on}{}", images.join(", ")));
        Ok(rendered(&input.plan, &name, &input.commit))
    }

    #[activity(definition = steps::FindImage)]
    pub async fn find_image(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: FindImageInput,
    ) -> Result<FoundImages, ActivityError> {
        let name = name_of(&input.id);
        self.note(format!("find_image {name}"));
        let find = |name: &String| self.script().built.contains(name).then(|| kept(name));
        if let (None, Some(published)) = (find(&name), input.published) {
            let message = format!("`{}` has another image", published.package);
            return Err(error(FailureType::VersionExists, message));
        }
        let platforms = input.platforms.iter();
        let platforms = platforms.map(|one| find(&format!("{name} {}", one.platform)));
        Ok(FoundImages { image: find(&name), platforms: platforms.collect() })
    }

    #[activity(definition = steps::Upload)]
    pub async fn upload(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: UploadInput,
    ) -> Result<Context, ActivityError> {
        let name = name_of(&input.id);
        self.note(format!("upload {name}"));
        if self.loses_worker("upload", &name) {
            return Err(ActivityError::WillCompleteAsync);
        }
        Ok(Context { key: "contexts/0".to_owned(), size: 10, sent: true, ..Context::default() })
    }

    #[activity(definition = steps::Launch)]
    pub async fn launch(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LaunchInput,
    ) -> Result<Launched, ActivityError> {
        let name = name_of(&input.id);
        self.note_launch(&name, &input);
        if self.loses_worker("launch", &name) {
            return Err(ActivityError::WillCompleteAsync);
        }
        let began = time(&input.since);
        while self.waits_for_room(&name) {
            if ctx.is_cancelled() {
                return Err(ActivityError::cancelled());
            }
            if began.elapsed().unwrap_or_default()
                > Duration::from_secs(input.build.timeouts.queued)
            {
                return Err(error(FailureType::QuotaExceeded, "there was no room in time"));
            }
            let _ = ctx.record_heartbeat(()).await;
            tokio::time::sleep(BEAT).await;
        }
        let another = matches!(self.fate_of(&name), Some(Fate::IsAnothers(_))) && !input.alone;
        let launched = launched(&input, another);
        self.script().pushed.extend((!another).then(|| launched.pushes.clone()));
        Ok(launched)
    }

    #[activity(definition = steps::AwaitBuild)]
    pub async fn await_build(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AwaitInput,
    ) -> Result<Awaited, ActivityError> {
        let name = name_of(&input.id);
        self.note(format!("await_build {name}"));
        if self.loses_worker("await_build", &name) {
            return Err(ActivityError::WillCompleteAsync);
        }
        let attempt = input.id.attempt as usize;
        let failure = match self.fate_of(&name) {
            Some(Fate::Hangs) => return hang(&ctx, &input).await,
            Some(Fate::IsAnothers(Another::WithoutAnImage)) if input.launched.is_others => {
                return Ok(Awaited::NoImage);
            }
            Some(Fate::IsAnothers(Another::Deleted))
                if self.count(&format!("await_build {name}")) == 1 =>
            {
                return Ok(Awaited::Gone);
            }
            Some(Fate::Fails(failures)) => failures.get(attempt - 1).cloned(),
            Some(Fate::FailsUntil(memory, failures)) => {
                let has_it = self.script().memory.get(&name) == Some(&memory);
                failures.get(attempt - 1).filter(|_| !has_it).cloned()
            }
            _ => None,
        };
        match failure {
            Some(failure) => Err(to_engine(Ended(failure).into())),
            None => Ok(Awaited::Built(built(&name))),
        }
    }

    #[activity(definition = steps::Index)]
    pub async fn index(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: IndexInput,
    ) -> Result<Built, ActivityError> {
        let name = name_of(&input.id);
        let images: Vec<_> = input.images.into_iter().map(|one| one.image).collect();
        let platforms: Vec<_> = images.iter().map(|one| one.platform.as_str()).collect();
        let platform = platforms.join(",");
        self.note(format!("index {name} of {platform}"));
        let size = images.iter().map(|one| one.size).sum();
        Ok(Built { platform, platforms: images, size, ..built(&name) })
    }

    #[activity(definition = steps::Tag)]
    pub async fn tag(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: TagInput,
    ) -> Result<(), ActivityError> {
        self.note(format!("tag {}", name_of(&input.id)));
        self.script().tagged.extend(input.images);
        Ok(())
    }

    #[activity(definition = steps::ResolveImage)]
    pub async fn resolve_image(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: ResolveInput,
    ) -> Result<Built, ActivityError> {
        self.note(format!("resolve_image {}", input.image));
        Ok(built(&input.image))
    }

    #[activity(definition = steps::Deliver)]
    pub async fn deliver(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: DeliverInput,
    ) -> Result<Option<Package>, ActivityError> {
        let name = input.component.unwrap_or(input.app);
        self.note(format!("deliver {name}"));
        self.script().published.extend(input.version);
        let reference = |delivery: Delivery| format!("{}:1", delivery.place.repository);
        Ok(input
            .delivery
            .map(|delivery| Package { reference: reference(delivery), digest: digest(&name) }))
    }

    #[activity(definition = steps::CleanUp)]
    pub async fn clean_up(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: CleanUpInput,
    ) -> Result<(), ActivityError> {
        let launching = if input.launching { " launching" } else { "" };
        self.note(format!("clean_up {}{launching}", input.id.workflow_id));
        Ok(())
    }

    #[activity(definition = steps::Sweep)]
    pub async fn sweep(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: SweepInput,
    ) -> Result<SweepReport, ActivityError> {
        self.note(format!("sweep, dry run {}", input.dry_run));
        let mut report = SweepReport { dry_run: input.dry_run, ..SweepReport::default() };
        report.contexts.add(10);
        Ok(report)
    }
}
