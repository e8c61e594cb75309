//! The one lowering: a spec in, a plan out, or every fault of the spec.

mod container;

use std::collections::BTreeMap;

use crate::{
    bounds, checks,
    document::{Document, member},
    fault::{Faults, quoted},
    names,
    plan::{
        ComponentPlan, Delivery, Plan, delivery,
        graph::{self, Edge},
        shared, weight,
    },
    spec::{
        API_VERSION, AppSpec, ComponentInput, ComponentSpec, ContainerInput, OnFailure, Shared,
    },
};

/// Returns the plan of a document, and its faults.
pub(super) fn lower(document: &Document) -> (Plan, Faults) {
    let mut lowering = Lowering::default();
    let plan = match document {
        Document::App(spec) => lowering.app(spec),
        Document::Component(input) => lowering.component_alone(input),
        Document::Container(input) => lowering.container_alone(input),
    };
    if plan.auto_version && plan.own_delivery().is_none() && lowering.faults.0.is_empty() {
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
    /// What each repository contains, in words.
    repositories: BTreeMap<String, String>,
    /// Which container is built from which.
    edges: Vec<Edge>,
}

/// What all containers of a document have in common.
#[derive(Clone, Copy)]
struct App<'a> {
    name: &'a str,
    version: Option<&'a str>,
    /// Whether the version is `auto`.
    auto: bool,
    defaults: &'a Shared,
}

/// The version that a build looks up.
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

    /// Takes the repositories of a package.
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

    /// Takes a repository, which nothing else may use.
    fn take(&mut self, at: &str, what: &str, repository: &str, is_of: String) {
        let length = bounds::at_most(repository.len(), bounds::REPOSITORY, "characters");
        let length = length.map_err(|fault| format!("the name of its {what} has {fault}"));
        self.faults.check(at, length);
        if let Some(other) = self.repositories.insert(repository.to_owned(), is_of) {
            let message = format!("its {what} `{repository}` is {other} too");
            self.faults.add(at, message);
        }
    }

    /// Checks that a failure does not both cancel the others and wait for a decision.
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

    /// Checks that `onlyIf: changed` can find out that nothing changed.
    fn can_be_unchanged(&mut self, plan: &Plan) {
        if plan.own_delivery().is_none() {
            let message = "`changed` compares with the package in the registry; give \
                           `registry.prefix` in `defaults`";
            self.faults.add("onlyIf", message);
        }
        for container in plan.containers() {
            let path = container.path();
            if container.work.as_build().is_some_and(|build| build.reuse.is_none()) {
                let message = format!(
                    "`changed` never holds back `{path}`, which is built anew each time; leave out \
                     its `reuse: never` or `pin: false`"
                );
                self.faults.add("onlyIf", message);
            }
            if !container.from().is_empty() {
                let message =
                    format!("`changed` is not accepted beside `from`, which `{path}` has");
                self.faults.add("onlyIf", message);
            }
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
}

impl Plan {
    fn new(app: App<'_>, max_parallel: u32, components: Vec<ComponentPlan>) -> Self {
        Self {
            app: app.name.to_owned(),
            version: app.version.map(str::to_owned),
            max_parallel,
            components,
            auto_version: app.auto,
            ..Self::default()
        }
    }
}
