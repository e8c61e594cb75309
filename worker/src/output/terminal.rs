//! Capabilities of stderr and stdin.

use std::{
    env,
    ffi::OsString,
    io::{IsTerminal, stderr, stdin},
};

/// Whether stderr supports redrawn lines: it is a terminal, and the user did not ask for plain text.
pub(crate) fn draws() -> bool {
    stderr().is_terminal() && !is_plain()
}

/// Whether the user asked for plain text.
pub(crate) fn is_plain() -> bool {
    wants_plain(|name| env::var_os(name))
}

/// Whether a person can answer a question.
pub(crate) fn answers() -> bool {
    stdin().is_terminal() && stderr().is_terminal() && !is_ci(|name| env::var_os(name))
}

/// `NO_COLOR`, `TERM=dumb` or `CI`.
fn wants_plain(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let no_color = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = variable("TERM").is_some_and(|value| value == "dumb");
    no_color || dumb || is_ci(variable)
}

/// Every CI service sets `CI`. Some tools set it to `false` outside CI.
fn is_ci(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    use super::wants_plain;

    #[test]
    fn plain_text_is_asked_for_by_three_variables() {
        for (name, value, plain) in [
            ("NO_COLOR", "1", true),
            ("NO_COLOR", "", false),
            ("CI", "true", true),
            ("CI", "false", false),
            ("CI", "", false),
            ("TERM", "dumb", true),
            ("TERM", "xterm", false),
        ] {
            let variable = |asked: &str| (asked == name).then(|| value.into());
            assert_eq!(wants_plain(variable), plain, "{name}={value}");
        }
    }
}
