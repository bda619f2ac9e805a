//! The facts themselves. They are values: who makes them does not know who keeps them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use connection_error::{Category, ConnectionError, ErrorCode, Timings};
use invocation::{Outcome, RayId, TraceContext};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// How one invocation went, from its first byte to the end of its `waitUntil` work.
#[derive(Debug, Clone, PartialEq)]
pub struct InvocationRecord {
    /// The invocation.
    pub id: Uuid,
    /// The visitor's request.
    pub ray_id: RayId,
    /// The Worker's name.
    pub worker: String,
    /// The version that ran.
    pub version: Uuid,
    /// The handler that ran: `fetch`, `scheduled`, …
    pub event_type: &'static str,
    /// The export that was called by name; absent for the default one.
    pub entrypoint: Option<String>,
    /// When it began.
    pub started: OffsetDateTime,
    /// How it ended.
    pub outcome: Outcome,
    /// CPU time spent in it, by the isolate's thread clock.
    pub cpu_time: Duration,
    /// Time from its beginning to its end, waiting included.
    pub wall_time: Duration,
    /// The isolate's memory at its end, in bytes.
    pub memory: u64,
    /// What began it where that was no request, in the words of tail events: `{"rpcMethod": …}`, for example. Method, URL and headers are
    /// empty then.
    pub trigger: Option<serde_json::Map<String, serde_json::Value>>,
    /// The request's method.
    pub method: String,
    /// The request's URL.
    pub url: String,
    /// The request's headers, in order.
    pub headers: Vec<(String, String)>,
    /// The response's status; absent when there was no response.
    pub status: Option<u16>,
    /// Console lines, in order.
    pub logs: Vec<ConsoleLine>,
    /// Uncaught exceptions and unhandled rejections, in order. The first is the cause of [`Outcome::Exception`].
    pub exceptions: Vec<ExceptionRecord>,
    /// What it asked of others, in order.
    pub subrequests: Vec<SubrequestRecord>,
    /// How many more it asked of others than are listed.
    pub further_subrequests: u64,
    /// Whether log data was cut at the limit.
    pub truncated: bool,
    /// The span of the visitor's request, where it is traced.
    pub trace: Option<TraceContext>,
}

/// The level of a console line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// `console.debug`
    Debug,
    /// `console.error`
    Error,
    /// `console.info`
    Info,
    /// `console.log`
    Log,
    /// `console.warn`
    Warn,
}

/// One call of `console.log` or a sibling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsoleLine {
    /// When, in milliseconds since 1970.
    pub timestamp: i64,
    /// Which of the console's methods.
    pub level: Level,
    /// The arguments, each as JSON where it can be, else as text.
    pub message: Vec<serde_json::Value>,
}

/// An exception that nothing caught.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRecord {
    /// When, in milliseconds since 1970.
    pub timestamp: i64,
    /// The error's name, `TypeError` for example.
    pub name: String,
    /// Its message.
    pub message: String,
    /// Its stack, a line a frame.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stack: String,
    /// For an error of a connection, its facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Box<ConnectionError>>,
}

/// One request that an invocation made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubrequestRecord {
    /// The binding's name; `fetch` for one without a binding.
    pub target: String,
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// When it began, in milliseconds after the invocation did.
    pub started_ms: f64,
    /// Until the response head or the failure, in milliseconds.
    pub duration_ms: f64,
    /// The response's status; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One attempt to reach a private service, successful or not.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionEvent {
    /// The attempt.
    pub id: Uuid,
    /// When it began.
    pub started: OffsetDateTime,
    /// The service's id.
    pub service: Uuid,
    /// The service's name.
    pub service_name: String,
    /// The tunnel it went through.
    pub tunnel: Uuid,
    /// The connector that carried it, once known.
    pub connector: Option<Uuid>,
    /// The Worker that asked.
    pub worker: String,
    /// The invocation it belongs to.
    pub invocation: Uuid,
    /// The visitor's request.
    pub ray_id: RayId,
    /// The literal address that was connected to, `ip:port`, once known.
    pub address: Option<String>,
    /// Whether a kept-alive connection was used.
    pub reused: bool,
    /// How long each phase took that was reached.
    pub timings: Timings,
    /// The response's status, when there was a response.
    pub status: Option<u16>,
    /// Why it failed, when it did.
    pub error: Option<ConnectionError>,
    /// Whether the one who asked gave it up before there was a response or, for a raw connection, before it stood. It neither succeeded nor
    /// failed then.
    pub canceled: bool,
    /// The span of the subrequest that it belongs to, where it is traced.
    pub trace: Option<TraceContext>,
}

impl ConnectionEvent {
    /// How it ended. An error is a failure, whoever gave up besides.
    pub(crate) fn ending(&self) -> Ending {
        match &self.error {
            Some(error) => Ending::Failed(error.code, error.category),
            None if self.canceled => Ending::Canceled,
            None => Ending::Succeeded,
        }
    }
}

/// How an attempt to reach a private service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    Succeeded,
    /// The one who asked gave it up: neither a success nor a failure.
    Canceled,
    Failed(ErrorCode, Category),
}

impl Ending {
    /// What failed and whose fault it is.
    pub(crate) fn failure(self) -> Option<(ErrorCode, Category)> {
        match self {
            Self::Failed(code, category) => Some((code, category)),
            Self::Succeeded | Self::Canceled => None,
        }
    }
}

/// One request of a visitor and its response, as the edge saw them.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeRecord {
    /// The request.
    pub ray_id: RayId,
    /// When its head was read.
    pub started: OffsetDateTime,
    /// From then to the end of the response.
    pub duration: Duration,
    /// Where it came from.
    pub client: IpAddr,
    /// Its protocol, `HTTP/1.1` for example.
    pub protocol: http::Version,
    /// Its method.
    pub method: http::Method,
    /// Its scheme as Workers see it.
    pub scheme: &'static str,
    /// The host that it asked for, where it named one.
    pub host: Option<Arc<str>>,
    /// Its path with the query.
    pub path: String,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Its `Referer`.
    pub referer: Option<String>,
    /// The Worker that served it, if one did.
    pub worker: Option<Arc<str>>,
    /// The version of that Worker.
    pub version: Option<Uuid>,
    /// The response's status; absent when the visitor went away before there was one.
    pub status: Option<u16>,
    /// Bytes of the response's body that were sent.
    pub response_bytes: u64,
    /// Whether the response was sent to its end.
    pub complete: bool,
    /// Its span, where it is traced.
    pub trace: Option<TraceContext>,
}

/// Takes facts. Never blocks and never fails: what cannot be kept is counted by the taker.
pub trait Sink: Send + Sync + 'static {
    /// An invocation ended.
    fn invocation(&self, record: InvocationRecord);
    /// A connection attempt ended.
    fn connection(&self, event: ConnectionEvent);
    /// A visitor's request ended.
    fn exchange(&self, record: ExchangeRecord) {
        drop(record);
    }
    /// A record was not handed to a tail Worker, because that was too slow.
    fn tail_dropped(&self) {}
}
