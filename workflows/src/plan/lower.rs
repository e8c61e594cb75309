//! The one lowering: a spec in, a plan out, or every fault of the spec.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    checks,
    document::{Document, member},
    fault::{Faults, quoted},
    names,
    plan::{
        BuildPlan, Cache, Clocks, ComponentPlan, ContainerPlan, GitSource, MAX_CONTAINERS, Plan,
        Registry, Resources, Work,
    },
    spec::{
        API_VERSION, AppSpec, ComponentInput, ComponentSpec, ContainerInput, ContainerSpec, Shared,
    },
};

/// Says what will be done for a document, and what is wrong with it.
pub(super) fn lower(document: &Document) -> (Plan, Faults) {
    let mut lowering = Lowering::default();
    let plan = match document {
        Document::App(spec) => lowering.app(spec),
        Document::Component(input) => lowering.component_alone(input),
        Document::Container(input) => lowering.container_alone(input),
    };
    (plan, lowering.faults)
}

#[derive(Default)]
struct Lowering {
    faults: Faults,
    /// Path of the container that pushes to a repository.
    repositories: BTreeMap<String, String>,
}

/// What holds for every container of a document.
#[derive(Clone, Copy)]
struct App<'a> {
    name: &'a str,
    version: Option<&'a str>,
    defaults: &'a Shared,
}

impl Lowering {
    fn app(&mut self, spec: &AppSpec) -> Plan {
        if spec.api_version != API_VERSION {
            let found = quoted(&spec.api_version);
            self.faults.add(
                "apiVersion",
                format!("{found}; accepted is `{API_VERSION}`"),
            );
        }
        let app = self.head(&spec.app, spec.version.as_deref(), &spec.defaults);
        let names = spec
            .components
            .iter()
            .map(|component| component.name.as_str());
        self.unique("components", names);
        let count: usize = spec
            .components
            .iter()
            .map(|component| component.containers.len())
            .sum();
        if count > MAX_CONTAINERS {
            let message = format!("{count} containers; at most {MAX_CONTAINERS} are accepted");
            self.faults.add("components", message);
        }
        let components = spec
            .components
            .iter()
            .enumerate()
            .map(|(index, component)| {
                self.component(app, &format!("components[{index}]"), component)
            });
        let components = components.collect();
        Plan::new(app, spec.max_parallel, components)
    }

    fn component_alone(&mut self, input: &ComponentInput) -> Plan {
        let app = self.head(&input.app, input.version.as_deref(), &input.defaults);
        let component = self.component(app, "component", &input.component);
        Plan::new(app, input.max_parallel, vec![component])
    }

    fn container_alone(&mut self, input: &ContainerInput) -> Plan {
        let app = self.head(&input.app, input.version.as_deref(), &input.defaults);
        self.faults
            .check("component", checks::name(&input.component));
        let none = Shared::default();
        let container = self.container(app, &input.component, &none, "container", &input.container);
        let component = ComponentPlan {
            name: input.component.clone(),
            containers: vec![container],
        };
        Plan::new(app, 1, vec![component])
    }

