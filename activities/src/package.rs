//! The delivery package of a component or an app: an OCI artifact.
//!
//! The package is a flat image index, so tools that copy images copy everything in it:
//!
//! ```text
//! index         the package: its type, app, component, version, and what is inside as one digest
//! ├── manifest  an image, the same to the byte as in its own repository       one per container
//! ├── manifest  a Helm chart, as `helm pull` takes it                         one per chart
//! └── manifest  the record: what was built of what, as its first layer;
//!               the other layers are files, and the templates that they were rendered of
//! ```

pub mod archive;
pub mod chart;
pub mod contents;
pub mod deliver;
pub mod files;
mod helmignore;
pub mod layout;
mod media;
pub mod parts;
pub mod provenance;
pub mod publish;
pub mod read;
mod source;
pub mod tree;
pub mod values;
pub mod verify;
pub mod whole;
