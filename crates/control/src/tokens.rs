//! API tokens and the audit log over the API. The paths are Cloudflare's for tokens of an account; a token's
//! permissions are a plain list of keys or labels.

use axum::extract::State;
use serde_json::{Value, json};
use store::{ApiToken, AuditQuery, NewToken, Permission};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ControlState;
use crate::api::{Api, Body, delete, get, post};
use crate::auth::{Access, Caller};
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, PAGE, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid, rfc3339};

const EDIT: Access = Access::Needs(Permission::ApiTokensEdit);

const PER_PAGE: Parameter = per_page(100);
const LIMIT: Parameter =
    Parameter::new("limit", Form::Number { least: 1, most: 1_000, default: 100 }, "How many entries at most.");
const CURSOR: Parameter = Parameter::new(
    "cursor",
    Form::Pattern("^([0-9]{1,18})?$"),
    "result_info.cursor of the page before; without it, the newest entries.",
);
const RESOURCE: Parameter =
    Parameter::new("resource", Form::Text, "Only changes of resources of this type, as in worker.");

fn view(token: &ApiToken) -> Value {
    let status = if token.revoked_on.is_some() {
        "disabled"
    } else if token.expires_on.is_some_and(|at| at <= OffsetDateTime::now_utc()) {
        "expired"
    } else {
        "active"
    };
    json!({
        "id": token.id,
        "name": token.name,
        "status": status,
        "permissions": token.permissions,
        "issued_on": rfc3339(token.created_on),
        "expires_on": token.expires_on.map(rfc3339),
        "last_used_on": token.last_used_on.map(rfc3339),
        "revoked_on": token.revoked_on.map(rfc3339),
    })
}

async fn list(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let tokens = state.store().tokens().await?;
    Reply::page(tokens.iter().map(view).collect(), query.page(&PER_PAGE)?)
}

fn permissions(body: &Value) -> Result<Vec<Permission>, ApiError> {
    let known = || Permission::ALL.iter().map(|permission| permission.key()).collect::<Vec<_>>().join(", ");
    let items = body
        .get("permissions")
        .and_then(Value::as_array)
        .ok_or_else(|| ApiError::field("/permissions", format!("permissions must be a list of: {}.", known())))?;
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            item.as_str().and_then(Permission::parse).ok_or_else(|| {
                ApiError::field(
                    format!("/permissions/{at}"),
                    format!("{item} is not a permission; these are: {}.", known()),
                )
            })
        })
        .collect()
}

async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let name =
        body.get("name").and_then(Value::as_str).ok_or_else(|| ApiError::field("/name", "A token needs a name."))?;
    let permissions = permissions(&body)?;
    // Nobody hands out more than they hold.
    for permission in &permissions {
        caller.require(*permission, "give it to another token")?;
    }
    let expires_on = match body.get("expires_on") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(value.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok()).ok_or_else(|| {
                ApiError::field("/expires_on", "expires_on must be a time as in 2030-01-01T00:00:00Z.")
            })?)
        }
    };
    let (token, text) = state
        .store()
        .create_token(NewToken { name: name.to_owned(), permissions, expires_on }, &caller.actor())
        .await?;
    let mut shown = view(&token);
    if let (Some(shown), Some(text)) = (shown.as_object_mut(), text.expose_str()) {
        shown.insert("value".to_owned(), text.into());
    }
    Reply::new(shown)
}

async fn revoke(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, token)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&token, "API token")?;
    state.store().revoke_token(id, &caller.actor()).await?;
    Reply::new(json!({ "id": id }))
}

async fn permission_groups() -> Result<Reply, ApiError> {
    Reply::new(
        Permission::ALL
            .iter()
            .map(|permission| json!({ "id": permission.key(), "name": permission.label() }))
            .collect::<Vec<_>>(),
    )
}

async fn audit(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let limit = query.number(&LIMIT)?;
    let before = query
        .text(&CURSOR)
        .map(|text| {
            text.parse::<u64>()
                .map_err(|_| ApiError::field("/cursor", "The cursor is not one that an earlier answer gave."))
        })
        .transpose()?;
    let entries =
        state.store().audit(&AuditQuery { resource: query.text(&RESOURCE).map(str::to_owned), before, limit }).await?;
    let next = entries
        .last()
        .filter(|_| entries.len() == limit as usize)
        .map(|entry| entry.number.to_string())
        .unwrap_or_default();
    let views: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id,
                "when": rfc3339(entry.at),
                "actor": entry.actor,
                "action": entry.action,
                "resource": { "type": entry.resource, "id": entry.resource_id },
                "before": entry.before,
                "after": entry.after,
            })
        })
        .collect();
    let count = views.len();
    Ok(Reply::new(views)?.info(json!({ "count": count, "per_page": limit, "cursor": next })))
}

/// The operations.
pub(crate) fn add(api: Api) -> Api {
    const LIST: &str = "/accounts/{account}/tokens";
    api.add(get(LIST, EDIT, "List API tokens").query(&[PAGE, PER_PAGE]).list("ApiToken"), list)
        .add(
            post(LIST, EDIT, Body::Json("NewToken"), "Create an API token; its value is shown once").one("ApiToken"),
            create,
        )
        .add(delete("/accounts/{account}/tokens/{token}", EDIT, "Revoke an API token").one("Identified"), revoke)
        .add(
            get("/accounts/{account}/tokens/permission_groups", EDIT, "List the permissions that tokens can have")
                .list("PermissionGroup"),
            permission_groups,
        )
        .add(
            get("/accounts/{account}/audit_logs", EDIT, "Read the log of changes, newest first")
                .query(&[LIMIT, CURSOR, RESOURCE])
                .list("AuditEntry"),
            audit,
        )
}
