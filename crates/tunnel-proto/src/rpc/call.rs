//! The tunnel's calls and their results as values. Their Cap'n Proto forms are in `call_wire`.

use crate::connector::Features;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use uuid::Uuid;

const REGISTRATION_SERVER: u64 = 0xf716_95ec_7fe8_5497;
const SESSION_MANAGER: u64 = 0x8394_45a5_9fb0_1686;
const CONFIGURATION_MANAGER: u64 = 0xb48e_dfbd_aa25_db04;

/// The methods of all interfaces of the tunnel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// RegistrationServer, 0.
    RegisterConnection,
    /// RegistrationServer, 1.
    UnregisterConnection,
    /// RegistrationServer, 2.
    UpdateLocalConfiguration,
    /// SessionManager, 0.
    RegisterUdpSession,
    /// SessionManager, 1.
    UnregisterUdpSession,
    /// ConfigurationManager, 0.
    UpdateConfiguration,
}

impl Method {
    const ALL: [Self; 6] = [
        Self::RegisterConnection,
        Self::UnregisterConnection,
        Self::UpdateLocalConfiguration,
        Self::RegisterUdpSession,
        Self::UnregisterUdpSession,
        Self::UpdateConfiguration,
    ];

    /// Interface id and method ordinal.
    pub fn wire_id(self) -> (u64, u16) {
        match self {
            Self::RegisterConnection => (REGISTRATION_SERVER, 0),
            Self::UnregisterConnection => (REGISTRATION_SERVER, 1),
            Self::UpdateLocalConfiguration => (REGISTRATION_SERVER, 2),
            Self::RegisterUdpSession => (SESSION_MANAGER, 0),
            Self::UnregisterUdpSession => (SESSION_MANAGER, 1),
            Self::UpdateConfiguration => (CONFIGURATION_MANAGER, 0),
        }
    }

    pub(super) fn from_wire_id(interface: u64, ordinal: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.wire_id() == (interface, ordinal))
    }
}

/// A connector asks to serve a tunnel over this connection. `Debug` does not show the secret.
#[derive(Clone, Eq, PartialEq)]
pub struct RegisterConnection {
    /// Account tag.
    pub account: String,
    /// The tunnel's secret.
    pub secret: Vec<u8>,
    /// The tunnel.
    pub tunnel: Uuid,
    /// Number of this connection at the connector, from 0.
    pub connection_index: u8,
    /// The rest.
    pub options: ConnectionOptions,
}

impl fmt::Debug for RegisterConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterConnection")
            .field("account", &self.account)
            .field("tunnel", &self.tunnel)
            .field("connection_index", &self.connection_index)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Options of a registration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectionOptions {
    /// Who asks.
    pub client: ClientInfo,
    /// The connector's own address on the way to the edge.
    pub origin_local_ip: Option<IpAddr>,
    /// Replace a connection of the same connector and index.
    pub replace_existing: bool,
    /// Not used any more, 0.
    pub compression_quality: u8,
    /// How often it was tried before.
    pub previous_attempts: u8,
}

/// Who a connector is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientInfo {
    /// The same for all connections of one process.
    pub id: Uuid,
    /// What it can do.
    pub features: Features,
    /// Its version.
    pub version: String,
    /// Its platform, for example `linux_amd64`.
    pub platform: String,
}

/// A registration that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectionDetails {
    /// The edge's id of the connection.
    pub id: Uuid,
    /// Where the edge is; the connector logs it.
    pub location: String,
    /// The edge pushes the configuration.
    pub remotely_managed: bool,
}

/// A registration that was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistrationRefusal {
    /// Why.
    pub cause: String,
    /// How long to wait before trying again; cloudflared does not heed it.
    pub retry_after: Duration,
    /// Whether trying again makes sense.
    pub should_retry: bool,
}

/// The edge asks for a UDP session (datagram version 2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegisterUdpSession {
    /// Chosen by the edge.
    pub session: Uuid,
    /// Where the session's payloads go.
    pub destination: SocketAddr,
    /// The session ends after this time without payload; zero leaves it to the connector.
    pub close_after_idle: Duration,
    /// Trace identity, mostly empty.
    pub trace_context: String,
}

/// The answer to [`RegisterUdpSession`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UdpSession {
    /// Empty when the session stands.
    pub error: String,
    /// Tracing spans, opaque.
    pub spans: Vec<u8>,
}

/// A UDP session has ended (from the connector) or is to end (from the edge).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnregisterUdpSession {
    /// The session.
    pub session: Uuid,
    /// Why.
    pub message: String,
}

/// The answer to updateConfiguration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConfigurationUpdate {
    /// The version in force now.
    pub latest_applied_version: i32,
    /// Empty when there was no error.
    pub error: String,
}

/// A call with its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Call {
    /// A connector asks to serve a tunnel.
    RegisterConnection(RegisterConnection),
    /// A connector is about to go: no new flows, please.
    UnregisterConnection,
    /// A locally managed connector tells its configuration, JSON.
    UpdateLocalConfiguration(Vec<u8>),
    /// The edge asks for a UDP session.
    RegisterUdpSession(RegisterUdpSession),
    /// A UDP session ends.
    UnregisterUdpSession(UnregisterUdpSession),
    /// The edge gives a configuration, JSON.
    UpdateConfiguration {
        /// Rising.
        version: i32,
        /// The JSON.
        configuration: Vec<u8>,
    },
}

/// The result of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// To [`Call::RegisterConnection`].
    RegisterConnection(Result<ConnectionDetails, RegistrationRefusal>),
    /// To [`Call::UnregisterConnection`].
    UnregisterConnection,
    /// To [`Call::UpdateLocalConfiguration`].
    UpdateLocalConfiguration,
    /// To [`Call::RegisterUdpSession`].
    RegisterUdpSession(UdpSession),
    /// To [`Call::UnregisterUdpSession`].
    UnregisterUdpSession,
    /// To [`Call::UpdateConfiguration`].
    UpdateConfiguration(ConfigurationUpdate),
}

impl Call {
    /// The method called.
    pub fn method(&self) -> Method {
        match self {
            Self::RegisterConnection(_) => Method::RegisterConnection,
            Self::UnregisterConnection => Method::UnregisterConnection,
            Self::UpdateLocalConfiguration(_) => Method::UpdateLocalConfiguration,
            Self::RegisterUdpSession(_) => Method::RegisterUdpSession,
            Self::UnregisterUdpSession(_) => Method::UnregisterUdpSession,
            Self::UpdateConfiguration { .. } => Method::UpdateConfiguration,
        }
    }
}
