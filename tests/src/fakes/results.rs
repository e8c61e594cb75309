//! What the fake steps return.

use std::time::Duration;

use kilnworks_activities::temporal::{Observer, to_engine};
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    names,
    plan::ContainerPlan,
    progress::State,
    steps::{
        AwaitInput, Awaited, Built, FoundImage, LaunchInput, Launched, LaunchedKind, Rendered,
        RenderedPlatform,
    },
};
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{ANOTHERS, built, key};

/// Pause between two heartbeats.
pub(super) const BEAT: Duration = Duration::from_millis(100);

pub(super) fn error(kind: FailureType, message: impl Into<String>) -> ActivityError {
    to_engine(Failure::new(kind, message).into())
}

pub(super) fn rendered(plan: &ContainerPlan, name: &str, commit: &str) -> Rendered {
    let platforms = plan.work.as_build().map_or(&[][..], |build| build.several()).iter();
    let platforms = platforms.map(|platform| RenderedPlatform {
        platform: platform.clone(),
        key: Some(key(&format!("{name} {platform}"))),
    });
    Rendered {
        dockerfile: "FROM scratch\n".to_owned(),
        tags: vec![names::first_tag(plan.version.as_deref(), commit)],
        content: "context".to_owned(),
        key: Some(key(name)),
        platforms: platforms.collect(),
        ..Rendered::default()
    }
}

/// An image that an earlier build kept under its content key.
pub(super) fn kept(name: &str) -> FoundImage {
    let repository = names::reuse_repository("registry.example.com/shop");
    FoundImage { repository, built: Built { pod_seconds: 0.0, ..built(name) } }
}

pub(super) fn launched(input: &LaunchInput, is_others: bool) -> Launched {
    let pushes = if is_others { format!("{ANOTHERS}:kiln-0") } else { input.pushes() };
    Launched {
        kind: LaunchedKind::Pod,
        namespace: "builds".to_owned(),
        name: input.pod_name(),
        uid: "1".to_owned(),
        pushes,
        is_others,
    }
}

/// Waits for a Pod that never ends, until the build is cancelled.
pub(super) async fn hang(
    ctx: &ActivityContext,
    input: &AwaitInput,
) -> Result<Awaited, ActivityError> {
    Observer::new(ctx, &input.id).report(State::Building, "").await;
    while !ctx.is_cancelled() {
        let _ = ctx.record_heartbeat(()).await;
        tokio::time::sleep(BEAT).await;
    }
    Err(ActivityError::cancelled())
}
