//! The JSON form of a VPC Service's policy, Culvert's own addition to the data model: timeouts, limits, what is forwarded. Pure.

use serde_json::{Map, Value, json};
use store::{Breaker, ServicePolicy};
use uuid::Uuid;

use super::spec::{Wrong, present, unknown_fields};

const AT: &str = "/policy";
/// The longest that anything may be waited for: an hour, in milliseconds.
const MAX_TIMEOUT: u64 = 3_600_000;
const MAX_CONNECTIONS: u64 = 65_536;
const MAX_RATE: u64 = 1_000_000;
const MAX_FAILURES: u64 = 1_000;
/// Entries of a list.
const MAX_ENTRIES: usize = 100;
const MAX_PREFIX: usize = 1_024;

const FIELDS: [&str; 12] = [
    "connect_timeout_ms",
    "dns_timeout_ms",
    "tls_timeout_ms",
    "read_timeout_ms",
    "write_timeout_ms",
    "idle_timeout_ms",
    "max_connections",
    "max_new_connections_per_second",
    "breaker",
    "allowed_methods",
    "allowed_path_prefixes",
    "trusted_roots",
];

/// A whole number from 1 on.
fn number(wrong: &mut Wrong, at: &str, members: &Map<String, Value>, field: &str, most: u64) -> Option<u32> {
    let value = present(members, field)?;
    let number = value.as_u64().filter(|number| (1..=most).contains(number)).and_then(|number| number.try_into().ok());
    if number.is_none() {
        wrong.add(&format!("{at}/{field}"), format!("{field} must be a whole number from 1 to {most}, not {value}."));
    }
    number
}

/// A list of strings, each read by `read`, which gives what is wrong with one.
fn list<T>(
    wrong: &mut Wrong,
    members: &Map<String, Value>,
    field: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let Some(value) = present(members, field) else { return Vec::new() };
    let items = value.as_array().filter(|items| items.len() <= MAX_ENTRIES);
    let Some(items) = items else {
        wrong.add(&format!("{AT}/{field}"), format!("{field} must be a list of at most {MAX_ENTRIES} strings."));
        return Vec::new();
    };
    let mut entries = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let read = item.as_str().ok_or_else(|| "must be a string".to_owned()).and_then(&read);
        match read {
            Ok(entry) => entries.push(entry),
            Err(why) => wrong.add(&format!("{AT}/{field}/{position}"), format!("{item} {why}.")),
        }
    }
    entries
}

fn breaker(wrong: &mut Wrong, members: &Map<String, Value>) -> Option<Breaker> {
    const AT: &str = "/policy/breaker";
    let value = present(members, "breaker")?;
    let Some(members) = value.as_object() else {
        wrong.add(
            AT,
            "breaker must be an object, as in {\"failures\": 8, \"trial_every_ms\": 5000} or {\"enabled\": false}.",
        );
        return None;
    };
    unknown_fields(wrong, AT, members, &["enabled", "failures", "trial_every_ms"]);
    let enabled = match present(members, "enabled") {
        None => true,
        Some(Value::Bool(enabled)) => *enabled,
        Some(other) => {
            wrong.add("/policy/breaker/enabled", format!("enabled must be true or false, not {other}."));
            true
        }
    };
    let failures = number(wrong, AT, members, "failures", MAX_FAILURES);
    let trial_every_ms = number(wrong, AT, members, "trial_every_ms", MAX_TIMEOUT);
    Some(Breaker { enabled, failures, trial_every_ms })
}

fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    match upper.parse::<http::Method>() {
        Ok(http::Method::CONNECT) | Err(_) => Err("is not an HTTP method that is forwarded".to_owned()),
        Ok(_) => Ok(upper),
    }
}

fn path_prefix(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.len() > MAX_PREFIX || text.contains(['?', '#']) {
        return Err(format!("must be the beginning of a path, of at most {MAX_PREFIX} bytes, as in \"/api\""));
    }
    Ok(text.to_owned())
}

/// Reads `policy`.
pub(super) fn parse(wrong: &mut Wrong, service: &Map<String, Value>) -> Option<ServicePolicy> {
    let value = present(service, "policy")?;
    let Some(members) = value.as_object() else {
        wrong.add(AT, "policy must be an object.");
        return None;
    };
    unknown_fields(wrong, AT, members, &FIELDS);
    let mut timeout = |field: &str| number(wrong, AT, members, field, MAX_TIMEOUT);
    let policy = ServicePolicy {
        connect_timeout_ms: timeout("connect_timeout_ms"),
        dns_timeout_ms: timeout("dns_timeout_ms"),
        tls_timeout_ms: timeout("tls_timeout_ms"),
        read_timeout_ms: timeout("read_timeout_ms"),
        write_timeout_ms: timeout("write_timeout_ms"),
        idle_timeout_ms: timeout("idle_timeout_ms"),
        max_connections: number(wrong, AT, members, "max_connections", MAX_CONNECTIONS),
        max_new_connections_per_second: number(wrong, AT, members, "max_new_connections_per_second", MAX_RATE),
        breaker: breaker(wrong, members),
        allowed_methods: list(wrong, members, "allowed_methods", method),
        allowed_path_prefixes: list(wrong, members, "allowed_path_prefixes", path_prefix),
        trusted_roots: list(wrong, members, "trusted_roots", |text| {
            Uuid::parse_str(text).map_err(|_| "must be the UUID of a certificate authority".to_owned())
        }),
    };
    // A policy that says nothing is none: it does not come back on the wire.
    (policy != ServicePolicy::default()).then_some(policy)
}

/// Writes it: what was not given is not there.
pub(super) fn view(policy: &ServicePolicy) -> Value {
    json!(policy)
}

/// The JSON Schema of `policy`.
pub(crate) fn schema() -> Value {
    let number = |most: u64| json!({ "type": ["integer", "null"], "minimum": 1, "maximum": most });
    let strings = || json!({ "type": ["array", "null"], "maxItems": MAX_ENTRIES, "items": { "type": "string" } });
    let mut properties = Map::new();
    for field in FIELDS {
        let schema = match field {
            "max_connections" => number(MAX_CONNECTIONS),
            "max_new_connections_per_second" => number(MAX_RATE),
            "breaker" => json!({
                "type": ["object", "null"], "additionalProperties": false,
                "properties": { "enabled": { "type": "boolean" }, "failures": number(MAX_FAILURES), "trial_every_ms": number(MAX_TIMEOUT) },
            }),
            "allowed_methods" | "allowed_path_prefixes" | "trusted_roots" => strings(),
            _ => number(MAX_TIMEOUT),
        };
        properties.insert(field.to_owned(), schema);
    }
    json!({ "type": ["object", "null"], "additionalProperties": false, "properties": properties })
}
