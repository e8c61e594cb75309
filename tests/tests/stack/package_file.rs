//! Packages that are carried in a file.

use std::{fs, process::Command};

use kilnworks_tests::{
    package::{path, printed, published, refused},
    registry::plain::Plain,
    stack::{run, unique},
};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_carried_to_where_no_network_goes() {
    let (first, second) = (Plain::start().await, Plain::start().await);
    let salt = unique("carry");
    let package = published(&format!("{}/team", first.host), "1.0.0+7", &salt).await;
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| path(directory.path(), name);
    for name in ["app.tar", "again.tar"] {
        printed(&["export", &package.reference, "-o", &at(name)]);
    }
    printed(&["export", &package.reference, "-o", &at("plain.tar"), "--no-referrers"]);
    assert!(fs::read(at("app.tar")).unwrap() == fs::read(at("again.tar")).unwrap());
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 3, "nothing half-written: {names:?}");
    let other = published(&format!("{}/other", first.host), "1.0.0+7", "other").await;
    printed(&["export", &other.reference, "-o", &at("other.tar")]);
    drop(first);

    let into = format!("{}/site/apps", second.host);
    let to = format!("{into}/shop:1.0.0_7");
    let sent = printed(&["import", &at("app.tar"), &into]);
    assert_eq!(sent.trim(), format!("{to}@{}", package.digest));
    let (code, again) = refused(&["import", &at("app.tar"), &into]);
    assert_eq!((code, again.contains("0 blobs pushed")), (0, true), "{again}");
    let verified = printed(&["verify", &to, "--deep"]);
    assert!(verified.contains("2 images, 1 files, 0 charts"), "{verified}");
    let tags = run(Command::new("crane").args(["ls", &format!("{into}/shop")]));
    // The package, two images, the record; and the list of what refers to the package.
    assert_eq!(tags.lines().count(), 5, "{tags}");

    let (code, said) = refused(&["import", &at("other.tar"), &into]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("is taken") && said.contains("`--force`"), "{said}");
    printed(&["import", &at("other.tar"), &into, "--force"]);
    let digest = run(Command::new("crane").args(["digest", &to]));
    assert_eq!(digest.trim(), other.digest);
    tools_read_it(&second.host, directory.path(), &package.digest);
}

