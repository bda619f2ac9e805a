//! How a process that serves is told to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Until SIGTERM or SIGINT.
pub async fn until_told_to_stop() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("cannot wait for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
