//! The movies service as a process of its own.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moviebooking_domain::clock::SystemClock;
use moviebooking_events::Outbox;
use moviebooking_movies::{MIGRATIONS, NAME, Service, import};
use moviebooking_process::{Payments, Reservations, ServiceArgs, Theaters, Users};
use moviebooking_serve::StartError;
use tokio_util::sync::CancellationToken;

/// Serves the catalogue and the showtimes over gRPC.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory. Options of the service stand before a command.
#[derive(Parser)]
#[command(name = "moviebooking-movies", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50052")))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    users: Users,
    #[command(flatten)]
    theaters: Theaters,
    #[command(flatten)]
    reservations: Reservations,
    #[command(flatten)]
    payments: Payments,
}

#[derive(Subcommand)]
enum Command {
    /// Load data from a file; the service may be running meanwhile.
    Import {
        #[command(subcommand)]
        what: Import,
    },
}

#[derive(Subcommand)]
enum Import {
    /// Add movies to the catalogue.
    Movies(import::cli::Args),
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, cli.service.migrate(NAME, &MIGRATIONS), async {
        match &cli.command {
            None => serve(&cli).await,
            Some(Command::Import { what: Import::Movies(args) }) => {
                let db = cli.service.database(NAME, &MIGRATIONS).await?;
                let done = args.run(&db, &SystemClock).await;
                db.close().await;
                done
            }
        }
    })
}

async fn serve(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let users = process.connect(&cli.users)?;
    let (theaters, reservations) = (process.link(&cli.theaters)?, process.link(&cli.reservations)?);
    let payments = process.link(&cli.payments)?;
    let db = process.database(&MIGRATIONS).await?;
    let service = Service::new(db.clone(), process.clock(), theaters, reservations, payments);
    let relay = process.relay(&db, Outbox, &cli.users).await?;
    let background = async |stop: CancellationToken| {
        tokio::join!(service.run_background(stop.clone()), relay.run(stop));
    };
    process.serve(service.routes(), db, users, background).await
}
