//! Where a Worker is reached besides its own name: routes, custom domains, cron triggers, each list set as a whole.

use axum::extract::State;
use serde_json::{Value, json};
use store::{Cron, Force, Schedule};

use crate::ControlState;
use crate::auth::Caller;
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, Parameter, QueryParams};
use crate::request::{JsonBody, Params, rfc3339};
use crate::worker::zones::{check_switches, domain_view, route_view};

const MAX_SCHEDULES: usize = 250;
const MAX_ROUTES: usize = 1_000;
const MAX_DOMAINS: usize = 100;

fn schedules_view(schedules: &[Schedule]) -> Value {
    json!({ "schedules": schedules.iter().map(|schedule| json!({
        "cron": schedule.cron,
        "created_on": rfc3339(schedule.created_on),
        "modified_on": rfc3339(schedule.created_on),
    })).collect::<Vec<_>>() })
}

/// `GET …/schedules`.
pub(crate) async fn schedules(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    Reply::new(schedules_view(&state.store().triggers(&script).await?.schedules))
}

/// `PUT …/schedules`.
pub(crate) async fn set_schedules(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let items = body
        .as_array()
        .filter(|items| items.len() <= MAX_SCHEDULES)
        .ok_or_else(|| ApiError::field("", format!("A list of at most {MAX_SCHEDULES} {{cron}} is expected.")))?;
    let crons = items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let text = item
                .get("cron")
                .and_then(Value::as_str)
                .ok_or_else(|| ApiError::field(format!("/{at}/cron"), "A cron expression is expected."))?;
            Cron::parse(text).map(|_| text.to_owned()).map_err(|reason| {
                ApiError::field(format!("/{at}/cron"), format!("\"{text}\" is not a cron expression: {reason}."))
            })
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    let schedules = state.store().set_schedules(&script, crons, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(schedules_view(&schedules))
}

/// A host name in a route or a custom domain, in lower case.
pub(super) fn host_name(text: &str, wildcard: bool) -> Option<String> {
    let host = text.to_ascii_lowercase();
    let plain =
        if wildcard { host.strip_prefix("*.").or_else(|| host.strip_prefix('*')).unwrap_or(&host) } else { &host };
    let valid = !plain.is_empty()
        && plain.len() <= 253
        && plain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
    valid.then_some(host)
}

/// Checks a route pattern: host with an optional leading `*`, then a path with an optional trailing `*`.
pub(super) fn route_pattern(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) => (host, format!("/{path}")),
        None => (rest, String::new()),
    };
    if path.contains(['?', '#']) {
        return Err("it must not have a query or a fragment");
    }
    if path.trim_end_matches('*').contains('*') || path.ends_with("**") {
        return Err("* may stand at the beginning of the host and at the end of the path only");
    }
    if path.chars().any(char::is_whitespace) {
        return Err("it must not contain white space");
    }
    let host = host_name(host, true).ok_or("its host is not a host name, possibly with * in front")?;
    Ok(format!("{host}{path}"))
}

/// `GET …/routes`, Culvert's own.
pub(crate) async fn routes(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let routes = state.store().triggers(&script).await?.routes;
    Reply::new(routes.iter().map(|route| route_view(route, &script)).collect::<Vec<_>>())
}

