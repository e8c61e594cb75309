//! The field `build` of a container.

use std::collections::BTreeSet;

use kilnworks_workflows::checks;
use serde_json::{Map, Value, json};

use super::{
    fields::Fields,
    flags::Flags,
    means::Means,
    parts::Container,
    reading::Reading,
    texts::{literal, values_of},
};

/// Reads the field `build`, in the order of the fields of the spec.
pub(super) fn built(means: &mut Means<'_>, build: &mut Fields, made: &mut Container) {
    let branch = build.text(means.reading, "branch");
    if let Some(source) = source(means, build, branch.as_deref(), &mut made.comments) {
        made.shared.insert("source".to_owned(), source);
    }
    let registry = build.needed(means.reading, "imagePushRegistry");
    let registry = registry.map(|prefix| prefix.trim_end_matches('/').to_owned());
    let given = build.texts(means.reading, "configKanikoFlags");
    let flags_path = build.at("configKanikoFlags");
    let mut flags = Flags::of(means.reading, &flags_path, given, registry.as_deref());
    push(means, build, registry.as_deref(), flags.insecure, made);

    let context = build.text(means.reading, "repoPath");
    let context = context.map(|path| path.trim_matches('/').trim_start_matches("./").to_owned());
    put(made, "contextDir", context.filter(|path| !path.is_empty() && path != "."));
    dockerfile(means, build, made);
    let mut args = values_of(means, build, "args", |reading, path, value| {
        reading.text_of(path, &value).map(Value::String)
    });
    args.extend(std::mem::take(&mut flags.build_args));
    put_map(made, "buildArgs", args);
    put(made, "target", flags.target.take());
    let tags = tags(means.reading, build, branch);
    if !tags.is_empty() {
        made.own.insert("tags".to_owned(), json!(tags));
    }
    put_map(made, "labels", std::mem::take(&mut flags.labels));
    if let Some(cache) = flags.cache(means.reading) {
        made.own.insert("cache".to_owned(), cache);
    }
    if let Some(mode) = build.text(means.reading, "snapshotMode") {
        flags.kaniko.push(format!("--snapshot-mode={mode}"));
    }
    if !flags.kaniko.is_empty() {
        made.own.insert("kaniko".to_owned(), json!(flags.kaniko));
    }
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
    comments: &mut Vec<String>,
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
            comments.push(format!("the commit has precedence over the branch `{branch}`"));
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
    made.shared.insert("registry".to_owned(), registry);
    if let Some(secret) = secret {
        means.credentials.add_push(&secret, prefix);
        made.shared.insert("pushSecret".to_owned(), json!(secret));
    }
}

/// The Dockerfile. SREWorks rendered every Dockerfile. If the name does not mark it as a template, an
/// empty map of values does.
fn dockerfile(means: &mut Means<'_>, build: &mut Fields, made: &mut Container) {
    let file = build.needed(means.reading, "dockerfileTemplate").unwrap_or_default();
    let file = file.trim_start_matches('/').trim_start_matches("./").to_owned();
    let by_name = file.ends_with(".tpl") || file.ends_with(".j2");
    if file != "Dockerfile" {
        put(made, "dockerfile", Some(file));
    }
    let path = build.at("dockerfileTemplateArgs");
    let values = values_of(means, build, "dockerfileTemplateArgs", |_, _, value| Some(value));
    for name in values.keys().filter(|name| RESERVED_NAMES.contains(&name.as_str())) {
        let message = "the name is reserved by Kilnworks; rename it in the Dockerfile and here";
        means.reading.fault(&format!("{path}.{name}"), message);
    }
    if values.is_empty() && !by_name {
        made.comments.push("the Dockerfile is a template, as in SREWorks".to_owned());
    }
    if !values.is_empty() || !by_name {
        made.own.insert("template".to_owned(), json!(values));
    }
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

fn put(made: &mut Container, name: &str, value: Option<String>) {
    if let Some(value) = value {
        made.own.insert(name.to_owned(), json!(value));
    }
}

fn put_map(made: &mut Container, name: &str, map: Map<String, Value>) {
    if !map.is_empty() {
        made.own.insert(name.to_owned(), json!(map));
    }
}
