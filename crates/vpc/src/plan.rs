//! From a service and a request to what is to be done: pure, before anything is opened.
//!
//! The URL's host becomes `Host` (and SNI) and never routes. Its port is not used for routing either; it stays in `Host` as
//! it was written, unless it is the scheme's default, because a private service that builds absolute URLs or checks its
//! virtual host expects what the author of the Worker wrote.

use connection_error::{ConnectionError, ErrorCode, Phase};
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Uri};
use invocation::marks;
use rustls_pki_types::ServerName;

use crate::headers;
use crate::service::{Scheme, Service, ServiceKind};
use crate::upgrade::Upgrade;

/// What a request comes to, before routing.
#[derive(Debug)]
pub(crate) struct Plan {
    pub scheme: Scheme,
    /// The registered port for the scheme.
    pub port: u16,
    /// The value of `Host`, and `:authority` of HTTP/2.
    pub authority: String,
    /// The name for SNI and verification, for https.
    pub server_name: Option<ServerName<'static>>,
    pub method: Method,
    pub path_and_query: PathAndQuery,
    /// End-to-end fields only, with `Host` and `CDN-Loop`.
    pub headers: HeaderMap,
    /// The declared length of the request's body.
    pub content_length: Option<u64>,
    pub upgrade: Option<Upgrade>,
}

fn denied(detail: String) -> Box<ConnectionError> {
    Box::new(ConnectionError::new(ErrorCode::HttpRequestDenied, Phase::Route, detail))
}

impl Plan {
    /// Checks a request against the service's registration and policy, and makes its head ready for forwarding.
    pub(crate) fn new(
        service: &Service,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        cdn_id: &str,
    ) -> Result<Self, Box<ConnectionError>> {
        let scheme = match uri.scheme_str() {
            Some("http" | "ws") => Scheme::Http,
            Some("https" | "wss") => Scheme::Https,
            other => {
                let scheme = other.unwrap_or("none");
                return Err(denied(format!("The URL's scheme must be http or https, and it is {scheme}.")));
            }
        };
        let port = service.kind.port_for(scheme).ok_or_else(|| denied(no_port(service, scheme)))?;
        let policy = &service.policy;
        if !policy.allowed_methods.is_empty() && !policy.allowed_methods.contains(&method) {
            return Err(denied(format!("The service `{}` does not allow the method {method}.", service.name)));
        }
        if method == Method::CONNECT {
            return Err(denied("CONNECT cannot be forwarded by fetch().".to_owned()));
        }
        if !policy.allows_path(uri.path()) {
            return Err(denied(format!("The service `{}` does not allow the path {}.", service.name, uri.path())));
        }
        if marks::has_passed(&headers, cdn_id) {
            return Err(Box::new(ConnectionError::new(
                ErrorCode::ProxyLoopDetected,
                Phase::Route,
                format!("The request has passed this edge before: its CDN-Loop header names {cdn_id}."),
            )));
        }

        let host =
            uri.host().filter(|host| !host.is_empty()).ok_or_else(|| denied("The URL has no host.".to_owned()))?;
        let authority = match uri.port_u16() {
            Some(port) if port != scheme.default_port() => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        let server_name = match scheme {
            Scheme::Http => None,
            Scheme::Https => Some(server_name(host)?),
        };
        let upgrade = headers::wanted_upgrade(&headers).map(|protocol| Upgrade::new(protocol, &headers));
        headers::remove_hop_by_hop(&mut headers);
        let content_length = headers.remove(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // The body is sent at once, and waiting for permission is not part of that.
        headers.remove(EXPECT);
        headers.insert(
            HOST,
            HeaderValue::from_str(&authority)
                .map_err(|_| denied(format!("The URL's host `{authority}` cannot be a Host header.")))?,
        );
        marks::note_passage(&mut headers, cdn_id);
        if let Some(upgrade) = &upgrade {
            upgrade.add_to(&mut headers);
        }
        let path_and_query = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { scheme, port, authority, server_name, method, path_and_query, headers, content_length, upgrade })
    }

    /// The request's target as HTTP/1.1 writes it.
    pub(crate) fn origin_form(&self) -> Uri {
        Uri::from(self.path_and_query.clone())
    }

    /// The request's target as HTTP/2 needs it.
    pub(crate) fn absolute_form(&self) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.as_str())
            .authority(self.authority.as_str())
            .path_and_query(self.path_and_query.clone())
            .build()
    }

    /// Whether doing it twice is the same as doing it once (RFC 9110 section 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        self.upgrade.is_none() && self.method.is_idempotent()
    }
}

