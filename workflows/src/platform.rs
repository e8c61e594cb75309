//! The platforms of a spec: `os/architecture`, with a variant if the architecture needs one.

use crate::fault::quoted;

/// Architectures as Go, and so Kubernetes and every registry, names them.
const ARCHITECTURES: [&str; 7] =
    ["386", "amd64", "arm64", "loong64", "ppc64le", "riscv64", "s390x"];

/// Variants. The default variant of an architecture is missing, so that a platform has one name.
const VARIANTS: [(&str, &[&str]); 2] =
    [("arm", &["v5", "v6", "v7"]), ("amd64", &["v2", "v3", "v4"])];

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform<'a> {
    /// Always `linux`: Kaniko builds nothing else.
    pub os: &'a str,
    /// As the label `kubernetes.io/arch` of a node has it.
    pub architecture: &'a str,
    /// As `v7`. No node has a label for it.
    pub variant: Option<&'a str>,
}

impl<'a> Platform<'a> {
    /// Parses a platform, known or not.
    pub fn of(text: &'a str) -> Self {
        let (os, rest) = text.split_once('/').unwrap_or(("linux", text));
        let (architecture, variant) = match rest.split_once('/') {
            Some((architecture, variant)) => (architecture, Some(variant)),
            None => (rest, None),
        };
        Self { os, architecture, variant }
    }

    fn is_known(self) -> bool {
        let of = |variant: &str| {
            let mut all = VARIANTS.iter();
            all.any(|(name, variants)| *name == self.architecture && variants.contains(&variant))
        };
        self.os == "linux"
            && self.variant.map_or_else(|| ARCHITECTURES.contains(&self.architecture), of)
    }
}

/// Checks that images can be built for it.
pub fn check(value: &str) -> Result<(), String> {
    if value.contains('/') && Platform::of(value).is_known() {
        return Ok(());
    }
    let alone = ARCHITECTURES.map(|name| format!("`linux/{name}`")).join(", ");
    Err(format!("{}; accepted are {alone}, `linux/arm/v7` and the like", quoted(value)))
}

/// A platform in a label, a path or a name: `linux-arm64`.
pub fn word(platform: &str) -> String {
    platform.replace('/', "-")
}

#[cfg(test)]
mod tests {
    use super::{Platform, check};

    #[test]
    fn a_platform_has_one_name() {
        for accepted in ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/amd64/v3"] {
            assert_eq!(check(accepted), Ok(()), "{accepted}");
        }
        for refused in [
            "",
            "amd64",
            "arm64",
            "linux",
            "linux/",
            "linux/x86_64",
            "linux/aarch64",
            "linux/arm",
            "linux/arm64/v8",
            "linux/amd64/v1",
            "linux/arm/v7/x",
            "windows/amd64",
            "Linux/amd64",
            "linux/amd64 ",
            "linux/amd64,linux/arm64",
        ] {
            let fault = check(refused).expect_err(refused);
            assert!(fault.starts_with(&format!("`{refused}`; accepted are `linux/")), "{fault}");
        }
        let arm = Platform { os: "linux", architecture: "arm", variant: Some("v7") };
        assert_eq!(Platform::of("linux/arm/v7"), arm);
    }
}
