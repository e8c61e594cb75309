//! Trees that nobody would write by hand.

use std::{fs, io::Write};

use flate2::{Compression, write::ZlibEncoder};
use kilnworks_workflows::names;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{walk::Walk, *};
use crate::error::failure_of;

/// A mirror into which objects are put.
pub(crate) struct Objects {
    dir: TempDir,
    mirror: Mirror,
}

impl Objects {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::parse("/nowhere").unwrap();
        let path = dir.path().join("mirror");
        let mirror = Mirror::open(&path, &address, &CancellationToken::new()).unwrap();
        Self { dir, mirror }
    }

    pub(crate) fn blob(&self, content: &[u8]) -> Oid {
        self.mirror.repo.blob(content).unwrap()
    }

    /// A directory of such modes, names and objects, which need not be there.
    pub(crate) fn tree(&self, entries: &[(&str, &str, Oid)]) -> Oid {
        let entry = |(mode, name, id): &(&str, &str, Oid)| {
            [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat()
        };
        let listing: Vec<u8> = entries.iter().flat_map(entry).collect();
        self.mirror.repo.odb().unwrap().write(ObjectType::Tree, &listing).unwrap()
    }

    /// A directory that has another one by each of these names.
    fn around(&self, names: &[&str], of: Oid) -> Oid {
        self.tree(&names.iter().map(|name| ("40000", *name, of)).collect::<Vec<_>>())
    }

    /// An object that says of itself that it is large. What it holds is never read.
    pub(crate) fn forged(&self, kind: &str, bytes: u64) -> Oid {
        let name = names::hex(format!("{kind} {bytes}").as_bytes());
        let (above, below) = name[..40].split_at(2);
        let dir = self.dir.path().join("mirror/objects").join(above);
        fs::create_dir_all(&dir).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(format!("{kind} {bytes}\0").as_bytes()).unwrap();
        zlib.write_all(&[0; 64]).unwrap();
        fs::write(dir.join(below), zlib.finish().unwrap()).unwrap();
        Oid::from_str(&name[..40]).unwrap()
    }

    pub(crate) fn into_tree(self, root: Oid) -> (TempDir, Tree) {
        (self.dir, Tree::new(self.mirror, root))
    }
}

/// How a walk that ends too soon ends.
fn refused(objects: Objects, root: Oid, most: usize) -> String {
    let (_dir, tree) = objects.into_tree(root);
    let cancel = CancellationToken::new();
    let mut seen = 0;
    let mut see = |_: &Entry| -> anyhow::Result<bool> {
        seen += 1;
        Ok(true)
    };
    let mut walk = Walk { tree: &tree, cancel: &cancel, see: &mut see, most, listed: 0 };
    let error = walk.through(&tree.root(), 0, 0).unwrap_err();
    assert!(seen <= most, "{seen}");
    let failure = failure_of(&error).expect("a failure");
    assert_eq!(failure.kind, FailureType::InvalidSpec, "{error:#}");
    failure.message.clone()
}

#[test]
fn a_deep_tree_is_refused() {
    for (depth, is_refused) in [(bounds::SOURCE_DEPTH, false), (bounds::SOURCE_DEPTH + 1, true)] {
        let objects = Objects::new();
        let root = (0..depth).fold(objects.tree(&[]), |tree, _| objects.around(&["d"], tree));
        let (_dir, tree) = objects.into_tree(root);
        let walked = tree.walk(&tree.root(), &CancellationToken::new(), &mut |_| Ok(()));
        assert_eq!(walked.is_err(), is_refused, "{walked:?}");
        if let Err(error) = walked {
            let path = vec!["d"; depth].join("/");
            let expected = format!("`{path}` of the source: 257 levels of directories");
            assert!(format!("{error:#}").contains(&expected), "{error:#}");
        }
    }
}

#[test]
fn a_tree_that_names_itself_over_and_over_is_refused() {
    let objects = Objects::new();
    let names: Vec<_> = "abcdefghij".split("").filter(|name| !name.is_empty()).collect();
    let root = (0..10).fold(objects.tree(&[]), |tree, _| objects.around(&names, tree));
    let message = refused(objects, root, 1000);
    assert!(message.ends_with("entries up to there; at most 1000 are accepted"), "{message}");
}

#[test]
fn a_large_listing_is_not_read() {
    let objects = Objects::new();
    let large = objects.forged("tree", bounds::LISTING_BYTES);
    let root = objects.around(&["large"], large);
    // It is over the bound with the directory that it is in.
    let message = refused(objects, root, 1000);
    assert!(message.starts_with("`large` of the source: 67108896 bytes of listings"), "{message}");
}

#[test]
fn a_long_path_is_refused() {
    let objects = Objects::new();
    let name = "n".repeat(MAX_PATH + 1);
    let root = objects.around(&[&name], objects.tree(&[]));
    let message = refused(objects, root, 1000);
    assert!(message.ends_with("4097 bytes in a path; at most 4096 are accepted"), "{message}");
    assert!(message.len() < 400, "{message}");
}

#[test]
fn a_cancelled_walk_ends() {
    let objects = Objects::new();
    let root = objects.around(&["a"], objects.tree(&[]));
    let (_dir, tree) = objects.into_tree(root);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = tree.walk(&tree.root(), &cancel, &mut |_| panic!("it is not shown")).unwrap_err();
    assert_eq!(failure_of(&error).unwrap().kind, FailureType::SourceUnavailable);
}
