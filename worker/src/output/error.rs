//! The exit code of a command, and the format of its errors.

use std::{fmt, process::ExitCode, time::SystemTime};

use serde_json::json;

/// The exit code of a command. The numbers are public: scripts depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command succeeded.
    Success = 0,
    /// The build or the command failed.
    Failed = 1,
    /// The spec, the command line or a setting is invalid. Nothing was started.
    BadInput = 2,
    /// The build was cancelled.
    Cancelled = 3,
    /// The engine cannot be reached, or refuses the call.
    NoEngine = 4,
    /// Ctrl-C: the build continues. 130 is the shell's exit code for an interrupt.
    Detached = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// Why a command failed, where, and what to do.
#[derive(Debug)]
pub(crate) struct Error {
    /// The exit code.
    pub(crate) exit: Exit,
    what: String,
    at: Option<String>,
    hint: Option<String>,
    is_json: bool,
}

impl Error {
    /// An error with this exit code.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), at: None, hint: None, is_json: false }
    }

    /// An error about invalid input.
    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, what)
    }

    /// The error in one line, for a log.
    pub(crate) fn one_line(&self) -> String {
        let parts = [Some(self.what.clone()), self.at.clone(), self.hint.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The same error as one line of a log in JSON, which may not be switched on yet.
    pub(crate) fn in_json(mut self) -> Self {
        self.is_json = true;
        self
    }

    /// A line of a log in JSON, as `tracing_subscriber` writes it.
    fn event(&self) -> String {
        let now = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        let message = self.one_line();
        json!({"timestamp": now, "level": "ERROR", "message": message, "target": "kiln"})
            .to_string()
    }

    /// Adds the place: a file, a line, an address.
    pub(crate) fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_json {
            return f.write_str(&self.event());
        }
        write!(f, "error: {}", self.what)?;
        if let Some(at) = &self.at {
            write!(f, "\n  at: {at}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// An unclassified error: exit code 1, all causes in one line.
impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Exit};
    #[test]
    fn an_error_has_one_form() {
        let error = Error::input("no such file").at("app.yaml").hint("give a file");
        assert_eq!(error.to_string(), "error: no such file\n  at: app.yaml\nhint: give a file");
    }

    #[test]
    fn as_json_it_is_one_line() {
        let error = Error::input("2 faults\n  `a`\n  `b`").hint("see").in_json();
        let line = error.to_string();
        assert_eq!(line.lines().count(), 1, "{line}");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(event["message"], "2 faults\n  `a`\n  `b`; see");
        assert_eq!(event["level"], "ERROR");
        assert_eq!(event["target"], "kiln");
    }

    #[test]
    fn exit_codes_are_public() {
        let codes = [
            Exit::Success,
            Exit::Failed,
            Exit::BadInput,
            Exit::Cancelled,
            Exit::NoEngine,
            Exit::Detached,
        ];
        assert_eq!(codes.map(|exit| exit as u8), [0, 1, 2, 3, 4, 130]);
    }
}
