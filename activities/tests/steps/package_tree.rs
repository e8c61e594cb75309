use std::{io::Write, path::PathBuf};

use flate2::{Compression, write::GzEncoder};
use kilnworks_activities::package::tree::{Yielded, files};
use kilnworks_workflows::failure::FailureType::InvalidSpec;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use crate::support::failure;

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An entry of a layer. Its name may be one that no honest tool writes.
enum Entry<'a> {
    File(&'a str, &'a str),
    Dir(&'a str),
    Symlink(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Device(&'a str),
}

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for entry in entries {
        let (kind, name, content, link) = match *entry {
            Entry::File(name, content) => (EntryType::Regular, name, content, ""),
            Entry::Dir(name) => (EntryType::Directory, name, "", ""),
            Entry::Symlink(name, to) => (EntryType::Symlink, name, "", to),
            Entry::Hard(name, to) => (EntryType::Link, name, "", to),
            Entry::Device(name) => (EntryType::Char, name, "", ""),
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// The files of an image with these layers, each with its media type.
async fn of_blobs(dir: &TempDir, blobs: &[(&str, Vec<u8>)]) -> anyhow::Result<Vec<Yielded>> {
    let mut manifest = OciImageManifest::default();
    for (index, (media_type, bytes)) in blobs.iter().enumerate() {
        manifest.layers.push(layer(dir, &format!("blob-{index}"), media_type, bytes));
    }
    of_image(dir, &manifest).await
}

fn layer(dir: &TempDir, digest: &str, media_type: &str, bytes: &[u8]) -> OciDescriptor {
    std::fs::write(dir.path().join(digest), bytes).unwrap();
    let (media_type, digest) = (media_type.to_owned(), digest.to_owned());
    OciDescriptor { media_type, digest, ..OciDescriptor::default() }
}

async fn of_image(dir: &TempDir, manifest: &OciImageManifest) -> anyhow::Result<Vec<Yielded>> {
    let blob = |layer: OciDescriptor| {
        let path: PathBuf = dir.path().join(layer.digest);
        async move { Ok(path) }
    };
    files(manifest, blob, dir.path()).await
}

async fn flat(layers: &[&[Entry<'_>]]) -> anyhow::Result<Vec<(String, String)>> {
    let dir = TempDir::new().unwrap();
    let blobs: Vec<_> = layers.iter().map(|layer| (GZIP, gzip(&tar(layer)))).collect();
    let files = of_blobs(&dir, &blobs).await?;
    let text = |file: Yielded| (file.name, std::fs::read_to_string(file.path).unwrap());
    Ok(files.into_iter().map(text).collect())
}

use Entry::{Device, Dir, File, Hard, Symlink};

#[tokio::test]
async fn layers_are_laid_on_each_other() {
    let files = flat(&[
        &[Dir("./"), Dir("app/"), File("app/old", "1"), File("app/kept", "2"), File("gone", "3")],
        &[File("dir/a", "4"), File("dir/b", "5"), File("x/a", "6"), Device("dev"), Dir("empty/")],
        // What is said to be removed is so in the layers below, wherever it is said.
        &[File("dir/new", "7"), File(".wh.gone", ""), File("dir/.wh..wh..opq", "")],
        &[File("app/.wh.old", ""), File("app/old", "8"), File("x", "9"), File(".wh..wh.aufs", "")],
        &[Hard("hard", "app/kept"), File("./one", "10"), Hard("two", "one")],
        &[Symlink("bin", "app"), Symlink("latest", "/bin/../app/kept"), Symlink("more", "latest")],
    ])
    .await;
    let (kind, message) = failure(files);
    assert_eq!(kind, InvalidSpec);
    assert!(message.contains("`bin` is a symlink that leads to no file"), "{message}");
    let files = flat(&[
        &[Dir("./"), Dir("app/"), File("app/old", "1"), File("app/kept", "2"), File("gone", "3")],
        &[File("dir/a", "4"), File("dir/b", "5"), File("x/a", "6"), Device("dev"), Dir("empty/")],
        &[File("dir/new", "7"), File(".wh.gone", ""), File("dir/.wh..wh..opq", "")],
        &[File("app/.wh.old", ""), File("app/old", "8"), File("x", "9"), File(".wh..wh.aufs", "")],
        &[Hard("hard", "app/kept"), File("./one", "10"), Hard("two", "one")],
        &[Symlink("latest", "/dir/../app/kept"), Symlink("app/more", "../latest")],
    ])
    .await;
    let expected = [
        ("app/kept", "2"),
        ("app/more", "2"),
        ("app/old", "8"),
        ("dir/new", "7"),
        ("hard", "2"),
        ("latest", "2"),
        ("one", "10"),
        ("two", "10"),
        ("x", "9"),
    ];
    assert_eq!(files.unwrap(), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
}

#[tokio::test]
async fn a_file_is_told_with_its_digest_and_kept_once() {
    let dir = TempDir::new().unwrap();
    let layer = tar(&[File("app.jar", "abc"), Hard("lib/b.jar", "app.jar")]);
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let files = of_blobs(&dir, &[(plain, layer)]).await.unwrap();
    assert_eq!(files[0].name, "app.jar");
    assert_eq!(files[0].media_type, "application/java-archive");
    assert_eq!(files[0].size, 3);
    let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(files[0].digest, digest);
    assert_eq!(files[1].path, files[0].path);
}

#[tokio::test]
async fn members_of_gzip_are_one_layer() {
    let dir = TempDir::new().unwrap();
    let bytes = tar(&[File("a", "1"), File("b", "2")]);
    let (one, two) = bytes.split_at(700);
    let bytes = [gzip(one), gzip(two)].concat();
    let files = of_blobs(&dir, &[(GZIP, bytes)]).await.unwrap();
    assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn a_tree_that_cannot_be_taken_says_why() {
    let many: Vec<_> = (0..1001).map(|index| index.to_string()).collect();
    let many: Vec<_> = many.iter().map(|name| File(name, "")).collect();
    let cases: Vec<(&[Entry<'_>], &str)> = vec![
        (
            &many,
            "holds 1001 files of 0 MiB; at most 1000 and 2048 MiB are accepted: end it with `FROM scratch`",
        ),
        (&[Dir("a/")], "the last stage contains no file"),
        (&[File("../a", "")], "the forbidden name `../a`"),
        (&[File("a/../../b", "")], "the forbidden name `a/../../b`"),
        (&[File("a", ""), Hard("b", "../a")], "the forbidden name `../a`"),
        (&[Hard("b", "a")], "`b` is a link to `a`, which is not a file"),
        (
            &[File("c", ""), Symlink("a", "b"), Symlink("b", "a")],
            "`a` is a symlink that leads to no file",
        ),
        (&[Symlink("a", "../../etc/passwd")], "`a` is a symlink that leads to no file"),
        (&[Dir("d/"), File("d/x", ""), Symlink("s", "d"), File("s/y", "")], "leads to no file"),
        (&[File("f", ""), File("f/y", "")], "`f/y` is below `f`, which is not a directory"),
        (&[File("a\nb", "")], "a\nb"),
    ];
    for (layer, expected) in cases {
        let (kind, message) = failure(flat(&[layer]).await);
        assert!(message.contains(expected), "{message}\nshould contain\n{expected}");
        assert_eq!(kind, InvalidSpec);
    }
    let dir = TempDir::new().unwrap();
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    for (media_type, bytes, expected) in [
        (zstd, Vec::new(), "a layer is `application/vnd.oci.image.layer.v1.tar+zstd`"),
        (GZIP, b"no gzip".to_vec(), "a layer of the image cannot be read"),
        (GZIP, gzip(&tar(&[File("a", "1")])[..513]), "a layer of the image cannot be read"),
    ] {
        let (kind, message) = failure(of_blobs(&dir, &[(media_type, bytes)]).await);
        assert!(message.contains(expected), "{message}\nshould contain\n{expected}");
        assert_eq!(kind, InvalidSpec);
    }
}
