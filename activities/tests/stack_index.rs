//! The index of several platforms, in the stack's registry.
//!
//! Needs the stack: run `make up` and source `.local/env`.

mod support;

use kilnworks_activities::{error::failure_of, index::put, registry::Manifest};
use kilnworks_workflows::{failure::FailureType, names, output::PlatformImage};
use serde_json::{Value, json};
use support::{
    registries::{image, repository},
    stack::of_stack,
};

fn of(platform: &str, manifest: &Manifest) -> PlatformImage {
    PlatformImage { platform: platform.to_owned(), digest: manifest.digest.clone(), size: 7 }
}

#[tokio::test]
async fn an_index_names_every_image_and_is_put_once() {
    let to = repository(&of_stack("KILN_REGISTRY"), "index").await;
    let (amd, arm) = (image(&to, &["amd"]).await, image(&to, &["arm"]).await);
    let images = [of("linux/amd64", &amd), of("linux/arm/v7", &arm)];
    let tags = ["1.0.0".to_owned(), "latest".to_owned()];
    let built = put(&to, &images, &tags).await.expect("it is put");
    assert_eq!((built.size, built.platform.as_str()), (14, "linux/amd64,linux/arm/v7"));
    assert_eq!(built.platforms, images);
    for tag in &tags {
        assert_eq!(to.digest_of(tag).await.unwrap().as_ref(), Some(&built.digest));
    }
    // Registries clear away what has no tag.
    for one in [&amd, &arm] {
        let tag = names::child_tag(&one.digest);
        assert_eq!(to.digest_of(&tag).await.unwrap().as_ref(), Some(&one.digest));
    }
    let index = to.manifest(&built.digest).await.unwrap().expect("it");
    let index: Value = serde_json::from_slice(&index.bytes).unwrap();
    let arm7 = json!({"os": "linux", "architecture": "arm", "variant": "v7"});
    let expected = json!({
        "mediaType": arm.media_type, "digest": arm.digest, "size": arm.bytes.len(),
        "platform": arm7,
    });
    assert_eq!(index["manifests"][1], expected);
    assert_eq!(put(&to, &images, &tags).await.unwrap(), built);
}

#[tokio::test]
async fn no_index_is_put_where_an_image_is_missing() {
    let to = repository(&of_stack("KILN_REGISTRY"), "index").await;
    let amd = image(&to, &["amd"]).await;
    let lost = PlatformImage {
        platform: "linux/arm64".to_owned(),
        digest: format!("sha256:{}", "0".repeat(64)),
        size: 7,
    };
    let images = [of("linux/amd64", &amd), lost];
    let error = put(&to, &images, &["1.0.0".to_owned()]).await.expect_err("one is missing");
    let failure = failure_of(&error).expect("a type");
    assert_eq!(failure.kind, FailureType::RegistryUnavailable);
    assert!(failure.message.ends_with("for linux/arm64"), "{failure}");
    assert_eq!(to.digest_of("1.0.0").await.unwrap(), None);
}
