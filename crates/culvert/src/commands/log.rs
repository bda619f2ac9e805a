//! The program's own log, on standard error: for people on a terminal, JSON lines otherwise. `RUST_LOG` sets what is said.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. A second call does nothing.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if std::io::stderr().is_terminal() { log.with_target(false).try_init() } else { log.json().try_init() };
}
