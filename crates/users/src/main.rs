//! The users service as a process of its own.

use std::{process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use moviebooking_domain::clock::SystemClock;
use moviebooking_events::{Outbox, Publish, Relay};
use moviebooking_process::ServiceArgs;
use moviebooking_serve::{Link, StartError};
use moviebooking_users::{Config, CreateAdmin, MIGRATIONS, NAME, RotateKeys, Service};
use tokio_util::sync::CancellationToken;

/// Serves accounts, login, roles and the keys that access tokens are signed with over gRPC.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory. Options of the service stand before a command.
#[derive(Parser)]
#[command(name = "moviebooking-users", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50051")))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Make the account of the platform's first admin, and print its id; the service may be running meanwhile. An admin
    /// with this e-mail is left as they are.
    CreateAdmin(CreateAdmin),
    /// Replace the key that access tokens are signed with, while the service runs or not: a new one is published now and
    /// signs in ten minutes, and tokens that the old one signed are good until they expire.
    RotateKeys(RotateKeys),
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, cli.service.migrate(NAME, &MIGRATIONS), async {
        match &cli.command {
            None => serve(&cli).await,
            Some(Command::CreateAdmin(admin)) => {
                command(&cli, async |service| admin.run(service).await).await
            }
            Some(Command::RotateKeys(rotate)) => {
                command(&cli, async |service| rotate.run(service).await).await
            }
        }
    })
}

async fn serve(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let db = process.database(&MIGRATIONS).await?;
    let service = Service::new(db.clone(), process.clock(), cli.config.clone());
    let own_keys = Link::local(service.routes());
    let nats = process.nats().await?.map(Arc::new);
    let publisher: Arc<dyn Publish> = match &nats {
        Some(nats) => Arc::clone(nats) as _,
        None => Arc::new(service.webhooks().clone()),
    };
    let relay = Relay::new(db.clone(), process.clock(), Outbox, publisher);
    let background = async |stop: CancellationToken| {
        tokio::join!(
            service.run_background(stop.clone()),
            relay.run(stop.clone()),
            service.webhooks().consume(nats.as_deref(), stop),
        );
    };
    process.serve(service.routes(), db, own_keys, background).await
}

/// Does something with the service's database, whether or not the service runs.
async fn command(
    cli: &Cli,
    run: impl AsyncFnOnce(&Service) -> Result<(), StartError>,
) -> Result<(), StartError> {
    let db = cli.service.database(NAME, &MIGRATIONS).await?;
    let done = run(&Service::new(db.clone(), SystemClock::shared(), cli.config.clone())).await;
    db.close().await;
    done
}
