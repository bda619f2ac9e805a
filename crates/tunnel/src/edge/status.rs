//! What operators see of the connectors, with warnings in plain words.

use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;
use time::OffsetDateTime;
use tunnel_proto::connector::ConnectorVersion;
use uuid::Uuid;

/// How a connector reaches the edge.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportKind {
    /// QUIC over UDP.
    Quic,
    /// HTTP/2 over TCP: no UDP, hence no host names.
    Http2,
}

/// One connection of a connector.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionStatus {
    /// The edge's id of the connection.
    pub id: Uuid,
    /// The connector it belongs to.
    pub connector: Uuid,
    /// The connector's number for it, from 0.
    pub index: u8,
    /// How it is connected.
    pub transport: TransportKind,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// From where.
    pub remote_address: SocketAddr,
    /// Smoothed round-trip time; zero where the transport does not tell.
    #[serde(serialize_with = "milliseconds", rename = "rtt_ms")]
    pub rtt: Duration,
    /// Flows open now.
    pub flows: u32,
    /// Flows opened since it registered.
    pub flows_total: u64,
    /// Bytes sent to the private side.
    pub bytes_sent: u64,
    /// Bytes received from the private side.
    pub bytes_received: u64,
    /// It has asked for no new flows.
    pub draining: bool,
}

/// One connector: a process with up to four connections.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectorStatus {
    /// The id that it chose at its start.
    pub id: Uuid,
    /// Its version, for example `2026.8.2` or `culvert/0.1.0`.
    pub version: String,
    /// Its platform, for example `linux_amd64`.
    pub platform: String,
    /// What it can do.
    pub features: Vec<String>,
    /// Its connections, by index.
    pub connections: Vec<ConnectionStatus>,
    /// All its connections are draining.
    pub draining: bool,
    /// What an operator should know, one sentence each.
    pub warnings: Vec<String>,
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1e3)
}

/// Warnings about one connector. `connectors` is how many connectors the tunnel has that take flows.
pub(crate) fn warnings(version: &str, transports: &[TransportKind], connectors: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if !ConnectorVersion::parse(version).has_virtual_resolver() {
        warnings.push(format!(
            "Version {version} cannot resolve host names for the edge. Update cloudflared to {} or newer; services by IP address work.",
            ConnectorVersion::VIRTUAL_RESOLVER
        ));
    }
    if transports.contains(&TransportKind::Http2) {
        warnings.push(
            "Connected by HTTP/2, which carries no UDP, so host names cannot be resolved. Open UDP to the edge and run it with --protocol quic; services by IP address work."
                .to_owned(),
        );
    }
    if connectors == 1 {
        warnings.push("This is the tunnel's only connector. Run a second one with the same token, so that the tunnel outlives it.".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_name_cause_and_remedy() {
        assert!(warnings("culvert/0.1.0", &[TransportKind::Quic], 2).is_empty());
        assert_eq!(warnings("2025.6.1", &[TransportKind::Http2], 1).len(), 3);
        assert!(warnings("2025.6.1", &[TransportKind::Quic], 2).iter().any(|warning| warning.contains("2025.7.0")));
    }
}
