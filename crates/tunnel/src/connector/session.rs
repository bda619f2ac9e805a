//! One connection to the edge, from dialling it to its end: what both transports share.

use super::state::{Ready, State};
use super::{ConnectorOptions, Protocol};
use crate::exchange::{self, ExchangeError};
use crate::quic;
use bytes::BytesMut;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tunnel_proto::connector::{self, DatagramVersion, Features};
use tunnel_proto::rpc::{Call, ClientInfo, ConnectionDetails, ConnectionOptions, RegisterConnection, Reply, RpcClient};

/// How long a handshake may take; a restarted edge is found by the next try rather than by waiting.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the edge may take to answer a call.
const RPC_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries without any answer by UDP before HTTP/2 is used: where QUIC has worked before, the edge is more likely down.
const SILENT_TRIES: u32 = 3;

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct End {
    /// For how long it was registered, `None` when it never was.
    pub(crate) registered_for: Option<Duration>,
    /// Why it ended, in words.
    pub(crate) reason: String,
}

/// Why a connection was not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error("cannot look up the edge {edge}: {source}")]
    Lookup { edge: String, source: std::io::Error },
    #[error("the edge {0} has no address")]
    NoAddress(String),
    #[error(transparent)]
    Setup(#[from] quic::SetupError),
    #[error("cannot dial the edge at {address}: {source}")]
    Dial { address: SocketAddr, source: quinn::ConnectError },
    #[error("no QUIC connection to the edge at {address}: {reason}")]
    Quic { address: SocketAddr, reason: String },
    #[error("no HTTP/2 connection to the edge at {address}: {reason}")]
    Http2 { address: SocketAddr, reason: String },
    #[error("no answer from the edge at {0} by QUIC: is UDP to it open, and does it run?")]
    Silent(SocketAddr),
    #[error("the edge refused this connector: {0}")]
    Refused(String),
    #[error("registration failed: {0}")]
    Exchange(#[from] ExchangeError),
    #[error("the edge answered the registration with something else")]
    Unexpected,
}

/// Why serving a registered connection ended.
#[derive(Debug)]
pub(crate) enum Served {
    /// It was lost, with the reason.
    Lost(String),
    /// The edge broke the protocol.
    Broken(String),
    /// It has drained, or the grace period is over.
    Drained,
}

/// A numbered place for a connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) index: u8,
    pub(super) options: ConnectorOptions,
    pub(super) tls: Tls,
    pub(super) state: Arc<State>,
    pub(super) drain: CancellationToken,
    registered: Arc<watch::Sender<bool>>,
    /// For IPv6 or not; its UDP port is kept from one connection to the next.
    pub(super) endpoint: Option<(bool, quinn::Endpoint)>,
    /// Failures since it was last registered.
    attempts: usize,
    /// Tries in a row without any answer by UDP.
    silent: u32,
    /// It was registered by QUIC before.
    quic_worked: bool,
}

/// TLS settings of both transports.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) quic: quinn::ClientConfig,
    pub(crate) http2: Arc<rustls::ClientConfig>,
}

/// The control stream and the machine on it.
pub(crate) struct Control<R, W> {
    client: RpcClient,
    reader: R,
    writer: W,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Control<R, W> {
    pub(crate) fn new(reader: R, writer: W) -> Self {
        Self { client: RpcClient::new(), reader, writer }
    }

    async fn call(&mut self, call: &Call) -> Result<Reply, ExchangeError> {
        exchange::call(&mut self.client, &mut self.reader, &mut self.writer, call, RPC_TIMEOUT).await
    }

    /// Reads: the edge says nothing of its own accord, but may end the stream. Ends only when it breaks the protocol.
    async fn listen(&mut self) -> String {
        let mut buffer = BytesMut::with_capacity(4096);
        while !self.client.is_closed() && self.reader.read_buf(&mut buffer).await.is_ok_and(|length| length > 0) {
            if let Err(error) = self.client.handle_input(&buffer) {
                return format!("the edge broke the protocol: {error}");
            }
            buffer.clear();
            while self.client.poll_event().is_some() {}
        }
        std::future::pending().await
    }
}

impl Link {
    pub(crate) fn new(
        index: u8,
        options: ConnectorOptions,
        tls: Tls,
        state: Arc<State>,
        drain: CancellationToken,
        registered: Arc<watch::Sender<bool>>,
    ) -> Self {
        Self {
            index,
            options,
            tls,
            state,
            drain,
            registered,
            endpoint: None,
            attempts: 0,
            silent: 0,
            quic_worked: false,
        }
    }

    /// Another that may dial at the same time.
    pub(super) fn for_probe(&self) -> Self {
        Self {
            index: self.index,
            options: self.options.clone(),
            tls: self.tls.clone(),
            state: Arc::clone(&self.state),
            drain: self.drain.clone(),
            registered: Arc::clone(&self.registered),
            endpoint: None,
            attempts: 0,
            silent: 0,
            quic_worked: false,
        }
    }

