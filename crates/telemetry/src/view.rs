//! Facts as they are read back: the shapes of Workers' tail events, with Culvert's additions.

use std::collections::BTreeMap;

use connection_error::{Category, ErrorCode, Phase, Timings};
use invocation::{Outcome, RayId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ConsoleLine, ExceptionRecord, SubrequestRecord};

/// One invocation, redacted, as `wrangler tail` shows it; `id`, `rayId`, `eventType`, `traceId`, `memory` and `subrequests` are
/// ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvocationView {
    /// The invocation.
    pub id: Uuid,
    /// The visitor's request.
    pub ray_id: RayId,
    /// How it ended.
    pub outcome: Outcome,
    /// The Worker's name.
    pub script_name: String,
    /// The version that ran.
    pub script_version: ScriptVersion,
    /// The handler that ran: `fetch`, `scheduled`, …
    pub event_type: String,
    /// The export that was called by name; absent for the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// The trace of the visitor's request, where it is traced: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub event_timestamp: i64,
    /// What it was asked, and what it answered.
    pub event: EventView,
    /// Console lines, in order.
    pub logs: Vec<ConsoleLine>,
    /// Uncaught exceptions, in order.
    pub exceptions: Vec<ExceptionRecord>,
    /// What it asked of others, in order.
    pub subrequests: Vec<SubrequestRecord>,
    /// From its beginning to its end, in milliseconds.
    pub wall_time: f64,
    /// CPU time, in milliseconds.
    pub cpu_time: f64,
    /// The isolate's memory at its end, in bytes.
    pub memory: u64,
    /// Whether something was cut to keep it under 256 KB.
    pub truncated: bool,
}

/// A version of a Worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptVersion {
    /// Its id.
    pub id: Uuid,
}

/// What an invocation was asked, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// The request, where one began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestView>,
    /// What else began it: `rpcMethod`, for example.
    #[serde(flatten)]
    pub trigger: Option<serde_json::Map<String, serde_json::Value>>,
    /// The response; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseView>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// The method.
    pub method: String,
    /// The URL, identifiers redacted.
    pub url: String,
    /// The headers, secrets redacted; several of one name are joined by `, `.
    pub headers: BTreeMap<String, String>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseView {
    /// Its status.
    pub status: u16,
}

/// One attempt to reach a private service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionView {
    /// The attempt.
    pub id: Uuid,
    /// When it began, in milliseconds since 1970.
    pub timestamp: i64,
    /// The service's id.
    pub service_id: Uuid,
    /// The service's name at that time.
    pub service_name: String,
    /// The tunnel it went through.
    pub tunnel_id: Uuid,
    /// The connector that carried it, where it came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector_id: Option<Uuid>,
    /// The Worker that asked.
    pub worker: String,
    /// The invocation it belongs to.
    pub invocation_id: Uuid,
    /// The visitor's request.
    pub ray_id: RayId,
    /// The literal address, `ip:port`, where it came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether a kept-alive connection was used.
    pub reused: bool,
    /// The response's status, when there was a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Whether the one who asked gave it up: then it neither succeeded nor failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canceled: bool,
    /// How long each phase took that was reached, in milliseconds.
    pub timings: Timings,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub failure: Option<FailureView>,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// What failed.
    pub code: ErrorCode,
    /// Whose fault it is.
    pub category: Category,
    /// How far the attempt came.
    pub phase: Phase,
    /// One sentence with the facts.
    pub detail: String,
    /// Whether sending the same request again is safe and may help.
    pub retryable: bool,
}
