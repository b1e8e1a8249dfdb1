//! The whole platform as one program.

use std::process::ExitCode;

use moviebooking_standalone::{args::Cli, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli: Cli = moviebooking_serve::parse();
    let log = cli.log.clone();
    moviebooking_serve::main(&log, run(cli))
}
