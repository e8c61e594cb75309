//! Checks of single values. Each error has the found value and what is accepted.

use crate::{bounds, fault::quoted, git_url::GitUrl};

type Check = Result<(), String>;

fn ensure(holds: bool, value: &str, accepted: &str) -> Check {
    if holds { Ok(()) } else { Err(format!("{}; accepted is {accepted}", quoted(value))) }
}

/// A DNS label (RFC 1123) of at most 40 characters, so that names made of three of them fit.
pub fn name(value: &str) -> Check {
    ensure(
        is_label(value) && value.len() <= bounds::NAME,
        value,
        "a DNS label: a-z, 0-9 and `-`, not at either end, at most 40 characters",
    )
}

fn is_label(value: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !value.is_empty()
        && value.bytes().all(inner)
        && !value.starts_with('-')
        && !value.ends_with('-')
}

/// The name of a Kubernetes object: DNS labels joined by dots (RFC 1123), at most 253 characters.
pub fn object_name(value: &str) -> Check {
    ensure(
        value.len() <= bounds::KEY && value.split('.').all(is_label),
        value,
        "the name of a Kubernetes object: a-z, 0-9, `-` and `.`, at most 253 characters",
    )
}

/// A key of a Secret or ConfigMap, which is also a file name.
pub fn data_key(value: &str) -> Check {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    ensure(
        !value.is_empty()
            && value.len() <= bounds::KEY
            && value.bytes().all(allowed)
            && !value.trim_matches('.').is_empty(),
        value,
        "letters, digits, `-`, `_` and `.`, at most 253 characters",
    )
}

/// A version, as Semantic Versioning 2.0.0 has it.
pub fn version(value: &str) -> Check {
    ensure(
        value.len() <= bounds::TAG && semver::Version::parse(value).is_ok(),
        value,
        "a semantic version of at most 128 characters, such as `1.4.0` or `1.4.0-rc.1+build.7`, \
         or `auto`",
    )
}

/// A media type, such as `application/yaml`.
pub fn media_type(value: &str) -> Check {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c);
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.bytes().all(inner)
    };
    ensure(
        value.len() <= bounds::TAG
            && value.split_once('/').is_some_and(|(kind, name)| is_part(kind) && is_part(name)),
        value,
        "a media type, such as `application/yaml`",
    )
}

/// A tag, as the OCI distribution specification has it.
pub fn tag(value: &str) -> Check {
    ensure(
        is_tag(value),
        value,
        "up to 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`",
    )
}

fn is_tag(value: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"_.-".contains(&c);
    (1..=bounds::TAG).contains(&value.len())
        && value.bytes().all(inner)
        && !value.starts_with(['.', '-'])
}

/// A repository with its registry, `host[:port]/path`, in lower case, without tag and digest.
pub fn repository(value: &str) -> Check {
    ensure(
        is_repository(value),
        value,
        "`host[:port]/path` in lower case, at most 255 characters, such as `registry.example.com/team`",
    )
}

/// A registry with an optional path: the beginning of a repository.
pub fn registry_prefix(value: &str) -> Check {
    ensure(
        is_repository(&format!("{value}/x")),
        value,
        "`host[:port][/path]` in lower case, at most 253 characters, such as `registry.example.com/team`",
    )
}

/// A full image reference, with its registry and a tag or a digest.
pub fn image(value: &str) -> Check {
    let accepted = "a full image reference, `host[:port]/path:tag` or `host[:port]/path@sha256:…`";
    let (name, digest) = match value.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (value, None),
    };
    let (name, label) = match name.rsplit_once(':') {
        Some((name, label)) if !label.contains('/') => (name, Some(label)),
        _ => (name, None),
    };
    let holds = is_repository(name)
        && label.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
        && (label.is_some() || digest.is_some());
    ensure(holds, value, accepted)
}

/// Whether this is a SHA-256 digest as `sha256:…`.
pub fn is_digest(value: &str) -> bool {
    value.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    })
}

