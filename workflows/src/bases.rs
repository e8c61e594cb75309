//! What became of the containers that others are built from.

use std::collections::BTreeMap;

use crate::{
    failure::{Failure, FailureType},
    names,
    output::{BuildOutput, ContainerImage, FailureDetails},
    plan::ComponentPlan,
    progress::reason,
    stop::Stop,
};

/// What became of containers, by `component/container`.
#[derive(Debug, Default)]
pub(crate) struct Bases(BTreeMap<String, Became>);

#[derive(Debug)]
enum Became {
    /// An image, as `name@sha256:…`.
    Image(String),
    Failed(FailureType, String),
    Cancelled,
}

impl Bases {
    /// The images that a parent has handed down.
    pub(crate) fn given(&mut self, images: &BTreeMap<String, String>) {
        let became = |image: &String| Became::Image(image.clone());
        self.0.extend(images.iter().map(|(name, image)| (name.clone(), became(image))));
    }

    /// Notes how a container ended.
    pub(crate) fn note(
        &mut self,
        component: &str,
        container: &str,
        outcome: &Result<BuildOutput, Stop>,
    ) {
        let image = |images: &[ContainerImage]| {
            let found = images.iter().find(|image| image.container == container)?;
            Some(Became::Image(found.reference.clone()))
        };
        let became = match outcome {
            Ok(output) => image(&output.images),
            Err(Stop::Failed(details)) => image(&details.images).or(failed(container, details)),
            Err(Stop::Cancelled) => None,
        };
        let name = names::container(component, container);
        self.0.insert(name, became.unwrap_or(Became::Cancelled));
    }

    /// Notes how the containers of a component ended.
    pub(crate) fn end(&mut self, component: &ComponentPlan, outcome: &Result<BuildOutput, Stop>) {
        for container in &component.containers {
            self.note(&component.name, &container.container, outcome);
        }
    }

    /// A component is built again: its containers have not ended.
    pub(crate) fn forget(&mut self, component: &ComponentPlan) {
        for container in &component.containers {
            self.0.remove(&container.path());
        }
    }

    /// Whether there is nothing to wait for: all of them have ended.
    pub(crate) fn know<'a>(&self, mut names: impl Iterator<Item = &'a String>) -> bool {
        names.all(|name| self.0.contains_key(name))
    }

    /// The images of containers, or why who is built from them is not begun.
    pub(crate) fn images<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, String>, Stop> {
        let mut images = BTreeMap::new();
        let mut stop = None;
        for name in names {
            match self.0.get(name) {
                Some(Became::Image(reference)) => {
                    images.insert(name.clone(), reference.clone());
                }
                Some(Became::Failed(kind, message)) => {
                    return Err(Stop::failed(Failure::due_to(name, *kind, message)));
                }
                Some(Became::Cancelled) | None => stop = Some(Stop::Cancelled),
            }
        }
        stop.map_or(Ok(images), Err)
    }
}

/// The failure of a container, or the one for which it was ended.
fn failed(container: &str, details: &FailureDetails) -> Option<Became> {
    let own = details.failures.iter().find(|failure| failure.container == container);
    let failure = own.or(details.failures.first())?;
    Some(Became::Failed(failure.kind, reason(&failure.message)))
}
