//! Following what other edges change in a database that they share: the generation is asked for, four times a second.
//! Asking, unlike being notified, also works through a connection pooler, and notices by itself that the server is gone
//! and that it is back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::error::StoreError;
use crate::snapshot;

const PERIOD: Duration = Duration::from_millis(250);

/// Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Follower(JoinHandle<()>);

impl Follower {
    /// Begins to follow a database that others may change.
    pub(crate) fn start(database: &Database, generation: &Arc<watch::Sender<u64>>) -> Option<Self> {
        let Database::Postgres(pool) = database else {
            return None;
        };
        let database = Database::Postgres(pool.clone());
        let known = Arc::clone(generation);
        Some(Follower(tokio::spawn(async move {
            let mut lost = false;
            loop {
                tokio::time::sleep(PERIOD).await;
                match ask(&database).await {
                    Ok(generation) => {
                        if lost {
                            tracing::info!("the database answers again");
                        }
                        lost = false;
                        announce(&known, generation);
                    }
                    Err(error) => {
                        if !lost {
                            tracing::warn!("the database does not answer, what was configured is served on: {error}");
                        }
                        lost = true;
                    }
                }
            }
        })))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ask(database: &Database) -> Result<u64, StoreError> {
    snapshot::generation(&mut database.read().await?).await
}

/// Tells whoever waits that there is this generation, unless they know a newer one.
pub(crate) fn announce(known: &watch::Sender<u64>, generation: u64) {
    known.send_if_modified(|current| {
        let newer = generation > *current;
        if newer {
            *current = generation;
        }
        newer
    });
}
