//! What is behind which tunnel, for VPC Networks: `/accounts/{account}/teamnet/routes` (ranges of addresses) and
//! `/accounts/{account}/zerotrust/routes/hostname` (host names), as at Cloudflare.

use std::collections::HashMap;
use std::net::IpAddr;

use axum::extract::State;
use ipnet::IpNet;
use serde_json::{Value, json};
use store::{NetworkDestination, NetworkRoute, NetworkRouteChange, Permission, StoreError, Thing, TunnelQuery};
use uuid::Uuid;

use crate::ControlState;
use crate::api::{Api, Body, delete, get, patch, post};
use crate::auth::{Access, Caller};
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, PAGE, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid, rfc3339, text_member};
use crate::virtual_networks;

const READ: Access = Access::Needs(Permission::TunnelRead);
const EDIT: Access = Access::Needs(Permission::TunnelEdit);
const PER_PAGE: Parameter = per_page(100);
const OF_TUNNEL: Parameter = Parameter::new("tunnel_id", Form::Uuid, "Only those of this tunnel.");

const OF_COMMENT: Parameter = Parameter::new("comment", Form::Text, "Only those with this comment.");
const OF_ROUTE: Parameter = Parameter::new("route_id", Form::Uuid, "Only the one with this identifier.");
const OF_ID: Parameter = Parameter::new("id", Form::Uuid, "Only the one with this identifier.");
const OF_HOSTNAME: Parameter = Parameter::new("hostname", Form::Text, "Only the one of this host name.");
const OF_VIRTUAL_NETWORK: Parameter =
    Parameter::new("virtual_network_id", Form::Uuid, "Only those of this virtual network; there is one.");
const INSIDE: Parameter = Parameter::new("network_subset", Form::Text, "Only ranges that are within this one.");
const AROUND: Parameter = Parameter::new("network_superset", Form::Text, "Only ranges that this one is within.");
const IS_DELETED: Parameter =
    Parameter::new("is_deleted", Form::Flag, "Only deleted routes when true, of which none is kept.");

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

    /// Which destinations a query asks for.
    fn wanted(query: &QueryParams) -> Result<impl Fn(&NetworkDestination) -> bool + Send, ApiError>;

    /// What a route of this kind says besides what both say.
    fn finish(view: &mut Value, state: &ControlState);
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

    fn wanted(query: &QueryParams) -> Result<impl Fn(&NetworkDestination) -> bool + Send, ApiError> {
        let range = |parameter: &Parameter| match query.text(parameter) {
            None => Ok(None),
            Some(text) => match Self::parse(text) {
                Some(NetworkDestination::Addresses(range)) => Ok(Some(range)),
                _ => {
                    let name = parameter.name;
                    Err(ApiError::field(
                        format!("/{name}"),
                        format!("{name} must be {}, not \"{text}\".", Self::EXAMPLE),
                    ))
                }
            },
        };
        let (inside, around) = (range(&INSIDE)?, range(&AROUND)?);
        Ok(move |destination: &NetworkDestination| match destination {
            NetworkDestination::Addresses(range) => {
                inside.is_none_or(|outer| outer.contains(range)) && around.is_none_or(|inner| range.contains(&inner))
            }
            NetworkDestination::Hostname(_) => false,
        })
    }

    fn finish(view: &mut Value, state: &ControlState) {
        view["virtual_network_id"] = virtual_networks::id(state).to_string().into();
        view["virtual_network_name"] = virtual_networks::NAME.into();
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

    fn wanted(query: &QueryParams) -> Result<impl Fn(&NetworkDestination) -> bool + Send, ApiError> {
        let name = query.text(&OF_HOSTNAME).map(|text| Self::parse(text).ok_or(()));
        Ok(move |destination: &NetworkDestination| {
            name.as_ref().is_none_or(|name| name.as_ref().is_ok_and(|name| name == destination))
        })
    }

    fn finish(view: &mut Value, _: &ControlState) {
        // A comment that was not given is not there: Terraform would take the empty one away again with every run.
        if view["comment"] == "" {
            view["comment"] = Value::Null;
        }
    }
}

