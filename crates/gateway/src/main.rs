//! The gateway as a process of its own.

use std::{process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use moviebooking_auth::{Keys, KeysFromUsers, Verifier};
use moviebooking_domain::clock::SystemClock;
use moviebooking_gateway::{Check, Config, Gateway, Upstreams};
use moviebooking_process::{
    Movies, Payments, Peer, Process, ProcessArgs, Reservations, Theaters, Tickets, Users,
};
use moviebooking_serve::{Link, Server, StartError};

/// Serves the platform to the outside: REST, gRPC-Web and gRPC on one port.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory.
#[derive(Parser)]
#[command(name = "moviebooking-gateway", version, mut_arg("listen", |listen| listen.default_value("127.0.0.1:3000")))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    users: Users,
    #[command(flatten)]
    movies: Movies,
    #[command(flatten)]
    theaters: Theaters,
    #[command(flatten)]
    reservations: Reservations,
    #[command(flatten)]
    payments: Payments,
    #[command(flatten)]
    tickets: Tickets,
}

#[derive(Subcommand)]
enum Command {
    /// Ask a platform over REST and gRPC whether it serves, instead of serving: exit code 0 if so.
    Check(Check),
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    cli.process.main("gateway", async {
        match &cli.command {
            None => run(&cli).await,
            Some(Command::Check(check)) => check.run().await,
        }
    })
}

async fn run(cli: &Cli) -> Result<(), StartError> {
    let process = cli.process.start().await?;
    let upstreams = Upstreams::from([
        upstream(&process, &cli.users)?,
        upstream(&process, &cli.movies)?,
        upstream(&process, &cli.theaters)?,
        upstream(&process, &cli.reservations)?,
        upstream(&process, &cli.payments)?,
        upstream(&process, &cli.tickets)?,
    ]);
    let clock = SystemClock::shared();
    let keys = Keys::new(KeysFromUsers::new(process.connect(&cli.users)?), Arc::clone(&clock));
    // No service token ever comes from outside: the gateway knows no secret to take one by.
    let verifier = Verifier::new("gateway", Arc::new(keys), None, clock);
    let gateway = Gateway::new(upstreams, verifier, cli.config.clone()).await?;
    let server = Server::new(gateway.router()).at_the_edge();
    process.serve(server, gateway.health(), async |stop| gateway.run_background(stop).await).await
}

fn upstream<P: Peer>(process: &Process<'_>, peer: &P) -> Result<(&'static str, Link), StartError> {
    Ok((P::NAME, process.connect(peer)?))
}
