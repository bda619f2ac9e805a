//! Tunnels over the API: `/accounts/{account}/cfd_tunnel`.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use store::{ConfigSource, Force, Permission, Secret, Tunnel, TunnelQuery};

use crate::ControlState;
use crate::api::{Api, Body, delete, get, patch, post};
use crate::auth::{Access, Caller};
use crate::codes;
use crate::connectivity::references;
use crate::envelope::{ApiError, Reply};
use crate::platform::TunnelConnection;
use crate::query::{FORCE, Form, PAGE, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid, rfc3339};

const READ: Access = Access::Needs(Permission::TunnelRead);
const EDIT: Access = Access::Needs(Permission::TunnelEdit);
const PER_PAGE: Parameter = per_page(100);
const OF_NAME: Parameter = Parameter::new("name", Form::Text, "Only those of this name.");
const OF_PREFIX: Parameter = Parameter::new("include_prefix", Form::Text, "Only those whose name begins like this.");
const NOT_OF_PREFIX: Parameter =
    Parameter::new("exclude_prefix", Form::Text, "Only those whose name does not begin like this.");
const OF_UUID: Parameter = Parameter::new("uuid", Form::Uuid, "Only the one with this identifier.");
const OF_STATUS: Parameter =
    Parameter::new("status", Form::Word(&["inactive", "degraded", "healthy", "down"]), "Only those in this state.");
const IS_DELETED: Parameter =
    Parameter::new("is_deleted", Form::Flag, "Only deleted tunnels when true; without it, those that are not deleted.");
const CASCADE: Parameter = Parameter::new("cascade", Form::Flag, "The same as force.");
/// Connections that a healthy connector keeps.
const FULL: usize = 4;

fn connection_view(connection: &TunnelConnection) -> Value {
    json!({
        "id": connection.id,
        "uuid": connection.id,
        "client_id": connection.client_id,
        "client_version": connection.client_version,
        "colo_name": connection.location,
        "origin_ip": connection.origin_ip,
        "opened_at": rfc3339(connection.opened_at),
        "is_pending_reconnect": connection.is_pending_reconnect,
    })
}

/// `inactive`: nobody is connected. `degraded`: somebody is, with fewer connections than a connector keeps.
fn status(connections: &[TunnelConnection]) -> &'static str {
    let live = connections.iter().filter(|connection| !connection.is_pending_reconnect).count();
    match live {
        0 => "inactive",
        live if live < FULL => "degraded",
        _ => "healthy",
    }
}

fn view(state: &ControlState, tunnel: &Tunnel) -> Value {
    let connections =
        if tunnel.deleted_on.is_some() { Vec::new() } else { state.platform().tunnel_connections(tunnel.id) };
    let since = connections
        .iter()
        .filter(|connection| !connection.is_pending_reconnect)
        .map(|connection| connection.opened_at)
        .min();
    json!({
        "id": tunnel.id,
        "account_tag": state.store().account().id.as_str(),
        "name": tunnel.name,
        "tun_type": "cfd_tunnel",
        "config_src": tunnel.config_src.as_str(),
        "remote_config": tunnel.config_src == ConfigSource::Remote,
        "status": status(&connections),
        "created_at": rfc3339(tunnel.created_on),
        "deleted_at": tunnel.deleted_on.map(rfc3339),
        "conns_active_at": since.map(rfc3339),
        "conns_inactive_at": null,
        "connections": connections.iter().map(connection_view).collect::<Vec<_>>(),
        "metadata": {},
    })
}

/// `GET …/cfd_tunnel`. Pages end with an empty one, which clients rely on.
async fn list(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    // Cloudflare shows deleted ones beside the others when it is not told; whoever sees them without knowing why is misled.
    let deleted = query.flag(&IS_DELETED)?.unwrap_or(false);
    let tunnels = state
        .store()
        .tunnels(&TunnelQuery { name: query.text(&OF_NAME).map(str::to_owned), deleted: Some(deleted) })
        .await?;
    let uuid = query.uuid(&OF_UUID)?;
    let wanted_status = query.word(&OF_STATUS)?;
    let views: Vec<Value> = tunnels
        .iter()
        .filter(|tunnel| uuid.is_none_or(|uuid| uuid == tunnel.id))
        .filter(|tunnel| query.text(&OF_PREFIX).is_none_or(|prefix| tunnel.name.starts_with(prefix)))
        .filter(|tunnel| query.text(&NOT_OF_PREFIX).is_none_or(|prefix| !tunnel.name.starts_with(prefix)))
        .map(|tunnel| view(&state, tunnel))
        .filter(|view| wanted_status.is_none_or(|status| view["status"] == status))
        .collect();
    Reply::page(views, page)
}

