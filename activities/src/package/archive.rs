//! A package as one file, for places without a network: a tar of an OCI image layout. `skopeo`
//! (`oci-archive:`) and `oras` can read it.
//!
//! ```text
//! oci-layout            {"imageLayoutVersion":"1.0.0"}
//! index.json            the package, named by its tag; then whatever refers to something in it
//! blobs/sha256/<hex>    everything else, sorted
//! ```
//!
//! The same package makes the same bytes.

mod blocks;
pub mod index;
pub mod open;
pub mod scan;
pub mod send;
pub mod write;

#[cfg(test)]
mod tests;

/// The file with the version of the layout.
const LAYOUT: &str = "oci-layout";
/// The content of the layout file.
const LAYOUT_VERSION: &str = "1.0.0";
/// The file that names what the archive contains.
const INDEX: &str = "index.json";
/// Prefix of all other files, which are named by their digests.
const BLOBS: &str = "blobs/sha256/";
/// The annotation with the tag of an index entry.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Bytes of a block. Everything in a tar starts at a multiple of it.
const BLOCK: u64 = 512;
