//! What must not be read in anything that a build says: the values that this worker read as
//! secrets, and `user:password@` in an URL. Each becomes `***`.
//!
//! The values are known to the whole process, as a build may print what another step read. What a
//! Pod can read is learnt before the first line of its log is.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, LazyLock, RwLock},
};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kilnworks_workflows::failure::Failure;
use kube::Api;
use regex::bytes::Regex;
use serde_json::Value;

use crate::{
    cluster::{Cluster, unavailable},
    seen::SeenPod,
};

/// What stands in place of a secret.
const BLOT: &[u8] = b"***";

/// What stands in place of all that is said, where its secrets cannot be found.
const ALL: &str = "(left out, as the secrets in it cannot be found)";

/// Shorter values are left alone: they would blot out half of what is said.
const SHORTEST: usize = 6;

/// The same for a single line of a value of several.
const SHORTEST_LINE: usize = 8;

/// How much of a text is looked at beyond its end, for a password in an URL.
const URL_HOLD: usize = 2048;

static KNOWN: LazyLock<RwLock<Arc<Redactor>>> = LazyLock::new(|| {
    // The store's credentials come from the environment.
    let own = std::env::var("AWS_SECRET_ACCESS_KEY").unwrap_or_default();
    RwLock::new(Arc::new(Redactor::of(worth(own.as_bytes()))))
});

/// The secrets that this process knows now.
pub fn known() -> Arc<Redactor> {
    KNOWN.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
}

/// Keys of Secrets that hold what is no secret, and would blot out common words.
const OPEN: [&str; 4] = ["username", "AWS_ACCESS_KEY_ID", "known_hosts", "ca.crt"];

/// Remembers every value of a Secret for as long as the process lives; of a Docker configuration
/// the passwords in it, too, in both their forms.
pub fn learn(secret: &Secret) {
    let values = secret.data.iter().flatten().filter(|(key, _)| !OPEN.contains(&key.as_str()));
    let values = values.map(|(_, value)| value.0.as_slice());
    let logins = values.clone().flat_map(logins);
    remember(
        values.flat_map(worth).chain(logins.flat_map(|text| worth(text.as_bytes()))).collect(),
    );
}

/// Remembers every Secret that a Pod can read, as a `RUN` may print what it reads.
pub async fn learn_of(cluster: &Cluster, pod: &SeenPod) -> anyhow::Result<()> {
    let api = Api::<Secret>::namespaced(cluster.client.clone(), &cluster.site.settings.namespace);
    for secret in join_all(pod.secrets.iter().map(|name| api.get_opt(name))).await {
        match secret {
            Ok(secret) => secret.iter().for_each(learn),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                tracing::warn!("cannot blot out a Secret of a Pod: {}", status.message);
            }
            Err(error) => return Err(unavailable("read a Secret of the Pod", &error)),
        }
    }
    Ok(())
}

/// The passwords of a Docker configuration, and what they are in it: base64 of `user:password`.
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

/// What of a value is looked for: itself without the white space around it, and its longer lines,
/// since a log has it line by line.
fn worth(value: &[u8]) -> BTreeSet<Vec<u8>> {
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

/// Blots out a fixed set of values.
pub struct Redactor {
    values: BTreeSet<Vec<u8>>,
    /// None where there are no values, or where they are too large for an automaton.
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

    /// A text without its secrets.
    pub fn bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut text = Cow::Borrowed(text);
        if self.finder.is_none() && !self.values.is_empty() {
            return Cow::Borrowed(ALL.as_bytes());
        }
        if self.finder.as_ref().is_some_and(|finder| finder.is_match(&*text)) {
            let finder = self.finder.as_ref().expect("it matched");
            text = Cow::Owned(finder.replace_all_bytes(&text, &vec![BLOT; self.values.len()]));
        }
        match password().replace_all(&text, b"://***@".as_slice()) {
            Cow::Borrowed(_) => text,
            Cow::Owned(text) => Cow::Owned(text),
        }
    }

    /// The same of a text.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// How many bytes must be known beyond a place before a text may be cut there.
    pub fn hold(&self) -> usize {
        self.longest.max(URL_HOLD)
    }

    /// Where a text may be cut, at `wanted` or close to it, so that no secret falls apart. What
    /// follows `wanted` must be known for [`Self::hold`] bytes.
    pub fn cut(&self, text: &[u8], wanted: usize) -> usize {
        let secrets = self.finder.iter().flat_map(|finder| finder.find_iter(text));
        let secrets = secrets.map(|found| found.range());
        let urls = password().find_iter(text).map(|found| found.range());
        let mut cut = wanted;
        // Sorted, so that a cut that was moved forward is seen by what overlaps it.
        let mut spans: Vec<_> = secrets.chain(urls).collect();
        spans.sort_by_key(|span| span.start);
        for span in spans {
            if span.start < cut && cut < span.end {
                cut = span.end;
            }
        }
        cut
    }

    /// A failure as it may be told.
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
        Redactor::of(values.iter().flat_map(|value| worth(value.as_bytes())).collect())
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
        assert_eq!(redactor.text("a geheim b"), ALL);
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
