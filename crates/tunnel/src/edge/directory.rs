//! What the edge asks of whoever knows the tunnels.

use super::status::ConnectionStatus;
use crate::BoxFuture;
use uuid::Uuid;

/// Knows which tunnels there are. Comparing secrets in constant time is its duty.
pub trait TunnelDirectory: Send + Sync + 'static {
    /// Whether a connector that gives `account` and `secret` may serve `tunnel`.
    fn authenticate(&self, account: &str, tunnel: Uuid, secret: &[u8]) -> BoxFuture<'_, Result<TunnelGrant, Refusal>>;

    /// Version and JSON of the configuration that the connectors of a remotely managed tunnel are given when they register;
    /// the newest one, as this is asked once the connector can be reached by [`super::Tunnels::push_configuration`].
    fn configuration(&self, tunnel: Uuid) -> Option<(i32, String)> {
        let _ = tunnel;
        None
    }

    /// A connection of a connector was registered.
    fn connector_connected(&self, tunnel: Uuid, connection: &ConnectionStatus) {
        let _ = (tunnel, connection);
    }

    /// A connection of a connector is gone, with the reason in words.
    fn connector_disconnected(&self, tunnel: Uuid, connection: &ConnectionStatus, reason: &str) {
        let _ = (tunnel, connection, reason);
    }
}

/// A connector may serve the tunnel.
#[derive(Clone, Debug, Default)]
pub struct TunnelGrant {
    /// The tunnel's name, for logs.
    pub name: String,
    /// The edge gives the configuration.
    pub remotely_managed: bool,
}

/// A connector may not serve the tunnel.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no such tunnel.
    #[error(
        "Unauthorized: this edge has no such tunnel. Check that the token belongs to this edge and that the tunnel was not deleted"
    )]
    UnknownTunnel,
    /// The secret is wrong.
    #[error(
        "Unauthorized: the tunnel's secret is wrong. Get the current token of the tunnel: it may have been rotated"
    )]
    WrongSecret,
    /// The tunnel is another account's.
    #[error("Unauthorized: the tunnel belongs to another account than the token says")]
    WrongAccount,
    /// The tunnel was revoked.
    #[error("Unauthorized: the tunnel was revoked")]
    Revoked,
    /// Too many failures from this address.
    #[error("too many failed registrations from this address, wait a little")]
    RateLimited,
    /// The tunnel has as many connections as it may have.
    #[error("the tunnel has {0} connections, which is the most this edge allows")]
    TooManyConnections(usize),
    /// The directory cannot answer now.
    #[error("the edge cannot check registrations now: {0}")]
    Unavailable(String),
}

impl Refusal {
    /// Whether the same registration may succeed later.
    pub fn should_retry(&self) -> bool {
        match self {
            Self::RateLimited | Self::TooManyConnections(_) | Self::Unavailable(_) => true,
            Self::UnknownTunnel | Self::WrongSecret | Self::WrongAccount | Self::Revoked => false,
        }
    }

    /// Whether it counts against the peer's address.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::UnknownTunnel | Self::WrongSecret | Self::WrongAccount | Self::Revoked => true,
            Self::RateLimited | Self::TooManyConnections(_) | Self::Unavailable(_) => false,
        }
    }
}
