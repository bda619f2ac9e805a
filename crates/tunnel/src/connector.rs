//! The connector's end of a tunnel: runs beside private services, dials the edge and serves flows to them.

mod backoff;
mod datagrams;
mod dial;
mod http2_session;
mod ingress;
mod metrics;
mod pipe;
mod policy;
mod published;
mod quic_session;
mod resolver;
mod routing;
mod send_window;
mod session;
mod state;
mod stream;

pub use crate::quic::SetupError;
pub use policy::{AllowRule, AllowRuleError, DestinationPolicy};

use crate::{quic, tls};
use backoff::Backoff;
use session::{Link, Tls};
use state::State;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tunnel_proto::connector::DatagramVersion;
use tunnel_proto::token::Token;
use uuid::Uuid;

/// Connections that a connector keeps where nothing else is said.
pub const DEFAULT_CONNECTIONS: u8 = 4;
/// Flows get this long to end when nothing else is said.
pub const DEFAULT_GRACE_PERIOD: Duration = Duration::from_secs(30);
/// Streams that the edge may have open on one connection.
const STREAMS: u32 = 4096;

/// By which transport a connector reaches the edge.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// QUIC; HTTP/2 where UDP gets no answer, until it does.
    #[default]
    Auto,
    /// QUIC by UDP and nothing else.
    Quic,
    /// HTTP/2 by TCP and nothing else: no UDP, hence no host names.
    Http2,
}

/// What a connector is told when it starts.
#[derive(Clone, Debug)]
pub struct ConnectorOptions {
    /// Which tunnel, and the proof.
    pub token: Token,
    /// Edges, `host:port`. With fewer than connections they are used several times.
    pub edges: Vec<String>,
    /// PEM text of the authority that issued the edge's certificate; without it, those of the public web are trusted.
    pub ca_pem: Option<String>,
    /// How many connections to keep.
    pub connections: u8,
    /// Where to serve `/ready` and `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// Which destinations are allowed.
    pub allow: DestinationPolicy,
    /// How long flows may take to end after shutdown was asked for.
    pub grace_period: Duration,
    /// Resolvers behind the virtual resolver; without any, those of `/etc/resolv.conf`.
    pub dns_resolvers: Vec<SocketAddr>,
    /// Which version of datagrams to offer.
    pub datagrams: DatagramVersion,
    /// By which transport to connect.
    pub protocol: Protocol,
}

impl ConnectorOptions {
    /// Options with the usual values.
    pub fn new(token: Token, edges: Vec<String>) -> Self {
        Self {
            token,
            edges,
            ca_pem: None,
            connections: DEFAULT_CONNECTIONS,
            metrics: None,
            allow: DestinationPolicy::default(),
            grace_period: DEFAULT_GRACE_PERIOD,
            dns_resolvers: Vec::new(),
            datagrams: DatagramVersion::V3,
            protocol: Protocol::Auto,
        }
    }
}

/// Why a connector could not start. What goes wrong later is logged and tried again.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// No edge was named.
    #[error("name at least one edge, as host:port")]
    NoEdge,
    /// The metrics address cannot be used.
    #[error("cannot serve metrics on {address}: {source}")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// TLS or a socket could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// A connector before it runs.
#[derive(Debug)]
pub struct Connector {
    options: ConnectorOptions,
    tls: Tls,
    state: Arc<State>,
    metrics: Option<std::net::TcpListener>,
}

impl Connector {
    /// Checks the options and takes the metrics port.
    pub fn new(options: ConnectorOptions) -> Result<Self, ConnectorError> {
        if options.edges.is_empty() {
            return Err(ConnectorError::NoEdge);
        }
        let ca_pem = options.ca_pem.as_deref();
        let tls = Tls {
            quic: quic::client_config(ca_pem, STREAMS)?,
            http2: Arc::new(tls::client(ca_pem, tls::TLS12_AND_13)?),
        };
        let metrics = options
            .metrics
            .map(|address| metrics::bind(address).map_err(|source| ConnectorError::Metrics { address, source }))
            .transpose()?;
        let state = Arc::new(State::new(options.allow.clone(), options.dns_resolvers.clone()));
        Ok(Self { options, tls, state, metrics })
    }

    /// The id that it registers with, new for each start.
    pub fn id(&self) -> Uuid {
        self.state.id
    }

    /// Where `/ready` and `/metrics` are served.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Keeps the connections until `shutdown` is ready; then asks the edge for no new flows, waits for those that are
    /// open, at most for the grace period, and closes. Dropping the future closes at once.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ConnectorError> {
        let Self { options, tls, state, metrics } = self;
        let mut background = JoinSet::new();
        if let Some(listener) = metrics {
            background.spawn(metrics::serve(listener, Arc::clone(&state)));
        }
        tracing::info!(tunnel = %options.token.tunnel, connector = %state.id, edges = ?options.edges, "connector starts");
        let drain = CancellationToken::new();
        let (first_registered, registered) = watch::channel(false);
        let first_registered = Arc::new(first_registered);
        let mut connections = JoinSet::new();
        for index in 0..options.connections.max(1) {
            let link = Link::new(
                index,
                options.clone(),
                tls.clone(),
                Arc::clone(&state),
                drain.clone(),
                Arc::clone(&first_registered),
            );
            connections.spawn(keep(link, registered.clone(), drain.clone()));
        }
        shutdown.await;
        tracing::info!(grace = ?options.grace_period, "connector drains");
        drain.cancel();
        while connections.join_next().await.is_some() {}
        tracing::info!("connector stopped");
        Ok(())
    }
}

/// Keeps one connection until `drain`.
async fn keep(mut link: Link, mut registered: watch::Receiver<bool>, drain: CancellationToken) {
    if link.index > 0 {
        // The first connection finds out whether the edge takes us at all.
        tokio::select! {
            _ = registered.wait_for(|registered| *registered) => {}
            () = drain.cancelled() => return,
        }
    }
    let mut backoff = Backoff::default();
    loop {
        // Drains by itself, and ends then.
        let end = link.run().await;
        if drain.is_cancelled() {
            return;
        }
        let delay = backoff.after(end.registered_for, fastrand::f64());
        tracing::warn!(
            index = link.index,
            reason = end.reason,
            retry_in_ms = delay.as_millis() as u64,
            "connection to the edge ended"
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = drain.cancelled() => return,
        }
    }
}
