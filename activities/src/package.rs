//! What enters a delivery package beside the images.

pub mod chart;
pub mod files;
mod helmignore;
mod media;
mod source;
pub mod tree;
pub mod values;
