//! The operator's program.

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use kube::{Config, client::ClientBuilder};
use moviebooking_domain::clock::SystemClock;
use moviebooking_operator::{
    api,
    controller::{Context, Election, run},
    metrics, rbac,
};
use moviebooking_serve::{Health, LogArgs, StartError, metrics::MetricsArgs, shutdown_signal};
use serde_json::Value;
use tower::util::MapRequestLayer;

/// It gives the memory of many objects that were read at once back, which the system's keeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs Movie Booking Platforms on Kubernetes: the cluster that KUBECONFIG names, or the one that it is in.
///
/// Every option can also be set by the environment variable that is named with it, or in a file `.env` in the working
/// directory.
#[derive(Parser)]
#[command(name = "moviebooking-operator", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Namespace of the Lease by which several processes agree on which of them works [default: the one it is in].
    #[arg(long, env = "MOVIEBOOKING_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Name of this process among them, such as its pod's [default: a random one].
    #[arg(long, env = "MOVIEBOOKING_OPERATOR_IDENTITY", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Print the definitions of the custom resources, as YAML.
    Crds,
    /// Print what the operator must be allowed to do, as YAML: a ClusterRole, and a Role of its own namespace.
    Rbac,
    /// Print the schema of a platform's specification, as JSON: what the chart moviebooking-platform takes as values.
    ValuesSchema,
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    moviebooking_serve::main(&cli.log, async {
        match cli.command {
            Some(Command::Crds) => print_documents(&api::definitions().map(serde_json::to_value)),
            Some(Command::Rbac) => print_documents(&[
                serde_json::to_value(rbac::cluster_role()),
                serde_json::to_value(rbac::role()),
            ]),
            Some(Command::ValuesSchema) => print(
                &api::values_schema()
                    .and_then(|schema| serde_json::to_string_pretty(&schema))
                    .map(|text| text + "\n")
                    .map_err(unprintable)?,
            ),
            None => Box::pin(serve(&cli)).await,
        }
    })
}

async fn serve(cli: &Cli) -> Result<(), StartError> {
    let no_cluster =
        |error: String| StartError::config(format!("no cluster (set KUBECONFIG, or run in one): {error}"));
    let config = Config::infer().await.map_err(|error| no_cluster(error.to_string()))?;
    let builder = ClientBuilder::try_from(config).map_err(|error| no_cluster(error.to_string()))?;
    let client = builder.with_layer(&MapRequestLayer::new(metrics::count)).build();
    let health = Health::new(&[]).await;
    cli.metrics.serve(Some(&health)).await?;
    let stop = shutdown_signal()?;
    let namespace = cli.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let identity = cli.identity.clone().unwrap_or_else(|| format!("operator-{:08x}", rand::random::<u32>()));
    let asked = client.clone();
    let answers = async move || asked.apiserver_version().await.map(drop);
    let watched = tokio::spawn(health.watch(answers, stop.clone()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    let election = Election { namespace, identity };
    run(Context::new(client, SystemClock::shared()), &election, stop.clone()).await?;
    stop.cancel();
    // It has nothing to say any more.
    let _ = watched.await;
    tracing::info!("stopped");
    Ok(())
}

/// Prints documents as YAML.
fn print_documents(documents: &[serde_json::Result<Value>]) -> Result<(), StartError> {
    let mut text =
        String::from("# Written by `moviebooking-operator`; `cargo xtask generate` writes it anew.\n");
    for document in documents {
        let value = document.as_ref().map_err(unprintable)?;
        let yaml = serde_saphyr::to_string(value).map_err(unprintable)?;
        text.push_str("---\n");
        text.push_str(&yaml);
    }
    print(&text)
}

fn unprintable(error: impl std::fmt::Display) -> StartError {
    StartError::software(error.to_string())
}

fn print(text: &str) -> Result<(), StartError> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|error| StartError::system(format!("cannot write to standard output: {error}")))
}
