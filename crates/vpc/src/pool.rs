//! Idle connections of one service: which one a request takes, how long they are kept. Pure; knows nothing of HTTP.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// What to make of an idle connection when a request looks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// It can carry the request, and this is all that it can: take it out.
    Take,
    /// It can carry the request and more: use a copy, leave it in.
    Share,
    /// It cannot carry this request, but perhaps another one.
    Skip,
    /// It is dead or of no use to anyone: drop it.
    Discard,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

/// Idle connections by key, the most recently used one first: it is the least likely to have been closed.
pub(crate) struct Pool<K, C> {
    idle: HashMap<K, Vec<Idle<C>>>,
    keep_for: Duration,
}

impl<K: Eq + Hash + Clone, C> Pool<K, C> {
    pub(crate) fn new(keep_for: Duration) -> Self {
        Self { idle: HashMap::new(), keep_for }
    }

    /// The connection that fits best, as `fitness` sees it. A shared one is copied by `share` and counts as used now.
    pub(crate) fn take(
        &mut self,
        key: &K,
        now: Instant,
        mut fitness: impl FnMut(&C) -> Fitness,
        share: impl FnOnce(&C) -> Option<C>,
    ) -> Option<C> {
        let keep_for = self.keep_for;
        let list = self.idle.get_mut(key)?;
        let mut found = None;
        for position in (0..list.len()).rev() {
            let Some(idle) = list.get_mut(position) else { continue };
            let expired = now.saturating_duration_since(idle.since) >= keep_for;
            match fitness(&idle.connection) {
                Fitness::Skip if !expired => {}
                Fitness::Share if !expired => {
                    idle.since = now;
                    found = share(&idle.connection);
                    break;
                }
                Fitness::Take if !expired => {
                    found = Some(list.remove(position).connection);
                    break;
                }
                _ => drop(list.remove(position)),
            }
        }
        if list.is_empty() {
            self.idle.remove(key);
        }
        found
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&mut self, key: K, connection: C, now: Instant) {
        self.idle.entry(key).or_default().push(Idle { connection, since: now });
    }

    /// Removes the connection that has been idle for longest and that `removable` agrees to.
    pub(crate) fn evict(&mut self, removable: impl Fn(&C) -> bool) -> Option<C> {
        let (key, position) = self
            .idle
            .iter()
            .flat_map(|(key, list)| list.iter().enumerate().map(move |(position, idle)| (key, position, idle)))
            .filter(|(_, _, idle)| removable(&idle.connection))
            .min_by_key(|(_, _, idle)| idle.since)
            .map(|(key, position, _)| (key.clone(), position))?;
        let list = self.idle.get_mut(&key)?;
        let evicted = list.remove(position).connection;
        if list.is_empty() {
            self.idle.remove(&key);
        }
        Some(evicted)
    }

    /// Drops what has been idle for too long and what `dead` says is dead; returns when to look again.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        dead: impl Fn(&C) -> bool,
        busy: impl Fn(&C) -> bool,
    ) -> Option<Instant> {
        let keep_for = self.keep_for;
        self.idle.retain(|_, list| {
            list.retain_mut(|idle| {
                if busy(&idle.connection) {
                    idle.since = now;
                }
                !dead(&idle.connection) && now.saturating_duration_since(idle.since) < keep_for
            });
            !list.is_empty()
        });
        self.idle.values().flatten().map(|idle| idle.since + keep_for).min()
    }

    /// Drops all of them.
    pub(crate) fn clear(&mut self) {
        self.idle.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Pool<&'static str, u32> {
        Pool::new(Duration::from_secs(10))
    }

    fn take(pool: &mut Pool<&'static str, u32>, now: Instant) -> Option<u32> {
        pool.take(&"a", now, |_| Fitness::Take, |connection| Some(*connection))
    }

    #[test]
    fn gives_the_most_recent_one_of_the_key() {
        let now = Instant::now();
        let mut pool = pool();
        pool.put("a", 1, now);
        pool.put("a", 2, now);
        pool.put("b", 3, now);
        assert_eq!(take(&mut pool, now), Some(2));
        assert_eq!(take(&mut pool, now), Some(1));
        assert_eq!(take(&mut pool, now), None);
    }

    #[test]
    fn idle_time_ends() {
        let now = Instant::now();
        let mut pool = pool();
        pool.put("a", 1, now);
        pool.put("a", 2, now + Duration::from_secs(4));
        assert_eq!(
            pool.expire(now + Duration::from_secs(5), |_| false, |_| false),
            Some(now + Duration::from_secs(10))
        );
        assert_eq!(
            pool.expire(now + Duration::from_secs(10), |_| false, |_| false),
            Some(now + Duration::from_secs(14))
        );
        assert_eq!(take(&mut pool, now + Duration::from_secs(14)), None);
        assert_eq!(pool.expire(now + Duration::from_secs(15), |_| false, |_| false), None);
    }

    #[test]
    fn a_busy_shared_connection_does_not_grow_old() {
        let now = Instant::now();
        let mut pool = pool();
        pool.put("a", 1, now);
        pool.expire(now + Duration::from_secs(9), |_| false, |_| true);
        assert_eq!(take(&mut pool, now + Duration::from_secs(18)), Some(1));
    }

    #[test]
    fn the_dead_are_dropped_and_the_unfit_left() {
        let now = Instant::now();
        let mut pool = pool();
        for connection in 1..=4 {
            pool.put("a", connection, now);
        }
        let verdict = |connection: &u32| match connection {
            4 => Fitness::Discard,
            3 => Fitness::Skip,
            2 => Fitness::Share,
            _ => Fitness::Take,
        };
        assert_eq!(pool.take(&"a", now, verdict, |connection| Some(connection * 100)), Some(200));
        // 4 is gone, 3 and the shared 2 are still there.
        assert_eq!(take(&mut pool, now), Some(3));
        assert_eq!(take(&mut pool, now), Some(2));
    }

    #[test]
    fn evicts_the_one_idle_for_longest() {
        let now = Instant::now();
        let mut pool = pool();
        pool.put("a", 1, now + Duration::from_secs(2));
        pool.put("b", 2, now + Duration::from_secs(1));
        pool.put("c", 3, now);
        assert_eq!(pool.evict(|connection| *connection != 3), Some(2));
        assert_eq!(pool.evict(|_| true), Some(3));
        assert_eq!(pool.evict(|_| true), Some(1));
        assert_eq!(pool.evict(|_| true), None);
    }
}
