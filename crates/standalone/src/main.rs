//! The whole platform as one program.

use std::process::ExitCode;

use moviebooking_serve::Workers;
use moviebooking_standalone::{args::Cli, run};

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    let (log, telemetry) = (cli.log.clone(), cli.serve.telemetry.clone());
    moviebooking_serve::main_watched("moviebooking", &log, &telemetry, Workers::Each, run(cli))
}
