//! The steps `index`, `tag` and `find_image`, in the stack's registry.
//!
//! Needs the stack: run `make up` and source `.local/env`.

use crate::support::{
    registries::{client, image, repository},
    stack::of_stack,
};
use kilnworks_activities::{
    error::failure_of,
    registry::{Manifest, Repository},
    steps::{find_image::find_image, index::index, tag::tag},
};
use kilnworks_workflows::{
    failure::FailureType,
    names,
    output::PlatformImage,
    plan::Registry,
    steps::{
        ChildImage, FindImageInput, ImageTags, IndexInput, PlatformSource, RenderedPlatform, Reuse,
        TagInput,
    },
};
use serde_json::{Value, json};

fn of(platform: &str, from: &Repository, manifest: &Manifest) -> PlatformSource {
    let image =
        PlatformImage { platform: platform.to_owned(), digest: manifest.digest.clone(), size: 7 };
    PlatformSource { repository: from.name().to_owned(), image }
}

fn insecure() -> Registry {
    Registry { insecure: true, ..Registry::default() }
}

fn index_input(to: &Repository, images: Vec<PlatformSource>) -> IndexInput {
    let (id, repository) = (Default::default(), to.name().to_owned());
    IndexInput { id, repository, images, registry: insecure() }
}

#[tokio::test]
async fn an_index_is_put_by_its_digest_and_tagged_by_the_step_that_tags() {
    let registry = client();
    let at = of_stack("KILN_REGISTRY");
    let (to, kept) = (repository(&at, "index").await, repository(&at, "kept").await);
    let (amd, arm) = (image(&to, &["amd"]).await, image(&kept, &["arm"]).await);
    let images = vec![of("linux/amd64", &to, &amd), of("linux/arm/v7", &kept, &arm)];
    let built = index(&registry, index_input(&to, images.clone())).await.expect("it is put");
    assert_eq!((built.size, built.platform.as_str()), (14, "linux/amd64,linux/arm/v7"));
    assert_eq!(index(&registry, index_input(&to, images)).await.unwrap(), built);
    let manifest = to.manifest(&built.digest).await.unwrap().expect("it");
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let expected = json!({
        "mediaType": arm.media_type, "digest": arm.digest, "size": arm.bytes.len(),
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
    });
    assert_eq!(manifest["manifests"][1], expected);
    assert_eq!(to.tags().await.unwrap(), [""; 0], "no tag is written");

    let keep = |key: &str| Some(Reuse { repository: kept.name().to_owned(), key: key.to_owned() });
    let tags = ImageTags {
        from: to.name().to_owned(),
        digest: built.digest.clone(),
        to: to.name().to_owned(),
        tags: vec!["1.0.0".to_owned(), "latest".to_owned()],
        keep: keep("both"),
        children: vec![ChildImage { digest: arm.digest.clone(), keep: keep("arm") }],
        registry: insecure(),
    };
    for _ in 0..2 {
        let input = TagInput { id: Default::default(), images: vec![tags.clone()] };
        tag(&registry, input).await.expect("it is tagged");
    }
    let mut expected = vec!["1.0.0".to_owned(), names::child_tag(&arm.digest), "latest".to_owned()];
    expected.sort();
    assert_eq!(to.tags().await.unwrap(), expected);
    for (key, digest) in [("both", &built.digest), ("arm", &arm.digest)] {
        let found = kept.digest_of(key).await.unwrap();
        assert_eq!(found.as_ref(), Some(digest), "{key}");
    }

    // What is kept is found: the index as a whole, or the image of a platform.
    let find = |key: &str| FindImageInput {
        id: Default::default(),
        kept: Some(kept.name().to_owned()),
        key: Some(key.to_owned()),
        platforms: vec![RenderedPlatform {
            platform: "linux/arm/v7".to_owned(),
            key: Some("arm".to_owned()),
        }],
        published: None,
        registry: insecure(),
    };
    let whole = find_image(&registry, &find("both")).await.unwrap().image.expect("the index");
    assert_eq!((&whole.built.digest, whole.repository.as_str()), (&built.digest, kept.name()));
    assert_eq!(whole.built.platforms.len(), 2);
    let parts = find_image(&registry, &find("another")).await.unwrap();
    assert_eq!(parts.image, None);
    let part = parts.platforms[0].as_ref().expect("the image of a platform");
    assert_eq!(part.built.digest, arm.digest);
}

#[tokio::test]
async fn no_index_is_put_where_an_image_is_missing() {
    let to = repository(&of_stack("KILN_REGISTRY"), "index").await;
    let amd = image(&to, &["amd"]).await;
    let lost = Manifest { digest: format!("sha256:{}", "0".repeat(64)), ..amd.clone() };
    let images = vec![of("linux/amd64", &to, &amd), of("linux/arm64", &to, &lost)];
    let error = index(&client(), index_input(&to, images)).await.expect_err("one is missing");
    let failure = failure_of(&error).expect("a type");
    assert_eq!(failure.kind, FailureType::RegistryUnavailable);
    assert!(failure.message.starts_with("linux/arm64: "), "{failure}");
}
