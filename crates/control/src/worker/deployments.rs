//! Deployments over the API: listing them, and putting versions in force.

use std::collections::BTreeSet;

use axum::extract::State;
use serde_json::{Value, json};
use store::{DeploymentDetail, Percentage, Share, StoreError, Version};
use uuid::Uuid;

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, Parameter, QueryParams};
use crate::request::{JsonBody, Params, path_uuid};
use crate::worker::{bindings, deployment_view, metadata};

/// That a version may come back that has other secrets.
pub(super) const DESPITE_SECRETS: Parameter =
    Parameter::new("force", Form::Flag, "Also back to a version from before secrets were changed.");

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

/// Errs where a version is to come back that is older than those in force and has other secrets than the newest of these:
/// whoever rotated a secret does not expect its old text back.
async fn refuse_old_secrets(
    state: &ControlState,
    script: &str,
    in_force: &[Share],
    wanted: &[Share],
) -> Result<(), ApiError> {
    let versions = state.store().versions(script).await?;
    let has = |shares: &[Share], id: Uuid| {
        shares.iter().any(|share| share.version_id == id && share.percentage.basis_points() > 0)
    };
    // Newest first.
    let Some(newest) = versions.iter().find(|version| has(in_force, version.id)) else { return Ok(()) };
    let secrets = state.store().version_secrets(newest.id).await?;
    let mut changed = BTreeSet::new();
    for old in versions.iter().filter(|version| version.number < newest.number) {
        if !has(wanted, old.id) || has(in_force, old.id) {
            continue;
        }
        let before = state.store().version_secrets(old.id).await?;
        let names = before.keys().chain(secrets.keys());
        changed.extend(names.filter(|name| before.get(*name) != secrets.get(*name)).cloned());
    }
    if changed.is_empty() {
        return Ok(());
    }
    // wrangler reads the names after the last colon, and asks whether to go on all the same.
    let names = changed.into_iter().collect::<Vec<_>>().join(", ");
    Err(ApiError::new(
        codes::SECRETS_CHANGED,
        format!(
            "The version has other secrets than the one in force: to go back to it all the same, use `wrangler rollback` and confirm, or send force=true. The following secrets have changed: {names}"
        ),
    ))
}

/// Errs unless the caller may bind what the wanted versions have and those in force do not: bringing a binding back is
/// binding it.
async fn check_bindings(
    state: &ControlState,
    caller: &Caller,
    script: &str,
    in_force: &[Share],
    wanted: &[Share],
) -> Result<(), ApiError> {
    let versions = state.store().versions(script).await?;
    let of = |shares: &[Share]| {
        let is_one = |version: &&Version| shares.iter().any(|share| share.version_id == version.id);
        versions.iter().filter(is_one).flat_map(|version| &version.detail.bindings).collect::<Vec<_>>()
    };
    let bound = of(in_force);
    let new = of(wanted).into_iter().filter(|binding| !bound.contains(binding));
    bindings::check_permissions(caller, new)
}

/// `POST …/deployments`.
pub(crate) async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    query: QueryParams,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let force = query.flag(&DESPITE_SECRETS)?.unwrap_or(false);
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
    check_bindings(&state, &caller, &script, in_force.map_or(&[], Vec::as_slice), &shares).await?;
    if let (false, Some(in_force)) = (force, in_force) {
        refuse_old_secrets(&state, &script, in_force, &shares).await?;
    }
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
