//! The form of what clients of Cloudflare's API are answered (wrangler, Terraform), by name, where the dashboard does not ask
//! for the same.

use serde_json::{Map, Value, json};

use super::answers::{
    anything, flag, list, map, milliseconds, named, nullable_string, nullable_time, object, string, time, timestamp,
    uuid, whole,
};

/// 32 hexadecimal digits: an identifier as Cloudflare writes most of them.
fn tag() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
}

/// A Worker that is bound, or that binds.
fn bound() -> Value {
    object(json!({ "service": string(), "environment": string(), "name": string() }))
}

/// What a question about logs cost.
fn log_statistics() -> Value {
    object(
        json!({ "elapsed": { "type": "number", "description": "Seconds." }, "rows_read": whole(), "bytes_read": whole() }),
    )
}

/// One event of Workers' logs.
fn log_event() -> Value {
    object(json!({
        "timestamp": timestamp(), "dataset": string(), "source": { "type": "object" },
        "$workers": object(json!({
            "scriptName": string(), "scriptVersion": object(json!({ "id": uuid() })), "eventType": string(), "entrypoint?": string(),
            "executionModel": string(), "outcome": string(), "requestId": uuid(), "traceId?": string(), "spanId?": string(),
            "truncated": flag(), "event": { "type": "object" }, "cpuTimeMs?": milliseconds(), "wallTimeMs?": milliseconds(),
        })),
        "$metadata": object(json!({
            "id": string(), "requestId": uuid(), "rayId": string(), "traceId?": string(), "spanId?": string(), "trigger": string(),
            "service": string(), "level": string(), "error?": string(), "message": string(), "account": string(),
            "type": { "enum": ["cf-worker", "cf-worker-event"] }, "fingerprint": string(), "origin": string(),
        })),
        "$cloudflare?": object(json!({ "truncated": flag() })),
    }))
}

