//! Where a repository is: its URL, and the host that a Secret must allow.

use kilnworks_workflows::{
    failure::FailureType,
    git_url::{GitUrl, Scheme},
};
use url::Url;

use crate::error::fail;

/// The parts of a repository's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL in its canonical form, which clients are given. It holds no password.
    pub url: String,
    /// How it is reached.
    pub way: Way,
    /// `host` or `host:port`; empty for a local path.
    pub host: String,
    /// None for a local path.
    remote: Option<GitUrl>,
}

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// http or https.
    Web,
    /// ssh.
    Ssh,
    /// A path or a `file://` URL. Only tests use it; a spec cannot.
    Local,
}

impl Address {
    /// Reads a URL. A text that is not in canonical form is `SourceDenied`: see [`GitUrl`].
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        if is_local(url) {
            let (url, host) = (url.to_owned(), String::new());
            return Ok(Self { url, way: Way::Local, host, remote: None });
        }
        let remote = GitUrl::parse(url).map_err(|fault| fail(FailureType::SourceDenied, fault))?;
        Ok(Self::remote(remote))
    }

    fn remote(remote: GitUrl) -> Self {
        let way = if remote.is_web() { Way::Web } else { Way::Ssh };
        Self { url: remote.to_string(), way, host: remote.authority(), remote: Some(remote) }
    }

    /// Host and port to connect to; none for a local path.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        self.remote.as_ref().map(|remote| (remote.host.as_str(), remote.port_or_default()))
    }

    /// Whether what is sent there is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.scheme != Scheme::Http)
    }

    /// Whether a URL, as libgit2 writes it, is on this server: the same protocol, host and port.
    pub fn is_same_server(&self, url: &str) -> bool {
        let there = GitUrl::parse(url).ok();
        self.remote.as_ref().zip(there).is_some_and(|(here, there)| here.is_same_server(&there))
    }

    /// The repository of a submodule, as `.gitmodules` writes it: a URL, or a path starting with `./`
    /// or `../` relative to this repository. A remote repository must not name a path of this machine,
    /// where other users' mirrors are.
    pub fn submodule(&self, url: &str) -> anyhow::Result<Self> {
        let is_relative = url.starts_with("./") || url.starts_with("../");
        match &self.remote {
            Some(remote) if is_relative => {
                let joined = remote.join(url);
                let joined = joined.map_err(|fault| fail(FailureType::SourceDenied, fault))?;
                Ok(Self::remote(joined))
            }
            Some(_) => {
                if is_local(url) {
                    let message = format!("a path of this machine, `{url}`, is refused");
                    return Err(fail(FailureType::SourceDenied, message));
                }
                let found = GitUrl::parse_foreign(url);
                Ok(Self::remote(found.map_err(|fault| fail(FailureType::SourceDenied, fault))?))
            }
            None if is_relative => Self::parse(&format!("{}/{url}", self.url)),
            None => Self::parse(url),
        }
    }
}

fn is_local(url: &str) -> bool {
    url.starts_with('/') || url.starts_with("file://")
}

/// `host`, or `host:port` if the URL has a port that its scheme does not imply.
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
    fn a_submodule_from_elsewhere_names_no_path_here_and_no_password() {
        let parent = Address::parse("https://e.com/a/b.git").unwrap();
        for written in [
            "/var/cache/kiln/mirrors/1",
            "file:///etc",
            "https://me:secret@e.com/a",
            "ext::sh -c id",
            "git://e.com/a",
            "https://e.com\\@evil.example/a",
        ] {
            let error = parent.submodule(written).unwrap_err().to_string();
            assert!(error.contains("refused") || error.contains("accepted"), "{error}");
            assert!(!error.contains("secret@"), "{error}");
        }
    }
}
