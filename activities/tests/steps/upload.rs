use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use kilnworks_activities::{
    settings::VolumeMount,
    steps::upload::upload,
    store::{ContextStore, volume::VolumeStore},
};
use kilnworks_workflows::{
    failure::FailureType::{InvalidSpec, RevisionNotFound},
    steps::{Context, UploadInput},
};
use tempfile::TempDir;

use crate::support::{Cache, Repo, cache, failure};

struct Stored {
    dir: TempDir,
    store: VolumeStore,
}

fn stored() -> Stored {
    let dir = TempDir::new().unwrap();
    let store = VolumeStore::open(dir.path(), VolumeMount::Claim("kiln".to_owned())).unwrap();
    Stored { dir, store }
}

impl Stored {
    async fn upload(&self, cache: &Cache, input: UploadInput) -> Context {
        let context = upload(&cache.sources, &self.store, input).await.unwrap();
        assert_eq!(cache.scratch(), 0);
        assert_eq!(
            self.store.find(&context.key).await.unwrap().map(|it| it.size),
            Some(context.size)
        );
        context
    }

    fn path(&self, context: &Context) -> PathBuf {
        self.dir.path().join(&context.key)
    }

    /// What the system's own tar makes of it.
    fn listed(&self, context: &Context) -> Vec<String> {
        let tar = Command::new("tar").arg("tzvf").arg(self.path(context)).output().unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let listed = String::from_utf8(tar.stdout).unwrap();
        let mut lines = listed.lines();
        let root = lines.next().unwrap();
        assert!(root.starts_with("drwxr-xr-x ") && root.ends_with(" context/"), "{root}");
        assert_eq!(context.root, "context");
        lines.map(|line| line.replacen(" context/", " ", 1)).collect()
    }
}

fn input(repo: &Repo, commit: &str, context_dir: &str) -> UploadInput {
    UploadInput {
        id: Default::default(),
        source: repo.source(None),
        commit: commit.to_owned(),
        context_dir: context_dir.to_owned(),
        lfs: false,
    }
}

#[tokio::test]
async fn a_context_is_sent_once_and_is_the_same_everywhere() {
    let (repo, here, there) = (Repo::new(), cache(), cache());
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    repo.write("app/run.sh", "echo").executable("app/run.sh").write("app/data", "1");
    repo.write(&format!("app/{long}"), "2")
        .symlink("app/link", "data")
        .symlink("app/far", &"t".repeat(150));
    repo.write("other/a", "1");
    let commit = repo.commit();
    let (one, two) = (stored(), stored());

    let first = one.upload(&here, input(&repo, &commit, "app")).await;
    assert!(first.sent);
    let again = one.upload(&here, input(&repo, &commit, "app")).await;
    assert_eq!(again, Context { sent: false, ..first.clone() });
    let elsewhere = two.upload(&there, input(&repo, &commit, "app")).await;
    assert_eq!(elsewhere, first);
    assert_eq!(std::fs::read(one.path(&first)).unwrap(), std::fs::read(two.path(&first)).unwrap());

    let when = "1970-01-01";
    let listed = one.listed(&first);
    let seen: Vec<_> = listed
        .iter()
        .map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            assert_eq!((fields[1], fields[3]), ("0/0", when), "{line}");
            format!("{} {}", fields[0], fields[5..].join(" "))
        })
        .collect();
    let dir = "d".repeat(120);
    let expected = [
        "-rw-r--r-- data".to_owned(),
        format!("drwxr-xr-x {dir}/"),
        format!("-rw-r--r-- {long}"),
        format!("lrwxrwxrwx far -> {}", "t".repeat(150)),
        "lrwxrwxrwx link -> data".to_owned(),
        "-rwxr-xr-x run.sh".to_owned(),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_key_is_the_content_of_the_directory() {
    let (repo, cache, store) = (Repo::new(), cache(), stored());
    let first = repo.write("app/a", "1").write("other/a", "1").commit();
    let app = store.upload(&cache, input(&repo, &first, "app")).await;
    let second = repo.write("other/a", "2").commit();
    let unchanged = store.upload(&cache, input(&repo, &second, "app")).await;
    assert_eq!(unchanged, Context { sent: false, ..app.clone() });
    let third = repo.write("app/a", "2").commit();
    assert_ne!(store.upload(&cache, input(&repo, &third, "app")).await.key, app.key);
    // The same bytes at another place are the same context.
    assert_eq!(store.upload(&cache, input(&repo, &first, "other")).await.key, app.key);
}

#[tokio::test]
async fn an_empty_source_is_an_empty_context() {
    let (repo, cache, store) = (Repo::new(), cache(), stored());
    let commit = repo.commit();
    let context = store.upload(&cache, input(&repo, &commit, "")).await;
    assert!(store.listed(&context).is_empty());
}

#[tokio::test]
async fn a_submodule_is_part_of_context_and_key() {
    let (lib, app, cache, store) = (Repo::new(), Repo::new(), cache(), stored());
    lib.write("lib.h", "lib").commit();
    app.write("main.c", "main");
    app.git(&["submodule", "--quiet", "add", lib.path().to_str().unwrap(), "lib"]);
    let commit = app.commit();
    let without = store.upload(&cache, input(&app, &commit, "")).await;
    let mut with = input(&app, &commit, "");
    with.source.submodules = true;
    let with = store.upload(&cache, with).await;
    assert_ne!(with.key, without.key);
    let names = |context| {
        let lines = store.listed(context).into_iter();
        lines.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&without), [".gitmodules", "lib/", "main.c"]);
    assert_eq!(names(&with), [".gitmodules", "lib/", "lib/lib.h", "main.c"]);
}