/// `PUT …/routes`.
pub(crate) async fn set_routes(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let items = body
        .as_array()
        .filter(|items| items.len() <= MAX_ROUTES)
        .ok_or_else(|| ApiError::field("", format!("A list of at most {MAX_ROUTES} {{pattern}} is expected.")))?;
    let routes = items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let text = item
                .as_str()
                .or_else(|| item.get("pattern").and_then(Value::as_str))
                .ok_or_else(|| ApiError::field(format!("/{at}/pattern"), "A route needs a pattern."))?;
            let pattern = route_pattern(text).map_err(|reason| {
                ApiError::field(format!("/{at}/pattern"), format!("\"{text}\" is not a route pattern: {reason}."))
            })?;
            let zone = item.get("zone_name").and_then(Value::as_str).map(str::to_owned);
            Ok((pattern, zone))
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    let routes = state.store().set_routes(&script, routes, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(routes.iter().map(|route| route_view(route, &script)).collect::<Vec<_>>())
}

fn origins(value: Option<&Value>, field: &str) -> Result<Vec<String>, ApiError> {
    let Some(items) = value.and_then(Value::as_array).filter(|items| items.len() <= MAX_DOMAINS) else {
        return Err(ApiError::field(
            format!("/{field}"),
            format!("{field} must be a list of at most {MAX_DOMAINS} {{hostname}}."),
        ));
    };
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let pointer = if field.is_empty() { format!("/{at}") } else { format!("/{field}/{at}") };
            check_switches(item, &pointer)?;
            item.get("hostname").and_then(Value::as_str).and_then(|text| host_name(text, false)).ok_or_else(|| {
                ApiError::field(format!("{pointer}/hostname"), "A custom domain needs a host name without wildcard.")
            })
        })
        .collect()
}

/// Whether custom domains that are not named go.
pub(super) const REPLACE_STATE: Parameter =
    Parameter::new("replace_state", Form::Flag, "Also tell which custom domains would go because they are not named.");

/// `POST …/domains/changeset`: what replacing the custom domains would do.
pub(crate) async fn domain_changeset(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
    query: QueryParams,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let replace = query.flag(&REPLACE_STATE)?.unwrap_or(false);
    let wanted = match &body {
        Value::Array(_) => origins(Some(&body), "")?,
        _ => origins(body.get("origins").or_else(|| body.get("add")), "origins")?,
    };
    let snapshot = state.store().snapshot().await?;
    let own = &state.store().triggers(&script).await?.domains;
    let mut added = Vec::new();
    let mut updated = Vec::new();
    for hostname in &wanted {
        if own.iter().any(|domain| domain.hostname == *hostname) {
            continue;
        }
        let holder = snapshot.workers.values().find_map(|served| {
            served
                .triggers
                .domains
                .iter()
                .find(|domain| domain.hostname == *hostname)
                .map(|domain| domain_view(domain, &served.worker.name))
        });
        match holder {
            Some(mut view) => {
                if let Some(view) = view.as_object_mut() {
                    view.insert("modified".to_owned(), true.into());
                    view.insert(
                        "previous".to_owned(),
                        json!({ "service": view.get("service"), "environment": "production" }),
                    );
                }
                updated.push(view);
            }
            None => added.push(json!({ "hostname": hostname, "service": script })),
        }
    }
    let removed: Vec<Value> = own
        .iter()
        .filter(|domain| replace && !wanted.contains(&domain.hostname))
        .map(|domain| domain_view(domain, &script))
        .collect();
    // Conflicts with DNS records cannot be: there are none here.
    Reply::new(json!({
        "added": added, "removed": removed, "updated": updated, "conflicting": [],
    }))
}

/// `PUT …/domains/records`.
pub(crate) async fn set_domains(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let wanted = origins(body.get("origins"), "origins")?;
    let take_over = match body.get("override_existing_origin") {
        Some(Value::Bool(true)) => Force::Yes,
        _ => Force::No,
    };
    let domains = state.store().set_domains(&script, wanted, take_over, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(domains.iter().map(|domain| domain_view(domain, &script)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_patterns_are_hosts_with_paths() {
        for (text, kept) in [
            ("App.example.test/*", "app.example.test/*"),
            ("*.example.test/api*", "*.example.test/api*"),
            ("*example.test/*", "*example.test/*"),
            ("https://example.test/x", "example.test/x"),
            ("example.test", "example.test"),
        ] {
            assert_eq!(route_pattern(text).as_deref(), Ok(kept));
        }
        for text in ["", "/x", "a..b/*", "a.test/*x", "a.*.test/", "a.test/?q", "a.test/a b"] {
            assert!(route_pattern(text).is_err(), "{text}");
        }
    }
}
