//! From the command line to a served platform, and to its end.

use std::sync::Arc;

use moviebooking_domain::clock::{Clock as _, SharedClock, SystemClock};
use moviebooking_sandbox_bank as sandbox;
use moviebooking_serve::{ConnectOptions, Link, Server, StartError, bind, metrics, shutdown_signal};
use moviebooking_store::observe::{self, Observer};
use secrecy::ExposeSecret as _;

use crate::{
    Account, Accounts, DataFolder, Platform,
    args::{Cli, Command, DemoArgs, Import, ServeArgs},
    demo, welcome,
};

/// Does what the command line says.
///
/// # Errors
/// When it cannot be done; the error says what to change.
pub async fn run(cli: Cli) -> Result<(), StartError> {
    let folder = DataFolder::open(&cli.data.folder)?;
    match cli.command {
        None => Box::pin(serve(&folder, &cli.serve)).await,
        Some(Command::Import { what: Import::Movies(args) }) => {
            let clock = SystemClock;
            let db =
                folder.database(moviebooking_movies::NAME, &moviebooking_movies::MIGRATIONS, &clock).await?;
            let done = args.run(&db, &clock).await;
            db.close().await;
            done
        }
        Some(Command::CreateAdmin(admin)) => {
            with_users(&folder, &cli.serve, async |users| admin.run(users).await).await
        }
        Some(Command::RotateTokenKeys(rotate)) => {
            with_users(&folder, &cli.serve, async |users| rotate.run(users).await).await
        }
        Some(Command::RotateTicketKeys(rotate)) => {
            let clock = SystemClock::shared();
            let db = folder
                .database(moviebooking_tickets::NAME, &moviebooking_tickets::MIGRATIONS, &*clock)
                .await?;
            let done = rotate.run(db.clone(), clock).await;
            db.close().await;
            done
        }
        Some(Command::Reconcile(args)) => reconcile(&folder, &args, &cli.serve.payments).await,
        Some(Command::Demo(args)) => make_demo(&folder, &args).await,
    }
}

/// Does something with the database of users, whether or not the platform runs.
async fn with_users(
    folder: &DataFolder,
    args: &ServeArgs,
    run: impl AsyncFnOnce(&moviebooking_users::Service) -> Result<(), StartError>,
) -> Result<(), StartError> {
    let clock = SystemClock::shared();
    let db = folder.database(moviebooking_users::NAME, &moviebooking_users::MIGRATIONS, &*clock).await?;
    let done = run(&moviebooking_users::Service::new(db.clone(), clock, args.users.clone())).await;
    db.close().await;
    done
}

async fn reconcile(
    folder: &DataFolder,
    args: &moviebooking_payments::reconcile::Args,
    provider: &moviebooking_payments::provider::ProviderArgs,
) -> Result<(), StartError> {
    let clock = SystemClock::shared();
    let payments =
        folder.database(moviebooking_payments::NAME, &moviebooking_payments::MIGRATIONS, &*clock).await?;
    let bank = folder.database("bank", &sandbox::MIGRATIONS, &*clock).await?;
    let settings = sandbox::Settings {
        secret: sandbox::BankSecret::random(),
        public_url: sandbox::DEFAULT_URL.to_owned(),
        webhook_url: None,
        slow_reply: sandbox::SLOW_REPLY,
    };
    let provider = provider.open(Some(&sandbox::Bank::new(bank.clone(), Arc::clone(&clock), settings)))?;
    let compared = args.run(&payments, &*provider, &*clock).await;
    payments.close().await;
    bank.close().await;
    compared
}

async fn make_demo(folder: &DataFolder, args: &DemoArgs) -> Result<(), StartError> {
    let gateway = Link::connect(&args.gateway_url, &ConnectOptions::default())?;
    let password = args.admin_password.read()?.expose_secret().to_owned();
    let admin = Account { email: args.admin_email.clone(), password };
    let accounts = match Accounts::read(folder.path())? {
        Some(known) => Accounts { admin, ..known },
        None => Accounts::create_beside(admin, folder.path())?,
    };
    demo::furnish(&gateway, &accounts, SystemClock.now()).await
}

async fn serve(folder: &DataFolder, args: &ServeArgs) -> Result<(), StartError> {
    let tls = args.tls.server(args.listen).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = bind(args.listen, "--listen").await?;
    observe::install(Observer { statement: metrics::sql_statement, pool: metrics::sql_pool });
    args.metrics.serve(None).await?;
    let address = listener.local_addr().unwrap_or(args.listen);
    let _lock = folder.lock()?;
    let shutdown = shutdown_signal()?;
    let clock: SharedClock = SystemClock::shared();

    let accounts = match Accounts::read(folder.path())? {
        Some(accounts) => Some(accounts),
        None if folder.is_new() && args.wants_demo() => Some(Accounts::create(folder.path())?),
        None => None,
    };
    let platform = Platform::open(folder, args, clock).await?;
    if let Some(accounts) = &accounts {
        demo::seed(&platform, accounts).await?;
    }
    welcome::print(&format!("{scheme}://{address}"), folder.path(), accounts.is_some());
    let server = Server::new(platform.router()).at_the_edge().with_tls(tls);
    tokio::join!(server.run(listener, shutdown.clone()), platform.run_background(shutdown));
    platform.close().await;
    Ok(())
}
