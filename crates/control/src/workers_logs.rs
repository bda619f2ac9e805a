//! Workers' logs, asked as those of Cloudflare are: `POST …/workers/observability/telemetry/query`, `…/keys` and `…/values`, as its SDKs
//! call them. Questions and answers have Cloudflare's form; besides, `result_info.cursor` is the `offset` of the next page, empty at the
//! end, and `result_info.lost` says how many invocations of that time are not kept because there were too many. What of a question
//! can be answered the platform knows; it refuses the rest by error 20000 with its place in `source.pointer`.

use std::time::Instant;

use axum::extract::State;
use serde_json::{Value, json};
use store::Permission;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ControlState;
use crate::api::{Api, Body, post};
use crate::auth::{Access, Caller};
use crate::codes;
use crate::envelope::{ApiError, Message, Reply};
use crate::platform::{LogsAbout, LogsFound};
use crate::request::{JsonBody, rfc3339};

async fn ask(state: &ControlState, about: LogsAbout, asked: Value) -> Result<LogsFound, ApiError> {
    if !asked.is_object() {
        return Err(ApiError::field("", "Logs are asked for with an object."));
    }
    Ok(state.platform().logs(about, state.store().account().slug.clone(), asked).await?)
}

/// An answer, with what has to be known of how it was found.
fn reply(result: Value, found: &LogsFound) -> Result<Reply, ApiError> {
    let remark = found.looked_back_to.map(|time| Message {
        code: codes::UNAVAILABLE.number,
        message: format!(
            "{} invocations were looked at, back to {}, and no more are for one answer. Ask for a shorter time, or add a filter on \
             $metadata.service, $workers.outcome, $metadata.rayId or a needle, which are found without looking; a query can go on \
             from result_info.cursor as its offset.",
            found.invocations_read,
            rfc3339(time)
        ),
    });
    let cursor = found.next_offset.as_deref().unwrap_or_default();
    let info = json!({ "count": found.count, "cursor": cursor, "lost": found.lost });
    Ok(Reply::new(result)?.info(info).messages(remark.into_iter().collect()))
}

/// `POST …/query`: a run of a query that is not saved.
async fn query(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(asked): JsonBody,
) -> Result<Reply, ApiError> {
    let (begun, created) = (Instant::now(), rfc3339(OffsetDateTime::now_utc()));
    let mut found = ask(&state, LogsAbout::Events, asked.clone()).await?;
    let statistics = json!({
        "elapsed": begun.elapsed().as_secs_f64(), "rows_read": found.invocations_read, "bytes_read": found.bytes_read,
    });
    let id = Uuid::new_v4();
    let name = asked.get("queryId").and_then(Value::as_str).map_or_else(|| id.to_string(), str::to_owned);
    let by = &caller.token.name;
    let mut result = json!({
        "run": {
            "id": id, "accountId": state.store().account().slug, "dry": asked["dry"] == true, "granularity": 0,
            "status": "COMPLETED", "timeframe": asked["timeframe"], "userId": caller.token.id.simple().to_string(),
            "created": created, "updated": created, "statistics": statistics,
            "query": {
                "id": name, "name": name, "adhoc": true, "description": null, "parameters": asked["parameters"],
                "created": created, "createdBy": by, "updated": created, "updatedBy": by,
            },
        },
        "statistics": statistics,
    });
    let shown = found.result.take();
    if asked["view"] == "invocations" {
        result["invocations"] = shown;
    } else {
        result["events"] = json!({ "events": shown });
        let is_first = asked.get("offset").is_none_or(|offset| offset == "");
        if is_first && found.next_offset.is_none() {
            // These are all that there are; otherwise nobody counted.
            result["events"]["count"] = found.count.into();
        }
    }
    reply(result, &found)
}

/// `POST …/keys`
async fn keys(State(state): State<ControlState>, JsonBody(asked): JsonBody) -> Result<Reply, ApiError> {
    let mut found = ask(&state, LogsAbout::Keys, asked).await?;
    reply(found.result.take(), &found)
}

/// `POST …/values`
async fn values(State(state): State<ControlState>, JsonBody(asked): JsonBody) -> Result<Reply, ApiError> {
    let mut found = ask(&state, LogsAbout::Values, asked).await?;
    reply(found.result.take(), &found)
}

/// The operations.
pub(crate) fn add(api: Api) -> Api {
    const READ: Access = Access::Needs(Permission::WorkersScriptsRead);
    api.add(
        post(
            "/accounts/{account}/workers/observability/telemetry/query",
            READ,
            Body::Json("LogQuery"),
            "Read the events of Workers' logs",
        )
        .one("LogsFound"),
        query,
    )
    .add(
        post(
            "/accounts/{account}/workers/observability/telemetry/keys",
            READ,
            Body::Json("LogKeys"),
            "List the members that events of Workers' logs have",
        )
        .list("LogKey"),
        keys,
    )
    .add(
        post(
            "/accounts/{account}/workers/observability/telemetry/values",
            READ,
            Body::Json("LogValues"),
            "List the values that a member of such events has",
        )
        .list("LogValue"),
        values,
    )
}