fn view<K: Kind>(state: &ControlState, route: &NetworkRoute, tunnels: &HashMap<Uuid, String>) -> Value {
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
    K::finish(&mut view, state);
    view
}

async fn tunnel_names(state: &ControlState) -> Result<HashMap<Uuid, String>, ApiError> {
    let tunnels = state.store().tunnels(&TunnelQuery { name: None, deleted: Some(false) }).await?;
    Ok(tunnels.into_iter().map(|tunnel| (tunnel.id, tunnel.name)).collect())
}

/// `GET`: all of one kind, or those that the query names.
async fn list<K: Kind>(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    let tunnel = query.uuid(&OF_TUNNEL)?;
    let id = query.uuid(&OF_ROUTE)?.or(query.uuid(&OF_ID)?);
    let wanted = K::wanted(&query)?;
    let names = tunnel_names(&state).await?;
    let routes = if query.flag(&IS_DELETED)?.unwrap_or(false)
        || query.uuid(&OF_VIRTUAL_NETWORK)?.is_some_and(|network| network != virtual_networks::id(&state))
    {
        Vec::new()
    } else {
        state.store().network_routes().await?
    };
    let views: Vec<Value> = routes
        .iter()
        .filter(|route| K::is(&route.destination) && wanted(&route.destination))
        .filter(|route| tunnel.is_none_or(|tunnel| tunnel == route.tunnel_id))
        .filter(|route| id.is_none_or(|id| id == route.id))
        .filter(|route| query.text(&OF_COMMENT).is_none_or(|comment| comment == route.comment))
        .map(|route| view::<K>(&state, route, &names))
        .collect();
    Reply::page(views, page)
}

/// What a body says of a route, as far as it does.
fn wanted<K: Kind>(state: &ControlState, body: &Value) -> Result<NetworkRouteChange, ApiError> {
    let destination = text_member(body, K::FIELD)?.map(|given| {
        K::parse(given.trim()).ok_or_else(|| {
            let field = K::FIELD;
            ApiError::field(format!("/{field}"), format!("{field} must be {}, not \"{given}\".", K::EXAMPLE))
        })
    });
    let tunnel_id = text_member(body, "tunnel_id")?.map(|given| {
        Uuid::parse_str(given.trim())
            .map_err(|_| ApiError::field("/tunnel_id", "tunnel_id must be the UUID of a tunnel."))
    });
    let network = text_member(body, "virtual_network_id")?.filter(|network| !network.is_empty());
    if network.is_some_and(|network| Uuid::parse_str(network) != Ok(virtual_networks::id(state))) {
        let message = "Culvert has one virtual network: leave virtual_network_id out.";
        return Err(ApiError::field("/virtual_network_id", message));
    }
    let comment = text_member(body, "comment")?.map(str::to_owned);
    Ok(NetworkRouteChange { tunnel_id: tunnel_id.transpose()?, destination: destination.transpose()?, comment })
}

/// A tunnel that is not there is named by the field that names it.
fn without_tunnel(error: StoreError) -> ApiError {
    match &error {
        StoreError::NotFound { thing: Thing::Tunnel, name } => ApiError::field(
            "/tunnel_id",
            format!("The tunnel {name} does not exist; `culvert tunnel list` shows those that do."),
        ),
        _ => error.into(),
    }
}

