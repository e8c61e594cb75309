//! Whole builds on the local stack: real Pods, a real registry, a real Temporal server.
//!
//! One program, as linking one of each file takes minutes. The tests run side by side, so each has
//! names of its own.

mod app;
mod chart;
mod cli;
mod convert;
mod decide;
mod deliver;
mod graph;
mod hostile;
mod install;
mod logs;
mod monitoring;
mod package;
mod package_file;
mod parts;
mod person;
mod platforms;
mod pod_security;
mod reasons;
mod registry;
mod reuse;
mod schedule;
mod secrets;
mod setup;
mod share;
mod signals;
mod spec;
mod start;
mod starting;
mod sweep;
mod telemetry;
mod upgrade;
