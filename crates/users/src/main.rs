//! The users service as a process of its own.

use std::{io::Write as _, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use moviebooking_domain::clock::SystemClock;
use moviebooking_process::{PasswordArgs, ServiceArgs};
use moviebooking_serve::{Link, StartError};
use moviebooking_users::{Config, MIGRATIONS, NAME, Service};
use secrecy::ExposeSecret as _;

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
    CreateAdmin(Admin),
}

#[derive(Args)]
struct Admin {
    /// What the admin signs in with.
    #[arg(long)]
    email: String,
    /// What the admin is called.
    #[arg(long, default_value = "Admin")]
    name: String,
    #[command(flatten)]
    password: PasswordArgs,
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.service.main(NAME, async {
        match &cli.command {
            None => serve(&cli).await,
            Some(Command::CreateAdmin(admin)) => create(&cli, admin).await,
        }
    })
}

async fn serve(cli: &Cli) -> Result<(), StartError> {
    let process = cli.service.start(NAME).await?;
    let db = process.database(&MIGRATIONS).await?;
    let service = Service::new(db.clone(), process.clock(), cli.config.clone());
    let own_keys = Link::local(service.routes());
    process.serve(service.routes(), db, own_keys, async |stop| service.run_background(stop).await).await
}

async fn create(cli: &Cli, admin: &Admin) -> Result<(), StartError> {
    let password = admin.password.read()?;
    let db = cli.service.database(NAME, &MIGRATIONS).await?;
    let service = Service::new(db.clone(), SystemClock::shared(), cli.config.clone());
    let made = service.bootstrap_admin(&admin.email, password.expose_secret(), &admin.name).await;
    db.close().await;
    let id = made.map_err(|status| match status.code() {
        tonic::Code::Unavailable => StartError::unavailable(status.message()),
        tonic::Code::Internal => StartError::software(status.message()),
        _ => StartError::data(format!("no admin was made: {}", status.message())),
    })?;
    // Nobody reading any more does not unmake the account.
    let _ = writeln!(std::io::stdout(), "{id}");
    Ok(())
}
