//! What the workspace depends on: licences, registries, and, where there is an advisory database,
//! known vulnerabilities. A database of one advisory shows that the last is looked at.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn audit(settings: &[(&str, &Path)]) -> (bool, String) {
    let mut audit = Command::new(root().join("tests/audit"));
    audit.env_remove("KILN_ADVISORY_DB").envs(settings.iter().copied());
    let Output { status, stdout, stderr } = audit.output().expect("it runs");
    let said = [stdout, stderr].concat();
    (status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn licences_and_registries_are_those_that_are_allowed() {
    let (passed, said) = audit(&[]);
    assert!(passed && said.contains("bans ok, licenses ok, sources ok"), "{said}");
    assert!(said.contains("advisories NOT CHECKED"), "what was left out is said: {said}");
}

#[test]
fn a_licence_or_a_registry_that_is_not_allowed_is_found() {
    let allowed = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("deny.toml");
    for (from, to, failed) in [
        ("  \"MIT\",\n", "", "licenses FAILED"),
        ("[sources]", "[sources]\nallow-registry = []", "sources FAILED"),
    ] {
        std::fs::write(&config, allowed.replacen(from, to, 1)).expect("a file");
        let (passed, said) = audit(&[("KILN_DENY", &config)]);
        assert!(!passed && said.contains(failed), "{said}");
    }
}

/// A database of one advisory, on a crate that is depended on.
fn database(dir: &Path, patched: &str) {
    let advisories = dir.join("crates/zip");
    std::fs::create_dir_all(&advisories).expect("a directory");
    let advisory = format!(
        "```toml\n[advisory]\nid = \"RUSTSEC-2020-9999\"\npackage = \"zip\"\ndate = \"2020-01-01\"\n\
         [versions]\npatched = [\"{patched}\"]\n```\n\n# Made up\n\nFor a test.\n"
    );
    std::fs::write(advisories.join("RUSTSEC-2020-9999.md"), advisory).expect("a file");
    for arguments in ["init --quiet", "add --all", "commit --quiet --message x"] {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
        let mut git = Command::new("git");
        let status = git.args(who).args(arguments.split(' ')).current_dir(dir).status();
        assert!(status.expect("git runs").success());
    }
}

#[test]
fn a_known_vulnerability_is_found() {
    for (patched, passes) in [(">= 999.0.0", false), (">= 1.0.0", true)] {
        let dir = tempfile::tempdir().expect("a directory");
        database(dir.path(), patched);
        let (passed, said) = audit(&[("KILN_ADVISORY_DB", dir.path())]);
        assert_eq!(passed, passes, "{said}");
        assert_eq!(said.contains("RUSTSEC-2020-9999"), !passes, "{said}");
        assert!(!said.contains("NOT CHECKED"), "{said}");
    }
}
