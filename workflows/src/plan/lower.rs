//! The one lowering: a spec in, a plan out, or every fault of the spec.

use std::collections::BTreeMap;

use crate::{
    bounds, checks,
    document::{Document, member},
    fault::{Faults, quoted},
    names,
    plan::{
        BuildPlan, Cache, ComponentPlan, ContainerPlan, Delivery, Plan, Timeouts, Work, delivery,
        graph::{self, Edge},
        shared::{self, Inherited},
        weight,
    },
    spec::{
        API_VERSION, AppSpec, ComponentInput, ComponentSpec, ContainerInput, ContainerSpec,
        OnFailure, Shared, Yields,
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
    if plan.auto_version && plan.outline().delivery.is_none() && lowering.faults.0.is_empty() {
        let message = "`auto` looks into the registry; give `registry.prefix` in `defaults`";
        lowering.faults.add("version", message);
    }
    graph::check(&mut lowering.faults, document, &plan, &lowering.edges);
    if plan.only_if_changed {
        lowering.can_be_unchanged(&plan);
    }
    weight::check(&mut lowering.faults, document, &plan);
    (plan, lowering.faults)
}

#[derive(Default)]
struct Lowering {
    faults: Faults,
    /// What is in a repository, in words.
    repositories: BTreeMap<String, String>,
    /// Which container is built from which.
    edges: Vec<Edge>,
}

/// What holds for every container of a document.
#[derive(Clone, Copy)]
struct App<'a> {
    name: &'a str,
    version: Option<&'a str>,
    /// Whether the version is to be found.
    auto: bool,
    defaults: &'a Shared,
}

/// The version that is to be found.
const AUTO: &str = "auto";

impl Lowering {
    fn app(&mut self, spec: &AppSpec) -> Plan {
        if spec.api_version != API_VERSION {
            let found = quoted(&spec.api_version);
            self.faults.add("apiVersion", format!("{found}; accepted is `{API_VERSION}`"));
        }
        let app = self.head(&spec.app, spec.version.as_deref(), &spec.defaults);
        self.endings(spec.fail_fast, spec.on_failure);
        let delivery = delivery::of_app(&mut self.faults, app.name, spec);
        self.claim("app", delivery.as_ref());
        let names = spec.components.iter().map(|component| component.name.as_str());
        self.unique("components", names);
        let components = spec.components.iter().enumerate().map(|(index, component)| {
            self.component(app, &format!("components[{index}]"), component)
        });
        let components = components.collect();
        Plan {
            fail_fast: spec.fail_fast,
            on_failure: spec.on_failure,
            approval: spec.approval,
            delivery,
            only_if_changed: spec.only_if.is_some(),
            is_app: true,
            ..Plan::new(app, spec.max_parallel, components)
        }
    }

    /// Takes the repository of a package, which nothing else may be put into.
    fn claim(&mut self, at: &str, delivery: Option<&Delivery>) {
        let Some(delivery) = delivery else { return };
        let place = &delivery.place;
        let prefix = place.repository.rsplit_once('/').map_or("", |(prefix, _)| prefix);
        let reuse = names::reuse_repository(prefix);
        self.repositories.insert(reuse, "where built images are kept".to_owned());
        let is_of = match &place.component {
            Some(component) => format!("the package of the component `{component}`"),
            None => "the package of the app".to_owned(),
        };
        self.take(at, "package", &place.repository, is_of.clone());
        if delivery.chart.is_some() {
            let chart = names::chart(&place.repository);
            self.take(at, "chart", &chart, is_of.replace("package", "chart"));
        }
    }

    /// Takes a repository for one thing.
    fn take(&mut self, at: &str, what: &str, repository: &str, is_of: String) {
        let length = bounds::at_most(repository.len(), bounds::REPOSITORY, "characters");
        let length = length.map_err(|fault| format!("the name of its {what} has {fault}"));
        self.faults.check(at, length);
        if let Some(other) = self.repositories.insert(repository.to_owned(), is_of) {
            let message = format!("its {what} `{repository}` is {other} too");
            self.faults.add(at, message);
        }
    }

    /// A failure cannot both end the others and be waited with.
    fn endings(&mut self, fail_fast: bool, on_failure: OnFailure) {
        if fail_fast && on_failure == OnFailure::Wait {
            let message = "`wait`; accepted is `fail` where `failFast` is set";
            self.faults.add("onFailure", message);
        }
    }

    fn component_alone(&mut self, input: &ComponentInput) -> Plan {
        let app = self.head(&input.app, input.version.as_deref(), &input.defaults);
        let component = self.component(app, "component", &input.component);
        self.endings(input.fail_fast, input.on_failure);
        Plan {
            fail_fast: input.fail_fast,
            on_failure: input.on_failure,
            approval: input.approval,
            only_if_changed: input.only_if.is_some(),
            ..Plan::new(app, input.max_parallel, vec![component])
        }
    }

