//! Both stores, by the same tests; the bucket is that of the local stack.

use std::{
    io::Write,
    path::Path,
    time::{Duration, SystemTime},
};

use crate::support::stack::of_stack;
use kilnworks_activities::{
    pod::access::Access,
    settings::{Bucket, Delivery, StoreSettings, VolumeMount},
    store::{ContextStore, LEAST_PART, Location, Origin, Piece, context_key, open},
};
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    names,
};
use tempfile::{NamedTempFile, TempDir};

fn bucket(name: &str) -> StoreSettings {
    StoreSettings::S3(Bucket {
        name: name.to_owned(),
        endpoint: Some(of_stack("KILN_S3_ENDPOINT")),
        secret: Some("kiln-store".to_owned()),
        region: None,
        delivery: Delivery::Direct,
    })
}

fn volume(dir: &Path) -> StoreSettings {
    StoreSettings::Volume { dir: dir.to_owned(), mount: VolumeMount::Claim("kiln".to_owned()) }
}

/// A file of this many bytes that begins like no other.
fn file(bytes: usize) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let unique = names::hex(file.path().to_str().unwrap().as_bytes());
    let content: Vec<u8> = unique.bytes().cycle().take(bytes).collect();
    file.write_all(&content).unwrap();
    file
}

/// A key that no other run of the tests uses.
fn fresh_key(file: &NamedTempFile) -> String {
    let salt = format!("{:?} {}", std::time::SystemTime::now(), file.path().display());
    context_key(&names::hex(salt.as_bytes()))
}

async fn keeps_what_is_put(store: &dyn ContextStore) {
    // One request, many parts with a last one of another size, parts of just the right size.
    for bytes in [0, 1, 100_000, 40 * 1024 * 1024 + 17, 32 * 1024 * 1024] {
        let file = file(bytes);
        let key = fresh_key(&file);
        assert_eq!(store.find(&key).await.unwrap(), None);
        assert_eq!(store.read(&key).await.unwrap(), None);
        for _ in 0..2 {
            store.put(&key, file.path()).await.unwrap();
            assert_eq!(store.find(&key).await.unwrap().map(|it| it.size), Some(bytes as u64));
        }
        if bytes < 16 * 1024 * 1024 {
            let content = std::fs::read(file.path()).unwrap();
            assert!(store.read(&key).await.unwrap() == Some(content));
        } else {
            let refused = store.read(&key).await.unwrap_err().to_string();
            assert!(refused.contains("has more than"), "{refused}");
        }
        assert!(store.url(&key).ends_with(&key));
    }
}

async fn lists_and_deletes(store: &dyn ContextStore) {
    let folder = format!("test/{}/", uuid::Uuid::new_v4());
    assert_eq!(store.list(&folder).await.unwrap(), []);
    let keys = ["a/1", "a/2", "b"].map(|name| format!("{folder}{name}"));
    for (size, key) in keys.iter().enumerate() {
        store.write(key, vec![b'x'; size]).await.unwrap();
    }
    let listed = store.list(&folder).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.key.clone()).collect::<Vec<_>>(), keys);
    assert_eq!(listed.iter().map(|it| it.size).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(listed.iter().all(|it| it.modified.elapsed().is_ok_and(|age| age.as_secs() < 3600)));
    assert_eq!(store.list(&format!("{folder}a/")).await.unwrap().len(), 2);
    for key in &keys {
        store.delete(key).await.unwrap();
        store.delete(key).await.unwrap();
    }
    assert_eq!(store.list(&folder).await.unwrap(), []);
}

/// `begin` begins a put under a key and never ends it.
async fn discards_what_never_ended(store: &dyn ContextStore, begin: impl AsyncFn(&str)) {
    let hour = std::time::Duration::from_secs(3600);
    let (past, future) = (SystemTime::now() - hour, SystemTime::now() + hour);
    let folder = format!("test/{}/", uuid::Uuid::new_v4());
    begin(&format!("{folder}a")).await;
    begin(&format!("{folder}b/c")).await;
    store.write(&format!("{folder}whole"), vec![1]).await.unwrap();
    assert_eq!(store.unfinished(&folder, past).await.unwrap(), []);
    assert_eq!(store.unfinished("test/nothing/", future).await.unwrap(), []);
    let found = store.unfinished(&folder, future).await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    for one in found.iter().chain(&found) {
        store.discard(one).await.unwrap();
    }
    assert_eq!(store.unfinished(&folder, future).await.unwrap(), []);
    store.delete(&format!("{folder}whole")).await.unwrap();
}

