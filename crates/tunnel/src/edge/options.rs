//! What an edge is told when it starts.

use crate::authority::CertificateAuthority;
use std::net::SocketAddr;
use std::time::Duration;

/// Where and how an edge listens.
#[derive(Debug)]
pub struct EdgeOptions {
    /// UDP address for QUIC; port 0 takes any.
    pub listen: SocketAddr,
    /// Issues the server certificate. Connectors must trust it.
    pub authority: CertificateAuthority,
    /// Names or addresses that the certificate holds besides those that connectors ask for.
    pub server_names: Vec<String>,
    /// What connectors are told of the edge's place, for example `fra01`. They log it.
    pub location: String,
    /// Bounds on what peers may cost.
    pub limits: EdgeLimits,
}

impl EdgeOptions {
    /// Options with the usual limits.
    pub fn new(listen: SocketAddr, authority: CertificateAuthority) -> Self {
        Self {
            listen,
            authority,
            server_names: Vec::new(),
            location: "culvert".to_owned(),
            limits: EdgeLimits::default(),
        }
    }
}

/// Bounds on what peers may cost.
#[derive(Clone, Debug)]
pub struct EdgeLimits {
    /// A connection that has not registered after this time is closed.
    pub registration_deadline: Duration,
    /// Connections that have not registered, from all addresses.
    pub unregistered: usize,
    /// Connections that have not registered, from one address.
    pub unregistered_per_address: usize,
    /// Failed registrations that one address may make at once; after that one a second is looked at.
    pub failed_registrations: u32,
    /// Live connections of one tunnel.
    pub connections_per_tunnel: usize,
    /// Streams that one connector may have open at once on one connection.
    pub streams_per_connection: u32,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            registration_deadline: Duration::from_secs(10),
            unregistered: 1024,
            unregistered_per_address: 64,
            failed_registrations: 20,
            connections_per_tunnel: 128,
            streams_per_connection: 64,
        }
    }
}
