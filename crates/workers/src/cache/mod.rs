//! The cache of an edge behind `caches` of Workers (<https://developers.cloudflare.com/workers/runtime-apis/cache/>): what is kept for how
//! long, and a store in memory. Another store can be brought by implementing [`ResponseCache`].

mod conditional;
mod memory;
mod policy;

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use invocation::BoxFuture;

pub(crate) use conditional::answer;
pub use memory::MemoryCache;
pub(crate) use policy::{Storable, storable};

/// What a response is kept under. Each Worker has caches of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// The Worker.
    pub worker: String,
    /// The name given to `caches.open`; `None` for `caches.default`.
    pub cache: Option<String>,
    /// The request's URL, without its fragment.
    pub url: String,
}

/// A response that is kept.
#[derive(Debug, Clone)]
pub struct CachedResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Bytes,
    /// When it was put in.
    pub stored: SystemTime,
    /// From when on it must not be given out.
    pub expires: SystemTime,
}

/// Keeps responses. What it loses is only asked for again.
pub trait ResponseCache: Send + Sync {
    /// The response under a key, if it is there and fresh.
    fn get(&self, key: CacheKey) -> BoxFuture<'static, Option<CachedResponse>>;

    /// Keeps a response instead of what was under the key.
    fn put(&self, key: CacheKey, response: CachedResponse) -> BoxFuture<'static, ()>;

    /// Forgets what is under a key. Says whether there was something.
    fn delete(&self, key: CacheKey) -> BoxFuture<'static, bool>;

    /// The most bytes that one body may have.
    fn largest_body(&self) -> usize;
}
