//! `compare`: whether what a document comes to is published already.
//!
//! It goes the way of a build without its Pods: every image must be there by its content key, and
//! the packages made of them must be those in the registry. What differs ends it at once.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{
    build_id::BuildId,
    failure::FailureType,
    names,
    output::{BuildOutput, ContainerImage, Outcome, Package},
    plan::{ComponentPlan, ContainerPlan, Delivery, Plan, Work},
    steps::{CompareInput, DeliverInput, Delivered, VersionInput},
};

use crate::{
    error::failure_of,
    package::deliver::delivered,
    registry::RegistryClient,
    source::Sources,
    steps::{
        check_version::{check_version, latest},
        finder::{Finder, SIDE_BY_SIDE},
        resolve_image::resolve_image,
    },
};

/// What is published, where it is what the document describes.
pub async fn compare(
    finder: Finder<'_>,
    input: CompareInput,
) -> anyhow::Result<Option<BuildOutput>> {
    match look(finder, input.plan).await {
        // What is published has another image, file or chart.
        Err(error) if is_other(&error) => Ok(None),
        found => found,
    }
}

fn is_other(error: &anyhow::Error) -> bool {
    failure_of(error).is_some_and(|failure| failure.kind == FailureType::VersionExists)
}

async fn look(finder: Finder<'_>, plan: Plan) -> anyhow::Result<Option<BuildOutput>> {
    let Finder { registry, sources, .. } = finder;
    let Some(place) = plan.own_delivery().map(|own| own.place.clone()) else { return Ok(None) };
    let version = match plan.auto_version {
        true => latest(registry, &place).await?,
        false => plan.version.clone(),
    };
    if plan.auto_version && version.is_none() {
        return Ok(None);
    }
    let plan = plan.of_version(version);
    let published = published(registry, &finder.id, &plan).await?;
    if plan.version.is_some() && published.is_empty() {
        return Ok(None);
    }
    let commits = commits(sources, &plan).await?;
    Look { finder, plan: &plan, published, commits }.whole().await
}

/// The packages that have the plan's version, by component; the app's own has none.
async fn published(
    registry: &RegistryClient,
    id: &BuildId,
    plan: &Plan,
) -> anyhow::Result<BTreeMap<Option<String>, String>> {
    let Some(version) = plan.version.clone() else { return Ok(BTreeMap::new()) };
    let own = plan.delivery.iter().map(|delivery| &delivery.place);
    let others = plan.components.iter().filter_map(|one| Some(&one.delivery.as_ref()?.place));
    let places: Vec<_> = own.chain(others).cloned().collect();
    let components: Vec<_> = places.iter().map(|place| place.component.clone()).collect();
    let input = VersionInput { id: id.clone(), version: Some(version), after: None, places };
    let found = check_version(registry, input).await?.published;
    Ok(components.into_iter().zip(found).filter_map(|(key, found)| Some((key, found?))).collect())
}

/// The commit of each source, by its key.
async fn commits(sources: &Sources, plan: &Plan) -> anyhow::Result<BTreeMap<String, String>> {
    let mut commits = BTreeMap::new();
    for source in plan.sources() {
        commits.insert(source.key(), sources.fetch(source).await?);
    }
    Ok(commits)
}

struct Look<'a> {
    finder: Finder<'a>,
    plan: &'a Plan,
    published: BTreeMap<Option<String>, String>,
    commits: BTreeMap<String, String>,
}

impl Look<'_> {
    async fn whole(&self) -> anyhow::Result<Option<BuildOutput>> {
        let (mut images, mut packages) = (Vec::new(), Vec::new());
        for component in &self.plan.components {
            let Some((its, package)) = self.component(component).await? else { return Ok(None) };
            images.extend(its);
            packages.push(package);
        }
        let package = match &self.plan.delivery {
            None => packages.pop().map(|delivered| delivered.package),
            delivery => {
                let input = DeliverInput { components: packages, ..self.input(None, delivery) };
                delivered(self.finder.registry, self.finder.sources, &input).await?
            }
        };
        let Some(package) = package else { return Ok(None) };
        Ok(Some(self.output(images, package)))
    }

    fn output(&self, images: Vec<ContainerImage>, package: Package) -> BuildOutput {
        BuildOutput {
            app: self.plan.app.clone(),
            version: self.plan.version.clone(),
            outcome: Outcome::Unchanged,
            images,
            package: Some(package),
        }
    }

    /// A component's images and package, where all are there.
    async fn component(
        &self,
        component: &ComponentPlan,
    ) -> anyhow::Result<Option<(Vec<ContainerImage>, Delivered)>> {
        let Some(Delivery { place, .. }) = &component.delivery else { return Ok(None) };
        let own = self.published.get(&Some(component.name.clone()));
        let published = own.or_else(|| self.published.get(&None)).cloned();
        // A list, as a closure that lives on would tie this to one thread.
        let containers: Vec<_> = component
            .containers
            .iter()
            .map(|container| self.container(container, published.clone()))
            .collect();
        let images: Vec<_> = stream::iter(containers).buffered(SIDE_BY_SIDE).try_collect().await?;
        let Some(images) = images.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let registries = component.containers.iter();
        let registries = registries.map(|one| (one.container.clone(), one.registry.clone()));
        let input = DeliverInput {
            images: images.clone(),
            registries: registries.collect(),
            ..self.input(Some(&component.name), &component.delivery)
        };
        let package = delivered(self.finder.registry, self.finder.sources, &input).await?;
        let place = place.clone();
        Ok(package.map(|package| (images, Delivered { place, package })))
    }

    /// What a package would be made of, but for its images.
    fn input(&self, component: Option<&str>, delivery: &Option<Delivery>) -> DeliverInput {
        let source = delivery.as_ref().and_then(|delivery| delivery.source.as_ref());
        DeliverInput {
            id: self.finder.id.clone(),
            app: self.plan.app.clone(),
            component: component.map(str::to_owned),
            version: self.plan.version.clone(),
            delivery: delivery.clone(),
            commit: source.and_then(|source| self.commits.get(&source.key()).cloned()),
            images: Vec::new(),
            components: Vec::new(),
            registries: BTreeMap::new(),
            started: String::new(),
            finished: String::new(),
        }
    }

    /// A container's image, where it is there.
    async fn container(
        &self,
        plan: &ContainerPlan,
        published: Option<String>,
    ) -> anyhow::Result<Option<ContainerImage>> {
        match &plan.work {
            Work::Use { image, .. } => {
                let built = resolve_image(self.finder.registry, image, &plan.registry).await?;
                Ok(Some(ContainerImage::of(plan, &names::repository_of(image), built)))
            }
            Work::Build(build) => {
                let commit = self.commits.get(&build.source.key()).map_or("", String::as_str);
                let found = self.finder.find(plan, build, commit, published).await?;
                // The package's record has what the image was made of.
                Ok(found.map(|ready| ContainerImage { made: None, ..ready.image }))
            }
        }
    }
}
