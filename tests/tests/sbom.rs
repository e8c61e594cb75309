//! What `deploy/sbom` says is in `kiln` and its image: valid CycloneDX, with the crates that it is compiled of
//! and no others, each as `Cargo.lock` has it, and the libraries that are none.

use std::{
    collections::BTreeSet,
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

use jsonschema::{Retrieve, Uri};
use kilnworks_tests::stack::run;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A place within the checkout, named in full: what the script tidies up there must not be this.
fn sbom() -> Value {
    let out = tempfile::Builder::new().prefix("sbom-").tempdir_in(root()).expect("a directory");
    run(Command::new(root().join("deploy/sbom")).env("CARGO_TARGET_DIR", out.path()));
    let text = std::fs::read_to_string(out.path().join("sbom/kiln.cdx.json")).expect("the SBOM");
    let (all, own) = (text.matches("path+file://"), text.matches("path+file:///src/"));
    assert_eq!(all.count(), own.count(), "it has a path of this machine");
    serde_json::from_str(&text).expect("JSON")
}

/// CycloneDX's own schemas, which name one another by address.
struct Schemas(PathBuf);

impl Schemas {
    fn there() -> Self {
        Self(run(&mut Command::new(root().join("tests/cyclonedx"))).trim().into())
    }

    fn read(&self, name: &str) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(serde_json::from_str(&std::fs::read_to_string(self.0.join(name))?)?)
    }
}

impl Retrieve for Schemas {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        self.read(uri.path().as_str().rsplit('/').next().unwrap_or_default())
    }
}

fn check(sbom: &Value) {
    let schemas = Schemas::there();
    let schema = schemas.read("bom-1.5.SNAPSHOT.schema.json").expect("the schema");
    let validator = jsonschema::options().with_retriever(schemas).build(&schema);
    let errors: Vec<_> = validator
        .expect("a schema")
        .iter_errors(sbom)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

fn text<'a>(component: &'a Value, name: &str) -> &'a str {
    component[name].as_str().expect("a text")
}

/// A crate as `cargo tree` prints it.
fn crates(edges: &str) -> BTreeSet<String> {
    let tree = ["tree", "--locked", "--package", "kiln", "--prefix", "none", "--format", "{p}"];
    let told = run(Command::new("cargo").args(tree).args(["--edges", edges]).current_dir(root()));
    let lines = told.lines().filter(|line| !line.is_empty() && !line.starts_with("kiln v"));
    lines.map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// Name, version and checksum of what comes from a registry.
fn locked() -> BTreeSet<[String; 3]> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let packages = text.split("[[package]]\n").filter_map(|package| {
        let value = |key: &str| {
            let begin = format!("{key} = \"");
            let line = package.lines().find_map(|line| line.strip_prefix(&begin))?;
            line.strip_suffix('"').map(str::to_owned)
        };
        Some([value("name")?, value("version")?, value("checksum")?])
    });
    packages.collect()
}

#[test]
fn it_names_what_kiln_is_compiled_of() {
    let sbom = sbom();
    check(&sbom);
    assert_eq!(sbom["metadata"]["component"]["name"], "kiln");

    let components = sbom["components"].as_array().expect("components");
    let is_of_debian =
        |one: &&Value| one["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:deb/debian/"));
    let (debian, components): (Vec<_>, Vec<_>) = components.iter().partition(is_of_debian);
    for name in ["libssl-dev", "libc6", "libgcc-s1", "ca-certificates"] {
        let library = debian.iter().find(|one| text(one, "name") == name).expect(name);
        let version =
            run(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", name]));
        assert_eq!(text(library, "version"), version, "{name}");
    }
    let of = |scopes: &[&str]| -> BTreeSet<String> {
        let own = components.iter().filter(|one| scopes.contains(&text(one, "scope")));
        own.map(|one| format!("{} v{}", text(one, "name"), text(one, "version"))).collect()
    };
    assert_eq!(of(&["required"]), crates("normal"));
    assert_eq!(of(&["required", "excluded"]), crates("normal,build"));
    assert_eq!(of(&["required", "excluded"]).len(), components.len());
    let names: BTreeSet<_> = components.iter().map(|one| text(one, "name")).collect();
    for linked in ["kilnworks-activities", "temporalio-sdk", "kube", "aws-sdk-s3", "libgit2-sys"] {
        assert!(names.contains(linked), "{linked} is linked");
    }
    // Of tests alone, the last for a feature that they want of a crate.
    for not in ["insta", "proptest", "kilnworks-tests", "zopfli"] {
        assert!(!names.contains(not), "{not} is not linked");
    }

    let locked = locked();
    for one in components.iter().filter(|one| one["purl"].as_str().is_some_and(is_of_registry)) {
        let hashes = one["hashes"].as_array().expect("hashes");
        assert_eq!(hashes[0]["alg"], json!("SHA-256"));
        let own = [text(one, "name"), text(one, "version"), text(&hashes[0], "content")];
        assert!(locked.contains(&own.map(str::to_owned)), "{own:?} is not of Cargo.lock");
    }
}

/// What is of this workspace has an address in it.
fn is_of_registry(purl: &str) -> bool {
    !purl.contains("download_url=file:")
}
