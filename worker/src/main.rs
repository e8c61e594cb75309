//! `kiln`: the worker of Kilnworks, and the command that people type.
//!
//! What was typed is in [`cli`]; [`settings`] lowers it, once, to what will be done. Each command
//! is a file of its own. Results go to stdout, everything else to stderr.

mod build;
mod cancel;
mod cli;
mod completions;
mod connect;
mod convert;
mod decide;
mod document;
mod end;
mod failures;
mod fetch_context;
mod follow;
mod health;
mod interrupt;
mod listen;
mod logs;
mod look;
mod ls;
mod namespace;
mod open;
mod outcome;
mod package;
mod plan;
mod poll;
mod progress;
mod run;
mod schedule;
mod schedules;
mod schema;
mod settings;
mod setup;
mod signals;
mod spec;
mod status;
mod suggest;
mod sweep;
mod table;
mod telemetry;
mod terminal;
mod traces;
mod tracing_setup;
mod units;
mod version;
mod visibility;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Runtime;

use crate::{
    cli::{Cli, Command},
    end::{Error, Exit},
    settings::{Common, Values},
};

/// A worker awaits hundreds of builds by small pieces of memory that live long, made among larger
/// ones that do not: this allocator leaves little unused between them. `.cargo/config.toml` tunes it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let exit = run_to_end(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("{error}");
        error.exit
    });
    exit.into()
}

fn run_to_end(cli: Cli) -> Result<Exit, Error> {
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let exit = runtime.block_on(dispatch(cli));
    // A thread that still waits for a name server holds nobody up.
    runtime.shutdown_background();
    exit
}

async fn dispatch(cli: Cli) -> Result<Exit, Error> {
    let values = Values::of(&cli)?;
    match cli.command {
        Command::Worker(args) => {
            let worker = async {
                let installation = settings::installation(&values)?;
                run::worker(args, start(&values, "info")?, installation).await
            };
            // Whoever reads its log reads why it does not start, too.
            worker.await.map_err(|error| error.in_form(settings::log_format(&values)))
        }
        Command::Setup(args) => {
            let sweeping = settings::sweeping(&values)?;
            start(&values, "error")?;
            setup::setup(args, &sweeping).await
        }
        Command::Build(args) => build::build(args, start(&values, "error")?).await,
        Command::Plan(args) => plan::plan(args, &values).await,
        Command::Convert(args) => convert::convert(args),
        Command::Package(args) => package::package(args).await,
        Command::Schema(args) => schema::schema(args),
        Command::Ls(args) => ls::ls(args, start(&values, "error")?).await,
        Command::Open(args) => open::open(args, start(&values, "error")?).await,
        Command::Completions(args) => completions::completions(args),
        Command::Status(args) => status::status(args, start(&values, "error")?).await,
        Command::Schedule(args) => schedules::schedule(args, start(&values, "error")?).await,
        Command::Sweep(args) => sweep::sweep(args, start(&values, "error")?).await,
        Command::Logs(args) => {
            let installation = settings::installation(&values)?;
            start(&values, "error")?;
            logs::logs(args, installation.steps).await
        }
        Command::FetchContext(args) => {
            start(&values, "info")?;
            fetch_context::fetch_context(args).await
        }
        Command::Cancel(args) => cancel::cancel(args, start(&values, "error")?).await,
        Command::Retry(args) => decide::retry(args, start(&values, "error")?).await,
        Command::Pause(args) => decide::pause(args, start(&values, "error")?).await,
        Command::Resume(args) => decide::resume(args, start(&values, "error")?).await,
        Command::Extend(args) => decide::extend(args, start(&values, "error")?).await,
        Command::Approve(args) => decide::approve(args, start(&values, "error")?).await,
    }
}

/// The settings that every command has, with its log switched on.
fn start(values: &Values, default_log: &str) -> Result<Common, Error> {
    let common = settings::common(values)?;
    tracing_setup::start(&common.log, default_log)?;
    Ok(common)
}
