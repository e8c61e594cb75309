//! Results on stdout. Everything else goes to stderr.

use std::io::{self, Write};

use serde::Serialize;

use super::error::Error;

/// Prints a text on stdout. A closed pipe, as of `head`, is no error.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("cannot write").into())
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON on stdout.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    print(&serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?)
}
