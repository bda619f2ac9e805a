//! What is remembered about one service between requests: its breaker, its rate, its connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::http::Connection;
use crate::pool::Pool;
use crate::private_network::Scope;
use crate::rate_limit::RateLimiter;
use crate::service::{Scheme, Service, ServiceKind};
use crate::tls::TlsClient;

/// How often idle connections are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Room for one connection of a service. It is given back when this is dropped.
pub(crate) struct ConnectionPermit {
    _permit: OwnedSemaphorePermit,
}

/// What connections of one service have in common when they are interchangeable; their addresses are compared besides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    pub scheme: Scheme,
    /// The name that was verified, for TLS.
    pub server_name: Option<String>,
}

/// Which state: a service's by its id, and on a network one for each destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StateKey {
    pub id: Uuid,
    pub destination: Option<(String, ServiceKind)>,
}

/// One service's state. It belongs to one version of the registration: an edit begins anew.
pub(crate) struct ServiceState {
    service: Arc<Service>,
    scope: Scope,
    breaker: Mutex<Breaker>,
    limiter: Mutex<RateLimiter>,
    connections: Arc<Semaphore>,
    idle: Mutex<IdleConnections>,
    tls: OnceLock<Result<TlsClient, String>>,
    /// Whether the last TLS connection turned out to be HTTP/1.1, of which each request needs its own.
    is_http1: AtomicBool,
    /// Connections being opened that others may want to share.
    opening: Mutex<HashMap<PoolKey, watch::Receiver<()>>>,
    retired: AtomicBool,
}

/// Who opens a connection that may turn out to be shareable.
pub(crate) enum Turn<'a> {
    /// We do; others wait until this is dropped.
    Open(Opening<'a>),
    /// Someone else does; wait for this to end, then look again.
    Wait(watch::Receiver<()>),
    /// Nobody waits for anybody.
    Alone,
}

/// A connection being opened. Dropping it lets those who wait go on.
pub(crate) struct Opening<'a> {
    state: &'a ServiceState,
    key: PoolKey,
    _done: watch::Sender<()>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        lock(&self.state.opening).remove(&self.key);
    }
}

