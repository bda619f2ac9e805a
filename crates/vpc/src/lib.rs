//! VPC Services and Networks: a request goes to a private service behind a tunnel: routed, resolved, connected, secured,
//! exchanged.
//!
//! Every attempt ends in a response or in a [`connection_error::ConnectionError`] that says which phase failed on which
//! facts, and in one [`telemetry::ConnectionEvent`] with its timings. The edge itself speaks TLS and HTTP with the private
//! service, over raw flows that a [`Network`] opens; that is how the failures can be told apart.
//!
//! What decides is pure and takes time as an argument (`plan`, `breaker`, `rate_limit`, `pool`, `connect::race`,
//! `http::{stall, retry, failure}`, `dns::{message, cache}`); what drives is dull (`way`, `connect`, `dns::resolver`,
//! `http::exchange`). Nothing here knows JavaScript, or how tunnels work.

mod address;
mod attempt;
mod breaker;
mod connect;
mod diagnose;
mod dns;
mod headers;
mod http;
mod network;
mod options;
mod plan;
mod policy;
mod pool;
mod private_network;
mod published;
mod rate_limit;
mod service;
mod state;
mod tcp;
mod tls;
mod traffic;
mod upgrade;
mod vpc;
mod way;

pub use address::Restrictions;
pub use diagnose::{Diagnosis, DiagnosisRequest, Finding, FindingState, Probe};
pub use network::{DnsQueryError, DnsTransport, Draining, Io, Network, NotOpened, OpenError, OpenedFlow};
pub use options::Options;
pub use policy::{BreakerPolicy, Policy};
pub use private_network::{NetworkRoute, PrivateNetwork, RouteDestination};
pub use published::{NotForwarded, PublishedHost};
pub use service::{
    AppProtocol, CertificateVerification, ClientCertificate, Host, Scheme, Service, ServiceKind, TlsSettings,
};
pub use tcp::TcpConnection;
pub use upgrade::{Upgraded, UpgradedStream};
pub use vpc::Vpc;
