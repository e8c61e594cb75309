//! The version of a build, and the packages that have it already.
//!
//! With a given version, each container finds out before its Pod whether it differs from what is
//! published. With `auto`, a workflow whose id is the version reserves it for one build.

use std::collections::BTreeMap;

use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, WorkflowCancellationToken, WorkflowContext,
};

use crate::{
    build::{OUTCOME, VERSION, id, is_taken},
    execute::execute,
    names,
    plan::{Place, Plan},
    policy::{Policy, Step},
    reserve_version::ReserveVersion,
    steps::{Split, Steps, VersionInput, Versioned},
    stop::Stop,
};

/// A version, and what is published under it.
#[derive(Debug, Default)]
pub(crate) struct Release {
    pub(crate) version: Option<String>,
    /// Packages as `name@sha256:…`, by component; the app's own has none.
    published: BTreeMap<Option<String>, String>,
    /// Ends the workflow that reserves the version.
    hold: Option<WorkflowCancellationToken>,
}

impl Release {
    /// What is published of a component: its own package, else the app's.
    pub(crate) fn published(&self, component: &str) -> Option<&String> {
        self.published.get(&Some(component.to_owned())).or_else(|| self.published.get(&None))
    }

    /// Releases the reserved version, once it is published or will never be.
    pub(crate) fn end(&self) {
        if let Some(hold) = &self.hold {
            hold.cancel_with_reason("its build has ended");
        }
    }
}

/// Finds the version of a build. A child gets it from its parent.
pub(crate) async fn release<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    split: &Split,
) -> Result<Release, Stop> {
    let release = find(ctx, policy, split).await;
    match &release {
        Err(stop) => ctx.upsert_search_attributes([OUTCOME.value_set(stop.word())]),
        Ok(Release { version: Some(version), .. }) if split.plan.auto_version => {
            ctx.upsert_search_attributes([VERSION.value_set(version.clone())]);
        }
        Ok(_) => {}
    }
    release
}

async fn find<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    split: &Split,
) -> Result<Release, Stop> {
    let plan = &split.plan;
    let given = plan.version.clone();
    let delivery = plan.own_delivery().filter(|_| given.is_some() || plan.auto_version);
    let Some(delivery) = delivery else {
        return Ok(Release { version: given, ..Release::default() });
    };
    if let Some(resolved) = &split.resolved {
        let published = resolved.published.iter().map(|one| (None, one.clone())).collect();
        return Ok(Release { version: given, published, hold: None });
    }
    let own = std::iter::once(&delivery.place);
    let others = plan.components.iter().filter_map(|one| Some(&one.delivery.as_ref()?.place));
    let places = own.chain(others.filter(|place| **place != delivery.place)).cloned().collect();
    let check = Check { ctx, policy, plan, places };
    match given {
        Some(version) => Ok(check.release(check.version(Some(version), None).await?, None)),
        None => check.reserve().await,
    }
}

struct Check<'a, W> {
    ctx: &'a WorkflowContext<W>,
    policy: &'a Policy,
    plan: &'a Plan,
    /// First the package by whose versions one is found.
    places: Vec<Place>,
}

impl<W> Check<'_, W> {
    /// Reserves the next free version.
    async fn reserve(&self) -> Result<Release, Stop> {
        let mut after = None;
        loop {
            let found = self.version(None, after.take()).await?.version;
            if let Some(hold) = self.hold(&found).await? {
                // An earlier holder may have published it meanwhile.
                let again = self.version(Some(found.clone()), None).await?;
                if again.published.iter().all(Option::is_none) {
                    return Ok(self.release(again, Some(hold)));
                }
                hold.cancel_with_reason("the version is published");
            }
            after = Some(found);
        }
    }

    /// Reserves a version, unless another build has it.
    async fn hold(&self, version: &str) -> Result<Option<WorkflowCancellationToken>, Stop> {
        let repository = self.places.first().map_or("", |place| place.repository.as_str());
        let token = WorkflowCancellationToken::new();
        let options = ChildWorkflowOptions::builder()
            .workflow_id(names::version_workflow_id(repository, version))
            .parent_close_policy(ParentClosePolicy::RequestCancel)
            .cancellation_token(token.clone())
            .static_summary(format!("hold {version} of {repository}"))
            .build();
        let started = self.ctx.start_child_workflow(ReserveVersion::run, (), options).await;
        match started {
            Ok(_) => Ok(Some(token)),
            Err(error) if is_taken(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn version(
        &self,
        version: Option<String>,
        after: Option<String>,
    ) -> Result<Versioned, Stop> {
        let summary = format!("look up {}", version.as_deref().unwrap_or("the next version"));
        let id = id(self.ctx, &self.plan.app);
        let input = VersionInput { id, version, after, places: self.places.clone() };
        let token = self.ctx.cancellation_token();
        let options = || self.policy.options(Step::CheckVersion, summary.clone(), token.clone());
        Ok(execute(self.ctx, Step::CheckVersion, || Steps::check_version, input, options).await?)
    }

    fn release(&self, versioned: Versioned, hold: Option<WorkflowCancellationToken>) -> Release {
        let published = self.places.iter().zip(versioned.published);
        let published = published.filter_map(|(place, one)| Some((place.component.clone(), one?)));
        Release { version: Some(versioned.version), published: published.collect(), hold }
    }
}
