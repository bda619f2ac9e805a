//! The form of what operations answer: their `result`, by name. The dashboard's types are generated from these, and its
//! tests hold every answer that a page gets from the program against them.

use connection_error::{Category, ErrorCode, Phase};
use serde_json::{Map, Value, json};

/// An object; a member whose name ends with `?` may be absent. Others may be there that are not listed.
pub(super) fn object(members: Value) -> Value {
    let mut required = Vec::new();
    let mut properties = Map::new();
    for (name, schema) in members.as_object().into_iter().flatten() {
        let bare = name.strip_suffix('?');
        if bare.is_none() {
            required.push(name.clone());
        }
        properties.insert(bare.unwrap_or(name).to_owned(), schema.clone());
    }
    json!({ "type": "object", "required": required, "properties": properties })
}

/// A destination behind a tunnel; `member` names it.
fn network_route(member: &str, more: Value) -> Value {
    let mut route = json!({ "id": uuid(), "tunnel_id": uuid(), "tunnel_name": string(), "created_at": time() });
    route[member] = string();
    object(joined(route, more.as_object().cloned().unwrap_or_default()))
}

pub(super) fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

pub(super) fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn string() -> Value {
    json!({ "type": "string" })
}

pub(super) fn nullable_string() -> Value {
    json!({ "type": ["string", "null"] })
}

fn number() -> Value {
    json!({ "type": "number" })
}

pub(super) fn whole() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn nullable_time() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

pub(super) fn anything() -> Value {
    json!({})
}

/// Milliseconds since 1970 (UTC).
pub(super) fn timestamp() -> Value {
    json!({ "type": "integer", "description": "Milliseconds since 1970 (UTC)." })
}

/// Milliseconds, with fractions.
pub(super) fn milliseconds() -> Value {
    json!({ "type": "number", "description": "Milliseconds, with fractions." })
}

fn bytes() -> Value {
    json!({ "type": "integer", "description": "Bytes." })
}

/// Why an attempt failed, as members of what it failed for.
fn failure() -> Value {
    json!({ "code": named("ErrorCode"), "category": named("Category"), "phase": named("Phase"), "detail": string(), "retryable": flag() })
}

fn optional(members: Value) -> Map<String, Value> {
    members.as_object().into_iter().flatten().map(|(name, schema)| (format!("{name}?"), schema.clone())).collect()
}

fn joined(members: Value, more: Map<String, Value>) -> Value {
    let mut members = members;
    if let Some(members) = members.as_object_mut() {
        members.extend(more);
    }
    members
}

/// Groups and their points, with these measures, and what else an answer may have.
fn metrics(measures: Value, key: Value, more: Value) -> Value {
    let point = object(joined(measures.clone(), Map::from_iter([("at".to_owned(), timestamp())])));
    let group =
        joined(measures, Map::from_iter([("key".to_owned(), object(key)), ("points?".to_owned(), list(point))]));
    let answer = json!({
        "since": timestamp(), "until": timestamp(), "step": { "type": ["integer", "null"] }, "groups": list(object(group)),
    });
    object(joined(answer, optional(more)))
}

