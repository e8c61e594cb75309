//! `kiln`: the worker of Kilnworks and the command line for people.
//!
//! [`cli`] parses the command line and [`settings`] lowers it to values. Each command has a file of
//! its own. Results go to stdout, everything else to stderr.
//!
//! A room imports only rooms above it in this list: `output`, `cli`, `settings`, `engine`, `builds`,
//! then `schedules`, `serve`, `package` and `convert`.

mod builds;
mod cli;
mod convert;
mod engine;
mod output;
mod package;
mod schedules;
mod serve;
mod settings;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Runtime;

use crate::{
    cli::{Cli, Command},
    output::{Error, Exit},
    settings::{Common, LogFormat, Values},
};

/// A worker keeps a little memory for each of hundreds of builds, for a long time, between larger and
/// short-lived allocations. jemalloc loses little memory to fragmentation in that case.
/// `.cargo/config.toml` tunes it.
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
    // Do not wait for a thread that is blocked in a DNS lookup.
    runtime.shutdown_background();
    exit
}

async fn dispatch(cli: Cli) -> Result<Exit, Error> {
    let values = Values::of(&cli)?;
    match cli.command {
        Command::Worker(args) => {
            let worker = async {
                let installation = settings::installation(&values)?;
                serve::worker(args, start(&values, "info")?, installation).await
            };
            // A worker that cannot start reports why in the format of its log.
            worker.await.map_err(|error| match settings::log_format(&values) {
                LogFormat::Text => error,
                LogFormat::Json => error.in_json(),
            })
        }
        Command::Setup(args) => {
            let sweeping = settings::sweeping(&values)?;
            start(&values, "error")?;
            serve::setup(args, &sweeping).await
        }
        Command::Build(args) => builds::build(args, start(&values, "error")?).await,
        Command::Plan(args) => builds::plan(args, &values).await,
        Command::Convert(args) => convert::convert(args),
        Command::Package(command) => package::package(command).await,
        Command::Schema(args) => builds::schema(args),
        Command::Ls(args) => builds::ls(args, start(&values, "error")?).await,
        Command::Open(args) => builds::open(args, start(&values, "error")?).await,
        Command::Completions(args) => cli::completions(args),
        Command::Status(args) => builds::status(args, start(&values, "error")?).await,
        Command::Schedule(command) => schedules::schedule(command, start(&values, "error")?).await,
        Command::Sweep(args) => serve::sweep(args, start(&values, "error")?).await,
        Command::Logs(args) => {
            let installation = settings::installation(&values)?;
            start(&values, "error")?;
            builds::logs(args, installation.steps).await
        }
        Command::FetchContext(args) => {
            start(&values, "info")?;
            serve::fetch_context(args).await
        }
        Command::Cancel(args) => {
            start(&values, "error")?;
            builds::cancel(args).await
        }
        Command::Retry(args) => {
            start(&values, "error")?;
            builds::retry(args).await
        }
        Command::Pause(args) => {
            start(&values, "error")?;
            builds::pause_or_resume("pause", args).await
        }
        Command::Resume(args) => {
            start(&values, "error")?;
            builds::pause_or_resume("resume", args).await
        }
        Command::Extend(args) => {
            start(&values, "error")?;
            builds::extend(args).await
        }
        Command::Approve(args) => {
            start(&values, "error")?;
            builds::approve(args).await
        }
    }
}

/// Reads the common settings and starts the log.
fn start(values: &Values, default_log: &str) -> Result<Common, Error> {
    let common = settings::common(values)?;
    serve::start_log(&common.log, default_log)?;
    Ok(common)
}
