//! The content key of what is rendered and pinned.

use kilnworks_activities::render::{keyed, own_platform, pin::Found};
use kilnworks_workflows::{bounds, failure::FailureType::InvalidTemplate, steps::Rendered};
use serde_json::{Value, json};

use crate::{
    render::{container, rendered},
    support::{Repo, failure},
};

/// What is rendered, pinned and keyed. The registry gives every image this digest.
async fn with_key(repo: &Repo, more: Value, digest: char) -> anyhow::Result<Rendered> {
    let plan = container(repo, None, more.clone());
    let resolve = async |_| Ok(Found::At(format!("sha256:{}", digest.to_string().repeat(64))));
    keyed(rendered(repo, None, more).await?, &plan, "kaniko:v1", resolve).await
}

#[tokio::test]
async fn what_changes_an_image_changes_its_key() {
    let repo = Repo::new();
    repo.write("a/Dockerfile", "FROM debian:12\nCOPY . /\n").write("a/one", "1");
    let a = json!({"contextDir": "a"});
    let first = with_key(&repo, a.clone(), 'a').await.unwrap();
    assert!(first.dockerfile.starts_with("FROM debian:12@sha256:aaa"), "{}", first.dockerfile);
    assert_eq!(first.bases[0].image, "debian:12");
    repo.write("b/two", "elsewhere");
    let elsewhere = with_key(&repo, a.clone(), 'a').await.unwrap();
    assert_eq!((&elsewhere.key, &elsewhere.content), (&first.key, &first.content));
    let tagged = json!({"contextDir": "a", "tags": ["{{ commit }}"], "timeouts": {"whole": "1h"}});
    assert_eq!(with_key(&repo, tagged, 'a').await.unwrap().key, first.key);
    let moved = with_key(&repo, a.clone(), 'b').await.unwrap();
    assert_ne!(moved.key, first.key);
    let labelled = json!({"contextDir": "a", "labels": {"of": "{{ commit }}"}});
    assert_ne!(with_key(&repo, labelled, 'a').await.unwrap().key, first.key);
    repo.write("a/one", "2");
    let changed = with_key(&repo, a.clone(), 'a').await.unwrap();
    assert_ne!(changed.key, first.key);
    assert!(changed.key.is_some());
    let unpinned = json!({"contextDir": "a", "pin": false});
    let unpinned = with_key(&repo, unpinned, 'a').await.unwrap();
    assert_eq!((unpinned.key, unpinned.bases), (None, Vec::new()));
    assert!(unpinned.dockerfile.starts_with("FROM debian:12\n"));
}

#[tokio::test]
async fn each_platform_has_a_key_of_its_own() {
    let repo = Repo::new();
    repo.write("Dockerfile", "FROM debian:12\nCOPY . /\n");
    let on = async |platforms: &[&str]| {
        with_key(&repo, json!({"platforms": platforms}), 'a').await.unwrap()
    };
    let none = with_key(&repo, json!({}), 'a').await.unwrap();
    let own = on(&[&own_platform()]).await;
    assert_eq!((&own.key, own.platforms.len()), (&none.key, 0), "it goes without saying");
    let (arm, riscv) = (on(&["linux/arm/v7"]).await.key, on(&["linux/riscv64"]).await.key);
    assert!(arm.is_some() && arm != riscv && arm != none.key && riscv != none.key);
    let both = on(&["linux/riscv64", "linux/arm/v7"]).await;
    let keys: Vec<_> = both.platforms.iter().map(|it| (it.platform.as_str(), &it.key)).collect();
    assert_eq!(keys, [("linux/arm/v7", &arm), ("linux/riscv64", &riscv)]);
    assert!(both.key.is_some() && ![&arm, &riscv, &none.key].contains(&&both.key));
    let more = on(&["linux/riscv64", "linux/arm/v7", "linux/s390x"]).await;
    assert_ne!(more.key, both.key);
    let unpinned = json!({"platforms": ["linux/arm/v7", "linux/riscv64"], "pin": false});
    let unpinned = with_key(&repo, unpinned, 'a').await.unwrap();
    assert!(unpinned.key.is_none() && unpinned.platforms.iter().all(|it| it.key.is_none()));
    assert_eq!(unpinned.platforms.len(), 2);
}

#[tokio::test]
async fn a_dockerfile_may_become_too_large_by_its_digests() {
    let repo = Repo::new();
    let line = "COPY --from=a b c\n";
    let text = format!("FROM a\n{}", line.repeat((bounds::DOCKERFILE_BYTES - 7) / line.len()));
    repo.write("Dockerfile", &text);
    assert!(rendered(&repo, None, json!({})).await.is_ok());
    let (kind, message) = failure(with_key(&repo, json!({}), 'a').await);
    assert_eq!(kind, InvalidTemplate);
    assert!(message.contains("64 KiB"), "{message}");
}
