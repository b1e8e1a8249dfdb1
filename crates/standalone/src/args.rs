//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use moviebooking_process::secret_url;
use secrecy::SecretString;

/// Runs a whole cinema ticketing platform on this machine: six services and the gateway in one process, with an SQLite
/// file for each service in one data folder, or a PostgreSQL database for each.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory. Without a command the platform is served.
#[derive(Debug, Parser)]
#[command(name = "moviebooking", version, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Where the data are.
    #[command(flatten)]
    pub data: DataArgs,
    /// What to log.
    #[command(flatten)]
    pub log: moviebooking_serve::LogArgs,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load data from a file into the platform; it may be running meanwhile.
    Import {
        /// What the file holds.
        #[command(subcommand)]
        what: Import,
    },
    /// Make the account of the platform's first admin, and print its id; the platform may be running meanwhile. An admin
    /// with this e-mail is left as they are.
    CreateAdmin(moviebooking_users::CreateAdmin),
    /// Replace the key that access tokens are signed with, while the platform runs or not: a new one is published now and
    /// signs in ten minutes, and tokens that the old one signed are good until they expire.
    RotateTokenKeys(moviebooking_users::RotateKeys),
    /// Add a key for ticket codes, while the platform runs or not: it is published now and signs from tomorrow on. Tickets
    /// that older keys signed stay valid.
    RotateTicketKeys(moviebooking_tickets::RotateKeys),
    /// Compare the ledger with the sandbox bank's own list of the money that it moved, name each difference, and book
    /// the fees that it lists; the platform may be running meanwhile. The exit code is 0 when there is no difference, and 1
    /// when there are some.
    Reconcile(moviebooking_payments::reconcile::Args),
    /// Fill a platform of separate processes with the demo cinema, through its gateway, and keep the accounts' passwords
    /// in the data folder. It must have an admin and a catalogue.
    Demo(DemoArgs),
}

/// The platform to be filled.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// URL of its gateway.
    #[arg(
        long,
        env = "MOVIEBOOKING_GATEWAY_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:3000"
    )]
    pub gateway_url: String,
    /// What its admin signs in with.
    #[arg(long)]
    pub admin_email: String,
    /// The admin's password.
    #[command(flatten)]
    pub admin_password: moviebooking_process::PasswordArgs,
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Add movies to the catalogue.
    Movies(moviebooking_movies::import::cli::Args),
}

/// Where the platform keeps its data.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder for the databases and the demo's accounts; it is made where it is missing.
    #[arg(
        long = "data",
        env = "MOVIEBOOKING_DATA",
        value_name = "FOLDER",
        default_value = "data",
        global = true
    )]
    pub folder: PathBuf,
    /// Databases in PostgreSQL instead of SQLite files: postgres://USER:PASSWORD@HOST:PORT/{service}. In the place of
    /// {service} stand users, movies, theaters, reservations, payments, tickets and bank (of the sandbox); the databases
    /// must exist. Set a URL with a password in the environment, where `ps` does not show it.
    #[arg(long, env = "MOVIEBOOKING_DATABASE_URL", hide_env_values = true, value_name = "URL",
          value_parser = secret_url, global = true)]
    pub database_url: Option<SecretString>,
}

/// How the platform is served.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address and port of the gateway: REST, gRPC-Web and gRPC.
    #[arg(long, env = "MOVIEBOOKING_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
    /// Whether to fill a platform on which nobody has an account with a demo cinema, and keep its showtimes for the
    /// coming seven days. `auto` does it where the platform can be reached from this machine only.
    #[arg(long, env = "MOVIEBOOKING_DEMO", value_enum, default_value_t = Demo::Auto)]
    pub demo: Demo,
    /// The port's certificates.
    #[command(flatten)]
    pub tls: moviebooking_serve::tls::TlsArgs,
    /// The port of the metrics.
    #[command(flatten)]
    pub metrics: moviebooking_serve::metrics::MetricsArgs,
    /// Where traces go.
    #[command(flatten)]
    pub telemetry: moviebooking_serve::telemetry::TelemetryArgs,
    /// The gateway's own settings.
    #[command(flatten)]
    pub gateway: moviebooking_gateway::Config,
    /// Where events go.
    #[command(flatten)]
    pub events: moviebooking_events::EventsArgs,
    /// The users service's own settings.
    #[command(flatten)]
    pub users: moviebooking_users::Config,
    /// The reservations service's own settings.
    #[command(flatten)]
    pub reservations: moviebooking_reservations::Config,
    /// Who moves the money.
    #[command(flatten)]
    pub payments: moviebooking_payments::provider::ProviderArgs,
    /// URL under which browsers reach the platform [default: the address that it listens on].
    #[arg(long, env = "MOVIEBOOKING_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
}

/// Whether to make a demo cinema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Demo {
    /// Where the platform listens on a loopback address.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl ServeArgs {
    /// The URL under which browsers reach the platform, without a slash at the end.
    pub fn public_url(&self) -> String {
        let scheme = if self.tls.is_on() { "https" } else { "http" };
        let url = self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", self.listen));
        url.trim_end_matches('/').to_owned()
    }

    /// Whether a demo cinema is wanted.
    pub fn wants_demo(&self) -> bool {
        match self.demo {
            Demo::Auto => self.listen.ip().is_loopback(),
            Demo::On => true,
            Demo::Off => false,
        }
    }
}
