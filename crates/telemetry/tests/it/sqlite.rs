//! The engine under test: SQLite.

use std::path::Path;

use telemetry::{Telemetry, TelemetryError, TelemetryLocation, TelemetryOptions};

/// Where a new database may be.
#[allow(clippy::unused_async)]
pub async fn location(directory: &Path) -> TelemetryLocation {
    TelemetryLocation::File(directory.join("telemetry.db"))
}

/// Every byte that the engine keeps.
#[allow(clippy::unused_async)]
pub async fn everything(_location: &TelemetryLocation, directory: &Path) -> Vec<Vec<u8>> {
    std::fs::read_dir(directory).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("no/such/directory/telemetry.db");
    let error = Telemetry::open(&TelemetryLocation::File(missing), TelemetryOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("no/such/directory") && error.to_string().contains("check that"), "{error}");
    let garbage = directory.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database, however long one looks at it, and it never was one".repeat(50))
        .unwrap();
    let opened = Telemetry::open(&TelemetryLocation::File(garbage), TelemetryOptions::default()).await;
    assert!(matches!(opened, Err(TelemetryError::Open { .. })));
}
