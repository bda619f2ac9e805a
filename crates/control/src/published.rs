//! What a tunnel publishes, over the API: `…/cfd_tunnel/{tunnel}/configurations` as Cloudflare has it, and
//! `…/cfd_tunnel/{tunnel}/hostnames`, Culvert's own, for what is a DNS record at Cloudflare.

use axum::extract::State;
use serde_json::{Map, Value, json};
use store::{ConfigSource, Permission};

use crate::ControlState;
use crate::api::{Api, Body, delete, get, put};
use crate::auth::{Access, Caller};
use crate::envelope::{ApiError, Reply};
use crate::request::{JsonBody, Params, path_uuid, rfc3339};

const READ: Access = Access::Needs(Permission::TunnelRead);
const EDIT: Access = Access::Needs(Permission::TunnelEdit);
/// The most rules in one configuration.
const MAX_RULES: usize = 1_000;
/// The longest host name.
const MAX_HOSTNAME: usize = 253;

/// `GET …/configurations`: version 0 and nothing in it until one was set. Of a locally managed tunnel, what its connector says.
async fn read_configuration(
    State(state): State<ControlState>,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    let configuration = state.store().tunnel_configuration(tunnel.id).await?;
    let config = match tunnel.config_src {
        ConfigSource::Local => state.platform().local_tunnel_configuration(tunnel.id),
        ConfigSource::Remote => configuration.as_ref().map(|configuration| configuration.config.clone()),
    };
    Reply::new(json!({
        "account_id": state.store().account().id.as_str(),
        "tunnel_id": tunnel.id,
        "version": configuration.as_ref().map_or(0, |configuration| configuration.version),
        "config": config,
        "source": tunnel.config_src.as_str(),
        "created_at": rfc3339(configuration.map_or(tunnel.created_on, |configuration| configuration.created_on)),
    }))
}

/// `PUT …/configurations`: connectors that are connected have it before the answer.
async fn write_configuration(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, tunnel)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&tunnel, "tunnel")?;
    let config = body
        .get("config")
        .and_then(Value::as_object)
        .ok_or_else(|| ApiError::field("/config", "config must be an object with the tunnel's ingress rules."))?;
    let config = checked(config)?;
    let configuration = state.store().set_tunnel_configuration(id, &config, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(json!({
        "account_id": state.store().account().id.as_str(),
        "tunnel_id": id,
        "version": configuration.version,
        "config": configuration.config,
        "source": ConfigSource::Remote.as_str(),
        "created_at": rfc3339(configuration.created_on),
    }))
}

/// The configuration with its host names in lower case; what connectors would refuse is refused here.
fn checked(config: &Map<String, Value>) -> Result<Value, ApiError> {
    let mut config = config.clone();
    if let Some(routing) = config.get("warp-routing").filter(|routing| !routing.is_null()) {
        let routing = routing
            .as_object()
            .ok_or_else(|| ApiError::field("/config/warp-routing", "warp-routing must be an object."))?;
        for name in ["connectTimeout", "tcpKeepAlive", "maxActiveFlows"] {
            if routing.get(name).is_some_and(|value| !value.is_null() && value.as_u64().is_none()) {
                let message = format!("{name} must be a whole number that is not negative (times are in seconds).");
                return Err(ApiError::field(format!("/config/warp-routing/{name}"), message));
            }
        }
    }
    let Some(ingress) = config.get_mut("ingress").filter(|ingress| !ingress.is_null()) else {
        return Ok(Value::Object(config));
    };
    let rules =
        ingress.as_array_mut().ok_or_else(|| ApiError::field("/config/ingress", "ingress must be a list of rules."))?;
    if rules.len() > MAX_RULES {
        let message = format!("A tunnel has at most {MAX_RULES} ingress rules, these are {}.", rules.len());
        return Err(ApiError::field("/config/ingress", message));
    }
    let last = rules.len().saturating_sub(1);
    for (index, rule) in rules.iter_mut().enumerate() {
        check_rule(rule, index, index == last)?;
    }
    Ok(Value::Object(config))
}

fn check_rule(rule: &mut Value, index: usize, is_last: bool) -> Result<(), ApiError> {
    let at = |member: &str| format!("/config/ingress/{index}/{member}");
    let text = |member: &str| rule.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (hostname, path, service) = (text("hostname"), text("path"), text("service"));
    if service.is_empty() {
        let message = "Each ingress rule needs a service, for example \"http://10.0.0.5:8080\" or \"http_status:404\".";
        return Err(ApiError::field(at("service"), message));
    }
    let is_general = (hostname.is_empty() || hostname == "*") && path.is_empty();
    if is_last && !is_general {
        let message = "The last ingress rule must take everything, without hostname and path; {\"service\": \"http_status:404\"} is the usual one.";
        return Err(ApiError::field(at("hostname"), message));
    }
    if !is_last && is_general {
        let message = "This ingress rule takes everything, so that those after it are never used; give it a hostname.";
        return Err(ApiError::field(at("hostname"), message));
    }
    if !hostname.is_empty() && hostname != "*" {
        let hostname = checked_hostname(&hostname, &at("hostname"))?;
        if let Some(members) = rule.as_object_mut() {
            members.insert("hostname".to_owned(), hostname.into());
        }
    }
    Ok(())
}

