//! Redacts secrets: the values of the Secrets that this worker has read, and `user:password@` in
//! URLs. Each becomes `***`.
//!
//! The whole process shares the values, because a build may print what another step has read. The
//! room `log` learns the Secrets that a Pod can read before it reads the Pod's log.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, LazyLock, RwLock},
};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::Secret;
use kilnworks_workflows::failure::Failure;
use regex::bytes::Regex;
use serde_json::Value;

/// Replaces a secret.
const MASK: &[u8] = b"***";

/// Replaces the whole text if its secrets cannot be searched for.
const OMITTED: &str = "(omitted: its secrets cannot be redacted)";

/// Bytes of the shortest value that is redacted. Shorter values would redact common words.
const SHORTEST: usize = 6;

/// Bytes of the shortest line that is redacted, of a value with several lines.
const SHORTEST_LINE: usize = 8;

/// Bytes that a caller must read beyond a cut to recognize a password in a URL.
const URL_HOLD: usize = 2048;

static KNOWN: LazyLock<RwLock<Arc<Redactor>>> = LazyLock::new(|| {
    // The worker reads the store's credentials from its environment.
    let own = std::env::var("AWS_SECRET_ACCESS_KEY").unwrap_or_default();
    RwLock::new(Arc::new(Redactor::of(search_terms(own.as_bytes()))))
});

/// The secrets that this process knows now.
pub fn known() -> Arc<Redactor> {
    KNOWN.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
}

/// Keys of Secrets whose values are not secret. Redacting them would hide common words.
const PUBLIC_KEYS: [&str; 4] = ["username", "AWS_ACCESS_KEY_ID", "known_hosts", "ca.crt"];

/// Adds the values of a Secret to those that the process redacts, until the process ends. Of a
/// Docker configuration it also adds each password, in both encodings.
pub fn learn(secret: &Secret) {
    let values =
        secret.data.iter().flatten().filter(|(key, _)| !PUBLIC_KEYS.contains(&key.as_str()));
    let values = values.map(|(_, value)| value.0.as_slice());
    let logins = values.clone().flat_map(logins);
    remember(
        values
            .flat_map(search_terms)
            .chain(logins.flat_map(|text| search_terms(text.as_bytes())))
            .collect(),
    );
}

/// The passwords of a Docker configuration, in clear and as base64 of `user:password`.
fn logins(config: &[u8]) -> Vec<String> {
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    let mut found = Vec::new();
    for (_, entry) in config["auths"].as_object().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str();
        if let (Some(user), Some(password)) = (text("username"), text("password")) {
            found.push(BASE64_STANDARD.encode(format!("{user}:{password}")));
            found.push(password.to_owned());
        }
        let auth = text("auth").unwrap_or_default();
        let both = BASE64_STANDARD.decode(auth).ok().and_then(|both| String::from_utf8(both).ok());
        found.extend(both.iter().filter_map(|both| Some(both.split_once(':')?.1.to_owned())));
        found.push(auth.to_owned());
        found.extend(text("identitytoken").map(str::to_owned));
    }
    found
}