    fn head<'a>(
        &mut self,
        name: &'a str,
        version: Option<&'a str>,
        defaults: &'a Shared,
    ) -> App<'a> {
        self.faults.check("app", checks::name(name));
        if let Some(version) = version {
            self.faults.check("version", checks::version(version));
        }
        App {
            name,
            version,
            defaults,
        }
    }

    fn component(&mut self, app: App<'_>, path: &str, spec: &ComponentSpec) -> ComponentPlan {
        self.faults
            .check(&member(path, "name"), checks::name(&spec.name));
        let path = member(path, "containers");
        self.unique(
            &path,
            spec.containers
                .iter()
                .map(|container| container.name.as_str()),
        );
        let containers = spec
            .containers
            .iter()
            .enumerate()
            .map(|(index, container)| {
                self.container(
                    app,
                    &spec.name,
                    &spec.shared,
                    &format!("{path}[{index}]"),
                    container,
                )
            });
        ComponentPlan {
            name: spec.name.clone(),
            containers: containers.collect(),
        }
    }

    fn unique<'a>(&mut self, path: &str, names: impl Iterator<Item = &'a str>) {
        let mut first = BTreeMap::new();
        for (index, name) in names.enumerate() {
            if let Some(earlier) = first.get(name) {
                let message = format!("{} is the name of `{path}[{earlier}]` too", quoted(name));
                self.faults.add(format!("{path}[{index}].name"), message);
            }
            first.entry(name).or_insert(index);
        }
    }

    fn container(
        &mut self,
        app: App<'_>,
        component: &str,
        component_shared: &Shared,
        path: &str,
        spec: &ContainerSpec,
    ) -> ContainerPlan {
        self.faults
            .check(&member(path, "name"), checks::name(&spec.name));
        let shared = Inherited {
            layers: [&spec.shared, component_shared, app.defaults],
        };
        let registry = self.registry(path, &shared);
        let work = match &spec.image {
            Some(image) => self.used(path, spec, image),
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

    fn used(&mut self, path: &str, spec: &ContainerSpec, image: &str) -> Work {
        self.faults
            .check(&member(path, "image"), checks::image(image));
        let given = [
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
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            let message = "not accepted beside `image`, which is used as it is";
            self.faults.add(member(path, name), message);
        }
        Work::Use {
            image: image.to_owned(),
        }
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
        let prefix = match shared.get(|one| one.registry.as_ref()) {
            Some(registry) => registry.prefix.trim_end_matches('/').to_owned(),
            None => {
                let message = "missing; give `registry.prefix` here or in `defaults`";
                self.faults.add(at("registry"), message);
                "unknown.invalid".to_owned()
            }
        };
        let repository = names::repository(&prefix, app.name, component, &spec.name);
        if let Some(other) = self
            .repositories
            .insert(repository.clone(), path.to_owned())
        {
            let message = format!("its image `{repository}` is the image of `{other}` too");
            self.faults.add(at("name"), message);
        }
        for (index, value) in spec
            .tags
            .iter()
            .enumerate()
            .filter(|(_, tag)| !is_template(tag))
        {
            self.faults
                .check(&format!("{}[{index}]", at("tags")), checks::tag(value));
        }
        for (index, value) in spec.kaniko.iter().enumerate() {
            self.faults.check(
                &format!("{}[{index}]", at("kaniko")),
                checks::kaniko_flag(value),
            );
        }
        self.keys(&at("buildArgs"), spec.build_args.keys());
        self.keys(&at("labels"), spec.labels.keys());
        self.secrets(&at("secrets"), spec);
        if let Some(target) = &spec.target {
            self.faults.check(&at("target"), checks::key(target));
        }
        Work::Build(Box::new(BuildPlan {
            source: self.source(path, shared),
            context_dir: self.path(&at("contextDir"), spec.context_dir.as_deref(), "."),
            dockerfile: self.path(&at("dockerfile"), spec.dockerfile.as_deref(), "Dockerfile"),
            template: self.template(spec),
            build_args: spec.build_args.clone(),
            target: spec.target.clone(),
            repository,
            tags: spec.tags.clone(),
            labels: spec.labels.clone(),
            cache: self.cache(path, shared, &format!("{prefix}/{}-cache", app.name)),
            flags: spec.kaniko.clone(),
            secrets: spec.secrets.clone(),
            lfs: spec.lfs,
            resources: self.resources(path, shared),
            clocks: self.clocks(path, shared),
        }))
    }

    fn keys<'a>(&mut self, path: &str, keys: impl Iterator<Item = &'a String>) {
        for name in keys {
            self.faults.check(&member(path, name), checks::key(name));
        }
    }

    fn secrets(&mut self, path: &str, spec: &ContainerSpec) {
        self.unique(path, spec.secrets.iter().map(|secret| secret.name.as_str()));
        for (index, secret) in spec.secrets.iter().enumerate() {
            let path = format!("{path}[{index}]");
            self.faults
                .check(&member(&path, "name"), checks::data_key(&secret.name));
            self.faults.check(
                &member(&path, "secret"),
                checks::object_name(&secret.secret),
            );
            self.faults
                .check(&member(&path, "key"), checks::data_key(&secret.key));
        }
    }

    /// A Dockerfile is a template where values are given or its name says so.
    fn template(&self, spec: &ContainerSpec) -> Option<BTreeMap<String, serde_json::Value>> {
        let by_name = spec
            .dockerfile
            .as_deref()
            .is_some_and(|name| name.ends_with(".tpl") || name.ends_with(".j2"));
        spec.template
            .clone()
            .or_else(|| by_name.then(BTreeMap::new))
    }

    /// A path without `.` parts and doubled slashes; `""` is the root.
    fn path(&mut self, at: &str, given: Option<&str>, default: &str) -> String {
        let value = given.unwrap_or(default);
        self.faults.check(at, checks::path(value));
        let parts = value
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".");
        parts.collect::<Vec<_>>().join("/")
    }

    fn source(&mut self, path: &str, shared: &Inherited<'_>) -> GitSource {
        let at = member(path, "source");
        let Some(source) = shared.get(|one| one.source.as_ref()) else {
            self.faults.add(
                at,
                "missing; give `source.git` here or in `defaults`, or an `image`",
            );
            return GitSource {
                url: String::new(),
                revision: None,
                secret: None,
                submodules: false,
            };
        };
        let git = &source.git;
        let at = member(&at, "git");
        self.faults
            .check(&member(&at, "url"), checks::git_url(&git.url));
        if let Some(revision) = &git.revision {
            self.faults
                .check(&member(&at, "revision"), checks::revision(revision));
        }
        self.object(&member(&at, "secret"), git.secret.as_ref());
        GitSource {
            url: git.url.clone(),
            revision: git.revision.clone(),
            secret: git.secret.clone(),
            submodules: git.submodules,
        }
    }

    fn object(&mut self, path: &str, name: Option<&String>) {
        if let Some(name) = name {
            self.faults.check(path, checks::object_name(name));
        }
    }

    fn registry(&mut self, path: &str, shared: &Inherited<'_>) -> Registry {
        let push = shared.get(|one| one.push_secret.as_ref());
        let pull = shared.get(|one| one.pull_secret.as_ref());
        self.object(&member(path, "pushSecret"), push);
        self.object(&member(path, "pullSecret"), pull);
        if let (Some(push), Some(pull)) = (push, pull)
            && push != pull
        {
            let message = format!(
                "{} differs from `pushSecret` {}; one Secret must hold all registries of a Pod",
                quoted(pull),
                quoted(push)
            );
            self.faults.add(member(path, "pullSecret"), message);
        }
        let spec = shared.get(|one| one.registry.as_ref());
        if let Some(spec) = spec {
            let at = member(path, "registry");
            let prefix = spec.prefix.trim_end_matches('/');
            self.faults
                .check(&member(&at, "prefix"), checks::registry_prefix(prefix));
            if let Some(ca) = &spec.ca {
                let at = member(&at, "ca");
                self.faults.check(
                    &member(&at, "configMap"),
                    checks::object_name(&ca.config_map),
                );
                self.faults
                    .check(&member(&at, "key"), checks::data_key(&ca.key));
            }
        }
        Registry {
            insecure: spec.is_some_and(|spec| spec.insecure),
            ca: spec.and_then(|spec| spec.ca.clone()),
            secret: push.or(pull).cloned(),
        }
    }

    fn cache(&mut self, path: &str, shared: &Inherited<'_>, repo: &str) -> Option<Cache> {
        let spec = shared
            .get(|one| one.cache.as_ref())
            .filter(|spec| spec.enabled)?;
        let at = member(path, "cache");
        if let Some(repo) = &spec.repo {
            self.faults
                .check(&member(&at, "repo"), checks::repository(repo));
        }
        Some(Cache {
            repo: spec.repo.clone().unwrap_or_else(|| repo.to_owned()),
            ttl: self.seconds(&member(&at, "ttl"), spec.ttl.as_deref(), 14 * 24 * 3600),
        })
    }

    fn resources(&mut self, path: &str, shared: &Inherited<'_>) -> Resources {
        let at = member(path, "resources");
        let given = |field: fn(&crate::spec::ResourcesSpec) -> Option<&String>| {
            shared
                .get(|one| one.resources.as_ref().and_then(field))
                .cloned()
        };
        let cpu = given(|one| one.cpu.as_ref());
        let memory = given(|one| one.memory.as_ref());
        let ephemeral_storage = given(|one| one.ephemeral_storage.as_ref());
        let all = [
            ("cpu", &cpu),
            ("memory", &memory),
            ("ephemeralStorage", &ephemeral_storage),
        ];
        for (name, value) in all {
            if let Some(value) = value {
                self.faults
                    .check(&member(&at, name), checks::quantity(value));
            }
        }
        Resources {
            cpu: cpu.unwrap_or_else(|| "250m".to_owned()),
            memory: memory.unwrap_or_else(|| "2Gi".to_owned()),
            ephemeral_storage,
        }
    }

    fn clocks(&mut self, path: &str, shared: &Inherited<'_>) -> Clocks {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let at = member(path, "timeouts");
        let mut clock =
            |name: &str, field: fn(&crate::spec::TimeoutsSpec) -> Option<&String>, default| {
                let given = shared.get(|one| one.timeouts.as_ref().and_then(field));
                self.seconds(&member(&at, name), given.map(String::as_str), default)
            };
        Clocks {
            queued: clock("queued", |one| one.queued.as_ref(), 24 * HOUR),
            scheduling: clock("scheduling", |one| one.scheduling.as_ref(), 15 * MINUTE),
            pulling: clock("pulling", |one| one.pulling.as_ref(), 10 * MINUTE),
            building: clock("building", |one| one.building.as_ref(), HOUR),
            whole: clock("whole", |one| one.whole.as_ref(), 48 * HOUR),
        }
    }

    fn seconds(&mut self, path: &str, given: Option<&str>, default: u64) -> u64 {
        const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
        let Some(given) = given else { return default };
        match humantime::parse_duration(given) {
            Ok(time) if time >= Duration::from_secs(1) && time <= LONGEST => time.as_secs(),
            _ => {
                let accepted = "a time from `1s` to `30d`, such as `90s` or `1h 30m`";
                self.faults
                    .add(path, format!("{}; accepted is {accepted}", quoted(given)));
                default
            }
        }
    }
}

/// Whether a value still has to be rendered, so that only the outcome can be checked.
fn is_template(value: &str) -> bool {
    value.contains("{{") || value.contains("{%")
}

/// A container's own fields, its component's and the app's: the first given one wins.
struct Inherited<'a> {
    layers: [&'a Shared; 3],
}

impl<'a> Inherited<'a> {
    fn get<T>(&self, field: impl Fn(&'a Shared) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| field(layer))
    }
}

impl Plan {
    fn new(app: App<'_>, max_parallel: u32, components: Vec<ComponentPlan>) -> Self {
        Self {
            app: app.name.to_owned(),
            version: app.version.map(str::to_owned),
            max_parallel,
            components,
        }
    }
}
