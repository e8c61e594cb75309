//! The faults of a document, each with its place.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// One fault of a document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Fault {
    /// Where, as `components[1].containers[0].contextDir`.
    pub path: String,
    /// The found and the accepted value, in one sentence.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}", self.message),
            path => write!(f, "{}: {}", cut(path, LONGEST_PATH), self.message),
        }
    }
}

/// Longest path in a message. Unknown fields and keys can have any length.
const LONGEST_PATH: usize = 160;

/// Begins the message of a fault about a missing field.
pub const MISSING: &str = "missing";

/// The faults found so far, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault { path: path.into(), message: message.into() });
    }

    /// Adds the fault of a check.
    pub fn check(&mut self, path: &str, result: Result<(), String>) {
        if let Err(message) = result {
            self.add(path, message);
        }
    }

    /// Adds the faults of a later pass, which saw stand-ins at the places of the earlier faults. Faults
    /// at or below these places are left out, and missing fields if the defaults are such a place.
    pub fn extend(&mut self, later: Self) {
        let mended: BTreeSet<&str> = self.0.iter().map(|fault| fault.path.as_str()).collect();
        let is_due = |fault: &Fault| {
            let missing = fault.message.starts_with(MISSING) && mended.contains("defaults");
            missing || enclosing(&fault.path).any(|path| mended.contains(path))
        };
        let told: Vec<_> = later.0.into_iter().filter(|fault| !is_due(fault)).collect();
        self.0.extend(told);
    }

    /// The value if there is no fault, otherwise every fault.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// A place and those around it, up to the document.
fn enclosing(path: &str) -> impl Iterator<Item = &str> {
    let outer = path.rmatch_indices(['.', '[']).map(|(end, _)| &path[..end]);
    std::iter::once(path).chain(outer)
}

/// How many faults a message spells out. The rest is counted.
const SPELLED_OUT: usize = 50;

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} fault{} in the spec", if count == 1 { "" } else { "s" })?;
        for fault in self.0.iter().take(SPELLED_OUT) {
            write!(f, "\n  {fault}")?;
        }
        if count > SPELLED_OUT {
            write!(f, "\n  and {} more", count - SPELLED_OUT)?;
        }
        Ok(())
    }
}

/// A user's value for a message, cut to 80 characters.
pub fn quoted(value: &str) -> String {
    format!("`{}`", cut(value, 80))
}

/// The first ten names of a list, and how many more there are.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>, between: &str) -> String {
    const NAMED: usize = 10;
    let names: Vec<_> = names.map(quoted).collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=NAMED => names.join(between),
        all => format!("{}{between}… ({} more)", names[..NAMED].join(between), all - NAMED),
    }
}

/// The first characters of a text, the cut marked.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
