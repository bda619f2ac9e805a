//! The handle through which the rest of the program uses tunnels.

use super::attempt::{self, Hedging};
use super::carrier::Carrier;
use super::dns::{self, DnsQueryError, DnsTransport, Resolver};
use super::flow::Flow;
use super::link::Link;
use super::open::{self, NotOpened, OpenError};
use super::published::{self, Answer, RequestBody};
use super::registry::Registry;
use super::status::ConnectorStatus;
use super::udp;
use http::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tunnel_proto::rpc::{Call, Reply};
use uuid::Uuid;

/// How one connector took a configuration.
#[derive(Clone, Debug)]
pub struct ConfigurationPush {
    /// The connector.
    pub connector: Uuid,
    /// The version in force there, or why it was not taken.
    pub result: Result<i32, String>,
}

/// Opens flows through tunnels and tells what is connected. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Tunnels {
    registry: Arc<Registry>,
    /// The connector whose connections alone are used.
    only: Option<Uuid>,
}

impl Tunnels {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, only: None }
    }

    /// The same handle, whose flows and queries go through this connector alone.
    pub fn through(&self, connector: Uuid) -> Self {
        Self { registry: Arc::clone(&self.registry), only: Some(connector) }
    }

    /// The connector that the next flow would take first.
    pub fn preferred(&self, tunnel: Uuid) -> Option<Uuid> {
        self.choose(tunnel).first().map(|link| link.connector())
    }

    /// Connections that take flows, the one to use first in front.
    fn choose(&self, tunnel: Uuid) -> Vec<Arc<Link>> {
        let mut links = self.registry.choose(tunnel);
        links.retain(|link| self.only.is_none_or(|connector| link.connector() == connector));
        links
    }

    /// Opens a TCP flow to an address behind the tunnel; answers only when the connector has connected.
    ///
    /// Takes the connection with the least load and latency. When that one fails or is silent, others are tried within
    /// `timeout`; the error is then the first that tells of the destination.
    pub async fn open_tcp(&self, tunnel: Uuid, destination: SocketAddr, timeout: Duration) -> Result<Flow, NotOpened> {
        let links = self.choose(tunnel);
        let Some(preferred) = links.first().cloned() else { return Err(NotOpened::no_connector()) };
        let deadline = Instant::now() + timeout;
        let opened = attempt::first(links, deadline, Hedging::WhenSilent, |link| async move {
            open::open_tcp(Arc::clone(&link), destination).await.map_err(|error| error.over(&link))
        });
        opened.await.unwrap_or_else(|| Err(OpenError::TimedOut { after: timeout }.over(&preferred)))
    }

    /// Sends a request to the service that the tunnel's connectors publish at the host of its URL, and waits up to `timeout`
    /// for the response's head. `is_websocket` asks the service for a WebSocket; the handshake's fields are the request's.
    ///
    /// A request is tried on another connection when it has not reached the service, or when repeating it does no harm.
    pub async fn send_http(
        &self,
        tunnel: Uuid,
        request: Request<RequestBody>,
        is_websocket: bool,
        timeout: Duration,
    ) -> Result<Answer, NotOpened> {
        published::send(self.choose(tunnel), request, is_websocket, timeout).await
    }

    /// Sends one DNS query (wire format) and gives back the answer (wire format), whatever it says.
    ///
    /// By UDP the query is repeated within `timeout` as long as no answer comes. A truncated answer (TC) is given back as
    /// it is: ask again by TCP.
    pub async fn query_dns(
        &self,
        tunnel: Uuid,
        resolver: Resolver,
        transport: DnsTransport,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, DnsQueryError> {
        dns::query(self.choose(tunnel), resolver, transport, message, timeout).await
    }

    /// The tunnel's connectors, by id.
    pub fn connectors(&self, tunnel: Uuid) -> Vec<ConnectorStatus> {
        self.registry.connectors(tunnel)
    }

    /// What a locally managed connector of the tunnel said last of its configuration: JSON that nobody has checked.
    /// `None` when none is connected, or the tunnel is not managed so.
    pub fn local_configuration(&self, tunnel: Uuid) -> Option<Arc<[u8]>> {
        self.registry.local_configuration(tunnel)
    }

    /// Cuts all connections of a tunnel at once. The directory must refuse it before this is called: a registration that is
    /// under way is then refused as well.
    pub fn revoke(&self, tunnel: Uuid) {
        self.registry.revoke(tunnel);
    }

    /// Gives a configuration (JSON) to every connector of a tunnel, once each, and waits up to 5 s for their answers.
    /// A version that is not above the one in force there changes nothing.
    pub async fn push_configuration(&self, tunnel: Uuid, version: i32, json: &str) -> Vec<ConfigurationPush> {
        let mut pushes = JoinSet::new();
        for link in self.registry.one_per_connector(tunnel) {
            let json = json.to_owned();
            pushes.spawn(async move {
                let result = push_configuration(&link, version, &json).await;
                ConfigurationPush { connector: link.connector(), result }
            });
        }
        pushes.join_all().await
    }
}

/// Gives a configuration to one connector.
pub(crate) async fn push_configuration(link: &Link, version: i32, json: &str) -> Result<i32, String> {
    let update = match &link.carrier {
        Carrier::Quic(_) => {
            let configuration = json.as_bytes().to_vec();
            match udp::call(link, &Call::UpdateConfiguration { version, configuration }).await {
                Ok(Reply::UpdateConfiguration(update)) => update,
                Ok(other) => return Err(format!("it answered something else: {other:?}")),
                Err(error) => return Err(error.to_string()),
            }
        }
        Carrier::Http2(carrier) => carrier.update_configuration(version, json).await?,
    };
    if update.error.is_empty() { Ok(update.latest_applied_version) } else { Err(update.error) }
}
