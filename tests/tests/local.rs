//! The scripts of the single-machine stack, which refuse the `.local` of another checkout.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// A directory with the scripts of a checkout, and nothing else.
fn checkout(directory: &Path, name: &str) -> PathBuf {
    let checkout = directory.canonicalize().expect("a directory").join(name);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/local");
    fs::create_dir_all(checkout.join("deploy")).expect("a directory");
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(scripts).arg(checkout.join("deploy/local"));
    assert!(copy.status().expect("cp runs").success());
    checkout
}

/// The last line that a script of a checkout prints when it refuses to work.
fn refusal(checkout: &Path, script: &[&str]) -> String {
    let mut command = Command::new(checkout.join("deploy/local").join(script[0]));
    let output = command.args(&script[1..]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{script:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text").lines().last().expect("a reason").to_owned()
}

#[test]
fn a_checkout_refuses_the_local_of_another_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let [owner, other] = ["owner", "other"].map(|name| checkout(directory.path(), name));
    let (owned, own) = (owner.join(".local"), other.join(".local"));
    fs::create_dir(&owned).expect("a directory");
    let record = |place: &Path| fs::write(place.join("checkout"), format!("{}\n", owner.display()));
    record(&owned).expect("the record");
    let scripts: [&[&str]; 4] = [&["up"], &["down"], &["clean"], &["part", "stop", "kubelet"]];

    symlink(&owned, &own).expect("a link");
    for script in scripts {
        let said = refusal(&other, script);
        let link = format!("{} is a link to {}", own.display(), owned.display());
        assert!(said.contains(&link), "{said}");
    }
    fs::remove_file(&own).expect("the link");
    fs::create_dir(&own).expect("a directory");
    record(&own).expect("the record");
    for script in scripts {
        let said = refusal(&other, script);
        let whose =
            format!("belongs to the checkout {}, not to {}", owner.display(), other.display());
        assert!(said.contains(&whose), "{said}");
    }
    assert!(owned.join("checkout").exists(), "nothing was deleted");
}
