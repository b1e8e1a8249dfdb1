//! The sandbox bank as a process of its own.

use std::{path::PathBuf, process::ExitCode};

use axum::routing::get;
use clap::Parser;
use moviebooking_domain::clock::SystemClock;
use moviebooking_process::{Credential, Database, ProcessArgs};
use moviebooking_sandbox_bank::{Bank, BankSecret, MIGRATIONS, SLOW_REPLY, Settings, router};
use moviebooking_serve::{Health, Server, StartError, metrics};
use moviebooking_store::{
    DatabaseArgs,
    observe::{self, Observer},
};
use tokio_util::sync::CancellationToken;

const NAME: &str = "sandbox-bank";

/// Stands in for a payment provider: no money, a durable ledger, tokens that make it fail on purpose, signed webhooks,
/// and a page for buyers to confirm payments on.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory.
#[derive(Parser)]
#[command(name = "moviebooking-sandbox-bank", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:50057")))]
struct Cli {
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    /// File with the secret that the bank and the payments service share, at least 16 random bytes; or set
    /// MOVIEBOOKING_SANDBOX_SECRET to the secret itself.
    #[arg(long, env = "MOVIEBOOKING_SANDBOX_SECRET_FILE", value_name = "FILE")]
    sandbox_secret_file: Option<PathBuf>,
    /// URL under which buyers' browsers reach the bank.
    #[arg(
        long,
        env = "MOVIEBOOKING_SANDBOX_PUBLIC_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:50057"
    )]
    public_url: String,
    /// URL to which webhooks are sent, such as http://127.0.0.1:3000/payments/webhooks/sandbox [default: none are sent]
    #[arg(long, env = "MOVIEBOOKING_SANDBOX_WEBHOOK_URL", value_name = "URL")]
    webhook_url: Option<String>,
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    observe::install(Observer { statement: metrics::sql_statement, pool: metrics::sql_pool });
    cli.process.main(NAME, run(&cli))
}

async fn run(cli: &Cli) -> Result<(), StartError> {
    let url = cli.database.url().map_err(|error| StartError::usage(format!("--database-url: {error}")))?;
    let settings = cli.settings()?;
    let process = cli.process.start().await?;
    let options = cli.database.pool_options(NAME);
    let migrate = cli.database.migrate;
    let database = Database { url: &url, options, migrations: &MIGRATIONS, migrate, flag: "--database-url" };
    let db = database.open(&SystemClock).await?;
    let bank = Bank::new(db.clone(), SystemClock::shared(), settings);
    let health = Health::new(&[]).await;
    let index = "The sandbox bank of the Movie Booking Platform: POST /v1/payments\n";
    let router = router(&bank).route("/", get(async move || index)).merge(health.http_routes());
    let ready = async || db.ping().await.map_err(|error| error.chain());
    let beside = async |stop: CancellationToken| {
        tokio::join!(health.clone().watch(ready, stop.clone()), bank.run_background(stop));
    };
    Box::pin(process.serve(Server::new(router), &health, beside)).await?;
    db.close().await;
    Ok(())
}

impl Cli {
    fn settings(&self) -> Result<Settings, StartError> {
        let secret = Credential {
            variable: "MOVIEBOOKING_SANDBOX_SECRET",
            flag: "--sandbox-secret-file",
            file: self.sandbox_secret_file.as_deref(),
        };
        let secret = BankSecret::new(secret.read()?).map_err(|error| {
            StartError::usage(format!("the bank's secret (MOVIEBOOKING_SANDBOX_SECRET): {error}"))
        })?;
        check_url("--public-url", &self.public_url)?;
        if let Some(url) = &self.webhook_url {
            check_url("--webhook-url", url)?;
        }
        let public_url = self.public_url.trim_end_matches('/').to_owned();
        Ok(Settings { secret, public_url, webhook_url: self.webhook_url.clone(), slow_reply: SLOW_REPLY })
    }
}

fn check_url(flag: &str, text: &str) -> Result<(), StartError> {
    let url = reqwest::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(drop)
        .ok_or_else(|| StartError::usage(format!("{flag}: use a URL such as http://127.0.0.1:50057")))
}
