//! The template language, as Kilnworks sets it: minijinja, where an unknown name is a fault and
//! nothing is escaped. Shell and Dockerfile text that is no `{{ }}`, `{% %}` or `{# #}` stays as it
//! is.

use std::io;

use kilnworks_workflows::{bounds, failure::FailureType};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig,
};

use crate::error::fail;

/// How much a template may compute: some ten thousand turns of a loop. A spec is anybody's.
const FUEL: u64 = 1_000_000;

/// An environment with the rules of Kilnworks and no templates.
pub(super) fn environment<'a>() -> Environment<'a> {
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

/// Renders a text. `name` is what a fault calls it.
pub(super) fn render(
    env: &Environment<'_>,
    name: &str,
    text: &str,
    values: &Value,
) -> anyhow::Result<String> {
    let mut written = Bounded(Vec::new());
    let rendered = env
        .template_from_named_str(name, text)
        .and_then(|template| template.render_captured_to(values.clone(), &mut written).map(drop));
    rendered
        .map_err(|error| fail(FailureType::InvalidTemplate, explain(name, text, &error, values)))?;
    String::from_utf8(written.0).map_err(|_| {
        fail(FailureType::InvalidTemplate, format!("{name}: renders to a text that is not UTF-8"))
    })
}

/// Holds no more than a Dockerfile may have.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > bounds::DOCKERFILE_BYTES {
            return Err(io::Error::other(too_large()));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The fault of a Dockerfile that is too large.
pub(super) fn too_large() -> String {
    format!(
        "more than {} KiB, which is what a Dockerfile and its ignore file may have together",
        bounds::DOCKERFILE_BYTES / 1024
    )
}

fn explain(name: &str, text: &str, error: &Error, values: &Value) -> String {
    let file = error.name().unwrap_or(name);
    let line = error.line().map(|line| format!(" line {line}")).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::UndefinedError => undefined(file == name, text, error, values),
        ErrorKind::WriteFailure => too_large(),
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
    let named = match (error.detail(), source) {
        (Some(detail), _) => detail.to_owned(),
        (None, Some(source)) => format!("`{source}` is undefined"),
        (None, None) => "a name is undefined".to_owned(),
    };
    let known: Vec<_> =
        values.try_iter().into_iter().flatten().map(|key| format!("`{key}`")).collect();
    format!("{named}; defined are {}", known.join(", "))
}