/// `POST`: every edge follows before the answer.
async fn create<K: Kind>(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let NetworkRouteChange { tunnel_id, destination, comment } = wanted::<K>(&state, &body)?;
    let field = K::FIELD;
    let destination =
        destination.ok_or_else(|| ApiError::field(format!("/{field}"), format!("{field} must be {}.", K::EXAMPLE)))?;
    let tunnel = tunnel_id.ok_or_else(|| ApiError::field("/tunnel_id", "tunnel_id must be the UUID of a tunnel."))?;
    let comment = comment.unwrap_or_default();
    let route = state
        .store()
        .create_network_route(tunnel, destination, &comment, &caller.actor())
        .await
        .map_err(without_tunnel)?;
    state.platform().configuration_changed().await;
    Reply::new(view::<K>(&state, &route, &tunnel_names(&state).await?))
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
    Reply::new(view::<K>(&state, &route, &tunnel_names(&state).await?))
}

/// `PATCH …/{route}`: what is not mentioned stays.
async fn change<K: Kind>(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, id)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let route = find::<K>(&state, &id).await?;
    let mut wanted = wanted::<K>(&state, &body)?;
    // Of what a client can take away, there is the comment.
    if body.get("comment").is_some_and(Value::is_null) {
        wanted.comment = Some(String::new());
    }
    let route = state.store().update_network_route(route.id, wanted, &caller.actor()).await.map_err(without_tunnel)?;
    state.platform().configuration_changed().await;
    Reply::new(view::<K>(&state, &route, &tunnel_names(&state).await?))
}

/// `DELETE …/{route}`.
async fn remove<K: Kind>(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, id)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let route = find::<K>(&state, &id).await?;
    let shown = view::<K>(&state, &route, &tunnel_names(&state).await?);
    state.store().delete_network_route(route.id, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(shown)
}

/// The operations on routes.
pub(crate) fn add(api: Api) -> Api {
    const OF_NETWORKS: &[Parameter] =
        &[PAGE, PER_PAGE, OF_TUNNEL, OF_ROUTE, OF_COMMENT, OF_VIRTUAL_NETWORK, INSIDE, AROUND, IS_DELETED];
    const OF_HOSTNAMES: &[Parameter] = &[PAGE, PER_PAGE, OF_TUNNEL, OF_ID, OF_COMMENT, OF_HOSTNAME, IS_DELETED];
    const NETWORKS: &str = "/accounts/{account}/teamnet/routes";
    const NETWORK: &str = "/accounts/{account}/teamnet/routes/{route}";
    const HOSTNAMES: &str = "/accounts/{account}/zerotrust/routes/hostname";
    const HOSTNAME: &str = "/accounts/{account}/zerotrust/routes/hostname/{route}";
    let new_range = Body::Json("NewNetworkRoute");
    let new_name = Body::Json("NewHostnameRoute");
    api.add(
        get(NETWORKS, READ, "List the ranges of addresses behind tunnels").query(OF_NETWORKS).list("NetworkRoute"),
        list::<Ranges>,
    )
    .add(
        post(NETWORKS, EDIT, new_range, "Say which tunnel a range of addresses is behind").one("NetworkRoute"),
        create::<Ranges>,
    )
    .add(get(NETWORK, READ, "Read the route of a range").one("NetworkRoute"), read::<Ranges>)
    .add(
        patch(NETWORK, EDIT, Body::Json("NetworkRoutePatch"), "Change the route of a range").one("NetworkRoute"),
        change::<Ranges>,
    )
    .add(delete(NETWORK, EDIT, "Delete the route of a range").one("NetworkRoute"), remove::<Ranges>)
    .add(
        get(HOSTNAMES, READ, "List the host names behind tunnels").query(OF_HOSTNAMES).list("HostnameRoute"),
        list::<Hostnames>,
    )
    .add(
        post(HOSTNAMES, EDIT, new_name, "Say which tunnel a host name is behind").one("HostnameRoute"),
        create::<Hostnames>,
    )
    .add(get(HOSTNAME, READ, "Read the route of a host name").one("HostnameRoute"), read::<Hostnames>)
    .add(
        patch(HOSTNAME, EDIT, Body::Json("HostnameRoutePatch"), "Change the route of a host name").one("HostnameRoute"),
        change::<Hostnames>,
    )
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
