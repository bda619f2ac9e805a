//! One connection to a service, made now for an operator: what each phase found, up to the answer or the failure.
//!
//! It is the way of an ordinary attempt with fresh eyes: nothing cached, nothing kept, past the breaker, and without an event, since
//! no Worker asked for it. Nothing that the service knows is changed: the request is a GET, or another safe method.

mod request;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase, Timings};
use http::{HeaderMap, Method, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::connect::{Connected, Destination};
use crate::dns::Resolver;
use crate::http::{self as http_client, Answer, BodyEvidence, Facts, RequestSource};
use crate::network::{Io, Network, OpenedFlow};
use crate::options::Options;
use crate::plan::Plan;
use crate::private_network::Scope;
use crate::service::{CertificateVerification, Host, Service, ServiceKind};
use crate::state::ServiceState;
use crate::tls::{self, CertificateFacts, Offer, TlsClient};
use crate::traffic::Recorded;
pub use request::{DiagnosisRequest, Probe};
use witness::Witness;

/// How much time is always left for a phase: a timeout of nothing would be a failure of ours.
const LEAST: Duration = Duration::from_millis(100);

/// How much of a body is read, and for how long: enough to see whether it breaks off early.
const BODY_BYTES: u64 = 4 << 20;
const BODY_TIME: Duration = Duration::from_secs(3);

/// What one connection found.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// When it began.
    pub started: OffsetDateTime,
    /// How long all of it took.
    pub duration: Duration,
    /// What was asked of the service.
    pub request: DiagnosisRequest,
    /// The phases that such a connection has, in order.
    pub findings: Vec<Finding>,
    /// Why there was no answer.
    pub error: Option<Box<ConnectionError>>,
}

/// What one phase found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The phase.
    pub phase: Phase,
    /// How it ended.
    pub state: FindingState,
    /// How long it took, unless it was skipped.
    pub duration: Option<Duration>,
    /// What happened, in one sentence.
    pub detail: Option<String>,
    /// Whatever is known, by name: texts, numbers, lists of texts, and `chain`, a list of certificates.
    pub facts: Map<String, Value>,
}

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingState {
    /// It went well.
    Ok,
    /// It is why there was no answer.
    Failed,
    /// It was not reached.
    Skipped,
}

impl FindingState {
    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The phases of an attempt at this service, in order.
fn phases(service: &Service, request: &DiagnosisRequest) -> Vec<Phase> {
    let is_http = matches!(service.kind, ServiceKind::Http { .. });
    let is_named = matches!(service.host, Host::Hostname { .. });
    let all = [
        (Phase::Route, true),
        (Phase::Dns, is_named),
        (Phase::Connect, true),
        (Phase::Tls, is_http && request.is_https()),
        (Phase::Request, is_http),
        (Phase::Head, is_http),
        (Phase::Body, is_http),
    ];
    all.into_iter().filter_map(|(phase, has)| has.then_some(phase)).collect()
}

/// A diagnosis in the making.
pub(crate) struct Examination<'a> {
    options: &'a Options,
    service: Service,
    request: DiagnosisRequest,
    network: Arc<Witness>,
    deadline: Instant,
    /// When the phase began that is going on.
    phase_began: Instant,
    findings: Vec<Finding>,
    /// What is known of the phase that is going on; kept when it fails.
    facts: Map<String, Value>,
}

