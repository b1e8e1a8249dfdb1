//! The payments service as a process of its own.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use moviebooking_payments::{
    History, MIGRATIONS, NAME, Service,
    provider::sandbox::{self, SandboxBank},
};
use moviebooking_process::{Reservations, ServiceArgs, Tickets, Users, secret_url};
use moviebooking_serve::StartError;
use moviebooking_store::DatabaseUrl;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

const BANK_FLAG: &str = "--bank-database-url";

/// Serves payments and refunds over gRPC.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory.
#[derive(Parser)]
#[command(name = "moviebooking-payments", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50055")))]
struct Cli {
    #[command(flatten)]
    service: ServiceArgs,
    /// Database of the sandbox bank, which stands in for a payment provider; not the service's own. Of the form that
    /// --database-url has.
    #[arg(long, env = "MOVIEBOOKING_BANK_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret_url)]
    bank_database_url: SecretString,
    #[command(flatten)]
    users: Users,
    #[command(flatten)]
    reservations: Reservations,
    #[command(flatten)]
    tickets: Tickets,
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, run(&cli))
}

async fn run(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let bank: DatabaseUrl = cli
        .bank_database_url
        .expose_secret()
        .parse()
        .map_err(|error| StartError::usage(format!("{BANK_FLAG}: {error}")))?;
    let users = process.connect(&cli.users)?;
    let (reservations, tickets) = (process.link(&cli.reservations)?, process.link(&cli.tickets)?);
    let db = process.database(&MIGRATIONS).await?;
    let bank = process.other_database("bank", BANK_FLAG, &bank, &sandbox::MIGRATIONS).await?;
    let bank = SandboxBank::new(bank, process.clock(), sandbox::SLOW_REPLY);
    let service = Service::new(db.clone(), process.clock(), Arc::new(bank), reservations, tickets);
    let relay = process.relay(&db, History, &cli.users).await?;
    let background = async |stop: CancellationToken| {
        tokio::join!(service.run_background(stop.clone()), relay.run(stop));
    };
    process.serve(service.routes(), db, users, background).await
}
