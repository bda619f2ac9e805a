//! The way into a private network, as this crate sees it: flows to literal addresses and single DNS queries.
//!
//! The tunnels of the sister crate implement it for real; tests implement it with plain sockets.

mod tunnel;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use invocation::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use uuid::Uuid;

/// A flow's two byte streams.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A TCP connection that stands, seen from the edge.
pub struct OpenedFlow {
    /// Its bytes. A reset by the service reads as `ConnectionReset`, an orderly close as end of file.
    pub io: Box<dyn Io>,
    /// The connector that carries it.
    pub connector: Option<Uuid>,
    /// Whether that connector is about to go.
    pub draining: Draining,
}

/// Tells whether the connector that carries a flow is about to go: then the flow is not kept for later requests.
#[derive(Clone)]
pub struct Draining(Arc<dyn Fn() -> bool + Send + Sync>);

impl Draining {
    /// What `is_draining` says, which is asked often and must be cheap.
    pub fn new(is_draining: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_draining))
    }

    /// For networks whose flows stay for as long as they are wanted.
    pub fn never() -> Self {
        Self::new(|| false)
    }

    /// Whether it is about to go, or gone.
    pub fn is_draining(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Draining").field(&self.is_draining()).finish()
    }
}

/// Opens flows behind tunnels and asks resolvers there.
pub trait Network: Send + Sync + 'static {
    /// Opens a TCP connection to a literal address behind the tunnel; done when the private side has accepted it.
    fn open_tcp(
        &self,
        tunnel: Uuid,
        destination: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<OpenedFlow, NotOpened>>;

    /// Sends one DNS message (RFC 1035 wire format, without a length) to `resolver`, or to the connector's own, and returns
    /// the answer to it.
    fn query_dns<'a>(
        &'a self,
        tunnel: Uuid,
        resolver: Option<SocketAddr>,
        transport: DnsTransport,
        message: &'a [u8],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsQueryError>>;

    /// Whether a connector of the tunnel runs on the edge's own machine, so that loopback is the same to both.
    fn is_beside_the_edge(&self, tunnel: Uuid) -> bool;
}

/// How a DNS message travels from the connector to the resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsTransport {
    /// In a datagram.
    Udp,
    /// Over a connection, for answers that do not fit in a datagram.
    Tcp,
}

/// That a flow could not be opened, why, and by whom it was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct NotOpened {
    /// Why.
    pub error: OpenError,
    /// The connector that was asked, if one was.
    pub connector: Option<Uuid>,
}

impl From<OpenError> for NotOpened {
    /// Nobody was asked.
    fn from(error: OpenError) -> Self {
        Self { error, connector: None }
    }
}

/// Why a flow could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The connector went away while it was opening it.
    #[error("the connector went away: {text}")]
    ConnectorLost {
        /// What is known about it.
        text: String,
    },
    /// The tunnel exists and no connector is connected.
    #[error("the tunnel has no connected connector")]
    NoConnector,
    /// There is no such tunnel.
    #[error("the tunnel does not exist")]
    NoTunnel,
    /// The connector's own policy does not allow the destination.
    #[error("the connector does not allow this destination: {text}")]
    NotAllowed {
        /// The connector's words.
        text: String,
    },
    /// Anything else that the connector said.
    #[error("{text}")]
    Other {
        /// The connector's words.
        text: String,
    },
    /// ECONNREFUSED.
    #[error("connection refused: {text}")]
    Refused {
        /// The connector's words.
        text: String,
    },
    /// No answer to the connection attempt.
    #[error("no answer after {after:?}")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The connector carries no more flows.
    #[error("the connector has too many flows: {text}")]
    TooManyFlows {
        /// The connector's words.
        text: String,
    },
    /// ENETUNREACH or EHOSTUNREACH.
    #[error("unreachable: {text}")]
    Unreachable {
        /// The connector's words.
        text: String,
    },
    /// This connector cannot do it.
    #[error("{reason}")]
    Unsupported {
        /// Why, and how to mend it.
        reason: String,
    },
}

/// Why a DNS message has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsQueryError {
    /// The connector went away.
    #[error("the connector went away: {text}")]
    ConnectorLost {
        /// What is known about it.
        text: String,
    },
    /// The resolver could not be asked: nothing listens, no route.
    #[error("{text}")]
    Failed {
        /// What is known about it.
        text: String,
    },
    /// The tunnel exists and no connector is connected.
    #[error("the tunnel has no connected connector")]
    NoConnector,
    /// There is no such tunnel.
    #[error("the tunnel does not exist")]
    NoTunnel,
    /// No answer.
    #[error("no answer after {after:?}")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The connector carries no more flows.
    #[error("the connector has too many flows: {text}")]
    TooManyFlows {
        /// The connector's words.
        text: String,
    },
    /// This connector cannot carry DNS: it is too old, or connected by HTTP/2.
    #[error("{reason}")]
    Unsupported {
        /// Why, and how to mend it.
        reason: String,
    },
}
