//! The context: a directory of a source, packed.

pub mod lfs;
pub mod pack;
