//! API tokens and the audit log over the API. The paths are Cloudflare's for tokens of an account; a token's
//! permissions are a plain list of keys or labels, or a policy as in `token_policies.rs`.

use axum::extract::State;
use serde_json::{Value, json};
use store::{ApiToken, AuditQuery, NewToken, Permission};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::ControlState;
use crate::api::{Api, Body, delete, get, post, put};
use crate::auth::{Access, Caller};
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, PAGE, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid, rfc3339};
use crate::token_policies;

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

const OF_NAME: Parameter = Parameter::new("name", Form::Text, "Only the one of this name.");
const OF_SCOPE: Parameter = Parameter::new("scope", Form::Text, "Only those of this scope; all are of the account's.");
/// What every permission is about.
const SCOPE: &str = "com.cloudflare.api.account";

fn view(token: &ApiToken, account: &str) -> Value {
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
        "policies": token_policies::view(token, account),
        "issued_on": rfc3339(token.created_on),
        "expires_on": token.expires_on.map(rfc3339),
        "last_used_on": token.last_used_on.map(rfc3339),
        "revoked_on": token.revoked_on.map(rfc3339),
    })
}

async fn list(
    State(state): State<ControlState>,
    Params(account): Params<String>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let tokens = state.store().tokens().await?;
    Reply::page(tokens.iter().map(|token| view(token, &account)).collect(), query.page(&PER_PAGE)?)
}

/// What a body makes of a token. Nobody hands out more than they hold.
fn wanted(state: &ControlState, caller: &Caller, body: &Value) -> Result<NewToken, ApiError> {
    let name =
        body.get("name").and_then(Value::as_str).ok_or_else(|| ApiError::field("/name", "A token needs a name."))?;
    for member in ["condition", "not_before"] {
        if body.get(member).is_some_and(|value| !value.is_null()) {
            let message = format!("{member} of a token is not available in Culvert. Remove it from the configuration.");
            return Err(ApiError::field(format!("/{member}"), message));
        }
    }
    let permissions = match body.get("policies").filter(|policies| !policies.is_null()) {
        Some(policies) => token_policies::parse(policies, state.store().account())?,
        None => {
            let items = body.get("permissions").and_then(Value::as_array).ok_or_else(|| {
                let message = format!("permissions must be a list of: {}.", token_policies::known());
                ApiError::field("/permissions", message)
            })?;
            token_policies::permissions(items, "/permissions", Value::as_str)?
        }
    };
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
    Ok(NewToken { name: name.to_owned(), permissions, expires_on })
}

/// Errs where a token may do what the caller may not: nobody decides on those who are above them.
async fn check_reach(state: &ControlState, caller: &Caller, token: Uuid, to: &str) -> Result<(), ApiError> {
    state.store().token(token).await?.permissions.iter().try_for_each(|permission| caller.require(*permission, to))
}

async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    Params(account): Params<String>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let wanted = wanted(&state, &caller, &body)?;
    let (token, text) = state.store().create_token(wanted, &caller.actor()).await?;
    let mut shown = view(&token, &account);
    if let (Some(shown), Some(text)) = (shown.as_object_mut(), text.expose_str()) {
        shown.insert("value".to_owned(), text.into());
    }
    Reply::new(shown)
}

/// `GET …/tokens/{token}`: one that was not revoked.
async fn read(
    State(state): State<ControlState>,
    Params((account, token)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let token = state.store().token(path_uuid(&token, "API token")?).await?;
    Reply::new(view(&token, &account))
}

/// `PUT …/tokens/{token}`: its value stays.
async fn replace(
    State(state): State<ControlState>,
    caller: Caller,
    Params((account, token)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&token, "API token")?;
    if let Some(other) = body.get("status").filter(|status| !status.is_null() && **status != "active") {
        let message = format!("A token is active until it expires or is deleted; its status cannot be {other}.");
        return Err(ApiError::field("/status", message));
    }
    let wanted = wanted(&state, &caller, &body)?;
    check_reach(&state, &caller, id, "change a token that has it").await?;
    let token = state.store().update_token(id, wanted, &caller.actor()).await?;
    Reply::new(view(&token, &account))
}

/// `PUT …/tokens/{token}/value`: another value, which only those may see who may do what it may.
async fn roll(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, token)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&token, "API token")?;
    check_reach(&state, &caller, id, "see the value of a token that has it").await?;
    let text = state.store().roll_token(id, &caller.actor()).await?;
    Reply::new(text.expose_str())
}

async fn revoke(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, token)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&token, "API token")?;
    // One that was revoked already is found, and stays as it is.
    match check_reach(&state, &caller, id, "revoke a token that has it").await {
        Err(error) if error.code() != Some(codes::NOT_FOUND) => return Err(error),
        _ => {}
    }
    state.store().revoke_token(id, &caller.actor()).await?;
    Reply::new(json!({ "id": id }))
}

/// `GET …/tokens/permission_groups`: Terraform takes the first of those that a name finds.
async fn permission_groups(query: QueryParams) -> Result<Reply, ApiError> {
    // Cloudflare's clients write one of the two, depending on their age.
    let regular = |name: &str| name.to_ascii_lowercase().replace("write", "edit");
    let is_wanted = |permission: &Permission| {
        query.text(&OF_NAME).is_none_or(|name| regular(name) == regular(permission.label()))
            && query.text(&OF_SCOPE).is_none_or(|scope| scope == SCOPE)
    };
    Reply::new(
        Permission::ALL
            .iter()
            .filter(|permission| is_wanted(permission))
            .map(|permission| json!({ "id": permission.key(), "name": permission.label(), "scopes": [SCOPE] }))
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
    const ONE: &str = "/accounts/{account}/tokens/{token}";
    api.add(get(LIST, EDIT, "List API tokens").query(&[PAGE, PER_PAGE]).list("ApiToken"), list)
        .add(
            post(LIST, EDIT, Body::Json("NewToken"), "Create an API token; its value is shown once").one("ApiToken"),
            create,
        )
        .add(get(ONE, EDIT, "Read an API token").one("ApiToken"), read)
        .add(put(ONE, EDIT, Body::Json("NewToken"), "Replace what an API token may do").one("ApiToken"), replace)
        .add(
            put("/accounts/{account}/tokens/{token}/value", EDIT, Body::None, "Give an API token another value")
                .one("TokenValue"),
            roll,
        )
        .add(delete(ONE, EDIT, "Revoke an API token").one("Identified"), revoke)
        .add(
            get("/accounts/{account}/tokens/permission_groups", EDIT, "List the permissions that tokens can have")
                .query(&[OF_NAME, OF_SCOPE])
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
