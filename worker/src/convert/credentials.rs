//! Credentials of a build file. The spec never contains credentials, only names of Secrets. The printed
//! commands create the Secrets from variables of the shell.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;
use url::Url;

use super::{
    reading::{self, Reading},
    values,
};

/// The Secrets of a spec, and the texts that it must not contain.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    tokens: BTreeSet<String>,
    git: Vec<GitSecret>,
    /// Secrets with which images are pushed, each with its registries.
    push: Vec<(String, BTreeSet<String>)>,
}

#[derive(Debug)]
struct GitSecret {
    name: String,
    host: String,
    /// Account and token as written in the file: the name of a value, or the credential itself.
    given: [Option<String>; 2],
}

impl Credentials {
    /// The credentials of a file. Tokens are collected first, because other fields may repeat them.
    pub(super) fn of(documents: &[Value], reading: &Reading) -> Self {
        let mut tokens = BTreeSet::new();
        documents.iter().for_each(|document| find_tokens(document, reading, &mut tokens));
        Self { tokens, ..Self::default() }
    }

    /// Whether a text contains a token.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.tokens.iter().any(|token| text.contains(token))
    }

    /// Redacts tokens in a text. Messages about invalid values repeat the values.
    pub(super) fn redact(&self, text: &str) -> String {
        self.tokens.iter().fold(text.to_owned(), |text, token| text.replace(token, "…"))
    }

    /// The URL of a repository and its Secret. There is no Secret without credentials or for an ssh
    /// URL. Containers with equal credentials share a Secret.
    pub(super) fn of_git(
        &mut self,
        reading: &mut Reading,
        path: &str,
        url: &str,
        given: [Option<String>; 2],
    ) -> (String, Option<String>) {
        let given = given.map(|text| text.filter(|text| !is_known_to_be_empty(reading, text)));
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
        let Some(mut parsed) = Url::parse(url).ok().filter(is_web) else {
            if given.iter().any(Option::is_some) {
                let why = "ssh uses a key; set its Secret in `source.git.secret` of the spec";
                reading.left_out(path, &format!("its `ciAccount` and `ciToken`: {why}"));
            }
            return (url.to_owned(), None);
        };
        let in_url = !parsed.username().is_empty() || parsed.password().is_some();
        let given = match in_url {
            true => [Some(parsed.username().to_owned()), parsed.password().map(str::to_owned)],
            false => given,
        };
        if given.iter().all(Option::is_none) {
            return (url.to_owned(), None);
        }
        let host = host(&parsed);
        let url = match in_url {
            false => url.to_owned(),
            true => {
                reading.left_out(path, "the credentials in the URL; they belong into a Secret");
                // Neither call fails for a URL with a host.
                let _ = parsed.set_username("");
                let _ = parsed.set_password(None);
                parsed.to_string()
            }
        };
        (url, Some(self.git_secret(reading, path, host, given)))
    }

    fn git_secret(
        &mut self,
        reading: &mut Reading,
        path: &str,
        host: String,
        given: [Option<String>; 2],
    ) -> String {
        let same = |one: &&GitSecret| one.host == host && one.given == given;
        if let Some(known) = self.git.iter().find(same) {
            return known.name.clone();
        }
        self.note_unknown(reading, path, &given);
        let name = match self.git.iter().filter(|one| one.host == host).count() {
            0 => secret_name(&host),
            others => format!("{}-{}", secret_name(&host), others + 1),
        };
        self.git.push(GitSecret { name: name.clone(), host, given });
        name
    }

    /// Notes that the Secret may be unnecessary, if the values of the credentials are unknown.
    fn note_unknown(&self, reading: &mut Reading, path: &str, given: &[Option<String>; 2]) {
        let mut unknown = Vec::new();
        for text in given.iter().flatten() {
            reading.values().fill(text, |name| unknown.push(format!("`{name}=`")));
        }
        if !unknown.is_empty() {
            let what = format!(
                "the spec uses a Secret; if the repository is public, set the values {}",
                unknown.join(" and ")
            );
            reading.note(path, &what);
        }
    }

    /// Adds a push Secret of a registry.
    pub(super) fn add_push(&mut self, name: &str, registry: &str) {
        let host = registry.split('/').next().unwrap_or_default().to_owned();
        match self.push.iter_mut().find(|(known, _)| known == name) {
            Some((_, hosts)) => {
                hosts.insert(host);
            }
            None => self.push.push((name.to_owned(), BTreeSet::from([host]))),
        }
    }

    /// The commands that create and annotate every Secret.
    pub(super) fn commands(&self, namespace: &str) -> String {
        let mut text = String::new();
        for GitSecret { name, host, given } in &self.git {
            let [account, token] = given;
            let account = variable(account.as_deref(), "CI_ACCOUNT");
            let token = variable(token.as_deref(), "CI_TOKEN");
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "kubectl create secret generic {name} --namespace {namespace} \\\n  \
                 --type kubernetes.io/basic-auth \\\n  \
                 --from-literal=username=\"${account}\" --from-literal=password=\"${token}\"\n\
                 kubectl annotate secret {name} --namespace {namespace} kiln.io/hosts={host}\n"
            );
        }
        for (name, hosts) in &self.push {
            let hosts = hosts.iter().map(String::as_str).collect::<Vec<_>>().join(",");
            let _ = writeln!(
                text,
                "kubectl annotate secret {name} --namespace {namespace} kiln.io/hosts={hosts}"
            );
        }
        text
    }
}

/// The shell variable of a credential: the name from the file, if there is one.
fn variable<'a>(given: Option<&'a str>, otherwise: &'a str) -> &'a str {
    given.and_then(values::only_name).unwrap_or(otherwise)
}

/// Whether a text is empty with all values filled in. Public repositories often have empty values.
fn is_known_to_be_empty(reading: &Reading, marked: &str) -> bool {
    let mut all_known = true;
    let filled = reading.values().fill(marked, |_| all_known = false);
    all_known && filled.is_empty()
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
}

/// The name of the Secret of a host. Names of Kubernetes objects cannot contain `:` or brackets.
fn secret_name(host: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let name: String = host.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_matches(['-', '.']);
    if name.starts_with("git") { name.to_owned() } else { format!("git-{name}") }
}

/// Minimum length of a token. A shorter text would match unrelated values.
const SHORTEST_TOKEN: usize = 6;

fn find_tokens(value: &Value, reading: &Reading, tokens: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let text = reading::scalar(value).filter(|_| name == "ciToken");
                let token = text.map(|text| reading.values().fill(&text, |_| ()));
                tokens.extend(token.filter(|token| token.len() >= SHORTEST_TOKEN));
                find_tokens(value, reading, tokens);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_tokens(item, reading, tokens)),
        Value::String(text) => {
            let filled = reading.values().fill(text, |_| ());
            let password =
                Url::parse(&filled).ok().and_then(|url| url.password().map(str::to_owned));
            tokens.extend(password.filter(|token| token.len() >= SHORTEST_TOKEN));
        }
        _ => {}
    }
}
