//! Facts as they happen, for whoever is watching. A slow reader loses the oldest ones, and is told how many.

use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::{ConnectionEvent, InvocationRecord};

/// What a live reader receives.
#[derive(Debug, Clone)]
pub enum LiveItem {
    /// An invocation ended. Not redacted: see [`crate::InvocationView::of`].
    Invocation(Arc<InvocationRecord>),
    /// A connection attempt ended.
    Connection(Arc<ConnectionEvent>),
    /// So many facts were lost, because this reader is too slow.
    Missed(u64),
}

/// The sending side.
#[derive(Debug)]
pub(crate) struct Live(broadcast::Sender<LiveItem>);

impl Live {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(broadcast::Sender::new(capacity.clamp(1, 1 << 20)))
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    pub(crate) fn send(&self, item: LiveItem) {
        // Nobody there is no failure.
        let _ = self.0.send(item);
    }

    pub(crate) fn watch(&self) -> LiveReader {
        LiveReader(self.0.subscribe())
    }
}

/// Receives facts from the moment it was made.
#[derive(Debug)]
pub struct LiveReader(broadcast::Receiver<LiveItem>);

impl LiveReader {
    /// The next fact, or `None` once neither the keeper nor any recorder is left. Cancel safe.
    pub async fn next(&mut self) -> Option<LiveItem> {
        match self.0.recv().await {
            Ok(item) => Some(item),
            Err(RecvError::Lagged(missed)) => Some(LiveItem::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}
