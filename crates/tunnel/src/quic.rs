//! QUIC settings that both ends share, and the codes with which they close.

use crate::authority::{AuthorityError, CertificateAuthority};
use crate::tls;
use crate::udp_socket::QuicSocket;
use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AckFrequencyConfig, AsyncUdpSocket, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The application protocol of a tunnel on QUIC.
pub(crate) const ALPN: &[u8] = b"argotunnel";
/// The name that connectors ask for on QUIC.
pub(crate) const SERVER_NAME: &str = "quic.cftunnel.com";

/// A connection without any packet for this long is dead. The same on both sides as in cloudflared.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence is broken this often.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// What one stream may have under way, in bytes.
const STREAM_WINDOW: u32 = 6 << 20;
/// What one connection may have under way, in bytes.
pub(crate) const CONNECTION_WINDOW: u32 = 30 << 20;
/// The same before the peer has proved who it is.
pub(crate) const UNPROVEN_WINDOW: u32 = 256 << 10;
/// The largest packet that is looked for on the way, in bytes of UDP payload. Networks with jumbo frames carry it, others are
/// found out; quinn sends ten packets with one call, and those have to fit in what the system takes at once, 65,507 bytes.
const LARGEST_PACKET: u16 = 6_500;
/// So many packets are acknowledged at once by a peer that can do so (draft-ietf-quic-ack-frequency). Fewer than the ten with
/// which a connection begins, so that it does not begin by waiting.
const PACKETS_PER_ACKNOWLEDGEMENT: u32 = 8;
/// Datagrams that wait to be read or sent, in bytes.
const DATAGRAM_BUFFER: usize = 1 << 20;
/// Socket buffers, in bytes; the system may give less.
const SOCKET_BUFFER: usize = 4 << 20;

/// Application codes with which a tunnel's connection is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CloseCode {
    /// In good order: shutdown, end of grace.
    Done = 0,
    /// The same connector registered this index again.
    Replaced = 1,
    /// The tunnel was revoked or deleted.
    Revoked = 2,
    /// No registration in time, or one that was refused.
    NotRegistered = 3,
    /// The peer broke the protocol.
    Protocol = 4,
}

impl CloseCode {
    pub(crate) fn close(self, connection: &quinn::Connection, reason: &str) {
        connection.close(VarInt::from_u32(self as u32), reason.as_bytes());
    }
}

/// Why TLS or a socket could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The edge's certificate could not be issued.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The PEM text given for trust holds no certificate.
    #[error("the CA file holds no usable certificate")]
    NoCertificate,
    /// A socket could not be made or bound.
    #[error("cannot listen on {address}: {source}")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// rustls refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

fn transport(receive_window: u32, bidirectional: u32) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(VarInt::from_u32(PACKETS_PER_ACKNOWLEDGEMENT));
    let mut packets = MtuDiscoveryConfig::default();
    packets.upper_bound(LARGEST_PACKET);
    transport
        .ack_frequency_config(Some(acknowledgements))
        .mtu_discovery_config(Some(packets))
        .max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(receive_window))
        .send_window(u64::from(CONNECTION_WINDOW))
        .max_concurrent_bidi_streams(VarInt::from_u32(bidirectional))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        // Lost first packets are sent again soon: tunnels are mostly near, and a restarted edge should be found fast.
        .initial_rtt(Duration::from_millis(100))
        .congestion_controller_factory(Arc::new(CubicConfig::default()));
    Arc::new(transport)
}

/// Settings of the edge's listener. `streams` is how many streams a connector may have open at once.
pub(crate) fn server_config(
    authority: &CertificateAuthority,
    names: &[String],
    streams: u32,
) -> Result<quinn::ServerConfig, SetupError> {
    let mut config = tls::server(authority, names, tls::TLS13)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicServerConfig::try_from(config).map_err(|error| SetupError::Tls(error.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport(UNPROVEN_WINDOW, streams)).migration(true);
    Ok(config)
}

/// Settings of a connector. `streams` is how many flows the edge may have open on one connection.
pub(crate) fn client_config(ca_pem: Option<&str>, streams: u32) -> Result<quinn::ClientConfig, SetupError> {
    let mut config = tls::client(ca_pem, tls::TLS13)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(config).map_err(|error| SetupError::Tls(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport(CONNECTION_WINDOW, streams));
    Ok(config)
}

/// A socket that is shared by an endpoint and its connections, and closed when the last of them is gone.
pub(crate) type SharedSocket = Weak<dyn AsyncUdpSocket>;

/// An endpoint on a UDP socket with large buffers.
pub(crate) fn endpoint(
    address: SocketAddr,
    server: Option<quinn::ServerConfig>,
) -> Result<(quinn::Endpoint, SharedSocket), SetupError> {
    let create = || {
        let socket: Arc<dyn AsyncUdpSocket> = Arc::new(QuicSocket::new(bind(address)?)?);
        let shared = Arc::downgrade(&socket);
        let runtime = Arc::new(quinn::TokioRuntime);
        let mut config = EndpointConfig::default();
        config.max_udp_payload_size(LARGEST_PACKET).map_err(io::Error::other)?;
        let endpoint = quinn::Endpoint::new_with_abstract_socket(config, server, socket, runtime)?;
        Ok((endpoint, shared))
    };
    create().map_err(|source| SetupError::Socket { address, source })
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // The system caps these without an error; smaller buffers cost speed and nothing else.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
