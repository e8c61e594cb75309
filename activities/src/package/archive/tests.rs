//! Archives by hand: a good one, and one of each kind that must be refused.

mod fixture;

use std::path::Path;

use kilnworks_workflows::names;
use proptest::prelude::*;
use tar::EntryType;

use self::fixture::{Files, good, is_hex, tar};
use super::{INDEX, LAYOUT, open::open};
use crate::registry::Body;

/// What an archive comes to, by what its bytes are: the same text is the same package.
fn gist(bytes: &[u8]) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let archive = open(file.path(), |_| ()).map_err(|error| format!("{error:#}"))?;
    let whole = &archive.whole;
    let manifests: Vec<_> = whole.manifests.iter().map(|it| &it.digest).collect();
    let blob = |(digest, blob): (&String, _)| match archive.body(blob).unwrap() {
        Body::Part(_, begin, size) => {
            let found = names::hex(&bytes[begin as usize..][..size as usize]);
            (digest.clone(), found, size)
        }
        other => panic!("{other:?}"),
    };
    let blobs: Vec<_> = whole.blobs.iter().map(blob).collect();
    let parts = (&whole.of, &whole.tag, &whole.package.digest, manifests, &whole.referrers, blobs);
    Ok(format!("{parts:?}"))
}

fn refusal(files: &Files) -> String {
    gist(&tar(files)).expect_err("it is refused")
}

#[test]
fn a_good_one_is_taken() {
    let gist = gist(&tar(&good())).unwrap();
    assert!(gist.contains("Of { app: \"shop\", component: None, version: Some(\"1.0.0+7\") }"));
    assert!(gist.contains("\"1.0.0_7\""), "{gist}");
}

#[test]
fn directories_of_the_layout_may_be_named() {
    let mut files = good();
    for name in ["blobs/", "blobs/sha256/"] {
        files.insert(2, fixture::File::new(name, b"").of(EntryType::Directory));
    }
    assert_eq!(gist(&tar(&files)), gist(&tar(&good())));
}

#[test]
fn a_name_that_is_none_of_a_layouts_is_refused() {
    for name in [
        "../index.json",
        "/etc/passwd",
        "blobs/sha256/../../x",
        "./index.json",
        "blobs/sha256/AA",
        "blobs/sha512/00",
        "readme",
        "",
    ] {
        let mut files = good();
        files.push(fixture::File::new(name, b"x"));
        let refusal = refusal(&files);
        assert!(refusal.starts_with(&format!("`{name}` at byte ")), "{refusal}");
    }
}

#[test]
fn only_files_are_taken() {
    for (kind, said) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::GNULongName, "an extension of tar"),
        (EntryType::XHeader, "an extension of tar"),
        (EntryType::GNUSparse, "an extension of tar"),
    ] {
        let mut files = good();
        files.push(fixture::File::new("blobs/sha256/00", b"").of(kind));
        let refusal = refusal(&files);
        assert!(refusal.contains(&format!("`blobs/sha256/00` is {said}, not a file")), "{refusal}");
    }
}

#[test]
fn what_is_missing_doubled_or_too_much_is_named() {
    for (index, file) in good().into_iter().enumerate() {
        let mut files = good();
        files.remove(index);
        let left_out = refusal(&files);
        assert!(is_hex(&file.name) == left_out.contains("is missing"), "{left_out}");
        assert!(left_out.contains(file.name.rsplit('/').next().unwrap()), "{left_out}");
        let mut files = good();
        files.push(file.clone());
        let doubled = refusal(&files);
        assert!(doubled.starts_with(&format!("`{}` at byte ", file.name)), "{doubled}");
        assert!(doubled.ends_with("a second entry of this name"), "{doubled}");
    }
    let mut files = good();
    files.push(fixture::File::blob(b"stray"));
    assert!(refusal(&files).ends_with("is there, but nothing names it"));
}

#[test]
fn digests_and_sizes_must_agree() {
    let mut files = good();
    files[4].bytes.push(b'x');
    assert!(refusal(&files).contains("damaged: its bytes have the digest `sha256:"));
    for (from, to, said) in [
        (r#""size":5"#, r#""size":6"#, "bytes, not the 6 of its manifest"),
        (r#""size":5"#, r#""size":-5"#, "has -5 bytes"),
        (r#"sha256:"#, r#"sha257:"#, "is not a digest"),
    ] {
        let refusal = refusal(&fixture::with_image(|image| image.replacen(from, to, 1)));
        assert!(refusal.contains(said), "{refusal}");
    }
}

#[test]
fn the_small_files_must_say_what_they_should() {
    let replaced = |name: &str, from: &str, to: &str| {
        let mut files = good();
        let file = files.iter_mut().find(|file| file.name == name).unwrap();
        let text = String::from_utf8(file.bytes.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        file.bytes = text.replacen(from, to, 1).into_bytes();
        refusal(&files)
    };
    for (name, from, to, said) in [
        (LAYOUT, "1.0.0", "2.0.0", "oci-layout: its version is `2.0.0`"),
        (LAYOUT, "{", "[", "oci-layout: it is not a layout file"),
        (INDEX, "{", "", "index.json: it is not an index"),
        (INDEX, "\"schemaVersion\":2", "\"schemaVersion\":1", "its `schemaVersion` is 1"),
        (INDEX, "1.0.0_7", "1.0.1", "index.json names the package `1.0.1`; it is `1.0.0_7`"),
        (INDEX, "\"size\":", "\"size\":1", "what names it says"),
        (INDEX, "image.index.v1", "image.other.v1", "not an index"),
    ] {
        let refusal = replaced(name, from, to);
        assert!(refusal.contains(said), "{refusal}");
    }
}

#[test]
fn another_kind_of_layout_is_no_package() {
    let image = fixture::an_image_alone();
    assert!(refusal(&image).contains("must name one package of Kilnworks"));
}

#[test]
fn what_is_no_tar_is_named() {
    for (bytes, said) in [
        (&b"\x1f\x8b\x08\x00"[..], "it is compressed"),
        (b"", "it was cut off"),
        (b"hello", "it was cut off"),
        (&[b'x'; 2048], "the header is damaged"),
        (&[0; 1024], "there is no `oci-layout` in it"),
        (&[0; 512], "it was cut off"),
    ] {
        let refusal = gist(bytes).expect_err("it is refused");
        assert!(refusal.contains(said), "{refusal}");
    }
    let missing = open(Path::new("/nowhere/app.tar"), |_| ()).unwrap_err();
    assert!(format!("{missing:#}").contains("cannot open it"));
}

#[test]
fn a_size_beyond_the_file_is_refused_at_once() {
    let mut bytes = tar(&good());
    let header = super::write::header("oci-layout", 1 << 40).unwrap();
    bytes[..512].copy_from_slice(header.as_bytes());
    assert!(gist(&bytes).unwrap_err().contains("more than there are"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    /// Whatever byte is changed, the archive is refused or comes to the same package.
    #[test]
    fn a_changed_byte_changes_nothing_in_silence(at: prop::sample::Index, mask in 1..=u8::MAX) {
        let mut bytes = tar(&good());
        let whole = gist(&bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        let found = gist(&bytes);
        prop_assert!(found.is_err() || found == whole, "byte {at}");
    }

    /// Cut off anywhere, it is refused.
    #[test]
    fn what_is_cut_off_is_refused(at: prop::sample::Index) {
        let bytes = tar(&good());
        prop_assert!(gist(&bytes[..at.index(bytes.len())]).is_err());
    }
}
