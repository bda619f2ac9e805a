//! The surface: requests and raw connections to services and networks, each an attempt with its event.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use invocation::{Body, Caller};
use lru::LruCache;
use telemetry::Sink;
use uuid::Uuid;

use crate::attempt::Attempt;
use crate::diagnose::{Diagnosis, Examination, Probe};
use crate::dns::Resolver;
use crate::headers;
use crate::http::{Answer, Ending, RequestSource, ResponseBody};
use crate::network::Network;
use crate::options::Options;
use crate::plan::Plan;
use crate::private_network::{Destination, PrivateNetwork, Scope};
use crate::service::{Host, Scheme, Service, ServiceKind};
use crate::state::{PoolKey, ServiceState, StateKey};
use crate::tcp::TcpConnection;
use crate::upgrade::{Upgraded, UpgradedStream};
use crate::way::{Shared, Work};

/// Carries requests to VPC Services. Cheap to clone. Its methods must be called within a Tokio runtime.
#[derive(Clone)]
pub struct Vpc {
    shared: Arc<Shared>,
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

    /// Connects to a service now, phase by phase, over `network`, and tells what was found; over within about `patience`.
    /// Workers' requests know nothing of it: it has no event, and does not count for limits or the breaker.
    pub async fn diagnose(
        &self,
        network: Arc<dyn Network>,
        service: &Service,
        probe: &Probe,
        patience: Duration,
    ) -> Diagnosis {
        let key = StateKey { id: service.id, destination: None };
        let resting = self.shared.states().peek(&key).and_then(|state| state.resting());
        Examination::new(&self.shared.options, service, probe, network, patience).run(resting).await
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

    /// Who is told of attempts.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.shared.sink)
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
                Err(Attempt::new(self.sink(), &nowhere, caller).fail(error))
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
        let mut attempt = Attempt::new(self.sink(), &service, &caller);
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
        let mut attempt = Attempt::new(self.sink(), &service, &caller);
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
                attempt.connected();
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
        if invocation::marks::says_looped(response.headers(), &self.shared.options.cdn_id) {
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
                let permit = Some(connection.into_permit());
                let stream = UpgradedStream::new(Box::new(TokioIo::new(upgraded)), attempt, permit);
                let mut response = response.map(|_| invocation::empty());
                response.extensions_mut().insert(Upgraded::new(stream));
                Ok(response)
            }
            (upgrade, _) => {
                if let Some(upgrade) = upgrade {
                    let refused = attempt.note(Box::new(ConnectionError::new(
                        ErrorCode::HttpUpgradeFailed,
                        Phase::Head,
                        format!("The service `{name}` answered the upgrade to {} with {status}.", upgrade.protocol()),
                    )));
                    response.extensions_mut().insert(*refused);
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
