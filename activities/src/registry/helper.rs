//! Credentials from Docker's credential helpers.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

/// The helpers in a Docker configuration.
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

/// The credentials for a registry from the helper that a Docker configuration names. None if it names
/// no helper for the registry, or if the helper has no credentials.
pub(super) fn ask(config: &str, host: &str) -> anyhow::Result<Option<RegistryAuth>> {
    // The other reader of the configuration reports its errors.
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

/// None if the helper has no credentials, which it reports with an exit code.
fn run(program: &str, address: &str) -> anyhow::Result<Option<Answer>> {
    let mut helper = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = helper.stdin.take() {
        // A helper that does not read has ended, and its output says why.
        let _ = stdin.write_all(address.as_bytes());
    }
    let output = helper.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        // The answer contains a password, so the error must not quote it.
        let answer = serde_json::from_slice(&output.stdout);
        return answer.map(Some).map_err(|_| anyhow::anyhow!("its answer is not credentials"));
    }
    match said.contains("credentials not found") {
        true => Ok(None),
        false => bail!("{}: {}", output.status, said.lines().next().unwrap_or_default()),
    }
}
