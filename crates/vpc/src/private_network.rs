//! VPC Networks: the URL picks host and port, the routes say behind which tunnel that is. Pure.

use std::net::IpAddr;
use std::sync::Arc;

use connection_error::{ConnectionError, ErrorCode, Phase};
use ipnet::IpNet;
use uuid::Uuid;

use crate::policy::Policy;
use crate::service::{Host, Service, ServiceKind, TlsSettings};

/// What a VPC Network binding reaches: the routes of one tunnel, or of all tunnels of an account (`cf1:network`).
#[derive(Debug, Clone, PartialEq)]
pub struct PrivateNetwork {
    /// Its id in events: the tunnel's for a binding of one tunnel.
    pub id: Uuid,
    /// Its name, as errors and events show it.
    pub name: String,
    /// What is where. An empty list reaches nothing.
    pub routes: Vec<NetworkRoute>,
    /// How TLS is checked.
    pub tls: TlsSettings,
    /// Timeouts and limits, for each destination by itself.
    pub policy: Policy,
}

/// One route: these destinations are behind this tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRoute {
    /// The tunnel.
    pub tunnel: Uuid,
    /// What is behind it.
    pub destination: RouteDestination,
    /// The resolvers for names behind it; the connector's own when empty.
    pub resolvers: Vec<IpAddr>,
}

/// The destinations of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDestination {
    /// A range of addresses.
    Addresses(IpNet),
    /// A host name, or with `*.` in front every name below it.
    Hostname(String),
}

/// How the addresses of a destination are confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A registration chose the host: nothing more to say.
    Registered,
    /// The URL chose it. A name that no hostname route covers must resolve into one of these ranges; none confine it when
    /// the list is empty.
    Url { within: Vec<IpNet> },
}

/// A destination on a network: it is treated as a service of its own.
#[derive(Debug)]
pub(crate) struct Destination {
    pub service: Arc<Service>,
    pub scope: Scope,
}

impl PrivateNetwork {
    /// The destination for a host and port; `kind` is made from the port.
    pub(crate) fn destination(&self, host: &str, kind: ServiceKind) -> Result<Destination, Box<ConnectionError>> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let (route, host, within) = match bare.parse::<IpAddr>() {
            Ok(address) => {
                let route = self.route_of_address(address);
                let host = match address {
                    IpAddr::V4(v4) => Host::Addresses { ipv4: Some(v4), ipv6: None },
                    IpAddr::V6(v6) => Host::Addresses { ipv4: None, ipv6: Some(v6) },
                };
                (route, host, Vec::new())
            }
            Err(_) => {
                let name = bare.trim_end_matches('.').to_ascii_lowercase();
                let (route, within) = match self.route_of_name(&name) {
                    Some(route) => (Some(route), Vec::new()),
                    None => self.only_tunnel().map_or((None, Vec::new()), |(route, ranges)| (Some(route), ranges)),
                };
                let resolvers = route.map(|route| route.resolvers.clone()).unwrap_or_default();
                (route, Host::Hostname { name, resolvers }, within)
            }
        };
        let route = route.ok_or_else(|| {
            Box::new(ConnectionError::new(
                ErrorCode::DestinationNotFound,
                Phase::Route,
                format!("No route of the network `{}` covers {bare}.", self.name),
            ))
        })?;
        let service = Service {
            id: self.id,
            name: self.name.clone(),
            tunnel: route.tunnel,
            kind,
            host,
            tls: self.tls.clone(),
            policy: self.policy.clone(),
        };
        Ok(Destination { service: Arc::new(service), scope: Scope::Url { within } })
    }

    /// The narrowest range that contains the address.
    fn route_of_address(&self, address: IpAddr) -> Option<&NetworkRoute> {
        let address = address.to_canonical();
        self.routes
            .iter()
            .filter_map(|route| match &route.destination {
                RouteDestination::Addresses(range) if range.contains(&address) => Some((range.prefix_len(), route)),
                _ => None,
            })
            // Of equals the first one: max_by_key would take the last.
            .rev()
            .max_by_key(|(length, _)| *length)
            .map(|(_, route)| route)
    }

    /// The route of exactly this name, or else the longest wildcard that covers it.
    fn route_of_name(&self, name: &str) -> Option<&NetworkRoute> {
        self.routes
            .iter()
            .filter_map(|route| match &route.destination {
                RouteDestination::Hostname(pattern) => covers(pattern, name).map(|weight| (weight, route)),
                RouteDestination::Addresses(_) => None,
            })
            .rev()
            .max_by_key(|(weight, _)| *weight)
            .map(|(_, route)| route)
    }

    /// Where all ranges are behind one tunnel, a name that no route knows can be resolved there, and must lead into one.
    fn only_tunnel(&self) -> Option<(&NetworkRoute, Vec<IpNet>)> {
        let mut ranges = self.routes.iter().filter_map(|route| match route.destination {
            RouteDestination::Addresses(range) => Some((route, range)),
            RouteDestination::Hostname(_) => None,
        });
        let (first, range) = ranges.next()?;
        let mut all = vec![range];
        for (route, range) in ranges {
            if route.tunnel != first.tunnel {
                return None;
            }
            all.push(range);
        }
        Some((first, all))
    }
}

