//! The operator's program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moviebooking_operator::api;
use moviebooking_serve::{LogArgs, StartError};

/// Runs Movie Booking Platforms on Kubernetes.
#[derive(Parser)]
#[command(name = "moviebooking-operator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Print the definitions of the custom resources, as YAML.
    Crds,
}

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    match cli.command {
        Command::Crds => moviebooking_serve::main(&cli.log, async { print_documents(&api::definitions()) }),
    }
}

/// Prints `documents` as YAML.
fn print_documents<T: serde::Serialize>(documents: &[T]) -> Result<(), StartError> {
    let mut text =
        String::from("# Written by `moviebooking-operator`; `cargo xtask generate` writes it anew.\n");
    for document in documents {
        // Through JSON: that is the form that Kubernetes knows.
        let value =
            serde_json::to_value(document).map_err(|error| StartError::software(error.to_string()))?;
        let yaml =
            serde_saphyr::to_string(&value).map_err(|error| StartError::software(error.to_string()))?;
        text.push_str("---\n");
        text.push_str(&yaml);
    }
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| StartError::system(format!("cannot write to standard output: {error}")))
}
