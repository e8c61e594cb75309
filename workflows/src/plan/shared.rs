//! The fields that an app, a component and a container share: each is checked where it is written,
//! and looked up from the container outwards.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    bounds, checks,
    document::member,
    fault::{Faults, quoted},
    plan::{Cache, GitSource, Registry, Resources, Timeouts},
    platform,
    spec::{RegistrySpec, ResourcesSpec, ReuseSpec, Shared, SourceSpec, TimeoutsSpec},
};

/// Checks the shared fields at a path of the document.
pub(super) fn check(faults: &mut Faults, path: &str, shared: &Shared) {
    let at = |name: &str| member(path, name);
    if let Some(SourceSpec { git }) = &shared.source {
        let path = at("source.git");
        faults.check(&member(&path, "url"), checks::git_url(&git.url));
        given(faults, &path, &[("revision", &git.revision)], checks::revision);
        given(faults, &path, &[("secret", &git.secret)], checks::object_name);
    }
    if let Some(spec) = &shared.registry {
        registry(faults, &at("registry"), spec);
    }
    if let Some(spec) = &shared.resources {
        given(faults, &at("resources"), &spec.named(), checks::quantity);
    }
    if let Some(spec) = &shared.timeouts {
        let all = [
            ("queued", &spec.queued),
            ("scheduling", &spec.scheduling),
            ("pulling", &spec.pulling),
            ("building", &spec.building),
            ("whole", &spec.whole),
        ];
        given(faults, &at("timeouts"), &all, time);
    }
    if let Some(spec) = &shared.cache {
        given(faults, &at("cache"), &[("repo", &spec.repo)], checks::repository);
        given(faults, &at("cache"), &[("ttl", &spec.ttl)], time);
    }
    let secrets = [("pushSecret", &shared.push_secret), ("pullSecret", &shared.pull_secret)];
    given(faults, path, &secrets, checks::object_name);
    given(faults, path, &[("fairnessKey", &shared.fairness_key)], checks::name);
    if let Some(given) = &shared.platforms {
        platforms(faults, &at("platforms"), given);
    }
}

/// Checks the fields that are given, of those at a path.
fn given(
    faults: &mut Faults,
    path: &str,
    fields: &[(&str, &Option<String>)],
    check: fn(&str) -> Result<(), String>,
) {
    for (name, value) in fields {
        if let Some(value) = value {
            faults.check(&member(path, name), check(value));
        }
    }
}

fn registry(faults: &mut Faults, path: &str, spec: &RegistrySpec) {
    faults.check(&member(path, "prefix"), checks::registry_prefix(prefix(spec)));
    if let Some(ca) = &spec.ca {
        let path = member(path, "ca");
        faults.check(&member(&path, "configMap"), checks::object_name(&ca.config_map));
        faults.check(&member(&path, "key"), checks::data_key(&ca.key));
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

fn time(value: &str) -> Result<(), String> {
    match seconds(value) {
        Some(_) => Ok(()),
        None => Err(format!(
            "{}; accepted is a time from `1s` to `30d`, at most 64 characters, such as `90s` or \
             `1h 30m`",
            quoted(value)
        )),
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
