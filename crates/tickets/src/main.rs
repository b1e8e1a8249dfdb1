//! The tickets service as a process of its own.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moviebooking_domain::clock::SystemClock;
use moviebooking_events::Outbox;
use moviebooking_process::{Movies, ServiceArgs, Theaters, Users};
use moviebooking_serve::StartError;
use moviebooking_tickets::{MIGRATIONS, NAME, RotateKeys, Service};
use tokio_util::sync::CancellationToken;

/// Serves tickets: issued, shown, printed and checked in, over gRPC.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory. Options of the service stand before a command.
#[derive(Parser)]
#[command(name = "moviebooking-tickets", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50056")))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    users: Users,
    #[command(flatten)]
    movies: Movies,
    #[command(flatten)]
    theaters: Theaters,
}

#[derive(Subcommand)]
enum Command {
    /// Add a key for ticket codes, while the service runs or not: it is published now and signs from tomorrow on. Tickets
    /// that older keys signed stay valid.
    RotateKeys(RotateKeys),
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, cli.service.migrate(NAME, &MIGRATIONS), async {
        match &cli.command {
            None => serve(&cli).await,
            Some(Command::RotateKeys(rotate)) => rotate_keys(&cli, rotate).await,
        }
    })
}

async fn serve(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let users = process.connect(&cli.users)?;
    let (movies, theaters) = (process.link(&cli.movies)?, process.link(&cli.theaters)?);
    let db = process.database(&MIGRATIONS).await?;
    let service = Service::new(db.clone(), process.clock(), movies, theaters);
    let relay = process.relay(&db, Outbox, &cli.users).await?;
    let background = async |stop: CancellationToken| {
        tokio::join!(service.run_background(stop.clone()), relay.run(stop));
    };
    process.serve(service.routes(), db, users, background).await
}

async fn rotate_keys(cli: &Cli, rotate: &RotateKeys) -> Result<(), StartError> {
    let db = cli.service.database(NAME, &MIGRATIONS).await?;
    let done = rotate.run(db.clone(), SystemClock::shared()).await;
    db.close().await;
    done
}
