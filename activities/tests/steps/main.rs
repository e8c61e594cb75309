//! The steps of the source side with real neighbours on this machine: git repositories, files.

#[path = "../support/mod.rs"]
mod support;

mod fetch;
mod fetch_context;
mod keyed;
mod large_context;
mod lfs;
mod package_chart;
mod package_files;
mod package_tree;
mod render;
mod submodules;
mod upload;
mod urls;
mod web;