/// The results, and parts of several, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let all = [
        (
            "Session",
            object(json!({
                "token_id": uuid(), "name": string(), "permissions": list(string()), "expires_at": time(), "version": string(),
                "account": object(json!({ "id": string(), "name": string() })),
            })),
        ),
        (
            "Edge",
            object(json!({
                "version": string(), "visitors": string(), "api": string(), "tunnel": string(), "tunnel_ca": nullable_string(),
            })),
        ),
        ("Category", json!({ "enum": Category::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>() })),
        ("Phase", json!({ "enum": Phase::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>() })),
        ("ErrorCode", json!({ "enum": ErrorCode::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>() })),
        (
            "ErrorRow",
            object(json!({
                "code": named("ErrorCode"), "category": named("Category"), "phases": list(named("Phase")),
                "meaning": string(), "causes": list(string()), "fix": string(), "status": whole(),
            })),
        ),
        ("ConnectionFailure", object(failure())),
        (
            "ExplainedFailure",
            json!({
                "allOf": [named("ConnectionFailure"), object(json!({ "meaning?": nullable_string(), "fix?": nullable_string() }))],
            }),
        ),
        (
            "ServiceView",
            object(json!({
                "service_id": uuid(), "name": string(), "type": { "enum": ["http", "tcp"] },
                "host": object(json!({
                    "ipv4?": string(), "ipv6?": string(), "network?": object(json!({ "tunnel_id": uuid() })),
                    "hostname?": string(),
                    "resolver_network?": object(json!({ "tunnel_id": uuid(), "resolver_ips?": list(string()) })),
                })),
                "http_port?": whole(), "https_port?": whole(), "tcp_port?": whole(),
                "app_protocol?": { "enum": ["mysql", "postgresql"] },
                "tls_settings?": object(json!({
                    "cert_verification_mode": { "enum": ["verify_full", "verify_ca", "disabled"] },
                    "certificate_authority?": uuid(), "client_certificate?": uuid(),
                })),
                "policy?": object(json!({
                    "connect_timeout_ms?": whole(), "dns_timeout_ms?": whole(), "tls_timeout_ms?": whole(), "read_timeout_ms?": whole(),
                    "write_timeout_ms?": whole(), "idle_timeout_ms?": whole(), "max_connections?": whole(),
                    "max_new_connections_per_second?": whole(),
                    "breaker?": object(json!({ "enabled?": flag(), "failures?": whole(), "trial_every_ms?": whole() })),
                    "allowed_methods?": list(string()), "allowed_path_prefixes?": list(string()), "trusted_roots?": list(uuid()),
                })),
                "created_at": time(), "updated_at": time(),
            })),
        ),
        (
            "Reference",
            object(json!({ "worker": string(), "binding": string(), "version_id": uuid(), "percentage": number() })),
        ),
        (
            "TunnelConnection",
            object(json!({
                "id": uuid(), "uuid": uuid(), "client_id": uuid(), "client_version": string(), "colo_name": string(),
                "origin_ip": string(), "opened_at": time(), "is_pending_reconnect": flag(),
            })),
        ),
        (
            "Tunnel",
            object(json!({
                "id": uuid(), "name": string(), "status": { "enum": ["inactive", "degraded", "healthy", "down"] },
                "created_at": time(), "deleted_at": nullable_time(), "conns_active_at": nullable_time(),
                "connections": list(named("TunnelConnection")), "token?": string(),
            })),
        ),
        (
            "NetworkRoute",
            network_route(
                "network",
                json!({ "comment": string(), "virtual_network_id": uuid(), "virtual_network_name": string() }),
            ),
        ),
        ("HostnameRoute", network_route("hostname", json!({ "comment": nullable_string() }))),
        (
            "Connector",
            object(json!({
                "id": uuid(), "version": string(), "platform": string(), "features": list(string()), "draining": flag(),
                "warnings": list(string()),
                "connections": list(object(json!({
                    "id": uuid(), "connector": uuid(), "index": whole(), "transport": { "enum": ["quic", "http2"] },
                    "since": time(), "remote_address": string(), "rtt_ms": milliseconds(), "flows": whole(),
                    "flows_total": whole(), "bytes_sent": bytes(), "bytes_received": bytes(), "draining": flag(),
                }))),
            })),
        ),
        ("Quantiles", object(json!({ "count": whole(), "p50": number(), "p90": number(), "p99": number() }))),
        (
            "ConnectionMetrics",
            metrics(
                json!({
                    "count": whole(), "failed": whole(), "canceled": whole(), "last?": timestamp(),
                    "dns?": named("Quantiles"), "connect?": named("Quantiles"), "tls?": named("Quantiles"), "first_byte?": named("Quantiles"),
                }),
                json!({
                    "service?": uuid(), "service_name?": nullable_string(), "tunnel?": uuid(), "connector?": nullable_string(),
                    "worker?": string(), "category?": { "oneOf": [named("Category"), { "type": "null" }] },
                    "code?": { "oneOf": [named("ErrorCode"), { "type": "null" }] },
                }),
                json!({ "counted_since": timestamp() }),
            ),
        ),
        (
            "InvocationMetrics",
            metrics(
                json!({
                    "count": whole(), "failed": whole(), "subrequests?": whole(), "last?": timestamp(),
                    "cpu?": named("Quantiles"), "wall?": named("Quantiles"), "memory?": named("Quantiles"),
                }),
                json!({ "worker?": string(), "version?": uuid(), "outcome?": string() }),
                json!({}),
            ),
        ),
        (
            "Timings",
            object(json!({
                "dns?": milliseconds(), "connect?": milliseconds(), "tls?": milliseconds(), "request?": milliseconds(), "head?": milliseconds(),
            })),
        ),
        (
            "ConnectionEvent",
            object(joined(
                json!({
                    "id": uuid(), "timestamp": timestamp(), "serviceId": uuid(), "serviceName": string(), "tunnelId": uuid(),
                    "connectorId?": uuid(), "worker": string(), "invocationId": uuid(), "rayId": string(), "address?": string(),
                    "reused": flag(), "status?": whole(), "canceled?": flag(), "timings": named("Timings"),
                }),
                optional(failure()),
            )),
        ),
        (
            "Invocation",
            object(json!({
                "id": uuid(), "rayId": string(), "traceId?": string(), "outcome": string(), "scriptName": string(),
                "scriptVersion": object(json!({ "id": uuid() })), "eventType": string(), "eventTimestamp": timestamp(),
                "event": object(json!({
                    "request?": object(json!({ "method": string(), "url": string(), "headers": map(string()) })),
                    "response?": object(json!({ "status": whole() })),
                    "cron?": string(), "rpcMethod?": string(),
                })),
                "logs": list(object(json!({
                    "timestamp": timestamp(), "level": { "enum": ["debug", "error", "info", "log", "warn"] }, "message": list(anything()),
                }))),
                "exceptions": list(object(json!({
                    "timestamp": timestamp(), "name": string(), "message": string(), "stack?": string(),
                    "connection?": object(joined(
                        json!({ "timings?": named("Timings"), "service?": nullable_string() }),
                        failure().as_object().cloned().unwrap_or_default(),
                    )),
                }))),
                "subrequests": list(object(json!({
                    "target": string(), "method": string(), "url": string(), "startedMs": milliseconds(), "durationMs": milliseconds(),
                    "status?": whole(), "error?": string(),
                }))),
                "wallTime": milliseconds(), "cpuTime": milliseconds(), "memory": bytes(), "truncated": flag(),
            })),
        ),
        (
            "Script",
            object(json!({
                "id": string(), "created_on": time(), "modified_on": time(), "url": string(), "tags": list(string()),
                "handlers?": list(string()), "last_deployed_from?": string(), "compatibility_date?": nullable_string(),
                "compatibility_flags?": list(string()),
            })),
        ),
        (
            "Binding",
            object(json!({
                "name": string(), "type": string(), "text?": string(), "json?": anything(), "service_id?": uuid(),
                "tunnel_id?": uuid(), "network_id?": string(), "service?": string(), "entrypoint?": nullable_string(),
            })),
        ),
        ("Limits", object(json!({ "cpu_ms?": whole(), "subrequests?": whole() }))),
        (
            "WorkerSettings",
            object(json!({
                "bindings": list(named("Binding")), "limits?": named("Limits"), "compatibility_date?": string(),
                "compatibility_flags?": list(string()), "tags": list(string()),
                "observability": {
                    "type": ["object", "null"],
                    "properties": { "enabled": flag(), "head_sampling_rate": number() },
                },
            })),
        ),
        (
            "Version",
            object(json!({
                "id": uuid(), "number": whole(), "startup_time_ms?": { "type": ["integer", "null"] }, "annotations": map(string()),
                "metadata": object(json!({ "created_on": time(), "source": string(), "author_id": string(), "author_email": string() })),
                "resources": object(json!({
                    "script": object(json!({ "etag": string(), "handlers": list(string()) })),
                    "script_runtime": object(json!({
                        "compatibility_date?": string(), "compatibility_flags": list(string()), "limits": named("Limits"),
                    })),
                    "bindings": list(named("Binding")),
                })),
            })),
        ),
        ("Versions", object(json!({ "items": list(named("Version")) }))),
        (
            "Deployment",
            object(json!({
                "id": uuid(), "created_on": time(), "source": string(), "author_email": string(), "annotations": map(string()),
                "versions": list(object(json!({ "version_id": uuid(), "percentage": number() }))),
            })),
        ),
        ("Deployments", object(json!({ "deployments": list(named("Deployment")) }))),
        (
            "Route",
            object(json!({ "id": string(), "pattern": string(), "script": string(), "zone_name": nullable_string() })),
        ),
        (
            "SchedulesView",
            object(json!({ "schedules": list(object(json!({ "cron": string(), "created_on": time() }))) })),
        ),
        ("SubdomainView", object(json!({ "enabled": flag(), "previews_enabled": flag() }))),
        ("CustomDomain", object(json!({ "id": string(), "hostname": string(), "service": string() }))),
        (
            "ApiToken",
            object(json!({
                "id": uuid(), "name": string(), "status": { "enum": ["active", "expired", "disabled"] }, "permissions": list(string()),
                "issued_on": time(), "expires_on": nullable_time(), "last_used_on": nullable_time(), "revoked_on": nullable_time(),
                "policies?": list(object(json!({
                    "id": string(), "effect": { "const": "allow" }, "resources": map(string()),
                    "permission_groups": list(object(json!({ "id": string(), "name": string() }))),
                }))),
                "value?": string(),
            })),
        ),
        ("PermissionGroup", object(json!({ "id": string(), "name": string(), "scopes?": list(string()) }))),
        (
            "AuditEntry",
            object(json!({
                "id": uuid(), "when": time(), "action": string(), "resource": object(json!({ "type": string(), "id": string() })),
                "actor": object(json!({ "name": string(), "token_id?": uuid(), "address?": string() })),
                "before": anything(), "after": anything(),
            })),
        ),
        (
            "DiagnosisView",
            object(json!({
                "service_id": uuid(), "service_name?": string(), "started_at": timestamp(), "duration": milliseconds(),
                "ok": flag(),
                "request": object(json!({ "scheme": string(), "host": string(), "path": string() })),
                "phases": list(object(json!({
                    "phase": named("Phase"), "state": { "enum": ["ok", "failed", "skipped"] }, "duration?": milliseconds(),
                    "detail?": string(), "facts?": map(anything()),
                }))),
                "error?": named("ExplainedFailure"),
                "connectors": list(object(json!({
                    "connector": uuid(), "version": string(), "ok": flag(), "duration?": milliseconds(),
                    "error?": { "oneOf": [named("ExplainedFailure"), { "type": "null" }] },
                }))),
            })),
        ),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_dashboard_knows_of_answers_is_up_to_date() {
        let document = json!({
            "openapi": "3.1.0",
            "info": { "title": "Answers of Culvert's API, made by the crate control", "version": "4" },
            "paths": {},
            "components": { "schemas": schemas() },
        });
        let path = "../../dashboard/src/api/openapi.json";
        let text = format!("{document:#}\n");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == text,
            "dashboard/src/api/openapi.json is stale: run the tests with UPDATE_DOCS=1 and commit it"
        );
    }
}
