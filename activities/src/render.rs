//! Renders the Dockerfile and the texts of a spec, at a commit.
//!
//! The texts of the spec are rendered with the variables of the build. The results are values for the
//! Dockerfile template, and are not rendered again.

pub mod bases;
mod dockerfile;
mod key;
mod keyed;
pub mod pin;
pub mod platforms;
mod values;

use std::collections::BTreeMap;

use kilnworks_workflows::{
    bounds, checks,
    failure::FailureType,
    names,
    plan::{BuildPlan, ContainerPlan},
    steps::{RenderInput, Rendered},
};

pub use self::keyed::{keyed, own_platform};
use crate::{
    context::pack,
    error::fail,
    source::{Sources, directory::context_dir},
};

/// Renders what depends only on a source and a spec.
pub async fn read(sources: &Sources, input: RenderInput) -> anyhow::Result<Rendered> {
    let RenderInput { plan, commit, images, .. } = input;
    let Some(build) = plan.work.as_build().cloned() else {
        return Err(fail(FailureType::Internal, "nothing is rendered for an image used as it is"));
    };
    let known = values::known(&plan, &commit, &images);
    let texts = values::Texts::new(&known);
    let mut rendered = Rendered {
        build_args: texts.map("buildArgs", &build.build_args)?,
        labels: texts.map("labels", &build.labels)?,
        tags: tags(&texts, &plan, &build, &commit)?,
        ..Rendered::default()
    };
    arguments(&rendered)?;
    let values = match &build.template {
        None => None,
        Some(given) => Some(values::of_dockerfile(&texts, &known, given)?),
    };
    let snapshot = sources.ensure(&build.source, &commit).await?;
    let files = snapshot
        .read(move |tree, _| {
            let context = context_dir(tree, &build.context_dir, &commit)?;
            let files = dockerfile::read(tree, &build, &context, &commit, values.clone())?;
            Ok((files, pack::key(tree, &context, build.lfs)))
        })
        .await?;
    ((rendered.dockerfile, rendered.dockerignore), rendered.content) = files;
    each_is_used(&plan, &images, &rendered)?;
    Ok(rendered)
}

/// Checks that a build uses each image in its `from`: the digest is in the Dockerfile or in a build arg,
/// and so in the content key.
fn each_is_used(
    plan: &ContainerPlan,
    images: &BTreeMap<String, String>,
    rendered: &Rendered,
) -> anyhow::Result<()> {
    let texts: Vec<_> = rendered.build_args.values().chain([&rendered.dockerfile]).collect();
    for (name, reference) in images {
        let digest = reference.rsplit('@').next().unwrap_or(reference);
        if !texts.iter().any(|text| text.contains(digest)) {
            let value = values::value_of(plan, name);
            let message = format!(
                "`from` names `{name}`, whose image is not in the Dockerfile; \
                 write `FROM {{{{ {value}.reference }}}}`"
            );
            return Err(fail(FailureType::InvalidTemplate, message));
        }
    }
    Ok(())
}

/// Checks that the build args and labels fit into a Pod.
fn arguments(rendered: &Rendered) -> anyhow::Result<()> {
    let invalid = |message| fail(FailureType::InvalidTemplate, message);
    let mut total = 0;
    for (field, values) in [("buildArgs", &rendered.build_args), ("labels", &rendered.labels)] {
        for (name, value) in values {
            checks::value(value).map_err(|fault| invalid(format!("{field}.{name}: {fault}")))?;
            total += name.len() + value.len();
        }
    }
    match total > bounds::ARGUMENT_BYTES {
        true => Err(invalid(format!(
            "buildArgs and labels: {total} bytes; at most {} are accepted",
            bounds::ARGUMENT_BYTES
        ))),
        false => Ok(()),
    }
}

/// All tags without duplicates, the first tag first.
fn tags(
    texts: &values::Texts<'_>,
    plan: &ContainerPlan,
    build: &BuildPlan,
    commit: &str,
) -> anyhow::Result<Vec<String>> {
    let mut tags = vec![names::first_tag(plan.version.as_deref(), commit)];
    for (index, text) in build.tags.iter().enumerate() {
        let field = format!("tags[{index}]");
        let tag = texts.render(&field, text)?;
        checks::tag(&tag)
            .map_err(|fault| fail(FailureType::InvalidTemplate, format!("{field}: {fault}")))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}
