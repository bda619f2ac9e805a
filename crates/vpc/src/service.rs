//! What is registered: a VPC Service, its host, ports and TLS settings. The registration picks the target, never the URL.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use uuid::Uuid;

use crate::Policy;

/// A VPC Service: one host behind one tunnel.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its id, as bindings name it.
    pub id: Uuid,
    /// Its name, as errors and events show it.
    pub name: String,
    /// The tunnel behind which it is.
    pub tunnel: Uuid,
    /// What it speaks, and on which ports.
    pub kind: ServiceKind,
    /// Where it is.
    pub host: Host,
    /// How TLS is checked.
    pub tls: TlsSettings,
    /// Timeouts and limits.
    pub policy: Policy,
}

/// What a service speaks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServiceKind {
    /// HTTP. With neither port both schemes are allowed on 80 and 443; giving only one port enforces its scheme.
    Http {
        /// The port for `http:`.
        http_port: Option<u16>,
        /// The port for `https:`.
        https_port: Option<u16>,
    },
    /// Raw TCP.
    Tcp {
        /// The port.
        port: u16,
        /// The protocol spoken on it, for those who look for services of a protocol. Not enforced.
        app_protocol: Option<AppProtocol>,
    },
}

/// The protocol of a TCP service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppProtocol {
    /// MySQL
    MySql,
    /// PostgreSQL
    PostgreSql,
}

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Literal addresses; with both, they race (RFC 8305).
    Addresses {
        /// The IPv4 address.
        ipv4: Option<Ipv4Addr>,
        /// The IPv6 address.
        ipv6: Option<Ipv6Addr>,
    },
    /// A name, resolved through the tunnel.
    Hostname {
        /// The name.
        name: String,
        /// The resolvers to ask, on port 53; the connector's own when empty.
        resolvers: Vec<IpAddr>,
    },
}

/// The scheme of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text from the connector to the service.
    Http,
    /// TLS from the edge to the service.
    Https,
}

impl Scheme {
    /// The spelling in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port when none is registered.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// How TLS with a service is checked. The trusted roots are Mozilla's (webpki-roots) and the extra ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TlsSettings {
    /// What is checked.
    pub verification: CertificateVerification,
    /// Roots trusted besides the public ones. A certificate that the service itself presents may be one of them.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What we present when the service asks for a client certificate.
    pub client_certificate: Option<ClientCertificate>,
}

/// How much of a certificate is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CertificateVerification {
    /// Chain, dates and name.
    #[default]
    VerifyFull,
    /// Chain and dates.
    VerifyCa,
    /// Nothing.
    Disabled,
}

impl CertificateVerification {
    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyFull => "verify_full",
            Self::VerifyCa => "verify_ca",
            Self::Disabled => "disabled",
        }
    }
}

/// A certificate of ours with its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate and its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: Arc<PrivateKeyDer<'static>>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.secret_der() == other.key.secret_der()
    }
}

impl ServiceKind {
    /// The port for a scheme; `None` when that scheme is not enabled.
    pub(crate) fn port_for(&self, scheme: Scheme) -> Option<u16> {
        match (self, scheme) {
            (Self::Http { http_port: None, https_port: None }, scheme) => Some(scheme.default_port()),
            (Self::Http { http_port, .. }, Scheme::Http) => *http_port,
            (Self::Http { https_port, .. }, Scheme::Https) => *https_port,
            (Self::Tcp { .. }, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_enforces_its_scheme() {
        let ports = |http_port, https_port| {
            let kind = ServiceKind::Http { http_port, https_port };
            (kind.port_for(Scheme::Http), kind.port_for(Scheme::Https))
        };
        assert_eq!(ports(None, None), (Some(80), Some(443)));
        assert_eq!(ports(Some(8080), None), (Some(8080), None));
        assert_eq!(ports(None, Some(8443)), (None, Some(8443)));
        assert_eq!(ports(Some(1), Some(2)), (Some(1), Some(2)));
    }
}
