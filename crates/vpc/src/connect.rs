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
use crate::dns::{Resolver, Zone};
use crate::network::{Network, OpenError, OpenedFlow};
use crate::policy::Policy;
use crate::service::{Host, Service};
use race::{Race, Step};

/// How much later than the connector we stop waiting: its answer has better facts.
const GRACE: Duration = Duration::from_millis(500);

/// A flow that stands, and where it leads.
pub(crate) struct Connected {
    pub flow: OpenedFlow,
    pub address: SocketAddr,
}

/// The addresses of a service that may be connected to, resolved where need be, and how long resolving took.
pub(crate) async fn addresses(
    service: &Service,
    port: u16,
    restrictions: &Restrictions,
    resolver: &Resolver,
) -> Result<Vec<SocketAddr>, Box<ConnectionError>> {
    let (found, origin): (Vec<IpAddr>, Origin<'_>) = match &service.host {
        Host::Addresses { ipv4, ipv6 } => {
            (ipv6.map(IpAddr::V6).into_iter().chain(ipv4.map(IpAddr::V4)).collect(), Origin::Given)
        }
        Host::Hostname { name, resolvers } => {
            let zone = Zone { tunnel: service.tunnel, resolvers: resolvers.clone() };
            let resolved = resolver.resolve(&zone, name, &service.policy).await?;
            (resolved.addresses, Origin::Resolved(name))
        }
    };
    let mut allowed = Vec::with_capacity(found.len());
    let mut refused = None;
    for address in found.into_iter().map(|address| SocketAddr::new(address, port)) {
        match restrictions.check(address, origin) {
            Ok(()) => allowed.push(address),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if !allowed.is_empty() {
        return Ok(allowed);
    }
    Err(refused.unwrap_or_else(|| {
        Box::new(ConnectionError::new(
            ErrorCode::DestinationNotFound,
            Phase::Route,
            format!("The service `{}` is registered without an address.", service.name),
        ))
    }))
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
