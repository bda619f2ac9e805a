//! The way of a request: plan, admit, resolve, take or open a connection, exchange, hand over the body.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use connection_error::{ConnectionError, ErrorCode, Phase};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use invocation::Body;
use telemetry::Sink;
use tokio::time::Instant;
use uuid::Uuid;

use crate::address::Restrictions;
use crate::attempt::{Attempt, Caller};
use crate::connect;
use crate::dns::Resolver;
use crate::headers;
use crate::http::{self as http_client, Answer, Connection, Ending, Facts, RequestSource, ResponseBody, Tried};
use crate::network::{Io, Network};
use crate::plan::Plan;
use crate::private_network::{Destination, PrivateNetwork, Scope};
use crate::service::{Host, Scheme, Service, ServiceKind};
use crate::state::{ConnectionPermit, PoolKey, ServiceState, StateKey, Turn};
use crate::tcp::TcpConnection;
use crate::tls::Offer;
use crate::upgrade::{Upgraded, UpgradedStream};
use lru::LruCache;

/// How many connections one request may use up: a stale one, one that is closing, and a good one.
const MAX_TRIES: u32 = 3;

/// What holds for all services of an edge.
#[derive(Debug, Clone)]
pub struct Options {
    /// This edge's name in `CDN-Loop` (RFC 8586), a token. Processes that share a store should share it.
    pub cdn_id: String,
    /// What is never connected to.
    pub restrictions: Restrictions,
    /// How many DNS answers are remembered, over all tunnels.
    pub dns_cache_entries: NonZeroUsize,
    /// How many services, and destinations on networks, are remembered with their connections; the least recently used
    /// go first.
    pub remembered_destinations: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cdn_id: "culvert".to_owned(),
            restrictions: Restrictions::default(),
            dns_cache_entries: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
            remembered_destinations: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Carries requests to VPC Services. Cheap to clone. Its methods must be called within a Tokio runtime.
#[derive(Clone)]
pub struct Vpc {
    shared: Arc<Shared>,
}

struct Shared {
    network: Arc<dyn Network>,
    sink: Arc<dyn Sink>,
    resolver: Resolver,
    options: Options,
    states: Mutex<LruCache<StateKey, Arc<ServiceState>>>,
}

/// What an attempt works on while it has no response.
struct Work<'a> {
    state: &'a Arc<ServiceState>,
    plan: &'a Plan,
    source: &'a RequestSource,
    key: PoolKey,
}

impl Vpc {
    /// A client for the services behind `network`'s tunnels that reports every attempt to `sink`.
    pub fn new(network: Arc<dyn Network>, sink: Arc<dyn Sink>, options: Options) -> Self {
        let resolver = Resolver::new(Arc::clone(&network), options.dns_cache_entries);
        let states = Mutex::new(LruCache::new(options.remembered_destinations));
        Self { shared: Arc::new(Shared { network, sink, resolver, options, states }) }
    }

    /// Sends a request to a service and waits for the response head. The request's URI is absolute.
    ///
    /// One [`telemetry::ConnectionEvent`] is sent for the attempt: at the end or failure of the response body, when the
    /// body is dropped, when this fails, or when the future is dropped. A request that had to be sent again because a
    /// kept connection turned out to be closed is still one attempt. A response of `101` carries [`Upgraded`] in its
    /// extensions; when an upgrade was asked for and the service answers otherwise, that answer is returned and the event
    /// says `http_upgrade_failed`.
    ///
    /// # Errors
    ///
    /// A [`ConnectionError`] with the code, phase and facts of the failure. Failures of the response body come out of
    /// the body, as [`invocation::BodyError::Connection`].
    pub async fn fetch(
        &self,
        service: Arc<Service>,
        request: Request<Body>,
        caller: Caller,
    ) -> Result<Response<Body>, Box<ConnectionError>> {
        let key = StateKey { id: service.id, destination: None };
        self.fetch_from(key, service, Scope::Registered, request, caller).await
    }

