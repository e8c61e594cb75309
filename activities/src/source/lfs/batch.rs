//! Git LFS' batch API: asks where objects are, and downloads them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use futures::StreamExt;
use kilnworks_workflows::failure::FailureType;
use reqwest::{Client, RequestBuilder, StatusCode, Url, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::Pointer;
use crate::{
    error::fail,
    source::{
        address::{Address, host_of},
        credentials::Login,
    },
};

/// How many objects one request asks for. Servers accept a hundred.
const BATCH: usize = 100;

/// Silence after which a server counts as down.
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes of the largest answer: [`BATCH`] objects with their headers.
const ANSWER: usize = 8 * 1024 * 1024;

const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// The LFS server of one repository.
pub struct Server<'a> {
    client: Client,
    address: &'a Address,
    login: Option<&'a Login>,
}

#[derive(Deserialize)]
struct Batch {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    actions: Option<Actions>,
    error: Option<Refused>,
}

#[derive(Deserialize)]
struct Actions {
    download: Download,
}

#[derive(Deserialize)]
struct Download {
    href: Url,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Refused {
    message: String,
}

impl<'a> Server<'a> {
    /// The server of a repository. Only the repository's own host gets the login.
    pub fn new(address: &'a Address, login: Option<&'a Login>) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(SILENCE)
            .https_only(address.url.starts_with("https:"))
            .build()
            .context("cannot make an http client")?;
        Ok(Self { client, address, login })
    }

    /// Fetches objects into a directory. Returns the path of each by its digest, which is the name of
    /// its file.
    pub async fn fetch_all(
        &self,
        pointers: &[Pointer],
        dir: &Path,
    ) -> anyhow::Result<BTreeMap<String, PathBuf>> {
        let mut files = BTreeMap::new();
        for some in pointers.chunks(BATCH) {
            let batch = self.ask(some).await?;
            for pointer in some {
                let object = batch.objects.iter().find(|object| object.oid == pointer.digest);
                let path = dir.join(&pointer.digest);
                self.download(pointer, download_of(pointer, object)?, &path).await?;
                files.insert(pointer.digest.clone(), path);
            }
        }
        Ok(files)
    }

    async fn ask(&self, pointers: &[Pointer]) -> anyhow::Result<Batch> {
        let base = self.address.url.trim_end_matches('/');
        let base = base.strip_suffix(".git").unwrap_or(base);
        let url = Url::parse(&format!("{base}.git/info/lfs/objects/batch"))?;
        let object =
            |pointer: &Pointer| serde_json::json!({ "oid": pointer.digest, "size": pointer.size });
        let objects: Vec<_> = pointers.iter().map(object).collect();
        let asked = serde_json::json!({
            "operation": "download",
            "transfers": ["basic"],
            "hash_algo": "sha256",
            "objects": objects,
        });
        let request = self.client.post(url.clone()).json(&asked);
        let request =
            request.header(header::ACCEPT, MEDIA_TYPE).header(header::CONTENT_TYPE, MEDIA_TYPE);
        read(answer(self.signed(request, &url)).await?).await
    }

    /// Adds the login if the URL is on the repository's own host.
    fn signed(&self, request: RequestBuilder, url: &Url) -> RequestBuilder {
        match self.login {
            Some(Login::Basic { username, password }) if host_of(url) == self.address.host => {
                request.basic_auth(username, Some(password))
            }
            _ => request,
        }
    }

    async fn download(
        &self,
        pointer: &Pointer,
        from: &Download,
        into: &Path,
    ) -> anyhow::Result<()> {
        let request = self.client.get(from.href.clone());
        let is_signed = from.header.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        let request =
            from.header.iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = if is_signed { request } else { self.signed(request, &from.href) };
        let mut body = answer(request).await?.bytes_stream();
        let mut file =
            tokio::fs::File::create(into).await.context("cannot write a Git LFS object")?;
        let mut hash = Sha256::new();
        let mut size = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(unavailable)?;
            size += chunk.len() as u64;
            if size > pointer.size {
                break;
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.context("cannot write a Git LFS object")?;
        }
        file.flush().await.context("cannot write a Git LFS object")?;
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if size != pointer.size || digest != pointer.digest {
            let message =
                format!("the server sent other bytes than the object `{}` has", pointer.digest);
            return Err(fail(FailureType::SourceUnavailable, message));
        }
        Ok(())
    }
}

fn download_of<'a>(pointer: &Pointer, object: Option<&'a Object>) -> anyhow::Result<&'a Download> {
    if let Some(Object { actions: Some(actions), .. }) = object {
        return Ok(&actions.download);
    }
    let refused = object.and_then(|object| object.error.as_ref());
    let reason = refused.map_or("the server does not have it", |refused| &refused.message);
    let message = format!("object `{}`: {reason}", pointer.digest);
    Err(fail(FailureType::RevisionNotFound, message))
}

async fn answer(request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
    let response = request.send().await.map_err(unavailable)?;
    let status = response.status();
    let kind = match status {
        status if status.is_success() => return Ok(response),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FailureType::SourceDenied,
        StatusCode::NOT_FOUND | StatusCode::GONE => FailureType::RevisionNotFound,
        _ => FailureType::SourceUnavailable,
    };
    Err(fail(kind, format!("the server answers {status}")))
}

async fn read(mut response: reqwest::Response) -> anyhow::Result<Batch> {
    let wrong = |what: &str| {
        let message = format!("the server's answer to the batch request {what}");
        fail(FailureType::SourceUnavailable, message)
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > ANSWER {
            return Err(wrong(&format!("has more than {ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    // The answer may contain signatures, so the error must not quote it.
    serde_json::from_slice(&body)
        .map_err(|error| wrong(&format!("is not one, at its byte {}", error.column())))
}

/// The error without its URL, which may contain a signature.
fn unavailable(error: reqwest::Error) -> anyhow::Error {
    let error = anyhow::Error::new(error.without_url());
    fail(FailureType::SourceUnavailable, format!("cannot reach the server: {error:#}"))
}
