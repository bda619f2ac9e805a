//! The way of one attempt: admitted, resolved, on a kept connection or a new one, exchanged, and again where that is safe.

use std::sync::{Arc, Mutex, MutexGuard};

use connection_error::{ConnectionError, Phase};
use lru::LruCache;
use telemetry::Sink;
use tokio::time::Instant;

use crate::attempt::Attempt;
use crate::connect::{Addresses, Connected, Destination, NotConnected};
use crate::dns::Resolver;
use crate::http::{self as http_client, Answer, Connection, Facts, RequestSource, Tried};
use crate::network::{Io, Network};
use crate::options::Options;
use crate::plan::Plan;
use crate::state::{ConnectionPermit, PoolKey, ServiceState, StateKey, Turn};
use crate::tls::Offer;

/// How many connections one request may use up: a stale one, one that is closing, and a good one.
const MAX_TRIES: u32 = 3;

/// What all clones of a client share.
pub(crate) struct Shared {
    pub network: Arc<dyn Network>,
    pub sink: Arc<dyn Sink>,
    pub resolver: Resolver,
    pub options: Options,
    pub states: Mutex<LruCache<StateKey, Arc<ServiceState>>>,
}

/// What an attempt works on while it has no response.
pub(crate) struct Work<'a> {
    pub state: &'a Arc<ServiceState>,
    pub plan: &'a Plan,
    pub source: &'a RequestSource,
    pub key: PoolKey,
}

impl Shared {
    /// The states of services and destinations.
    pub(crate) fn states(&self) -> MutexGuard<'_, LruCache<StateKey, Arc<ServiceState>>> {
        self.states.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Everything up to the response head, on as many connections as it safely takes.
    pub(crate) async fn attempt(&self, work: &Work<'_>, attempt: &mut Attempt) -> Result<Answer, Box<ConnectionError>> {
        let service = work.state.service();
        work.state.admit()?;
        let addresses = self.addresses(work.state, work.plan.port, attempt).await?;
        let mut may_reuse = true;
        let mut tries = 0;
        loop {
            tries += 1;
            let (connection, reused) = self.connection(work, &addresses, may_reuse, attempt).await?;
            let policy = &service.policy;
            let failed =
                match http_client::exchange(connection, work.plan, work.source, policy, attempt.timings()).await {
                    Ok(answer) => return Ok(answer),
                    Err(failed) => failed,
                };
            let tried = Tried {
                reused,
                unprocessed: failed.unprocessed,
                sent: failed.sent,
                received: failed.received,
                idempotent: work.plan.is_idempotent(),
                replayable: work.source.is_replayable(),
                code: failed.error.code,
            };
            if tries >= MAX_TRIES || !http_client::may_retry(&tried) {
                return Err(failed.error);
            }
            tracing::debug!(service = %service.name, reason = %failed.error.detail, "sending a request again");
            may_reuse = false;
            attempt.timings().request = None;
            attempt.timings().head = None;
        }
    }

    /// The addresses that the attempt may go to. Resolving counts as a phase where a resolver was waited for.
    async fn addresses(
        &self,
        state: &ServiceState,
        port: u16,
        attempt: &mut Attempt,
    ) -> Result<Addresses, Box<ConnectionError>> {
        let started = Instant::now();
        let found = self.destination(state, port).addresses(&self.resolver).await;
        let asked = found.as_ref().map_or_else(|failed| failed.asked, |addresses| addresses.asked);
        if asked {
            attempt.timings().dns = Some(started.elapsed());
        }
        found.map_err(|failed| failed.error)
    }

    fn destination<'a>(&'a self, state: &'a ServiceState, port: u16) -> Destination<'a> {
        let restrictions = &self.options.restrictions;
        Destination { network: &*self.network, service: state.service(), scope: state.scope(), port, restrictions }
    }