    /// Sends a request to where its URL leads on a network, as [`Vpc::fetch`] does for a service.
    ///
    /// # Errors
    ///
    /// As [`Vpc::fetch`]; `destination_not_found` when no route of the network covers the URL's host.
    pub async fn fetch_on_network(
        &self,
        network: &PrivateNetwork,
        request: Request<Body>,
        caller: Caller,
    ) -> Result<Response<Body>, Box<ConnectionError>> {
        let uri = request.uri();
        let scheme = if matches!(uri.scheme_str(), Some("https" | "wss")) { Scheme::Https } else { Scheme::Http };
        let port = uri.port_u16().unwrap_or(scheme.default_port());
        let kind = ServiceKind::Http { http_port: Some(port), https_port: Some(port) };
        let host = uri.host().unwrap_or_default().to_owned();
        let (key, destination) = self.destination(network, host, kind, &caller)?;
        self.fetch_from(key, destination.service, destination.scope, request, caller).await
    }

    /// Opens a raw TCP connection to a TCP service.
    ///
    /// # Errors
    ///
    /// A [`ConnectionError`] of the phases up to `connect`; `http_request_denied` when it is not a TCP service.
    pub async fn connect(&self, service: Arc<Service>, caller: Caller) -> Result<TcpConnection, Box<ConnectionError>> {
        let key = StateKey { id: service.id, destination: None };
        self.connect_to(key, service, Scope::Registered, caller).await
    }

    /// Opens a raw TCP connection to a host, by name or address, and a port on a network.
    ///
    /// # Errors
    ///
    /// As [`Vpc::connect`]; `destination_not_found` when no route of the network covers the host.
    pub async fn connect_on_network(
        &self,
        network: &PrivateNetwork,
        host: &str,
        port: u16,
        caller: Caller,
    ) -> Result<TcpConnection, Box<ConnectionError>> {
        let kind = ServiceKind::Tcp { port, app_protocol: None };
        let (key, destination) = self.destination(network, host.to_owned(), kind, &caller)?;
        self.connect_to(key, destination.service, destination.scope, caller).await
    }

    /// Forgets a service or network that was edited or deleted: kept connections, breakers and rates. Requests under way
    /// go on.
    pub fn forget(&self, id: Uuid) {
        let mut states = self.shared.states();
        let keys: Vec<StateKey> = states.iter().map(|(key, _)| key).filter(|key| key.id == id).cloned().collect();
        for key in keys {
            if let Some(state) = states.pop(&key) {
                state.retire();
            }
        }
    }

    /// Where a host leads on a network. That no route covers it is an attempt too, with its event.
    fn destination(
        &self,
        network: &PrivateNetwork,
        host: String,
        kind: ServiceKind,
        caller: &Caller,
    ) -> Result<(StateKey, Destination), Box<ConnectionError>> {
        match network.destination(&host, kind.clone()) {
            Ok(destination) => {
                let destination_key = Some((host.to_ascii_lowercase(), kind));
                Ok((StateKey { id: network.id, destination: destination_key }, destination))
            }
            Err(error) => {
                let nowhere = Service {
                    id: network.id,
                    name: network.name.clone(),
                    tunnel: network.routes.first().map_or_else(Uuid::nil, |route| route.tunnel),
                    kind,
                    host: Host::Addresses { ipv4: None, ipv6: None },
                    tls: network.tls.clone(),
                    policy: network.policy.clone(),
                };
                Err(Attempt::new(Arc::clone(&self.shared.sink), &nowhere, caller).fail(error))
            }
        }
    }

    async fn fetch_from(
        &self,
        key: StateKey,
        service: Arc<Service>,
        scope: Scope,
        request: Request<Body>,
        caller: Caller,
    ) -> Result<Response<Body>, Box<ConnectionError>> {
        let mut attempt = Attempt::new(Arc::clone(&self.shared.sink), &service, &caller);
        let (head, body) = request.into_parts();
        let cdn_id = &self.shared.options.cdn_id;
        let plan = match Plan::new(&service, head.method, &head.uri, head.headers, cdn_id) {
            Ok(plan) => plan,
            Err(error) => return Err(attempt.fail(error)),
        };
        let source = RequestSource::new(body, plan.content_length);
        let state = self.state(key, &service, scope);
        let key = PoolKey {
            scheme: plan.scheme,
            server_name: plan.server_name.as_ref().map(|name| name.to_str().into_owned()),
        };
        let work = Work { state: &state, plan: &plan, source: &source, key };
        match self.shared.attempt(&work, &mut attempt).await {
            Ok(answer) => {
                state.reached();
                self.hand_over(answer, attempt, work).await
            }
            Err(error) => {
                state.missed(&error);
                Err(attempt.fail(error))
            }
        }
    }