/// As for every client, a host has a dot or a port, or is `localhost`.
fn is_repository(value: &str) -> bool {
    let Some((host, path)) = value.split_once('/') else {
        return false;
    };
    let (host_name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_host = host_name == "localhost" || host.contains(['.', ':']);
    is_host
        && port.parse::<u16>().is_ok()
        && host_name.split('.').all(is_label)
        && value.len() <= bounds::REPOSITORY
        && path.split('/').all(is_path_component)
}

/// Lower-case letters and digits, separated by `.`, `_`, `__` or any number of `-`.
fn is_path_component(value: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = value.split(alphanumeric).filter(|part| !part.is_empty());
    value.starts_with(alphanumeric)
        && value.ends_with(alphanumeric)
        && separators
            .into_iter()
            .all(|part| matches!(part, "." | "_" | "__") || part.bytes().all(|c| c == b'-'))
}

/// A path in the source: relative, `/`-separated, without `..`.
pub fn path(value: &str) -> Check {
    ensure(
        !value.is_empty()
            && value.len() <= bounds::PATH
            && !value.starts_with('/')
            && !value.contains(['\\', '\0', '\n'])
            && value.split('/').all(|part| part != ".."),
        value,
        "a relative path without `..`, at most 1024 bytes",
    )
}

/// A git URL of a kind that can be fetched, without a password in it, in its canonical form.
pub fn git_url(value: &str) -> Check {
    GitUrl::parse(value).map(drop)
}

/// A branch, tag or commit, by the rules of `git check-ref-format` that matter for safety.
pub fn revision(value: &str) -> Check {
    let refused = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    ensure(
        !value.is_empty()
            && value.len() <= bounds::REVISION
            && !value.contains(refused)
            && !value.contains("..")
            && !value.starts_with(['-', '/'])
            && !value.ends_with(['/', '.']),
        value,
        "a branch, a tag or a full commit id, at most 255 characters",
    )
}

/// A Kubernetes quantity, such as `500m`, `2Gi`, `1.5`.
pub fn quantity(value: &str) -> Check {
    const SUFFIXES: [&str; 13] =
        ["m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", ""];
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &value[digits.len()..];
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.parse::<f64>().is_ok_and(|n| n > 0.0);
    ensure(
        is_number && value.len() <= bounds::TERM && SUFFIXES.contains(&suffix),
        value,
        "a Kubernetes quantity above zero, at most 64 characters, such as `500m` or `2Gi`",
    )
}

/// The name of an `ARG`, of a label or of a template value.
pub fn key(value: &str) -> Check {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"_.-/".contains(&c);
    ensure(
        !value.is_empty() && value.len() <= bounds::KEY && value.bytes().all(inner),
        value,
        "letters, digits, `_`, `.`, `-` and `/`, at most 253 characters",
    )
}

/// The value of a build arg or a label, as it is written or as it is rendered.
pub fn value(value: &str) -> Check {
    bounds::at_most(value.len(), bounds::VALUE_BYTES, "bytes")
}

/// The flags of Kaniko that Kilnworks sets or that would undo what it relies on.
const OWNED_FLAGS: [&str; 29] = [
    "bucket",
    "build-arg",
    "cache",
    "cache-dir",
    "cache-repo",
    "cache-ttl",
    "cleanup",
    "context",
    "context-sub-path",
    "destination",
    "digest-file",
    "dockerfile",
    "force",
    "git",
    "image-name-tag-with-digest-file",
    "image-name-with-digest-file",
    "insecure",
    "insecure-registry",
    "kaniko-dir",
    "label",
    "log-format",
    "log-timestamp",
    "no-push",
    "oci-layout-path",
    "push-ignore-immutable-tag-errors",
    "registry-certificate",
    "tar-path",
    "tarPath",
    "target",
];

/// Whether a flag of Kaniko, without its dashes, is one of those.
pub fn is_owned_flag(flag: &str) -> bool {
    OWNED_FLAGS.contains(&flag)
}

/// Whether a flag of Kaniko says what it builds for.
pub fn is_platform(flag: &str) -> bool {
    let name = flag.trim_start_matches('-').split(['=', ' ']).next().unwrap_or_default();
    matches!(name, "custom-platform" | "customPlatform")
}

/// One more flag for Kaniko.
pub fn kaniko_flag(value: &str) -> Check {
    let Some(flag) = value.strip_prefix("--") else {
        return ensure(false, value, "`--flag` or `--flag=value`");
    };
    let flag = flag.split(['=', ' ']).next().unwrap_or_default();
    if is_owned_flag(flag) {
        return Err(format!("`--{flag}` is set by Kilnworks and cannot be given here"));
    }
    bounds::at_most(value.len(), bounds::FLAG_BYTES, "bytes")?;
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    ensure(
        !flag.is_empty() && flag.bytes().all(inner) && !value.contains('\n'),
        value,
        "`--flag` or `--flag=value`",
    )
}
