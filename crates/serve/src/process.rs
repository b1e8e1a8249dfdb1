//! The frame of a process: from `main` to the exit code, and from gRPC services to something to serve.

use crate::{
    Health, LogArgs, StartError, add_reflection, install_crypto_provider,
    telemetry::{TelemetryArgs, Traces},
};
use axum::Router;
use std::{
    io::Write, num::NonZero, process::ExitCode, sync::OnceLock, thread::available_parallelism, time::Duration,
};
use tonic::service::Routes;

/// Work on blocking threads that is still going when everything else has ended is given up after this.
const BLOCKING_BOUND: Duration = Duration::from_secs(2);

/// How many threads run the tasks of a process. Work that keeps a processor busy for long has threads of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each processor: the process is all that there is.
    Each,
    /// One for four processors, and at least one: other services, a gateway and a database use the machine as well, and
    /// threads that look for work take time from those that have some. More replicas do more work.
    Quarter,
}

impl Workers {
    fn count(self) -> usize {
        let processors = available_parallelism().map_or(1, NonZero::get);
        match self {
            Self::Each => processors,
            Self::Quarter => processors.div_ceil(4),
        }
    }
}

static NAME: OnceLock<&'static str> = OnceLock::new();

/// What this process is called in metrics.
pub(crate) fn name() -> &'static str {
    NAME.get().copied().unwrap_or("moviebooking")
}

/// Runs a process: cryptography, logs, a runtime on every core, then `run`. A failure to start is printed as one
/// line on standard error and becomes the exit code.
pub fn main(log: &LogArgs, run: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    exit_code(within_runtime(Workers::Each, || log.init().map(|()| None), run))
}

/// The same for a process that is watched: it is called `name` in metrics and, unless configured, in traces, which
/// go where `telemetry` says. It has `workers`. The last spans are sent when `run` has ended, within three seconds.
pub fn main_watched(
    name: &'static str,
    log: &LogArgs,
    telemetry: &TelemetryArgs,
    workers: Workers,
    run: impl Future<Output = Result<(), StartError>>,
) -> ExitCode {
    // It is set once in a process.
    let _ = NAME.set(name);
    let begin = || {
        let traces = telemetry.start(name)?;
        log.init_with(traces.as_ref())?;
        Ok(traces)
    };
    exit_code(within_runtime(workers, begin, run))
}

fn within_runtime(
    workers: Workers,
    begin: impl FnOnce() -> Result<Option<Traces>, StartError>,
    run: impl Future<Output = Result<(), StartError>>,
) -> Result<(), StartError> {
    install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.count())
        .enable_all()
        .build()
        .map_err(|error| StartError::system(format!("cannot start threads: {error}")))?;
    let traces = {
        let _entered = runtime.enter();
        begin()?
    };
    let done = runtime.block_on(run);
    if let Some(traces) = traces {
        traces.flush();
    }
    runtime.shutdown_timeout(BLOCKING_BOUND);
    done
}

fn exit_code(done: Result<(), StartError>) -> ExitCode {
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
