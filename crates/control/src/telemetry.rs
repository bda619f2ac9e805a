//! What happened, read over the API. The records come from the platform as they are shown.
//!
//! `GET /accounts/{account}/workers/invocations` and `GET /accounts/{account}/connectivity/events` are Culvert's
//! own; Cloudflare has no such endpoints. Newest first; `limit` (1 to 1,000, default 100), `cursor` (from
//! `result_info.cursor` of the page before, which is empty at the end); `result_info.lost` says how many of that time are
//! not kept because there were too many. `…/workers/metrics` and
//! `…/connectivity/metrics` are sums of the same. Which filters there are the platform knows; a wrong one is error
//! 20000 with its name in `source.pointer`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use serde_json::json;
use store::Permission;

use crate::ControlState;
use crate::api::{Api, get};
use crate::auth::Access;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::platform::{TelemetryError, TelemetryPage, TelemetryQuery};
use crate::query::{Form, Parameter, QueryPairs};

impl From<TelemetryError> for ApiError {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::Invalid { parameter, message } => {
                ApiError::field(format!("/{parameter}"), format!("{message}."))
            }
            error @ TelemetryError::Unavailable(_) => ApiError::new(codes::UNAVAILABLE, format!("{error}.")),
        }
    }
}

fn reply(page: TelemetryPage) -> Result<Reply, ApiError> {
    let count = page.rows.len();
    Ok(Reply::new(page.rows)?
        .info(json!({ "count": count, "cursor": page.next_cursor.unwrap_or_default(), "lost": page.lost })))
}

async fn invocations(State(state): State<ControlState>, QueryPairs(pairs): QueryPairs) -> Result<Reply, ApiError> {
    reply(state.platform().invocations(TelemetryQuery(pairs)).await?)
}

async fn connection_events(
    State(state): State<ControlState>,
    QueryPairs(pairs): QueryPairs,
) -> Result<Reply, ApiError> {
    reply(state.platform().connection_events(TelemetryQuery(pairs)).await?)
}

async fn worker_metrics(State(state): State<ControlState>, QueryPairs(pairs): QueryPairs) -> Result<Reply, ApiError> {
    Reply::new(state.platform().worker_metrics(TelemetryQuery(pairs)).await?)
}

async fn connection_metrics(
    State(state): State<ControlState>,
    QueryPairs(pairs): QueryPairs,
) -> Result<Reply, ApiError> {
    Reply::new(state.platform().connection_metrics(TelemetryQuery(pairs)).await?)
}

/// `GET /metrics`, outside of the API's prefix and open like `/healthz`: what Prometheus reads.
pub(crate) async fn prometheus(State(state): State<ControlState>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let (content_type, text) = state.platform().prometheus(accept);
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], text).into_response()
}

const fn of(name: &'static str, form: Form, about: &'static str) -> Parameter {
    Parameter::new(name, form, about)
}

// What these may be is read and refused by the platform.
const WORKER: Parameter = of("worker", Form::Text, "Only of this Worker.");
const VERSION: Parameter = of("version", Form::Uuid, "Only of this version.");
const SERVICE: Parameter = of("service", Form::Uuid, "Only to this VPC Service.");
const TUNNEL: Parameter = of("tunnel", Form::Uuid, "Only through this tunnel.");
const CONNECTOR: Parameter = of("connector", Form::Uuid, "Only by this connector.");
const RAY_ID: Parameter = of("ray_id", Form::Text, "Only for the visitor's request with this ray id.");
const SINCE: Parameter = of(
    "since",
    Form::Text,
    "From then on: a time (RFC 3339), milliseconds since 1970, or a time ago such as 15m, 6h or 7d.",
);
const UNTIL: Parameter = of("until", Form::Text, "Before then, written like since.");
const LIMIT: Parameter = of("limit", Form::Number { least: 1, most: 1_000, default: 100 }, "How many records at most.");
const CURSOR: Parameter = of(
    "cursor",
    Form::Pattern("^([0-9a-fA-F]{16})?$"),
    "result_info.cursor of the page before; without it, the newest.",
);

