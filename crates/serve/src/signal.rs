//! The signals that stop a process.

use crate::StartError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGTERM or SIGINT. Whoever is served for long (a stream of events) watches it too
/// and ends. A second signal ends the process at once, with 128 plus the signal's number.
///
/// # Errors
/// If the operating system refuses the handlers.
pub fn shutdown_signal() -> Result<CancellationToken, StartError> {
    let listen =
        |kind| signal(kind).map_err(|e| StartError::system(format!("cannot listen for signals: {e}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let first = next(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = first, "stopping; once more to stop at once");
        cancelled.cancel();
        let second = next(&mut terminate, &mut interrupt).await;
        std::process::exit(128 + second);
    });
    Ok(token)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> i32 {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
    }
}
