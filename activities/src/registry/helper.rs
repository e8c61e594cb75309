//! Credentials that a person's Docker does not keep itself: a helper program has them.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

/// What a Docker configuration says of helpers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

/// A helper's answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What the helper of a Docker configuration has for a registry; none where the configuration
/// names no helper for it, or the helper knows nothing. Helpers are run as Docker runs them.
pub(super) fn ask(config: &str, host: &str) -> anyhow::Result<Option<RegistryAuth>> {
    // What is wrong with the configuration, its other reader says.
    let Ok(config) = serde_json::from_str::<DockerConfig>(config) else { return Ok(None) };
    let Some(name) = config.cred_helpers.get(host).or(config.creds_store.as_ref()) else {
        return Ok(None);
    };
    let program = format!("docker-credential-{name}");
    let address = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
    let answer = run(&program, address).with_context(|| {
        format!("`{program}`, which the Docker configuration names for `{host}`, does not work")
    })?;
    match answer {
        None => Ok(None),
        Some(Answer { username, .. }) if username == "<token>" => bail!(
            "`{program}` has an identity token for `{host}`, which is not supported; log in with \
             a user name"
        ),
        Some(Answer { username, secret }) => Ok(Some(RegistryAuth::Basic(username, secret))),
    }
}

/// None where the helper says that it knows nothing, which it does with an exit code, too.
fn run(program: &str, address: &str) -> anyhow::Result<Option<Answer>> {
    let mut helper = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = helper.stdin.take() {
        // A helper that does not read has ended, and says why.
        let _ = stdin.write_all(address.as_bytes());
    }
    let output = helper.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        // The answer holds a password: an error must not repeat it.
        let answer = serde_json::from_slice(&output.stdout);
        return answer.map(Some).map_err(|_| anyhow::anyhow!("its answer is not credentials"));
    }
    match said.contains("credentials not found") {
        true => Ok(None),
        false => bail!("{}: {}", output.status, said.lines().next().unwrap_or_default()),
    }
}
