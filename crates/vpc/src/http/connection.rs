//! A connection that speaks HTTP: made from a flow, driven by a task of its own, kept for the next request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connection_error::{ConnectionError, Phase};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::request_body::RequestBody;
use crate::network::{Draining, Io};
use crate::pool::Fitness;
use crate::state::ConnectionPermit;
use crate::traffic::{Recorded, Traffic, WriteFailure};

/// How many header fields a response may have.
const MAX_HEADERS: usize = 256;

/// How large a response head may be, as in Workers.
const MAX_HEAD_BYTES: usize = 128 * 1024;

/// How many requests share one HTTP/2 connection; common servers allow 100 to 250.
const MAX_STREAMS: usize = 100;

const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// A connection that goes silent is asked for a sign of life this often while requests wait on it.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a connection leads.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub address: SocketAddr,
    pub connector: Option<Uuid>,
    pub draining: Draining,
}

/// The task that drives a connection. Dropping this ends it, and with it the connection.
struct Driver(Option<AbortHandle>);

impl Driver {
    fn spawn(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        Self(Some(tokio::spawn(connection).abort_handle()))
    }

    /// Leaves the task to itself.
    fn release(mut self) {
        self.0.take();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// One request at a time.
pub(crate) struct Http1 {
    pub sender: http1::SendRequest<RequestBody>,
    pub traffic: Arc<Traffic>,
    pub facts: Facts,
    driver: Driver,
    permit: ConnectionPermit,
}

impl Http1 {
    /// Lets the connection go its own way after an upgrade: the permit goes with the bytes.
    pub(crate) fn into_permit(self) -> ConnectionPermit {
        let Self { driver, permit, .. } = self;
        driver.release();
        permit
    }
}

/// Many requests at a time.
pub(crate) struct Http2 {
    pub sender: http2::SendRequest<RequestBody>,
    pub facts: Facts,
    streams: AtomicUsize,
    _driver: Driver,
    _permit: ConnectionPermit,
}

/// One request's part of an HTTP/2 connection.
pub(crate) struct Stream(Arc<Http2>);

impl Stream {
    pub(crate) fn of(connection: &Arc<Http2>) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection in either version of HTTP.
pub(crate) enum Connection {
    Http1(Http1),
    Http2(Arc<Http2>),
}

impl Connection {
    pub(crate) fn facts(&self) -> &Facts {
        match self {
            Self::Http1(connection) => &connection.facts,
            Self::Http2(connection) => &connection.facts,
        }
    }

    /// Not for another request: closed, or carried by a connector that is about to go and waits for it.
    pub(crate) fn is_over(&self) -> bool {
        let closed = match self {
            Self::Http1(connection) => connection.sender.is_closed(),
            Self::Http2(connection) => connection.sender.is_closed(),
        };
        closed || self.facts().draining.is_draining()
    }

    /// Whether requests are under way on it while it lies in the pool.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::Http1(_) => false,
            Self::Http2(connection) => connection.streams.load(Ordering::Relaxed) > 0,
        }
    }

    /// What it can do for a request that may go to `addresses`.
    pub(crate) fn fitness(&self, addresses: &[SocketAddr], needs_http1: bool) -> Fitness {
        if self.is_over() {
            return Fitness::Discard;
        }
        if !addresses.contains(&self.facts().address) {
            return Fitness::Skip;
        }
        match self {
            Self::Http1(connection) if connection.sender.is_ready() => Fitness::Take,
            Self::Http1(_) => Fitness::Discard,
            Self::Http2(connection) if needs_http1 || connection.streams.load(Ordering::Relaxed) >= MAX_STREAMS => {
                Fitness::Skip
            }
            Self::Http2(_) => Fitness::Share,
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// A copy, for those that can be shared.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(connection) => Some(Self::Http2(Arc::clone(connection))),
        }
    }
}

/// Speaks HTTP over a flow, in the version that ALPN has chosen.
pub(crate) async fn establish<T: Io + 'static>(
    io: T,
    is_http2: bool,
    facts: Facts,
    permit: ConnectionPermit,
) -> Result<Connection, Box<ConnectionError>> {
    let internal = |error: hyper::Error| {
        Box::new(ConnectionError::internal(
            Phase::Request,
            format!("The HTTP connection could not be set up: {error}."),
        ))
    };
    if is_http2 {
        let (io, _) = Recorded::new(io, WriteFailure::Told);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(io))
            .await
            .map_err(internal)?;
        let driver = Driver::spawn(connection);
        return Ok(Connection::Http2(Arc::new(Http2 {
            sender,
            facts,
            streams: AtomicUsize::new(0),
            _driver: driver,
            _permit: permit,
        })));
    }
    let (io, traffic) = Recorded::new(io, WriteFailure::Withheld);
    let (sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(io))
        .await
        .map_err(internal)?;
    let driver = Driver::spawn(connection.with_upgrades());
    Ok(Connection::Http1(Http1 { sender, traffic, facts, driver, permit }))
}
