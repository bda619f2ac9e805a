//! From a service to an open flow: which addresses, in which order, and what their failures mean.

pub(crate) mod failure;
mod race;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use uuid::Uuid;

use crate::address::{Origin, Restrictions};
use crate::dns::{Later, NoAddress, Resolved, Resolver, Zone};
use crate::network::{Network, NotOpened, OpenError, OpenedFlow};
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

/// That there is no flow, why, and where it was to lead.
#[derive(Debug)]
pub(crate) struct NotConnected {
    pub error: Box<ConnectionError>,
    /// The address that the error is about, and the connector that was asked for it.
    pub tried: Option<(SocketAddr, Option<Uuid>)>,
}

/// The addresses of a service that may be connected to.
pub(crate) struct Addresses {
    pub list: Vec<SocketAddr>,
    /// Whether a resolver was waited for.
    pub asked: bool,
    /// What may still come while these are tried (RFC 8305 section 3).
    later: Option<Later>,
}

/// Where a flow is to lead, and by which rules.
pub(crate) struct Destination<'a> {
    pub network: &'a dyn Network,
    pub service: &'a Service,
    pub scope: &'a Scope,
    pub port: u16,
    pub restrictions: &'a Restrictions,
}

impl Destination<'_> {
    /// Finds the addresses, resolved where need be, and keeps those that may be connected to.
    pub(crate) async fn addresses(&self, resolver: &Resolver) -> Result<Addresses, NoAddress> {
        let service = self.service;
        let Resolved { addresses, asked, later } = match &service.host {
            Host::Addresses { ipv4, ipv6 } => {
                let addresses = ipv6.map(IpAddr::V6).into_iter().chain(ipv4.map(IpAddr::V4)).collect();
                Resolved { addresses, asked: false, later: None }
            }
            Host::Hostname { name, resolvers } => {
                let zone = Zone { tunnel: service.tunnel, resolvers: resolvers.clone() };
                resolver.resolve(&zone, name, &service.policy).await?
            }
        };
        let mut allowed = Vec::with_capacity(addresses.len());
        let mut refused = None;
        for address in addresses {
            match self.allow(address) {
                Ok(address) => allowed.push(address),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if !allowed.is_empty() {
            return Ok(Addresses { list: allowed, asked, later });
        }
        let error = refused.unwrap_or_else(|| {
            Box::new(ConnectionError::new(
                ErrorCode::DestinationNotFound,
                Phase::Route,
                format!("The service `{}` is registered without an address.", service.name),
            ))
        });
        Err(NoAddress { error, asked })
    }

    /// An address with the port, if it may be connected to.
    fn allow(&self, address: IpAddr) -> Result<SocketAddr, Box<ConnectionError>> {
        let origin = match (&self.service.host, self.scope) {
            (Host::Addresses { .. }, Scope::Registered) => Origin::Given,
            (Host::Addresses { .. }, Scope::Url { .. }) => Origin::Url,
            (Host::Hostname { name, .. }, Scope::Registered) => Origin::Resolved(name),
            (Host::Hostname { name, .. }, Scope::Url { .. }) => Origin::ResolvedFromUrl(name),
        };
        let full = SocketAddr::new(address, self.port);
        self.restrictions.check(full, origin, &|| self.network.is_beside_the_edge(self.service.tunnel))?;
        confine(address, self.scope, &self.service.name)?;
        Ok(full)
    }

    /// Opens a flow to the first address that accepts.
    pub(crate) async fn connect(&self, addresses: &Addresses) -> Result<Connected, NotConnected> {
        let (tunnel, policy) = (self.service.tunnel, &self.service.policy);
        let mut race = Race::new(&addresses.list);
        let mut running = FuturesUnordered::new();
        let mut failures: Vec<(SocketAddr, NotOpened)> = Vec::new();
        let mut later = std::pin::pin!(OptionFuture::from(addresses.later.clone().map(Later::addresses)));
        let mut more_may_come = addresses.later.is_some();
        loop {
            let wake = match race.poll(Instant::now()) {
                Step::Start(address) => {
                    running.push(open(self.network, tunnel, address, policy.connect_timeout));
                    continue;
                }
                Step::Exhausted if !more_may_come => return Err(failure::of_all(tunnel, &failures)),
                Step::WaitUntil(at) => Some(at),
                Step::Exhausted | Step::Wait => None,
            };
            let ended = tokio::select! {
                Some(ended) = running.next() => ended,
                found = &mut later, if more_may_come => {
                    more_may_come = false;
                    let found = found.unwrap_or_default();
                    race.join(found.into_iter().filter_map(|address| self.allow(address).ok()));
                    continue;
                }
                () = sleep_until(wake) => continue,
            };
            match ended {
                (address, Ok(flow)) => return Ok(Connected { flow, address }),
                (address, Err(failed)) => {
                    let hopeless = failure::concerns_the_tunnel(&failed.error);
                    failures.push((address, failed));
                    if hopeless {
                        return Err(failure::of_all(tunnel, &failures));
                    }
                    race.failed();
                }
            }
        }
    }
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
) -> (SocketAddr, Result<OpenedFlow, NotOpened>) {
    let opening = network.open_tcp(tunnel, address, timeout);
    let result = tokio::time::timeout(timeout + GRACE, opening)
        .await
        .unwrap_or_else(|_| Err(OpenError::TimedOut { after: timeout }.into()));
    (address, result)
}
