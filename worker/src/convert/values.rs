//! Values for the `${NAME}` of a build file.

use std::collections::BTreeMap;

use crate::output::Error;

/// Replace `${` and `}` while a file is parsed, because braces are YAML syntax. The characters are from
/// the private use area of Unicode, so no file contains them.
const OPEN: &str = "\u{e000}\u{e000}";
const CLOSE: &str = "\u{e001}";

/// Marks each `${NAME}` of a text. Columns do not change.
pub(super) fn mark(text: &str) -> String {
    replace(text, ("${", "}"), |name| format!("{OPEN}{name}{CLOSE}"))
}

/// The original text.
pub(super) fn unmark(text: &str) -> String {
    replace(text, (OPEN, CLOSE), |name| format!("${{{name}}}"))
}

/// The name, if a marked text is exactly one name.
pub(super) fn only_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    is_name(name).then_some(name)
}

/// Values by name.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<String, String>);

impl Values {
    /// Adds variables of the environment. Existing values stay.
    pub(super) fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, value) in variables {
            self.0.entry(name).or_insert(value);
        }
    }

    /// Adds a file of `NAME=value` lines in shell syntax: `export`, quotes and comments are allowed.
    /// Nothing is expanded.
    pub(super) fn add_file(&mut self, text: &str, name: &str) -> Result<(), Error> {
        let mut faults = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            match assignment(line.trim()) {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    self.0.insert(name, value);
                }
                Err(fault) => faults.push(format!("line {}: {fault}", index + 1)),
            }
        }
        match faults.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::input(format!("the values cannot be read\n  {}", faults.join("\n  ")))
                    .at(name))
            }
        }
    }

    /// The value of a name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Fills in a marked text. Calls `unknown` for each name without a value.
    pub(super) fn fill(&self, text: &str, mut unknown: impl FnMut(&str)) -> String {
        replace(text, (OPEN, CLOSE), |name| {
            let value = self.value(name);
            if value.is_none() {
                unknown(name);
            }
            value.unwrap_or_default().to_owned()
        })
    }
}

/// Replaces each name between two brackets. Replacements are not expanded again.
fn replace(
    text: &str,
    (open, close): (&str, &str),
    mut with: impl FnMut(&str) -> String,
) -> String {
    let mut parts = text.split(open);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let named = part.split_once(close).filter(|(name, _)| is_name(name));
        match named {
            Some((name, rest)) => whole += &format!("{}{rest}", with(name)),
            None => whole += &format!("{open}{part}"),
        }
    }
    whole
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(inner) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The name and value of a line. None for an empty line or a comment. A fault does not repeat the value,
/// which may be a credential.
fn assignment(line: &str) -> Result<Option<(String, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=').ok_or("it is not `NAME=value`")?;
    if !is_name(name) {
        return Err("it is not `NAME=value`, where the name has letters, digits and `_`");
    }
    Ok(Some((name.to_owned(), unquoted(value)?.to_owned())))
}

fn unquoted(value: &str) -> Result<&str, &'static str> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (value, rest) = match quote {
        None => (value.split(" #").next().unwrap_or_default().trim_end(), ""),
        Some(quote) => {
            value[1..].split_once(quote).ok_or("the quote of its value is not closed")?
        }
    };
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err("there is text after the closing quote of its value");
    }
    if quote != Some('\'') && value.contains(['$', '`', '\\']) {
        return Err("a shell would expand its value; write it out, or in single quotes");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::{Values, mark, only_name};

    fn values(file: &str) -> Values {
        let mut values = Values::default();
        values.add_file(file, "values.env").expect("it is valid");
        values
    }

    #[test]
    fn names_are_filled_in_once() {
        let values = values("A=one\nB='${A}'\nEMPTY=\n");
        let mut unknown = Vec::new();
        let text = mark("${A}-${B}/${EMPTY}$(A) $A ${A:-x} ${} ${1} ${C} ${A");
        let filled = values.fill(&text, |name| unknown.push(name.to_owned()));
        assert_eq!(filled, "one-${A}/$(A) $A ${A:-x} ${} ${1}  ${A");
        assert_eq!(unknown, ["C"]);
    }

    #[test]
    fn a_text_may_be_one_name() {
        assert_eq!(only_name(&mark("${TOKEN}")), Some("TOKEN"));
        assert_eq!(only_name(&mark("x${TOKEN}")), None);
        assert_eq!(only_name(&mark("${A}${B}")), None);
        assert_eq!(only_name("TOKEN"), None);
    }

    #[test]
    fn a_file_of_values_is_read_as_a_shell_does() {
        let file =
            "# all of them\n\nexport A=\"x # y\" # z\n B=plain#1 # z\nC='it costs $5'\nD=a=b\n";
        let values = values(file);
        let all = ["A", "B", "C", "D"].map(|name| values.value(name).unwrap_or("?"));
        assert_eq!(all, ["x # y", "plain#1", "it costs $5", "a=b"]);
    }

    #[test]
    fn the_file_wins_over_the_environment() {
        let mut values = values("A=file\n");
        let environment = [("A", "environment"), ("B", "environment")];
        values.add_environment(environment.map(|(a, b)| (a.into(), b.into())).into_iter());
        assert_eq!(["A", "B"].map(|name| values.value(name)), [Some("file"), Some("environment")]);
    }

    #[test]
    fn every_invalid_line_is_reported_without_its_value() {
        let file = "A=1\nwhat\n2B=hidden\nC=\"hidden\nD='hidden'x\nE=${hidden}\n";
        let error = Values::default().add_file(file, "values.env").unwrap_err().to_string();
        assert!(!error.contains("hidden"), "{error}");
        insta::assert_snapshot!(error);
    }
}