/// How well a pattern fits a name in lower case: an exact one best, a wildcard the better the longer it is.
fn covers(pattern: &str, name: &str) -> Option<usize> {
    let pattern = pattern.trim_end_matches('.').to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        None => (pattern == name).then_some(usize::MAX),
        Some(suffix) => {
            name.strip_suffix(suffix)?.strip_suffix('.').filter(|labels| !labels.is_empty())?;
            Some(suffix.len())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn network(routes: &[(u128, &str)]) -> PrivateNetwork {
        let routes = routes
            .iter()
            .map(|(tunnel, destination)| NetworkRoute {
                tunnel: Uuid::from_u128(*tunnel),
                destination: destination.parse().map_or_else(
                    |_| RouteDestination::Hostname((*destination).to_owned()),
                    RouteDestination::Addresses,
                ),
                resolvers: Vec::new(),
            })
            .collect();
        PrivateNetwork {
            id: Uuid::from_u128(99),
            name: "office".to_owned(),
            routes,
            tls: TlsSettings::default(),
            policy: Policy::default(),
        }
    }

    fn tunnel(network: &PrivateNetwork, host: &str) -> Option<u128> {
        let kind = ServiceKind::Http { http_port: Some(80), https_port: None };
        match network.destination(host, kind) {
            Ok(destination) => Some(destination.service.tunnel.as_u128()),
            Err(error) => {
                assert_eq!((error.code, error.phase), (ErrorCode::DestinationNotFound, Phase::Route));
                None
            }
        }
    }

    #[test]
    fn the_best_route_is_taken() {
        let network = network(&[
            (1, "10.0.0.0/8"),
            (2, "10.1.0.0/16"),
            (3, "10.1.0.0/16"),
            (4, "fd00::/8"),
            (5, "*.internal"),
            (6, "*.db.internal"),
            (7, "Main.DB.internal."),
        ]);
        for (host, expected) in [
            ("10.2.3.4", Some(1)),
            ("10.1.3.4", Some(2)),
            ("[fd00::1]", Some(4)),
            ("fd00::1", Some(4)),
            ("[::ffff:10.2.3.4]", Some(1)),
            ("api.internal", Some(5)),
            ("a.b.INTERNAL.", Some(5)),
            ("replica.db.internal", Some(6)),
            ("main.db.internal", Some(7)),
            ("internal", None),
            ("notinternal", None),
            ("192.168.0.1", None),
            ("example.org", None),
        ] {
            assert_eq!(tunnel(&network, host), expected, "{host}");
        }
    }

    #[test]
    fn an_unrouted_name_must_lead_into_the_ranges_of_the_only_tunnel() {
        let kind = ServiceKind::Tcp { port: 5432, app_protocol: None };
        let one = network(&[(1, "10.0.0.0/8"), (1, "fd00::/8")]);
        let destination = one.destination("db.example", kind.clone()).unwrap();
        assert_eq!(
            destination.scope,
            Scope::Url { within: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()] }
        );
        assert!(network(&[(1, "10.0.0.0/8"), (2, "fd00::/8")]).destination("db.example", kind.clone()).is_err());
        assert!(network(&[]).destination("db.example", kind).is_err());
    }
}
