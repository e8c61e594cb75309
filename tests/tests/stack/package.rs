//! Packages that move between registries with the tools that people have, and stand where they came
//! to.

use std::process::Command;

use kilnworks_tests::{
    engine::eventually,
    package::{kiln, printed, published, refused},
    registry::{Object, Registry, kubectl, plain::Plain},
    stack::{PATIENCE, run, unique},
};
use serde_json::{Value, json};

fn inspected(reference: &str) -> Value {
    serde_json::from_str(&printed(&["inspect", reference, "-o", "json"])).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_package_stands_where_it_is() {
    let first = Plain::start().await;
    let second = Plain::start().await;
    let salt = unique("copy");
    let package = published(&format!("{}/team", first.host), "1.0.0", &salt).await;
    let (from, plain) = (&package.reference, ["--src-tls-verify=false", "--dest-tls-verify=false"]);
    let by = |tool: &str| format!("{}/{tool}/shop:1.0.0", second.host);
    run(Command::new("crane").args(["copy", from, &by("crane")]));
    let docker = |reference: &str| format!("docker://{reference}");
    let all = ["copy", "--all", "--quiet", &docker(from), &docker(&by("skopeo"))];
    run(Command::new("skopeo").args(all).args(plain));
    let plain = ["--from-plain-http", "--to-plain-http"];
    run(Command::new("oras").args(["cp", "-r", from, &by("oras")]).args(plain));
    drop(first);

    for (tool, referrers) in [("crane", 0), ("skopeo", 0), ("oras", 1)] {
        let copy = inspected(&by(tool));
        assert_eq!(copy["digest"], package.digest, "{tool}");
        assert_eq!(copy["referrers"], referrers, "{tool}");
        assert_eq!(copy["images"].as_array().expect("images").len(), 2, "{tool}");
        let verified = printed(&["verify", &by(tool), "--deep"]);
        assert!(verified.contains("2 images, 1 files, 0 charts: all in the package"), "{verified}");
    }
    let shown = printed(&["inspect", &by("crane")]);
    assert!(shown.contains("web/db-migration (init)  linux/amd64"), "{shown}");
    assert!(shown.contains("web/deploy/web.yaml  application/yaml"), "{shown}");

    let web = format!("{}/crane/shop@{}", second.host, package.images[0].1);
    let rendered = printed(&["render", &by("crane")]);
    assert_eq!(rendered, format!("---\n# web/deploy/web.yaml\nkind: Pod\nimage: {web}\n# 1.0.0\n"));
    runs(&web).await;
}

/// Runs an image on the stack's node, which has to pull it.
async fn runs(image: &str) {
    let pod = Object::new(json!({
        "kind": "Pod",
        "metadata": {},
        "spec": {
            "hostNetwork": true,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "web", "image": image, "imagePullPolicy": "Always"}],
        },
    }));
    eventually("the Pod to run", PATIENCE, async || {
        let phase = ["get", "pod", &pod.name, "-o", "jsonpath={.status.phase}"];
        (run(&mut kubectl(&phase)) == "Running").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rendered_is_written_once_and_never_elsewhere() {
    let registry = Plain::start().await;
    let package = published(&format!("{}/team", registry.host), "1.0.0", "render").await;
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let render = ["render", &package.reference, "-o", out.to_str().expect("a path")];
    printed(&render);
    let file = out.join("web/deploy/web.yaml");
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains(&format!("image: {}/team/shop@sha256:", registry.host)), "{text}");
    let (code, said) = refused(&render);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the file already exists") && said.contains("--force"), "{said}");
    printed(&[&render[..], &["--force"]].concat());
    let (code, said) = refused(&["render", &package.reference, "--platform", "linux/arm64"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("platforms: linux/amd64"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_damaged_is_all_told() {
    let registry = Plain::start().await;
    let salt = unique("verify");
    let package = published(&format!("{}/team", registry.host), "1.0.0", &salt).await;
    let manifest = |digest: &str| -> Value {
        let reference = format!("{}/team/shop@{digest}", registry.host);
        serde_json::from_str(&run(Command::new("crane").args(["manifest", &reference]))).unwrap()
    };
    let layer = |index: usize| {
        let image = manifest(&package.images[index].1);
        let layers = image["layers"].as_array().expect("layers");
        registry.stored(layers.last().expect("a layer")["digest"].as_str().expect("a digest"))
    };
    let verify = ["verify", &package.reference];

    let path = layer(0);
    let whole = std::fs::read(&path).expect("the layer");
    let mut flipped = whole.clone();
    flipped[20] ^= 1;
    std::fs::write(&path, &flipped).expect("it is written");
    printed(&verify);
    let (code, said) = refused(&[&verify[..], &["--deep"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 fault\n  image web/web: cannot read the blob"), "{said}");

    std::fs::write(&path, &whole[1..]).expect("it is written");
    std::fs::remove_file(layer(1)).expect("it was there");
    let (code, said) = refused(&verify);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("2 faults\n"), "{said}");
    let shorter = format!("has {} bytes, not {}", whole.len() - 1, whole.len());
    for said_of in ["image web/web: the blob", &shorter, "image web/db-migration: the blob"] {
        assert!(said.contains(said_of), "{said}");
    }

    std::fs::remove_file(registry.stored(&package.images[0].1)).expect("it was there");
    let (code, said) = refused(&verify);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("image web/web: the manifest"), "{said}");
    let image = format!("{}/team/shop-web-db-migration:1", registry.host);
    let (code, said) = refused(&["verify", &image]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("it is an image, not a package"), "{said}");
    let (code, said) = refused(&["inspect", &format!("{}/team/shop:9.9.9", registry.host)]);
    assert_eq!((code, said.contains("there is no package")), (1, true), "{said}");
    assert_eq!(refused(&["inspect", "shop:1.0.0"]).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_dockers() {
    let (open, closed) = (Plain::start().await, Registry::start().await);
    let package = published(&format!("{}/team", open.host), "1.0.0", "docker").await;
    let copy = format!("{}/team/shop:1.0.0", closed.host);
    run(&mut closed.crane(&["copy", &package.reference, &copy]));
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("ca.pem"), &closed.ca).expect("a file");
    let helper = "#!/bin/sh\nread -r host\n[ \"$1 $host\" = \"get $HOST\" ] || exit 1\n\
        printf '{\"Username\":\"builder\",\"Secret\":\"%s\"}' \"$PASSWORD\"\n";
    std::fs::write(at("docker-credential-test"), helper).expect("a file");
    run(Command::new("chmod").arg("+x").arg(at("docker-credential-test")));
    let inspect = |config: Value| {
        std::fs::write(at("config.json"), config.to_string()).expect("a file");
        let ca = at("ca.pem");
        let mut kiln = kiln(&["inspect", &copy, "--ca", ca.to_str().expect("a path")]);
        let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
        kiln.env("DOCKER_CONFIG", directory.path()).env("PATH", path);
        kiln.env("HOST", &closed.host).env("PASSWORD", &closed.password);
        kilnworks_tests::package::ended(kiln.output().expect("kiln runs"))
    };
    let login = json!({"username": "builder", "password": closed.password});
    for good in [
        json!({"auths": {&closed.host: login}}),
        json!({"credHelpers": {&closed.host: "test"}}),
        json!({"credsStore": "test"}),
    ] {
        let (code, said) = inspect(good);
        assert_eq!(code, 0, "{said}");
    }
    for (bad, said_of) in [
        (json!({}), "hint: credentials are Docker's"),
        (json!({"credHelpers": {&closed.host: "nowhere"}}), "`docker-credential-nowhere`"),
    ] {
        let (code, said) = inspect(bad);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(said_of) && !said.contains(&closed.password), "{said}");
    }
}