async fn puts_at_once(store: &dyn ContextStore) {
    let file = file(20 * 1024 * 1024);
    let key = fresh_key(&file);
    let puts = futures::future::join_all((0..3).map(|_| store.put(&key, file.path())));
    assert!(puts.await.iter().all(Result::is_ok));
    assert_eq!(store.find(&key).await.unwrap().map(|it| it.size), Some(20 * 1024 * 1024));
}

fn unavailable<T>(outcome: anyhow::Result<T>) -> String {
    let error = outcome.err().expect("the store should have failed");
    let failure =
        error.downcast_ref::<Failure>().unwrap_or_else(|| panic!("no public type: {error:#}"));
    assert_eq!(failure.kind, FailureType::StoreUnavailable);
    failure.message.clone()
}

#[tokio::test]
async fn a_volume_keeps_what_is_put() {
    let dir = TempDir::new().unwrap();
    let store = open(&volume(dir.path())).await.unwrap();
    keeps_what_is_put(store.as_ref()).await;
    puts_at_once(store.as_ref()).await;
    puts_together(store.as_ref()).await;
    lists_and_deletes(store.as_ref()).await;
    let begin = async |key: &str| {
        let key = dir.path().join(key);
        let folder = key.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(".tmp0a1b2c"), "half").unwrap();
    };
    discards_what_never_ended(store.as_ref(), begin).await;
}

#[tokio::test]
async fn a_bucket_keeps_what_is_put() {
    let store = open(&bucket(&of_stack("KILN_S3_BUCKET"))).await.unwrap();
    keeps_what_is_put(store.as_ref()).await;
    puts_at_once(store.as_ref()).await;
    puts_together(store.as_ref()).await;
    lists_and_deletes(store.as_ref()).await;
    let server = s3().await;
    let begin = async |key: &str| {
        let request = server.create_multipart_upload().bucket(of_stack("KILN_S3_BUCKET"));
        request.key(key).send().await.expect("an upload in parts");
    };
    discards_what_never_ended(store.as_ref(), begin).await;
}

/// Puts pieces together of which the first and the last are sent, and the others copied.
async fn puts_together(store: &dyn ContextStore) {
    let (earlier, own) = (file(40 * 1024 * 1024), file(LEAST_PART as usize + 17));
    let (origin, key) = (fresh_key(&earlier), fresh_key(&own));
    let put = store.put(&origin, earlier.path()).await.unwrap();
    assert_eq!(store.find(&origin).await.unwrap(), Some(put.clone()));
    let origin = Origin { key: origin, version: put.version.expect("it has one") };
    let pieces = [
        Piece::Own(0..LEAST_PART),
        Piece::Copied(10..LEAST_PART + 11),
        // More than one part.
        Piece::Copied(LEAST_PART..8 * LEAST_PART - 3),
        Piece::Own(LEAST_PART..LEAST_PART + 17),
    ];
    let (earlier, bytes) = (std::fs::read(earlier.path()), std::fs::read(own.path()).unwrap());
    let earlier = earlier.unwrap();
    let expected: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| match piece {
            Piece::Own(range) => &bytes[range.start as usize..range.end as usize],
            Piece::Copied(range) => &earlier[range.start as usize..range.end as usize],
        })
        .copied()
        .collect();
    for _ in 0..2 {
        let composed = store.compose(&key, own.path(), &origin, &pieces).await.unwrap();
        assert_eq!(composed.size, expected.len() as u64);
        assert_eq!(store.find(&key).await.unwrap(), Some(composed));
    }
    // What is there, with itself as the origin, a piece at a time: no more can be read at once.
    let whole = store.find(&key).await.unwrap().unwrap();
    let whole = Origin { key: key.clone(), version: whole.version.unwrap() };
    let part = fresh_key(&own);
    for (at, expected) in expected.chunks(3 * LEAST_PART as usize).enumerate() {
        let from = at as u64 * 3 * LEAST_PART;
        let piece = Piece::Copied(from..from + expected.len() as u64);
        store.compose(&part, own.path(), &whole, &[piece]).await.unwrap();
        assert!(store.read(&part).await.unwrap().unwrap() == expected, "from {from}");
    }
    copies_nothing_else(store, own.path(), &origin).await;
    for key in [&key, &part, &origin.key] {
        store.delete(key).await.unwrap();
    }
}

