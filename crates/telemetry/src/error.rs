//! What can fail.

use std::path::PathBuf;

use crate::database::TelemetryLocation;

/// Why the keeper could not be opened, or a query not be answered.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The access log cannot be written.
    #[error("the access log {} cannot be written: {source}; check that its directory exists and is writable", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The writer has stopped.
    #[error("telemetry was shut down")]
    Closed,
    /// What is stored cannot be read back.
    #[error("a stored fact cannot be read: {0}")]
    Corrupt(String),
    /// The address of the collector cannot be one.
    #[error("telemetry cannot be sent to `{endpoint}`: {reason}")]
    Otlp {
        /// The address as given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The query makes no sense as given.
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    /// The database cannot be opened.
    #[error("the telemetry database {location} cannot be opened: {source}; check that {}", advice(location))]
    Open {
        /// Which one.
        location: TelemetryLocation,
        /// What the engine says.
        source: sqlx::Error,
    },
    /// The database could be opened, but not read or written now.
    #[error("the telemetry database cannot be read or written: {0}")]
    Storage(#[from] sqlx::Error),
}

/// What to look at when a database cannot be opened.
fn advice(location: &TelemetryLocation) -> &'static str {
    match location {
        TelemetryLocation::File(_) => "its directory exists, is writable and has room",
        TelemetryLocation::Postgres(_) => {
            "the server runs, and that its user may create the schema culvert_telemetry, or owns it"
        }
    }
}

/// A filter's value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a value for `{name}`: {reason}")]
pub struct InvalidFilter {
    /// The filter's name, as in a query string.
    pub name: String,
    /// The value as given.
    pub value: String,
    /// What is expected.
    pub reason: String,
}

impl InvalidFilter {
    pub(crate) fn new(name: &str, value: &str, reason: impl Into<String>) -> Self {
        // A value may be as long as a URL; the message need not be.
        let value = value.chars().take(100).collect();
        Self { name: name.to_owned(), value, reason: reason.into() }
    }
}
