//! What the API asks of the rest of the program.

use std::sync::Arc;
use std::time::Duration;

use control::{
    BoxFuture, EdgeAddresses, LogsAbout, LogsFound, NotDiagnosed, Platform, Rejected, ServiceProbe, TailEvent,
    TelemetryError, TelemetryPage, TelemetryQuery, TunnelConnection, Validated, WorkerCandidate,
};
use serde::Serialize;
use serde_json::{Value, json};
use store::{ServedTunnel, Store};
use telemetry::{
    ConnectionFilter, InvocationFilter, LiveItem, LogQuestion, MetricsQuery, MetricsSubject, PrometheusFormat,
    Sampling, Telemetry,
};
use time::OffsetDateTime;
use tokio::sync::{Mutex, mpsc};
use tunnel::edge::Tunnels;
use uuid::Uuid;
use vpc::Vpc;

use super::diagnosis::Diagnostics;
use super::registrations::{VersionParts, worker_version};
use super::serving::{Current, Serving};
use super::tail_workers::trace_item;

/// How long to wait before a configuration is read again that could not be read.
const RELOAD_AGAIN: Duration = Duration::from_secs(1);

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
    /// Where this edge listens.
    pub edge: EdgeAddresses,
    /// The operator's ceiling of CPU time.
    pub cpu_ceiling: Duration,
}

