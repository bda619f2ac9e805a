//! How a process that serves is told to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Does something at each SIGHUP, for ever.
pub async fn on_hangup(act: impl Fn()) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("cannot wait for signals: {error}"));
    let mut hangups = signal(SignalKind::hangup()).map_err(failed)?;
    while hangups.recv().await.is_some() {
        act();
    }
    std::future::pending().await
}

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