    /// Whether it can be told that nothing changed.
    fn can_be_unchanged(&mut self, plan: &Plan) {
        if plan.outline().delivery.is_none() {
            let message = "`changed` compares with the package in the registry; give \
                           `registry.prefix` in `defaults`";
            self.faults.add("onlyIf", message);
        }
        let anew = |one: &&ContainerPlan| one.work.as_build().is_some_and(|it| it.reuse.is_none());
        for ContainerPlan { component, container, .. } in plan.containers().filter(anew) {
            let message = format!(
                "`changed` never holds back `{component}/{container}`, which is built anew each \
                 time; leave out its `reuse: never` or `pin: false`"
            );
            self.faults.add("onlyIf", message);
        }
        let built_from =
            |one: &&ContainerPlan| one.work.as_build().is_some_and(|build| !build.from.is_empty());
        for ContainerPlan { component, container, .. } in plan.containers().filter(built_from) {
            let message = format!(
                "`changed` is not accepted beside `from`, which `{component}/{container}` has"
            );
            self.faults.add("onlyIf", message);
        }
    }

    fn container_alone(&mut self, input: &ContainerInput) -> Plan {
        if input.version.as_deref() == Some(AUTO) {
            let message = "`auto` is for an app or a component; accepted is a semantic version";
            self.faults.add("version", message);
        }
        let app = self.head(&input.app, input.version.as_deref(), &input.defaults);
        self.faults.check("component", checks::name(&input.component));
        let none = Shared::default();
        let container = self.container(app, &input.component, &none, "container", &input.container);
        let component = ComponentPlan {
            name: input.component.clone(),
            containers: vec![container],
            delivery: None,
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
        let auto = version == Some(AUTO);
        let version = version.filter(|_| !auto);
        if let Some(version) = version {
            self.faults.check("version", checks::version(version));
        }
        shared::check(&mut self.faults, "defaults", defaults);
        App { name, version, auto, defaults }
    }

    fn component(&mut self, app: App<'_>, path: &str, spec: &ComponentSpec) -> ComponentPlan {
        self.faults.check(&member(path, "name"), checks::name(&spec.name));
        shared::check(&mut self.faults, path, &spec.shared);
        let delivery = delivery::of_component(&mut self.faults, path, app.name, app.defaults, spec);
        self.claim(&member(path, "name"), delivery.as_ref());
        if spec.containers.is_empty() && spec.chart.is_none() {
            let message = "missing; give one container at least, or a `chart`";
            self.faults.add(member(path, "containers"), message);
        }
        if spec.containers.is_empty() && spec.shared.platforms.is_some() {
            let message =
                "not accepted beside a `chart` without containers, of which nothing is built";
            self.faults.add(member(path, "platforms"), message);
        }
        let path = member(path, "containers");
        self.unique(&path, spec.containers.iter().map(|container| container.name.as_str()));
        let containers = spec.containers.iter().enumerate().map(|(index, container)| {
            self.container(app, &spec.name, &spec.shared, &format!("{path}[{index}]"), container)
        });
        let containers = containers.collect();
        ComponentPlan { name: spec.name.clone(), containers, delivery }
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
            priority: shared.priority(),
            fairness_key: shared.fairness_key(),
            platforms,
            yields: spec.yields,
            resources: shared.resources(),
            timeouts: shared.timeouts(),
        }))
    }

    /// Whether what a container asks for goes with the platforms that it is built for.
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

    /// The containers that one is built from, each once.
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

    /// A Dockerfile is a template where values are given, its name says so, or it is to name the
    /// images of other containers.
    fn template(&self, spec: &ContainerSpec) -> Option<BTreeMap<String, serde_json::Value>> {
        let by_name = spec
            .dockerfile
            .as_deref()
            .is_some_and(|name| name.ends_with(".tpl") || name.ends_with(".j2"));
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

/// Whether a value still has to be rendered, so that only the outcome can be checked.
fn is_template(value: &str) -> bool {
    value.contains("{{") || value.contains("{%")
}

impl Plan {
    fn new(app: App<'_>, max_parallel: u32, components: Vec<ComponentPlan>) -> Self {
        Self {
            app: app.name.to_owned(),
            version: app.version.map(str::to_owned),
            max_parallel,
            fail_fast: false,
            on_failure: OnFailure::Fail,
            approval: None,
            components,
            auto_version: app.auto,
            only_if_changed: false,
            is_app: false,
            delivery: None,
        }
    }
}
