//! Small images that the suite builds in seconds.

use std::{path::Path, process::Command, time::Duration};

use crate::{engine::variable, stack::run};

/// One container's build.
#[derive(Clone, Debug)]
pub enum Recipe {
    /// Files and no instruction that runs.
    Scratch,
    /// The same for two platforms, which one node serves.
    TwoPlatforms,
    /// Files of this many bytes, which do not compress.
    Random(usize),
    /// A `RUN` of this many seconds.
    Sleep(u64),
    /// A `RUN` that uses all memory that it can get.
    Greedy,
    /// An image that is used as it is.
    Use,
}

/// Repository and tag of their base image.
const SMALL: &str = "chaos/small:1";

impl Recipe {
    /// The Dockerfile, with base images of this registry. None where nothing is built.
    pub(super) fn dockerfile(&self, registry: &str) -> Option<String> {
        let run = match self {
            Self::Use => return None,
            Self::Scratch | Self::TwoPlatforms | Self::Random(_) => {
                return Some("FROM scratch\nCOPY . /\n".to_owned());
            }
            Self::Sleep(seconds) => format!(r#"["/bin/sleep", "{seconds}"]"#),
            Self::Greedy => r#"["/usr/bin/tail", "/dev/zero"]"#.to_owned(),
        };
        Some(format!("FROM {}\nCOPY . /\nRUN {run}\n", small(registry)))
    }

    /// How long the instructions take.
    pub(super) fn seconds(&self) -> Duration {
        match self {
            Self::Sleep(seconds) => Duration::from_secs(*seconds),
            _ => Duration::ZERO,
        }
    }
}

/// The small base image as it is reached through a registry's address.
pub(super) fn small(registry: &str) -> String {
    format!("{registry}/{SMALL}")
}

/// Pushes the small base image: two programs of this machine and the libraries that they need.
/// Debian's own image takes ten times as long to unpack.
pub(super) fn push_small() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = r#"
        cd "$0"
        for file in /bin/sleep /usr/bin/tail; do
            for one in "$file" $(ldd "$file" | grep -o '/[^ ]*'); do
                mkdir -p "root$(dirname "$one")"
                cp -L "$one" "root$one"
            done
        done
        mkdir -p root/tmp root/etc
        tar -C root -cf layer.tar .
        crane append --insecure -f layer.tar -t "$1"
        crane mutate --insecure --set-platform "linux/$(dpkg --print-architecture)" -t "$1" "$1"
    "#;
    let reference = small(&variable("KILN_REGISTRY"));
    let place: &Path = directory.path();
    run(Command::new("bash").args(["-euo", "pipefail", "-c", script]).arg(place).arg(reference));
}
