//! The theaters service as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use moviebooking_events::Outbox;
use moviebooking_process::{ServiceArgs, Users};
use moviebooking_serve::StartError;
use moviebooking_theaters::{MIGRATIONS, NAME, Service};
use tokio_util::sync::CancellationToken;

/// Serves theaters, their halls and the seat layouts of the halls over gRPC.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory.
#[derive(Parser)]
#[command(name = "moviebooking-theaters", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50053")))]
struct Cli {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    users: Users,
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, cli.service.migrate(NAME, &MIGRATIONS), run(&cli))
}

async fn run(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let users = process.connect(&cli.users)?;
    let db = process.database(&MIGRATIONS).await?;
    let service = Service::new(db.clone(), process.clock());
    let relay = process.relay(&db, Outbox, &cli.users).await?;
    let background = async |stop: CancellationToken| {
        tokio::join!(service.run_background(stop.clone()), relay.run(stop));
    };
    process.serve(service.routes(), db, users, background).await
}
