//! What stderr and stdin can do.

use std::{
    env,
    ffi::OsString,
    io::{IsTerminal, stderr, stdin},
};

/// Whether lines may be drawn again and again on stderr: it is a terminal, and no one asked for
/// plain text.
pub(crate) fn draws() -> bool {
    stderr().is_terminal() && !is_plain()
}

/// Whether someone asked for plain text.
pub(crate) fn is_plain() -> bool {
    wants_plain(|name| env::var_os(name))
}

/// Whether someone is there who can be asked.
pub(crate) fn answers() -> bool {
    stdin().is_terminal() && stderr().is_terminal() && !is_ci(|name| env::var_os(name))
}

/// By `NO_COLOR`, `TERM=dumb` or `CI`.
fn wants_plain(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let no_color = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = variable("TERM").is_some_and(|value| value == "dumb");
    no_color || dumb || is_ci(variable)
}

/// As every CI service sets it. Some set it to `false` outside.
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
