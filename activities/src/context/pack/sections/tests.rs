use git2::Oid;
use kilnworks_workflows::failure::FailureType;

use super::*;
use crate::{error::failure_of, source::tree::tests::Objects};

/// What is wrong with a directory of one entry, which `large` makes.
fn refused(mode: &str, lfs: bool, large: impl FnOnce(&Objects) -> Oid) -> String {
    let objects = Objects::new();
    let root = objects.tree(&[(mode, "large", large(&objects))]);
    let (_dir, tree) = objects.into_tree(root);
    let error = of(&tree, &tree.root(), lfs, &CancellationToken::new()).unwrap_err();
    let failure = failure_of(&error).expect("a failure");
    assert_eq!(failure.kind, FailureType::InvalidSpec, "{error:#}");
    failure.message.clone()
}

fn pointer(size: u64) -> String {
    let digest = "a".repeat(64);
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n")
}

#[test]
fn what_is_too_large_is_named_with_its_size_and_is_not_read() {
    let over = bounds::CONTEXT_FILE_BYTES + 1;
    assert_eq!(
        refused("100644", false, |objects| objects.forged("blob", over)),
        "`large` of the source: 536870913 bytes outside of Git LFS; at most 536870912 are accepted"
    );
    assert_eq!(
        refused("120000", false, |objects| objects.forged("blob", 4097)),
        "`large` of the source: 4097 bytes in a symlink; at most 4096 are accepted"
    );
    let message = refused("100644", true, |objects| objects.blob(pointer(u64::MAX).as_bytes()));
    assert!(message.contains(&format!("{} bytes in Git LFS; at most", u64::MAX)), "{message}");
}

#[test]
fn many_large_files_are_too_large_together() {
    let objects = Objects::new();
    let one = objects.forged("blob", bounds::CONTEXT_FILE_BYTES);
    let names: Vec<_> = (10..=50).map(|name: u32| name.to_string()).collect();
    let files = |count: usize| {
        let names = names.iter().take(count);
        names.map(|name| ("100644", name.as_str(), one)).collect::<Vec<_>>()
    };
    let most = (bounds::CONTEXT_BYTES / bounds::CONTEXT_FILE_BYTES) as usize;
    let (all, more) = (objects.tree(&files(most)), objects.tree(&files(most + 1)));
    let root = objects.tree(&[("40000", "all", all), ("40000", "more", more)]);
    let (_dir, tree) = objects.into_tree(root);
    let found = |name: &str| {
        let dir = tree.find(name).unwrap().expect("it is there");
        of(&tree, &dir, false, &CancellationToken::new())
    };
    assert_eq!(found("all").unwrap().bytes, bounds::CONTEXT_BYTES);
    let message = format!("{:#}", found("more").unwrap_err());
    assert!(message.contains("`more/50` of the source: 22011707392 bytes of files"), "{message}");
}
