//! How a command ends: its exit code, and the one form of an error.

use std::{fmt, process::ExitCode, time::SystemTime};

use serde_json::json;

use crate::settings::LogFormat;

/// How a command ends. The numbers are documented; scripts go by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Success = 0,
    /// The build failed, or this command did.
    Failed = 1,
    /// The spec, the command line or a setting is wrong. Nothing was started.
    BadInput = 2,
    /// Someone cancelled the build.
    Cancelled = 3,
    /// The engine cannot be reached, or refuses.
    NoEngine = 4,
    /// Ctrl-C: the build goes on. The number is the shell's for an interrupt.
    Detached = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// Why a command ends early: what, where, what to do.
#[derive(Debug)]
pub(crate) struct Error {
    /// The exit code.
    pub(crate) exit: Exit,
    what: String,
    at: Option<String>,
    hint: Option<String>,
    form: LogFormat,
}

impl Error {
    /// An error that ends a command so.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), at: None, hint: None, form: LogFormat::Text }
    }

    /// Wrong input.
    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, what)
    }

    /// The same in one line, for a log.
    pub(crate) fn one_line(&self) -> String {
        let parts = [Some(self.what.clone()), self.at.clone(), self.hint.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The same in the form of a log, which may not be switched on yet.
    pub(crate) fn in_form(mut self, form: LogFormat) -> Self {
        self.form = form;
        self
    }

    /// A line of a log in JSON, as `tracing_subscriber` writes it.
    fn event(&self) -> String {
        let now = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        let message = self.one_line();
        json!({"timestamp": now, "level": "ERROR", "message": message, "target": "kiln"})
            .to_string()
    }

    /// Where it is: a file, a line, an address.
    pub(crate) fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.form == LogFormat::Json {
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

/// Anything that has no better name ends a command as failed, its causes in one line.
impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Exit};
    use crate::settings::LogFormat;

    #[test]
    fn an_error_has_one_form() {
        let error = Error::input("no such file").at("app.yaml").hint("give a file");
        assert_eq!(error.to_string(), "error: no such file\n  at: app.yaml\nhint: give a file");
    }

    #[test]
    fn in_a_log_of_json_it_is_a_line() {
        let error = Error::input("2 faults\n  `a`\n  `b`").hint("see").in_form(LogFormat::Json);
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
