//! From the command line to a served platform, and to its end.

use moviebooking_domain::clock::{SharedClock, SystemClock};
use moviebooking_serve::{Server, StartError, bind, shutdown_signal};

use crate::{
    Accounts, DataFolder, Platform,
    args::{Cli, Command, Import, ServeArgs},
    demo, welcome,
};

/// Does what the command line says.
///
/// # Errors
/// When it cannot be done; the error says what to change.
pub async fn run(cli: Cli) -> Result<(), StartError> {
    let folder = DataFolder::open(&cli.data.folder)?;
    match cli.command {
        None => serve(&folder, &cli.serve).await,
        Some(Command::Import { what: Import::Movies(args) }) => {
            let clock = SystemClock;
            let db =
                folder.database(moviebooking_movies::NAME, &moviebooking_movies::MIGRATIONS, &clock).await?;
            let done = args.run(&db, &clock).await;
            db.close().await;
            done
        }
    }
}

async fn serve(folder: &DataFolder, args: &ServeArgs) -> Result<(), StartError> {
    let listener = bind(args.listen, "--listen").await?;
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
    welcome::print(address, folder.path(), accounts.is_some());
    let server = Server::new(platform.router());
    tokio::join!(server.run(listener, shutdown.clone()), platform.run_background(shutdown));
    Ok(())
}
