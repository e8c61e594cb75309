//! Where a repository is: its URL, and the host that a Secret must allow.

use kilnworks_workflows::{checks, failure::FailureType};
use url::Url;

use crate::error::fail;

/// A repository's URL, taken apart as far as a step needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL as it was written. It holds no password.
    pub url: String,
    /// How it is reached.
    pub way: Way,
    /// `host` or `host:port`; empty for a local path.
    pub host: String,
}

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// http or https.
    Web,
    /// ssh.
    Ssh,
    /// A path or a `file://` URL. No spec may name one; tests do.
    Local,
}

impl Address {
    /// Reads a URL.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        if url.starts_with('/') || url.starts_with("file://") {
            return Ok(Self::new(url, Way::Local, String::new()));
        }
        checks::git_url(url).map_err(|fault| fail(FailureType::SourceDenied, fault))?;
        if checks::is_scp_like(url) {
            let host = url.split([':', '@']).nth(1).unwrap_or_default();
            return Ok(Self::new(url, Way::Ssh, host.to_owned()));
        }
        let parsed = Url::parse(url)?;
        let way = if parsed.scheme() == "ssh" { Way::Ssh } else { Way::Web };
        Ok(Self::new(url, way, host_of(&parsed)))
    }

    fn new(url: &str, way: Way, host: String) -> Self {
        let url = url.to_owned();
        Self { url, way, host }
    }

    /// The repository of a submodule, as `.gitmodules` writes it: another URL, or a path beginning
    /// with `./` or `../` relative to this one. A repository from elsewhere must not name a path of
    /// this machine, where other people's mirrors lie.
    pub fn submodule(&self, url: &str) -> anyhow::Result<Self> {
        let relative = url.starts_with("./") || url.starts_with("../");
        let url = if relative { self.join(url) } else { url.to_owned() };
        let found = Self::parse(&url)?;
        if found.way == Way::Local && self.way != Way::Local {
            let message = format!("a path of this machine, `{url}`, is refused");
            return Err(fail(FailureType::SourceDenied, message));
        }
        Ok(found)
    }

    fn join(&self, relative: &str) -> String {
        let mut base = self.url.trim_end_matches('/');
        let mut rest = relative;
        let floor = self.prefix_len();
        loop {
            if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("../") {
                let cut = base[floor..].rfind('/').unwrap_or(0);
                base = &base[..floor + cut];
                rest = after;
            } else {
                let slash = if base.ends_with(':') { "" } else { "/" };
                return format!("{base}{slash}{rest}");
            }
        }
    }

    /// Length of what `..` cannot climb above: scheme and host.
    fn prefix_len(&self) -> usize {
        let after_scheme = self.url.find("://").map_or(0, |at| at + 3);
        let rest = &self.url[after_scheme..];
        let host = match self.way {
            Way::Local => 0,
            Way::Ssh if after_scheme == 0 => rest.find(':').map_or(0, |at| at + 1),
            Way::Ssh | Way::Web => rest.find('/').unwrap_or(rest.len()),
        };
        after_scheme + host
    }
}

/// `host`, or `host:port` where the URL has a port that its scheme does not imply.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Way};

    #[test]
    fn a_url_is_taken_apart() {
        for (url, way, host) in [
            ("https://git.example.com/a/b.git", Way::Web, "git.example.com"),
            ("http://localhost:3000/a.git", Way::Web, "localhost:3000"),
            ("ssh://git@example.com:2222/a", Way::Ssh, "example.com:2222"),
            ("git@example.com:team/a.git", Way::Ssh, "example.com"),
            ("/srv/a.git", Way::Local, ""),
            ("file:///srv/a.git", Way::Local, ""),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!((address.way, address.host.as_str()), (way, host), "{url}");
        }
    }

    #[test]
    fn a_submodule_is_found_from_its_parent() {
        for (parent, written, expected) in [
            ("https://e.com/a/b.git", "../c.git", "https://e.com/a/c.git"),
            ("https://e.com/a/b.git/", "../../d/c", "https://e.com/d/c"),
            ("https://e.com/a/b.git", "./c", "https://e.com/a/b.git/c"),
            ("https://e.com/a", "../../../../c", "https://e.com/c"),
            ("git@e.com:a/b.git", "../c.git", "git@e.com:a/c.git"),
            ("git@e.com:b.git", "../c.git", "git@e.com:c.git"),
            ("ssh://git@e.com:22/a/b", "../c", "ssh://git@e.com:22/a/c"),
            ("/srv/a.git", "../b.git", "/srv/b.git"),
            ("/srv/a.git", "/srv/c.git", "/srv/c.git"),
            ("https://e.com/a", "https://f.com/c", "https://f.com/c"),
        ] {
            let parent = Address::parse(parent).unwrap();
            assert_eq!(parent.submodule(written).unwrap().url, expected);
        }
    }

    #[test]
    fn a_submodule_from_elsewhere_names_no_path_here_and_no_password() {
        let parent = Address::parse("https://e.com/a/b.git").unwrap();
        for written in [
            "/var/cache/kiln/mirrors/1",
            "file:///etc",
            "https://me:secret@e.com/a",
            "ext::sh -c id",
            "git://e.com/a",
        ] {
            let error = parent.submodule(written).unwrap_err().to_string();
            assert!(error.contains("refused") || error.contains("accepted"), "{error}");
            assert!(!error.contains("secret@"), "{error}");
        }
    }
}
