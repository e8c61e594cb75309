//! The engine, which is the Temporal server: the connection, its namespace, its list of builds.

pub(crate) mod connect;
mod handle;
pub(crate) mod list;
pub(crate) mod namespace;
mod refusal;

pub(crate) use self::{
    handle::Engine,
    refusal::{is_temporary, refused},
};
