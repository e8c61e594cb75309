//! The only parser of git URLs.
//!
//! A worker checks the host that it reads here, and libgit2 connects to the host that *it* reads. To
//! make both the same, only URLs in their canonical form ([`GitUrl`]'s `Display`) are accepted. libgit2
//! 1.9 percent-decodes hosts and ends a host at `/`, `?` or `#`; the URL standard ends it at `\` too.

use std::fmt;

use url::{Host, Url};

use crate::{bounds, fault::quoted};

const ACCEPTED: &str = "`https://…`, `http://…`, `ssh://…` or `user@host:path`";

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `ssh://`
    Ssh,
    /// `user@host:path`, the short form of an ssh URL: its path is relative to the user's home.
    Scp,
}

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitUrl {
    /// How it is reached.
    pub scheme: Scheme,
    user: Option<String>,
    /// A DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// None where it is the scheme's own.
    pub port: Option<u16>,
    /// Begins with `/`, unless the scheme is [`Scheme::Scp`].
    path: String,
}

impl GitUrl {
    /// Parses a URL. The error names the accepted form, and never repeats what may be a password.
    pub fn parse(value: &str) -> Result<Self, String> {
        bounds::at_most(value.len(), bounds::URL, "bytes")?;
        // A value with an `@` may hold a password.
        let shown = if value.contains('@') { "`…@…`".to_owned() } else { quoted(value) };
        let refused = |accepted: &str| format!("{shown}; accepted is {accepted}");
        let parsed = match value.split_once("://") {
            Some((scheme, _)) => Self::parse_url(scheme, value)?,
            None => Self::parse_scp(value),
        };
        let parsed = parsed.ok_or_else(|| refused(ACCEPTED))?;
        let canonical = parsed.to_string();
        if canonical != value {
            let form =
                if value.contains('@') { "the canonical form of this URL" } else { &canonical };
            return Err(refused(&format!("{ACCEPTED}, in its canonical form: {form}")));
        }
        Ok(parsed)
    }

    /// Parses a URL that the user cannot change, such as one in a `.gitmodules`. Accepts capital letters
    /// in scheme and host, and the default port: every parser understands these in the same way.
    pub fn parse_foreign(value: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = value.split_once("://") else { return Self::parse(value) };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let own_port = match scheme.as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => ":22",
        };
        let host = host.strip_suffix(own_port).unwrap_or(&host);
        Self::parse(&format!("{scheme}://{user}{host}{path}"))
    }

    fn parse_url(scheme: &str, value: &str) -> Result<Option<Self>, String> {
        let (scheme, default_port) = match scheme {
            "https" => (Scheme::Https, 443),
            "http" => (Scheme::Http, 80),
            "ssh" => (Scheme::Ssh, 22),
            _ => return Ok(None),
        };
        let Ok(url) = Url::parse(value) else { return Ok(None) };
        if url.password().is_some() {
            return Err("a URL with a password is refused; name a Secret in `secret`".to_owned());
        }
        let user = Some(url.username()).filter(|user| !user.is_empty());
        if scheme != Scheme::Ssh && user.is_some() {
            return Err("a URL with a user is refused; name a Secret in `secret`".to_owned());
        }
        let Some(host) = url.host_str().and_then(canonical_host) else { return Ok(None) };
        let is_plain = url.query().is_none()
            && url.fragment().is_none()
            && user.is_none_or(is_user)
            && url.port() != Some(0)
            && url.path().len() > 1
            && is_path(url.path());
        Ok(is_plain.then(|| Self {
            scheme,
            user: user.map(str::to_owned),
            host,
            port: url.port().filter(|port| *port != default_port),
            path: url.path().to_owned(),
        }))
    }

    fn parse_scp(value: &str) -> Option<Self> {
        let (authority, path) = value.split_once(':')?;
        let (user, host) = authority.split_once('@')?;
        let host = canonical_host(host).filter(|host| !host.starts_with('['))?;
        (is_user(user) && !path.is_empty() && is_path(path)).then(|| Self {
            scheme: Scheme::Scp,
            user: Some(user.to_owned()),
            host,
            port: None,
            path: path.to_owned(),
        })
    }

    /// Whether it is reached by http or https.
    pub fn is_web(&self) -> bool {
        matches!(self.scheme, Scheme::Https | Scheme::Http)
    }

    /// `host`, or `host:port` where the port is not the scheme's own.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The port to connect to.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Https => 443,
            Scheme::Http => 80,
            Scheme::Ssh | Scheme::Scp => 22,
        })
    }

    /// Whether both are on one server: the same protocol, host and port.
    pub fn is_same_server(&self, other: &Self) -> bool {
        let protocol =
            |url: &Self| if url.scheme == Scheme::Scp { Scheme::Ssh } else { url.scheme };
        protocol(self) == protocol(other) && self.authority() == other.authority()
    }

    /// Resolves a relative path (`./x`, `../x`) as git does for submodules. `..` stays on the host.
    pub fn join(&self, relative: &str) -> Result<Self, String> {
        let mut base: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        for part in relative.split('/') {
            match part {
                "." | "" => {}
                ".." => drop(base.pop()),
                part => base.push(part),
            }
        }
        let root = if self.scheme == Scheme::Scp && !self.path.starts_with('/') { "" } else { "/" };
        let path = format!("{root}{}", base.join("/"));
        Self::parse(&Self { path, ..self.clone() }.to_string())
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https://",
            Scheme::Http => "http://",
            Scheme::Ssh => "ssh://",
            Scheme::Scp => "",
        };
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let separator = if self.scheme == Scheme::Scp { ":" } else { "" };
        write!(f, "{scheme}{user}{}{separator}{}", self.authority(), self.path)
    }
}

/// The canonical form of a host. The parser of the URL standard decodes, lower-cases and encodes names,
/// and reads `0x7f.1` as an IPv4 address. A trailing dot would be a second name for the same host.
fn canonical_host(host: &str) -> Option<String> {
    let canonical = Host::parse(host).ok()?.to_string();
    let is_label = |label: &str| {
        let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        !label.is_empty() && label.bytes().all(inner)
    };
    (canonical.starts_with('[') || canonical.split('.').all(is_label)).then_some(canonical)
}

fn is_user(user: &str) -> bool {
    !user.is_empty() && user.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// Visible ASCII without characters that a parser or a shell interprets. `%` must encode neither a
/// control character nor a separator.
fn is_path(path: &str) -> bool {
    let is_code = |code: &str| {
        let digits = code.get(..2).filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| byte >= 0x20 && byte != 0x7f && !b"/\\".contains(&byte))
    };
    path.bytes().all(|c| c.is_ascii_graphic() && !b"\\?#\"<>`|^{}@".contains(&c))
        && path.split('%').skip(1).all(is_code)
}

#[cfg(test)]
mod tests;
