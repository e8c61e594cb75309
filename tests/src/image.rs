//! An image of this build's `kiln`, as a Pod of the stack can run it.

use std::{
    path::Path,
    process::Command,
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    engine::variable,
    stack::{kiln, run},
};

/// The binary with the libraries that it is linked to and the public authorities, in one layer. It is pushed when it is asked
/// for first, and again when the binary is another.
pub fn kiln_image() -> &'static str {
    static IMAGE: LazyLock<String> = LazyLock::new(pushed);
    &IMAGE
}

fn pushed() -> String {
    let found = std::fs::metadata(kiln()).expect("the binary");
    let built = found.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH);
    let tag = format!("{}-{}", found.len(), built.expect("a time").as_nanos());
    let image = format!("{}/kilnworks/kiln-of-tests:{tag}-1", variable("KILN_REGISTRY"));
    let there = Command::new("crane").args(["digest", "--insecure", &image]).output();
    if there.expect("crane runs").status.success() {
        return image;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let layer = layer(dir.path());
    run(Command::new("crane").args(["append", "--insecure", "-f", &layer, "-t", &image]));
    let platform = format!("linux/{}", run(Command::new("dpkg").arg("--print-architecture")));
    run(Command::new("crane")
        .args(["mutate", "--insecure", &image, "-t", &image, "--entrypoint", "/kiln"])
        .args(["--set-platform", platform.trim()]));
    image
}

fn layer(dir: &Path) -> String {
    let script = r#"set -e; mkdir "$1/root"; strip -o "$1/root/kiln" "$0"
        ldd "$0" | grep -o '/[^ ]*' | while read -r library; do
          install -D "$(realpath "$library")" "$1/root$library"
        done
        install -D -m 644 /etc/ssl/certs/ca-certificates.crt -t "$1/root/etc/ssl/certs"
        tar -C "$1/root" -c . | gzip -1 >"$1/layer.tar.gz""#;
    let mut bash = Command::new("bash");
    run(bash.args(["-o", "pipefail", "-c", script]).arg(kiln()).arg(dir));
    dir.join("layer.tar.gz").display().to_string()
}
