//! The way into private networks, for tunnels that exist: one that was deleted is not the same as one without a connector.

use std::net::SocketAddr;
use std::time::Duration;

use invocation::BoxFuture;
use tunnel::edge::Tunnels;
use uuid::Uuid;
use vpc::{DnsQueryError, DnsTransport, Network, NotOpened, OpenError, OpenedFlow};

use super::serving::Current;

/// Live tunnels, known to the configuration.
pub struct KnownTunnels {
    current: Current,
    tunnels: Tunnels,
}

impl KnownTunnels {
    /// The tunnels of `current`, through the connections of `tunnels`.
    pub fn new(current: Current, tunnels: Tunnels) -> Self {
        Self { current, tunnels }
    }

    fn exists(&self, tunnel: Uuid) -> bool {
        self.current.load().snapshot.tunnels.contains_key(&tunnel)
    }
}

impl Network for KnownTunnels {
    fn open_tcp(
        &self,
        tunnel: Uuid,
        destination: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<OpenedFlow, NotOpened>> {
        if !self.exists(tunnel) {
            return Box::pin(async { Err(OpenError::NoTunnel.into()) });
        }
        Network::open_tcp(&self.tunnels, tunnel, destination, timeout)
    }

    fn query_dns<'a>(
        &'a self,
        tunnel: Uuid,
        resolver: Option<SocketAddr>,
        transport: DnsTransport,
        message: &'a [u8],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsQueryError>> {
        if !self.exists(tunnel) {
            return Box::pin(async { Err(DnsQueryError::NoTunnel) });
        }
        Network::query_dns(&self.tunnels, tunnel, resolver, transport, message, timeout)
    }

    fn is_beside_the_edge(&self, tunnel: Uuid) -> bool {
        self.tunnels.is_beside_the_edge(tunnel)
    }
}