impl<'a> Examination<'a> {
    /// Of one service through one network, over within about `patience`.
    pub(crate) fn new(
        options: &'a Options,
        service: &Service,
        probe: &Probe,
        network: Arc<dyn Network>,
        patience: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            options,
            request: probe.for_service(service),
            service: service.clone(),
            network: Arc::new(Witness::new(network)),
            deadline: now + patience,
            phase_began: now,
            findings: Vec::new(),
            facts: Map::new(),
        }
    }

    /// Connects. `resting` is what the service's breaker says, when it lets nobody through.
    pub(crate) async fn run(mut self, resting: Option<String>) -> Diagnosis {
        let started = OffsetDateTime::now_utc();
        let began = Instant::now();
        if let Some(resting) = resting {
            self.fact("breaker", resting);
        }
        let error = self.connect().await.err();
        let mut findings = Vec::new();
        for phase in phases(&self.service, &self.request) {
            let found = self.findings.iter().position(|finding| finding.phase == phase);
            findings.push(match found {
                Some(position) => self.findings.swap_remove(position),
                None => {
                    Finding { phase, state: FindingState::Skipped, duration: None, detail: None, facts: Map::new() }
                }
            });
        }
        if let Some(error) = &error {
            self.fail(error, &mut findings);
        }
        let error = error.map(|error| Box::new(ConnectionError { service: Some(self.service.name.clone()), ..*error }));
        Diagnosis { started, duration: began.elapsed(), request: self.request, findings, error }
    }

    /// Writes a failure into the phase that it belongs to, which may be one that seemed to have gone well: that the tunnel
    /// has no connector shows when a flow is opened.
    fn fail(&mut self, error: &ConnectionError, findings: &mut Vec<Finding>) {
        let mut failed = Finding {
            phase: error.phase,
            state: FindingState::Failed,
            duration: Some(self.phase_began.elapsed()),
            detail: Some(error.detail.clone()),
            facts: std::mem::take(&mut self.facts),
        };
        match findings.iter_mut().find(|finding| finding.phase == error.phase) {
            Some(finding) => {
                failed.facts.append(&mut finding.facts);
                failed.duration = finding.duration.or(failed.duration);
                *finding = failed;
            }
            None => findings.push(failed),
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).max(LEAST)
    }

    fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// The phase that was going on went well; the next one begins.
    fn passed(&mut self, phase: Phase, detail: String) {
        let duration = self.phase_began.elapsed();
        self.passed_in(phase, duration, detail);
    }

    fn passed_in(&mut self, phase: Phase, duration: Duration, detail: String) {
        self.findings.push(Finding {
            phase,
            state: FindingState::Ok,
            duration: Some(duration),
            detail: Some(detail),
            facts: std::mem::take(&mut self.facts),
        });
        self.phase_began = Instant::now();
    }

    /// Every phase, as far as it goes.
    async fn connect(&mut self) -> Result<(), Box<ConnectionError>> {
        let (plan, method) = match self.service.kind {
            ServiceKind::Http { .. } => {
                let (plan, method) = self.plan()?;
                (Some(plan), method)
            }
            ServiceKind::Tcp { .. } => (None, None),
        };
        let port = match (&plan, &self.service.kind) {
            (Some(plan), _) => plan.port,
            (None, ServiceKind::Tcp { port, .. }) => *port,
            (None, ServiceKind::Http { .. }) => self.request.scheme.default_port(),
        };
        self.passed(Phase::Route, format!("The service is reached on port {port}."));
        let (flow, facts) = self.open(port).await?;
        let Some(plan) = plan else { return Ok(()) };
        let state = ServiceState::new(Arc::new(self.service.clone()), Scope::Registered);
        let permit = state.permit()?;
        let connection = match plan.server_name.clone() {
            None => http_client::establish(flow, false, facts, permit).await?,
            Some(name) => {
                let (stream, is_http2) = self.secure(flow, name).await?;
                http_client::establish(stream, is_http2, facts, permit).await?
            }
        };
        let Some(method) = method else { return Ok(()) };
        let source = RequestSource::new(invocation::empty(), None);
        let mut policy = self.service.policy.clone();
        policy.read_timeout = policy.read_timeout.min(self.left());
        policy.write_timeout = policy.write_timeout.min(self.left());
        let mut timings = Timings::default();
        let exchanged = http_client::exchange(connection, &plan, &source, &policy, &mut timings).await;
        let spent = |time: Option<Duration>| time.unwrap_or_default();
        let sent = format!("{method} {} was sent to {}.", self.request.path, self.request.host);
        match exchanged {
            Ok(answer) => {
                self.passed_in(Phase::Request, spent(timings.request), sent);
                self.answered(&answer.response)?;
                let status = answer.response.status();
                self.passed_in(Phase::Head, spent(timings.head), format!("The service answered {status}."));
                self.read_body(answer, &source).await
            }
            Err(failed) => {
                let mut last = timings.request;
                if failed.error.phase == Phase::Head {
                    self.passed_in(Phase::Request, spent(timings.request), sent);
                    last = timings.head;
                }
                self.phase_began = Instant::now().checked_sub(spent(last)).unwrap_or(self.phase_began);
                Err(failed.error)
            }
        }
    }

    /// The request, as far as the service's policy lets it through, and its method; without one where the policy allows
    /// only methods that could change something.
    fn plan(&self) -> Result<(Plan, Option<Method>), Box<ConnectionError>> {
        let allowed = &self.service.policy.allowed_methods;
        let method = [Method::GET, Method::HEAD, Method::OPTIONS]
            .into_iter()
            .find(|method| allowed.is_empty() || allowed.contains(method));
        let uri = self.request.uri().map_err(|error| {
            Box::new(ConnectionError::new(
                ErrorCode::HttpRequestDenied,
                Phase::Route,
                format!("`{}` with the path `{}` is not a URL: {error}.", self.request.host, self.request.path),
            ))
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, http::HeaderValue::from_static("*/*"));
        headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static("culvert-diagnose"));
        let mut service = self.service.clone();
        if method.is_none() {
            service.policy.allowed_methods.clear();
        }
        let plan = Plan::new(&service, method.clone().unwrap_or_default(), &uri, headers, &self.options.cdn_id)?;
        Ok((plan, method))
    }

    fn destination<'d>(&'d self, service: &'d Service, port: u16) -> Destination<'d> {
        let restrictions = &self.options.restrictions;
        Destination { network: &*self.network, service, scope: &Scope::Registered, port, restrictions }
    }

    /// Resolves and connects.
    async fn open(&mut self, port: u16) -> Result<(Box<dyn Io>, Facts), Box<ConnectionError>> {
        let mut service = self.service.clone();
        service.policy.dns_timeout = service.policy.dns_timeout.min(self.left());
        let network: Arc<dyn Network> = self.network.clone();
        let resolver = Resolver::new(network, std::num::NonZeroUsize::MIN);
        let found = self.destination(&service, port).addresses(&resolver).await.map_err(|failed| failed.error);
        if let Host::Hostname { name, .. } = &service.host {
            self.network.tell(&mut self.facts);
            let list: Vec<String> =
                found.iter().flat_map(|found| &found.list).map(|address| address.ip().to_string()).collect();
            let who = self.network.answered_by().map_or_else(String::new, |who| format!(", says {who}"));
            if found.is_ok() {
                self.fact("addresses", list.clone());
                self.passed(Phase::Dns, format!("{name} is {}{who}.", list.join(", ")));
            }
        }
        let addresses = found?;
        if addresses.list.len() > 1 {
            self.fact("candidates", addresses.list.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        service.policy.connect_timeout = service.policy.connect_timeout.min(self.left());
        let connected = self.destination(&service, port).connect(&addresses).await;
        let Connected { flow: OpenedFlow { io, connector, draining }, address } =
            connected.map_err(|failed| failed.error)?;
        self.fact("address", address.to_string());
        self.passed(Phase::Connect, format!("{address} accepted the connection."));
        Ok((io, Facts { address, connector, draining }))
    }

    /// Shakes hands, and says whether HTTP/2 was agreed on.
    async fn secure(
        &mut self,
        flow: Box<dyn Io>,
        name: rustls_pki_types::ServerName<'static>,
    ) -> Result<(TlsStream<Recorded<Box<dyn Io>>>, bool), Box<ConnectionError>> {
        let (client, examiner) = TlsClient::examining(&self.service.tls).map_err(|error| {
            Box::new(ConnectionError::internal(Phase::Tls, format!("TLS cannot be set up: {error}.")))
        })?;
        self.fact("server_name", name.to_str().into_owned());
        self.fact("verification", self.service.tls.verification.as_str());
        let timeout = self.service.policy.tls_timeout.min(self.left());
        let shaken = client.connect(flow, name, Offer::Http, timeout).await;
        let seen = examiner.seen();
        if !seen.chain.is_empty() {
            let shown = |each| {
                CertificateFacts::of(each)
                    .map_or_else(|| json!({ "subject": tls::unreadable(each) }), |facts| facts.json())
            };
            self.fact("chain", Value::Array(seen.chain.iter().map(shown).collect()));
        }
        let stream = shaken?;
        let session = stream.get_ref().1;
        let version =
            session.protocol_version().and_then(|version| version.as_str().map(|text| text.replace('_', ".")));
        let version = version.unwrap_or_default();
        self.fact("version", version.clone());
        if let Some(suite) = session.negotiated_cipher_suite() {
            self.fact("cipher", format!("{:?}", suite.suite()));
        }
        let protocol = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        let is_http2 = protocol.as_deref() == Some("h2");
        if let Some(protocol) = protocol {
            self.fact("alpn", protocol);
        }
        if let Some(refusal) = seen.refusal {
            return Err(tls::after_handshake(&refusal));
        }
        let expires = seen.chain.first().and_then(CertificateFacts::of).and_then(|facts| facts.not_after);
        let until = expires.map_or_else(String::new, |moment| format!(", which is valid until {}", moment.date()));
        let checked = match self.service.tls.verification {
            CertificateVerification::Disabled => "unchecked",
            CertificateVerification::VerifyCa | CertificateVerification::VerifyFull => "accepted",
        };
        self.passed(Phase::Tls, format!("{version} with a certificate that is {checked}{until}."));
        Ok((stream, is_http2))
    }

    /// Reads the body, as much of it as comes within a short time and is not large: one that goes on for ever is no failure.
    async fn read_body(&mut self, answer: Answer, source: &RequestSource) -> Result<(), Box<ConnectionError>> {
        let Answer { response, ending } = answer;
        let mut body = response.into_body();
        let announced = body.size_hint().exact();
        let until = Instant::now() + BODY_TIME.min(self.left());
        let mut received = 0;
        let ended = loop {
            if received >= BODY_BYTES {
                break false;
            }
            match tokio::time::timeout_at(until, body.frame()).await {
                Ok(Some(Ok(frame))) => received += frame.data_ref().map_or(0, |data| data.len() as u64),
                Ok(Some(Err(error))) => {
                    let passed = ending.passed();
                    let evidence = BodyEvidence {
                        address: ending.address(),
                        announced,
                        received,
                        request_body: &source.progress(),
                        passed: passed.as_ref(),
                        idempotent: true,
                    };
                    return Err(http_client::body_failure(&error, &evidence));
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        self.fact("bytes", received);
        self.passed(
            Phase::Body,
            match (ended, announced) {
                (true, _) => format!("The body has {received} bytes."),
                (false, Some(announced)) => {
                    format!("{received} of {announced} bytes of the body were read, and all was well.")
                }
                (false, None) => format!("{received} bytes of the body were read; it goes on."),
            },
        );
        Ok(())
    }

    /// Looks at the head of the answer.
    fn answered(&mut self, response: &Response<Incoming>) -> Result<(), Box<ConnectionError>> {
        self.fact("status", response.status().as_u16());
        self.fact("http", format!("{:?}", response.version()));
        for name in [http::header::SERVER, http::header::CONTENT_TYPE, http::header::LOCATION] {
            if let Some(text) = response.headers().get(&name).and_then(|value| value.to_str().ok()) {
                self.facts.insert(name.as_str().replace('-', "_"), json!(text.chars().take(200).collect::<String>()));
            }
        }
        if invocation::marks::says_looped(response.headers(), &self.options.cdn_id) {
            return Err(Box::new(ConnectionError::new(
                ErrorCode::ProxyLoopDetected,
                Phase::Head,
                format!("The service `{}` leads back to this edge, which refused the request.", self.service.name),
            )));
        }
        Ok(())
    }
}