    async fn connect_to(
        &self,
        key: StateKey,
        service: Arc<Service>,
        scope: Scope,
        caller: Caller,
    ) -> Result<TcpConnection, Box<ConnectionError>> {
        let mut attempt = Attempt::new(Arc::clone(&self.shared.sink), &service, &caller);
        let ServiceKind::Tcp { port, .. } = service.kind else {
            return Err(attempt.fail(Box::new(ConnectionError::new(
                ErrorCode::HttpRequestDenied,
                Phase::Route,
                format!("The service `{}` is an HTTP service: use fetch() and not connect().", service.name),
            ))));
        };
        let state = self.state(key, &service, scope);
        match self.shared.open_raw(&state, port, &mut attempt).await {
            Ok((flow, facts, permit)) => {
                state.reached();
                Ok(TcpConnection::new(flow, facts.address, state, attempt, permit))
            }
            Err(error) => {
                state.missed(&error);
                Err(attempt.fail(error))
            }
        }
    }

    /// The state of a service as it is registered now; that of an earlier registration is retired.
    fn state(&self, key: StateKey, service: &Arc<Service>, scope: Scope) -> Arc<ServiceState> {
        let mut states = self.shared.states();
        if let Some(state) = states.get(&key)
            && state.is_of(service, &scope)
        {
            return Arc::clone(state);
        }
        let state = Arc::new(ServiceState::new(Arc::clone(service), scope));
        if let Some((_, old)) = states.push(key, Arc::clone(&state)) {
            old.retire();
        }
        state
    }

    /// From the answer of the service to the response of the caller.
    async fn hand_over(
        &self,
        answer: Answer,
        mut attempt: Attempt,
        work: Work<'_>,
    ) -> Result<Response<Body>, Box<ConnectionError>> {
        let Answer { mut response, ending } = answer;
        let Work { state, plan, source, key } = work;
        let status = response.status();
        attempt.answered(status);
        let name = &state.service().name;
        if headers::says_looped(response.headers(), &self.shared.options.cdn_id) {
            return Err(attempt.fail(Box::new(ConnectionError::new(
                ErrorCode::ProxyLoopDetected,
                Phase::Head,
                format!("The service `{name}` leads back to this edge, which refused the request."),
            ))));
        }
        match (&plan.upgrade, status) {
            (None, StatusCode::SWITCHING_PROTOCOLS) => Err(attempt.fail(Box::new(ConnectionError::new(
                ErrorCode::HttpProtocolError,
                Phase::Head,
                format!(
                    "The service `{name}` answered 101 Switching Protocols to a request that asked for no upgrade."
                ),
            )))),
            (Some(upgrade), StatusCode::SWITCHING_PROTOCOLS) => {
                let failed = |why: String| {
                    Box::new(ConnectionError::new(
                        ErrorCode::HttpUpgradeFailed,
                        Phase::Head,
                        format!(
                            "The service `{name}` answered the upgrade to {} with a wrong 101: {why}.",
                            upgrade.protocol()
                        ),
                    ))
                };
                if let Err(why) = upgrade.check(response.headers()) {
                    return Err(attempt.fail(failed(why)));
                }
                let Ending::Http1(connection) = ending else {
                    return Err(attempt.fail(failed("it came over HTTP/2, which has no 101".to_owned())));
                };
                let upgraded = match hyper::upgrade::on(&mut response).await {
                    Ok(upgraded) => upgraded,
                    Err(error) => return Err(attempt.fail(failed(error.to_string()))),
                };
                let stream = UpgradedStream::new(Box::new(TokioIo::new(upgraded)), attempt, connection.into_permit());
                let mut response = response.map(|_| invocation::empty());
                response.extensions_mut().insert(Upgraded::new(stream));
                Ok(response)
            }
            (upgrade, _) => {
                if let Some(upgrade) = upgrade {
                    attempt.note(Box::new(ConnectionError::new(
                        ErrorCode::HttpUpgradeFailed,
                        Phase::Head,
                        format!("The service `{name}` answered the upgrade to {} with {status}.", upgrade.protocol()),
                    )));
                }
                headers::remove_hop_by_hop(response.headers_mut());
                let (idempotent, source) = (plan.is_idempotent(), source.clone());
                Ok(response.map(|body| {
                    ResponseBody::new(body, attempt, ending, Arc::clone(state), key, source, idempotent).boxed_unsync()
                }))
            }
        }
    }
}

