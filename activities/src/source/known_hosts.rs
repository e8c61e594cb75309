//! Checks a host key against a `known_hosts` text, in the format of sshd(8).

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// What a `known_hosts` text says of a host's key.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyMatch {
    /// The text lists this key for the host.
    Known,
    /// The text lists only other keys for the host, of these types.
    Other(Vec<String>),
    /// The text lists no key for the host.
    Unknown,
    /// The text marks this key as revoked.
    Revoked,
}

/// Looks up a host's key. `key` is the raw key. `port` is 22 if the URL has none.
pub fn judge(known_hosts: &str, host: &str, port: u16, key: &[u8]) -> KeyMatch {
    let name = match port {
        22 => host.to_lowercase(),
        _ => format!("[{}]:{port}", host.to_lowercase()),
    };
    let key = STANDARD.encode(key);
    let mut other = Vec::new();
    let mut known = false;
    for line in known_hosts.lines() {
        let mut fields = line.split_whitespace().peekable();
        let marker = fields.next_if(|field| field.starts_with('@'));
        let (Some(hosts), Some(kind), Some(listed)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if hosts.starts_with('#') || !lists(hosts, &name) {
            continue;
        }
        match marker {
            Some("@revoked") if listed == key => return KeyMatch::Revoked,
            // libssh2 does not support host certificates.
            Some(_) => {}
            None if listed == key => known = true,
            None => other.push(kind.to_owned()),
        }
    }
    match (known, other.is_empty()) {
        (true, _) => KeyMatch::Known,
        (false, false) => KeyMatch::Other(other),
        (false, true) => KeyMatch::Unknown,
    }
}

/// Whether a host field matches a host: a hash, or patterns of which none negates the host.
fn lists(field: &str, name: &str) -> bool {
    if let Some(hashed) = field.strip_prefix("|1|") {
        return is_hash_of(hashed, name).unwrap_or(false);
    }
    let patterns = || field.split(',');
    let negated =
        |pattern: &str| pattern.strip_prefix('!').is_some_and(|pattern| matches(pattern, name));
    !patterns().any(negated) && patterns().any(|pattern| matches(pattern, name))
}

fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// `*` matches any text, `?` any character.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.to_lowercase();
    let (Some(first), rest) = (pattern.chars().next(), pattern.get(1..).unwrap_or_default()) else {
        return name.is_empty();
    };
    match first {
        '*' => (0..=name.len()).any(|at| name.is_char_boundary(at) && matches(rest, &name[at..])),
        '?' => name.chars().next().is_some_and(|c| matches(rest, &name[c.len_utf8()..])),
        c if c.is_ascii() => name.starts_with(c) && matches(rest, &name[1..]),
        _ => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyMatch, judge};

    // The SHA-1 HMAC of `git.example.com` under the salt `saltsaltsaltsaltsalt`.
    const HASHED: &str =
        "|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|zn3fCR02QxOQDrePkZhpCkS5BvU= ssh-ed25519 a2V5";

    #[test]
    fn a_key_is_judged_by_its_host() {
        let other = || KeyMatch::Other(vec!["ssh-rsa".to_owned()]);
        for (text, host, port, expected) in [
            ("git.example.com ssh-ed25519 a2V5 me", "git.example.com", 22, KeyMatch::Known),
            ("GIT.example.com ssh-ed25519 a2V5", "git.Example.com", 22, KeyMatch::Known),
            ("git.example.com ssh-ed25519 a2V5", "git.example.com", 2222, KeyMatch::Unknown),
            ("[git.example.com]:2222 ssh-ed25519 a2V5", "git.example.com", 2222, KeyMatch::Known),
            ("[git.example.com]:2222 ssh-ed25519 a2V5", "git.example.com", 22, KeyMatch::Unknown),
            ("a,b,git.example.com ssh-ed25519 a2V5", "git.example.com", 22, KeyMatch::Known),
            ("*.example.com ssh-ed25519 a2V5", "git.example.com", 22, KeyMatch::Known),
            ("*.example.com,!git.* ssh-ed25519 a2V5", "git.example.com", 22, KeyMatch::Unknown),
            ("git.example.co? ssh-ed25519 a2V5", "git.example.com", 22, KeyMatch::Known),
            ("git.example.com ssh-rsa b3RoZXI=", "git.example.com", 22, other()),
            (
                "@revoked * ssh-ed25519 a2V5\ngit.example.com ssh-ed25519 a2V5",
                "git.example.com",
                22,
                KeyMatch::Revoked,
            ),
            ("@cert-authority * ssh-ed25519 a2V5", "git.example.com", 22, KeyMatch::Unknown),
            ("# git.example.com ssh-ed25519 a2V5", "git.example.com", 22, KeyMatch::Unknown),
            ("git.example.com ssh-ed25519", "git.example.com", 22, KeyMatch::Unknown),
            ("", "git.example.com", 22, KeyMatch::Unknown),
        ] {
            assert_eq!(judge(text, host, port, b"key"), expected, "{text} for {host}:{port}");
        }
    }

    #[test]
    fn a_hashed_host_is_found() {
        assert_eq!(judge(HASHED, "git.example.com", 22, b"key"), KeyMatch::Known);
        assert_eq!(judge(HASHED, "other.example.com", 22, b"key"), KeyMatch::Unknown);
    }
}
