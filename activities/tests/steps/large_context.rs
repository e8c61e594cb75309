//! Contexts of which the store has a part already.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use kilnworks_activities::{
    settings::VolumeMount,
    steps::upload::{sections_key, upload},
    store::{ContextStore, volume::VolumeStore},
};
use kilnworks_workflows::steps::{Context, UploadInput};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Cache, Repo, cache, noise};

struct Place {
    dir: TempDir,
    store: VolumeStore,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = VolumeStore::open(dir.path(), VolumeMount::Claim("kiln".to_owned())).unwrap();
        Self { dir, store }
    }

    async fn upload(&self, cache: &Cache, input: &UploadInput) -> Context {
        let context = upload(&cache.sources, &self.store, input.clone()).await.unwrap();
        assert_eq!(cache.scratch(), 0);
        context
    }

    fn path(&self, context: &Context) -> PathBuf {
        self.dir.path().join(&context.key)
    }

    fn bytes(&self, context: &Context) -> Vec<u8> {
        fs::read(self.path(context)).unwrap()
    }

    /// What is told of the directory's last context: ids and lengths of its sections.
    async fn sections(&self, input: &UploadInput) -> Vec<(String, u64)> {
        let told = self.store.read(&sections_key(input)).await.unwrap().expect("it is told of");
        let mut told: Value = serde_json::from_slice(&told).unwrap();
        serde_json::from_value(told["sections"].take()).unwrap()
    }
}

/// 13 MB of noise, in twelve directories.
fn repository() -> Repo {
    let repo = Repo::new();
    for file in 0..48 {
        repo.write(&format!("app/d{:02}/f{file:02}", file / 4), noise(file, 256 * 1024));
    }
    repo.write("app/d07/small", "1");
    repo
}

fn input(repo: &Repo, commit: String) -> UploadInput {
    UploadInput {
        id: Default::default(),
        source: repo.source(None),
        commit,
        context_dir: "app".to_owned(),
        lfs: false,
    }
}

/// A byte of a file becomes another, and nobody can tell by its age.
fn alter_last_byte(path: PathBuf) -> u8 {
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.last_mut().unwrap();
    *last ^= 0xff;
    let altered = *last;
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, bytes).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    altered
}

#[tokio::test]
async fn a_changed_file_is_a_changed_section_and_the_bytes_are_those_of_a_whole_context() {
    let (repo, cache, one, other) = (repository(), cache(), Place::new(), Place::new());
    let before = input(&repo, repo.commit());
    let first = one.upload(&cache, &before).await;
    let sections = one.sections(&before).await;
    assert!(sections.len() > 8, "{} sections", sections.len());
    assert_eq!(sections.iter().map(|(_, length)| length).sum::<u64>(), first.size);

    let after = input(&repo, repo.write("app/d07/small", "another").commit());
    let second = one.upload(&cache, &after).await;
    assert!(second.sent && second.key != first.key);
    let whole = other.upload(&cache, &after).await;
    assert_eq!(second, whole);
    assert!(one.bytes(&second) == other.bytes(&whole), "copied or packed, it is the same");

    let changed = one.sections(&after).await;
    assert_eq!(changed, other.sections(&after).await);
    let differ = sections.iter().zip(&changed).filter(|(before, after)| before != after);
    assert_eq!((changed.len(), differ.count()), (sections.len(), 1));

    let unpacked = TempDir::new().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(one.path(&second)).arg("--strip-components=1").arg("-C");
    assert!(tar.arg(unpacked.path()).status().unwrap().success());
    let mut diff = Command::new("diff");
    diff.arg("-r").arg(repo.path().join("app")).arg(unpacked.path());
    assert!(diff.status().unwrap().success());
}

#[tokio::test]
async fn what_the_store_has_is_copied_there() {
    let (repo, cache, place) = (repository(), cache(), Place::new());
    let before = place.upload(&cache, &input(&repo, repo.commit())).await;
    // Were it packed anew, it would be right again.
    let altered = alter_last_byte(place.path(&before));
    let after = input(&repo, repo.write("app/d00/f00", "2").commit());
    let second = place.upload(&cache, &after).await;
    assert_eq!(place.bytes(&second).last(), Some(&altered));
}

#[tokio::test]
async fn an_earlier_context_that_is_gone_or_another_spares_nothing() {
    for rewrite in [false, true] {
        let (repo, cache, place) = (repository(), cache(), Place::new());
        let before = place.upload(&cache, &input(&repo, repo.commit())).await;
        let altered = alter_last_byte(place.path(&before));
        match rewrite {
            true => {
                let bytes = place.bytes(&before);
                place.store.write(&before.key, bytes).await.unwrap();
            }
            false => place.store.delete(&before.key).await.unwrap(),
        }
        let after = input(&repo, repo.write("app/d00/f00", "2").commit());
        let second = place.upload(&cache, &after).await;
        assert_ne!(place.bytes(&second).last(), Some(&altered), "{rewrite}");
        let told = place.sections(&after).await;
        assert_eq!(told.iter().map(|(_, length)| length).sum::<u64>(), second.size);
    }
}

#[tokio::test]
async fn what_is_told_of_sections_may_be_anything() {
    let (repo, cache, place) = (Repo::new(), cache(), Place::new());
    // Just enough to be told of.
    let before = input(&repo, repo.write("app/a", noise(1, 5 * 1024 * 1024)).commit());
    for told in ["", "{}", "[]", r#"{"key": "../../etc", "version": "1", "sections": []}"#] {
        place.store.write(&sections_key(&before), told.into()).await.unwrap();
        let context = place.upload(&cache, &before).await;
        assert!(context.sent);
        place.store.delete(&context.key).await.unwrap();
    }
}

#[tokio::test]
async fn a_small_context_is_not_told_of() {
    let (repo, cache, place) = (Repo::new(), cache(), Place::new());
    let input = input(&repo, repo.write("app/a", "1").commit());
    place.upload(&cache, &input).await;
    assert_eq!(place.store.read(&sections_key(&input)).await.unwrap(), None);
}

#[tokio::test]
async fn two_at_once_send_a_context_once() {
    let (repo, cache, place) = (Repo::new(), cache(), Place::new());
    let input = input(&repo, repo.write("app/a", noise(1, 1024 * 1024)).commit());
    let uploads = (0..4).map(|_| place.upload(&cache, &input));
    let uploads = futures::future::join_all(uploads).await;
    assert_eq!(uploads.iter().filter(|context| context.sent).count(), 1);
}