const INVOCATIONS: &[Parameter] = &[
    WORKER,
    VERSION,
    of(
        "outcome",
        Form::Text,
        "Only with this outcome; several times, or with commas, for several. error: every failure.",
    ),
    of(
        "status",
        Form::Pattern("^([1-5][0-9]{2}|[1-5]xx|[1-5]XX)?$"),
        "Only with this status (404), or one of this class (4xx), of the response or the error page.",
    ),
    of("text", Form::Pattern("^(.{3,200})?$"), "Only with this text in the URL, the log or an exception."),
    of("min_cpu_ms", Form::Text, "Only with at least so many milliseconds of CPU time."),
    RAY_ID,
    SINCE,
    UNTIL,
    LIMIT,
    CURSOR,
];

const CONNECTION_EVENTS: &[Parameter] = &[
    SERVICE,
    TUNNEL,
    CONNECTOR,
    WORKER,
    of("code", Form::Text, "Only those that failed with this code; none: only those that succeeded."),
    of("category", Form::Text, "Only those that failed by this fault: bad_upstream, client or internal."),
    of("detail", Form::Text, "Only those whose detail has this text."),
    of("failed", Form::Flag, "Only those that failed."),
    of("canceled", Form::Flag, "Only those that were given up by those who asked."),
    RAY_ID,
    SINCE,
    UNTIL,
    LIMIT,
    CURSOR,
];

const STEP: Parameter = of(
    "step",
    Form::Word(&["60", "300", "900", "3600", "21600", "86400"]),
    "The width of points over time, in seconds; without it, sums only.",
);
const QUANTILES: Parameter = of("quantiles", Form::Flag, "Also p50, p90 and p99.");

const WORKER_METRICS: &[Parameter] = &[
    of("by", Form::Word(&["worker", "version", "outcome"]), "A group for each of these."),
    WORKER,
    VERSION,
    of("outcome", Form::Text, "Only with this outcome."),
    STEP,
    QUANTILES,
    SINCE,
    UNTIL,
    LIMIT,
];

const CONNECTION_METRICS: &[Parameter] = &[
    of(
        "by",
        Form::Word(&["service", "tunnel", "connector", "worker", "category", "code"]),
        "A group for each of these.",
    ),
    SERVICE,
    TUNNEL,
    of("connector", Form::Text, "Only by this connector; none: only where no connector was reached."),
    WORKER,
    of("category", Form::Text, "Only those that failed by this fault; none: only those that succeeded."),
    of("code", Form::Text, "Only those that failed with this code; none: only those that succeeded."),
    of(
        "detail",
        Form::Text,
        "Only those that failed with this text in their detail, among the events that are kept one by one.",
    ),
    STEP,
    QUANTILES,
    SINCE,
    UNTIL,
    LIMIT,
];

/// The operations.
pub(crate) fn add(api: Api) -> Api {
    api.add(
        get(
            "/accounts/{account}/workers/invocations",
            Access::Needs(Permission::WorkersScriptsRead),
            "Read the records of invocations",
        )
        .query(INVOCATIONS)
        .list("Invocation"),
        invocations,
    )
    .add(
        get(
            "/accounts/{account}/connectivity/events",
            Access::Needs(Permission::ConnectivityDirectoryRead),
            "Read the records of connection attempts",
        )
        .query(CONNECTION_EVENTS)
        .list("ConnectionEvent"),
        connection_events,
    )
    .add(
        get(
            "/accounts/{account}/workers/metrics",
            Access::Needs(Permission::WorkersScriptsRead),
            "Read sums over invocations",
        )
        .query(WORKER_METRICS)
        .one("InvocationMetrics"),
        worker_metrics,
    )
    .add(
        get(
            "/accounts/{account}/connectivity/metrics",
            Access::Needs(Permission::ConnectivityDirectoryRead),
            "Read sums over connection attempts",
        )
        .query(CONNECTION_METRICS)
        .one("ConnectionMetrics"),
        connection_metrics,
    )
}
