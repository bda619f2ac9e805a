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
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::json;
use store::Permission;

use crate::ControlState;
use crate::api::{Api, get};
use crate::auth::Access;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::platform::{TelemetryError, TelemetryPage, TelemetryQuery};
use crate::request::QueryPairs;

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
pub(crate) async fn prometheus(State(state): State<ControlState>) -> Response {
    let (content_type, text) = state.platform().prometheus();
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], text).into_response()
}

/// The operations.
pub(crate) fn add(api: Api) -> Api {
    api.add(
        get(
            "/accounts/{account}/workers/invocations",
            Access::Needs(Permission::WorkersScriptsRead),
            "Read the records of invocations",
        )
        .list("Invocation"),
        invocations,
    )
    .add(
        get(
            "/accounts/{account}/connectivity/events",
            Access::Needs(Permission::ConnectivityDirectoryRead),
            "Read the records of connection attempts",
        )
        .list("ConnectionEvent"),
        connection_events,
    )
    .add(
        get(
            "/accounts/{account}/workers/metrics",
            Access::Needs(Permission::WorkersScriptsRead),
            "Read sums over invocations",
        )
        .one("InvocationMetrics"),
        worker_metrics,
    )
    .add(
        get(
            "/accounts/{account}/connectivity/metrics",
            Access::Needs(Permission::ConnectivityDirectoryRead),
            "Read sums over connection attempts",
        )
        .one("ConnectionMetrics"),
        connection_metrics,
    )
}
