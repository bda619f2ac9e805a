//! What the API asks of the rest of the program. The program implements [`Platform`]; the API knows neither how
//! Workers run, nor how tunnels are served, nor where telemetry is kept.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use store::{Binding, ExportedEntrypoint, Limits, Module, Secret};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

/// A future that is `Send` and boxed, so that [`Platform`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A version of a Worker that passed every check that needs no runtime.
#[derive(Clone, Debug)]
pub struct WorkerCandidate {
    /// The Worker's name.
    pub name: String,
    /// Its modules, in the order of the upload.
    pub modules: Vec<Module>,
    /// The name of the module that is evaluated first.
    pub main_module: String,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags such as `nodejs_compat`.
    pub compatibility_flags: Vec<String>,
    /// The properties of `env`.
    pub bindings: Vec<Binding>,
    /// The text of each `secret_text` binding.
    pub secrets: BTreeMap<String, Secret>,
    /// The limits it asks for.
    pub limits: Limits,
}

/// A candidate started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// How long its top-level code ran, in milliseconds.
    pub startup_time_ms: u64,
    /// The handlers of its default export, e.g. `fetch`.
    pub handlers: Vec<String>,
    /// What other Workers can be bound to, the default export among them.
    pub entrypoints: Vec<ExportedEntrypoint>,
}

/// A candidate did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Cloudflare's number for it: 10021 for most, 10068 without handlers.
    pub code: u32,
    /// What is wrong, with file, line and column where there is one.
    pub message: String,
}

/// One live connection of a tunnel's connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConnection {
    /// Identifier of the connection.
    pub id: Uuid,
    /// Identifier of the connector, shared by its connections.
    pub client_id: Uuid,
    /// The connector's version, e.g. `2025.7.0`.
    pub client_version: String,
    /// The connector's platform, e.g. `linux_amd64`.
    pub arch: String,
    /// Where it is connected to; the API's `colo_name`.
    pub location: String,
    /// The address that it came from.
    pub origin_ip: IpAddr,
    /// Since when.
    pub opened_at: OffsetDateTime,
    /// What the connector can do.
    pub features: Vec<String>,
    /// True while it is lost and expected back.
    pub is_pending_reconnect: bool,
}

/// Which telemetry is asked for: the parameters of the query, in order, as they were given. Which there are and what
/// they may be is the platform's to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelemetryQuery(pub Vec<(String, String)>);

impl TelemetryQuery {
    /// The parameters, as they are read from.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Telemetry records, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TelemetryPage {
    /// The records, as they are shown.
    pub rows: Vec<Value>,
    /// Where this page ends; absent at the end of the list.
    pub next_cursor: Option<String>,
    /// Records of the time that was asked for that are not kept, because there were too many.
    pub lost: u64,
}

/// What is asked of Workers' logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogsAbout {
    /// Events, or invocations with their events.
    Events,
    /// The members that events have.
    Keys,
    /// The values of a member.
    Values,
}

/// What Workers' logs have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogsFound {
    /// A list of events, the events by their invocations' ids, a list of keys, or a list of values, as they are shown.
    pub result: Value,
    /// How many of them that are.
    pub count: usize,
    /// Where the next page begins, if there may be one.
    pub next_offset: Option<String>,
    /// Where too much would have had to be looked at: the time that was come to.
    pub looked_back_to: Option<OffsetDateTime>,
    /// How many invocations were looked at.
    pub invocations_read: usize,
    /// How many bytes that was.
    pub bytes_read: usize,
    /// Invocations of the time that was asked for that are not kept, because there were too many.
    pub lost: u64,
}

/// Why telemetry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// A parameter of the query cannot be used.
    #[error("{message}")]
    Invalid {
        /// The parameter's name.
        parameter: String,
        /// What is wrong with it.
        message: String,
    },
    /// The records cannot be read right now.
    #[error("telemetry cannot be read: {0}")]
    Unavailable(String),
}

