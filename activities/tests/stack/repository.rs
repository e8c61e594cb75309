//! What is done in registries: the stack's, which mounts and knows no referrers, one that knows
//! them, and one that mounts nothing.
//!
//! Needs the stack: run `make up` and source `.local/env`.

use std::{collections::BTreeMap, path::PathBuf};

use crate::support::{
    http::{Response, serve},
    recorder::Recorder,
    registries::{Own, blob, image, index, open, repository},
    stack::of_stack,
};
use kilnworks_activities::{
    error::failure_of,
    registry::{Attachment, Body, Local, RegistryClient, descriptor, place},
};
use kilnworks_workflows::{failure::FailureType, plan::Registry};

fn tags(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

fn kind(error: &anyhow::Error) -> FailureType {
    failure_of(error).unwrap_or_else(|| panic!("no type: {error:#}")).kind
}

#[tokio::test]
async fn within_a_registry_no_byte_of_an_image_is_sent() {
    let recorder = Recorder::before(&of_stack("KILN_REGISTRY"));
    let from = repository(&recorder.host, "place/from").await;
    let made = image(&from, &["one", "two"]).await;
    recorder.sent();
    let to = repository(&recorder.host, "place/to").await;
    let placed = place(&from, &made.digest, &to, &tags(&["a", "b"])).await.unwrap().unwrap();
    assert_eq!(placed, made, "the same to the byte");
    assert_eq!(to.manifest("b").await.unwrap().as_ref(), Some(&made));
    let sent = recorder.sent();
    let (mounts, manifests): (Vec<_>, Vec<_>) =
        sent.iter().partition(|it| it.contains("/blobs/uploads/?mount="));
    assert_eq!((mounts.len(), manifests.len()), (3, 2), "{sent:#?}");
    assert!(manifests.iter().all(|it| it.starts_with("PUT") && it.contains("/manifests/")));
    place(&from, &made.digest, &to, &tags(&["a", "b"])).await.unwrap().unwrap();
    assert_eq!(recorder.sent(), [""; 0], "everything is there");
    place(&from, &made.digest, &to, &tags(&["c"])).await.unwrap().unwrap();
    assert_eq!(recorder.sent().len(), 1, "a new tag is one manifest");
    let none = place(&from, &digest("gone"), &to, &[]).await;
    assert_eq!(none.unwrap(), None);
    assert_eq!(to.tags().await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn an_index_keeps_its_digest_in_another_registry() {
    let own = Own::with_referrers();
    let from = repository(&of_stack("KILN_REGISTRY"), "place/index").await;
    let (one, other) = (image(&from, &["base", "1"]).await, image(&from, &["base", "2"]).await);
    let both = index(&from, &[("amd64", &one), ("arm64", &other)]).await;
    let recorder = Recorder::before(&own.host);
    let to = repository(&recorder.host, "copy/index").await;
    let placed = place(&from, &both.digest, &to, &tags(&["v1"])).await.unwrap().unwrap();
    assert_eq!(placed, both);
    assert_eq!(to.manifest(&other.digest).await.unwrap(), Some(other));
    let puts = recorder.sent().iter().filter(|it| it.contains("digest=")).count();
    assert_eq!(puts, 5, "two configs, three layers");
    place(&from, &both.digest, &to, &tags(&["v1"])).await.unwrap().unwrap();
    assert_eq!(recorder.sent(), [""; 0]);
}

#[tokio::test]
async fn where_nothing_is_mounted_it_is_copied() {
    let own = Own::without_mounts();
    let (from, to) = (repository(&own.host, "from").await, repository(&own.host, "to").await);
    let made = image(&from, &["one", "two"]).await;
    let placed = place(&from, &made.digest, &to, &tags(&["v1"])).await.unwrap();
    assert_eq!(placed.as_ref(), Some(&made));
    assert_eq!(to.digest_of("v1").await.unwrap(), Some(made.digest));
}

#[tokio::test]
async fn an_image_with_a_layer_missing_is_none() {
    // This registry takes a manifest whose blobs it does not have.
    let (whole, damaged) = (Own::without_mounts(), Own::without_mounts());
    let made = image(&repository(&whole.host, "from").await, &["one", "two"]).await;
    let from = repository(&damaged.host, "from").await;
    from.put_manifest(&made.digest, &made).await.unwrap();
    let to = repository(&of_stack("KILN_REGISTRY"), "place/damaged").await;
    assert_eq!(place(&from, &made.digest, &to, &tags(&["v1"])).await.unwrap(), None);
    assert_eq!(to.digest_of("v1").await.unwrap(), None);
}

#[tokio::test]
async fn a_layer_of_two_images_is_copied_once() {
    let own = Own::with_referrers();
    let from = repository(&of_stack("KILN_REGISTRY"), "place/shared").await;
    let (one, other) = (image(&from, &["base", "1"]).await, image(&from, &["base", "2"]).await);
    let recorder = Recorder::before(&own.host);
    let to = repository(&recorder.host, "copy/shared").await;
    let at_once = tokio::try_join!(
        place(&from, &one.digest, &to, &[]),
        place(&from, &other.digest, &to, &[]),
    );
    at_once.unwrap();
    let puts = recorder.sent().iter().filter(|it| it.contains("digest=")).count();
    assert_eq!(puts, 5, "two configs, three layers");
}

#[tokio::test]
async fn a_blob_is_put_once_and_read_whole_or_not_at_all() {
    let recorder = Recorder::before(&of_stack("KILN_REGISTRY"));
    let to = repository(&recorder.host, "blobs").await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, vec![7; 3_000_000]).unwrap();
    let body = Body::File(file);
    let put = to.put_blob(&body, "a/b").await.unwrap();
    assert_eq!(recorder.sent().len(), 2);
    assert_eq!(to.put_blob(&body, "a/b").await.unwrap().digest, put.digest);
    assert_eq!(recorder.sent(), [""; 0]);
    assert_eq!(to.read_blob(&put, 3_000_000).await.unwrap(), vec![7; 3_000_000]);
    let empty = blob(&to, "a/b", b"").await;
    assert_eq!(to.read_blob(&empty, 0).await.unwrap(), b"");
    let too_large = to.read_blob(&put, 2_999_999).await.unwrap_err();
    assert!(format!("{too_large:#}").contains("at most 2999999 are read"), "{too_large:#}");
    for size in [2_999_999, 3_000_001] {
        let wrong = descriptor("a/b", &put.digest, size);
        let error = to.read_blob(&wrong, 4_000_000).await.unwrap_err();
        assert_eq!(kind(&error), FailureType::RegistryUnavailable, "{error:#}");
    }
    let gone = descriptor("a/b", &digest("gone"), 1);
    assert!(format!("{:#}", to.read_blob(&gone, 1).await.unwrap_err()).contains("not there"));
}

#[tokio::test]
async fn a_registry_that_gives_other_bytes_is_found_out() {
    let (address, _) = serve(|_, _| Response {
        status: "200 OK",
        header: "Content-Type: application/octet-stream".to_owned(),
        body: b"other".to_vec(),
    });
    let from = open(&address.to_string(), "a/b").await;
    let error = from.read_blob(&descriptor("a/b", &digest("wrong"), 5), 9).await.unwrap_err();
    assert_eq!(kind(&error), FailureType::RegistryUnavailable, "{error:#}");
    let error = from.manifest(&digest("wrong")).await.unwrap_err();
    assert_eq!(kind(&error), FailureType::RegistryUnavailable, "{error:#}");
}

fn digest(text: &str) -> String {
    format!("sha256:{}", kilnworks_workflows::names::hex(text.as_bytes()))
}

#[tokio::test]
async fn what_a_registry_refuses_has_a_type() {
    for (status, expected) in [
        ("401 Unauthorized", FailureType::RegistryDenied),
        ("403 Forbidden", FailureType::RegistryDenied),
        ("503 Service Unavailable", FailureType::RegistryUnavailable),
    ] {
        let (address, _) = serve(move |_, _| Response {
            status,
            header: "Content-Type: text/plain".to_owned(),
            body: b"no".to_vec(),
        });
        let at = open(&address.to_string(), "a/b").await;
        let results = [
            at.manifest("v1").await.map(drop),
            at.digest_of("v1").await.map(drop),
            at.tags().await.map(drop),
            at.has_blob(&digest("")).await.map(drop),
            at.put_blob(&Body::Bytes(vec![1]), "a/b").await.map(drop),
        ];
        for (nth, result) in results.into_iter().enumerate() {
            let error = result.expect_err("a refusal");
            assert_eq!(kind(&error), expected, "{nth}: {error:#}");
        }
    }
    let nobody = open("127.0.0.1:1", "a/b").await;
    let error = nobody.manifest("v1").await.unwrap_err();
    assert_eq!(kind(&error), FailureType::RegistryUnavailable, "{error:#}");
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let own = Own::with_referrers();
    for host in [of_stack("KILN_REGISTRY"), own.host.clone()] {
        let empty = repository(&host, "empty").await;
        assert_eq!(empty.tags().await.unwrap(), [""; 0], "{host}");
        assert_eq!(empty.manifest("v1").await.unwrap(), None, "{host}");
        assert_eq!(empty.digest_of("v1").await.unwrap(), None, "{host}");
        assert!(!empty.has_blob(&digest("")).await.unwrap(), "{host}");
        assert_eq!(empty.referrers(&digest(""), None).await.unwrap().len(), 0, "{host}");
    }
}

#[tokio::test]
async fn pages_of_tags_are_put_together() {
    // Two a page, in order, after the last one that was seen.
    let all = ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0"];
    let (address, _) = serve(move |_, request| {
        let last = request.path.split_once("last=").map_or("", |(_, last)| last);
        let page: Vec<_> = all.iter().filter(|tag| **tag > last).take(2).collect();
        let tags = if page.is_empty() { "null".to_owned() } else { format!("{page:?}") };
        let header = "Content-Type: application/json".to_owned();
        let body = format!(r#"{{"name": "a/b", "tags": {tags}}}"#).into_bytes();
        Response { status: "200 OK", header, body }
    });
    assert_eq!(open(&address.to_string(), "a/b").await.tags().await.unwrap(), all);
}

fn attachment(bytes: &[u8]) -> Attachment<'_> {
    Attachment {
        artifact_type: "application/vnd.in-toto+json",
        media_type: "application/vnd.in-toto+json",
        bytes,
        annotations: BTreeMap::from([("kiln.io/test".to_owned(), "1".to_owned())]),
    }
}

/// Attaches, and says whether the registry keeps an index of ours.
async fn refers(host: &str) -> bool {
    let at = repository(host, "referrers").await;
    let subject = image(&at, &["one"]).await.descriptor();
    let first = at.attach(&subject, attachment(b"{}")).await.unwrap();
    let second = at.attach(&subject, attachment(b"[]")).await.unwrap();
    assert_eq!(at.attach(&subject, attachment(b"{}")).await.unwrap(), first);
    let mut signature = attachment(b"{}");
    signature.artifact_type = "application/x.signature";
    at.attach(&subject, signature).await.unwrap();
    let kind = Some("application/vnd.in-toto+json");
    let mut found = at.referrers(&subject.digest, kind).await.unwrap();
    found.sort_by_key(|entry| entry.digest == second);
    let digests: Vec<_> = found.iter().map(|entry| &entry.digest).collect();
    assert_eq!(digests, [&first, &second], "each once");
    assert_eq!(found[0].annotations.as_ref().unwrap()["kiln.io/test"], "1");
    assert_eq!(at.referrers(&subject.digest, None).await.unwrap().len(), 3);
    let layers = at.manifest(&first).await.unwrap().unwrap().parts().unwrap().layers;
    assert_eq!(at.read_blob(&layers[0], 2).await.unwrap(), b"{}");
    at.tags().await.unwrap().contains(&subject.digest.replace(':', "-"))
}

#[tokio::test]
async fn a_registry_without_referrers_has_an_index_under_a_tag() {
    assert!(refers(&of_stack("KILN_REGISTRY")).await);
}

#[tokio::test]
async fn a_registry_with_referrers_needs_no_index() {
    assert!(!refers(&Own::with_referrers().host).await);
}

#[tokio::test]
async fn a_registry_that_does_not_know_the_question_has_the_index() {
    for status in ["400 Bad Request", "405 Method Not Allowed"] {
        let (address, _) = serve(move |_, request| {
            let (status, body) = match request.path.contains("/manifests/sha256-") {
                true => ("200 OK", LISTED),
                false => (status, "no"),
            };
            let header = "Content-Type: application/vnd.oci.image.index.v1+json".to_owned();
            Response { status, header, body: body.as_bytes().to_vec() }
        });
        let at = open(&address.to_string(), "a/b").await;
        assert_eq!(at.referrers(&digest("it"), None).await.unwrap().len(), 1, "{status}");
    }
}

const LISTED: &str = r#"{"schemaVersion": 2, "manifests": [
    {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:1", "size": 1}
]}"#;

#[tokio::test]
async fn a_missing_file_of_a_person_is_named() {
    let docker_config = Some(PathBuf::from("/nowhere/config.json"));
    let client = RegistryClient::local(Local { docker_config, ..Local::default() });
    let error = client.open("localhost:1/a/b", &Registry::default()).await.err().unwrap();
    assert!(format!("{error:#}").contains("/nowhere/config.json"), "{error:#}");
}
