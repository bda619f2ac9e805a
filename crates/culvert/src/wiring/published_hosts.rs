//! Visitors' requests at host names that lead to a tunnel: to the private service that the tunnel's connectors publish there.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connection_error::ErrorCode;
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Response};
use invocation::{Body, BoxFuture, Invocation, NoAnswer, OriginFailure, Origins};
use store::Snapshot;
use tunnel::edge::Tunnels;
use uuid::Uuid;
use vpc::{NotForwarded, PublishedHost, Vpc};

use super::serving::Current;

/// Which tunnel a host name leads to, at one moment.
#[derive(Debug, Default)]
pub struct PublishedNames {
    exact: HashMap<String, Uuid>,
    /// By what a name ends in, with the dot.
    below: HashMap<String, Uuid>,
}

impl PublishedNames {
    /// The host names of a configuration: those routed one by one before those of ingress rules.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut names = Self::default();
        // Two servers that have read the same agree.
        let mut tunnels: Vec<_> = snapshot.tunnels.values().collect();
        tunnels.sort_by_key(|served| (served.tunnel.created_on, served.tunnel.id));
        for served in &tunnels {
            names.add(served.hostnames.iter().cloned(), served.tunnel.id);
        }
        for served in &tunnels {
            let ingress = served.configuration.iter().flat_map(|configuration| configuration.hostnames());
            names.add(ingress, served.tunnel.id);
        }
        names
    }

    fn add(&mut self, names: impl Iterator<Item = String>, tunnel: Uuid) {
        for name in names {
            match name.strip_prefix('*') {
                Some(end) => self.below.entry(end.to_owned()).or_insert(tunnel),
                None => self.exact.entry(name).or_insert(tunnel),
            };
        }
    }

    /// The tunnel of a host (lower case, without port): that of the name itself, or of the nearest wildcard above it.
    pub fn tunnel_at(&self, host: &str) -> Option<Uuid> {
        let wildcard = || {
            let dots = host.match_indices('.').map(|(dot, _)| dot);
            dots.filter_map(|dot| host.get(dot..)).find_map(|end| self.below.get(end))
        };
        self.exact.get(host).or_else(wildcard).copied()
    }
}

/// Reaches published services.
pub struct PublishedHosts {
    current: Current,
    tunnels: Tunnels,
    vpc: Vpc,
}

impl PublishedHosts {
    /// The host names of `current`, through the connections of `tunnels`, as attempts of `vpc`.
    pub fn new(current: Current, tunnels: Tunnels, vpc: Vpc) -> Self {
        Self { current, tunnels, vpc }
    }
}

impl Origins for PublishedHosts {
    fn origin(&self, host: &str) -> Option<Uuid> {
        self.current.load().published.tunnel_at(host)
    }

    fn forward(&self, origin: Uuid, invocation: Invocation) -> BoxFuture<'static, Result<Response<Body>, NoAnswer>> {
        let (vpc, tunnels) = (self.vpc.clone(), self.tunnels.clone());
        let Invocation { mut request, ray_id, .. } = invocation;
        let is_websocket = asks_for_websocket(request.headers_mut());
        let tunnel_name = self.current.load().networks.name(origin).unwrap_or_default().to_owned();
        let name = request.uri().host().unwrap_or_default().to_owned();
        let host = PublishedHost { tunnel: origin, tunnel_name, name };
        Box::pin(async move {
            let answered = vpc.forward(&tunnels, &host, request, is_websocket, ray_id).await;
            answered.map_err(|failed| NoAnswer {
                failure: failure(&failed),
                code: failed.error.code,
                message: failed.error.detail,
            })
        })
    }
}

/// Whether the request asks for a WebSocket, which is made one that its frames alone say everything about: the visitor's own
/// handshake is the edge's business, and extensions would be agreed on with one side only.
fn asks_for_websocket(headers: &mut HeaderMap) -> bool {
    let asks = headers.get(UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if asks {
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        // A visitor's by HTTP/2 has none (RFC 8441).
        let key = STANDARD.encode(fastrand::u128(..).to_be_bytes());
        if let (false, Ok(key)) = (headers.contains_key(SEC_WEBSOCKET_KEY), HeaderValue::try_from(key)) {
            headers.insert(SEC_WEBSOCKET_KEY, key);
        }
    }
    asks
}

fn failure(failed: &NotForwarded) -> OriginFailure {
    match failed.error.code {
        _ if !failed.is_connected => OriginFailure::Disconnected,
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionTimeout => OriginFailure::TimedOut,
        _ => OriginFailure::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_wins() {
        let [exact, near, far] = [1, 2, 3].map(Uuid::from_u128);
        let mut names = PublishedNames::default();
        names.add(["*.example.test".to_owned()].into_iter(), far);
        names.add(["*.a.example.test".to_owned(), "*.example.test".to_owned()].into_iter(), near);
        names.add(["b.a.example.test".to_owned()].into_iter(), exact);
        for (host, expected) in [
            ("b.a.example.test", Some(exact)),
            ("c.a.example.test", Some(near)),
            ("a.example.test", Some(far)),
            ("x.y.example.test", Some(far)),
            ("example.test", None),
            ("example.test.", None),
            ("", None),
        ] {
            assert_eq!(names.tunnel_at(host), expected, "{host}");
        }
    }
}
