//! Quotes, escapes and variables in a word, by the rules of BuildKit's shell lexer.
//!
//! Patterns (`${name#…}`, `${name%…}`, `${name/…}`) are not supported: a word with a pattern is
//! faulty here.

use std::{collections::BTreeMap, iter::Peekable, str::Chars};

/// A word without quotes and escapes, with its variables expanded. An unknown variable is empty.
/// None if the word is faulty.
pub(crate) fn expand(word: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let text = Lexer { rest: word.chars().peekable(), variables: Some(variables) }.until(None)?;
    Some(text.into_iter().map(|(c, _)| c).collect())
}

/// The words of a text, with quotes, escapes and variables unchanged.
pub(super) fn raw_words(text: &str) -> Option<Vec<String>> {
    Lexer { rest: text.chars().peekable(), variables: None }.until(None).map(split)
}

/// The words of a text, without quotes and escapes.
pub(super) fn bare_words(text: &str) -> Option<Vec<String>> {
    let none = BTreeMap::new();
    Lexer { rest: text.chars().peekable(), variables: Some(&none) }.until(None).map(split)
}

/// Characters, each with whether it may separate words if it is white space.
type Text = Vec<(char, bool)>;

fn split(text: Text) -> Vec<String> {
    let words = text.split(|(c, parts)| *parts && c.is_whitespace());
    let words = words.map(|word| word.iter().map(|(c, _)| c).collect::<String>());
    words.filter(|word| !word.is_empty()).collect()
}

/// The escape character in words. Kaniko ignores the directive `escape` here.
const ESCAPE: char = '\\';

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    /// None if variables stay unchanged.
    variables: Option<&'a BTreeMap<String, String>>,
}

impl Lexer<'_> {
    fn is_raw(&self) -> bool {
        self.variables.is_none()
    }

    /// Everything up to a character, or to the end.
    fn until(&mut self, stop: Option<char>) -> Option<Text> {
        let mut text = Text::new();
        let add =
            |text: &mut Text, more: String, parts| text.extend(more.chars().map(|c| (c, parts)));
        while let Some(&next) = self.rest.peek() {
            if Some(next) == stop {
                self.rest.next();
                return Some(text);
            }
            match next {
                '\'' => add(&mut text, self.single()?, false),
                '"' => add(&mut text, self.double()?, false),
                '$' => add(&mut text, self.variable()?, true),
                '<' => add(&mut text, self.less(), false),
                ESCAPE => add(&mut text, self.escaped(), false),
                _ => text.extend(self.rest.next().map(|c| (c, true))),
            }
        }
        stop.is_none().then_some(text)
    }

    fn single(&mut self) -> Option<String> {
        let quote = self.rest.next()?;
        let mut text = String::new();
        while self.rest.peek()? != &quote {
            text.extend(self.rest.next());
        }
        self.rest.next();
        Some(if self.is_raw() { format!("'{text}'") } else { text })
    }

    fn double(&mut self) -> Option<String> {
        let quote = self.rest.next()?;
        let mut text = String::new();
        loop {
            match *self.rest.peek()? {
                '"' => break,
                '$' => text += &self.variable()?,
                ESCAPE => {
                    self.rest.next();
                    let is_special = matches!(*self.rest.peek()?, '"' | '$' | ESCAPE);
                    if self.is_raw() || !is_special {
                        text.push(ESCAPE);
                    }
                    if is_special {
                        text.extend(self.rest.next());
                    }
                }
                _ => text.extend(self.rest.next()),
            }
        }
        self.rest.next();
        Some(if self.is_raw() { format!("{quote}{text}{quote}") } else { text })
    }

    fn escaped(&mut self) -> String {
        let escape = self.rest.next().filter(|_| self.is_raw());
        escape.into_iter().chain(self.rest.next()).collect()
    }

    /// `<`, or `<<` with the white space before its word.
    fn less(&mut self) -> String {
        let mut text: String = self.rest.next().into_iter().collect();
        if let Some(second) = self.rest.next_if_eq(&'<') {
            text.push(second);
            while let Some(space) = self.rest.next_if(|c| c.is_whitespace()) {
                text.push(space);
            }
        }
        text
    }

    fn variable(&mut self) -> Option<String> {
        self.rest.next();
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Some(match self.variables {
                _ if name.is_empty() => "$".to_owned(),
                None => format!("${name}"),
                Some(variables) => variables.get(&name).cloned().unwrap_or_default(),
            });
        }
        if matches!(self.rest.peek()?, '{' | '}' | ':') {
            return None;
        }
        let name = self.name();
        if self.rest.next_if_eq(&'}').is_some() {
            return Some(match self.variables {
                None => format!("${{{name}}}"),
                Some(variables) => variables.get(&name).cloned().unwrap_or_default(),
            });
        }
        let colon = self.rest.next_if_eq(&':').is_some();
        let operator = self.rest.next()?;
        let word: String = self.until(Some('}'))?.into_iter().map(|(c, _)| c).collect();
        let Some(variables) = self.variables else {
            let colon = if colon { ":" } else { "" };
            let is_known = matches!(operator, '-' | '+' | '?' | '#' | '%' | '/');
            return is_known.then(|| format!("${{{name}{colon}{operator}{word}}}"));
        };
        let value = variables.get(&name).filter(|value| !(colon && value.is_empty()));
        match operator {
            '-' => Some(value.cloned().unwrap_or(word)),
            '+' => Some(value.map(|_| word).unwrap_or_default()),
            '?' => value.cloned(),
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
