//! Deployments over the API: listing them, and putting versions in force.

use std::collections::BTreeSet;

use axum::extract::State;
use serde_json::{Value, json};
use store::{DeploymentDetail, Percentage, Share, StoreError};
use uuid::Uuid;

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::request::{JsonBody, Params, path_uuid};
use crate::worker::{deployment_view, metadata};

/// How many deployments a listing shows, and a rollback looks back.
const SHOWN: u32 = 100;

/// `GET …/deployments`: newest first; the first one is in force.
pub(crate) async fn list(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let deployments = state.store().deployments(&script, SHOWN).await?;
    Reply::new(json!({
        "deployments": deployments.iter().map(deployment_view).collect::<Vec<_>>(),
    }))
}

/// `GET …/deployments/{deployment}`.
pub(crate) async fn read(
    State(state): State<ControlState>,
    Params((_, script, deployment)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let deployment = state.store().deployment(&script, path_uuid(&deployment, "deployment")?).await?;
    Reply::new(deployment_view(&deployment))
}

/// `DELETE …/deployments/{deployment}`: refused for the one in force.
pub(crate) async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script, deployment)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    state.store().delete_deployment(&script, path_uuid(&deployment, "deployment")?, &caller.actor()).await?;
    Ok(Reply::null())
}

fn shares(body: &Value) -> Result<Vec<Share>, ApiError> {
    let items = body
        .get("versions")
        .and_then(Value::as_array)
        .ok_or_else(|| ApiError::field("/versions", "versions must be a list of {version_id, percentage}."))?;
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let version_id = item
                .get("version_id")
                .and_then(Value::as_str)
                .and_then(|text| Uuid::parse_str(text).ok())
                .ok_or_else(|| {
                    ApiError::field(format!("/versions/{at}/version_id"), "version_id must be the UUID of a version.")
                })?;
            let percentage =
                item.get("percentage").and_then(Value::as_f64).and_then(Percentage::from_percent).ok_or_else(|| {
                    ApiError::field(
                        format!("/versions/{at}/percentage"),
                        "percentage must be a number from 0 to 100 with at most two decimals.",
                    )
                })?;
            Ok(Share { version_id, percentage })
        })
        .collect()
}

/// `POST …/deployments`.
pub(crate) async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    match body.get("strategy") {
        None | Some(Value::Null) => {}
        Some(Value::String(strategy)) if strategy == "percentage" => {}
        Some(other) => {
            return Err(ApiError::field("/strategy", format!("strategy must be \"percentage\", not {other}.")));
        }
    }
    let shares = shares(&body)?;
    let mut annotations = metadata::annotations(body.get("annotations"), codes::INVALID_FIELD)?;
    let earlier = state.store().deployments(&script, SHOWN).await?;
    let was_in_force: BTreeSet<Uuid> =
        earlier.iter().flat_map(|deployment| &deployment.shares).map(|share| share.version_id).collect();
    let in_force = earlier.first().map(|deployment| &deployment.shares);
    // What all of it served before, and does not serve all of it now, is a rollback; anything else is an upload
    // that takes over.
    let back = match shares.as_slice() {
        [only] => was_in_force.contains(&only.version_id) && in_force != Some(&shares),
        _ => false,
    };
    annotations.insert("workers/triggered_by".to_owned(), if back { "rollback" } else { "upload" }.to_owned());
    let detail = DeploymentDetail { source: caller.source.to_owned(), author: caller.token.name.clone(), annotations };
    let deployment = state
        .store()
        .deploy(&script, shares, detail, &caller.actor())
        .await
        .map_err(|error| match error {
            StoreError::NotFound {
                thing: store::Thing::Version,
                name,
            } => ApiError::new(
                codes::NOT_FOUND,
                format!("Version {name} is not a version of Worker \"{script}\". `wrangler versions list` shows those that are."),
            ),
            other => other.into(),
        })?;
    state.platform().configuration_changed().await;
    Reply::new(deployment_view(&deployment))
}
