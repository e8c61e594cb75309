//! The executor: Kaniko's arguments and its container. Everything that knows Kaniko's command line
//! is here, so that another executor can stand beside it one day.
//!
//! Only flags that both chainguard's 1.25 and Google's 1.24 have; the live fork has them too.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, EnvVar, ResourceRequirements, SeccompProfile, SecurityContext,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kilnworks_workflows::{plan::Resources, steps::LaunchInput};

use super::{access::Access, mounts};
use crate::{secrets::registry_auth::host, settings::ClusterSettings};

/// Name of the executor's container, in every Pod of ours.
pub const NAME: &str = "executor";

/// Kaniko writes the digest here before it pushes, so it counts only at exit code 0.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Kaniko tries nothing twice unless it is told to. Each retry doubles its pause, from one second.
const RETRIES: u32 = 4;

/// The same for base images. More would keep a user waiting who misspelt one.
const PULL_RETRIES: u8 = 2;

/// What a build needs of root, each found by leaving it out: to own files as others and to change
/// them, to keep their setgid bits and file capabilities, to become others, to end their children.
const CAPABILITIES: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID", "SETFCAP", "KILL"];

/// The container of a build.
pub fn container(settings: &ClusterSettings, input: &LaunchInput, access: &Access) -> Container {
    let mut volume_mounts = mounts::mounts(input);
    volume_mounts.extend(access.mounts.iter().cloned());
    Container {
        name: NAME.to_owned(),
        image: Some(settings.executor_image.clone()),
        args: Some(args(input, access)),
        env: Some(access.env.iter().cloned().map(literal_value).collect()),
        env_from: Some(access.env_from.clone()),
        resources: Some(resources(&input.build.resources)),
        security_context: Some(security_context()),
        termination_message_path: Some(TERMINATION_LOG.to_owned()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(volume_mounts),
        ..Container::default()
    }
}

/// Kaniko's arguments. The user's own flags come last; those that Kilnworks sets were refused when
/// the spec was read.
pub fn args(input: &LaunchInput, access: &Access) -> Vec<String> {
    let build = &input.build;
    let rendered = &input.rendered;
    let registry = host(&build.repository);
    let mut args = vec![
        format!("--context={}", access.context),
        format!("--dockerfile={}/Dockerfile", mounts::KILN),
        format!("--digest-file={TERMINATION_LOG}"),
        // Colour codes would be in every log line otherwise.
        "--log-format=text".to_owned(),
        format!("--push-retry={RETRIES}"),
        // Kaniko tries again for an image that does not exist, too.
        format!("--image-download-retry={PULL_RETRIES}"),
        format!("--image-fs-extract-retry={RETRIES}"),
    ];
    if !input.context.root.is_empty() {
        args.push(format!("--context-sub-path={}", input.context.root));
    }
    args.push(format!("--destination={}", input.pushes()));
    args.extend(pairs("--build-arg", &rendered.build_args));
    args.extend(pairs("--label", &rendered.labels));
    args.extend(build.target.iter().map(|stage| format!("--target={stage}")));
    args.extend(build.platform().map(|one| format!("--custom-platform={one}")));
    if let Some(cache) = &build.cache {
        args.push("--cache=true".to_owned());
        args.push(format!("--cache-repo={}", cache.repo));
        args.push(format!("--cache-ttl={}s", cache.ttl));
    }
    if input.registry.insecure {
        // By name, for push and pull alike: every other registry keeps its TLS.
        args.push(format!("--insecure-registry={registry}"));
    }
    if let Some(ca) = &input.registry.ca {
        let file = mounts::ca_file(&ca.key);
        args.push(format!("--registry-certificate={registry}={file}"));
    }
    if input.spare_memory {
        args.push("--compressed-caching=false".to_owned());
    }
    args.extend(build.flags.iter().cloned());
    args.iter().map(|arg| literal(arg)).collect()
}

fn pairs(flag: &str, values: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    values.iter().map(move |(key, value)| format!("{flag}={key}={value}"))
}

/// A text that Kubernetes leaves as it is. It expands `$(NAME)` in arguments and variables, which
/// could print a credential into a layer; a doubled `$` is one `$`.
pub(crate) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A variable whose value is left as it is. What an operator's template adds is his own, and may name
/// others.
fn literal_value(mut variable: EnvVar) -> EnvVar {
    variable.value = variable.value.map(|value| literal(&value));
    variable
}

/// Memory and scratch space are limits too: a build that takes more than it asked for is ended,
/// and not its neighbours. The processor is shared, as a build may use what is idle.
pub(crate) fn resources(resources: &Resources) -> ResourceRequirements {
    let mut limits = BTreeMap::from([("memory".to_owned(), Quantity(resources.memory.clone()))]);
    if let Some(storage) = &resources.ephemeral_storage {
        limits.insert("ephemeral-storage".to_owned(), Quantity(storage.clone()));
    }
    let mut requests = limits.clone();
    requests.insert("cpu".to_owned(), Quantity(resources.cpu.clone()));
    ResourceRequirements {
        limits: Some(limits),
        requests: Some(requests),
        ..ResourceRequirements::default()
    }
}

/// Root without privileges: fits the Pod Security level "baseline". Privilege escalation is left
/// at its default: `no_new_privs` would break `sudo` in a `RUN` of another user, and a build that
/// is root already gains nothing by it. An operator's template may set it.
fn security_context() -> SecurityContext {
    let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    SecurityContext {
        run_as_user: Some(0),
        privileged: Some(false),
        capabilities: Some(Capabilities { drop: names(&["ALL"]), add: names(&CAPABILITIES) }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}
