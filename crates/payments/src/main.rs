//! The payments service as a process of its own.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moviebooking_payments::{History, MIGRATIONS, NAME, Service, provider::ProviderArgs, reconcile};
use moviebooking_process::{Reservations, ServiceArgs, ServiceProcess, Tickets, Users, secret_url};
use moviebooking_sandbox_bank as sandbox;
use moviebooking_serve::StartError;
use moviebooking_store::DatabaseUrl;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

const BANK_FLAG: &str = "--bank-database-url";

/// Serves payments and refunds over gRPC.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory. Options of the service stand before a command.
#[derive(Parser)]
#[command(name = "moviebooking-payments", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50055")))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    provider: ProviderArgs,
    /// Database of a sandbox bank within this process, instead of one at --sandbox-url; not the service's own. Of the
    /// form that --database-url has.
    #[arg(long, env = "MOVIEBOOKING_BANK_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret_url)]
    bank_database_url: Option<SecretString>,
    #[command(flatten)]
    users: Users,
    #[command(flatten)]
    reservations: Reservations,
    #[command(flatten)]
    tickets: Tickets,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the ledger with the payment provider's own list of the money that it moved, name each difference, and book
    /// the fees that it lists; the service may be running meanwhile. The exit code is 0 when there is no difference, and 1
    /// when there are some.
    Reconcile(reconcile::Args),
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, migrate(&cli), async {
        match &cli.command {
            None => serve(&cli).await,
            Some(Command::Reconcile(args)) => compare(&cli, args).await,
        }
    })
}

async fn migrate(cli: &Cli) -> Result<(), StartError> {
    cli.service.migrate(NAME, &MIGRATIONS).await?;
    match cli.bank_url()? {
        Some(url) => cli.service.migrate_other("bank", BANK_FLAG, &url, &sandbox::MIGRATIONS).await,
        None => Ok(()),
    }
}

async fn serve(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let bank_url = cli.bank_url()?;
    let users = process.connect(&cli.users)?;
    let (reservations, tickets) = (process.link(&cli.reservations)?, process.link(&cli.tickets)?);
    // What is wrong with the provider's settings is said before anything is connected to.
    let provider = if bank_url.is_none() { Some(cli.provider.open(None)?) } else { None };
    let db = process.database(&MIGRATIONS).await?;
    let provider = match (provider, bank_url) {
        (Some(provider), _) => provider,
        (None, Some(url)) => cli.provider.open(Some(&bank(&process, &url).await?))?,
        (None, None) => return Err(StartError::software("there is no payment provider")),
    };
    let service = Service::new(db.clone(), process.clock(), provider, reservations, tickets);
    let relay = process.relay(&db, History, &cli.users).await?;
    let background = async |stop: CancellationToken| {
        tokio::join!(service.run_background(stop.clone()), relay.run(stop));
    };
    process.serve(service.routes(), db, users, background).await
}

async fn compare(cli: &Cli, args: &reconcile::Args) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let bank_url = cli.bank_url()?;
    let db = process.database(&MIGRATIONS).await?;
    let provider = match bank_url {
        None => cli.provider.open(None)?,
        Some(url) => cli.provider.open(Some(&bank(&process, &url).await?))?,
    };
    let compared = args.run(&db, &*provider, &*process.clock()).await;
    db.close().await;
    compared
}

/// The sandbox bank within this process. It sends no webhooks, and its pages are served by a bank process on the same
/// database, if there is one.
async fn bank(process: &ServiceProcess<'_>, url: &DatabaseUrl) -> Result<sandbox::Bank, StartError> {
    let db = process.other_database("bank", BANK_FLAG, url, &sandbox::MIGRATIONS).await?;
    let settings = sandbox::Settings {
        secret: sandbox::BankSecret::random(),
        public_url: sandbox::DEFAULT_URL.to_owned(),
        webhook_url: None,
        slow_reply: sandbox::SLOW_REPLY,
    };
    Ok(sandbox::Bank::new(db, process.clock(), settings))
}

impl Cli {
    /// The database of the sandbox bank, where that is a part of this process.
    fn bank_url(&self) -> Result<Option<DatabaseUrl>, StartError> {
        match (&self.bank_database_url, self.provider.embeds_bank()) {
            (Some(url), true) => {
                let url = url.expose_secret().parse();
                url.map(Some).map_err(|error| StartError::usage(format!("{BANK_FLAG}: {error}")))
            }
            (None, false) => Ok(None),
            (None, true) => Err(StartError::usage(
                "the sandbox bank is nowhere: set --sandbox-url (variable MOVIEBOOKING_SANDBOX_URL) to a bank process, \
                 or --bank-database-url (variable MOVIEBOOKING_BANK_DATABASE_URL) to a database for one within this one",
            )),
            (Some(_), false) => Err(StartError::usage(format!(
                "{BANK_FLAG} is for a sandbox bank within this process, and the payment provider is elsewhere: leave it out"
            ))),
        }
    }
}