struct IdleConnections {
    pool: Pool<PoolKey, Connection>,
    is_reaped: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl ServiceState {
    pub(crate) fn new(service: Arc<Service>, scope: Scope) -> Self {
        let limit = service.policy.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let pool = Pool::new(service.policy.idle_timeout);
        Self {
            service,
            scope,
            breaker: Mutex::default(),
            limiter: Mutex::default(),
            connections: Arc::new(Semaphore::new(limit)),
            idle: Mutex::new(IdleConnections { pool, is_reaped: false }),
            tls: OnceLock::new(),
            is_http1: AtomicBool::new(false),
            opening: Mutex::default(),
            retired: AtomicBool::new(false),
        }
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether this is the state of this registration.
    pub(crate) fn is_of(&self, service: &Arc<Service>, scope: &Scope) -> bool {
        (Arc::ptr_eq(&self.service, service) || self.service == *service) && self.scope == *scope
    }

    /// Whether the breaker lets an attempt through.
    pub(crate) fn admit(&self) -> Result<(), Box<ConnectionError>> {
        let admitted = lock(&self.breaker).admit(self.service.policy.breaker.as_ref(), Instant::now());
        admitted.map_err(|open| {
            Box::new(ConnectionError::new(
                ErrorCode::DestinationUnavailable,
                Phase::Route,
                format!(
                    "The service `{}` is left alone after {} consecutive failures; the next attempt is let through in {:.1} s. The last failure: {}",
                    self.service.name,
                    open.failures,
                    open.next_trial_in.as_secs_f64(),
                    open.last_failure
                ),
            ))
        })
    }

    /// What the breaker says when it lets nobody through now.
    pub(crate) fn resting(&self) -> Option<String> {
        let open = lock(&self.breaker).look(Instant::now())?;
        Some(format!(
            "open after {} consecutive failures; the next request is let through in {:.1} s; the last failure: {}",
            open.failures,
            open.next_trial_in.as_secs_f64(),
            open.last_failure
        ))
    }

    /// The service answered.
    pub(crate) fn reached(&self) {
        lock(&self.breaker).succeeded();
    }

    /// An attempt failed; the breaker counts it when it speaks against the service as a whole.
    pub(crate) fn missed(&self, error: &ConnectionError) {
        let counts = match error.code {
            ErrorCode::ConnectionRefused
            | ErrorCode::ConnectionTerminated
            | ErrorCode::ConnectionTimeout
            | ErrorCode::DestinationIpUnroutable
            | ErrorCode::DnsTimeout
            | ErrorCode::TlsProtocolError => true,
            // A name that does not exist is not a service that needs rest.
            ErrorCode::DnsError => error.category == connection_error::Category::BadUpstream,
            _ => false,
        };
        if counts {
            let what = format!("{}: {}", error.code, error.detail);
            lock(&self.breaker).failed(self.service.policy.breaker.as_ref(), Instant::now(), what);
        }
    }

    /// Room for a new connection: an idle one that cannot serve makes way.
    pub(crate) fn permit(&self) -> Result<ConnectionPermit, Box<ConnectionError>> {
        let acquire = || Arc::clone(&self.connections).try_acquire_owned().ok();
        let permit = acquire().or_else(|| {
            let evicted = lock(&self.idle).pool.evict(|connection| !connection.is_busy());
            drop(evicted);
            acquire()
        });
        let Some(permit) = permit else {
            let limit = self.service.policy.max_connections;
            return Err(Box::new(ConnectionError::new(
                ErrorCode::ConnectionLimitReached,
                Phase::Route,
                format!("All {limit} connections that the service `{}` is allowed are in use.", self.service.name),
            )));
        };
        Ok(ConnectionPermit { _permit: permit })
    }

    /// Counts a new connection against the service's rate.
    pub(crate) fn count_new_connection(&self) -> Result<(), Box<ConnectionError>> {
        let limit = self.service.policy.max_new_connections_per_second;
        lock(&self.limiter).take(limit, Instant::now()).map_err(|wait| {
            Box::new(ConnectionError::new(
                ErrorCode::RateLimited,
                Phase::Route,
                format!(
                    "The service `{}` allows {} new connections per second; there is room for another one in {:.0} ms.",
                    self.service.name,
                    limit.unwrap_or_default(),
                    (wait.as_secs_f64() * 1000.0).ceil()
                ),
            ))
        })
    }

    /// TLS as the service wants it, made when first needed.
    pub(crate) fn tls(&self) -> Result<&TlsClient, Box<ConnectionError>> {
        self.tls.get_or_init(|| TlsClient::new(&self.service.tls)).as_ref().map_err(|error| {
            Box::new(ConnectionError::internal(
                Phase::Tls,
                format!("TLS for the service `{}` cannot be set up: {error}.", self.service.name),
            ))
        })
    }

    /// Whether to open a connection now or to wait for one that is being opened and may be shared: a burst of requests to
    /// an HTTP/2 service should not open as many connections.
    pub(crate) fn turn(&self, key: &PoolKey) -> Turn<'_> {
        if key.scheme == Scheme::Http || self.is_http1.load(Ordering::Relaxed) {
            return Turn::Alone;
        }
        let mut opening = lock(&self.opening);
        if let Some(done) = opening.get(key) {
            return Turn::Wait(done.clone());
        }
        let (sender, receiver) = watch::channel(());
        opening.insert(key.clone(), receiver);
        Turn::Open(Opening { state: self, key: key.clone(), _done: sender })
    }

    /// Remembers what a TLS connection turned out to speak.
    pub(crate) fn speaks(&self, connection: &Connection) {
        self.is_http1.store(!connection.is_http2(), Ordering::Relaxed);
    }

    /// An idle connection to one of these addresses.
    pub(crate) fn take(&self, key: &PoolKey, addresses: &[SocketAddr], needs_http1: bool) -> Option<Connection> {
        lock(&self.idle).pool.take(
            key,
            Instant::now(),
            |connection| connection.fitness(addresses, needs_http1),
            |connection| connection.share(),
        )
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep(self: &Arc<Self>, key: PoolKey, connection: Connection) {
        if self.retired.load(Ordering::Acquire) || connection.is_over() {
            return;
        }
        let mut idle = lock(&self.idle);
        idle.pool.put(key, connection, Instant::now());
        if !std::mem::replace(&mut idle.is_reaped, true) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    /// The service was edited or deleted: nothing is kept any more.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        lock(&self.idle).pool.clear();
    }

    /// Drops idle connections that are dead or old; when to come again.
    fn expire(&self) -> Option<Instant> {
        let mut idle = lock(&self.idle);
        let next = idle.pool.expire(Instant::now(), Connection::is_over, Connection::is_busy);
        idle.is_reaped = next.is_some();
        next
    }
}

/// Closes idle connections in time, for as long as there are any. Looks often enough that a connector which is about to go
/// does not wait for them.
async fn reap(state: Weak<ServiceState>) {
    loop {
        let Some(next) = state.upgrade().and_then(|state| state.expire()) else { return };
        tokio::time::sleep_until(next.min(Instant::now() + LOOK)).await;
    }
}