    /// A connection for the request, and whether it had been used before.
    async fn connection(
        &self,
        work: &Work<'_>,
        addresses: &Addresses,
        may_reuse: bool,
        attempt: &mut Attempt,
    ) -> Result<(Connection, bool), Box<ConnectionError>> {
        if !may_reuse {
            return Ok((self.open(work, addresses, attempt).await?, false));
        }
        if let Some(kept) = self.kept(work, addresses, attempt).await {
            return Ok((kept, true));
        }
        if work.plan.upgrade.is_some() {
            return Ok((self.open(work, addresses, attempt).await?, false));
        }
        let opening = match work.state.turn(&work.key) {
            Turn::Open(opening) => Some(opening),
            Turn::Alone => None,
            Turn::Wait(mut done) => {
                // It ends when its sender is dropped, in success and failure alike.
                let _ = done.changed().await;
                if let Some(shared) = self.kept(work, addresses, attempt).await {
                    return Ok((shared, true));
                }
                None
            }
        };
        let connection = self.open(work, addresses, attempt).await?;
        drop(opening);
        Ok((connection, false))
    }

    /// A kept connection that can take the request.
    async fn kept(&self, work: &Work<'_>, addresses: &Addresses, attempt: &mut Attempt) -> Option<Connection> {
        if !work.plan.is_idempotent() {
            // Such a request cannot be sent twice, so a close that has arrived already is given the time to be noticed.
            tokio::task::yield_now().await;
        }
        let connection = work.state.take(&work.key, &addresses.list, work.plan.upgrade.is_some())?;
        let facts = connection.facts();
        attempt.via(facts.address, facts.connector, true);
        Some(connection)
    }

    /// A new flow to one of the addresses, within the service's limits.
    async fn open_flow(
        &self,
        state: &ServiceState,
        port: u16,
        addresses: &Addresses,
        attempt: &mut Attempt,
    ) -> Result<(Box<dyn Io>, Facts, ConnectionPermit), Box<ConnectionError>> {
        let permit = state.permit()?;
        state.count_new_connection()?;
        let started = Instant::now();
        let connected = self.destination(state, port).connect(addresses).await;
        if connected.as_ref().err().is_none_or(|failed| failed.error.phase == Phase::Connect) {
            attempt.timings().connect = Some(started.elapsed());
        }
        let Connected { flow, address } = match connected {
            Ok(connected) => connected,
            Err(NotConnected { error, tried }) => {
                if let Some((address, connector)) = tried {
                    attempt.via(address, connector, false);
                }
                return Err(error);
            }
        };
        attempt.via(address, flow.connector, false);
        Ok((flow.io, Facts { address, connector: flow.connector, draining: flow.draining }, permit))
    }

    /// A flow without HTTP, through all its phases.
    pub(crate) async fn open_raw(
        &self,
        state: &ServiceState,
        port: u16,
        attempt: &mut Attempt,
    ) -> Result<(Box<dyn Io>, Facts, ConnectionPermit), Box<ConnectionError>> {
        state.admit()?;
        let addresses = self.addresses(state, port, attempt).await?;
        self.open_flow(state, port, &addresses, attempt).await
    }

    /// A new connection for HTTP, through all its phases.
    async fn open(
        &self,
        work: &Work<'_>,
        addresses: &Addresses,
        attempt: &mut Attempt,
    ) -> Result<Connection, Box<ConnectionError>> {
        let service = work.state.service();
        let (io, facts, permit) = self.open_flow(work.state, work.plan.port, addresses, attempt).await?;
        let Some(server_name) = work.plan.server_name.clone() else {
            return http_client::establish(io, false, facts, permit).await;
        };
        let offer = if work.plan.upgrade.is_some() { Offer::Http1 } else { Offer::Http };
        let tls = work.state.tls()?;
        let started = Instant::now();
        let shaken = tls.connect(io, server_name, offer, service.policy.tls_timeout).await;
        attempt.timings().tls = Some(started.elapsed());
        let stream = shaken?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let connection = http_client::establish(stream, is_http2, facts, permit).await?;
        if work.plan.upgrade.is_none() {
            work.state.speaks(&connection);
        }
        if let Some(shared) = connection.share() {
            work.state.keep(work.key.clone(), shared);
        }
        Ok(connection)
    }
}
