//! The lowering of one container.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{App, Lowering};
use crate::{
    bounds, checks,
    document::member,
    fault::quoted,
    names,
    plan::{
        BuildPlan, Cache, ContainerPlan, Timeouts, Work, delivery,
        graph::{self, Edge},
        shared::{self, Inherited},
    },
    spec::{ContainerSpec, Shared, Yields},
};

impl Lowering {
    pub(super) fn container(
        &mut self,
        app: App<'_>,
        component: &str,
        component_shared: &Shared,
        path: &str,
        spec: &ContainerSpec,
    ) -> ContainerPlan {
        self.faults.check(&member(path, "name"), checks::name(&spec.name));
        shared::check(&mut self.faults, path, &spec.shared);
        let shared = Inherited { layers: [&spec.shared, component_shared, app.defaults] };
        let (registry, secrets) = shared.registry();
        self.faults.check(&member(path, "pullSecret"), secrets);
        let work = match &spec.image {
            Some(image) => self.used(path, spec, image, shared.timeouts()),
            None => self.build(app, component, path, spec, &shared),
        };
        ContainerPlan {
            app: app.name.to_owned(),
            component: component.to_owned(),
            container: spec.name.clone(),
            version: app.version.map(str::to_owned),
            init: spec.init,
            registry,
            work,
        }
    }

    fn used(&mut self, path: &str, spec: &ContainerSpec, image: &str, timeouts: Timeouts) -> Work {
        self.faults.check(&member(path, "image"), checks::image(image));
        let given = [
            ("from", !spec.from.is_empty()),
            ("source", spec.shared.source.is_some()),
            ("contextDir", spec.context_dir.is_some()),
            ("dockerfile", spec.dockerfile.is_some()),
            ("template", spec.template.is_some()),
            ("buildArgs", !spec.build_args.is_empty()),
            ("target", spec.target.is_some()),
            ("tags", !spec.tags.is_empty()),
            ("labels", !spec.labels.is_empty()),
            ("kaniko", !spec.kaniko.is_empty()),
            ("secrets", !spec.secrets.is_empty()),
            ("cache", spec.shared.cache.is_some()),
            ("yields", spec.yields != Yields::Image),
            ("platforms", spec.shared.platforms.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            let message = "not accepted beside `image`, which is used as it is";
            self.faults.add(member(path, name), message);
        }
        Work::Use { image: image.to_owned(), timeouts }
    }

    fn build(
        &mut self,
        app: App<'_>,
        component: &str,
        path: &str,
        spec: &ContainerSpec,
        shared: &Inherited<'_>,
    ) -> Work {
        let at = |name: &str| member(path, name);
        let source = shared.source();
        if source.is_none() {
            let message = "missing; give `source.git` here or in `defaults`, or an `image`";
            self.faults.add(at("source"), message);
        }
        if shared.prefix().is_none() {
            let message = "missing; give `registry.prefix` here or in `defaults`";
            self.faults.add(at("registry"), message);
        }
        let prefix = shared.prefix().unwrap_or_default();
        let repository = names::repository(prefix, app.name, component, &spec.name);
        self.take(&at("name"), "image", &repository, format!("the image of `{path}`"));
        self.many(path, spec);
        for (index, value) in spec.tags.iter().enumerate().filter(|(_, tag)| !is_template(tag)) {
            self.faults.check(&format!("{}[{index}]", at("tags")), checks::tag(value));
        }
        for (index, value) in spec.kaniko.iter().enumerate() {
            self.faults.check(&format!("{}[{index}]", at("kaniko")), checks::kaniko_flag(value));
        }
        let platforms = shared.platforms();
        self.for_platforms(path, spec, &platforms);
        self.values(&at("buildArgs"), &spec.build_args);
        self.values(&at("labels"), &spec.labels);
        self.secrets(&at("secrets"), spec);
        if let Some(target) = &spec.target {
            self.faults.check(&at("target"), checks::key(target));
        }
        Work::Build(Box::new(BuildPlan {
            source: source.unwrap_or_default(),
            from: self.from(&at("from"), component, spec),
            context_dir: self.path(&at("contextDir"), spec.context_dir.as_deref(), "."),
            dockerfile: self.path(&at("dockerfile"), spec.dockerfile.as_deref(), "Dockerfile"),
            template: self.template(spec),
            build_args: spec.build_args.clone(),
            target: spec.target.clone(),
            repository,
            tags: spec.tags.clone(),
            labels: spec.labels.clone(),
            cache: self.cache(path, shared, format!("{prefix}/{}-cache", app.name)),
            flags: spec.kaniko.clone(),
            secrets: spec.secrets.clone(),
            lfs: spec.lfs,
            pin: shared.pin(),
            reuse: shared.reuse().then(|| names::reuse_repository(prefix)),
            priority: shared.get(|one| one.priority),
            fairness_key: shared.get(|one| one.fairness_key.clone()),
            platforms,
            yields: spec.yields,
            resources: shared.resources(),
            timeouts: shared.timeouts(),
        }))
    }

    /// Checks what cannot be combined with `platforms`.
    fn for_platforms(&mut self, path: &str, spec: &ContainerSpec, platforms: &[String]) {
        if spec.yields == Yields::Files && platforms.len() > 1 {
            let count = platforms.len();
            let message = format!("`files` are of one platform; there are {count} in `platforms`");
            self.faults.add(member(path, "yields"), message);
        }
        let flags = spec.kaniko.iter().enumerate().filter(|(_, flag)| checks::is_platform(flag));
        for (index, flag) in flags.filter(|_| !platforms.is_empty()) {
            let message = format!("{} is not accepted beside `platforms`", quoted(flag));
            self.faults.add(format!("{}[{index}]", member(path, "kaniko")), message);
        }
    }

    /// The containers that a container is built from, each once.
    fn from(&mut self, path: &str, component: &str, spec: &ContainerSpec) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for written in &spec.from {
            match graph::name(component, written) {
                Ok(from) if all.contains(&from) => {}
                Ok(from) => all.push(from),
                Err(fault) => self.faults.add(path, fault),
            }
        }
        let container = names::container(component, &spec.name);
        self.edges.extend(all.iter().map(|from| Edge {
            path: path.to_owned(),
            container: container.clone(),
            from: from.clone(),
        }));
        all
    }

