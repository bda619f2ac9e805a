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

/// Everything that a connector reaches.
fn everywhere(tunnel: Uuid) -> Vec<NetworkRoute> {
    [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
        .map(|range| NetworkRoute { tunnel, destination: RouteDestination::Addresses(range), resolvers: Vec::new() })
        .into()
}

impl PrivateNetworks {
    /// Those of a configuration.
    pub fn of(snapshot: &Snapshot) -> Self {
        let by_tunnel: HashMap<Uuid, Arc<PrivateNetwork>> = snapshot
            .tunnels
            .iter()
            .map(|(id, served)| (*id, network(*id, &served.tunnel.name, everywhere(*id))))
            .collect();
        let all = match snapshot.tunnels.keys().collect::<Vec<_>>()[..] {
            [only] => everywhere(*only),
            _ => Vec::new(),
        };
        Self { by_tunnel, account: network(Uuid::nil(), ACCOUNT_NETWORK, all) }
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