    /// Connects, registers and serves until the connection ends, or until it has drained.
    pub(crate) async fn run(&mut self) -> End {
        let http2 = match self.options.protocol {
            Protocol::Quic => false,
            Protocol::Http2 => true,
            Protocol::Auto => self.silent >= if self.quic_worked { SILENT_TRIES } else { 1 },
        };
        if http2 && self.silent > 0 {
            tracing::warn!(
                index = self.index,
                "no answer by UDP: trying HTTP/2 by TCP, which carries no UDP, so host names will not resolve"
            );
        }
        let mut since = None;
        let result = if http2 { self.run_http2(&mut since).await } else { self.run_quic(&mut since).await };
        let registered_for = since.map(|since: Instant| since.elapsed());
        match &result {
            Ok(_) => {
                (self.attempts, self.silent) = (0, 0);
                self.quic_worked |= !http2;
            }
            Err(error) => {
                self.attempts += 1;
                self.silent = if matches!(error, RegisterError::Silent(_)) { self.silent + 1 } else { 0 };
                self.state.counters.registrations_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        End { registered_for, reason: result.unwrap_or_else(|error| error.to_string()) }
    }

    /// The edge for this number, another one or another of its addresses with each failed attempt.
    pub(super) async fn edge_address(&self) -> Result<SocketAddr, RegisterError> {
        let edges = &self.options.edges;
        let turn = usize::from(self.index) + self.attempts;
        let edge = edges.get(turn % edges.len().max(1)).cloned().unwrap_or_default();
        let addresses = tokio::net::lookup_host(&edge).await;
        let addresses: Vec<SocketAddr> =
            addresses.map_err(|source| RegisterError::Lookup { edge: edge.clone(), source })?.collect();
        let address = addresses.get(turn / edges.len().max(1) % addresses.len().max(1)).copied();
        address.ok_or(RegisterError::NoAddress(edge))
    }

    /// Registers; `local` is this machine's address on the way to the edge.
    pub(super) async fn greet<R, W>(
        &self,
        control: &mut Control<R, W>,
        edge: SocketAddr,
        local: Option<IpAddr>,
    ) -> Result<ConnectionDetails, RegisterError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match control.call(&Call::RegisterConnection(self.registration(local))).await? {
            Reply::RegisterConnection(Ok(details)) => {
                self.registered.send_replace(true);
                tracing::info!(index = self.index, connection = %details.id, location = details.location, %edge, "connection registered");
                Ok(details)
            }
            Reply::RegisterConnection(Err(refusal)) => Err(RegisterError::Refused(refusal.cause)),
            _ => Err(RegisterError::Unexpected),
        }
    }

    fn registration(&self, local: Option<IpAddr>) -> RegisterConnection {
        let mut features = vec![
            connector::ALLOW_REMOTE_CONFIG,
            connector::SERIALIZED_HEADERS,
            connector::QUIC_EOF,
            connector::HALF_CLOSE,
            connector::DATAGRAM_V2,
        ];
        if self.options.datagrams == DatagramVersion::V3 {
            features.push(connector::DATAGRAM_V3);
        }
        RegisterConnection {
            account: self.options.token.account.clone(),
            secret: self.options.token.secret.clone(),
            tunnel: self.options.token.tunnel,
            connection_index: self.index,
            options: ConnectionOptions {
                client: ClientInfo {
                    id: self.state.id,
                    features: Features::new(features),
                    version: concat!("culvert/", env!("CARGO_PKG_VERSION")).to_owned(),
                    platform: platform(),
                },
                origin_local_ip: local,
                replace_existing: false,
                compression_quality: 0,
                previous_attempts: u8::try_from(self.attempts).unwrap_or(u8::MAX),
            },
        }
    }

    /// Serves a registered connection until `work`, which is what the transport has to do, ends with a reason; or until
    /// it has drained. `leave` asks for that as a shutdown does.
    pub(super) async fn serve<R, W>(
        &self,
        mut control: Control<R, W>,
        flows: &TaskTracker,
        work: impl Future<Output = String>,
        leave: impl Future<Output = ()>,
    ) -> Served
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let ready = Ready::new(Arc::clone(&self.state));
        tokio::pin!(work);
        tokio::select! {
            reason = &mut work => return Served::Lost(reason),
            reason = control.listen() => return Served::Broken(reason),
            () = self.drain.cancelled() => {}
            () = leave => {}
        }
        drop(ready);
        let goodbye = async {
            if let Err(error) = control.call(&Call::UnregisterConnection).await {
                tracing::debug!(index = self.index, %error, "the edge did not answer the goodbye");
            }
            flows.close();
            flows.wait().await;
        };
        tokio::select! {
            reason = work => return Served::Lost(reason),
            () = goodbye => {}
            () = tokio::time::sleep(self.options.grace_period) => {
                tracing::warn!(index = self.index, flows = flows.len(), "flows are cut: the grace period is over");
            }
        }
        Served::Drained
    }
}

/// Operating system and architecture by the names that cloudflared uses, for example `linux_amd64`.
fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    format!("{}_{architecture}", std::env::consts::OS)
}