/// A host name in lower case; `*.` may stand at its beginning.
fn checked_hostname(given: &str, pointer: &str) -> Result<String, ApiError> {
    let name = given.trim().trim_end_matches('.').to_ascii_lowercase();
    let below = name.strip_prefix("*.").unwrap_or(&name);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() <= MAX_HOSTNAME && below.split('.').all(label) {
        Ok(name)
    } else {
        let message = format!(
            "\"{given}\" is not a host name; write for example app.example.com or *.example.com, other alphabets in punycode."
        );
        Err(ApiError::field(pointer.to_owned(), message))
    }
}

/// `GET …/hostnames`: every host name that leads to the tunnel, and whether an ingress rule says so.
async fn hostnames(
    State(state): State<ControlState>,
    Params((_, tunnel)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let tunnel = state.store().tunnel(path_uuid(&tunnel, "tunnel")?).await?;
    let routed = state.store().tunnel_hostnames(tunnel.id).await?;
    let configuration = state.store().tunnel_configuration(tunnel.id).await?;
    let ingress = configuration.map(|configuration| configuration.hostnames()).unwrap_or_default();
    let view = |name: &String, source: &str| json!({ "hostname": name, "source": source });
    let mut views: Vec<Value> = routed.iter().map(|name| view(name, "route")).collect();
    views.extend(ingress.iter().filter(|name| !routed.contains(name)).map(|name| view(name, "ingress")));
    Reply::new(views)
}

/// `PUT …/hostnames/{hostname}`.
async fn route(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, tunnel, hostname)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&tunnel, "tunnel")?;
    let hostname = checked_hostname(&hostname, "/hostname")?;
    state.store().route_hostname(id, &hostname, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(json!({ "hostname": hostname, "source": "route" }))
}

/// `DELETE …/hostnames/{hostname}`.
async fn unroute(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, tunnel, hostname)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let id = path_uuid(&tunnel, "tunnel")?;
    let hostname = checked_hostname(&hostname, "/hostname")?;
    state.store().unroute_hostname(id, &hostname, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Ok(Reply::null())
}

/// The operations on what tunnels publish.
pub(crate) fn add(api: Api) -> Api {
    const CONFIGURATION: &str = "/accounts/{account}/cfd_tunnel/{tunnel}/configurations";
    const HOSTNAMES: &str = "/accounts/{account}/cfd_tunnel/{tunnel}/hostnames";
    const HOSTNAME: &str = "/accounts/{account}/cfd_tunnel/{tunnel}/hostnames/{hostname}";
    api.add(
        get(CONFIGURATION, READ, "Read the configuration that a tunnel's connectors are given")
            .one("TunnelConfigurationView"),
        read_configuration,
    )
    .add(
        put(CONFIGURATION, EDIT, Body::Json("TunnelConfiguration"), "Replace the configuration of a tunnel")
            .one("TunnelConfigurationView"),
        write_configuration,
    )
    .add(get(HOSTNAMES, READ, "List the host names that lead to a tunnel").list("PublishedHostname"), hostnames)
    .add(put(HOSTNAME, EDIT, Body::None, "Route a host name to a tunnel").one("PublishedHostname"), route)
    .add(delete(HOSTNAME, EDIT, "Take a host name from a tunnel").nothing(), unroute)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(ingress: Value) -> Result<Value, ApiError> {
        checked(json!({ "ingress": ingress }).as_object().unwrap())
    }

    #[test]
    fn rules_are_those_that_connectors_take() {
        let rules = json!([
            { "hostname": "App.Example.com", "service": "http://10.0.0.5:8080" },
            { "hostname": "*.example.com", "path": "^/api", "service": "https://10.0.0.6" },
            { "service": "http_status:404" },
        ]);
        assert_eq!(check(rules).unwrap()["ingress"][0]["hostname"], "app.example.com");
        assert!(check(json!([])).is_ok());
        for wrong in [
            json!([{ "hostname": "a.example", "service": "http://10.0.0.5" }]),
            json!([{ "service": "http://10.0.0.5" }, { "service": "http_status:404" }]),
            json!([{ "hostname": "a.example" }, { "service": "http_status:404" }]),
            json!([{ "hostname": "a b", "service": "http://10.0.0.5" }, { "service": "http_status:404" }]),
            json!([{ "hostname": "a.*.b", "service": "http://10.0.0.5" }, { "service": "http_status:404" }]),
            json!({}),
            json!("x"),
        ] {
            assert!(check(wrong.clone()).is_err(), "{wrong}");
        }
        let config = json!({ "warp-routing": { "maxActiveFlows": -1 } });
        assert!(checked(config.as_object().unwrap()).is_err());
    }
}
