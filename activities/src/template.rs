//! The template language: minijinja without escaping, where an undefined name is an error. Text
//! outside `{{ }}`, `{% %}` and `{# #}` stays as it is.

use std::{collections::BTreeMap, io};

use kilnworks_workflows::{bounds, failure::FailureType};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig,
};

use crate::error::fail;

/// How much a template may compute: some ten thousand iterations of a loop. Anybody may write a spec.
const FUEL: u64 = 1_000_000;

/// The largest text that a template may render to.
pub(crate) struct Limit {
    /// Bytes.
    pub(crate) bytes: usize,
    /// What the bound belongs to, for an error: `the most that a Dockerfile may have`.
    pub(crate) what: &'static str,
}

impl Limit {
    /// The error of a text that is too large.
    pub(crate) fn fault(&self) -> String {
        format!("more than {} KiB, which is {}", self.bytes / 1024, self.what)
    }
}

/// The limit of a Dockerfile and of a text of a spec. A Dockerfile and its ignore file are annotations
/// of the Pod.
pub(crate) const OF_DOCKERFILE: Limit = Limit {
    bytes: bounds::DOCKERFILE_BYTES,
    what: "what a Dockerfile and its ignore file may have together",
};

/// An environment with the settings of Kilnworks and no templates.
pub(crate) fn environment<'a>() -> Environment<'a> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    if let Ok(syntax) = syntax.build() {
        env.set_syntax(syntax);
    }
    env.set_fuel(Some(FUEL));
    env
}

/// Renders a text up to a limit. Errors call the text `name`.
pub(crate) fn render_within(
    limit: &Limit,
    env: &Environment<'_>,
    name: &str,
    text: &str,
    values: &Value,
) -> anyhow::Result<String> {
    let mut written = Bounded { limit, bytes: Vec::new() };
    let rendered = env
        .template_from_named_str(name, text)
        .and_then(|template| template.render_captured_to(values.clone(), &mut written).map(drop));
    rendered.map_err(|error| {
        fail(FailureType::InvalidTemplate, explain(limit, name, text, &error, values))
    })?;
    String::from_utf8(written.bytes).map_err(|_| {
        fail(FailureType::InvalidTemplate, format!("{name}: renders to a text that is not UTF-8"))
    })
}

/// Fails at the first write beyond the limit.
struct Bounded<'a> {
    limit: &'a Limit,
    bytes: Vec<u8>,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit.bytes {
            return Err(io::Error::other(self.limit.fault()));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn explain(limit: &Limit, name: &str, text: &str, error: &Error, values: &Value) -> String {
    let file = error.name().unwrap_or(name);
    let line = error.line().map(|line| format!(" line {line}")).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::UndefinedError => undefined(file == name, text, error, values),
        ErrorKind::WriteFailure => limit.fault(),
        ErrorKind::OutOfFuel => "the template computes for too long".to_owned(),
        _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
    };
    let comment = match what.contains("end of comment") {
        true => {
            "; `{#` begins a comment: put shell text such as `${#name}` between `{% raw %}` and `{% endraw %}`"
        }
        false => "",
    };
    format!("{file}{line}: {what}{comment}")
}

fn undefined(is_ours: bool, text: &str, error: &Error, values: &Value) -> String {
    let source = error.range().filter(|_| is_ours).and_then(|range| text.get(range));
    let quoted = error.detail().and_then(|detail| detail.split('`').nth(1));
    if let Some(fault) = quoted.or(source).and_then(|path| inside(path, values)) {
        return fault;
    }
    let named = match (error.detail(), source) {
        (Some(detail), _) => detail.to_owned(),
        (None, Some(source)) => format!("`{source}` is undefined"),
        (None, None) => "a name is undefined".to_owned(),
    };
    format!("{named}; defined are {}", known("", values))
}

/// Explains an undefined name in `a.b.c` where `a` is defined: names the first undefined part, and
/// the names that are defined beside it.
fn inside(path: &str, values: &Value) -> Option<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let mut parts = path.split('.');
    let mut path = parts.next().filter(|_| path.chars().all(is_path))?.to_owned();
    let mut at = values.get_attr(&path).ok().filter(|value| !value.is_undefined())?;
    for part in parts {
        let next = at.get_attr(part).unwrap_or_default();
        if next.is_undefined() {
            let known = known(&format!("{path}."), &at);
            return Some(format!("`{path}.{part}` is undefined; defined are {known}"));
        }
        path = format!("{path}.{part}");
        at = next;
    }
    None
}

/// The names in a map.
fn known(before: &str, values: &Value) -> String {
    let names = values.try_iter().into_iter().flatten().map(|key| key.to_string());
    // A template can use a name with `-` only in its form with `_`.
    let is_other = |name: &String| {
        let other = name.replace('-', "_");
        other != *name && values.get_attr(&other).is_ok_and(|value| !value.is_undefined())
    };
    let names: Vec<_> =
        names.filter(|name| !is_other(name)).map(|name| format!("`{before}{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Adds each name that contains `-` a second time with `_`, because a template reads `a-b` as a
/// difference. Names contain no `_` themselves, so no two names become the same.
pub(crate) fn with_underscores(mut named: BTreeMap<String, Value>) -> Value {
    let more: Vec<_> = named
        .iter()
        .filter(|(name, _)| name.contains('-'))
        .map(|(name, value)| (name.replace('-', "_"), value.clone()))
        .collect();
    named.extend(more);
    named.into()
}
