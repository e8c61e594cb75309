//! The commands that start, show and decide about builds.

mod build;
mod cancel;
mod decide;
mod follow;
mod interrupt;
mod logs;
mod ls;
mod name;
mod open;
pub(crate) mod outcome;
mod plan;
mod poll;
mod schema;
mod settle;
pub(crate) mod spec;
mod status;
mod suggest;

pub(crate) use self::{
    build::{build, search_attributes, summary},
    cancel::cancel,
    decide::{approve, extend, pause_or_resume, retry},
    logs::logs,
    ls::ls,
    open::open,
    plan::plan,
    schema::schema,
    status::status,
};