fn read_secret(body: &Value) -> Result<Option<Secret>, ApiError> {
    match body.get("tunnel_secret") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok())
            .map(|bytes| Some(Secret::new(bytes)))
            .ok_or_else(|| ApiError::field("/tunnel_secret", "tunnel_secret must be 32 bytes or more in base64.")),
    }
}

/// `POST …/cfd_tunnel`.
async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let name =
        body.get("name").and_then(Value::as_str).ok_or_else(|| ApiError::field("/name", "A tunnel needs a name."))?;
    let config_src = match body.get("config_src") {
        None | Some(Value::Null) => ConfigSource::Local,
        Some(value) => value.as_str().and_then(ConfigSource::parse).ok_or_else(|| {
            ApiError::field("/config_src", format!("config_src must be \"local\" or \"cloudflare\", not {value}."))
        })?,
    };
    let secret = read_secret(&body)?;
    let tunnel = state.store().create_tunnel(name, config_src, secret, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    let mut shown = view(&state, &tunnel);
    let token = token_of(&state, &tunnel).await?;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("token".to_owned(), token.into());
    }
    Reply::new(shown)
}

/// `GET …/cfd_tunnel/{tunnel}`.
async fn read(
    State(state): State<ControlState>,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    Reply::new(view(&state, &tunnel))
}

/// `PATCH …/cfd_tunnel/{tunnel}`: another name, another secret. With another secret its connections are cut.
async fn change(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, tunnel)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&tunnel, "tunnel")?;
    let name = match body.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => return Err(ApiError::field("/name", "name must be a string.")),
    };
    let secret = read_secret(&body)?;
    let tunnel = state.store().update_tunnel(id, name, secret, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(view(&state, &tunnel))
}

/// `DELETE …/cfd_tunnel/{tunnel}`: its connections are cut. Refused while VPC Services or Workers use it, unless
/// `force=true` (`cascade=true` means the same).
async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, tunnel)): Params<(String, String)>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&tunnel, "tunnel")?;
    let force = query.flag(&FORCE)?.unwrap_or(false) || query.flag(&CASCADE)?.unwrap_or(false);
    let force = if force { Force::Yes } else { Force::No };
    let tunnel = state.store().delete_tunnel(id, force, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(view(&state, &tunnel))
}

/// The token as connectors take it: base64 of `{"a": account tag, "t": tunnel, "s": base64 of the secret}`.
async fn token_of(state: &ControlState, tunnel: &Tunnel) -> Result<String, ApiError> {
    let secret = state.store().tunnel_secret(tunnel.id).await?;
    let token = json!({
        "a": state.store().account().id.as_str(),
        "t": tunnel.id,
        "s": STANDARD.encode(secret.expose()),
    });
    Ok(STANDARD.encode(token.to_string()))
}

/// `GET …/cfd_tunnel/{tunnel}/token`.
async fn token(
    State(state): State<ControlState>,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    Reply::new(token_of(&state, &tunnel).await?)
}

/// The connections of a tunnel by connector.
fn clients(connections: &[TunnelConnection]) -> Vec<Value> {
    let mut clients: Vec<Value> = Vec::new();
    for connection in connections {
        let id = connection.client_id.to_string();
        if clients.iter().any(|client| client["id"] == id.as_str()) {
            continue;
        }
        let own: Vec<&TunnelConnection> =
            connections.iter().filter(|other| other.client_id == connection.client_id).collect();
        let since = own.iter().map(|connection| connection.opened_at).min();
        clients.push(json!({
            "id": id,
            "version": connection.client_version,
            "arch": connection.arch,
            "features": connection.features,
            "run_at": since.map(rfc3339),
            "conns": own.iter().map(|connection| connection_view(connection)).collect::<Vec<_>>(),
        }));
    }
    clients
}

