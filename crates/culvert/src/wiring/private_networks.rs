//! VPC Networks: what is behind which tunnel, from the routes that are configured.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use store::Snapshot;
use uuid::Uuid;
use vpc::{NetworkRoute, Policy, PrivateNetwork, RouteDestination, TlsSettings};

/// The name of the network of every tunnel of the account.
const ACCOUNT_NETWORK: &str = "cf1:network";

/// The networks that bindings can open.
#[derive(Debug)]
pub struct PrivateNetworks {
    by_tunnel: HashMap<Uuid, Arc<PrivateNetwork>>,
    account: Arc<PrivateNetwork>,
}

fn network(id: Uuid, name: &str, routes: Vec<NetworkRoute>) -> Arc<PrivateNetwork> {
    let (tls, policy) = (TlsSettings::default(), Policy::default());
    Arc::new(PrivateNetwork { id, name: name.to_owned(), routes, tls, policy })
}

/// What is behind a tunnel by the routes that it has.
fn routed<'a>(routes: impl Iterator<Item = &'a store::NetworkRoute>) -> Vec<NetworkRoute> {
    let destination = |kept: &store::NetworkDestination| match kept {
        store::NetworkDestination::Addresses(range) => RouteDestination::Addresses(*range),
        store::NetworkDestination::Hostname(name) => RouteDestination::Hostname(name.clone()),
    };
    routes
        .map(|route| NetworkRoute {
            tunnel: route.tunnel_id,
            destination: destination(&route.destination),
            resolvers: Vec::new(),
        })
        .collect()
}

/// Everything that a connector reaches: what is behind a tunnel that has no routes.
fn everywhere(tunnel: Uuid) -> Vec<NetworkRoute> {
    [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
        .map(|range| NetworkRoute { tunnel, destination: RouteDestination::Addresses(range), resolvers: Vec::new() })
        .into()
}

impl PrivateNetworks {
    /// Those of a configuration. A tunnel's network is confined once the tunnel has a route; the account's is what has
    /// routes, or all of the only tunnel where there are none.
    pub fn of(snapshot: &Snapshot) -> Self {
        let behind = |id: Uuid| {
            let routes = routed(snapshot.network_routes.iter().filter(|route| route.tunnel_id == id));
            if routes.is_empty() { everywhere(id) } else { routes }
        };
        let by_tunnel: HashMap<Uuid, Arc<PrivateNetwork>> =
            snapshot.tunnels.iter().map(|(id, served)| (*id, network(*id, &served.tunnel.name, behind(*id)))).collect();
        let all = match snapshot.tunnels.keys().collect::<Vec<_>>()[..] {
            [only] => behind(*only),
            _ => routed(snapshot.network_routes.iter()),
        };
        Self { by_tunnel, account: network(Uuid::nil(), ACCOUNT_NETWORK, all) }
    }

    /// The name of the network with this id in events.
    pub fn name(&self, id: Uuid) -> Option<&str> {
        if id == self.account.id {
            return Some(&self.account.name);
        }
        self.by_tunnel.get(&id).map(|network| network.name.as_str())
    }

    /// The network that a binding opens; one that reaches nothing when its tunnel does not exist any more.
    pub fn get(&self, which: invocation::PrivateNetwork) -> Arc<PrivateNetwork> {
        match which {
            invocation::PrivateNetwork::Account => self.account.clone(),
            invocation::PrivateNetwork::Tunnel(id) => self
                .by_tunnel
                .get(&id)
                .cloned()
                .unwrap_or_else(|| network(id, &format!("tunnel {id}, which does not exist any more"), Vec::new())),
        }
    }
}