/// Where the rest of the program listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeAddresses {
    /// For visitors.
    pub visitors: SocketAddr,
    /// For connectors.
    pub tunnel: SocketAddr,
    /// PEM text of the authority that issued the certificate which connectors see; none: a public one did.
    pub tunnel_ca: Option<String>,
}

/// How a VPC Service is to be connected to for a diagnosis. What is absent fits the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceProbe {
    /// Whether by https.
    pub https: Option<bool>,
    /// `Host`, and the name for TLS.
    pub host: Option<String>,
    /// The path with its query.
    pub path: Option<String>,
    /// Through which of the tunnel's connectors.
    pub connector: Option<Uuid>,
}

/// Why there is no diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDiagnosed {
    /// The service's tunnel has no such connector.
    #[error("The service's tunnel has no connector {0} that is connected now.")]
    NoSuchConnector(Uuid),
    /// What is registered cannot be served.
    #[error("The service's registration cannot be used, and the server's log says why.")]
    NotServed,
}

/// A live event of a Worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TailEvent {
    /// In the form of a `wrangler tail` item, secrets redacted.
    pub shown: Value,
    /// The request's headers as they came: what filters look at, and nobody is shown.
    pub headers: Vec<(String, String)>,
}

/// What the API asks of the rest of the program.
pub trait Platform: Send + Sync + 'static {
    /// What a connector of a locally managed tunnel says of its configuration, while one is connected.
    fn local_tunnel_configuration(&self, tunnel: Uuid) -> Option<Value> {
        let _ = tunnel;
        None
    }

    /// Starts a candidate without serving it: syntax, imports, handlers, start-up time and memory.
    fn validate_worker<'a>(&'a self, candidate: &'a WorkerCandidate) -> BoxFuture<'a, Result<Validated, Rejected>>;

    /// Called after a change was committed and before it is answered. When it returns, every new request is served
    /// by the new state, and the connections of tunnels that were deleted or have another secret are cut.
    fn configuration_changed(&self) -> BoxFuture<'_, ()>;

    /// The live connections of a tunnel.
    fn tunnel_connections(&self, tunnel: Uuid) -> Vec<TunnelConnection>;

    /// Cuts the connections of a tunnel. Connectors that may, come back.
    fn cut_tunnel(&self, tunnel: Uuid);

    /// Records of invocations.
    fn invocations(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>>;

    /// Workers' logs, said to be this account's. `asked` is an object; which members it may have and what they may be is the platform's
    /// to know.
    fn logs(&self, about: LogsAbout, account: String, asked: Value)
    -> BoxFuture<'_, Result<LogsFound, TelemetryError>>;

    /// Records of connection attempts.
    fn connection_events(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<TelemetryPage, TelemetryError>>;

    /// Metrics of invocations, in the form that they are shown in.
    fn worker_metrics(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<Value, TelemetryError>>;

    /// Metrics of connection attempts, in the form that they are shown in.
    fn connection_metrics(&self, query: TelemetryQuery) -> BoxFuture<'_, Result<Value, TelemetryError>>;

    /// The connectors of a tunnel that are connected now, in the form that they are shown in.
    fn connectors(&self, tunnel: Uuid) -> Vec<Value>;

    /// Where this edge listens.
    fn edge(&self) -> EdgeAddresses;

    /// Connects to a VPC Service now, through one of its tunnel's connectors and beside that through each of them, and tells
    /// what was found, in the form that it is shown in.
    fn diagnose(&self, service: Uuid, probe: ServiceProbe) -> BoxFuture<'_, Result<Value, NotDiagnosed>>;

    /// The program's metrics for Prometheus, in a format that the request's `Accept` header names: content type and text.
    fn prometheus(&self, accept: Option<&str>) -> (&'static str, String);

    /// The live events of a Worker from now on. The platform drops events that the receiver has no room for, and stops when it
    /// is dropped. `None`: live events cannot be had.
    fn tail(&self, worker: &str) -> Option<mpsc::Receiver<Arc<TailEvent>>> {
        let _ = worker;
        None
    }

    /// The address at which a Worker is served under its name, e.g. `http://api.localhost:8787`.
    fn worker_url(&self, name: &str) -> String;
}
