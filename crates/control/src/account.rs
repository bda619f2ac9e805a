//! Who one is and which account there is: what clients ask first.

use axum::extract::State;
use serde_json::{Value, json};
use store::Permission;

use crate::ControlState;
use crate::api::{Api, get};
use crate::auth::{Access, Caller};
use crate::envelope::{ApiError, Reply};
use crate::query::{PAGE, Parameter, QueryParams, per_page};
use crate::request::rfc3339;
use crate::worker::email;

const READ: Access = Access::Needs(Permission::AccountSettingsRead);
const PER_PAGE: Parameter = per_page(20);

fn account_view(state: &ControlState) -> Value {
    let account = state.store().account();
    json!({
        "id": account.slug,
        "tag": account.id.as_str(),
        "name": account.name,
        "type": "standard",
        "settings": {},
        "created_on": rfc3339(account.created_on),
    })
}

/// `GET /user/tokens/verify`.
async fn verify(caller: Caller) -> Result<Reply, ApiError> {
    Reply::new(json!({
        "id": caller.token.id.simple().to_string(),
        "status": "active",
        "expires_on": caller.token.expires_on.map(rfc3339),
        "permissions": caller.token.permissions,
    }))
}

/// `GET /user`.
async fn user(caller: Caller) -> Result<Reply, ApiError> {
    Reply::new(json!({
        "id": caller.token.id.simple().to_string(),
        "email": email(&caller.token.name),
        "username": caller.token.name,
        "suspended": false,
    }))
}

/// `GET /accounts`.
async fn accounts(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    Reply::page(vec![account_view(&state)], query.page(&PER_PAGE)?)
}

/// `GET /accounts/{account}`.
async fn account(State(state): State<ControlState>) -> Result<Reply, ApiError> {
    Reply::new(account_view(&state))
}

/// `GET /memberships`.
async fn memberships(State(state): State<ControlState>, caller: Caller, query: QueryParams) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    let roles: Vec<&str> = if Permission::ALL.iter().all(|permission| caller.token.allows(*permission)) {
        vec!["Super Administrator - All Privileges"]
    } else {
        caller.token.permissions.iter().map(|permission| permission.label()).collect()
    };
    Reply::page(
        vec![json!({
            "id": caller.token.id.simple().to_string(),
            "status": "accepted",
            "account": account_view(&state),
            "roles": roles,
        })],
        page,
    )
}

/// The operations.
pub(crate) fn add(api: Api) -> Api {
    api.add(get("/user/tokens/verify", Access::AnyToken, "Check the API token").one("TokenStatus"), verify)
        .add(
            get("/accounts/{account}/tokens/verify", Access::AnyToken, "Check the API token as one of the account")
                .one("TokenStatus"),
            verify,
        )
        .add(get("/user", Access::AnyToken, "Read who the API token belongs to").one("User"), user)
        .add(get("/accounts", Access::AnyToken, "List accounts").query(&[PAGE, PER_PAGE]).list("Account"), accounts)
        .add(get("/accounts/{account}", READ, "Read the account").one("Account"), account)
        .add(
            get("/memberships", Access::AnyToken, "List memberships").query(&[PAGE, PER_PAGE]).list("Membership"),
            memberships,
        )
}
