//! What commands print: results on stdout, progress and errors on stderr.

pub(crate) mod document;
mod error;
pub(crate) mod failures;
pub(crate) mod progress;
pub(crate) mod stdout;
pub(crate) mod table;
pub(crate) mod tables;
pub(crate) mod terminal;
pub(crate) mod units;

pub(crate) use self::{
    document::OutputFormat,
    error::{Error, Exit},
};
