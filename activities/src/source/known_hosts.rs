//! `known_hosts` as sshd(8) has it: whether a host key is the one that a Secret expects.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// What a `known_hosts` text says of a host's key.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This key is listed for it.
    Known,
    /// Only other keys are listed for it, of these types.
    Other(Vec<String>),
    /// Nothing is listed for it.
    Unknown,
    /// This key is marked as revoked.
    Revoked,
}

/// Looks a host's key up. `key` is the raw key; `port` is 22 where the URL has none.
pub fn judge(known_hosts: &str, host: &str, port: u16, key: &[u8]) -> Verdict {
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
            Some("@revoked") if listed == key => return Verdict::Revoked,
            // Certificates of hosts are beyond libssh2.
            Some(_) => {}
            None if listed == key => known = true,
            None => other.push(kind.to_owned()),
        }
    }
    match (known, other.is_empty()) {
        (true, _) => Verdict::Known,
        (false, false) => Verdict::Other(other),
        (false, true) => Verdict::Unknown,
    }
}

/// Whether a host field names a host: a hash, or patterns of which none negates it.
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

/// `*` is any text, `?` any character.
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
    use super::{Verdict, judge};

    // The SHA-1 HMAC of `git.example.com` under the salt `saltsaltsaltsaltsalt`.
    const HASHED: &str =
        "|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|zn3fCR02QxOQDrePkZhpCkS5BvU= ssh-ed25519 a2V5";

    #[test]
    fn a_key_is_judged_by_its_host() {
        let other = || Verdict::Other(vec!["ssh-rsa".to_owned()]);
        for (text, host, port, expected) in [
            ("git.example.com ssh-ed25519 a2V5 me", "git.example.com", 22, Verdict::Known),
            ("GIT.example.com ssh-ed25519 a2V5", "git.Example.com", 22, Verdict::Known),
            ("git.example.com ssh-ed25519 a2V5", "git.example.com", 2222, Verdict::Unknown),
            ("[git.example.com]:2222 ssh-ed25519 a2V5", "git.example.com", 2222, Verdict::Known),
            ("[git.example.com]:2222 ssh-ed25519 a2V5", "git.example.com", 22, Verdict::Unknown),
            ("a,b,git.example.com ssh-ed25519 a2V5", "git.example.com", 22, Verdict::Known),
            ("*.example.com ssh-ed25519 a2V5", "git.example.com", 22, Verdict::Known),
            ("*.example.com,!git.* ssh-ed25519 a2V5", "git.example.com", 22, Verdict::Unknown),
            ("git.example.co? ssh-ed25519 a2V5", "git.example.com", 22, Verdict::Known),
            ("git.example.com ssh-rsa b3RoZXI=", "git.example.com", 22, other()),
            (
                "@revoked * ssh-ed25519 a2V5\ngit.example.com ssh-ed25519 a2V5",
                "git.example.com",
                22,
                Verdict::Revoked,
            ),
            ("@cert-authority * ssh-ed25519 a2V5", "git.example.com", 22, Verdict::Unknown),
            ("# git.example.com ssh-ed25519 a2V5", "git.example.com", 22, Verdict::Unknown),
            ("git.example.com ssh-ed25519", "git.example.com", 22, Verdict::Unknown),
            ("", "git.example.com", 22, Verdict::Unknown),
        ] {
            assert_eq!(judge(text, host, port, b"key"), expected, "{text} for {host}:{port}");
        }
    }

    #[test]
    fn a_hashed_host_is_found() {
        assert_eq!(judge(HASHED, "git.example.com", 22, b"key"), Verdict::Known);
        assert_eq!(judge(HASHED, "other.example.com", 22, b"key"), Verdict::Unknown);
    }
}
