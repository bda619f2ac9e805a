//! What holds for all services of an edge.

use std::num::NonZeroUsize;

use crate::address::Restrictions;

/// What holds for all services of an edge.
#[derive(Debug, Clone)]
pub struct Options {
    /// This edge's name in `CDN-Loop` (RFC 8586), a token. Processes that share a store should share it.
    pub cdn_id: String,
    /// What is never connected to.
    pub restrictions: Restrictions,
    /// How many DNS answers are remembered, over all tunnels.
    pub dns_cache_entries: NonZeroUsize,
    /// How many services, and destinations on networks, are remembered with their connections; the least recently used
    /// go first.
    pub remembered_destinations: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cdn_id: "culvert".to_owned(),
            restrictions: Restrictions::default(),
            dns_cache_entries: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
            remembered_destinations: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
        }
    }
}
