//! [`Network`] by real tunnels.

use std::net::SocketAddr;
use std::time::Duration;

use invocation::BoxFuture;
use tunnel::edge::{self, Resolver, Tunnels};
use uuid::Uuid;

use super::{DnsQueryError, DnsTransport, Draining, Network, NotOpened, OpenError, OpenedFlow};
use crate::address::is_of_this_machine;

impl Network for Tunnels {
    fn open_tcp(
        &self,
        tunnel: Uuid,
        destination: SocketAddr,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<OpenedFlow, NotOpened>> {
        Box::pin(async move {
            let flow = Tunnels::open_tcp(self, tunnel, destination, timeout).await?;
            let connector = Some(flow.connector());
            let signal = flow.drain_signal();
            let draining = Draining::new(move || signal.is_draining());
            Ok(OpenedFlow { io: Box::new(flow), connector, draining })
        })
    }

    fn query_dns<'a>(
        &'a self,
        tunnel: Uuid,
        resolver: Option<SocketAddr>,
        transport: DnsTransport,
        message: &'a [u8],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsQueryError>> {
        let resolver = resolver.map_or(Resolver::Virtual, Resolver::Address);
        let transport = match transport {
            DnsTransport::Udp => edge::DnsTransport::Udp,
            DnsTransport::Tcp => edge::DnsTransport::Tcp,
        };
        Box::pin(async move { Ok(Tunnels::query_dns(self, tunnel, resolver, transport, message, timeout).await?) })
    }

    fn is_beside_the_edge(&self, tunnel: Uuid) -> bool {
        let connectors = self.connectors(tunnel);
        let mut connections = connectors.iter().flat_map(|connector| &connector.connections);
        connections.any(|connection| is_of_this_machine(connection.remote_address.ip().to_canonical()))
    }
}

impl From<edge::NotOpened> for NotOpened {
    fn from(failed: edge::NotOpened) -> Self {
        Self { error: failed.error.into(), connector: failed.connector }
    }
}

impl From<edge::OpenError> for OpenError {
    fn from(error: edge::OpenError) -> Self {
        match error {
            edge::OpenError::NoConnector => Self::NoConnector,
            edge::OpenError::Refused { text } => Self::Refused { text },
            edge::OpenError::TimedOut { after } => Self::TimedOut { after },
            edge::OpenError::Unreachable { text } => Self::Unreachable { text },
            edge::OpenError::TooManyFlows { text } => Self::TooManyFlows { text },
            edge::OpenError::NotAllowed { text } => Self::NotAllowed { text },
            edge::OpenError::ConnectorLost { .. } => Self::ConnectorLost { text: error.to_string() },
            edge::OpenError::Unsupported { reason } => Self::Unsupported { reason },
            edge::OpenError::Other { text } => Self::Other { text },
        }
    }
}

impl From<edge::DnsQueryError> for DnsQueryError {
    fn from(error: edge::DnsQueryError) -> Self {
        let text = error.to_string();
        match error {
            edge::DnsQueryError::NoConnector => Self::NoConnector,
            edge::DnsQueryError::ConnectorTooOld { .. } | edge::DnsQueryError::NoDatagrams { .. } => {
                Self::Unsupported { reason: text }
            }
            edge::DnsQueryError::TooManyFlows { text } => Self::TooManyFlows { text },
            edge::DnsQueryError::TimedOut { after, .. } => Self::TimedOut { after },
            edge::DnsQueryError::ConnectorLost { .. } => Self::ConnectorLost { text },
            edge::DnsQueryError::ResolverRefused { .. }
            | edge::DnsQueryError::ResolverUnreachable { .. }
            | edge::DnsQueryError::BadQuery(_)
            | edge::DnsQueryError::Other { .. } => Self::Failed { text },
        }
    }
}