/// The results by name.
pub(super) fn schemas() -> Map<String, Value> {
    let nullable_object = || json!({ "type": ["object", "null"] });
    let settings = || {
        json!({
            "logpush": flag(), "observability": nullable_object(), "tags": list(string()),
            "tail_consumers": list(json!({ "type": "object" })),
        })
    };
    let all = [
        (
            "TokenStatus",
            object(json!({
                "id": tag(), "status": { "const": "active" }, "expires_on": nullable_time(), "permissions": list(string()),
            })),
        ),
        ("User", object(json!({ "id": tag(), "email": string(), "username": string(), "suspended": flag() }))),
        (
            "Account",
            object(json!({
                "id": string(), "tag": string(), "name": string(), "type": string(), "settings": { "type": "object" },
                "created_on": time(),
            })),
        ),
        (
            "Membership",
            object(json!({ "id": tag(), "status": string(), "account": named("Account"), "roles": list(string()) })),
        ),
        ("Identified", object(json!({ "id": string() }))),
        (
            "TunnelConfigurationView",
            object(json!({
                "account_id": string(), "tunnel_id": uuid(), "version": whole(), "config": anything(),
                "source": { "enum": ["local", "cloudflare"] }, "created_at": time(),
            })),
        ),
        ("PublishedHostname", object(json!({ "hostname": string(), "source": { "enum": ["route", "ingress"] } }))),
        (
            "TunnelToken",
            json!({ "type": "string", "contentEncoding": "base64", "description": "What connectors are started with." }),
        ),
        (
            "ConnectorConnections",
            object(json!({
                "id": uuid(), "version": string(), "arch": string(), "features": list(string()), "run_at": nullable_time(),
                "conns": list(named("TunnelConnection")),
            })),
        ),
        (
            "Certificate",
            object(json!({
                "id": uuid(), "name": nullable_string(), "ca": flag(), "certificates": string(), "uploaded_on": time(),
                "issuer?": string(), "subject?": string(), "serial_number?": string(), "expires_on?": time(),
            })),
        ),
        ("Tail", object(json!({ "id": uuid(), "expires_at": time() }))),
        ("NewTailView", object(json!({ "id": uuid(), "url": string(), "expires_at": time() }))),
        (
            "Uploaded",
            object(json!({
                "id": string(), "tag": tag(), "etag": string(), "deployment_id": uuid(), "version_id": uuid(),
                "startup_time_ms": whole(), "handlers": list(string()), "compatibility_date": nullable_string(),
                "compatibility_flags": list(string()), "url": string(), "created_on": time(), "modified_on": time(),
            })),
        ),
        (
            "WorkerReferences",
            object(json!({
                "services": object(json!({ "incoming": list(bound()), "outgoing": list(bound()) })),
                "durable_objects": list(anything()), "dispatch_outbounds": list(anything()),
            })),
        ),
        ("ScriptSettingsView", object(settings())),
        ("SecretName", object(json!({ "name": string(), "type": { "const": "secret_text" } }))),
        (
            "DomainChanges",
            object(json!({
                "added": list(object(json!({ "hostname": string(), "service": string() }))),
                "removed": list(named("CustomDomain")), "updated": list(named("CustomDomain")), "conflicting": list(anything()),
            })),
        ),
        (
            "WorkerService",
            object(json!({
                "id": string(), "created_on": time(), "modified_on": time(),
                "default_environment": object(json!({ "environment": string(), "script": named("Script") })),
            })),
        ),
        (
            "WorkerView",
            object(json!({
                "id": tag(), "name": string(), "created_on": time(), "updated_on": time(), "deployed_on": nullable_time(),
                "subdomain": object(json!({ "enabled": flag(), "previews_enabled": flag(), "url": string() })),
                "logpush": flag(), "observability": { "type": "object" }, "tags": list(string()),
                "tail_consumers": list(object(json!({ "name": string() }))),
                "references": object(json!({
                    "workers": list(object(json!({ "id": tag(), "name": string() }))),
                    "domains": list(object(json!({
                        "id": tag(), "hostname": string(), "zone_id": string(), "zone_name": string(), "certificate_id": string(),
                    }))),
                    "durable_objects": list(anything()), "queues": list(anything()),
                    "dispatch_namespace_outbounds": list(anything()),
                })),
            })),
        ),
        (
            "WorkerVersion",
            object(json!({
                "id": uuid(), "number": whole(), "created_on": time(), "source": string(), "author_id": string(),
                "author_email": string(), "annotations": map(string()), "main_module": string(),
                "compatibility_date?": string(), "compatibility_flags": list(string()), "bindings": list(named("Binding")),
                "limits?": named("Limits"), "placement?": { "type": "object" }, "startup_time_ms": whole(),
                "usage_model": string(), "urls": list(string()),
                "cache_options": object(json!({ "enabled": flag(), "cross_version_cache": flag() })),
                "modules?": list(object(json!({
                    "name": string(), "content_type": string(), "content_base64": string(),
                }))),
            })),
        ),
        ("TokenValue", json!({ "type": "string", "description": "What is sent as Authorization: Bearer." })),
        (
            "VirtualNetwork",
            object(json!({
                "id": uuid(), "name": string(), "comment": string(), "is_default_network": flag(), "created_at": time(),
                "deleted_at": nullable_time(),
            })),
        ),
        ("AccountSubdomain", object(json!({ "subdomain": string() }))),
        (
            "TailProducer",
            object(json!({
                "consumer": object(json!({ "service": string() })), "producer": object(json!({ "service": string() })),
            })),
        ),
        ("LogEvent", log_event()),
        (
            "LogsFound",
            object(json!({
                "run": object(json!({
                    "id": uuid(), "accountId": string(), "dry": flag(), "granularity": whole(), "status": { "const": "COMPLETED" },
                    "timeframe": object(json!({ "from": timestamp(), "to": timestamp() })), "userId": tag(),
                    "created": time(), "updated": time(), "statistics": log_statistics(),
                    "query": object(json!({
                        "id": string(), "name": string(), "adhoc": { "const": true }, "description": { "type": "null" },
                        "parameters": { "type": "object" }, "created": time(), "createdBy": string(), "updated": time(),
                        "updatedBy": string(),
                    })),
                })),
                "statistics": log_statistics(),
                "events?": object(json!({ "events": list(named("LogEvent")), "count?": whole() })),
                "invocations?": map(list(named("LogEvent"))),
            })),
        ),
        (
            "LogKey",
            object(
                json!({ "key": string(), "type": { "enum": ["string", "number", "boolean"] }, "lastSeenAt": timestamp() }),
            ),
        ),
        (
            "LogValue",
            object(json!({
                "dataset": string(), "key": string(), "type": { "enum": ["string", "number", "boolean"] },
                "value": { "type": ["string", "number", "boolean"] },
            })),
        ),
        ("Nothing", json!({ "not": {}, "description": "Culvert does not have these." })),
        ("Zone", object(json!({ "id": string(), "name": string(), "status": string(), "account": map(string()) }))),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
