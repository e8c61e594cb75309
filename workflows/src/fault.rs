//! Faults of a document: all of them, each with its place.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Fault {
    /// Where, as `components[1].containers[0].contextDir`.
    pub path: String,
    /// What was found and what is accepted, in one sentence.
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

/// Fields have short names; a key or an unknown field may have any.
const LONGEST_PATH: usize = 160;

/// How the message of a fault begins that is about something left out.
pub const MISSING: &str = "missing";

/// The faults found so far, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Notes one more.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault { path: path.into(), message: message.into() });
    }

    /// Notes what a check found, if anything.
    pub fn check(&mut self, path: &str, result: Result<(), String>) {
        if let Err(message) = result {
            self.add(path, message);
        }
    }

    /// Adds what a later look found. It saw the document with its wrong places mended, so what it
    /// says of such a place, or of one in it, is due to that: then it is not told. Neither is what
    /// it misses where the defaults were such a place.
    pub fn extend(&mut self, later: Self) {
        let mended: BTreeSet<&str> = self.0.iter().map(|fault| fault.path.as_str()).collect();
        let is_due = |fault: &Fault| {
            let missing = fault.message.starts_with(MISSING) && mended.contains("defaults");
            missing || enclosing(&fault.path).any(|path| mended.contains(path))
        };
        let told: Vec<_> = later.0.into_iter().filter(|fault| !is_due(fault)).collect();
        self.0.extend(told);
    }

    /// The value where nothing is wrong, otherwise every fault.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// A place and those around it, up to the document.
fn enclosing(path: &str) -> impl Iterator<Item = &str> {
    let outer = path.rmatch_indices(['.', '[']).map(|(end, _)| &path[..end]);
    std::iter::once(path).chain(outer)
}

/// How many faults a message spells out. The rest is counted, so that the message stays readable
/// and far below the engine's limit for a payload.
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

/// A value of a user, cut to what a message can bear.
pub fn quoted(value: &str) -> String {
    format!("`{}`", cut(value, 80))
}

/// The first characters of a text, the cut marked.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
