//! The Pod or Job of an attempt: what is created, and what its status says. Nothing here calls the
//! cluster.

pub mod access;
pub mod equal;
pub mod executor;
pub mod manifest;
pub mod mounts;
pub mod object;
pub mod phase;
pub mod phases;
pub mod presigned;
pub mod seen;
pub mod template;
