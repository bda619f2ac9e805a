//! What the API asks of the rest of the program.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control::{
    BoxFuture, Platform, Rejected, TelemetryError, TelemetryPage, TelemetryQuery, TunnelConnection, Validated,
    WorkerCandidate,
};
use serde::Serialize;
use store::Store;
use telemetry::{ConnectionFilter, InvocationFilter, Telemetry};
use tokio::sync::Mutex;
use tunnel::edge::Tunnels;
use uuid::Uuid;
use vpc::Vpc;

use super::registrations::{VersionParts, worker_version};
use super::serving::{Current, Serving};

/// The number that wrangler knows as "the script was rejected".
const SCRIPT_REJECTED: u32 = 10021;

/// The rest of the program, as the API sees it.
pub struct ControlPlatform {
    /// What is configured.
    pub store: Arc<Store>,
    /// What is served.
    pub current: Current,
    /// One reload at a time, so that an older state never replaces a newer one.
    pub reloading: Mutex<()>,
    /// Runs candidates.
    pub workers: workers::Platform,
    /// Forgets services that were changed.
    pub vpc: Vpc,
    /// Live connections.
    pub tunnels: Tunnels,
    /// Records and events.
    pub telemetry: Telemetry,
    /// Where visitors come in.
    pub http: SocketAddr,
    /// The operator's ceiling of CPU time.
    pub cpu_ceiling: Duration,
}

impl ControlPlatform {
    async fn reload(&self) {
        let _one_at_a_time = self.reloading.lock().await;
        let previous = self.current.load_full();
        let serving = match Serving::load(&self.store, self.cpu_ceiling, Some(&previous)).await {
            Ok(serving) => Arc::new(serving),
            Err(error) => {
                tracing::error!(
                    "the configuration was changed but cannot be read, so the state before is served on: {error}"
                );
                return;
            }
        };
        self.current.store(serving.clone());
        for id in previous.versions.keys().filter(|id| !serving.versions.contains_key(id)) {
            self.workers.retire(*id);
        }
        let same = |id: &Uuid, service: &Arc<vpc::Service>| {
            serving.services.get(id).is_some_and(|now| Arc::ptr_eq(now, service))
        };
        for (id, _) in previous.services.iter().filter(|(id, service)| !same(id, service)) {
            self.vpc.forget(*id);
        }
    }

    async fn validate(&self, candidate: &WorkerCandidate) -> Result<Validated, Rejected> {
        let parts = VersionParts {
            modules: &candidate.modules,
            main_module: &candidate.main_module,
            bindings: &candidate.bindings,
            secrets: &candidate.secrets,
            limits: candidate.limits,
            compatibility_date: candidate.compatibility_date.as_deref(),
            compatibility_flags: &candidate.compatibility_flags,
        };
        let version = worker_version(Uuid::new_v4(), &candidate.name, &parts, self.cpu_ceiling)
            .map_err(|error| Rejected { code: SCRIPT_REJECTED, message: error.to_string() })?;
        match self.workers.validate(Arc::new(version)).await {
            Ok(valid) => {
                let startup_time_ms = u64::try_from(valid.startup.as_millis()).unwrap_or(u64::MAX);
                Ok(Validated { startup_time_ms, handlers: valid.handlers })
            }
            Err(invalid) => {
                Err(Rejected { code: invalid.code().unwrap_or(SCRIPT_REJECTED), message: invalid.to_string() })
            }
        }
    }
}

impl Platform for ControlPlatform {
    fn validate_worker<'a>(&'a self, candidate: &'a WorkerCandidate) -> BoxFuture<'a, Result<Validated, Rejected>> {
        Box::pin(self.validate(candidate))
    }

    fn configuration_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.reload())
    }

    fn tunnel_connections(&self, tunnel: Uuid) -> Vec<TunnelConnection> {
        let connectors = self.tunnels.connectors(tunnel);
        let connections = connectors.iter().flat_map(|connector| {
            connector.connections.iter().map(move |connection| TunnelConnection {
                id: connection.id,
                client_id: connector.id,
                client_version: connector.version.clone(),
                arch: connector.platform.clone(),
                location: "local".to_owned(),
                origin_ip: connection.remote_address.ip(),
                opened_at: connection.since,
                features: connector.features.clone(),
                is_pending_reconnect: false,
            })
        });
        connections.collect()
    }

    fn tunnel_revoked(&self, tunnel: Uuid) {
        self.tunnels.revoke(tunnel);
    }

    fn invocations(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>> {
        Box::pin(async move {
            let parameters = parameters(&query);
            let pairs = parameters.iter().map(|(name, value)| (*name, value.as_str()));
            let (filter, paging) = InvocationFilter::from_pairs(pairs).map_err(refused)?;
            page(self.telemetry.invocations(&filter, &paging).await)
        })
    }

    fn connection_events(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>> {
        Box::pin(async move {
            let parameters = parameters(&query);
            let pairs = parameters.iter().map(|(name, value)| (*name, value.as_str()));
            let (filter, paging) = ConnectionFilter::from_pairs(pairs).map_err(refused)?;
            page(self.telemetry.connections(&filter, &paging).await)
        })
    }

    fn worker_url(&self, name: &str) -> String {
        format!("http://{name}.localhost:{}", self.http.port())
    }
}

/// A query as the parameters that the telemetry's filters are read from.
fn parameters(query: &TelemetryQuery) -> Vec<(&'static str, String)> {
    let TelemetryQuery { worker, outcome, service, code, ray_id, limit, cursor } = query;
    let given = [
        ("worker", worker.clone()),
        ("outcome", outcome.clone()),
        ("service", service.map(|id| id.to_string())),
        ("code", code.clone()),
        ("ray_id", ray_id.clone()),
        ("limit", Some(limit.to_string())),
        ("cursor", cursor.clone()),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn refused(error: telemetry::InvalidFilter) -> TelemetryError {
    TelemetryError::Unavailable(error.to_string())
}

fn page<T: Serialize>(
    page: Result<telemetry::Page<T>, telemetry::TelemetryError>,
) -> Result<TelemetryPage, TelemetryError> {
    let unavailable = |error: &dyn std::fmt::Display| TelemetryError::Unavailable(error.to_string());
    let page = page.map_err(|error| unavailable(&error))?;
    let rows =
        page.items.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(|error| unavailable(&error))?;
    Ok(TelemetryPage { rows, next_cursor: page.next.map(|cursor| cursor.to_string()) })
}
