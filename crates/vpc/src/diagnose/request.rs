//! What is asked of the service: what the operator said, and otherwise what fits the registration.

use std::net::Ipv6Addr;

use http::Uri;

use crate::service::{Host, Scheme, Service, ServiceKind};

/// What the operator would like to ask. What is not said is chosen by the registration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// The scheme; https where the service has a port for it alone or by name, http otherwise.
    pub scheme: Option<Scheme>,
    /// `Host` and the name for TLS; the service's host name or address.
    pub host: Option<String>,
    /// The path with its query; the first that the policy allows.
    pub path: Option<String>,
}

/// What is asked of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagnosisRequest {
    /// The scheme.
    pub scheme: Scheme,
    /// `Host` and the name for TLS.
    pub host: String,
    /// The path with its query.
    pub path: String,
}

impl Probe {
    /// This, completed for a service.
    pub(super) fn for_service(&self, service: &Service) -> DiagnosisRequest {
        let by_port = match service.kind {
            ServiceKind::Http { https_port: Some(_), .. } => Scheme::Https,
            ServiceKind::Http { .. } | ServiceKind::Tcp { .. } => Scheme::Http,
        };
        let host = || match &service.host {
            Host::Hostname { name, .. } => name.clone(),
            Host::Addresses { ipv4: Some(address), .. } => address.to_string(),
            Host::Addresses { ipv6: Some(address), .. } => address.to_string(),
            Host::Addresses { .. } => service.name.clone(),
        };
        let path = || service.policy.allowed_path_prefixes.first().cloned().unwrap_or_else(|| "/".to_owned());
        DiagnosisRequest {
            scheme: self.scheme.unwrap_or(by_port),
            host: self.host.clone().unwrap_or_else(host),
            path: self.path.clone().unwrap_or_else(path),
        }
    }
}

impl DiagnosisRequest {
    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The URL that a Worker would give to `fetch()`.
    pub(super) fn uri(&self) -> Result<Uri, http::Error> {
        let authority = match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        Uri::builder().scheme(self.scheme.as_str()).authority(authority).path_and_query(self.path.as_str()).build()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use uuid::Uuid;

    use super::*;
    use crate::{Policy, TlsSettings};

    fn service(kind: ServiceKind) -> Service {
        Service {
            id: Uuid::nil(),
            name: "api".to_owned(),
            tunnel: Uuid::nil(),
            kind,
            host: Host::Addresses { ipv4: None, ipv6: Some(Ipv6Addr::LOCALHOST) },
            tls: TlsSettings::default(),
            policy: Policy { allowed_path_prefixes: vec!["/api/".to_owned()], ..Policy::default() },
        }
    }

    #[test]
    fn what_is_not_said_fits_the_registration() {
        let request =
            Probe::default().for_service(&service(ServiceKind::Http { http_port: Some(8080), https_port: Some(8443) }));
        assert_eq!(request.uri().unwrap(), "https://[::1]/api/");
        let request = Probe::default().for_service(&service(ServiceKind::Http { http_port: None, https_port: None }));
        assert_eq!(request.scheme, Scheme::Http);
        let said = Probe {
            scheme: Some(Scheme::Http),
            host: Some("shop.internal:81".to_owned()),
            path: Some("/x?y=1".to_owned()),
        };
        let request = said.for_service(&service(ServiceKind::Http { http_port: None, https_port: Some(1) }));
        assert_eq!(request.uri().unwrap(), "http://shop.internal:81/x?y=1");
        assert!(DiagnosisRequest { host: "no host".to_owned(), ..request }.uri().is_err());
    }
}
