//! From a service to an open flow: which addresses, in which order, and what their failures mean.

mod failure;
mod race;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use uuid::Uuid;

use crate::address::{Origin, Restrictions};
use crate::dns::{Resolved, Resolver, Zone};
use crate::network::{Network, OpenError, OpenedFlow};
use crate::policy::Policy;
use crate::private_network::Scope;
use crate::service::{Host, Service};
use race::{Race, Step};

/// How much later than the connector we stop waiting: its answer has better facts.
const GRACE: Duration = Duration::from_millis(500);

/// A flow that stands, and where it leads.
pub(crate) struct Connected {
    pub flow: OpenedFlow,
    pub address: SocketAddr,
}

/// The addresses of a service that may be connected to.
pub(crate) struct Addresses {
    pub list: Vec<SocketAddr>,
    /// Whether a resolver was waited for.
    pub asked: bool,
}

/// Finds the addresses of a service, resolved where need be, and keeps those that may be connected to.
pub(crate) async fn addresses(
    service: &Service,
    scope: &Scope,
    port: u16,
    restrictions: &Restrictions,
    resolver: &Resolver,
) -> Result<Addresses, Box<ConnectionError>> {
    let (Resolved { addresses, asked }, origin) = match &service.host {
        Host::Addresses { ipv4, ipv6 } => {
            let addresses: Vec<IpAddr> = ipv6.map(IpAddr::V6).into_iter().chain(ipv4.map(IpAddr::V4)).collect();
            let origin = match scope {
                Scope::Registered => Origin::Given,
                Scope::Url { .. } => Origin::Url,
            };
            (Resolved { addresses, asked: false }, origin)
        }
        Host::Hostname { name, resolvers } => {
            let zone = Zone { tunnel: service.tunnel, resolvers: resolvers.clone() };
            let origin = match scope {
                Scope::Registered => Origin::Resolved(name),
                Scope::Url { .. } => Origin::ResolvedFromUrl(name),
            };
            (resolver.resolve(&zone, name, &service.policy).await?, origin)
        }
    };
    let mut allowed = Vec::with_capacity(addresses.len());
    let mut refused = None;
    for address in addresses {
        let checked = restrictions
            .check(SocketAddr::new(address, port), origin)
            .and_then(|()| confine(address, scope, &service.name));
        match checked {
            Ok(()) => allowed.push(SocketAddr::new(address, port)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if !allowed.is_empty() {
        return Ok(Addresses { list: allowed, asked });
    }
    Err(refused.unwrap_or_else(|| {
        Box::new(ConnectionError::new(
            ErrorCode::DestinationNotFound,
            Phase::Route,
            format!("The service `{}` is registered without an address.", service.name),
        ))
    }))
}

/// A name that the URL chose must lead into the ranges that the network has routes for.
fn confine(address: IpAddr, scope: &Scope, network: &str) -> Result<(), Box<ConnectionError>> {
    match scope {
        Scope::Url { within } if !within.is_empty() && !within.iter().any(|range| range.contains(&address)) => {
            Err(Box::new(ConnectionError::new(
                ErrorCode::DestinationNotFound,
                Phase::Route,
                format!("The name resolves to {address}, and no route of the network `{network}` covers that."),
            )))
        }
        _ => Ok(()),
    }
}

/// Opens a flow to the first address that accepts.
pub(crate) async fn connect(
    network: &dyn Network,
    tunnel: Uuid,
    addresses: &[SocketAddr],
    policy: &Policy,
) -> Result<Connected, Box<ConnectionError>> {
    let mut race = Race::new(addresses);
    let mut running = FuturesUnordered::new();
    let mut failures: Vec<(SocketAddr, OpenError)> = Vec::new();
    loop {
        let wake = match race.poll(Instant::now()) {
            Step::Start(address) => {
                running.push(open(network, tunnel, address, policy.connect_timeout));
                continue;
            }
            Step::Exhausted => return Err(failure::of_all(tunnel, &failures)),
            Step::WaitUntil(at) => Some(at),
            Step::Wait => None,
        };
        let ended = tokio::select! {
            Some(ended) = running.next() => ended,
            () = sleep_until(wake) => continue,
        };
        match ended {
            (address, Ok(flow)) => return Ok(Connected { flow, address }),
            (address, Err(error)) => {
                let hopeless = failure::concerns_the_tunnel(&error);
                failures.push((address, error));
                if hopeless {
                    return Err(failure::of_all(tunnel, &failures));
                }
                race.failed();
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn open(
    network: &dyn Network,
    tunnel: Uuid,
    address: SocketAddr,
    timeout: Duration,
) -> (SocketAddr, Result<OpenedFlow, OpenError>) {
    let opening = network.open_tcp(tunnel, address, timeout);
    let result =
        tokio::time::timeout(timeout + GRACE, opening).await.unwrap_or(Err(OpenError::TimedOut { after: timeout }));
    (address, result)
}
