//! A context that the executor does not fetch itself. A container of `kiln`'s own image does, before
//! the executor starts: by an address that is signed for that one object, into a directory that the
//! two share. So no build sees credentials of the store.
//!
//! The address is a bearer's: until it expires, whoever has it can read this one context. It is an
//! annotation of the Pod, which the downward API shows to the fetching container alone. A Secret
//! would hide it from people who may read Pods and no Secrets; but who may create Secrets can have
//! the token of any service account of the namespace made, and the worker is to have no such right.

pub mod fetch;
mod unpack;

use std::{borrow::Cow, time::Duration};

use k8s_openapi::api::core::v1::{
    Capabilities, Container, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource,
    ObjectFieldSelector, SeccompProfile, SecurityContext, Volume, VolumeMount,
};
use kilnworks_workflows::{names, plan::Timeouts, steps::LaunchInput};

use super::{
    access::{Access, Fetch},
    executor, mounts,
    object::Object,
};

/// Name of the fetching container.
pub const NAME: &str = "fetch-context";

/// Name of the directory that the two containers share.
const SHARED: &str = "kiln-context";

/// Where the fetching container sees it. Its image is not of our making, and may have `kiln` itself
/// at `/kiln`.
const INTO: &str = "/context";

/// The directory in it that is unpacked into, as the volume itself cannot be removed and made anew.
const FILES: &str = "files";

/// The volume of the address.
const ADDRESS: &str = "kiln-context-url";

/// Where the fetching container sees it, and the file in it.
const ADDRESS_AT: (&str, &str) = ("/context-url", "url");

/// Stands in place of an address that is signed when the Pod is created.
const UNSIGNED: &str = "<signed when the Pod is created>";

/// What an address is good for beyond the timeouts that run until it is used.
const SLACK: Duration = Duration::from_secs(300);

/// The annotation with the address.
pub fn annotation() -> String {
    names::label("context-url")
}

/// The annotation before it is signed.
pub(crate) fn unsigned() -> (String, String) {
    (annotation(), UNSIGNED.to_owned())
}

/// How an executor gets a context that is fetched for it.
pub(crate) fn access(fetch: Fetch) -> Access {
    let path = format!("{}/context", mounts::KILN);
    let shared = Volume {
        name: SHARED.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    Access {
        context: format!("dir://{path}/{FILES}"),
        volumes: vec![shared, address()],
        mounts: vec![mount(SHARED, &path, true)],
        fetch: Some(fetch),
        ..Access::default()
    }
}

/// The container that fetches. It is root without any capability, so that the files are root's as
/// they are when Kaniko fetches them, and has what the executor has: they do not run at once.
pub(crate) fn container(fetch: &Fetch, input: &LaunchInput) -> Container {
    let (address, url) = ADDRESS_AT;
    let sha256 = input.context.sha256.as_deref().unwrap_or_default();
    let args = [
        NAME.to_owned(),
        format!("--url-file={address}/{url}"),
        format!("--sha256={sha256}"),
        format!("--into={INTO}/{FILES}"),
    ];
    Container {
        name: NAME.to_owned(),
        image: Some(fetch.image.clone()),
        args: Some(args.iter().map(|arg| executor::literal(arg)).collect()),
        resources: Some(executor::resources(&input.build.resources)),
        security_context: Some(security_context()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![mount(ADDRESS, address, true), mount(SHARED, INTO, false)]),
        ..Container::default()
    }
}

/// An object as it is to be created now: with an address that is good until the executor must have
/// started.
pub(crate) async fn signed<'a>(
    object: &'a Object,
    access: &Access,
    timeouts: &Timeouts,
) -> anyhow::Result<Cow<'a, Object>> {
    let Some(fetch) = &access.fetch else { return Ok(Cow::Borrowed(object)) };
    // Whoever extends a timeout of the Pod does so within the whole timeout, or extends that.
    let start = timeouts.scheduling.saturating_add(timeouts.pulling);
    let life = Duration::from_secs(timeouts.whole.max(start)) + SLACK;
    let url = fetch.signer.url(life).await?;
    let mut object = object.clone();
    object.annotate(annotation(), url);
    Ok(Cow::Owned(object))
}

fn address() -> Volume {
    let file = DownwardAPIVolumeFile {
        path: ADDRESS_AT.1.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            field_path: format!("metadata.annotations['{}']", annotation()),
            ..ObjectFieldSelector::default()
        }),
        ..DownwardAPIVolumeFile::default()
    };
    let source =
        DownwardAPIVolumeSource { items: Some(vec![file]), ..DownwardAPIVolumeSource::default() };
    Volume { name: ADDRESS.to_owned(), downward_api: Some(source), ..Volume::default() }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn security_context() -> SecurityContext {
    SecurityContext {
        run_as_user: Some(0),
        privileged: Some(false),
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}
