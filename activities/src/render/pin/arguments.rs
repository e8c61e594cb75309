//! The arguments that `FROM` may use.

use std::collections::BTreeMap;

use crate::dockerfile::{expand::expand, words};

/// The variables of `FROM`: the `ARG`s before the first `FROM`, and the build args.
///
/// Kaniko's rules: a default may use earlier `ARG`s and every build arg. A build arg overrides a
/// default unless it is empty, ends at its first `=`, and needs no `ARG`.
pub(super) struct Arguments<'a> {
    defaults: BTreeMap<String, String>,
    build: &'a BTreeMap<String, String>,
}

impl<'a> Arguments<'a> {
    /// Only the build args.
    pub(super) fn new(build: &'a BTreeMap<String, String>) -> Self {
        Self { defaults: BTreeMap::new(), build }
    }

    /// Adds what an `ARG` declares. None if it is faulty.
    pub(super) fn declare(&mut self, text: &str, escape: char) -> Option<()> {
        for word in words::words(text, escape) {
            let Some((name, default)) = word.split_once('=') else { continue };
            let mut known = self.defaults.clone();
            known.extend(self.build.iter().map(|(name, value)| (name.clone(), value.clone())));
            let default = expand(unquoted(default)?, &known)?;
            self.defaults.insert(name.to_owned(), default);
        }
        Some(())
    }

    /// The variables.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.defaults.clone();
        for (name, value) in self.build {
            let value = value.split('=').next().unwrap_or_default();
            if !value.is_empty() {
                variables.insert(name.clone(), value.to_owned());
            }
        }
        variables
    }
}

/// A value without the quotes around it. None if one of them is missing.
fn unquoted(value: &str) -> Option<&str> {
    let is_quote = |c: char| c == '"' || c == '\'';
    if value.len() < 2 || value.starts_with(r#"\""#) || value.starts_with(r"\'") {
        return Some(value);
    }
    let begin = value.chars().next().filter(|c| is_quote(*c));
    let end = value.chars().last().filter(|c| is_quote(*c));
    match (begin, end) {
        (None, None) => Some(value),
        _ if begin == end => Some(&value[1..value.len() - 1]),
        _ => None,
    }
}
