//! Builds of the same image at the same time.
//!
//! Two builds are equal where their images have the same content key and the same scope. A build finds
//! the unfinished Pod of an equal one by a label, and waits for its image instead of launching a Pod of
//! its own. The Pod stays the other build's: it alone deletes it.

use kilnworks_workflows::{
    names,
    steps::{LaunchInput, Launched, LaunchedKind},
};
use kube::ResourceExt;

use super::seen::SeenPod;

/// Label that a Job's controller puts on its Pod: the Job's UID.
pub const JOB_UID: &str = "batch.kubernetes.io/controller-uid";
/// Label that a Job's controller puts on its Pod: the Job's name.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// The label by which equal builds find each other.
pub fn label() -> String {
    names::label("content")
}

/// The annotation with the image that a Pod pushes.
pub fn annotation() -> String {
    names::label("image")
}

/// What equal builds have in common; none where the build has no key. The
/// scope is an installation, a repository of kept images, a push Secret and a layer cache: a build
/// never takes an image that was made with what its own spec may not use.
pub fn content(instance: &str, input: &LaunchInput) -> Option<String> {
    let (kept, key) = input.build.reuse.as_deref().zip(input.rendered.key.as_deref())?;
    let secret = input.registry.secret.as_deref().unwrap_or_default();
    let cache = input.build.cache.as_ref().map(|cache| format!("{} {}", cache.repo, cache.ttl));
    let scope = [instance, kept, secret, cache.as_deref().unwrap_or_default()];
    Some(names::content(&scope, key))
}

/// Another build's Pod, or the Job that it is of, where it makes the same.
pub fn another(pod: &SeenPod, content: &str, run_id: &str) -> Option<Launched> {
    let is = |name: &str, value: &str| pod.labels().get(name).is_some_and(|it| it == value);
    let is_others = is(&label(), content)
        && !is(&names::label("run"), run_id)
        && pod.metadata.deletion_timestamp.is_none();
    let pushes = pod.annotations().get(&annotation()).filter(|_| is_others)?.clone();
    launched(pod, pushes, true)
}

/// A Pod, or the Job that it is of, as a launch returns it.
pub fn launched(pod: &SeenPod, pushes: String, is_others: bool) -> Option<Launched> {
    let (kind, name, uid) = match pod.labels().get(JOB_UID).zip(pod.labels().get(JOB_NAME)) {
        Some((uid, name)) => (LaunchedKind::Job, name.clone(), uid.clone()),
        None => (LaunchedKind::Pod, pod.name_any(), pod.uid()?),
    };
    Some(Launched { kind, namespace: pod.namespace()?, name, uid, pushes, is_others })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::full;

    fn input() -> LaunchInput {
        let mut input = full();
        input.build.reuse = Some("localhost:5000/team/kiln-cache".to_owned());
        input.rendered.key = Some("c0ffee".to_owned());
        input
    }

    #[test]
    fn only_builds_of_one_key_and_scope_are_equal() {
        let of = |change: fn(&mut LaunchInput)| {
            let mut input = input();
            change(&mut input);
            content("instance", &input)
        };
        let same = of(|_| {});
        assert!(same.is_some());
        assert_eq!(of(|it| it.id.run_id = "other".to_owned()), same);
        assert_eq!(of(|it| it.build.resources.memory = "9Gi".to_owned()), same);
        assert_ne!(of(|it| it.rendered.key = Some("decaf".to_owned())), same);
        assert_ne!(of(|it| it.build.reuse = Some("elsewhere/kiln-cache".to_owned())), same);
        assert_ne!(of(|it| it.registry.secret = Some("other".to_owned())), same);
        assert_ne!(of(|it| it.build.cache = None), same);
        assert_ne!(content("another", &input()), same);
        assert_eq!(of(|it| it.rendered.key = None), None);
        assert_eq!(of(|it| it.build.reuse = None), None);
    }

    #[test]
    fn a_pod_is_anothers_while_it_is_not_deleted() {
        let pod = |labels: serde_json::Value, deleted: Option<&str>| -> SeenPod {
            serde_json::from_value(json!({"metadata": {
                "name": "pod", "namespace": "builds", "uid": "u", "labels": labels,
                "annotations": {annotation(): "localhost/a:tag"}, "deletionTimestamp": deleted,
            }}))
            .expect("a Pod")
        };
        let labels = json!({label(): "same", names::label("run"): "theirs"});
        let found = another(&pod(labels.clone(), None), "same", "ours").expect("another's");
        assert_eq!((found.name.as_str(), found.uid.as_str()), ("pod", "u"));
        assert_eq!((found.pushes.as_str(), found.is_others), ("localhost/a:tag", true));
        assert_eq!(another(&pod(labels.clone(), None), "same", "theirs"), None);
        assert_eq!(another(&pod(labels.clone(), None), "other", "ours"), None);
        let deleted = Some("2026-01-01T00:00:00Z");
        assert_eq!(another(&pod(labels, deleted), "same", "ours"), None);
        let of_job = json!({
            label(): "same", names::label("run"): "theirs", JOB_UID: "j", JOB_NAME: "job",
        });
        let found = another(&pod(of_job, None), "same", "ours").expect("another's");
        assert_eq!(
            (found.kind, found.name, found.uid),
            (LaunchedKind::Job, "job".into(), "j".into())
        );
    }
}
