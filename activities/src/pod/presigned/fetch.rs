//! What the fetching container does: it reads a context by its address, verifies it, and unpacks it.
//!
//! The address must not be said in any error: who reads it can read the context.

use std::{error::Error, io::SeekFrom, path::Path, time::Duration};

use anyhow::{Context, bail};
use futures::StreamExt;
use reqwest::{Client, Response, StatusCode, Url, redirect::Policy};
use sha2::{Digest, Sha256};
use tokio::{
    fs::{self, File},
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::unpack::unpack;
use crate::blocking::blocking;

/// A store that says nothing for so long is asked again.
const SILENCE: Duration = Duration::from_secs(30);

/// Pauses between the tries: half a minute, as the Pod's next attempt costs no less.
pub const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// The most that is read of a refusal, in bytes.
const REFUSAL: usize = 8 * 1024;

/// Why a try failed.
enum Trouble {
    /// Another try would fail likewise.
    Lasting(String),
    /// Another try may do.
    Passing(String),
}

/// Puts the context at an address into a directory, which is made; what is not of this SHA-256 is
/// not unpacked. What an earlier run of the container left is removed. There is a try after each of
/// the pauses, where another try may do.
pub async fn fetch(
    url: &str,
    sha256: &str,
    into: &Path,
    pauses: &[Duration],
) -> anyhow::Result<()> {
    // The error would say the address.
    let Ok(url) = Url::parse(url) else { bail!("the context's address is not an URL") };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Where the address leads elsewhere, someone else answers.
    let client = Client::builder().redirect(Policy::none()).read_timeout(SILENCE);
    let client = client.connect_timeout(SILENCE).build().context("cannot make a client")?;
    let beside = into.parent().context("a directory has a parent")?;
    let packed = tries(&client, &url, sha256, beside, pauses).await?;
    let into = into.to_owned();
    blocking(move |_| unpack(packed, &into)).await
}

async fn tries(
    client: &Client,
    url: &Url,
    sha256: &str,
    beside: &Path,
    pauses: &[Duration],
) -> anyhow::Result<std::fs::File> {
    let mut pauses = pauses.iter();
    loop {
        match download(client, url, sha256, beside).await {
            Ok(file) => return Ok(file.into_std().await),
            Err(Trouble::Lasting(why)) => bail!("{why}"),
            Err(Trouble::Passing(why)) => match pauses.next() {
                Some(pause) => {
                    tracing::warn!("the next try is in {pause:?}: {why}");
                    tokio::time::sleep(*pause).await;
                }
                None => bail!("{why}"),
            },
        }
    }
}

/// The object as a file without a name, at its beginning.
async fn download(
    client: &Client,
    url: &Url,
    sha256: &str,
    beside: &Path,
) -> Result<File, Trouble> {
    let response = client.get(url.clone()).send().await.map_err(|error| away(&error))?;
    let response = accepted(response).await?;
    fs::create_dir_all(beside).await.map_err(disk)?;
    let mut file = File::from_std(tempfile::tempfile_in(beside).map_err(disk)?);
    let (mut body, mut hash) = (response.bytes_stream(), Sha256::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| away(&error))?;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(disk)?;
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found != sha256 {
        let why = format!("the store gave a context of SHA-256 {found}, not {sha256}");
        return Err(Trouble::Passing(why));
    }
    file.flush().await.map_err(disk)?;
    file.seek(SeekFrom::Start(0)).await.map_err(disk)?;
    Ok(file)
}

async fn accepted(response: Response) -> Result<Response, Trouble> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let said = refusal(response).await;
    let why = format!("the store answers {status}{said}");
    let lasts = status.is_client_error()
        && !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    Err(if lasts { Trouble::Lasting(why) } else { Trouble::Passing(why) })
}

/// S3's code of a refusal. Its message is not told: it may repeat the signature.
async fn refusal(response: Response) -> String {
    let (mut body, mut text) = (response.bytes_stream(), Vec::new());
    while let Some(Ok(chunk)) = body.next().await
        && text.len() < REFUSAL
    {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&text);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map(|(code, _)| code);
    let code = code.filter(|code| code.chars().all(|char| char.is_ascii_alphanumeric()));
    let expired = if text.contains("expired") { "; the address has expired" } else { "" };
    code.map(|code| format!(" ({code})")).unwrap_or_default() + expired
}

/// The error without its address.
fn away(error: &reqwest::Error) -> Trouble {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    Trouble::Passing(format!("cannot read from the store: {}", causes.join(": ")))
}

fn disk(error: std::io::Error) -> Trouble {
    Trouble::Lasting(format!("cannot write the context: {error}"))
}
