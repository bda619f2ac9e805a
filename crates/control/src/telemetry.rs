//! What happened, read over the API. The records come from the platform as they are shown.
//!
//! `GET /accounts/{account}/workers/invocations` and `GET /accounts/{account}/connectivity/events` are Culvert's
//! own; Cloudflare has no such endpoints. Newest first; `limit` (1 to 1,000, default 100), `cursor` (from
//! `result_info.cursor` of the page before, which is empty at the end).

use axum::extract::State;
use serde_json::json;
use store::Permission;

use crate::ControlState;
use crate::api::{Api, get};
use crate::auth::Access;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::platform::{TelemetryError, TelemetryPage, TelemetryQuery};
use crate::request::{QueryParams, path_uuid};

const PER_PAGE: u32 = 100;
const MOST: u32 = 1_000;

fn query(params: &QueryParams) -> Result<TelemetryQuery, ApiError> {
    Ok(TelemetryQuery {
        worker: params.text("worker").map(str::to_owned),
        outcome: params.text("outcome").map(str::to_owned),
        service: params
            .text("service")
            .map(|text| path_uuid(text, "VPC Service"))
            .transpose()
            .map_err(|error| error.recoded(codes::INVALID_FIELD))?,
        code: params.text("code").map(str::to_owned),
        ray_id: params.text("ray_id").map(str::to_owned),
        limit: params.number("limit", PER_PAGE, 1..=MOST)?,
        cursor: params.text("cursor").map(str::to_owned),
    })
}

fn reply(limit: u32, page: Result<TelemetryPage, TelemetryError>) -> Result<Reply, ApiError> {
    match page {
        Ok(page) => {
            let count = page.rows.len();
            Ok(Reply::new(page.rows)?.info(json!({
                "count": count,
                "per_page": limit,
                "cursor": page.next_cursor.unwrap_or_default(),
            })))
        }
        Err(error @ TelemetryError::BadCursor) => Err(ApiError::field("/cursor", format!("{error}."))),
        Err(error @ TelemetryError::Unavailable(_)) => Err(ApiError::new(codes::UNAVAILABLE, format!("{error}."))),
    }
}

async fn invocations(State(state): State<ControlState>, params: QueryParams) -> Result<Reply, ApiError> {
    let query = query(&params)?;
    let limit = query.limit;
    reply(limit, state.platform().invocations(query).await)
}

async fn connection_events(State(state): State<ControlState>, params: QueryParams) -> Result<Reply, ApiError> {
    let query = query(&params)?;
    let limit = query.limit;
    reply(limit, state.platform().connection_events(query).await)
}

/// The operations.
pub(crate) fn add(api: Api) -> Api {
    api.add(
        get(
            "/accounts/{account}/workers/invocations",
            Access::Needs(Permission::WorkersScriptsRead),
            "Read the records of invocations",
        ),
        invocations,
    )
    .add(
        get(
            "/accounts/{account}/connectivity/events",
            Access::Needs(Permission::ConnectivityDirectoryRead),
            "Read the records of connection attempts",
        ),
        connection_events,
    )
}