    fn cache(&mut self, path: &str, shared: &Inherited<'_>, repo: String) -> Option<Cache> {
        let cache = shared.cache(repo.clone())?;
        if cache.repo == repo {
            let length = bounds::at_most(repo.len(), bounds::REPOSITORY, "characters");
            let length = length.map_err(|fault| format!("the name of its repository has {fault}"));
            self.faults.check(&member(path, "cache"), length);
        }
        Some(cache)
    }

    fn many(&mut self, path: &str, spec: &ContainerSpec) {
        let given = [
            ("from", spec.from.len(), bounds::FROM),
            ("tags", spec.tags.len(), bounds::TAGS),
            ("buildArgs", spec.build_args.len(), bounds::BUILD_ARGS),
            ("labels", spec.labels.len(), bounds::LABELS),
            ("kaniko", spec.kaniko.len(), bounds::FLAGS),
            ("secrets", spec.secrets.len(), bounds::SECRETS),
        ];
        for (name, count, bound) in given {
            self.faults.check(&member(path, name), bounds::at_most(count, bound, "entries"));
        }
    }

    fn values(&mut self, path: &str, values: &BTreeMap<String, String>) {
        for (name, value) in values {
            let path = member(path, name);
            self.faults.check(&path, checks::key(name));
            self.faults.check(&path, checks::value(value));
        }
    }

    fn secrets(&mut self, path: &str, spec: &ContainerSpec) {
        self.unique(path, spec.secrets.iter().map(|secret| secret.name.as_str()));
        for (index, secret) in spec.secrets.iter().enumerate() {
            let path = format!("{path}[{index}]");
            self.faults.check(&member(&path, "name"), checks::data_key(&secret.name));
            self.faults.check(&member(&path, "secret"), checks::object_name(&secret.secret));
            self.faults.check(&member(&path, "key"), checks::data_key(&secret.key));
        }
    }

    /// The values of a Dockerfile that is a template.
    fn template(&self, spec: &ContainerSpec) -> Option<BTreeMap<String, Value>> {
        let name = spec.dockerfile.as_deref().unwrap_or_default();
        let by_name = name.ends_with(".tpl") || name.ends_with(".j2");
        let is_template = by_name || !spec.from.is_empty();
        spec.template.clone().or_else(|| is_template.then(BTreeMap::new))
    }

    /// A path without `.` parts and doubled slashes; `""` is the root.
    fn path(&mut self, at: &str, given: Option<&str>, default: &str) -> String {
        let value = given.unwrap_or(default);
        self.faults.check(at, checks::path(value));
        delivery::plain(value)
    }
}

/// Whether only the rendered value can be checked.
fn is_template(value: &str) -> bool {
    value.contains("{{") || value.contains("{%")
}
