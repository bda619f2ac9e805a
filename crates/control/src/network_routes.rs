//! What is behind which tunnel, for VPC Networks: `/accounts/{account}/teamnet/routes` (ranges of addresses) and
//! `/accounts/{account}/zerotrust/routes/hostname` (host names), as at Cloudflare.

use std::collections::HashMap;
use std::net::IpAddr;

use axum::extract::State;
use ipnet::IpNet;
use serde_json::{Value, json};
use store::{NetworkDestination, NetworkRoute, Permission, StoreError, Thing, TunnelQuery};
use uuid::Uuid;

use crate::ControlState;
use crate::api::{Api, Body, delete, get, post};
use crate::auth::{Access, Caller};
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, PAGE, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid, rfc3339};

const READ: Access = Access::Needs(Permission::TunnelRead);
const EDIT: Access = Access::Needs(Permission::TunnelEdit);
const PER_PAGE: Parameter = per_page(100);
const OF_TUNNEL: Parameter = Parameter::new("tunnel_id", Form::Uuid, "Only those of this tunnel.");

/// One of the two kinds of routes, which differ in their path and in one member.
trait Kind: Send + 'static {
    /// The member that names the destination.
    const FIELD: &'static str;
    /// What it looks like.
    const EXAMPLE: &'static str;

    /// Reads a destination as an operator writes it.
    fn parse(text: &str) -> Option<NetworkDestination>;

    /// Whether a destination is of this kind.
    fn is(destination: &NetworkDestination) -> bool;
}

/// Ranges of addresses.
struct Ranges;

impl Kind for Ranges {
    const FIELD: &'static str = "network";
    const EXAMPLE: &'static str = "a range of addresses such as \"10.0.0.0/8\"";

    /// `10.0.0.0/8`, or one address. Bits outside of the prefix are taken as zero.
    fn parse(text: &str) -> Option<NetworkDestination> {
        let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
        Some(NetworkDestination::Addresses(range.trunc()))
    }

    fn is(destination: &NetworkDestination) -> bool {
        matches!(destination, NetworkDestination::Addresses(_))
    }
}

/// Host names.
struct Hostnames;

impl Kind for Hostnames {
    const FIELD: &'static str = "hostname";
    const EXAMPLE: &'static str = "a host name such as \"db.internal\" or \"*.internal\"";

    /// A name in lower case without a final dot, perhaps with `*.` in front.
    fn parse(text: &str) -> Option<NetworkDestination> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let bare = name.strip_prefix("*.").unwrap_or(&name);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let valid = bare.len() <= 253 && bare.split('.').all(label) && bare.parse::<IpAddr>().is_err();
        valid.then_some(NetworkDestination::Hostname(name))
    }

    fn is(destination: &NetworkDestination) -> bool {
        matches!(destination, NetworkDestination::Hostname(_))
    }
}

fn view<K: Kind>(route: &NetworkRoute, tunnels: &HashMap<Uuid, String>) -> Value {
    let mut view = json!({
        "id": route.id,
        "tunnel_id": route.tunnel_id,
        "tunnel_name": tunnels.get(&route.tunnel_id),
        "tun_type": "cfd_tunnel",
        "comment": route.comment,
        "created_at": rfc3339(route.created_on),
        "deleted_at": null,
    });
    view[K::FIELD] = route.destination.to_string().into();
    view
}

async fn tunnel_names(state: &ControlState) -> Result<HashMap<Uuid, String>, ApiError> {
    let tunnels = state.store().tunnels(&TunnelQuery { name: None, deleted: Some(false) }).await?;
    Ok(tunnels.into_iter().map(|tunnel| (tunnel.id, tunnel.name)).collect())
}

/// `GET`: all of one kind, or those of `tunnel_id`.
async fn list<K: Kind>(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    let tunnel = query.uuid(&OF_TUNNEL)?;
    let names = tunnel_names(&state).await?;
    let routes = state.store().network_routes().await?;
    let views: Vec<Value> = routes
        .iter()
        .filter(|route| K::is(&route.destination))
        .filter(|route| tunnel.is_none_or(|tunnel| tunnel == route.tunnel_id))
        .map(|route| view::<K>(route, &names))
        .collect();
    Reply::page(views, page)
}

