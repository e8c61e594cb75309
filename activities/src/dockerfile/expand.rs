//! Quotes, escapes and variables in a word, by the rules of BuildKit's shell lexer.
//!
//! Patterns (`${name#…}`, `${name%…}`, `${name/…}`) are not supported: a word with a pattern is
//! faulty here.

use std::{collections::BTreeMap, iter::Peekable, str::Chars};

/// A word without quotes and escapes, with its variables expanded. An unknown variable is empty.
/// None if the word is faulty.
pub(crate) fn expand(word: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    Lexer { rest: word.chars().peekable(), variables }.until(None)
}

/// The escape character in words. Kaniko ignores the directive `escape` here.
pub(super) const ESCAPE: char = '\\';

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    variables: &'a BTreeMap<String, String>,
}

impl Lexer<'_> {
    /// Everything up to a character, or to the end.
    fn until(&mut self, stop: Option<char>) -> Option<String> {
        let mut text = String::new();
        while let Some(&next) = self.rest.peek() {
            if Some(next) == stop {
                self.rest.next();
                return Some(text);
            }
            match next {
                '\'' => text += &self.single()?,
                '"' => text += &self.double()?,
                '$' => text += &self.variable()?,
                ESCAPE => {
                    self.rest.next();
                    text.extend(self.rest.next());
                }
                _ => text.extend(self.rest.next()),
            }
        }
        stop.is_none().then_some(text)
    }

    fn single(&mut self) -> Option<String> {
        let quote = self.rest.next()?;
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                end if end == quote => return Some(text),
                c => text.push(c),
            }
        }
    }

    fn double(&mut self) -> Option<String> {
        self.rest.next();
        let mut text = String::new();
        loop {
            match *self.rest.peek()? {
                '"' => break,
                '$' => text += &self.variable()?,
                ESCAPE => {
                    self.rest.next();
                    match *self.rest.peek()? {
                        '"' | '$' | ESCAPE => text.extend(self.rest.next()),
                        _ => text.push(ESCAPE),
                    }
                }
                _ => text.extend(self.rest.next()),
            }
        }
        self.rest.next();
        Some(text)
    }

    fn variable(&mut self) -> Option<String> {
        self.rest.next();
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Some(match name.is_empty() {
                true => "$".to_owned(),
                false => self.variables.get(&name).cloned().unwrap_or_default(),
            });
        }
        if matches!(self.rest.peek()?, '{' | '}' | ':') {
            return None;
        }
        let name = self.name();
        let value = self.variables.get(&name).cloned();
        if self.rest.next_if_eq(&'}').is_some() {
            return Some(value.unwrap_or_default());
        }
        let colon = self.rest.next_if_eq(&':').is_some();
        let operator = self.rest.next()?;
        let word = self.until(Some('}'))?;
        let value = value.filter(|value| !(colon && value.is_empty()));
        match operator {
            '-' => Some(value.unwrap_or(word)),
            '+' => Some(value.map(|_| word).unwrap_or_default()),
            '?' => value,
            _ => None,
        }
    }

    /// A name, a number, or a special variable of the shell.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let Some(&first) = self.rest.peek() else { return name };
        if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!' | '0') {
            return self.rest.next().into_iter().collect();
        }
        let is_number = first.is_numeric();
        let is_part = |c: &char| match is_number {
            true => c.is_numeric(),
            false => c.is_alphanumeric() || *c == '_',
        };
        while let Some(c) = self.rest.next_if(is_part) {
            name.push(c);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_as_buildkit_does() {
        let variables = [("A", "a"), ("EMPTY", ""), ("A_1", "b")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for (word, expected) in [
            ("x$A-y", Some("xa-y")),
            ("$A_1${A}", Some("ba")),
            ("$NONE.", Some(".")),
            ("${NONE:-d}${EMPTY:-e}${EMPTY-f}${NONE-g}${A:-h}", Some("dega")),
            ("${A:+x}${EMPTY:+y}${EMPTY+z}${NONE+w}", Some("xz")),
            ("${NONE:-${A}-$A_1}", Some("a-b")),
            ("\"$A'\"'$A'", Some("a'$A")),
            ("\\$A \\\\ \"\\$A\\b\"", Some("$A \\ $A\\b")),
            ("${A?told}${A:?told}", Some("aa")),
            ("${NONE?told}", None),
            ("${EMPTY:?told}", None),
            ("${A", None),
            ("${}", None),
            ("${A#a}", None),
            ("'a", None),
            ("\"a", None),
            ("a$", Some("a$")),
            ("$1x$@", Some("x")),
        ] {
            assert_eq!(expand(word, &variables).as_deref(), expected, "{word}");
        }
    }
}