/// The tools of others take an exported file.
fn tools_read_it(host: &str, directory: &std::path::Path, digest: &str) {
    let at = |name: &str| path(directory, name);
    let by = |tool: &str| format!("{host}/{tool}/shop:1.0.0_7");
    let archive = format!("oci-archive:{}:1.0.0_7", at("app.tar"));
    let docker = format!("docker://{}", by("skopeo"));
    let plain = "--dest-tls-verify=false";
    run(Command::new("skopeo").args(["copy", "--all", "--quiet", plain, &archive, &docker]));
    let layout = format!("{}:1.0.0_7", at("app.tar"));
    let copy = ["cp", "-r", "--from-oci-layout", "--to-plain-http", &layout, &by("oras")];
    run(Command::new("oras").args(copy));
    fs::create_dir(at("plain")).expect("a directory");
    run(Command::new("tar").args(["-xf", &at("plain.tar"), "-C", &at("plain")]));
    run(Command::new("crane").args(["push", &at("plain"), &by("crane")]));
    for (tool, referrers) in [("skopeo", 0), ("oras", 1), ("crane", 0)] {
        let copy = printed(&["inspect", &by(tool), "-o", "json"]);
        let copy: Value = serde_json::from_str(&copy).expect("JSON");
        assert_eq!((&copy["digest"], &copy["referrers"]), (&digest.into(), &referrers.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_whole() {
    let (first, second) = (Plain::start().await, Plain::start().await);
    let package = published(&format!("{}/team", first.host), "1.0.0", "bad").await;
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| path(directory.path(), name);
    printed(&["export", &package.reference, "-o", &at("app.tar")]);
    let good = fs::read(at("app.tar")).expect("the file");
    let write = |name: &str, bytes: &[u8]| fs::write(at(name), bytes).expect("a file");
    write("cut.tar", &good[..good.len() / 2]);
    let mut flipped = good.clone();
    let middle = good.len() / 2;
    flipped[middle] ^= 1;
    write("flipped.tar", &flipped);
    write("escape", b"out");
    for (from, to) in [("app.tar", "up.tar"), ("app.tar", "zipped.tar")] {
        fs::copy(at(from), at(to)).expect("a copy");
    }
    let append = ["--append", "-f", &at("up.tar"), "-C", directory.path().to_str().unwrap()];
    run(Command::new("tar").args(append).args(["-P", "--transform", "s,^,../../,", "escape"]));
    run(Command::new("gzip").arg(at("zipped.tar")));
    write("text.tar", b"hello");
    for (name, said_of) in [
        ("cut.tar", "cut off"),
        ("flipped.tar", "damaged"),
        ("up.tar", "`../../escape` at byte "),
        ("zipped.tar.gz", "compressed"),
        ("text.tar", "cut off"),
        ("nowhere.tar", "cannot read the archive"),
    ] {
        let (code, said) = refused(&["import", &at(name), &format!("{}/site", second.host)]);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains(said_of) && said.contains(&at(name)), "{name}: {said}");
    }
    assert!(second.repositories().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_fails_leaves_what_was_there() {
    let registry = Plain::start().await;
    let salt = unique("fail");
    let package = published(&format!("{}/team", registry.host), "1.0.0", &salt).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = path(directory.path(), "app.tar");
    fs::write(&file, "before").expect("a file");
    let image = format!("{}/team/shop@{}", registry.host, package.images[0].1);
    let image = run(Command::new("crane").args(["manifest", &image]));
    let image: Value = serde_json::from_str(&image).expect("JSON");
    let layer = image["layers"][1]["digest"].as_str().expect("a digest");
    let stored = registry.stored(layer);
    let mut bytes = fs::read(&stored).expect("the layer");
    bytes[20] ^= 1;
    fs::write(&stored, bytes).expect("it is written");
    let (code, said) = refused(&["export", &package.reference, "-o", &file]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(layer), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_predecessor_gets_its_own_form() {
    let registry = Plain::start().await;
    let package = published(&format!("{}/team", registry.host), "1.0.0", "zip").await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = path(directory.path(), "shop.zip");
    printed(&["export", &package.reference, "-o", &file, "--format", "sreworks"]);
    let read = |bytes: Vec<u8>, name: &str| {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
        let mut entry = zip.by_name(name).expect("an entry");
        let mut bytes = Vec::new();
        std::io::copy(&mut entry, &mut bytes).expect("it is read");
        bytes
    };
    let yaml = |bytes: &[u8]| -> Value {
        serde_saphyr::from_str(std::str::from_utf8(bytes).expect("text")).expect("YAML")
    };
    let bytes = fs::read(&file).expect("the file");
    let app = yaml(&read(bytes.clone(), "meta.yaml"));
    assert_eq!((&app["appId"], &app["packageVersion"]), (&"shop".into(), &"1.0.0".into()));
    let entry = &app["componentPackages"][0];
    assert_eq!(entry["relativePath"], "K8S_MICROSERVICE_web.zip");
    let component = read(bytes, "K8S_MICROSERVICE_web.zip");
    let path = path(directory.path(), "component.zip");
    fs::write(&path, &component).expect("a file");
    let sum = run(Command::new("md5sum").arg(&path));
    assert_eq!(sum.split(' ').next(), entry["packageMd5"].as_str());
    let meta = read(component, "meta.yaml");
    assert_eq!(entry["packageExt"].as_str().map(str::as_bytes), Some(&meta[..]));
    let spec = &yaml(&meta)["spec"]["workload"]["spec"];
    let image = |digest: &str| format!("{}/team/shop@{digest}", registry.host);
    assert_eq!(spec["containers"][0]["image"], image(&package.images[0].1));
    assert_eq!(spec["initContainers"][0]["image"], image(&package.images[1].1));
}
