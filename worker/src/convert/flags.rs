//! `configKanikoFlags`. A flag becomes a field of the spec if there is one.

use std::collections::BTreeMap;

use kilnworks_workflows::checks;
use serde_json::{Map, Value, json};

use super::{reading::Reading, texts::literal};

/// The flags of a container.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// Flags that are passed to Kaniko unchanged.
    pub(super) kaniko: Vec<String>,
    /// `--target`.
    pub(super) target: Option<String>,
    /// `--build-arg`.
    pub(super) build_args: Map<String, Value>,
    /// `--label`.
    pub(super) labels: Map<String, Value>,
    /// `--insecure`, or `--insecure-registry` of the registry itself.
    pub(super) insecure: bool,
    cache: bool,
    /// `repo` and `ttl` of the cache, each with its path and value.
    cache_fields: BTreeMap<&'static str, (String, String)>,
}

impl Flags {
    /// Reads the flags of a container that pushes to a registry.
    pub(super) fn of(
        reading: &mut Reading,
        path: &str,
        given: Vec<String>,
        registry: Option<&str>,
    ) -> Self {
        let mut flags = Self::default();
        let host = registry.and_then(|prefix| prefix.split('/').next());
        for (index, text) in given.into_iter().enumerate() {
            flags.add(reading, format!("{path}[{index}]"), &text, host);
        }
        flags
    }

    fn add(&mut self, reading: &mut Reading, path: String, text: &str, host: Option<&str>) {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (kebab(name), Some(value)),
            None => (kebab(text), None),
        };
        let on = value != Some("false");
        match (name.trim_start_matches('-'), value) {
            ("target", Some(target)) => self.target = Some(target.to_owned()),
            ("cache", _) => self.cache = on,
            ("cache-repo", Some(repo)) => {
                self.cache_fields.insert("repo", (path, repo.to_owned()));
            }
            ("cache-ttl", Some(ttl)) => {
                self.cache_fields.insert("ttl", (path, ttl.to_owned()));
            }
            ("build-arg", Some(pair)) => pair_into(reading, &path, pair, &mut self.build_args),
            ("label", Some(pair)) => pair_into(reading, &path, pair, &mut self.labels),
            ("insecure", _) => self.insecure |= on,
            ("insecure-registry", registry) if registry == host => self.insecure = true,
            (flag, _) if checks::is_owned_flag(flag) => {
                reading.left_out(&path, &format!("`--{flag}` is set by Kilnworks"));
            }
            (_, value) => {
                let flag = value.map_or(name.clone(), |value| format!("{name}={value}"));
                match checks::kaniko_flag(&flag) {
                    Ok(()) => self.kaniko.push(flag),
                    Err(fault) => reading.fault(&path, fault),
                }
            }
        }
    }

    /// The layer cache, if it is on.
    pub(super) fn cache(&mut self, reading: &mut Reading) -> Option<Value> {
        if !self.cache {
            for (path, _) in self.cache_fields.values() {
                reading.left_out(path, "the layer cache is off without `--cache`");
            }
            return None;
        }
        let mut cache = json!({"enabled": true});
        for (name, (_, value)) in &self.cache_fields {
            cache[*name] = json!(value);
        }
        Some(cache)
    }
}

fn pair_into(reading: &mut Reading, path: &str, pair: &str, into: &mut Map<String, Value>) {
    match pair.split_once('=') {
        Some((name, value)) => {
            into.insert(name.to_owned(), json!(literal(value)));
        }
        None => reading.left_out(path, "its value came from the environment of Kaniko"),
    }
}

/// A flag in kebab case: Kaniko renamed `--snapshotMode` to `--snapshot-mode`.
fn kebab(flag: &str) -> String {
    let part = |c: char| match c.is_ascii_uppercase() {
        true => format!("-{}", c.to_ascii_lowercase()),
        false => c.to_string(),
    };
    flag.chars().map(part).collect()
}