fn no_port(service: &Service, scheme: Scheme) -> String {
    match &service.kind {
        ServiceKind::Tcp { port, .. } => {
            format!("The service `{}` is a TCP service on port {port}: use connect() and not fetch().", service.name)
        }
        ServiceKind::Http { .. } => {
            let other = match scheme {
                Scheme::Http => Scheme::Https,
                Scheme::Https => Scheme::Http,
            };
            format!(
                "The service `{}` has a port for {} only, and the URL's scheme is {}: use {}:// in the URL, or give the service a port for {}.",
                service.name,
                other.as_str(),
                scheme.as_str(),
                other.as_str(),
                scheme.as_str()
            )
        }
    }
}

/// The URL's host as a name to verify: a DNS name or, in brackets or without, an address.
fn server_name(host: &str) -> Result<ServerName<'static>, Box<ConnectionError>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.trim_end_matches('.').to_owned()).map_err(|_| {
        denied(format!(
            "The URL's host `{host}` cannot be a TLS server name, which https needs; use a DNS name or an address."
        ))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use uuid::Uuid;

    use super::*;
    use crate::{Host, Policy, TlsSettings};

    fn service(http_port: Option<u16>, https_port: Option<u16>) -> Service {
        Service {
            id: Uuid::nil(),
            name: "api".to_owned(),
            tunnel: Uuid::nil(),
            kind: ServiceKind::Http { http_port, https_port },
            host: Host::Addresses { ipv4: Some([10, 0, 0, 1].into()), ipv6: None },
            tls: TlsSettings::default(),
            policy: Policy::default(),
        }
    }

    fn plan(service: &Service, url: &str) -> Result<Plan, Box<ConnectionError>> {
        Plan::new(service, Method::GET, &url.parse().unwrap(), HeaderMap::new(), "culvert")
    }

    #[test]
    fn the_registration_routes_and_the_url_names() {
        let service = service(Some(8080), Some(8443));
        let http = plan(&service, "http://shop.internal:9999/a%20b/?q=1&r#").unwrap();
        assert_eq!((http.port, http.authority.as_str()), (8080, "shop.internal:9999"));
        assert_eq!(http.headers[HOST], "shop.internal:9999");
        assert_eq!(http.origin_form().to_string(), "/a%20b/?q=1&r");
        assert_eq!(http.server_name, None);
        let https = plan(&service, "https://shop.internal:443/").unwrap();
        assert_eq!((https.port, https.authority.as_str()), (8443, "shop.internal"));
        assert_eq!(https.server_name, Some(ServerName::try_from("shop.internal").unwrap()));
        assert_eq!(https.absolute_form().unwrap(), "https://shop.internal/");
        let v6 = plan(&service, "https://[2001:db8::1]/").unwrap();
        assert_eq!(v6.server_name, Some(ServerName::try_from("2001:db8::1").unwrap()));
        assert_eq!(v6.headers[HOST], "[2001:db8::1]");
        assert_eq!(plan(&service, "http://user:secret@shop.internal/").unwrap().headers[HOST], "shop.internal");
    }

    #[test]
    fn what_the_policy_refuses_is_told() {
        let mut service = service(Some(8080), None);
        let error = plan(&service, "https://x/").unwrap_err();
        assert_eq!((error.code, error.phase), (ErrorCode::HttpRequestDenied, Phase::Route));
        assert!(error.detail.contains("http only"), "{}", error.detail);
        service.policy.allowed_methods = vec![Method::POST];
        assert!(plan(&service, "http://x/").unwrap_err().detail.contains("method GET"));
        service.policy.allowed_methods.clear();
        service.policy.allowed_path_prefixes = vec!["/api".to_owned()];
        assert!(plan(&service, "http://x/admin").unwrap_err().detail.contains("path /admin"));
        assert!(plan(&service, "http://x/api/1").is_ok());
        service.kind = ServiceKind::Tcp { port: 5432, app_protocol: None };
        assert!(plan(&service, "http://x/api").unwrap_err().detail.contains("connect()"));
        assert_eq!(plan(&service, "ftp://x/").unwrap_err().code, ErrorCode::HttpRequestDenied);
    }

    #[test]
    fn a_request_that_was_here_is_a_loop() {
        let headers = [(marks::CDN_LOOP, HeaderValue::from_static("other, culvert"))].into_iter().collect();
        let uri = "http://x/".parse().unwrap();
        let error = Plan::new(&service(None, None), Method::GET, &uri, headers, "culvert").unwrap_err();
        assert_eq!((error.code, error.phase), (ErrorCode::ProxyLoopDetected, Phase::Route));
    }
}