fn remember(values: BTreeSet<Vec<u8>>) {
    if values.is_subset(&known().values) {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    *known = Arc::new(Redactor::of(&known.values | &values));
}

/// What to search for: the value without surrounding white space, and each of its longer lines,
/// because logs are redacted line by line.
fn search_terms(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let value = value.trim_ascii();
    let mut found = BTreeSet::new();
    if value.len() >= SHORTEST {
        found.insert(value.to_vec());
    }
    if value.contains(&b'\n') {
        let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        found.extend(lines.filter(|line| line.len() >= SHORTEST_LINE).map(<[u8]>::to_vec));
    }
    found
}

/// Redacts a fixed set of values.
pub struct Redactor {
    values: BTreeSet<Vec<u8>>,
    /// None if there are no values, or if they are too large for an automaton.
    finder: Option<AhoCorasick>,
    longest: usize,
}

impl Redactor {
    fn of(values: BTreeSet<Vec<u8>>) -> Self {
        let mut builder = AhoCorasick::builder();
        let finder = builder.match_kind(MatchKind::LeftmostLongest).build(&values);
        let finder = finder.inspect_err(|error| tracing::error!(%error, "cannot redact logs"));
        let longest = values.iter().map(Vec::len).max().unwrap_or_default();
        Self { finder: finder.ok().filter(|_| !values.is_empty()), values, longest }
    }

    /// The text with its secrets replaced.
    pub fn bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut text = Cow::Borrowed(text);
        if self.finder.is_none() && !self.values.is_empty() {
            return Cow::Borrowed(OMITTED.as_bytes());
        }
        if self.finder.as_ref().is_some_and(|finder| finder.is_match(&*text)) {
            let finder = self.finder.as_ref().expect("it matched");
            text = Cow::Owned(finder.replace_all_bytes(&text, &vec![MASK; self.values.len()]));
        }
        match password().replace_all(&text, b"://***@".as_slice()) {
            Cow::Borrowed(_) => text,
            Cow::Owned(text) => Cow::Owned(text),
        }
    }

    /// Same as [`Self::bytes`], for a string.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// How many bytes after a cut must be known: see [`Self::cut`].
    pub fn hold(&self) -> usize {
        self.longest.max(URL_HOLD)
    }

    /// The place closest to `wanted`, at or after it, where a text may be cut without splitting a
    /// secret. The text must continue for [`Self::hold`] bytes after `wanted`.
    pub fn cut(&self, text: &[u8], wanted: usize) -> usize {
        let secrets = self.finder.iter().flat_map(|finder| finder.find_iter(text));
        let secrets = secrets.map(|found| found.range());
        let urls = password().find_iter(text).map(|found| found.range());
        let mut cut = wanted;
        // Sorted, so that a span that overlaps a moved cut is checked after the move.
        let mut spans: Vec<_> = secrets.chain(urls).collect();
        spans.sort_by_key(|span| span.start);
        for span in spans {
            if span.start < cut && cut < span.end {
                cut = span.end;
            }
        }
        cut
    }

    /// The failure with its texts redacted.
    pub fn failure(&self, failure: Failure) -> Failure {
        Failure {
            message: self.text(&failure.message),
            log_tail: self.text(&failure.log_tail),
            instruction: failure.instruction.map(|text| self.text(&text)),
            ..failure
        }
    }
}

fn password() -> &'static Regex {
    static PASSWORD: LazyLock<Regex> = LazyLock::new(|| {
        let user_and_password = r#"(?-u)://[^\s/?\#:@"'<>]*:[^\s/?\#"'<>]*@"#;
        Regex::new(user_and_password).expect("the pattern is fixed")
    });
    &PASSWORD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(values: &[&str]) -> Redactor {
        Redactor::of(values.iter().flat_map(|value| search_terms(value.as_bytes())).collect())
    }

    #[test]
    fn secrets_and_passwords_are_blotted_out() {
        let redactor = redactor(&["geheim", "geheimnis", "kurz", "first line\nab\nsecond line\n"]);
        for (text, expected) in [
            ("a geheim b", "a *** b"),
            ("geheimnisvoll", "***voll"),
            ("kurz", "kurz"),
            ("x second line y ab", "x *** y ab"),
            ("git clone https://me:pass@word@host/a", "git clone https://***@host/a"),
            ("ssh://git@host:22/a, mail a@b", "ssh://git@host:22/a, mail a@b"),
            ("http://host:80/a@b", "http://host:80/a@b"),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
    }

    #[test]
    fn nothing_is_told_where_secrets_cannot_be_found() {
        let values: BTreeSet<_> = [b"geheim".to_vec()].into();
        let redactor = Redactor { values, finder: None, longest: 6 };
        assert_eq!(redactor.text("a geheim b"), OMITTED);
        assert_eq!(Redactor::of(BTreeSet::new()).text("no secret is known"), "no secret is known");
    }

    #[test]
    fn no_secret_falls_apart_at_a_cut() {
        let redactor = redactor(&["geheimnis"]);
        let text = format!("{}geheimnis{}", "a".repeat(100), "b".repeat(4000));
        for wanted in 1..200 {
            let cut = redactor.cut(text.as_bytes(), wanted);
            let (one, two) = text.split_at(cut);
            let both = redactor.text(one) + &redactor.text(two);
            assert_eq!(both, redactor.text(&text), "cut at {wanted}");
        }
    }

    #[test]
    fn what_was_learnt_is_known() {
        let config = r#"{"auths": {"a": {"auth": "cm9ib3Q6YWJyYWNhZGFicmE="},
            "b": {"username": "robot", "password": "shazam!"}}}"#;
        let value = |value: &str| k8s_openapi::ByteString(value.as_bytes().to_vec());
        let data = [("token", "hunter2hunter2\n"), (".dockerconfigjson", config)];
        let data = data.map(|(key, text)| (key.to_owned(), value(text)));
        learn(&Secret { data: Some(data.into()), ..Secret::default() });
        for said in [
            "hunter2hunter2",
            "abracadabra",
            "cm9ib3Q6YWJyYWNhZGFicmE=",
            "shazam!",
            "cm9ib3Q6c2hhemFtIQ==",
        ] {
            assert_eq!(known().text(said), "***", "{said}");
        }
    }
}
