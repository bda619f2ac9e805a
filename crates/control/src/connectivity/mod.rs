//! VPC Services over the API: `/accounts/{account}/connectivity/directory/services`.

mod diagnose;
mod policy;
pub(crate) mod references;
mod spec;

use axum::extract::State;
use serde_json::Value;
use store::{Force, Permission, StoreError, Thing};

use crate::ControlState;
use crate::api::{Api, Body, delete, get, post, put};
use crate::auth::{Access, Caller};
use crate::envelope::{ApiError, Reply};
use crate::query::{FORCE, Form, PAGE, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid};

pub(crate) use policy::schema as policy_schema;

const READ: Access = Access::Needs(Permission::ConnectivityDirectoryRead);
const ADMIN: Access = Access::Needs(Permission::ConnectivityDirectoryAdmin);

const PER_PAGE: Parameter = per_page(1_000);
const OF_TYPE: Parameter = Parameter::new("type", Form::Word(&["http", "tcp"]), "Only those of this type.");

/// `GET …/services`.
async fn list(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    let kind = query.word(&OF_TYPE)?;
    let views: Vec<Value> = state
        .store()
        .services()
        .await?
        .iter()
        .filter(|service| kind.is_none_or(|kind| kind == service.spec.protocol.kind()))
        .map(spec::view)
        .collect();
    Reply::page(views, page)
}

/// What a service points at is named by the field that points there.
fn reference_error(error: StoreError, body: &Value) -> ApiError {
    match &error {
        StoreError::NotFound { thing: Thing::Tunnel, name } => ApiError::field(
            spec::tunnel_pointer(body),
            format!("The tunnel {name} does not exist. `wrangler tunnel list` shows those that do."),
        ),
        StoreError::NotFound { thing: Thing::Certificate, name } => {
            let client = body
                .pointer("/tls_settings/client_certificate")
                .and_then(Value::as_str)
                .is_some_and(|text| text.eq_ignore_ascii_case(name));
            let root = body
                .pointer("/policy/trusted_roots")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|root| root.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name)));
            let (pointer, words) = if root {
                ("/policy/trusted_roots", "certificate authority")
            } else if client {
                ("/tls_settings/client_certificate", "client certificate")
            } else {
                ("/tls_settings/certificate_authority", "certificate authority")
            };
            ApiError::field(
                pointer,
                format!("The {words} {name} does not exist. `wrangler cert list` shows those that do."),
            )
        }
        _ => error.into(),
    }
}

/// `POST …/services`.
async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let wanted = spec::parse(&body)?;
    let service =
        state.store().create_service(wanted, &caller.actor()).await.map_err(|error| reference_error(error, &body))?;
    state.platform().configuration_changed().await;
    Reply::new(spec::view(&service))
}

/// `GET …/services/{service}`.
async fn read(
    State(state): State<ControlState>,
    Params((_, service)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let service = state.store().service(path_uuid(&service, "VPC Service")?).await?;
    Reply::new(spec::view(&service))
}

/// `PUT …/services/{service}`: replaces it as a whole, but for a policy that is not mentioned.
async fn replace(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, service)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&service, "VPC Service")?;
    let mut wanted = spec::parse(&body)?;
    if body.get("policy").is_none() {
        // Clients that do not know the field must not remove by accident what others allowed only in part.
        wanted.policy = state.store().service(id).await?.spec.policy;
    }
    let service = state
        .store()
        .replace_service(id, wanted, &caller.actor())
        .await
        .map_err(|error| reference_error(error, &body))?;
    state.platform().configuration_changed().await;
    Reply::new(spec::view(&service))
}

/// `DELETE …/services/{service}`: refused while deployed Workers bind it, unless `force=true`.
async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, service)): Params<(String, String)>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&service, "VPC Service")?;
    let force = if query.flag(&FORCE)?.unwrap_or(false) { Force::Yes } else { Force::No };
    state.store().delete_service(id, force, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Ok(Reply::null())
}

/// The operations on VPC Services.
pub(crate) fn add(api: Api) -> Api {
    const LIST: &str = "/accounts/{account}/connectivity/directory/services";
    const ONE: &str = "/accounts/{account}/connectivity/directory/services/{service}";
    const DIAGNOSE: &str = "/accounts/{account}/connectivity/directory/services/{service}/diagnose";
    let body = Body::Json("VpcService");
    api.add(get(LIST, READ, "List VPC Services").query(&[PAGE, PER_PAGE, OF_TYPE]).list("ServiceView"), list)
        .add(post(LIST, ADMIN, body, "Create a VPC Service").one("ServiceView"), create)
        .add(get(ONE, READ, "Read a VPC Service").one("ServiceView"), read)
        .add(put(ONE, ADMIN, body, "Replace a VPC Service").one("ServiceView"), replace)
        .add(delete(ONE, ADMIN, "Delete a VPC Service").query(&[FORCE]).nothing(), remove)
        .add(
            get(
                "/accounts/{account}/connectivity/directory/services/{service}/references",
                READ,
                "List the deployed Workers that bind a VPC Service",
            )
            .list("Reference"),
            references::of_service,
        )
        .add(
            post(DIAGNOSE, READ, Body::Json("Diagnosis"), "Connect to a VPC Service now").one("DiagnosisView"),
            diagnose::diagnose,
        )
}
