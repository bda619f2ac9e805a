//! A cache in memory, bounded in bytes: what was used longest ago goes first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use invocation::BoxFuture;
use lru::LruCache;

use super::{CacheKey, CachedResponse, ResponseCache};

/// What an entry costs beside its texts and its body.
const ENTRY: usize = 256;
/// The largest body is this part of all.
const LARGEST_PART: usize = 4;

/// A [`ResponseCache`] in memory.
#[derive(Clone)]
pub struct MemoryCache {
    kept: Arc<Mutex<Kept>>,
    capacity: usize,
}

struct Kept {
    entries: LruCache<CacheKey, (usize, CachedResponse)>,
    bytes: usize,
}

impl Kept {
    fn remove(&mut self, key: &CacheKey) -> Option<CachedResponse> {
        let (size, response) = self.entries.pop(key)?;
        self.bytes -= size;
        Some(response)
    }
}

impl MemoryCache {
    /// Of at most so many bytes in all.
    pub fn new(capacity: usize) -> Self {
        MemoryCache { kept: Arc::new(Mutex::new(Kept { entries: LruCache::unbounded(), bytes: 0 })), capacity }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Kept) -> R) -> R {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, key: &CacheKey, now: SystemTime) -> Option<CachedResponse> {
        self.with(|kept| {
            let (_, response) = kept.entries.get(key)?;
            if response.expires > now {
                return Some(response.clone());
            }
            kept.remove(key);
            None
        })
    }

    fn keep(&self, key: CacheKey, response: CachedResponse) {
        let size = size(&key, &response);
        self.with(|kept| {
            kept.remove(&key);
            if size > self.capacity {
                return;
            }
            while kept.bytes + size > self.capacity {
                let Some((_, (size, _))) = kept.entries.pop_lru() else { break };
                kept.bytes -= size;
            }
            kept.bytes += size;
            kept.entries.put(key, (size, response));
        });
    }
}

fn size(key: &CacheKey, response: &CachedResponse) -> usize {
    let key = key.worker.len() + key.url.len() + key.cache.as_ref().map_or(0, String::len);
    let headers: usize = response.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    ENTRY + key + headers + response.body.len()
}

impl ResponseCache for MemoryCache {
    fn get(&self, key: CacheKey) -> BoxFuture<'static, Option<CachedResponse>> {
        let found = self.find(&key, SystemTime::now());
        Box::pin(std::future::ready(found))
    }

    fn put(&self, key: CacheKey, response: CachedResponse) -> BoxFuture<'static, ()> {
        self.keep(key, response);
        Box::pin(std::future::ready(()))
    }

    fn delete(&self, key: CacheKey) -> BoxFuture<'static, bool> {
        let now = SystemTime::now();
        let was_there = self.with(|kept| kept.remove(&key)).is_some_and(|response| response.expires > now);
        Box::pin(std::future::ready(was_there))
    }

    fn largest_body(&self) -> usize {
        self.capacity / LARGEST_PART
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn key(url: &str) -> CacheKey {
        CacheKey { worker: "w".to_owned(), cache: None, url: url.to_owned() }
    }

    fn response(body: usize, lives: u64) -> CachedResponse {
        CachedResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from(vec![0; body]),
            stored: SystemTime::UNIX_EPOCH,
            expires: SystemTime::UNIX_EPOCH + Duration::from_secs(lives),
        }
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let cache = MemoryCache::new(3 * (ENTRY + 102));
        for url in ["a", "b", "c"] {
            cache.keep(key(url), response(100, 10));
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        assert!(cache.find(&key("a"), now).is_some());
        cache.keep(key("d"), response(100, 10));
        assert!(cache.find(&key("b"), now).is_none());
        for url in ["a", "c", "d"] {
            assert!(cache.find(&key(url), now).is_some(), "{url}");
        }
        cache.keep(key("a"), response(1_000_000, 10));
        assert!(cache.find(&key("a"), now).is_none(), "larger than all");
        assert!(cache.find(&key("c"), now + Duration::from_secs(5)).is_none(), "expired");
        assert_eq!(cache.with(|kept| kept.bytes), ENTRY + 102);
    }
}
