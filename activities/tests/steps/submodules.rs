use kilnworks_workflows::{
    failure::FailureType::{RevisionNotFound, SourceNotFound},
    plan::GitSource,
};

use crate::support::{Repo, cache, failure};

fn with_submodules(repo: &Repo) -> GitSource {
    GitSource { submodules: true, ..repo.source(None) }
}

fn submodule(repo: &Repo, of: &Repo, path: &str) {
    repo.git(&["submodule", "--quiet", "add", of.path().to_str().unwrap(), path]);
}

#[tokio::test]
async fn submodules_are_in_their_places() {
    let (inner, lib, app, cache) = (Repo::new(), Repo::new(), Repo::new(), cache());
    inner.write("deep", "deep").commit();
    lib.write("lib.h", "lib");
    submodule(&lib, &inner, "inner");
    lib.commit();
    app.write("main.c", "main");
    submodule(&app, &lib, "vendor/lib");
    // Written as a path from the app's own repository.
    let name = inner.path().file_name().unwrap().to_str().unwrap();
    submodule(&app, &inner, "near");
    app.git(&["config", "--file=.gitmodules", "submodule.near.url", &format!("../{name}")]);
    let commit = app.commit();

    for _ in 0..2 {
        let fetched = cache.sources.fetch(&with_submodules(&app)).await.unwrap();
        assert_eq!(fetched, commit);
    }
    let snapshot = cache.sources.ensure(&with_submodules(&app), &commit).await.unwrap();
    let found = snapshot.read(|tree, cancel| {
        let mut seen = Vec::new();
        tree.walk(&tree.root(), cancel, &mut |entry| {
            seen.push(String::from_utf8_lossy(&entry.path).into_owned());
            Ok(())
        })?;
        Ok(seen)
    });
    let expected = [
        ".gitmodules",
        "main.c",
        "near",
        "near/deep",
        "vendor",
        "vendor/lib",
        "vendor/lib/.gitmodules",
        "vendor/lib/inner",
        "vendor/lib/inner/deep",
        "vendor/lib/lib.h",
    ];
    assert_eq!(found.await.unwrap(), expected);
}

#[tokio::test]
async fn a_submodule_that_cannot_be_had_is_named() {
    let (lib, app, cache) = (Repo::new(), Repo::new(), cache());
    lib.write("lib.h", "lib").commit();
    submodule(&app, &lib, "lib");
    app.commit();
    app.git(&["config", "--file=.gitmodules", "submodule.lib.url", "/nowhere/lib"]);
    app.commit();
    let (kind, message) = failure(cache.sources.fetch(&with_submodules(&app)).await);
    assert_eq!(kind, SourceNotFound);
    assert!(message.starts_with("submodule `lib`: cannot fetch `/nowhere/lib`"), "{message}");

    app.write(".gitmodules", "").commit();
    let (kind, message) = failure(cache.sources.fetch(&with_submodules(&app)).await);
    assert_eq!(kind, RevisionNotFound);
    assert!(message.contains("`.gitmodules` does not say"), "{message}");
}

#[tokio::test]
async fn a_symlink_is_followed_inside_the_source_alone() {
    let (repo, cache) = (Repo::new(), cache());
    repo.write("real/file", "1").symlink("dir", "real").symlink("real/up", "../dir/file");
    repo.symlink("out", "../../etc/passwd").symlink("root", "/etc/passwd").symlink("loop", "loop");
    let commit = repo.commit();
    let snapshot = cache.sources.ensure(&repo.source(None), &commit).await.unwrap();
    let found = snapshot.read(|tree, _| {
        let paths = [
            "dir/file",
            "real/up",
            "real/../dir/up",
            "./dir//file",
            "out",
            "root",
            "loop",
            "../x",
            "real/file/x",
        ];
        paths
            .iter()
            .map(|path| {
                let found = tree.find(path)?;
                Ok(found.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()))
            })
            .collect::<anyhow::Result<Vec<_>>>()
    });
    let file = || Some("real/file".to_owned());
    assert_eq!(
        found.await.unwrap(),
        [file(), file(), file(), file(), None, None, None, None, None]
    );
}
