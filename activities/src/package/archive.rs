//! A package as one file, to be carried where no network goes: a tar of an OCI image layout, as
//! `skopeo` (`oci-archive:`) and `oras` read it too.
//!
//! ```text
//! oci-layout            {"imageLayoutVersion":"1.0.0"}
//! index.json            the package, named by its tag; then whatever refers to something in it
//! blobs/sha256/<hex>    everything else, sorted
//! ```
//!
//! The same package makes the same file, to the byte.

mod blocks;
pub mod index;
pub mod open;
pub mod scan;
pub mod send;
pub mod write;

#[cfg(test)]
mod tests;

/// The file that says what the rest is.
const LAYOUT: &str = "oci-layout";
/// What the layout file says.
const LAYOUT_VERSION: &str = "1.0.0";
/// The file that names what is in the archive.
const INDEX: &str = "index.json";
/// Where everything else is, by digest.
const BLOBS: &str = "blobs/sha256/";
/// The annotation with the tag of an entry of the index.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Bytes of a block; everything in a tar begins at a multiple of it.
const BLOCK: u64 = 512;
