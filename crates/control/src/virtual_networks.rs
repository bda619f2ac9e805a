//! Virtual networks: `/accounts/{account}/teamnet/virtual_networks`. Cloudflare has them for private networks whose addresses are
//! the same; Culvert has the default one, which routes name, and says so.

use axum::extract::State;
use serde_json::{Value, json};
use store::Permission;
use uuid::Uuid;

use crate::ControlState;
use crate::api::{Api, Body, get, post};
use crate::auth::Access;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, Parameter, QueryParams};
use crate::request::{JsonBody, Params, path_uuid, rfc3339};

const READ: Access = Access::Needs(Permission::TunnelRead);
const EDIT: Access = Access::Needs(Permission::TunnelEdit);
const OF_ID: Parameter = Parameter::new("id", Form::Uuid, "Only the one with this identifier.");
const OF_NAME: Parameter = Parameter::new("name", Form::Text, "Only those of this name.");
const IS_DEFAULT: Parameter = Parameter::new("is_default", Form::Flag, "Only the default one when true.");
const IS_DEFAULT_NETWORK: Parameter =
    Parameter::new("is_default_network", Form::Flag, "Only the default one when true.");
const IS_DELETED: Parameter = Parameter::new("is_deleted", Form::Flag, "Only deleted ones when true: there are none.");

/// The name of the one that there is.
pub(crate) const NAME: &str = "default";

/// The identifier of the one that there is: the account's, which has as many digits.
pub(crate) fn id(state: &ControlState) -> Uuid {
    Uuid::parse_str(state.store().account().id.as_str()).unwrap_or_default()
}

fn view(state: &ControlState) -> Value {
    json!({
        "id": id(state),
        "name": NAME,
        "comment": "",
        "is_default_network": true,
        "created_at": rfc3339(state.store().account().created_on),
        "deleted_at": null,
    })
}

/// `GET …/virtual_networks`.
async fn list(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let shown = query.uuid(&OF_ID)?.is_none_or(|wanted| wanted == id(&state))
        && query.text(&OF_NAME).is_none_or(|wanted| wanted == NAME)
        && query.flag(&IS_DEFAULT)?.unwrap_or(true)
        && query.flag(&IS_DEFAULT_NETWORK)?.unwrap_or(true)
        && !query.flag(&IS_DELETED)?.unwrap_or(false);
    Reply::new(if shown { vec![view(&state)] } else { Vec::new() })
}

/// `GET …/virtual_networks/{network}`.
async fn read(
    State(state): State<ControlState>,
    Params((_, network)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    if path_uuid(&network, "virtual network")? != id(&state) {
        let message = format!("There is no virtual network {network}; the only one is {}.", id(&state));
        return Err(ApiError::new(codes::NOT_FOUND, message));
    }
    Reply::new(view(&state))
}

/// `POST …/virtual_networks`.
async fn refuse(JsonBody(_): JsonBody) -> ApiError {
    let message = "Virtual networks are not available in Culvert, but for the default one. Remove this one from the configuration; private networks with the same addresses are told apart by the tunnel_id of a binding or of a VPC Service.";
    ApiError::new(codes::NOT_AVAILABLE, message)
}

/// The operations on virtual networks.
pub(crate) fn add(api: Api) -> Api {
    const LIST: &str = "/accounts/{account}/teamnet/virtual_networks";
    api.add(
        get(LIST, READ, "List virtual networks: there is one")
            .query(&[OF_ID, OF_NAME, IS_DEFAULT, IS_DEFAULT_NETWORK, IS_DELETED])
            .list("VirtualNetwork"),
        list,
    )
    .add(
        post(
            LIST,
            EDIT,
            Body::Json("NewVirtualNetwork"),
            "Refuse a virtual network, which is not available in Culvert",
        )
        .nothing(),
        refuse,
    )
    .add(
        get("/accounts/{account}/teamnet/virtual_networks/{network}", READ, "Read the virtual network")
            .one("VirtualNetwork"),
        read,
    )
}
