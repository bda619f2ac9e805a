//! Routes and custom domains one by one, as Terraform and the dashboard of zones manage them. Culvert keeps no zones: a
//! zone is a name that a route was given, and its identifier is made from the name.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Value, json};
use store::{Domain, Route};

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, path_uuid};
use crate::worker::triggers::{host_name, route_pattern};

/// The environment that every Worker has, and the only one.
pub(super) const ENVIRONMENT: &str = "production";

pub(super) const DOMAINS_PER_PAGE: Parameter = per_page(100);
pub(super) const OF_SERVICE: Parameter = Parameter::new("service", Form::Text, "Only those of this Worker.");
pub(super) const OF_HOSTNAME: Parameter = Parameter::new("hostname", Form::Text, "Only the one with this host name.");
pub(super) const OF_ZONE_ID: Parameter = Parameter::new("zone_id", Form::Text, "Only those of this zone.");
pub(super) const OF_ZONE_NAME: Parameter =
    Parameter::new("zone_name", Form::Text, "Only those of the zone of this name.");
pub(super) const OF_ENVIRONMENT: Parameter =
    Parameter::new("environment", Form::Text, "Only those of this environment; there is one, production.");
pub(super) const ZONES_PER_PAGE: Parameter = per_page(20);
pub(super) const OF_NAME: Parameter =
    Parameter::new("name", Form::Text, "The zone of this host name; without it, those that routes were given.");

pub(super) fn route_view(route: &Route, script: &str) -> Value {
    json!({
        "id": route.id.simple().to_string(),
        "pattern": route.pattern,
        "script": script,
        "zone_name": route.zone_name,
    })
}

/// The identifier and the name of a custom domain's zone: the one that its maker named, or one of its own.
pub(super) fn zone_of(domain: &Domain) -> (String, &str) {
    let name = domain.zone_name.as_deref().unwrap_or(&domain.hostname);
    (zone_id(name), name)
}

pub(super) fn domain_view(domain: &Domain, script: &str) -> Value {
    let (zone_id, zone_name) = zone_of(domain);
    json!({
        "id": domain.id.simple().to_string(),
        "hostname": domain.hostname,
        "service": script,
        "environment": ENVIRONMENT,
        "zone_id": zone_id,
        "zone_name": zone_name,
        "cert_id": "",
    })
}

/// Errs where a custom domain is to be there and not serve, or to serve previews. `at` is the pointer to it.
pub(super) fn check_switches(body: &Value, at: &str) -> Result<(), ApiError> {
    for (member, only, advice) in [
        ("enabled", true, "Leave a domain out that is not to be served"),
        ("previews_enabled", false, "Versions have no addresses of their own under a custom domain: remove it"),
    ] {
        if let Some(other) = body.get(member).filter(|value| !value.is_null() && **value != only) {
            let message = format!("{member} of a custom domain can be {only} only in Culvert, not {other}. {advice}.");
            return Err(ApiError::field(format!("{at}/{member}"), message));
        }
    }
    Ok(())
}

/// `GET …/workers/domains`.
pub(crate) async fn domains(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let snapshot = state.store().snapshot().await?;
    // Of each parameter, the member of a domain that it must be the same as.
    let wanted: Vec<(&str, &str)> = [
        (OF_SERVICE, "service"),
        (OF_HOSTNAME, "hostname"),
        (OF_ZONE_ID, "zone_id"),
        (OF_ZONE_NAME, "zone_name"),
        (OF_ENVIRONMENT, "environment"),
    ]
    .iter()
    .filter_map(|(parameter, member)| query.text(parameter).map(|text| (*member, text)))
    .collect();
    let views: Vec<Value> = snapshot
        .workers
        .iter()
        .flat_map(|(name, served)| served.triggers.domains.iter().map(move |domain| domain_view(domain, name)))
        .filter(|view| wanted.iter().all(|(member, text)| view[*member] == *text))
        .collect();
    Reply::page(views, query.page(&DOMAINS_PER_PAGE)?)
}

fn field<'a>(body: &'a Value, name: &str, what: &str) -> Result<&'a str, ApiError> {
    body.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| ApiError::field(format!("/{name}"), format!("{name} must be {what}.")))
}

