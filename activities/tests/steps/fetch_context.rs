//! What a container does that fetches a context for its executor.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use kilnworks_activities::pod::presigned::fetch::fetch;
use kilnworks_workflows::names;

use crate::support::http::{Response, serve};

/// One more try.
const PAUSES: [Duration; 1] = [Duration::ZERO];

const SIGNED: &str = "/kiln/contexts/a/context.tar.gz?X-Amz-Signature=geheim";

/// A context of one file.
fn packed() -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(2);
    archive.append_data(&mut header, "a", &b"hi"[..]).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

fn answered(status: &'static str, body: impl Into<Vec<u8>>) -> Response {
    Response { status, header: "X-Test: 1".to_owned(), body: body.into() }
}

#[tokio::test]
async fn a_context_arrives_after_a_while() {
    let (count, body) = (AtomicUsize::new(0), packed());
    let sha256 = names::hex(&body);
    let (address, asked) = serve(move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
        0 => answered("503 Slow Down", ""),
        _ => answered("200 OK", body.clone()),
    });
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("files");
    for _ in 0..2 {
        fetch(&format!("http://{address}{SIGNED}"), &sha256, &into, &PAUSES).await.unwrap();
        assert_eq!(std::fs::read_to_string(into.join("a")).unwrap(), "hi");
    }
    assert_eq!(asked.lock().unwrap().len(), 3);
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 1, "nothing but the context is left");
}

#[tokio::test]
async fn a_refusal_is_told_without_the_address() {
    let said = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message>\
                <SignatureProvided>geheim</SignatureProvided></Error>";
    let (address, asked) = serve(move |_, _| answered("403 Forbidden", said));
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://{address}{SIGNED}");
    let error =
        fetch(&url, &names::hex(b""), &dir.path().join("files"), &PAUSES).await.unwrap_err();
    let error = format!("{error:#}");
    let expected = "the store answers 403 Forbidden (AccessDenied); the address has expired";
    assert_eq!(error, expected);
    assert_eq!(asked.lock().unwrap().len(), 1, "who is refused does not ask again");
}

#[tokio::test]
async fn other_bytes_are_not_unpacked() {
    let (address, _) = serve(|_, _| answered("200 OK", packed()));
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("files");
    let url = format!("http://{address}{SIGNED}");
    let error = fetch(&url, &names::hex(b"other"), &into, &PAUSES).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.starts_with("the store gave a context of SHA-256 "), "{error}");
    assert!(!into.exists());
}

#[tokio::test]
async fn a_store_that_is_away_is_told_without_the_address() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("http://{closed}{SIGNED}");
    let error = fetch(&url, "", &dir.path().join("files"), &PAUSES).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.starts_with("cannot read from the store: "), "{error}");
    assert!(!error.contains("geheim"), "{error}");
}
