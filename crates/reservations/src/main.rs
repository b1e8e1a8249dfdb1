//! The reservations service as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use moviebooking_process::{Movies, ServiceArgs, Theaters, Users};
use moviebooking_reservations::{Config, History, MIGRATIONS, NAME, Service};
use moviebooking_serve::StartError;
use tokio_util::sync::CancellationToken;

/// Serves who holds or owns which seat of which showtime, over gRPC.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory.
#[derive(Parser)]
#[command(name = "moviebooking-reservations", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50054")))]
struct Cli {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    users: Users,
    #[command(flatten)]
    movies: Movies,
    #[command(flatten)]
    theaters: Theaters,
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, cli.service.migrate(NAME, &MIGRATIONS), run(&cli))
}

async fn run(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let users = process.connect(&cli.users)?;
    let (movies, theaters) = (process.link(&cli.movies)?, process.link(&cli.theaters)?);
    let db = process.database(&MIGRATIONS).await?;
    let service = Service::new(db.clone(), process.clock(), movies, theaters).with(cli.config);
    let relay = process.relay(&db, History, &cli.users).await?;
    let background = async |stop: CancellationToken| {
        tokio::join!(service.run_background(stop.clone()), relay.run(stop));
    };
    process.serve(service.routes(), db, users, background).await
}