/// What is another by now, or too short, or gone, is not copied; and nothing is left of the attempt.
async fn copies_nothing_else(store: &dyn ContextStore, own: &Path, origin: &Origin) {
    let folder = format!("test/{}/", uuid::Uuid::new_v4());
    let key = format!("{folder}composed");
    let copied = |to: u64| [Piece::Own(0..LEAST_PART), Piece::Copied(0..to)];
    let too_long = store.compose(&key, own, origin, &copied(100 * LEAST_PART)).await;
    unavailable(too_long);
    store.put(&origin.key, own).await.unwrap();
    unavailable(store.compose(&key, own, origin, &copied(LEAST_PART)).await);
    store.delete(&origin.key).await.unwrap();
    unavailable(store.compose(&key, own, origin, &copied(LEAST_PART)).await);
    assert_eq!(store.find(&key).await.unwrap(), None);
    let future = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(store.unfinished(&folder, future).await.unwrap(), []);
}

/// A client of the stack's S3 server that is not the store's.
async fn s3() -> aws_sdk_s3::Client {
    let shared = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(of_stack("KILN_S3_ENDPOINT"))
        .load()
        .await;
    let config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

#[tokio::test]
async fn a_volume_that_is_not_there_is_waited_for() {
    let message = unavailable(open(&volume(Path::new("/nowhere"))).await);
    assert!(message.contains("is its volume mounted?"), "{message}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_waited_for() {
    let store = open(&bucket("kiln-no-such-bucket")).await.unwrap();
    let file = file(10);
    let message = unavailable(store.put("contexts/x", file.path()).await);
    assert!(message.contains("`kiln-no-such-bucket`"), "{message}");
    assert!(message.contains("create the bucket") || message.contains("credentials"), "{message}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = StoreSettings::S3(Bucket {
        name: "kiln".to_owned(),
        endpoint: Some(format!("http://{closed}")),
        secret: None,
        region: None,
        delivery: Delivery::Direct,
    });
    of_stack("AWS_ACCESS_KEY_ID");
    let message = unavailable(open(&store).await.unwrap().find("contexts/x").await);
    assert!(message.contains(&closed.to_string()), "{message}");
}

/// The stack's bucket, whose contexts are fetched for their executors.
async fn presigned() -> Box<dyn ContextStore> {
    let StoreSettings::S3(bucket) = bucket("kiln") else {
        unreachable!("it is a bucket");
    };
    let delivery = Delivery::Presigned("registry.example/kiln:1".to_owned());
    open(&StoreSettings::S3(Bucket { delivery, ..bucket })).await.unwrap()
}

#[tokio::test]
async fn the_checksum_of_what_is_put_is_kept() {
    let store = presigned().await;
    assert!(store.wants_checksum());
    // In one request, and in parts.
    for bytes in [10, 17 * 1024 * 1024] {
        let file = file(bytes);
        let key = fresh_key(&file);
        let put = store.put(&key, file.path()).await.unwrap();
        let sha256 = names::hex(&std::fs::read(file.path()).unwrap());
        assert_eq!(put.sha256, Some(sha256));
        assert_eq!(store.find(&key).await.unwrap(), Some(put));
    }
    let key = fresh_key(&file(1));
    store.write(&key, b"bytes without a checksum".to_vec()).await.unwrap();
    assert_eq!(store.find(&key).await.unwrap().unwrap().sha256, None);
}

#[tokio::test]
async fn an_address_reads_one_object_for_a_while_and_does_nothing_else() {
    let store = presigned().await;
    let (file, other) = (file(100), file(200));
    let (key, other_key) = (fresh_key(&file), fresh_key(&other));
    store.put(&key, file.path()).await.unwrap();
    store.put(&other_key, other.path()).await.unwrap();
    let Location::Presigned { signer, secret, .. } = store.location(&key) else {
        panic!("the context is not fetched by a signed address");
    };
    assert_eq!(secret.as_deref(), Some("kiln-store"), "no build may name it");
    let url = signer.url(Duration::from_secs(600)).await.unwrap();
    let client = reqwest::Client::new();
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(client.get(&url)).await, 200);
    assert_eq!(status(client.get(url.replace(&key, &other_key))).await, 403);
    assert_eq!(status(client.put(&url).body("x")).await, 403);
    assert_eq!(status(client.delete(&url)).await, 403);
    let soon = signer.url(Duration::from_secs(1)).await.unwrap();
    for _ in 0..100 {
        if status(client.get(&soon)).await == 403 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not expire");
}

#[tokio::test]
async fn an_executor_reads_with_credentials_of_its_own() {
    let store = open(&bucket("kiln")).await.unwrap();
    let access = Access::of(store.location(&context_key("c0ffee")));
    assert_eq!(access.context, "s3://kiln/contexts/c0ffee/context.tar.gz");
    let env: Vec<_> = access.env.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(env, ["AWS_REGION", "S3_ENDPOINT", "S3_FORCE_PATH_STYLE"]);
    assert_eq!(access.env_from[0].secret_ref.as_ref().unwrap().name, "kiln-store");
}
