//! The fields that an app, a component and a container share: each is checked where it is written,
//! and looked up from the container outwards.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    bounds, checks,
    document::member,
    fault::{Faults, quoted},
    plan::{Cache, GitSource, Registry, Resources, Timeouts},
    platform,
    spec::{CacheSpec, RegistrySpec, ResourcesSpec, ReuseSpec, Shared, TimeoutsSpec},
};

/// Checks the shared fields that are written at a path.
pub(super) fn check(faults: &mut Faults, path: &str, shared: &Shared) {
    let at = |name: &str| member(path, name);
    if let Some(source) = &shared.source {
        git(faults, &at("source.git"), &source.git);
    }
    if let Some(spec) = &shared.registry {
        registry(faults, &at("registry"), spec);
    }
    if let Some(spec) = &shared.resources {
        resources(faults, &at("resources"), spec);
    }
    if let Some(spec) = &shared.timeouts {
        timeouts(faults, &at("timeouts"), spec);
    }
    if let Some(spec) = &shared.cache {
        cache(faults, &at("cache"), spec);
    }
    for (name, secret) in [("pushSecret", &shared.push_secret), ("pullSecret", &shared.pull_secret)]
    {
        optional(faults, &at(name), secret.as_ref(), checks::object_name);
    }
    optional(faults, &at("fairnessKey"), shared.fairness_key.as_ref(), checks::name);
    if let Some(given) = &shared.platforms {
        platforms(faults, &at("platforms"), given);
    }
}

fn platforms(faults: &mut Faults, path: &str, given: &[String]) {
    if given.is_empty() {
        let message = "`[]`; accepted is a list such as `[linux/amd64, linux/arm64]`; leave it out \
                       to build for whatever node takes the Pod";
        faults.add(path, message);
    }
    faults.check(path, bounds::at_most(given.len(), bounds::PLATFORMS, "entries"));
    for (index, one) in given.iter().enumerate() {
        let at = format!("{path}[{index}]");
        faults.check(&at, platform::check(one));
        if let Some(first) = given[..index].iter().position(|earlier| earlier == one) {
            faults.add(at, format!("{} is `{path}[{first}]` too; name it once", quoted(one)));
        }
    }
}

fn optional(
    faults: &mut Faults,
    path: &str,
    value: Option<&String>,
    check: fn(&str) -> Result<(), String>,
) {
    if let Some(value) = value {
        faults.check(path, check(value));
    }
}

fn git(faults: &mut Faults, path: &str, spec: &GitSource) {
    faults.check(&member(path, "url"), checks::git_url(&spec.url));
    optional(faults, &member(path, "revision"), spec.revision.as_ref(), checks::revision);
    optional(faults, &member(path, "secret"), spec.secret.as_ref(), checks::object_name);
}

fn registry(faults: &mut Faults, path: &str, spec: &RegistrySpec) {
    faults.check(&member(path, "prefix"), checks::registry_prefix(prefix(spec)));
    if let Some(ca) = &spec.ca {
        let path = member(path, "ca");
        faults.check(&member(&path, "configMap"), checks::object_name(&ca.config_map));
        faults.check(&member(&path, "key"), checks::data_key(&ca.key));
    }
}

fn resources(faults: &mut Faults, path: &str, spec: &ResourcesSpec) {
    for (name, value) in spec.named() {
        optional(faults, &member(path, name), value.as_ref(), checks::quantity);
    }
}

fn timeouts(faults: &mut Faults, path: &str, spec: &TimeoutsSpec) {
    let given = [
        ("queued", &spec.queued),
        ("scheduling", &spec.scheduling),
        ("pulling", &spec.pulling),
        ("building", &spec.building),
        ("whole", &spec.whole),
    ];
    for (name, value) in given {
        optional(faults, &member(path, name), value.as_ref(), time);
    }
}

fn cache(faults: &mut Faults, path: &str, spec: &CacheSpec) {
    optional(faults, &member(path, "repo"), spec.repo.as_ref(), checks::repository);
    optional(faults, &member(path, "ttl"), spec.ttl.as_ref(), time);
}

fn time(value: &str) -> Result<(), String> {
    match seconds(value) {
        Some(_) => Ok(()),
        None => {
            let accepted =
                "a time from `1s` to `30d`, at most 64 characters, such as `90s` or `1h 30m`";
            Err(format!("{}; accepted is {accepted}", quoted(value)))
        }
    }
}

