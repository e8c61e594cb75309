use std::fs;

use kilnworks_workflows::failure::FailureType::{RevisionNotFound, SourceNotFound};

use crate::support::{Repo, cache, cache_of, failure, source};

#[tokio::test]
async fn a_revision_is_found_and_found_again() {
    let repo = Repo::new();
    let first = repo.write("a", "1").commit();
    repo.git(&["tag", "light"]);
    repo.git(&["tag", "--annotate", "--message=one", "v1"]);
    repo.git(&["branch", "both"]);
    let second = repo.write("a", "2").commit();
    repo.git(&["tag", "both"]);
    let cache = cache();
    for (revision, expected) in [
        (None, &second),
        (Some("main"), &second),
        (Some("v1"), &first),
        (Some("light"), &first),
        (Some("both"), &first),
        (Some(first.as_str()), &first),
        (Some(second.as_str()), &second),
    ] {
        for _ in 0..2 {
            let fetched = cache.sources.fetch(&repo.source(revision)).await.unwrap();
            assert_eq!(&fetched, expected, "{revision:?}");
        }
    }
    assert_eq!(cache.mirrors().len(), 1);
}

#[tokio::test]
async fn a_branch_that_moves_is_followed() {
    let (repo, cache) = (Repo::new(), cache());
    for content in ["1", "2", "3"] {
        let commit = repo.write("a", content).commit();
        let fetched = cache.sources.fetch(&repo.source(Some("main"))).await.unwrap();
        assert_eq!(fetched, commit);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (repo, empty, cache) = (Repo::new(), Repo::new(), cache());
    repo.write("a", "1").commit();
    repo.git(&["branch", "release"]);
    let unborn = "1".repeat(40);
    for (source, kind, expected) in [
        (
            repo.source(Some("relase")),
            RevisionNotFound,
            "no branch and no tag `relase`; it has `main`, `release`",
        ),
        (repo.source(Some("1a2b3c4")), RevisionNotFound, "`1a2b3c4`"),
        (repo.source(Some(&unborn)), RevisionNotFound, "leads to the commit"),
        (empty.source(None), RevisionNotFound, "is empty"),
        (source("/nowhere/a.git", None), SourceNotFound, "/nowhere/a.git"),
    ] {
        let (found, message) = failure(cache.sources.fetch(&source).await);
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn a_lost_mirror_is_fetched_again() {
    let (repo, cache) = (Repo::new(), cache());
    let commit = repo.write("a", "1").commit();
    let snapshot = cache.sources.ensure(&repo.source(None), &commit).await.unwrap();
    for _ in 0..2 {
        let names = snapshot.read(|tree, _| Ok(tree.first(&tree.root(), 0)?.1)).await.unwrap();
        assert_eq!(names, 1);
        fs::remove_dir_all(&cache.mirrors()[0]).unwrap();
    }
}

#[tokio::test]
async fn a_damaged_mirror_is_fetched_anew() {
    let (repo, cache) = (Repo::new(), cache());
    let commit = repo.write("a", "content".repeat(1000)).commit();
    cache.sources.fetch(&repo.source(None)).await.unwrap();
    for damage in ["HEAD", "objects/pack"] {
        let damaged = cache.mirrors()[0].join(damage);
        if damaged.is_dir() {
            for file in fs::read_dir(damaged).unwrap() {
                let path = file.unwrap().path();
                fs::remove_file(&path).unwrap();
                fs::write(path, b"damaged").unwrap();
            }
        } else {
            fs::write(damaged, b"damaged").unwrap();
        }
        let snapshot = cache.sources.ensure(&repo.source(None), &commit).await.unwrap();
        let size = snapshot.read(|tree, _| {
            let file = tree.find("a")?.unwrap();
            Ok(tree.read(&file, usize::MAX)?.unwrap().len())
        });
        assert_eq!(size.await.unwrap(), 7000, "{damage}");
        let fetched = cache.sources.fetch(&repo.source(None)).await.unwrap();
        assert_eq!(fetched, commit);
    }
}

#[tokio::test]
async fn two_fetch_into_one_mirror_at_once() {
    let (repo, cache) = (Repo::new(), cache());
    let commit = repo.write("a", "1").commit();
    let sources = vec![repo.source(Some("main")); 8];
    let fetched =
        futures::future::join_all(sources.iter().map(|source| cache.sources.fetch(source)));
    for fetched in fetched.await {
        assert_eq!(fetched.unwrap(), commit);
    }
    assert_eq!(cache.mirrors().len(), 1);
}

#[tokio::test]
async fn the_mirror_used_longest_ago_goes_first_and_none_in_use() {
    let repos = [Repo::new(), Repo::new(), Repo::new()];
    let mut noise: u32 = 1;
    let commits = repos.each_ref().map(|repo| {
        // Bytes that do not compress, so that a mirror has about the size of its content.
        let bytes = (0..200_000).map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
        repo.write("a", bytes.collect::<Vec<_>>()).commit()
    });
    // Room for two.
    let cache = cache_of(500_000, Vec::new());
    for repo in &repos[..2] {
        cache.sources.fetch(&repo.source(None)).await.unwrap();
    }
    let used = cache.sources.ensure(&repos[0].source(None), &commits[0]).await.unwrap();
    let (in_use, wait) = std::sync::mpsc::channel();
    let (done, until) = std::sync::mpsc::channel::<()>();
    let until = std::sync::Mutex::new(until);
    let reading = tokio::spawn(async move {
        used.read(move |tree, _| {
            in_use.send(()).unwrap();
            until.lock().unwrap().recv().unwrap();
            let file = tree.find("a")?.unwrap();
            Ok(tree.read(&file, usize::MAX)?.unwrap().len())
        })
        .await
    });
    tokio::task::spawn_blocking(move || wait.recv().unwrap()).await.unwrap();
    let before = cache.mirrors();
    cache.sources.fetch(&repos[2].source(None)).await.unwrap();
    let after = cache.mirrors();
    assert_eq!((before.len(), after.len()), (2, 2));
    assert_ne!(before, after);
    done.send(()).unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), 200_000);
}
