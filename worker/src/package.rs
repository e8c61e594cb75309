//! `kiln package`: what people do with a delivery package. All of it is between this machine and
//! registries; neither the engine nor a cluster is asked.

mod bar;
mod export;
mod import;
mod inspect;
mod reach;
mod render;
mod sreworks;
mod verify;

use crate::{
    cli::{PackageArgs, PackageCommand},
    end::{Error, Exit},
};

/// Does one thing with a package. Ctrl-C leaves nothing half-written behind.
pub(crate) async fn package(args: PackageArgs) -> Result<Exit, Error> {
    let doing = async {
        match args.command {
            PackageCommand::Inspect(args) => inspect::inspect(args).await,
            PackageCommand::Verify(args) => verify::verify(args).await,
            PackageCommand::Export(args) => export::export(args).await,
            PackageCommand::Import(args) => import::import(args).await,
            PackageCommand::Render(args) => render::render(args).await,
        }
    };
    tokio::select! {
        done = doing => done,
        _ = tokio::signal::ctrl_c() => Err(Error::new(Exit::Detached, "left by Ctrl-C")),
    }
}