/// The longest timeout. No build lasts longer than its whole timeout.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A timeout of a spec in seconds.
pub(crate) fn seconds(value: &str) -> Option<u64> {
    if value.len() > bounds::TERM {
        return None;
    }
    let time = humantime::parse_duration(value).ok()?;
    (time >= Duration::from_secs(1) && time <= LONGEST_TIMEOUT).then_some(time.as_secs())
}

fn prefix(spec: &RegistrySpec) -> &str {
    spec.prefix.trim_end_matches('/')
}

/// The fields of a container, of its component and of the app. The first value applies.
pub(super) struct Inherited<'a> {
    pub(super) layers: [&'a Shared; 3],
}

impl<'a> Inherited<'a> {
    pub(super) fn get<T>(&self, field: impl Fn(&'a Shared) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| field(layer))
    }

    pub(super) fn prefix(&self) -> Option<&'a str> {
        self.get(|one| one.registry.as_ref()).map(prefix)
    }

    pub(super) fn source(&self) -> Option<GitSource> {
        Some(self.get(|one| one.source.as_ref())?.git.clone())
    }

    /// How the registry is reached, and the fault of its two Secrets.
    pub(super) fn registry(&self) -> (Registry, Result<(), String>) {
        let push = self.get(|one| one.push_secret.as_ref());
        let pull = self.get(|one| one.pull_secret.as_ref());
        let spec = self.get(|one| one.registry.as_ref());
        let registry = Registry {
            host: self.prefix().and_then(|prefix| prefix.split('/').next()).map(str::to_owned),
            insecure: spec.is_some_and(|spec| spec.insecure),
            ca: spec.and_then(|spec| spec.ca.clone()),
            secret: push.or(pull).cloned(),
        };
        let secrets = match (push, pull) {
            (Some(push), Some(pull)) if push != pull => Err(format!(
                "{} differs from `pushSecret` {}; one Secret must hold all registries of a Pod",
                quoted(pull),
                quoted(push)
            )),
            _ => Ok(()),
        };
        (registry, secrets)
    }

    pub(super) fn cache(&self, repo: String) -> Option<Cache> {
        let spec = self.get(|one| one.cache.as_ref()).filter(|spec| spec.enabled)?;
        let ttl = spec.ttl.as_deref().and_then(seconds);
        Some(Cache { repo: spec.repo.clone().unwrap_or(repo), ttl: ttl.unwrap_or(14 * 24 * 3600) })
    }

    /// The platforms to build for, sorted and each once.
    pub(super) fn platforms(&self) -> Vec<String> {
        let given = self.get(|one| one.platforms.as_ref());
        let sorted: BTreeSet<_> = given.into_iter().flatten().cloned().collect();
        sorted.into_iter().collect()
    }

    /// Whether base images are pinned.
    pub(super) fn pin(&self) -> bool {
        self.get(|one| one.pin).unwrap_or(true)
    }

    /// Whether images are reused. The content key of an unpinned image does not cover its bases.
    pub(super) fn reuse(&self) -> bool {
        self.pin() && self.get(|one| one.reuse) != Some(ReuseSpec::Never)
    }

    pub(super) fn resources(&self) -> Resources {
        let given = |field: fn(&ResourcesSpec) -> Option<&String>| {
            self.get(|one| one.resources.as_ref().and_then(field)).cloned()
        };
        Resources {
            cpu: given(|one| one.cpu.as_ref()).unwrap_or_else(|| "250m".to_owned()),
            memory: given(|one| one.memory.as_ref()).unwrap_or_else(|| "2Gi".to_owned()),
            ephemeral_storage: given(|one| one.ephemeral_storage.as_ref()),
        }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let timeout = |field: fn(&TimeoutsSpec) -> Option<&String>, default| {
            let given = self.get(|one| one.timeouts.as_ref().and_then(field));
            given.and_then(|time| seconds(time)).unwrap_or(default)
        };
        Timeouts {
            queued: timeout(|one| one.queued.as_ref(), 24 * HOUR),
            scheduling: timeout(|one| one.scheduling.as_ref(), 15 * MINUTE),
            pulling: timeout(|one| one.pulling.as_ref(), 10 * MINUTE),
            building: timeout(|one| one.building.as_ref(), HOUR),
            whole: timeout(|one| one.whole.as_ref(), 48 * HOUR),
        }
    }
}
