//! Reads credentials for registries from a `kubernetes.io/dockerconfigjson` Secret.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use k8s_openapi::ByteString;
use oci_client::secrets::RegistryAuth;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

#[derive(Deserialize)]
struct DockerConfig<T> {
    #[serde(default = "BTreeMap::new")]
    auths: BTreeMap<String, T>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<ByteString>,
    username: Option<String>,
    password: Option<String>,
}

/// The credentials for an image: those of the longest entry that is a prefix of the image's name.
/// Without such an entry the worker asks the registry anonymously.
pub fn auth(config: &str, image: &str) -> anyhow::Result<RegistryAuth> {
    let auths = auths::<Entry>(config)?;
    let entries = auths.iter().filter(|(key, _)| covers(bare(key), image));
    let Some((_, entry)) = entries.max_by_key(|(key, _)| bare(key).len()) else {
        return Ok(RegistryAuth::Anonymous);
    };
    if let (Some(username), Some(password)) = (&entry.username, &entry.password) {
        return Ok(RegistryAuth::Basic(username.clone(), password.clone()));
    }
    let auth = entry.auth.as_ref().context("an entry has no `auth`")?;
    let auth = std::str::from_utf8(&auth.0).ok();
    let (username, password) = auth
        .and_then(|auth| auth.split_once(':'))
        .context("an entry's `auth` is not `user:password`")?;
    Ok(RegistryAuth::Basic(username.to_owned(), password.to_owned()))
}

/// The registries that a Docker configuration has credentials for, each with its port.
pub fn hosts(config: &str) -> anyhow::Result<BTreeSet<String>> {
    let auths = auths::<IgnoredAny>(config)?;
    Ok(auths.keys().map(|key| host(bare(key)).to_owned()).collect())
}

/// The registry of an image or repository, with its port.
pub fn host(image: &str) -> &str {
    image.split('/').next().unwrap_or(image)
}

fn auths<T: DeserializeOwned>(config: &str) -> anyhow::Result<BTreeMap<String, T>> {
    // The text contains passwords, so the error must not quote it.
    let config: DockerConfig<T> = serde_json::from_str(config)
        .map_err(|error| anyhow::anyhow!("line {} is not a Docker configuration", error.line()))?;
    Ok(config.auths)
}

/// A key without scheme and API version: `https://index.docker.io/v1/` becomes `docker.io`.
fn bare(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    if key == "index.docker.io" { "docker.io" } else { key }
}

fn covers(key: &str, image: &str) -> bool {
    let rest = image.strip_prefix(key);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_entry_counts() {
        // "dTpw" is "u:p", "djpx" is "v:q".
        let config = r#"{"auths": {
            "localhost:5000": {"auth": "dTpw"},
            "localhost:5000/team": {"auth": "djpx"},
            "https://index.docker.io/v1/": {"username": "a", "password": "b"}
        }}"#;
        let basic =
            |user: &str, password: &str| RegistryAuth::Basic(user.to_owned(), password.to_owned());
        for (image, expected) in [
            ("localhost:5000/x", basic("u", "p")),
            ("localhost:5000/team/x", basic("v", "q")),
            ("localhost:5000/teams/x", basic("u", "p")),
            ("docker.io/library/x", basic("a", "b")),
            ("localhost:50001/x", RegistryAuth::Anonymous),
        ] {
            assert_eq!(auth(config, image).unwrap(), expected, "{image}");
        }
    }

    #[test]
    fn each_key_is_for_a_host() {
        let config = r#"{"auths": {
            "localhost:5000/team": {"auth": "dTpw"}, "localhost:5000": {}, "b.example": {"auth": 7},
            "https://index.docker.io/v1/": {}, "http://a.example:80/v2/": {}
        }}"#;
        let expected = ["a.example:80", "b.example", "docker.io", "localhost:5000"];
        assert!(hosts(config).unwrap().iter().eq(expected));
        assert!(hosts("{}").unwrap().is_empty());
    }

    #[test]
    fn an_error_tells_no_password() {
        let error = auth("{\"auths\": {\"x\": {\"auth\": 7, \"password\": \"geheim\"}}}", "x/y");
        assert!(!format!("{:#}", error.unwrap_err()).contains("geheim"));
        let error = hosts("{\"auths\": [\"geheim\"]}");
        assert!(!format!("{:#}", error.unwrap_err()).contains("geheim"));
    }
}