/// `POST`: every edge follows before the answer.
async fn create<K: Kind>(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().trim();
    let given = text(K::FIELD);
    let destination = K::parse(given).ok_or_else(|| {
        let field = K::FIELD;
        ApiError::field(format!("/{field}"), format!("{field} must be {}, not \"{given}\".", K::EXAMPLE))
    })?;
    let tunnel = Uuid::parse_str(text("tunnel_id"))
        .map_err(|_| ApiError::field("/tunnel_id", "tunnel_id must be the UUID of a tunnel."))?;
    if body.get("virtual_network_id").is_some_and(|network| !network.is_null()) {
        let message = "Culvert has one virtual network: leave virtual_network_id out.";
        return Err(ApiError::field("/virtual_network_id", message));
    }
    let created = state.store().create_network_route(tunnel, destination, text("comment"), &caller.actor()).await;
    let route = created.map_err(|error| match &error {
        StoreError::NotFound { thing: Thing::Tunnel, name } => ApiError::field(
            "/tunnel_id",
            format!("The tunnel {name} does not exist; `culvert tunnel list` shows those that do."),
        ),
        _ => error.into(),
    })?;
    state.platform().configuration_changed().await;
    Reply::new(view::<K>(&route, &tunnel_names(&state).await?))
}

async fn find<K: Kind>(state: &ControlState, id: &str) -> Result<NetworkRoute, ApiError> {
    let id = path_uuid(id, "route")?;
    let routes = state.store().network_routes().await?;
    let found = routes.into_iter().find(|route| route.id == id && K::is(&route.destination));
    found.ok_or_else(|| StoreError::NotFound { thing: Thing::NetworkRoute, name: id.to_string() }.into())
}

/// `GET …/{route}`.
async fn read<K: Kind>(
    State(state): State<ControlState>,
    Params((_, id)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let route = find::<K>(&state, &id).await?;
    Reply::new(view::<K>(&route, &tunnel_names(&state).await?))
}

/// `DELETE …/{route}`.
async fn remove<K: Kind>(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, id)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let route = find::<K>(&state, &id).await?;
    let shown = view::<K>(&route, &tunnel_names(&state).await?);
    state.store().delete_network_route(route.id, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(shown)
}

/// The operations on routes.
pub(crate) fn add(api: Api) -> Api {
    const QUERY: &[Parameter] = &[PAGE, PER_PAGE, OF_TUNNEL];
    const NETWORKS: &str = "/accounts/{account}/teamnet/routes";
    const NETWORK: &str = "/accounts/{account}/teamnet/routes/{route}";
    const HOSTNAMES: &str = "/accounts/{account}/zerotrust/routes/hostname";
    const HOSTNAME: &str = "/accounts/{account}/zerotrust/routes/hostname/{route}";
    let new_range = Body::Json("NewNetworkRoute");
    let new_name = Body::Json("NewHostnameRoute");
    api.add(
        get(NETWORKS, READ, "List the ranges of addresses behind tunnels").query(QUERY).list("NetworkRoute"),
        list::<Ranges>,
    )
    .add(
        post(NETWORKS, EDIT, new_range, "Say which tunnel a range of addresses is behind").one("NetworkRoute"),
        create::<Ranges>,
    )
    .add(get(NETWORK, READ, "Read the route of a range").one("NetworkRoute"), read::<Ranges>)
    .add(delete(NETWORK, EDIT, "Delete the route of a range").one("NetworkRoute"), remove::<Ranges>)
    .add(
        get(HOSTNAMES, READ, "List the host names behind tunnels").query(QUERY).list("HostnameRoute"),
        list::<Hostnames>,
    )
    .add(
        post(HOSTNAMES, EDIT, new_name, "Say which tunnel a host name is behind").one("HostnameRoute"),
        create::<Hostnames>,
    )
    .add(get(HOSTNAME, READ, "Read the route of a host name").one("HostnameRoute"), read::<Hostnames>)
    .add(delete(HOSTNAME, EDIT, "Delete the route of a host name").one("HostnameRoute"), remove::<Hostnames>)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<K: Kind>(text: &str) -> Option<String> {
        K::parse(text).map(|destination| destination.to_string())
    }

    #[test]
    fn ranges_and_names_are_made_regular() {
        for (text, expected) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("fd00::1/8", Some("fd00::/8")),
            ("10.0.0.0/33", None),
            ("db.internal", None),
        ] {
            assert_eq!(read::<Ranges>(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("DB.Internal.", Some("db.internal")),
            ("*.internal", Some("*.internal")),
            ("*", None),
            ("a.*.internal", None),
            ("10.0.0.1", None),
            ("", None),
            ("a b", None),
        ] {
            assert_eq!(read::<Hostnames>(text).as_deref(), expected, "{text}");
        }
    }
}
