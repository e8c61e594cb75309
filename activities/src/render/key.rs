//! The content key of a build: distinguishes its image from others.

use std::collections::BTreeMap;

use kilnworks_workflows::{names, spec::BuildSecret};

/// Part of every key. Raise it when the same inputs no longer make the same image.
const FORMAT: u32 = 1;

/// All inputs of an image.
///
/// Not among them, because they must not change the image: its tags and repository, the commit, the
/// version, the names of app, component and container, times, resources, timeouts, the layer cache. If
/// a template renders one of them into the image, the rendered text is among the inputs.
///
/// The values of build secrets and what a build fetches while it runs are not among the inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<'a> {
    /// Content key of the context: [`crate::context::pack::key`]. Not the store's key, which contains a
    /// period.
    pub(super) context: &'a str,
    /// Rendered, with a digest at each image from outside.
    pub(super) dockerfile: &'a str,
    pub(super) dockerignore: Option<&'a str>,
    pub(super) build_args: &'a BTreeMap<String, String>,
    pub(super) target: Option<&'a str>,
    pub(super) platform: &'a str,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) flags: &'a [String],
    pub(super) secrets: &'a [BuildSecret],
    /// The executor's image, and what the operator adds to its Pod.
    pub(super) executor: &'a str,
}

/// The key: SHA-256 in hexadecimal. Every part of the hashed text has its name and its length, so
/// different inputs never have the same text.
pub(super) fn key(inputs: &Inputs<'_>) -> String {
    // The order of secrets does not change the image.
    let mut secrets: Vec<_> = inputs.secrets.iter().collect();
    secrets.sort_by_key(|secret| (&secret.name, &secret.secret, &secret.key));
    let secrets = secrets.into_iter().flat_map(|one| [&one.name, &one.secret, &one.key]);
    let mut text = Text(format!("build {FORMAT}\n").into_bytes());
    text.part("context", [inputs.context]);
    text.part("dockerfile", [inputs.dockerfile]);
    text.part("dockerignore", inputs.dockerignore);
    text.part("build args", pairs(inputs.build_args));
    text.part("target", inputs.target);
    text.part("platform", [inputs.platform]);
    text.part("labels", pairs(inputs.labels));
    text.part("flags", inputs.flags.iter().map(String::as_str));
    text.part("secrets", secrets.map(String::as_str));
    text.part("executor", [inputs.executor]);
    names::hex(&text.0)
}

/// The key of an index: of the keys of its images in their order. None if one of them has none.
pub(super) fn of_index<'a>(keys: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let keys: Option<Vec<_>> = keys.collect();
    let mut text = Text(format!("index {FORMAT}\n").into_bytes());
    text.part("images", keys?);
    Some(names::hex(&text.0))
}

fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    map.iter().flat_map(|(name, value)| [name.as_str(), value])
}

struct Text(Vec<u8>);

impl Text {
    /// A part: its name, the number of its values, and each value after its length.
    fn part<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        let values: Vec<_> = values.into_iter().collect();
        self.0.extend_from_slice(format!("{name} {}\n", values.len()).as_bytes());
        for value in values {
            self.0.extend_from_slice(format!("{}\n{value}\n", value.len()).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn secret(name: &str, secret: &str, key: &str) -> BuildSecret {
        BuildSecret { name: name.into(), secret: secret.into(), key: key.into() }
    }

    #[test]
    fn each_input_changes_the_key() {
        let none = BTreeMap::new();
        let args = [&[("A", "B=C")][..], &[("A=B", "C")], &[("A", "1"), ("B", "2")]].map(map);
        let lines =
            [[("A", "1\nB\n2"), ("C", "3")], [("A", "1"), ("B", "2\nC\n3")]].map(|one| map(&one));
        let flags = ["--one", "--two"].map(str::to_owned);
        let turned = ["--two", "--one"].map(str::to_owned);
        let joined = ["--one--two".to_owned()];
        let secrets = [secret("a", "b", "c"), secret("ab", "", "c"), secret("a", "b", "d")];
        let base = Inputs {
            context: "context",
            dockerfile: "FROM a\n",
            dockerignore: None,
            build_args: &none,
            target: None,
            platform: "linux/amd64",
            labels: &none,
            flags: &[],
            secrets: &[],
            executor: "executor",
        };
        let all = [
            base,
            Inputs { context: "contexts", ..base },
            Inputs { dockerfile: "FROM b\n", ..base },
            Inputs { dockerignore: Some(""), ..base },
            Inputs { dockerignore: Some("a"), ..base },
            Inputs { dockerfile: "FROM ", dockerignore: Some("a\n"), ..base },
            Inputs { build_args: &args[0], ..base },
            Inputs { build_args: &args[1], ..base },
            Inputs { build_args: &args[2], ..base },
            Inputs { labels: &args[0], ..base },
            Inputs { labels: &lines[0], ..base },
            Inputs { labels: &lines[1], ..base },
            Inputs { target: Some(""), ..base },
            Inputs { target: Some("a"), ..base },
            Inputs { platform: "linux/arm64", ..base },
            Inputs { flags: &flags, ..base },
            Inputs { flags: &turned, ..base },
            Inputs { flags: &joined, ..base },
            Inputs { secrets: &secrets[..1], ..base },
            Inputs { secrets: &secrets[1..2], ..base },
            Inputs { secrets: &secrets[2..], ..base },
            Inputs { secrets: &secrets, ..base },
            Inputs { executor: "executor:2", ..base },
        ];
        let keys: BTreeSet<_> = all.iter().map(key).collect();
        assert_eq!(keys.len(), all.len());
        assert!(keys.iter().all(|key| key.len() == 64));
        let other = [secrets[2].clone(), secrets[0].clone(), secrets[1].clone()];
        assert_eq!(
            key(&Inputs { secrets: &secrets, ..base }),
            key(&Inputs { secrets: &other, ..base })
        );
    }

    #[test]
    fn a_key_stays_the_same_from_release_to_release() {
        let args = map(&[("A", "1"), ("B", "")]);
        let inputs = Inputs {
            context: "c0ffee",
            dockerfile: "FROM debian:12@sha256:00\n",
            dockerignore: Some("*\n"),
            build_args: &args,
            target: Some("run"),
            platform: "linux/amd64",
            labels: &args,
            flags: &["--single-snapshot".to_owned()],
            secrets: &[secret("token", "npm", "key")],
            executor: "kaniko:v1.25",
        };
        let known = "8737cb01ec55789aab689c7c9d01712f694a66763405666629bf64dd28291200";
        assert_eq!(key(&inputs), known);
    }
}
