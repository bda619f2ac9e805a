//! UDP sessions to resolvers on one connection: kept for a while after a query, lent to the next one, and bounded in number.
//! Who finds none waits for one, since a burst of host names is no reason for any of them to fail.
//!
//! A session serves one query at a time, so that each query is answered as if it had a socket of its own, and is given up
//! before long, so that the port behind it changes.

use super::link::{Link, LinkUse};
use super::udp::{self, Session, SessionError};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tunnel_proto::origin::DialFailure;

/// Sessions lent at once, and sessions kept. Well below what a connector of ours takes on one connection.
const PLACES: usize = 256;
/// A session is kept for this long after its last query; connectors are told to keep it for longer ([`udp::IDLE`]).
const KEPT: Duration = Duration::from_secs(5);
/// A session is used for this long: the connector's resolver may have changed since.
const AGE: Duration = Duration::from_secs(30);

/// A session that waits for its next query.
#[derive(Debug)]
struct Kept {
    session: Session,
    destination: SocketAddr,
    made: Instant,
    used: Instant,
}

impl Kept {
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.used) < KEPT && now.duration_since(self.made) < AGE
    }
}

/// The sessions of one connection.
#[derive(Debug)]
pub(crate) struct SessionPool {
    places: Arc<Semaphore>,
    /// `None` when the connection has ended: a session holds the connection, which holds these.
    kept: Mutex<Option<Vec<Kept>>>,
    /// How many are lent or on their way: one of them will come back.
    taken: AtomicUsize,
    /// One of them came back, or will not.
    returned: Notify,
}

impl Default for SessionPool {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            kept: Mutex::new(Some(Vec::new())),
            taken: AtomicUsize::new(0),
            returned: Notify::new(),
        }
    }
}

impl SessionPool {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one to `destination` that was used last. Lets go of those that were kept for long enough.
    fn take(&self, destination: SocketAddr) -> Option<Kept> {
        let now = Instant::now();
        let (mut taken, mut stale) = (None, Vec::new());
        if let Some(kept) = self.lock().as_mut() {
            stale.extend(kept.extract_if(.., |kept| !kept.is_fresh(now)));
            let newest = kept.iter().rposition(|kept| kept.destination == destination);
            taken = newest.map(|index| kept.remove(index));
        }
        taken
    }

    /// Keeps a session for the next query.
    fn keep(&self, session: Kept) {
        // What is let go is dropped after the lock.
        let mut oldest = None;
        let mut refused = None;
        match self.lock().as_mut() {
            Some(kept) => {
                oldest = (kept.len() >= PLACES).then(|| kept.remove(0));
                kept.push(session);
            }
            None => refused = Some(session),
        }
        drop((oldest, refused));
    }

    /// The connection has ended.
    pub(crate) fn close(&self) {
        let kept = self.lock().take();
        drop(kept);
    }
}

/// Counts a session as taken; dropping it wakes one who waits. `None` when it has left before.
struct Taken(Option<Arc<Link>>);

impl Taken {
    fn new(link: &Arc<Link>) -> Self {
        link.pool.taken.fetch_add(1, Ordering::SeqCst);
        Self(Some(Arc::clone(link)))
    }

    /// Leaves without waking anyone, and says whether others are left, one of which will.
    fn leave(mut self) -> bool {
        self.0.take().is_some_and(|link| link.pool.taken.fetch_sub(1, Ordering::SeqCst) > 1)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.pool.taken.fetch_sub(1, Ordering::SeqCst);
            link.pool.returned.notify_one();
        }
    }
}

/// A session that is lent for one query. Dropping it keeps it for the next one, unless it has failed.
pub(crate) struct Lease {
    /// `None` when it has failed.
    kept: Option<Kept>,
    /// It has served a query before this one, so that the connector may have ended it unheard.
    used_before: bool,
    counted: LinkUse,
    // In this order: who is woken finds the session and the place.
    _place: OwnedSemaphorePermit,
    _taken: Taken,
}

impl Lease {
    fn new(link: &Arc<Link>, taken: Taken, kept: Kept, used_before: bool, place: OwnedSemaphorePermit) -> Self {
        let counted = LinkUse::new(Arc::clone(link));
        Self { kept: Some(kept), used_before, counted, _place: place, _taken: taken }
    }

    /// The session.
    pub(crate) fn session(&mut self) -> Result<&mut Session, SessionError> {
        let gone = || SessionError::Lost("the session has failed".to_owned());
        self.kept.as_mut().map(|kept| &mut kept.session).ok_or_else(gone)
    }

    /// It served a query before this one.
    pub(crate) fn was_used_before(&self) -> bool {
        self.used_before
    }

    /// Lets it go for good.
    pub(crate) fn discard(mut self) {
        self.kept = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut kept) = self.kept.take()
            && kept.session.is_alive()
        {
            kept.used = Instant::now();
            self.counted.link().pool.keep(kept);
        }
    }
}

/// Whether sessions that are kept will do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// One that is kept, or a new one.
    Any,
    /// A new one.
    New,
}

/// Lends a session to `destination`, and waits for one where there are as many as there may be, here or at the connector.
pub(crate) async fn borrow(link: &Arc<Link>, destination: SocketAddr, wanted: Wanted) -> Result<Lease, SessionError> {
    let pool = &link.pool;
    let place = Arc::clone(&pool.places).acquire_owned().await;
    let place = place.map_err(|error| SessionError::Lost(error.to_string()))?;
    loop {
        let taken = Taken::new(link);
        while wanted == Wanted::Any
            && let Some(mut kept) = pool.take(destination)
        {
            if kept.session.is_alive() {
                return Ok(Lease::new(link, taken, kept, true, place));
            }
        }
        match udp::open(Arc::clone(link), destination).await {
            Ok(session) => {
                let now = Instant::now();
                let kept = Kept { session, destination, made: now, used: now };
                return Ok(Lease::new(link, taken, kept, false, place));
            }
            // The connector's limit. Of those beside this one, one will come back, or find out the same.
            Err(error @ SessionError::Refused(DialFailure::TooManyFlows, _)) => {
                if !taken.leave() {
                    pool.returned.notify_one();
                    return Err(error);
                }
                pool.returned.notified().await;
            }
            Err(error) => return Err(error),
        }
    }
}
