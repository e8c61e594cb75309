//! Archives made by hand.

use kilnworks_workflows::names;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};
use serde_json::json;
use tar::EntryType;

use crate::{
    package::{
        archive::{BLOBS, INDEX, LAYOUT, index, write::header},
        contents::Inside,
        layout::{self, Notes, Of, RECORD, Role},
        whole::Whole,
    },
    registry::{EMPTY, Manifest, descriptor},
};

/// An entry of a tar.
#[derive(Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    kind: EntryType,
}

pub(super) type Files = Vec<File>;

impl File {
    pub(super) fn new(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.to_vec(), kind: EntryType::Regular }
    }

    pub(super) fn of(self, kind: EntryType) -> Self {
        Self { kind, ..self }
    }

    pub(super) fn blob(bytes: &[u8]) -> Self {
        Self::new(&format!("{BLOBS}{}", names::hex(bytes)), bytes)
    }
}

/// Whether a name is a blob's.
pub(super) fn is_hex(name: &str) -> bool {
    name.starts_with(BLOBS)
}

/// A tar of files, whatever their names are.
pub(super) fn tar(files: &Files) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in files {
        let mut header = header("x", file.bytes.len() as u64).unwrap();
        header.set_entry_type(file.kind);
        header.as_old_mut().name = [0; 100];
        header.as_old_mut().name[..file.name.len()].copy_from_slice(file.name.as_bytes());
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&file.bytes);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn blob(media_type: &str, bytes: &[u8]) -> OciDescriptor {
    descriptor(media_type, &format!("sha256:{}", names::hex(bytes)), bytes.len() as u64)
}

const CONFIG: &[u8] = br#"{"os":"linux","architecture":"amd64"}"#;
const LAYER: &[u8] = b"layer";

fn image() -> Manifest {
    let config = blob("application/vnd.oci.image.config.v1+json", CONFIG);
    layout::manifest(None, config, vec![blob("application/x-tar", LAYER)]).unwrap()
}

/// A package of one image, with its record and what refers to the image.
pub(super) fn good() -> Files {
    package(image())
}

/// The same, where the image's manifest is another text.
pub(super) fn with_image(change: impl Fn(String) -> String) -> Files {
    let text = String::from_utf8(image().bytes).unwrap();
    package(Manifest::of(change(text).into_bytes()).unwrap())
}

fn package(image: Manifest) -> Files {
    let empty = blob(EMPTY, b"{}");
    let record = layout::manifest(Some(RECORD), empty.clone(), vec![blob(RECORD, b"{ }")]);
    let record = record.unwrap();
    let of = Of { app: "shop".to_owned(), component: None, version: Some("1.0.0+7".to_owned()) };
    let entries: Vec<ImageIndexEntry> = vec![
        Notes::default().own("container", Some("web")).entry(&image, None).unwrap(),
        Notes::default().role(Role::Record).entry(&record, None).unwrap(),
    ];
    let package = layout::index(&of, &Inside::default(), entries).unwrap();
    let referrer = json!({
        "schemaVersion": 2, "mediaType": image.media_type, "config": empty,
        "layers": [], "subject": image.descriptor(),
    });
    let referrer = Manifest::of(referrer.to_string().into_bytes()).unwrap();
    let whole = Whole {
        tag: "1.0.0_7".to_owned(),
        of,
        referrers: vec![(image.digest.clone(), referrer.digest.clone())],
        manifests: vec![image, record, referrer],
        package,
        blobs: Default::default(),
        names: Default::default(),
        faults: vec![],
    };
    files(&whole, &[CONFIG, LAYER, b"{}", b"{ }"])
}

fn files(whole: &Whole, blobs: &[&[u8]]) -> Files {
    let small = [
        File::new(LAYOUT, index::layout().as_bytes()),
        File::new(INDEX, &index::of(whole).unwrap()),
    ];
    let manifests = std::iter::once(&whole.package).chain(&whole.manifests);
    let blobs = manifests.map(|it| &*it.bytes).chain(blobs.iter().copied()).map(File::blob);
    small.into_iter().chain(blobs).collect()
}

/// A layout as other tools make it, of an image that is no package.
pub(super) fn an_image_alone() -> Files {
    let image = image();
    let whole = Whole {
        tag: "1".to_owned(),
        of: Of::default(),
        package: image,
        manifests: vec![],
        referrers: vec![],
        blobs: Default::default(),
        names: Default::default(),
        faults: vec![],
    };
    files(&whole, &[CONFIG, LAYER])
}
