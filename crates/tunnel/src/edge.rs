//! The edge's end of tunnels: listens for connectors and opens flows through them.

mod attempt;
mod carrier;
mod directory;
mod dns;
mod flow;
mod http2_session;
mod limits;
mod link;
mod open;
mod options;
mod published;
mod quic_session;
mod registry;
mod select;
mod sender;
mod session;
mod session_pool;
mod status;
mod tunnels;
mod udp;

pub use crate::authority::{AuthorityError, CertificateAuthority};
pub use crate::quic::SetupError as BindError;
pub use directory::{Refusal, TunnelDirectory, TunnelGrant};
pub use dns::{DnsQueryError, DnsTransport, Resolver};
pub use flow::{DrainSignal, Flow, FlowError};
pub use open::{NotOpened, OpenError};
pub use options::{EdgeLimits, EdgeOptions};
pub use published::{Answer, BodyFailure, RequestBody, ResponseBody};
pub use status::{ConnectionStatus, ConnectorStatus, TransportKind};
pub use tunnels::{ConfigurationPush, Tunnels};

use crate::quic::{self, CloseCode, SharedSocket};
use crate::tls;
use limits::{AddressCounter, FailureLimiter};
use quinn::VarInt;
use registry::Registry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How long a closing edge waits until the peers know.
const CLOSING: Duration = Duration::from_secs(1);
/// Handshakes at once with addresses that may be forged. Above it, an address has to show first that it receives, so that a
/// flood from forged addresses keeps nobody out.
const UNPROVEN_HANDSHAKES: usize = 128;
/// How often two sockets on one port are tried when any port will do.
const ANY_PORT_TRIES: u32 = 8;
/// TCP connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How often a closing edge looks whether its port is free: QUIC's own tasks let go of it a little later.
const RELEASED: Duration = Duration::from_millis(2);

/// What all connections of an edge share.
pub(crate) struct Shared {
    registry: Arc<Registry>,
    directory: Arc<dyn TunnelDirectory>,
    limits: EdgeLimits,
    location: String,
    failures: Mutex<FailureLimiter>,
    unregistered: Mutex<AddressCounter>,
    /// Handshakes with addresses that may be forged.
    unproven: Arc<Semaphore>,
}

