//! A VPC Service connected to now: through the connector that its requests would take, and through each of the others.

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ConnectionError, ErrorCode, Phase, rows_of};
use control::{NotDiagnosed, ServiceProbe};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tunnel::edge::{ConnectorStatus, TransportKind, Tunnels};
use uuid::Uuid;
use vpc::{Diagnosis, Finding, FindingState, Probe, Scheme, Service, Vpc};

use super::known_tunnels::KnownTunnels;
use super::serving::Current;

/// How long one connection may take, all phases together. The answer is promised within 30 s.
const PATIENCE: Duration = Duration::from_secs(25);

/// Connectors that are tried at most: as many as a tunnel may have.
const CONNECTORS: usize = 25;

/// What a diagnosis works with.
pub struct Diagnostics {
    /// What is served.
    pub current: Current,
    /// Connects.
    pub vpc: Vpc,
    /// Live connections.
    pub tunnels: Tunnels,
}

/// The edge's name of a transport.
const fn transport(kind: TransportKind) -> &'static str {
    match kind {
        TransportKind::Quic => "quic",
        TransportKind::Http2 => "http2",
    }
}

impl Diagnostics {
    /// Connects, and tells what was found in the API's form.
    pub async fn run(&self, service: Uuid, wanted: ServiceProbe) -> Result<Value, NotDiagnosed> {
        let service = self.current.load().services.get(&service).cloned().ok_or(NotDiagnosed::NotServed)?;
        let connectors = self.tunnels.connectors(service.tunnel);
        if let Some(wanted) = wanted.connector
            && !connectors.iter().any(|connector| connector.id == wanted)
        {
            return Err(NotDiagnosed::NoSuchConnector(wanted));
        }
        let main = wanted.connector.or_else(|| self.tunnels.preferred(service.tunnel));
        let probe = Probe {
            scheme: wanted.https.map(|https| if https { Scheme::Https } else { Scheme::Http }),
            host: wanted.host,
            path: wanted.path,
        };
        let live: Vec<ConnectorStatus> =
            connectors.into_iter().filter(|connector| !connector.draining).take(CONNECTORS).collect();
        let mut runs = JoinSet::new();
        for id in live.iter().map(|connector| connector.id).filter(|id| Some(*id) != main) {
            let run = self.connect(service.clone(), probe.clone(), Some(id));
            runs.spawn(async move { (id, run.await) });
        }
        let diagnosis = self.connect(service.clone(), probe, main).await;
        let others: Vec<(Uuid, Diagnosis)> = runs.join_all().await;
        let seen = live.iter().filter_map(|connector| {
            let found = if Some(connector.id) == main {
                &diagnosis
            } else {
                &others.iter().find(|(id, _)| *id == connector.id)?.1
            };
            Some(json!({
                "connector": connector.id,
                "version": connector.version,
                "ok": found.error.is_none(),
                "duration": milliseconds(found.duration),
                "error": found.error.as_deref().map(error_json),
            }))
        });
        let seen: Vec<Value> = seen.collect();
        let connector = live.iter().find(|connector| Some(connector.id) == main);
        Ok(self.view(&service, &diagnosis, connector, seen))
    }

    /// One connection, through this connector or any.
    fn connect(
        &self,
        service: Arc<Service>,
        probe: Probe,
        connector: Option<Uuid>,
    ) -> impl Future<Output = Diagnosis> + Send + use<> {
        let tunnels = connector.map_or_else(|| self.tunnels.clone(), |id| self.tunnels.through(id));
        let network = Arc::new(KnownTunnels::new(self.current.clone(), tunnels));
        let vpc = self.vpc.clone();
        async move { vpc.diagnose(network, &service, &probe, PATIENCE).await }
    }

    fn view(
        &self,
        service: &Service,
        diagnosis: &Diagnosis,
        connector: Option<&ConnectorStatus>,
        connectors: Vec<Value>,
    ) -> Value {
        let serving = self.current.load();
        let tunnel = serving.snapshot.tunnels.get(&service.tunnel).map(|served| served.tunnel.name.as_str());
        let phases = diagnosis.findings.iter().map(|finding| {
            if finding.phase == Phase::Route {
                phase_json(&with_route(finding, service, tunnel, connector))
            } else {
                phase_json(finding)
            }
        });
        let request = &diagnosis.request;
        let mut view = json!({
            "service_id": service.id,
            "service_name": service.name,
            "started_at": i64::try_from(diagnosis.started.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX),
            "duration": milliseconds(diagnosis.duration),
            "ok": diagnosis.error.is_none(),
            "request": { "scheme": request.scheme.as_str(), "host": request.host, "path": request.path },
            "phases": phases.collect::<Vec<_>>(),
            "connectors": connectors,
        });
        if let (Some(error), Some(members)) = (&diagnosis.error, view.as_object_mut()) {
            members.insert("error".to_owned(), error_json(error));
        }
        view
    }
}

/// The phase `route` with what the edge knows of the way.
fn with_route(
    finding: &Finding,
    service: &Service,
    tunnel: Option<&str>,
    connector: Option<&ConnectorStatus>,
) -> Finding {
    let mut finding = finding.clone();
    let mut fact = |name: &str, value: Value| finding.facts.insert(name.to_owned(), value);
    fact("tunnel_id", json!(service.tunnel));
    if let Some(name) = tunnel {
        fact("tunnel", json!(name));
    }
    let Some(connector) = connector else { return finding };
    fact("connector", json!(connector.id));
    fact("version", json!(connector.version));
    fact("platform", json!(connector.platform));
    if !connector.warnings.is_empty() {
        fact("warnings", json!(connector.warnings));
    }
    let live = connector.connections.iter().filter(|connection| !connection.draining);
    let Some(best) = live.min_by_key(|connection| connection.rtt) else { return finding };
    fact("protocol", json!(transport(best.transport)));
    fact("rtt_ms", json!(milliseconds(best.rtt)));
    if finding.state == FindingState::Ok {
        let by = match best.transport {
            TransportKind::Quic => "QUIC",
            TransportKind::Http2 => "HTTP/2",
        };
        let version = &connector.version;
        let name = tunnel.unwrap_or_default();
        finding.detail = Some(format!("Tunnel {name}, connector {} ({version}) over {by}.", connector.id));
    }
    finding
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn phase_json(finding: &Finding) -> Value {
    let mut phase = Map::new();
    phase.insert("phase".to_owned(), finding.phase.as_str().into());
    phase.insert("state".to_owned(), finding.state.as_str().into());
    if let Some(duration) = finding.duration {
        phase.insert("duration".to_owned(), milliseconds(duration).into());
    }
    if let Some(detail) = &finding.detail {
        phase.insert("detail".to_owned(), detail.as_str().into());
    }
    if !finding.facts.is_empty() {
        phase.insert("facts".to_owned(), Value::Object(finding.facts.clone()));
    }
    Value::Object(phase)
}

/// The error with the row of the table that it belongs to.
fn error_json(error: &ConnectionError) -> Value {
    let row = rows_of(error.code).find(|row| row.category == error.category);
    // An error of the edge itself is a fault, not a finding.
    if error.code == ErrorCode::ProxyInternalError {
        tracing::error!(detail = error.detail, "a diagnosis failed");
    }
    json!({
        "code": error.code.as_str(),
        "category": error.category.as_str(),
        "phase": error.phase.as_str(),
        "detail": error.detail,
        "retryable": error.retryable,
        "meaning": row.map(|row| row.meaning),
        "fix": row.map(|row| row.fix),
    })
}
