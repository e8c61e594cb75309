//! The field `build` of a container.

use std::collections::BTreeSet;

use kilnworks_workflows::checks;
use serde_json::{Value, json};

use super::{
    fields::Fields,
    flags::Flags,
    reading::{Means, Reading},
    spec::Container,
    texts::{literal, values_of},
};

/// Reads the field `build`, in the order of the fields of the spec.
pub(super) fn built(means: &mut Means<'_>, build: &mut Fields, made: &mut Container) {
    let branch = build.text(means.reading, "branch");
    made.put("source", source(means, build, branch.as_deref()));
    let registry = build.needed(means.reading, "imagePushRegistry");
    let registry = registry.map(|prefix| prefix.trim_end_matches('/').to_owned());
    let given = build.texts(means.reading, "configKanikoFlags");
    let flags_path = build.at("configKanikoFlags");
    let mut flags = Flags::of(means.reading, &flags_path, given, registry.as_deref());
    push(means, build, registry.as_deref(), flags.insecure, made);

    let context = build.text(means.reading, "repoPath");
    let context = context.map(|path| path.trim_matches('/').trim_start_matches("./").to_owned());
    made.put("contextDir", context.filter(|path| !path.is_empty() && path != "."));
    dockerfile(means, build, made);
    let mut args = values_of(means, build, "args", |reading, path, value| {
        reading.text_of(path, &value).map(Value::String)
    });
    args.extend(std::mem::take(&mut flags.build_args));
    made.put("buildArgs", Some(args).filter(|args| !args.is_empty()));
    made.put("target", flags.target.take());
    made.put("tags", Some(tags(means.reading, build, branch)).filter(|tags| !tags.is_empty()));
    let labels = std::mem::take(&mut flags.labels);
    made.put("labels", Some(labels).filter(|labels| !labels.is_empty()));
    made.put("cache", flags.cache(means.reading));
    if let Some(mode) = build.text(means.reading, "snapshotMode") {
        flags.kaniko.push(format!("--snapshot-mode={mode}"));
    }
    made.put("kaniko", Some(flags.kaniko).filter(|flags| !flags.is_empty()));
    if build.take("imageName").is_some() {
        let why = "an image is named `<registry>/<app>-<component>-<container>`";
        means.reading.left_out(&build.at("imageName"), why);
    }
}

/// The source. A commit has precedence over the branch, because SREWorks cloned the branch and reset it
/// to the commit.
pub(super) fn source(
    means: &mut Means<'_>,
    build: &mut Fields,
    branch: Option<&str>,
) -> Option<Value> {
    let reading = &mut *means.reading;
    let commit = build.text(reading, "commit");
    let given = ["ciAccount", "ciToken"].map(|name| build.raw_text(reading, name));
    let repo = build.needed(reading, "repo")?;
    let path = build.at("repo");
    let (url, secret) = means.credentials.of_git(reading, &path, &repo, given);
    let mut git = json!({"url": url});
    if let Some(commit) = &commit {
        let is_hex = commit.bytes().all(|c| c.is_ascii_hexdigit());
        if is_hex && !matches!(commit.len(), 40 | 64) {
            let what =
                format!("`{commit}` looks like a short commit id; Kilnworks needs a full one");
            reading.note(&build.at("commit"), &what);
        }
        if let Some(branch) = branch {
            let what = format!("the commit has precedence over the branch `{branch}`");
            reading.note(&build.at("commit"), &what);
        }
    }
    if let Some(revision) = commit.as_deref().or(branch) {
        git["revision"] = json!(revision);
    }
    if let Some(secret) = secret {
        git["secret"] = json!(secret);
    }
    Some(json!({"git": git}))
}

fn push(
    means: &mut Means<'_>,
    build: &mut Fields,
    registry: Option<&str>,
    insecure: bool,
    made: &mut Container,
) {
    let secret = build.text(means.reading, "dockerSecretName");
    let secret = secret.or_else(|| means.push_secret.map(str::to_owned));
    let Some(prefix) = registry else {
        return;
    };
    let mut registry = json!({"prefix": prefix});
    if insecure {
        registry["insecure"] = json!(true);
    }
    made.put("registry", Some(registry));
    if let Some(secret) = secret {
        means.credentials.add_push(&secret, prefix);
        made.put("pushSecret", Some(secret));
    }
}

/// The Dockerfile. SREWorks rendered every Dockerfile. If the name does not mark it as a template, an
/// empty map of values does.
fn dockerfile(means: &mut Means<'_>, build: &mut Fields, made: &mut Container) {
    let file = build.needed(means.reading, "dockerfileTemplate").unwrap_or_default();
    let file = file.trim_start_matches('/').trim_start_matches("./").to_owned();
    let by_name = file.ends_with(".tpl") || file.ends_with(".j2");
    made.put("dockerfile", Some(file).filter(|file| file != "Dockerfile"));
    let path = build.at("dockerfileTemplateArgs");
    let values = values_of(means, build, "dockerfileTemplateArgs", |_, _, value| Some(value));
    for name in values.keys().filter(|name| RESERVED_NAMES.contains(&name.as_str())) {
        let message = "the name is reserved by Kilnworks; rename it in the Dockerfile and here";
        means.reading.fault(&format!("{path}.{name}"), message);
    }
    made.put("template", Some(values).filter(|values| !values.is_empty() || !by_name));
}

/// Names that every template defines. Values cannot use them.
const RESERVED_NAMES: [&str; 5] = ["app", "commit", "component", "container", "version"];

fn tags(reading: &mut Reading, build: &mut Fields, branch: Option<String>) -> Vec<String> {
    let mut tags = build.texts(reading, "imagePushTags");
    if build.flag(reading, "imagePushUseBranchAsTag") == Some(true) {
        match branch.filter(|branch| checks::tag(branch).is_ok()) {
            Some(branch) => tags.push(branch),
            None => reading
                .left_out(&build.at("imagePushUseBranchAsTag"), "the branch is not a valid tag"),
        }
    }
    let mut seen = BTreeSet::new();
    tags.retain(|tag| !tag.is_empty() && seen.insert(tag.clone()));
    tags.iter().map(|tag| literal(tag)).collect()
}
