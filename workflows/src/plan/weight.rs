//! The sizes of a plan, and of what workflows hand to their children with all inherited fields.

use serde::Serialize;

use crate::{
    bounds::{self, at_most},
    document::Document,
    fault::Faults,
    plan::Plan,
    spec::{ComponentSpec, Shared},
};

/// Checks a document that starts children; a container's starts none.
pub(super) fn check(faults: &mut Faults, document: &Document, plan: &Plan) {
    let (path, handed_down) = match document {
        Document::App(spec) => {
            let own = bytes(&spec.defaults) * spec.components.len() + bytes(&spec.components);
            let each = spec.components.iter().map(|it| to_containers(&spec.defaults, it));
            ("components", each.fold(own, usize::max))
        }
        Document::Component(input) => {
            ("component.containers", to_containers(&input.defaults, &input.component))
        }
        Document::Container(_) => return,
    };
    let count = plan.containers().count();
    faults.check(path, at_most(count, bounds::CONTAINERS, "containers"));
    let plan = at_most(bytes(plan), bounds::PLAN_BYTES, "bytes");
    faults.check(path, plan.map_err(|fault| format!("their plan has {fault}")));
    let handed_down = at_most(handed_down, bounds::HANDED_DOWN_BYTES, "bytes");
    faults.check(
        path,
        handed_down.map_err(|fault| format!("with what they inherit they have {fault}")),
    );
}

fn to_containers(defaults: &Shared, component: &ComponentSpec) -> usize {
    let inherited = bytes(defaults) + bytes(&component.shared);
    let images: usize = component.containers.iter().map(|container| container.from.len()).sum();
    inherited * component.containers.len()
        + bytes(&component.containers)
        + images * bounds::REFERENCE_BYTES
}

/// The size of a value as JSON.
fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}