impl Shared {
    fn states(&self) -> MutexGuard<'_, LruCache<StateKey, Arc<ServiceState>>> {
        self.states.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Everything up to the response head, on as many connections as it safely takes.
    async fn attempt(&self, work: &Work<'_>, attempt: &mut Attempt) -> Result<Answer, Box<ConnectionError>> {
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
    ) -> Result<Vec<SocketAddr>, Box<ConnectionError>> {
        let started = Instant::now();
        let restrictions = &self.options.restrictions;
        let found = connect::addresses(state.service(), state.scope(), port, restrictions, &self.resolver).await;
        let asked = match &found {
            Ok(addresses) => addresses.asked,
            Err(error) => error.phase == Phase::Dns,
        };
        if asked {
            attempt.timings().dns = Some(started.elapsed());
        }
        Ok(found?.list)
    }

    /// A connection for the request, and whether it had been used before.
    async fn connection(
        &self,
        work: &Work<'_>,
        addresses: &[SocketAddr],
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
    async fn kept(&self, work: &Work<'_>, addresses: &[SocketAddr], attempt: &mut Attempt) -> Option<Connection> {
        if !work.plan.is_idempotent() {
            // Such a request cannot be sent twice, so a close that has arrived already is given the time to be noticed.
            tokio::task::yield_now().await;
        }
        let connection = work.state.take(&work.key, addresses, work.plan.upgrade.is_some())?;
        let facts = connection.facts();
        attempt.via(facts.address, facts.connector, true);
        Some(connection)
    }

    /// A new flow to one of the addresses, within the service's limits.
    async fn open_flow(
        &self,
        state: &ServiceState,
        addresses: &[SocketAddr],
        attempt: &mut Attempt,
    ) -> Result<(Box<dyn Io>, Facts, ConnectionPermit), Box<ConnectionError>> {
        let service = state.service();
        let permit = state.permit()?;
        state.count_new_connection()?;
        let started = Instant::now();
        let connected = connect::connect(&*self.network, service.tunnel, addresses, &service.policy).await;
        if connected.as_ref().err().is_none_or(|error| error.phase == Phase::Connect) {
            attempt.timings().connect = Some(started.elapsed());
        }
        let connect::Connected { flow, address } = connected?;
        attempt.via(address, flow.connector, false);
        Ok((flow.io, Facts { address, connector: flow.connector }, permit))
    }

    /// A flow without HTTP, through all its phases.
    async fn open_raw(
        &self,
        state: &ServiceState,
        port: u16,
        attempt: &mut Attempt,
    ) -> Result<(Box<dyn Io>, Facts, ConnectionPermit), Box<ConnectionError>> {
        state.admit()?;
        let addresses = self.addresses(state, port, attempt).await?;
        self.open_flow(state, &addresses, attempt).await
    }

    /// A new connection for HTTP, through all its phases.
    async fn open(
        &self,
        work: &Work<'_>,
        addresses: &[SocketAddr],
        attempt: &mut Attempt,
    ) -> Result<Connection, Box<ConnectionError>> {
        let service = work.state.service();
        let (io, facts, permit) = self.open_flow(work.state, addresses, attempt).await?;
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
