//! Which container is built from which: a graph without cycles, of containers and of components.

use std::collections::BTreeMap;

use crate::{
    checks,
    document::Document,
    fault::{Faults, quoted},
    names,
    plan::{ContainerPlan, Plan, Work},
};

/// A container that is built from another one, both as `component/container`.
pub(super) struct Edge {
    /// Where that is written.
    pub(super) path: String,
    pub(super) container: String,
    pub(super) from: String,
}

/// The container that `from` names in a container of a component.
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

/// Checks that each container is built from containers that are there and are built, and that none
/// is built from itself, however many are between. A component is built as a whole before those
/// that stand on it, so components form no cycle either.
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

/// Whether a container's base is there for each of its platforms. Where none is named, nodes tell,
/// and nothing is known of it.
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
    plan.containers().find(|one| names::container(&one.component, &one.container) == name)
}

/// What is wrong with a container that is not there.
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
            let there = list(plan.components.iter().map(|one| one.name.as_str()));
            format!("{name}: there is no component `{of}`; there are {there}")
        }
        (_, Some(component)) => {
            let there = list(component.containers.iter().map(|one| one.container.as_str()));
            format!("{name}: there is no container `{container}` in `{of}`; there are {there}")
        }
    }
}

/// How many names a fault spells out.
const SPELLED_OUT: usize = 10;

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    joined(&names.map(quoted).collect::<Vec<_>>(), ", ")
}

fn joined(names: &[String], between: &str) -> String {
    match names.len() {
        0 => "none".to_owned(),
        1..=SPELLED_OUT => names.join(between),
        more => {
            let first = names[..SPELLED_OUT].join(between);
            format!("{first}{between}… ({} more)", more - SPELLED_OUT)
        }
    }
}

/// Tells each cycle at the place of its first edge; true where there is one.
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
        let named: Vec<_> = cycle.iter().map(|name| quoted(name)).collect();
        let message = format!("a cycle: {}; {why}", joined(&named, " → "));
        faults.add(first.map_or("", |(_, _, edge)| edge.path.as_str()), message);
    }
    !walk.cycles.is_empty()
}

/// A walk over a graph that notes every way back to where it came from.
#[derive(Default)]
struct Walk<'a> {
    next: BTreeMap<&'a str, Vec<&'a str>>,
    /// False while it is on the way.
    left: BTreeMap<&'a str, bool>,
    way: Vec<&'a str>,
    /// The nodes of each cycle in their order, the first one again at the end.
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