/// `GET …/cfd_tunnel/{tunnel}/connections`.
async fn connections(
    State(state): State<ControlState>,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    Reply::new(clients(&state.platform().tunnel_connections(tunnel.id)))
}

/// `GET …/cfd_tunnel/{tunnel}/connectors/{connector}`: one that is connected.
async fn connector(
    State(state): State<ControlState>,
    Params((_, tunnel, connector)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    let id = path_uuid(&connector, "connector")?.to_string();
    let found = clients(&state.platform().tunnel_connections(tunnel.id)).into_iter().find(|client| client["id"] == id);
    let message = || format!("The tunnel \"{}\" has no connector {id} that is connected now.", tunnel.name);
    Reply::new(found.ok_or_else(|| ApiError::new(codes::NOT_FOUND, message()))?)
}

/// `GET …/cfd_tunnel/{tunnel}/connectors`, Culvert's own: each connector with all that is known of it.
async fn connectors(
    State(state): State<ControlState>,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    Reply::new(state.platform().connectors(tunnel.id))
}

/// `DELETE …/cfd_tunnel/{tunnel}/connections`: cuts the connections; connectors that may, come back.
async fn cut(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    let connections = state.platform().tunnel_connections(tunnel.id);
    let connections = connections.iter().map(connection_view).collect();
    state.store().tunnel_was_cut(tunnel.id, connections, &caller.actor()).await?;
    state.platform().cut_tunnel(tunnel.id);
    Ok(Reply::null())
}

/// The operations on tunnels.
pub(crate) fn add(api: Api) -> Api {
    const QUERY: &[Parameter] = &[PAGE, PER_PAGE, OF_NAME, OF_PREFIX, NOT_OF_PREFIX, OF_UUID, OF_STATUS, IS_DELETED];
    const LIST: &str = "/accounts/{account}/cfd_tunnel";
    const ONE: &str = "/accounts/{account}/cfd_tunnel/{tunnel}";
    const CONNECTIONS: &str = "/accounts/{account}/cfd_tunnel/{tunnel}/connections";
    api.add(get(LIST, READ, "List tunnels").query(QUERY).list("Tunnel"), list)
        .add(
            get("/accounts/{account}/tunnels", READ, "List tunnels of every kind: there is one kind")
                .query(QUERY)
                .list("Tunnel"),
            list,
        )
        .add(post(LIST, EDIT, Body::Json("NewTunnel"), "Create a tunnel").one("Tunnel"), create)
        .add(get(ONE, READ, "Read a tunnel").one("Tunnel"), read)
        .add(patch(ONE, EDIT, Body::Json("TunnelPatch"), "Rename a tunnel or rotate its secret").one("Tunnel"), change)
        .add(delete(ONE, EDIT, "Delete a tunnel").query(&[FORCE, CASCADE]).one("Tunnel"), remove)
        .add(
            get("/accounts/{account}/cfd_tunnel/{tunnel}/token", EDIT, "Read the token for a tunnel's connectors")
                .one("TunnelToken"),
            token,
        )
        .add(get(CONNECTIONS, READ, "List the connectors of a tunnel").list("ConnectorConnections"), connections)
        .add(
            get("/accounts/{account}/cfd_tunnel/{tunnel}/connectors", READ, "Read the state of a tunnel's connectors")
                .list("Connector"),
            connectors,
        )
        .add(
            get(
                "/accounts/{account}/cfd_tunnel/{tunnel}/connectors/{connector}",
                READ,
                "Read a connector that is connected",
            )
            .one("ConnectorConnections"),
            connector,
        )
        .add(
            get(
                "/accounts/{account}/cfd_tunnel/{tunnel}/references",
                READ,
                "List the deployed Workers that bind a tunnel's whole network",
            )
            .list("Reference"),
            references::of_tunnel,
        )
        .add(delete(CONNECTIONS, EDIT, "Cut the connections of a tunnel").nothing(), cut)
}