/// The zone that a custom domain is to be in, where the body names one, by its identifier or its name.
fn wanted_zone(body: &Value, hostname: &str) -> Result<Option<String>, ApiError> {
    let read = |member: &str, text: &str| if member == "zone_id" { zone_name(text) } else { host_name(text, false) };
    let mut wanted: Option<String> = None;
    for member in ["zone_id", "zone_name"] {
        let Some(value) = body.get(member).filter(|value| !value.is_null() && *value != "") else { continue };
        let zone = value.as_str().and_then(|text| read(member, text));
        let holds = |zone: &String| is_within(hostname, zone) && wanted.as_ref().is_none_or(|other| other == zone);
        wanted = Some(zone.filter(holds).ok_or_else(|| {
            ApiError::field(
                format!("/{member}"),
                format!("{member} must be that of one zone that holds \"{hostname}\", not {value}. GET /zones?name= finds it."),
            )
        })?);
    }
    Ok(wanted)
}

/// Whether a host name is a zone's own or below it.
fn is_within(host: &str, zone: &str) -> bool {
    host.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `PUT …/workers/domains`: gives a Worker a custom domain, which another one may have had.
pub(crate) async fn put_domain(
    State(state): State<ControlState>,
    caller: Caller,
    Params(_): Params<String>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let hostname = field(&body, "hostname", "a host name")?;
    let hostname = host_name(hostname, false)
        .ok_or_else(|| ApiError::field("/hostname", format!("\"{hostname}\" is not a host name without wildcard.")))?;
    let script = field(&body, "service", "the name of a Worker")?;
    if let Some(other) = body.get("environment").filter(|value| !value.is_null() && **value != ENVIRONMENT) {
        let message = format!("A Worker has one environment, \"{ENVIRONMENT}\", not {other}.");
        return Err(ApiError::field("/environment", message));
    }
    check_switches(&body, "")?;
    let zone = wanted_zone(&body, &hostname)?;
    let domain = state.store().put_domain(script, &hostname, zone.as_deref(), &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(domain_view(&domain, script))
}

/// `GET …/workers/domains/{domain}`.
pub(crate) async fn domain(
    State(state): State<ControlState>,
    Params((_, domain)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let (script, domain) = state.store().domain(path_uuid(&domain, "custom domain")?).await?;
    Reply::new(domain_view(&domain, &script))
}

/// `DELETE …/workers/domains/{domain}`.
pub(crate) async fn remove_domain(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, domain)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    state.store().delete_domain(path_uuid(&domain, "custom domain")?, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Ok(Reply::null())
}

/// The identifier of a zone: its name in hexadecimal, so that it can be read back.
fn zone_id(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn zone_name(id: &str) -> Option<String> {
    if id.is_empty() || !id.len().is_multiple_of(2) || !id.is_ascii() {
        return None;
    }
    let bytes = id
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<Vec<u8>>>()?;
    host_name(&String::from_utf8(bytes).ok()?, false)
}

fn zone_view(state: &ControlState, name: &str) -> Value {
    let account = state.store().account();
    json!({
        "id": zone_id(name),
        "name": name,
        "status": "active",
        "type": "full",
        "paused": false,
        "account": { "id": account.slug, "name": account.name },
    })
}

/// `GET /zones/{zone}`.
pub(crate) async fn zone(State(state): State<ControlState>, Params(zone): Params<String>) -> Result<Reply, ApiError> {
    Reply::new(zone_view(&state, &known_zone(&zone)?))
}

/// `GET /zones?name=`: any host name is a zone, if routes are to be put in it.
pub(crate) async fn zones(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let names: Vec<String> = match query.text(&OF_NAME) {
        Some(name) => host_name(name, false).into_iter().collect(),
        None => {
            let snapshot = state.store().snapshot().await?;
            let named: BTreeMap<String, ()> = snapshot
                .workers
                .values()
                .flat_map(|served| &served.triggers.routes)
                .filter_map(|route| route.zone_name.clone())
                .map(|name| (name, ()))
                .collect();
            named.into_keys().collect()
        }
    };
    Reply::page(names.iter().map(|name| zone_view(&state, name)).collect(), query.page(&ZONES_PER_PAGE)?)
}

/// `GET /zones/{zone}/workers/routes`.
pub(crate) async fn zone_routes(
    State(state): State<ControlState>,
    Params(zone): Params<String>,
) -> Result<Reply, ApiError> {
    let name = known_zone(&zone)?;
    let snapshot = state.store().snapshot().await?;
    let routes: Vec<Value> = snapshot
        .workers
        .iter()
        .flat_map(|(script, served)| served.triggers.routes.iter().map(move |route| (script, route)))
        .filter(|(_, route)| {
            let host = route.pattern.split('/').next().unwrap_or_default();
            let host = host.trim_start_matches('*').trim_start_matches('.');
            is_within(host, &name)
        })
        .map(|(script, route)| route_view(route, script))
        .collect();
    Reply::new(routes)
}

fn known_zone(zone: &str) -> Result<String, ApiError> {
    zone_name(zone)
        .ok_or_else(|| ApiError::new(codes::BAD_IDENTIFIER, format!("\"{zone}\" is not the identifier of a zone.")))
}

/// The pattern and the Worker of a route in the body. A route without a Worker, which keeps Workers away from a part of
/// another route, is not available.
fn wanted_route(body: &Value) -> Result<(String, &str), ApiError> {
    let text = field(body, "pattern", "a pattern such as app.example.test/*")?;
    let pattern = route_pattern(text)
        .map_err(|reason| ApiError::field("/pattern", format!("\"{text}\" is not a route pattern: {reason}.")))?;
    Ok((pattern, field(body, "script", "the name of a Worker")?))
}

/// `POST /zones/{zone}/workers/routes`.
pub(crate) async fn create_route(
    State(state): State<ControlState>,
    caller: Caller,
    Params(zone): Params<String>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let zone = known_zone(&zone)?;
    let (pattern, script) = wanted_route(&body)?;
    let route = state.store().create_route(script, &pattern, Some(&zone), &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(route_view(&route, script))
}

/// `GET /zones/{zone}/workers/routes/{route}`.
pub(crate) async fn route(
    State(state): State<ControlState>,
    Params((zone, route)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    known_zone(&zone)?;
    let (script, route) = state.store().route(path_uuid(&route, "route")?).await?;
    Reply::new(route_view(&route, &script))
}

/// `PUT /zones/{zone}/workers/routes/{route}`: another pattern, another Worker.
pub(crate) async fn replace_route(
    State(state): State<ControlState>,
    caller: Caller,
    Params((zone, route)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let zone = known_zone(&zone)?;
    let id = path_uuid(&route, "route")?;
    let (pattern, script) = wanted_route(&body)?;
    let route = state.store().replace_route(id, script, &pattern, Some(&zone), &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(route_view(&route, script))
}

/// `DELETE /zones/{zone}/workers/routes/{route}`.
pub(crate) async fn remove_route(
    State(state): State<ControlState>,
    caller: Caller,
    Params((zone, route)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    known_zone(&zone)?;
    let route = state.store().delete_route(path_uuid(&route, "route")?, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(json!({ "id": route.id.simple().to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_domain_is_in_a_zone_that_holds_it() {
        let host = "shop.example.test";
        let zone = |body: Value| wanted_zone(&body, host).map_err(|_| ());
        let id = zone_id("example.test");
        for body in [
            json!({ "zone_id": id }),
            json!({ "zone_name": "Example.test" }),
            json!({ "zone_id": id, "zone_name": "example.test" }),
        ] {
            assert_eq!(zone(body.clone()), Ok(Some("example.test".to_owned())), "{body}");
        }
        assert_eq!(zone(json!({ "zone_id": null, "zone_name": "" })), Ok(None));
        assert_eq!(zone(json!({ "zone_name": host })), Ok(Some(host.to_owned())));
        for body in [
            json!({ "zone_id": "x" }),
            json!({ "zone_name": "ample.test" }),
            json!({ "zone_name": "other.test" }),
            json!({ "zone_id": id, "zone_name": "test" }),
            json!({ "zone_name": 5 }),
        ] {
            assert_eq!(zone(body.clone()), Err(()), "{body}");
        }
    }

    #[test]
    fn zone_identifiers_hold_their_name() {
        let id = zone_id("example.test");
        assert_eq!(zone_name(&id).as_deref(), Some("example.test"));
        for id in ["", "z", "zz", "2f"] {
            assert_eq!(zone_name(id), None);
        }
    }
}