impl Shared {
    fn failures(&self) -> MutexGuard<'_, FailureLimiter> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unregistered(&self) -> MutexGuard<'_, AddressCounter> {
        self.unregistered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the connections that have not registered; dropping it gives it back.
pub(crate) struct Unregistered {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Unregistered {
    fn enter(shared: &Arc<Shared>, address: IpAddr) -> Option<Self> {
        shared.unregistered().enter(address).then(|| Self { shared: Arc::clone(shared), address })
    }
}

impl Drop for Unregistered {
    fn drop(&mut self) {
        self.shared.unregistered().leave(self.address);
    }
}

/// A listening edge. Dropping it closes all connections; [`Self::shutdown`] also waits until the peers know.
pub struct TunnelEdge {
    endpoint: quinn::Endpoint,
    socket: SharedSocket,
    local_address: SocketAddr,
    tunnels: Tunnels,
    /// Both listeners, and with them the HTTP/2 connections.
    accepting: JoinSet<()>,
}

impl TunnelEdge {
    /// Starts to listen, for QUIC on UDP and for HTTP/2 on TCP, same port. Needs a tokio runtime.
    pub async fn bind(options: EdgeOptions, directory: Arc<dyn TunnelDirectory>) -> Result<Self, BindError> {
        let EdgeOptions { listen, authority, server_names, location, limits } = options;
        let config = quic::server_config(&authority, &server_names, limits.streams_per_connection)?;
        let tls = tls::server(&authority, &server_names, tls::TLS12_AND_13)?;
        let (endpoint, socket, listener) = listen_on(listen, &config)?;
        let local_address = endpoint.local_addr().map_err(|source| BindError::Socket { address: listen, source })?;
        let registry = Arc::new(Registry::default());
        let shared = Arc::new(Shared {
            registry: Arc::clone(&registry),
            directory,
            failures: Mutex::new(FailureLimiter::new(limits.failed_registrations)),
            unregistered: Mutex::new(AddressCounter::new(limits.unregistered_per_address, limits.unregistered)),
            unproven: Arc::new(Semaphore::new(UNPROVEN_HANDSHAKES)),
            limits,
            location,
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept_quic(endpoint.clone(), Arc::clone(&shared)));
        accepting.spawn(accept_http2(listener, TlsAcceptor::from(Arc::new(tls)), shared));
        tracing::info!(address = %local_address, "tunnel edge listens, QUIC by UDP and HTTP/2 by TCP");
        Ok(Self { endpoint, socket, local_address, tunnels: Tunnels::new(registry), accepting })
    }

    /// The address it listens on, UDP and TCP.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_address
    }

    /// The handle with which flows are opened.
    pub fn tunnels(&self) -> Tunnels {
        self.tunnels.clone()
    }

    /// Closes all connections, so that connectors come back at once, and waits until they know and the port is free again,
    /// at most a second. Flows that are still held keep the port.
    pub async fn shutdown(mut self) {
        self.close();
        while self.accepting.join_next().await.is_some() {}
        let socket = self.socket.clone();
        let closing = async move {
            self.endpoint.wait_idle().await;
            drop(self);
            while socket.strong_count() > 0 {
                tokio::time::sleep(RELEASED).await;
            }
        };
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }

    fn close(&mut self) {
        self.accepting.abort_all();
        self.endpoint.close(VarInt::from_u32(CloseCode::Done as u32), b"the edge is shutting down");
    }
}

impl Drop for TunnelEdge {
    fn drop(&mut self) {
        self.close();
    }
}

/// Both sockets on one port.
fn listen_on(
    listen: SocketAddr,
    config: &quinn::ServerConfig,
) -> Result<(quinn::Endpoint, SharedSocket, TcpListener), BindError> {
    let failed = |source| BindError::Socket { address: listen, source };
    let mut tries = if listen.port() == 0 { ANY_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let (endpoint, socket) = quic::endpoint(listen, Some(config.clone()))?;
        let address = endpoint.local_addr().map_err(failed)?;
        match listen_tcp(address) {
            Ok(listener) => return Ok((endpoint, socket, listener)),
            // Another program has the TCP port of the number that UDP was given.
            Err(_) if tries > 0 => {}
            Err(source) => return Err(BindError::Socket { address, source }),
        }
    }
}

fn listen_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of an edge before this one may still be on their way out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept_http2(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => match Unregistered::enter(&shared, address.ip()) {
                    Some(place) => {
                        sessions.spawn(http2_session::serve(Arc::clone(&shared), stream, address, tls.clone(), place));
                    }
                    None => tracing::debug!(%address, "too many connections without a registration"),
                },
                Err(error) => {
                    // Out of file descriptors, mostly: waiting is all that helps.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn accept_quic(endpoint: quinn::Endpoint, shared: Arc<Shared>) {
    while let Some(incoming) = endpoint.accept().await {
        let address = incoming.remote_address();
        if incoming.remote_address_validated() {
            match Unregistered::enter(&shared, address.ip()) {
                Some(place) => {
                    tokio::spawn(quic_session::serve_proven(Arc::clone(&shared), incoming, place));
                }
                None => {
                    tracing::debug!(%address, "too many connections without a registration");
                    incoming.refuse();
                }
            }
        } else if let Ok(permit) = Arc::clone(&shared.unproven).try_acquire_owned() {
            tokio::spawn(quic_session::serve_unproven(Arc::clone(&shared), incoming, permit));
        } else if incoming.may_retry() {
            // Costs us nothing to keep.
            let _ = incoming.retry();
        } else {
            incoming.refuse();
        }
    }
}
