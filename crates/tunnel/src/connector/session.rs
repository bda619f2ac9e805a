//! One connection to the edge, from dialling it to its end.

use super::ConnectorOptions;
use super::datagrams::UdpSessions;
use super::state::{Ready, State};
use super::stream;
use crate::exchange::{self, ExchangeError};
use crate::quic::{self, CloseCode, SERVER_NAME};
use bytes::BytesMut;
use quinn::{RecvStream, SendStream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tunnel_proto::connector::{self, DatagramVersion, Features};
use tunnel_proto::rpc::{Call, ClientInfo, ConnectionDetails, ConnectionOptions, RegisterConnection, Reply, RpcClient};

/// How long a handshake may take; a restarted edge is found by the next try rather than by waiting.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the edge may take to answer a call.
const RPC_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the goodbye may take.
const CLOSING: Duration = Duration::from_millis(500);

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
enum RegisterError {
    #[error("cannot look up the edge {edge}: {source}")]
    Lookup { edge: String, source: std::io::Error },
    #[error("the edge {0} has no address")]
    NoAddress(String),
    #[error(transparent)]
    Setup(#[from] quic::SetupError),
    #[error("cannot dial the edge at {address}: {source}")]
    Dial { address: SocketAddr, source: quinn::ConnectError },
    #[error("no QUIC connection to the edge at {address}: {source}{}", hint(source))]
    Handshake { address: SocketAddr, source: quinn::ConnectionError },
    #[error("no answer from the edge at {0} by QUIC: is UDP to it open, and does it run?")]
    Silent(SocketAddr),
    #[error("the edge refused this connector: {0}")]
    Refused(String),
    #[error("registration failed: {0}")]
    Exchange(#[from] ExchangeError),
    #[error("the edge answered the registration with something else")]
    Unexpected,
}

/// What to do about a failed handshake, where that can be told.
fn hint(error: &quinn::ConnectionError) -> &'static str {
    match error {
        quinn::ConnectionError::TransportError(error)
            if error.code.to_string().contains("48") || error.to_string().contains("UnknownIssuer") =>
        {
            ". The edge's certificate is not trusted: give the edge's CA file with --ca"
        }
        _ => "",
    }
}

/// A numbered place for a connection; its UDP port is kept from one connection to the next.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) index: u8,
    options: ConnectorOptions,
    tls: quinn::ClientConfig,
    state: Arc<State>,
    drain: CancellationToken,
    registered: Arc<watch::Sender<bool>>,
    endpoint: Option<(bool, quinn::Endpoint)>,
    attempts: usize,
}

/// A connection that the edge has accepted.
struct Registered {
    connection: quinn::Connection,
    client: RpcClient,
    writer: SendStream,
    reader: RecvStream,
    details: ConnectionDetails,
}

impl Link {
    pub(crate) fn new(
        index: u8,
        options: ConnectorOptions,
        tls: quinn::ClientConfig,
        state: Arc<State>,
        drain: CancellationToken,
        registered: Arc<watch::Sender<bool>>,
    ) -> Self {
        Self { index, options, tls, state, drain, registered, endpoint: None, attempts: 0 }
    }

    /// Connects, registers and serves until the connection ends, or until it has drained.
    pub(crate) async fn run(&mut self) -> End {
        let drain = self.drain.clone();
        let registered = tokio::select! {
            registered = self.register() => registered,
            () = drain.cancelled() => return End { registered_for: None, reason: "shutdown".to_owned() },
        };
        self.attempts += 1;
        let registered = match registered {
            Ok(registered) => registered,
            Err(error) => {
                self.state.counters.registrations_failed.fetch_add(1, Ordering::Relaxed);
                return End { registered_for: None, reason: error.to_string() };
            }
        };
        self.attempts = 0;
        self.registered.send_replace(true);
        tracing::info!(
            index = self.index, connection = %registered.details.id, location = registered.details.location,
            edge = %registered.connection.remote_address(), "connection registered"
        );
        let since = Instant::now();
        let reason = self.serve(registered).await;
        End { registered_for: Some(since.elapsed()), reason }
    }

    async fn register(&mut self) -> Result<Registered, RegisterError> {
        let address = self.edge_address().await?;
        let endpoint = self.endpoint(address)?;
        let connecting = endpoint
            .connect_with(self.tls.clone(), address, SERVER_NAME)
            .map_err(|source| RegisterError::Dial { address, source })?;
        let connection = tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting)
            .await
            .map_err(|_| RegisterError::Silent(address))?
            .map_err(|source| match source {
                quinn::ConnectionError::TimedOut => RegisterError::Silent(address),
                source => RegisterError::Handshake { address, source },
            })?;
        let (mut writer, mut reader) =
            connection.open_bi().await.map_err(|source| RegisterError::Handshake { address, source })?;
        let mut client = RpcClient::new();
        let call = Call::RegisterConnection(self.registration(&connection));
        match exchange::call(&mut client, &mut reader, &mut writer, &call, RPC_TIMEOUT).await? {
            Reply::RegisterConnection(Ok(details)) => Ok(Registered { connection, client, writer, reader, details }),
            Reply::RegisterConnection(Err(refusal)) => {
                CloseCode::Done.close(&connection, "refused");
                Err(RegisterError::Refused(refusal.cause))
            }
            _ => Err(RegisterError::Unexpected),
        }
    }

    /// The edge for this number, another one or another of its addresses with each failed attempt.
    async fn edge_address(&self) -> Result<SocketAddr, RegisterError> {
        let edges = &self.options.edges;
        let turn = usize::from(self.index) + self.attempts;
        let edge = edges.get(turn % edges.len().max(1)).cloned().unwrap_or_default();
        let addresses = tokio::net::lookup_host(&edge).await;
        let addresses: Vec<SocketAddr> =
            addresses.map_err(|source| RegisterError::Lookup { edge: edge.clone(), source })?.collect();
        addresses.get(turn / edges.len().max(1) % addresses.len().max(1)).copied().ok_or(RegisterError::NoAddress(edge))
    }

    fn endpoint(&mut self, address: SocketAddr) -> Result<quinn::Endpoint, quic::SetupError> {
        match &self.endpoint {
            Some((ipv6, endpoint)) if *ipv6 == address.is_ipv6() => Ok(endpoint.clone()),
            _ => {
                let local: SocketAddr =
                    if address.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0, 0, 0, 0], 0).into() };
                let (endpoint, _) = quic::endpoint(local, None)?;
                self.endpoint = Some((address.is_ipv6(), endpoint.clone()));
                Ok(endpoint)
            }
        }
    }

    fn registration(&self, connection: &quinn::Connection) -> RegisterConnection {
        let mut features =
            vec![connector::ALLOW_REMOTE_CONFIG, connector::QUIC_EOF, connector::HALF_CLOSE, connector::DATAGRAM_V2];
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
                origin_local_ip: connection.local_ip(),
                replace_existing: false,
                compression_quality: 0,
                previous_attempts: u8::try_from(self.attempts).unwrap_or(u8::MAX),
            },
        }
    }

    /// Serves a registered connection until it ends; says why it did.
    async fn serve(&self, registered: Registered) -> String {
        let Registered { connection, mut client, mut writer, mut reader, .. } = registered;
        let ready = Ready::new(Arc::clone(&self.state));
        let sessions = Arc::new(UdpSessions::new(connection.clone(), self.options.datagrams, Arc::clone(&self.state)));
        let flows = TaskTracker::new();
        let work = async {
            tokio::join!(accept_streams(&connection, &self.state, &sessions, &flows), sessions.receive());
            connection.closed().await
        };
        tokio::pin!(work);
        tokio::select! {
            reason = &mut work => return reason.to_string(),
            reason = listen(&mut client, &mut reader) => {
                CloseCode::Protocol.close(&connection, &reason);
                return reason;
            }
            () = self.drain.cancelled() => {}
        }
        drop(ready);
        let goodbye = async {
            let called =
                exchange::call(&mut client, &mut reader, &mut writer, &Call::UnregisterConnection, RPC_TIMEOUT).await;
            if let Err(error) = called {
                tracing::debug!(index = self.index, %error, "the edge did not answer the goodbye");
            }
            flows.close();
            flows.wait().await;
        };
        let grace = self.options.grace_period;
        tokio::select! {
            reason = work => return reason.to_string(),
            () = goodbye => {}
            () = tokio::time::sleep(grace) => {
                tracing::warn!(index = self.index, flows = flows.len(), "flows are cut: the grace period is over");
            }
        }
        CloseCode::Done.close(&connection, "graceful shutdown");
        if let Some((_, endpoint)) = &self.endpoint {
            let _ = tokio::time::timeout(CLOSING, endpoint.wait_idle()).await;
        }
        "shutdown".to_owned()
    }
}

/// Reads the control stream: the edge says nothing there of its own accord, but may end it. Ends only when the edge
/// breaks the protocol.
async fn listen(client: &mut RpcClient, reader: &mut RecvStream) -> String {
    let mut buffer = BytesMut::with_capacity(4096);
    while !client.is_closed() && reader.read_buf(&mut buffer).await.is_ok_and(|length| length > 0) {
        if let Err(error) = client.handle_input(&buffer) {
            return format!("the edge broke the protocol: {error}");
        }
        buffer.clear();
        while client.poll_event().is_some() {}
    }
    std::future::pending().await
}

async fn accept_streams(
    connection: &quinn::Connection,
    state: &Arc<State>,
    sessions: &Arc<UdpSessions>,
    flows: &TaskTracker,
) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        flows.spawn(stream::serve(Arc::clone(state), Arc::clone(sessions), send, receive));
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
