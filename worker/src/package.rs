//! `kiln package`: commands on delivery packages. They need only registries, no engine and no cluster.

mod bar;
mod export;
mod import;
mod inspect;
mod reach;
mod render;
mod sreworks;
mod verify;

use crate::{
    cli::PackageCommand,
    output::{Error, Exit},
};

/// Runs a `kiln package` command. Ctrl-C leaves no partial files.
pub(crate) async fn package(command: PackageCommand) -> Result<Exit, Error> {
    let work = async {
        match command {
            PackageCommand::Inspect(args) => inspect::inspect(args).await,
            PackageCommand::Verify(args) => verify::verify(args).await,
            PackageCommand::Export(args) => export::export(args).await,
            PackageCommand::Import(args) => import::import(args).await,
            PackageCommand::Render(args) => render::render(args).await,
        }
    };
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Error::new(Exit::Detached, "interrupted by Ctrl-C")),
    }
}