#[tokio::test]
async fn an_lfs_pointer_file_is_a_fault() {
    let (repo, cache, store) = (Repo::new(), cache(), stored());
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n",
        "a".repeat(64)
    );
    for number in 1..=7 {
        repo.write(&format!("app/{number}.bin"), &pointer);
    }
    let commit = repo.write("ok/a", "1").commit();
    let (kind, message) =
        failure(upload(&cache.sources, &store.store, input(&repo, &commit, "app")).await);
    assert_eq!(kind, InvalidSpec);
    assert!(message.contains("`5.bin` and 2 more; `lfs: true`"), "{message}");
    assert_eq!(cache.scratch(), 0);
    assert!(store.upload(&cache, input(&repo, &commit, "ok")).await.sent);
}

#[tokio::test]
async fn a_context_that_is_not_there_is_named() {
    let (repo, cache, store) = (Repo::new(), cache(), stored());
    let commit = repo.write("app/a", "1").write("b", "1").commit();
    for (dir, expected) in [("ap", "`ap` does not exist"), ("b", "`b` is not a directory")] {
        let (kind, message) =
            failure(upload(&cache.sources, &store.store, input(&repo, &commit, dir)).await);
        assert_eq!(kind, RevisionNotFound);
        assert!(
            message.contains(expected) && message.contains("there are `app/`, `b`"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_entry_of_a_hostile_tree_is_not_packed() {
    let (repo, cache, store) = (Repo::new(), cache(), stored());
    repo.write("a", "1").commit();
    let blob = repo.git(&["rev-parse", "HEAD:a"]);
    let raw = |names: &[&str]| {
        let id: Vec<u8> =
            (0..20).map(|at| u8::from_str_radix(&blob[at * 2..at * 2 + 2], 16).unwrap()).collect();
        let entry = |name: &&str| [format!("100644 {name}\0").as_bytes(), &id].concat();
        let mut hash = Command::new("git")
            .current_dir(repo.path())
            .args(["hash-object", "-t", "tree", "-w", "--stdin", "--literally"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        hash.stdin
            .take()
            .unwrap()
            .write_all(&names.iter().flat_map(entry).collect::<Vec<_>>())
            .unwrap();
        let tree = String::from_utf8(hash.wait_with_output().unwrap().stdout).unwrap();
        let commit = repo.git(&["commit-tree", "-m", "hostile", tree.trim()]);
        repo.git(&["branch", "--force", "hostile", &commit]);
        commit
    };
    let commit = raw(&[".git", "a"]);
    let context = store.upload(&cache, input(&repo, &commit, "")).await;
    assert_eq!(store.listed(&context).len(), 1);
    let commit = raw(&[".."]);
    let (_, message) =
        failure(upload(&cache.sources, &store.store, input(&repo, &commit, "")).await);
    assert!(message.contains("forbidden name `..`"), "{message}");
}