impl ControlPlatform {
    /// Has what other edges change in a shared database served here, and what could not be read when it was changed.
    pub async fn follow(self: Arc<Self>) {
        let mut changes = self.store.changes();
        loop {
            while self.current.load().snapshot.generation < *changes.borrow_and_update() {
                if !self.reload().await {
                    tokio::time::sleep(RELOAD_AGAIN).await;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Serves what the store has now. False when that cannot be read.
    async fn reload(&self) -> bool {
        let _one_at_a_time = self.reloading.lock().await;
        let previous = self.current.load_full();
        if previous.snapshot.generation >= *self.store.changes().borrow() {
            return true;
        }
        let serving = match Serving::load(&self.store, self.cpu_ceiling, Some(&previous)).await {
            Ok(serving) => Arc::new(serving),
            Err(error) => {
                tracing::error!(
                    "the configuration was changed but cannot be read, so the state before is served on: {error}"
                );
                return false;
            }
        };
        self.current.store(serving.clone());
        self.push_tunnel_configurations(&previous, &serving).await;
        self.apply_sampling(Some(&previous));
        for id in previous.versions.keys().filter(|id| !serving.versions.contains_key(id)) {
            self.workers.retire(*id);
        }
        let same = |id: &Uuid, service: &Arc<vpc::Service>| {
            serving.services.get(id).is_some_and(|now| Arc::ptr_eq(now, service))
        };
        for (id, _) in previous.services.iter().filter(|(id, service)| !same(id, service)) {
            self.vpc.forget(*id);
        }
        let same = |id: &Uuid, tunnel: &ServedTunnel| {
            serving.snapshot.tunnels.get(id).is_some_and(|now| now.secret == tunnel.secret)
        };
        for (id, _) in previous.snapshot.tunnels.iter().filter(|(id, tunnel)| !same(id, tunnel)) {
            self.tunnels.revoke(*id);
        }
        true
    }

    /// Gives connectors what their tunnels were configured to be, before the change is acknowledged. Those that connect
    /// later are given it then.
    async fn push_tunnel_configurations(&self, previous: &Serving, serving: &Serving) {
        for (id, served) in &serving.snapshot.tunnels {
            let Some(configuration) = &served.configuration else { continue };
            let before = previous.snapshot.tunnels.get(id).and_then(|before| before.configuration.as_ref());
            if before.is_some_and(|before| before.version == configuration.version) {
                continue;
            }
            let json = configuration.config.to_string();
            for push in self.tunnels.push_configuration(*id, configuration.version, &json).await {
                if let Err(reason) = push.result {
                    let (tunnel, connector) = (&served.tunnel.name, push.connector);
                    tracing::warn!(tunnel, %connector, reason, "the connector did not take the tunnel's configuration");
                }
            }
        }
    }

    /// Has what is served from now on recorded as its Workers' settings say.
    pub fn apply_sampling(&self, previous: Option<&Serving>) {
        let serving = self.current.load();
        let workers = &serving.snapshot.workers;
        for (name, served) in workers {
            self.telemetry.set_sampling(name, sampling(served.worker.settings.observability.as_ref()));
        }
        let gone = previous.into_iter().flat_map(|previous| previous.snapshot.workers.keys());
        for name in gone.filter(|name| !workers.contains_key(*name)) {
            self.telemetry.set_sampling(name, Sampling::default());
        }
    }

    /// Adds the names that services and networks have now to the keys of groups.
    fn name_services(&self, metrics: &mut Value) {
        let serving = self.current.load();
        let groups = metrics.get_mut("groups").and_then(Value::as_array_mut).into_iter().flatten();
        for key in groups.filter_map(|group| group.get_mut("key").and_then(Value::as_object_mut)) {
            let Some(id) = key.get("service").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok()) else {
                continue;
            };
            let service = serving.services.get(&id).map(|service| service.name.clone());
            let name = service.or_else(|| serving.networks.name(id).map(str::to_owned));
            key.insert("service_name".to_owned(), name.into());
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
            tag: "",
            created: String::new(),
        };
        let version = worker_version(Uuid::new_v4(), &candidate.name, &parts, self.cpu_ceiling);
        match self.workers.validate(Arc::new(version)).await {
            Ok(valid) => {
                let startup_time_ms = u64::try_from(valid.startup.as_millis()).unwrap_or(u64::MAX);
                let entrypoints = valid
                    .entrypoints
                    .into_iter()
                    .map(|exported| store::ExportedEntrypoint { name: exported.name, handlers: exported.handlers });
                Ok(Validated { startup_time_ms, handlers: valid.handlers, entrypoints: entrypoints.collect() })
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
        Box::pin(async {
            self.reload().await;
        })
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

    fn local_tunnel_configuration(&self, tunnel: Uuid) -> Option<Value> {
        serde_json::from_slice(&self.tunnels.local_configuration(tunnel)?).ok()
    }

    fn cut_tunnel(&self, tunnel: Uuid) {
        self.tunnels.revoke(tunnel);
    }

    fn invocations(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>> {
        Box::pin(async move {
            let (filter, paging) = InvocationFilter::from_pairs(query.pairs()).map_err(refused)?;
            page(self.telemetry.invocations(&filter, &paging).await)
        })
    }

    fn logs(
        &self,
        about: LogsAbout,
        account: String,
        asked: Value,
    ) -> BoxFuture<'_, Result<LogsFound, TelemetryError>> {
        Box::pin(async move {
            let question = match about {
                LogsAbout::Events => LogQuestion::events(&asked),
                LogsAbout::Keys => LogQuestion::keys(&asked),
                LogsAbout::Values => LogQuestion::values(&asked),
            };
            let found = self.telemetry.logs(&question.map_err(refused)?, &account).await.map_err(unavailable)?;
            Ok(LogsFound {
                result: found.result,
                count: found.count,
                next_offset: found.next,
                looked_back_to: found.looked_back_to,
                invocations_read: found.invocations_read,
                bytes_read: found.bytes_read,
                lost: found.lost,
            })
        })
    }

    fn connection_events(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>> {
        Box::pin(async move {
            let (filter, paging) = ConnectionFilter::from_pairs(query.pairs()).map_err(refused)?;
            page(self.telemetry.connections(&filter, &paging).await)
        })
    }

    fn worker_metrics(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<Value, TelemetryError>> {
        Box::pin(async move {
            let query = MetricsQuery::from_pairs(MetricsSubject::Workers, query.pairs()).map_err(refused)?;
            self.telemetry.metric_groups(&query).await.map_err(unavailable)
        })
    }

    fn connection_metrics(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<Value, TelemetryError>> {
        Box::pin(async move {
            let query = MetricsQuery::from_pairs(MetricsSubject::Connections, query.pairs()).map_err(refused)?;
            let mut metrics = self.telemetry.metric_groups(&query).await.map_err(unavailable)?;
            self.name_services(&mut metrics);
            Ok(metrics)
        })
    }

    fn connectors(&self, tunnel: Uuid) -> Vec<Value> {
        self.tunnels.connectors(tunnel).iter().filter_map(|connector| serde_json::to_value(connector).ok()).collect()
    }

    fn edge(&self) -> EdgeAddresses {
        self.edge.clone()
    }

    fn diagnose(&self, service: Uuid, probe: ServiceProbe) -> BoxFuture<'_, Result<Value, NotDiagnosed>> {
        let diagnostics =
            Diagnostics { current: self.current.clone(), vpc: self.vpc.clone(), tunnels: self.tunnels.clone() };
        Box::pin(async move { diagnostics.run(service, probe).await })
    }

    fn prometheus(&self, accept: Option<&str>) -> (&'static str, String) {
        let format = PrometheusFormat::accepted(accept);
        (format.content_type(), self.telemetry.render_prometheus(format))
    }

    fn tail(&self, worker: &str) -> Option<mpsc::Receiver<Arc<TailEvent>>> {
        let (sender, receiver) = mpsc::channel(TAIL_BUFFER);
        let mut live = self.telemetry.watch();
        let worker = worker.to_owned();
        tokio::spawn(async move {
            // Events that a client which does not keep up loses, instead of the program its memory.
            let mut lost = 0;
            loop {
                let item = tokio::select! {
                    item = live.next() => item,
                    () = sender.closed() => return,
                };
                let record = match item {
                    None => return,
                    Some(LiveItem::Missed(missed)) => {
                        lost += missed;
                        continue;
                    }
                    Some(LiveItem::Invocation(record)) if record.worker == worker => record,
                    Some(_) => continue,
                };
                let notice = || TailEvent { shown: overload(&worker, lost), headers: Vec::new() };
                if lost > 0 && sender.try_send(Arc::new(notice())).is_ok() {
                    lost = 0;
                }
                let Some(shown) = trace_item(&record) else { continue };
                match sender.try_send(Arc::new(TailEvent { shown, headers: record.headers.clone() })) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => lost += 1,
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                }
            }
        });
        Some(receiver)
    }

    fn worker_url(&self, name: &str) -> String {
        format!("http://{name}.localhost:{}", self.edge.visitors.port())
    }
}

fn refused(error: telemetry::InvalidFilter) -> TelemetryError {
    TelemetryError::Invalid { parameter: error.name.clone(), message: error.to_string() }
}

fn unavailable(error: telemetry::TelemetryError) -> TelemetryError {
    match error {
        telemetry::TelemetryError::Filter(error) => refused(error),
        error => TelemetryError::Unavailable(error.to_string()),
    }
}

/// Which of a Worker's invocations are kept, as its `observability` settings say.
fn sampling(observability: Option<&Value>) -> Sampling {
    let everything = Sampling::default();
    let flag = |pointer| observability.and_then(|set| set.pointer(pointer)).and_then(Value::as_bool);
    if flag("/enabled") == Some(false) || flag("/logs/enabled") == Some(false) {
        return Sampling { head_sampling_rate: 0.0, ..everything };
    }
    let rate = |pointer| observability.and_then(|set| set.pointer(pointer)).and_then(Value::as_f64);
    Sampling {
        head_sampling_rate: rate("/logs/head_sampling_rate")
            .or_else(|| rate("/head_sampling_rate"))
            .unwrap_or(everything.head_sampling_rate),
        invocation_logs: flag("/logs/invocation_logs").unwrap_or(everything.invocation_logs),
    }
}

/// Events that a tail may be behind before it loses the newest.
const TAIL_BUFFER: usize = 256;

/// What a tail is told in place of events that it lost, in the form that wrangler knows.
fn overload(worker: &str, lost: u64) -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    json!({
        "outcome": "unknown", "scriptName": worker, "logs": [], "exceptions": [],
        "eventTimestamp": i64::try_from(now).unwrap_or(i64::MAX),
        "event": {
            "type": "overload",
            "message": format!("Tail is behind: up to {lost} events before this one are left out here. `culvert logs` has what is kept."),
        },
    })
}

fn page<T: Serialize>(
    page: Result<telemetry::Page<T>, telemetry::TelemetryError>,
) -> Result<TelemetryPage, TelemetryError> {
    let page = page.map_err(unavailable)?;
    let rows = page
        .items
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()
        .map_err(|error| TelemetryError::Unavailable(error.to_string()))?;
    Ok(TelemetryPage { rows, next_cursor: page.next.map(|cursor| cursor.to_string()), lost: page.lost })
}
