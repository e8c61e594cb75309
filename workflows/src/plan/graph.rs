//! Which container is built from which: a graph without cycles.

use std::collections::BTreeMap;

use crate::{
    checks,
    document::Document,
    fault::{Faults, listed, quoted},
    names,
    plan::{ContainerPlan, Plan, Work},
};

/// A container that is built from another container, both as `component/container`.
pub(super) struct Edge {
    /// Its place in the document.
    pub(super) path: String,
    pub(super) container: String,
    pub(super) from: String,
}

/// The name `component/container` of a value of `from`.
pub(super) fn name(component: &str, written: &str) -> Result<String, String> {
    let (of, container) = match written.split_once('/') {
        Some((of, container)) if checks::name(of).is_ok() => (of, container),
        Some(_) => ("", ""),
        None => (component, written),
    };
    checks::name(container).map_err(|_| {
        let accepted = "a container of the same component by its name, or `component/container`";
        format!("{}; accepted is {accepted}", quoted(written))
    })?;
    Ok(names::container(of, container))
}

/// Checks that every base exists and is built, and that there is no cycle. A component is built as a
/// whole before the components that need it, so components must form no cycle either.
pub(super) fn check(faults: &mut Faults, document: &Document, plan: &Plan, edges: &[Edge]) {
    let given = match document {
        Document::App(_) => None,
        Document::Component(input) => input.resolved.as_ref(),
        Document::Container(input) => input.resolved.as_ref(),
    };
    let given = |name: &str| given.is_some_and(|resolved| resolved.images.contains_key(name));
    let mut known = Vec::new();
    for edge in edges {
        match found(plan, &edge.from) {
            Some(ContainerPlan { work: Work::Build(base), .. }) => {
                let build = found(plan, &edge.container).and_then(|one| one.work.as_build());
                let own = build.map_or(&[][..], |build| &build.platforms);
                faults.check(&edge.path, built_for(edge, own, &base.platforms));
                known.push(edge);
            }
            Some(ContainerPlan { work: Work::Use { image, .. }, .. }) => {
                let name = quoted(&edge.from);
                let image = quoted(image);
                let message =
                    format!("{name} is not built; name its image {image} in the Dockerfile");
                faults.add(edge.path.as_str(), message);
            }
            None if given(&edge.from) => {}
            None => faults.add(edge.path.as_str(), unknown(document, plan, &edge.from)),
        }
    }
    let of_containers =
        known.iter().map(|edge| (edge.container.as_str(), edge.from.as_str(), *edge));
    if tell(faults, &of_containers.collect::<Vec<_>>(), "each is built from the next") {
        return;
    }
    let of_components = known.iter().filter_map(|edge| {
        let (own, other) = (component_of(&edge.container), component_of(&edge.from));
        (own != other).then_some((own, other, *edge))
    });
    let why = "a component is built as a whole before those that are built from it";
    tell(faults, &of_components.collect::<Vec<_>>(), why);
}

/// Checks that a base has each platform of the container, as far as the spec names platforms.
fn built_for(edge: &Edge, own: &[String], base: &[String]) -> Result<(), String> {
    let missing: Vec<_> = own.iter().filter(|it| !base.contains(it)).map(|it| quoted(it)).collect();
    match missing.as_slice() {
        [] => Ok(()),
        _ => Err(format!(
            "{} is not built for {}, as {} is; name them in its `platforms`, too",
            quoted(&edge.from),
            missing.join(", "),
            quoted(&edge.container)
        )),
    }
}

fn component_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(component, _)| component)
}

fn found<'a>(plan: &'a Plan, name: &str) -> Option<&'a ContainerPlan> {
    plan.containers().find(|one| one.path() == name)
}

/// The fault of a base that does not exist.
fn unknown(document: &Document, plan: &Plan, name: &str) -> String {
    let (of, container) = name.split_once('/').unwrap_or((name, ""));
    let component = plan.components.iter().find(|component| component.name == of);
    let name = quoted(name);
    match (document, component) {
        (Document::Container(_), _) => {
            format!("{name} is not known to a container alone; build its component or the app")
        }
        (Document::Component(_), None) => {
            format!("{name} is not known to a component alone; build the app")
        }
        (_, None) => {
            let there = listed(plan.components.iter().map(|one| one.name.as_str()), ", ");
            format!("{name}: there is no component `{of}`; there are {there}")
        }
        (_, Some(component)) => {
            let names = component.containers.iter().map(|one| one.container.as_str());
            let there = listed(names, ", ");
            format!("{name}: there is no container `{container}` in `{of}`; there are {there}")
        }
    }
}

/// Adds a fault for each cycle at the place of its first edge. True if there is one.
fn tell(faults: &mut Faults, edges: &[(&str, &str, &Edge)], why: &str) -> bool {
    let mut walk = Walk::default();
    for (from, to, _) in edges {
        walk.next.entry(*from).or_default().push(*to);
    }
    for (node, _, _) in edges {
        walk.visit(node);
    }
    for cycle in &walk.cycles {
        let first = edges.iter().find(|(from, to, _)| [*from, *to] == cycle[..2]);
        let message = format!("a cycle: {}; {why}", listed(cycle.iter().copied(), " → "));
        faults.add(first.map_or("", |(_, _, edge)| edge.path.as_str()), message);
    }
    !walk.cycles.is_empty()
}

/// A depth-first walk over a graph that finds the cycles.
#[derive(Default)]
struct Walk<'a> {
    next: BTreeMap<&'a str, Vec<&'a str>>,
    /// Whether the walk has left a node; false while it is on the way.
    left: BTreeMap<&'a str, bool>,
    way: Vec<&'a str>,
    /// The nodes of each cycle, the first node again at the end.
    cycles: Vec<Vec<&'a str>>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a str) {
        match self.left.get(node) {
            Some(true) => {}
            Some(false) => {
                let begins = self.way.iter().position(|one| *one == node).unwrap_or(0);
                let cycle = self.way[begins..].iter().copied().chain([node]);
                self.cycles.push(cycle.collect());
            }
            None => {
                self.left.insert(node, false);
                self.way.push(node);
                for next in self.next.get(node).cloned().unwrap_or_default() {
                    self.visit(next);
                }
                self.way.pop();
                self.left.insert(node, true);
            }
        }
    }
}
