//! The frame of a process: from `main` to the exit code, and from gRPC services to something to serve.

use crate::{Health, LogArgs, StartError, add_reflection, install_crypto_provider};
use axum::Router;
use std::{io::Write, process::ExitCode, time::Duration};
use tonic::service::Routes;

/// Work on blocking threads that is still going when everything else has ended is given up after this.
const BLOCKING_BOUND: Duration = Duration::from_secs(2);

/// Runs a process: cryptography, logs, a runtime on every core, then `run`. A failure to start is printed as one
/// line on standard error and becomes the exit code.
pub fn main(log: &LogArgs, run: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    install_crypto_provider();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError::system(format!("cannot start threads: {error}")))
    };
    let done = log.init().and_then(|()| runtime()).and_then(|runtime| {
        let done = runtime.block_on(run);
        runtime.shutdown_timeout(BLOCKING_BOUND);
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.code())
        }
    }
}

/// Everything a service's process serves on its port: its own `routes`, gRPC health and reflection of the services
/// called `names` in `descriptor_set` (encoded), and `/healthz` and `/readyz`.
///
/// # Errors
/// If the descriptor set does not decode.
pub fn grpc_router(
    routes: Routes,
    health: &Health,
    descriptor_set: &'static [u8],
    names: &[&str],
) -> Result<Router, StartError> {
    let routes = add_reflection(health.add_grpc(routes), descriptor_set, names)?;
    Ok(routes.into_axum_router().merge(health.http_routes()))
}

/// Prints why a process ends, as one line on standard error.
pub(crate) fn print_error(error: &StartError) {
    // Standard error being gone leaves nobody to tell; the exit code still says it.
    let _ = writeln!(std::io::stderr(), "error: {error}");
}
