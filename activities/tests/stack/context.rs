//! Contexts of which the bucket of the local stack has a part already.

use crate::support::{Repo, cache, noise, stack::of_stack};
use kilnworks_activities::{
    settings::{Bucket, Delivery, StoreSettings},
    steps::upload::{sections_key, upload},
    store::{ContextStore, open},
};
use kilnworks_workflows::steps::UploadInput;

async fn store(delivery: Delivery) -> Box<dyn ContextStore> {
    let settings = StoreSettings::S3(Bucket {
        name: of_stack("KILN_S3_BUCKET"),
        endpoint: Some(of_stack("KILN_S3_ENDPOINT")),
        secret: Some("kiln-store".to_owned()),
        region: None,
        delivery,
    });
    open(&settings).await.unwrap()
}

/// 12 MB of noise that no other run has.
fn repository() -> Repo {
    let (repo, salt) = (Repo::new(), uuid::Uuid::new_v4().as_u128() as u64);
    for file in 0..12 {
        repo.write(&format!("f{file:02}"), noise(salt.wrapping_add(file), 1024 * 1024));
    }
    repo
}

fn input(repo: &Repo, content: &str) -> UploadInput {
    UploadInput {
        id: Default::default(),
        source: repo.source(None),
        commit: repo.write("f00", content).commit(),
        context_dir: String::new(),
        lfs: false,
    }
}

#[tokio::test]
async fn a_bucket_copies_what_it_has() {
    let (repo, cache, store) = (repository(), cache(), store(Delivery::Direct).await);
    let (mut keys, mut is_whole) = (Vec::<String>::new(), Vec::new());
    for content in ["1", "2", "3", "4"] {
        let input = input(&repo, content);
        if content == "4" {
            store.delete(keys.last().unwrap()).await.unwrap();
        }
        let context = upload(&cache.sources, &*store, input.clone()).await.unwrap();
        assert!(context.sent && context.size > 11 * 1024 * 1024);
        // What is put together there is read by nobody, so that there is no checksum of it.
        is_whole.push(context.sha256.is_some());
        keys.extend([sections_key(&input), context.key]);
    }
    assert_eq!(is_whole, [true, false, false, true]);
    for key in keys {
        store.delete(&key).await.unwrap();
    }
}

#[tokio::test]
async fn where_a_checksum_is_wanted_all_of_it_is_packed() {
    let (repo, cache) = (repository(), cache());
    let fetched = Delivery::Presigned("registry.example/kiln:1".to_owned());
    let (direct, presigned) = (store(Delivery::Direct).await, store(fetched).await);
    let (first, second) = (input(&repo, "1"), input(&repo, "2"));
    let mut keys = vec![sections_key(&first)];
    keys.push(upload(&cache.sources, &*direct, first).await.unwrap().key);
    // Put together, it has none, and so it is put once more.
    for (store, has_checksum) in [(&direct, false), (&presigned, true)] {
        let context = upload(&cache.sources, &**store, second.clone()).await.unwrap();
        assert_eq!((context.sent, context.sha256.is_some()), (true, has_checksum));
        keys.push(context.key);
    }
    for key in keys {
        direct.delete(&key).await.unwrap();
    }
}
