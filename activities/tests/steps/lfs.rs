use std::{path::Path, process::Command};

use kilnworks_activities::{
    settings::VolumeMount,
    steps::upload::upload,
    store::{ContextStore, volume::VolumeStore},
};
use kilnworks_workflows::{
    failure::FailureType::{RevisionNotFound, SourceDenied, SourceUnavailable},
    names,
    steps::UploadInput,
};
use tempfile::TempDir;

use crate::support::{
    Repo, cache_of, failure, git,
    http::{Request, Response, serve},
    secret, source, with_secret,
};

const LARGE: &[u8] = b"a large file";

fn pointer() -> String {
    let digest = names::hex(LARGE);
    format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {}\n",
        LARGE.len()
    )
}

fn answered(status: &'static str, body: impl Into<Vec<u8>>) -> Response {
    Response {
        status,
        header: "Content-Type: application/octet-stream".to_owned(),
        body: body.into(),
    }
}

/// A file of a bare repository, as a git server without wits of its own gives it out, and its LFS.
fn answer(root: &Path, host: &str, request: &Request, object: &[u8]) -> Response {
    if request.authorization.as_deref() != Some("Basic bWU6aHVzaA==") {
        return Response {
            status: "401 Unauthorized",
            header: "WWW-Authenticate: Basic realm=\"git\"".to_owned(),
            body: Vec::new(),
        };
    }
    match request.path.as_str() {
        "/a.git/info/lfs/objects/batch" if object.is_empty() => {
            let refused = serde_json::json!({"objects": [{"oid": names::hex(LARGE), "error": {"code": 404, "message": "gone"}}]});
            answered("200 OK", refused.to_string())
        }
        "/a.git/info/lfs/objects/batch" => {
            let asked: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let oid = &asked["objects"][0]["oid"];
            let href = format!("http://{host}/objects/1");
            let found = serde_json::json!({"objects": [{"oid": oid, "actions": {"download": {"href": href}}}]});
            answered("200 OK", found.to_string())
        }
        "/objects/1" => answered("200 OK", object),
        _ => served_by_git(root, request),
    }
}

/// What `git http-backend` answers, as any web server would pass it on.
fn served_by_git(root: &Path, request: &Request) -> Response {
    use std::io::Write;
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", "application/x-git-upload-pack-request")
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    backend.stdin.take().unwrap().write_all(request.body.as_bytes()).unwrap();
    let output = backend.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    Response {
        status: "200 OK",
        header: String::from_utf8_lossy(&output[..end]).into_owned(),
        body: output[end + 4..].to_vec(),
    }
}

async fn uploaded(object: &'static [u8], hosts: &str) -> anyhow::Result<Vec<u8>> {
    let (root, repo, stored) = (TempDir::new()?, Repo::new(), TempDir::new()?);
    let commit = repo.write("large.bin", pointer()).write("small", "1").commit();
    git(root.path(), &["clone", "--quiet", "--bare", repo.path().to_str().unwrap(), "a.git"]);
    let path = root.path().to_owned();
    let (at, _) = serve(move |at, request| answer(&path, &at.to_string(), request, object));
    let login = secret("basic-auth", hosts, &[("username", "me"), ("password", "hush")]);
    let cache = cache_of(u64::MAX, vec![login]);
    let store = VolumeStore::open(stored.path(), VolumeMount::Claim("kiln".to_owned()))?;
    let input = UploadInput {
        id: Default::default(),
        source: with_secret(source(&format!("http://{at}/a.git"), None)),
        commit,
        context_dir: String::new(),
        lfs: true,
    };
    let context = upload(&cache.sources, &store, input.clone()).await;
    assert_eq!(cache.scratch(), 0);
    let context = context?;
    assert!(!upload(&cache.sources, &store, input).await?.sent);
    assert!(store.find(&context.key).await?.is_some());
    let archive = stored.path().join(&context.key);
    let tar = Command::new("tar").arg("xzOf").arg(archive).arg("context/large.bin").output()?;
    Ok(tar.stdout)
}

#[tokio::test]
async fn a_pointer_is_replaced_by_what_it_points_to() {
    assert_eq!(uploaded(LARGE, "127.0.0.1").await.unwrap(), LARGE);
}

#[tokio::test]
async fn an_object_that_is_wrong_or_missing_is_a_failure() {
    for (object, hosts, kind, expected) in [
        (&b"a lorge file"[..], "127.0.0.1", SourceUnavailable, "other bytes"),
        (&b"a large file and more"[..], "127.0.0.1", SourceUnavailable, "other bytes"),
        (&b""[..], "127.0.0.1", RevisionNotFound, "gone"),
        (LARGE, "e.com", SourceDenied, "may not be used for"),
    ] {
        let (found, message) = failure(uploaded(object, hosts).await);
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(expected), "{message}");
    }
}
