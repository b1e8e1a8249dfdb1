//! From the command line to a served platform, and to its end.

use std::sync::Arc;

use moviebooking_domain::clock::{Clock as _, SharedClock, SystemClock};
use moviebooking_sandbox_bank as sandbox;
use moviebooking_serve::{ConnectOptions, Link, Server, StartError, bind, metrics, shutdown_signal};
use moviebooking_store::observe::{self, Observer};
use secrecy::ExposeSecret as _;

use crate::{
    Account, Accounts, DataFolder, Platform, Storage,
    args::{Cli, Command, DemoArgs, Import, ServeArgs},
    demo, welcome,
};

/// Does what the command line says.
///
/// # Errors
/// When it cannot be done; the error says what to change.
pub async fn run(cli: Cli) -> Result<(), StartError> {
    let storage = Storage::open(&cli.data)?;
    match cli.command {
        None => Box::pin(serve(&storage, &cli.serve)).await,
        Some(Command::Import { what: Import::Movies(args) }) => {
            let clock = SystemClock;
            let db =
                storage.database(moviebooking_movies::NAME, &moviebooking_movies::MIGRATIONS, &clock).await?;
            let done = args.run(&db, &clock).await;
            db.close().await;
            done
        }
        Some(Command::CreateAdmin(admin)) => {
            with_users(&storage, &cli.serve, async |users| admin.run(users).await).await
        }
        Some(Command::RotateTokenKeys(rotate)) => {
            with_users(&storage, &cli.serve, async |users| rotate.run(users).await).await
        }
        Some(Command::RotateTicketKeys(rotate)) => {
            let clock = SystemClock::shared();
            let db = storage
                .database(moviebooking_tickets::NAME, &moviebooking_tickets::MIGRATIONS, &*clock)
                .await?;
            let done = rotate.run(db.clone(), clock).await;
            db.close().await;
            done
        }
        Some(Command::Reconcile(args)) => reconcile(&storage, &args, &cli.serve.payments).await,
        Some(Command::Demo(args)) => make_demo(storage.folder(), &args).await,
    }
}

/// Does something with the database of users, whether or not the platform runs.
async fn with_users(
    storage: &Storage,
    args: &ServeArgs,
    run: impl AsyncFnOnce(&moviebooking_users::Service) -> Result<(), StartError>,
) -> Result<(), StartError> {
    let clock = SystemClock::shared();
    let db = storage.database(moviebooking_users::NAME, &moviebooking_users::MIGRATIONS, &*clock).await?;
    let done = run(&moviebooking_users::Service::new(db.clone(), clock, args.users.clone())).await;
    db.close().await;
    done
}

async fn reconcile(
    storage: &Storage,
    args: &moviebooking_payments::reconcile::Args,
    provider: &moviebooking_payments::provider::ProviderArgs,
) -> Result<(), StartError> {
    let clock = SystemClock::shared();
    let payments =
        storage.database(moviebooking_payments::NAME, &moviebooking_payments::MIGRATIONS, &*clock).await?;
    let bank = match provider.embeds_bank() {
        true => Some(storage.bank(&*clock).await?),
        false => None,
    };
    let embedded = bank.clone().map(|db| {
        let settings = sandbox::Settings {
            secret: sandbox::BankSecret::random(),
            public_url: sandbox::DEFAULT_URL.to_owned(),
            webhook_url: None,
            slow_reply: sandbox::SLOW_REPLY,
        };
        sandbox::Bank::new(db, Arc::clone(&clock), settings)
    });
    let provider = provider.open(embedded.as_ref())?;
    let compared = args.run(&payments, &*provider, &*clock).await;
    for db in [payments].into_iter().chain(bank) {
        db.close().await;
    }
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

async fn serve(storage: &Storage, args: &ServeArgs) -> Result<(), StartError> {
    let tls = args.tls.server(args.listen).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = bind(args.listen, "--listen").await?;
    observe::install(Observer { statement: metrics::sql_statement, pool: metrics::sql_pool });
    args.metrics.serve(None).await?;
    let address = listener.local_addr().unwrap_or(args.listen);
    let folder = storage.folder();
    let _lock = folder.lock()?;
    let shutdown = shutdown_signal()?;
    let clock: SharedClock = SystemClock::shared();

    let platform = Platform::open(storage, args, clock).await?;
    let accounts = demo_accounts(&platform, folder, args).await?;
    if let Some(accounts) = &accounts {
        demo::seed(&platform, accounts).await?;
    }
    welcome::print(&format!("{scheme}://{address}"), storage, accounts.is_some());
    let server = Server::new(platform.router()).at_the_edge().with_tls(tls);
    tokio::join!(server.run(listener, shutdown.clone()), platform.run_background(shutdown));
    platform.close().await;
    Ok(())
}

/// The accounts of the demo cinema that is on the platform or is to be made there. Those of the folder may be of another
/// platform, which was served with other databases.
async fn demo_accounts(
    platform: &Platform,
    folder: &DataFolder,
    args: &ServeArgs,
) -> Result<Option<Accounts>, StartError> {
    let to_be_made = args.wants_demo() && platform.is_new().await?;
    Ok(match Accounts::read(folder.path())? {
        Some(accounts) if to_be_made || platform.has_account(&accounts.admin.email).await? => Some(accounts),
        None if to_be_made => Some(Accounts::create(folder.path())?),
        _ => None,
    })
}
