//! The OpenAPI document, made from the list of operations: `GET /client/v4/openapi.json`.

mod answers;
mod clients;

use serde_json::{Map, Value, json};

use crate::PREFIX;
use crate::api::{Answer, Body, Operation};
use crate::auth::Access;
use crate::codes;
use crate::query::Parameter;

/// A question about Workers' logs: these members, and no others.
fn logs_question(required: &[&str], members: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": members })
}

/// Which events of Workers' logs are meant; `depth` is how deep groups may be in each other.
fn log_filter(depth: usize) -> Value {
    let filter = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["key", "operation", "type"],
        "properties": {
            "kind": { "const": "filter" },
            "key": { "type": "string", "minLength": 1, "maxLength": 200 },
            "operation": { "enum": [
                "eq", "=", "neq", "!=", "gt", ">", "gte", ">=", "lt", "<", "lte", "<=", "includes", "INCLUDES", "not_includes",
                "DOES_NOT_INCLUDE", "starts_with", "STARTS_WITH", "ends_with", "ENDS_WITH", "regex", "MATCH_REGEX", "exists",
                "EXISTS", "is_null", "DOES_NOT_EXIST", "in", "IN", "not_in", "NOT_IN",
            ] },
            "type": { "enum": ["string", "number", "boolean"] },
            "value": { "type": ["string", "number", "boolean"] },
        },
    });
    let Some(depth) = depth.checked_sub(1) else { return filter };
    let group = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["kind", "filterCombination", "filters"],
        "properties": {
            "kind": { "const": "group" },
            "filterCombination": { "enum": ["and", "or", "AND", "OR"] },
            "filters": { "type": "array", "maxItems": 100, "items": log_filter(depth) },
        },
    });
    json!({ "anyOf": [filter, group] })
}

/// The request bodies by name.
fn request_schema(name: &str) -> Option<Value> {
    let string = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let strings = || json!({ "type": "array", "items": { "type": "string" } });
    let port = || json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 65_535 });
    let annotations = || json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let nothing_or = |kind: &str| json!({ "type": [kind, "null"] });
    // Each type of binding with its members: those that it must have, and those that it may have.
    let binding = || {
        let of = |kind: &str, required: &[&str], members: Value| {
            let mut properties = members;
            properties["name"] =
                json!({ "type": "string", "pattern": "^[A-Za-z_$][A-Za-z0-9_$.-]*$", "maxLength": 256 });
            properties["type"] = json!({ "const": kind });
            let required: Vec<&str> = ["name", "type"].iter().chain(required).copied().collect();
            json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
        };
        let text = || json!({ "type": "string", "maxLength": 5120 });
        json!({ "oneOf": [
            of("inherit", &[], json!({ "old_name": nothing_or("string") })),
            of("json", &["json"], json!({ "json": {} })),
            of("plain_text", &["text"], json!({ "text": text() })),
            of("secret_text", &["text"], json!({ "text": text() })),
            of("service", &["service"], json!({
                "service": string(), "entrypoint": nothing_or("string"), "props": nothing_or("object"),
                "environment": { "enum": ["production", null] },
            })),
            of("version_metadata", &[], json!({})),
            of("vpc_network", &["tunnel_id"], json!({ "tunnel_id": uuid() })),
            of("vpc_network", &["network_id"], json!({ "network_id": { "const": "cf1:network" } })),
            of("vpc_service", &["service_id"], json!({ "service_id": uuid() })),
        ] })
    };
    let rate = || json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1 });
    let switch = || nothing_or("boolean");
    let domain = || {
        json!({
            "type": "object", "required": ["hostname"],
            "properties": { "hostname": string(), "enabled": { "enum": [true, null] }, "previews_enabled": { "enum": [false, null] } },
        })
    };
    let domains = || json!({ "type": "array", "maxItems": 100, "items": domain() });
    let secret = || {
        json!({
            "type": "object",
            "required": ["text"],
            "properties": { "name": string(), "text": string(), "type": { "const": "secret_text" } },
        })
    };
    let changes = || json!({ "type": "object", "additionalProperties": { "oneOf": [secret(), { "type": "null" }] } });
    let settings = || {
        json!({
            "observability": {
                "type": ["object", "null"],
                "additionalProperties": false,
                "properties": {
                    "enabled": switch(), "head_sampling_rate": rate(), "redact_query_string": { "enum": [false, null] },
                    "logs": {
                        "type": ["object", "null"], "additionalProperties": false,
                        "properties": {
                            "enabled": switch(), "head_sampling_rate": rate(), "invocation_logs": switch(),
                            "persist": { "enum": [true, null] }, "destinations": { "type": ["array", "null"], "maxItems": 0 },
                        },
                    },
                    "traces": {
                        "type": ["object", "null"], "additionalProperties": false,
                        "properties": {
                            "enabled": { "enum": [false, null] }, "head_sampling_rate": rate(), "persist": switch(),
                            "destinations": { "type": ["array", "null"], "maxItems": 0 }, "propagation_policy": {},
                        },
                    },
                    "issues": {
                        "type": ["object", "null"], "additionalProperties": false,
                        "properties": { "enabled": { "enum": [false, null] } },
                    },
                },
            },
            "logpush": { "const": false },
            "tags": { "type": "array", "items": string(), "maxItems": 100 },
            "tail_consumers": {
                "type": "array",
                "maxItems": 10,
                "items": { "type": "object", "required": ["service"], "properties": { "service": string() } },
            },
        })
    };
    let metadata = || {
        let mut properties = settings();
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("bindings".to_owned(), json!({ "type": "array", "items": binding() }));
            properties.insert("compatibility_date".to_owned(), json!({ "type": "string", "format": "date" }));
            properties.insert("compatibility_flags".to_owned(), json!({ "type": "array", "items": string() }));
            properties.insert(
                "placement".to_owned(),
                json!({
                    "type": ["object", "null"], "additionalProperties": false,
                    "properties": {
                        "mode": { "enum": ["smart", "targeted", "off", null] }, "hint": nothing_or("string"),
                        "region": nothing_or("string"), "host": nothing_or("string"), "hostname": nothing_or("string"),
                    },
                }),
            );
            properties.insert("usage_model".to_owned(), json!({ "enum": ["standard", "bundled", "unbound", null] }));
            properties.insert("keep_bindings".to_owned(), json!({ "type": "array", "items": string() }));
            properties.insert("annotations".to_owned(), annotations());
            properties.insert(
                "limits".to_owned(),
                json!({
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "cpu_ms": { "type": "integer", "minimum": 1, "maximum": 300_000 },
                        "subrequests": { "type": "integer", "minimum": 1, "maximum": 10_000_000 },
                    },
                }),
            );
        }
        properties
    };
    Some(match name {
        "WorkerUpload" => {
            let mut properties = metadata();
            if let Some(properties) = properties.as_object_mut() {
                properties.insert("main_module".to_owned(), string());
            }
            json!({
                "type": "object",
                "required": ["metadata"],
                "properties": {
                    "metadata": { "type": "object", "required": ["main_module"], "properties": properties },
                },
                "additionalProperties": { "type": "string", "contentEncoding": "binary", "description": "A module; the part's name is its specifier." },
            })
        }
        "SettingsPatch" => json!({
            "type": "object",
            "required": ["settings"],
            "properties": { "settings": { "type": "object", "properties": metadata() } },
        }),
        "ScriptSettings" => json!({ "type": "object", "properties": settings() }),
        "NewDeployment" => json!({
            "type": "object",
            "required": ["versions"],
            "properties": {
                "strategy": { "const": "percentage" },
                "versions": {
                    "type": "array", "minItems": 1, "maxItems": store::MAX_SHARES,
                    "items": {
                        "type": "object",
                        "required": ["version_id", "percentage"],
                        "properties": {
                            "version_id": uuid(),
                            "percentage": { "type": "number", "minimum": 0, "maximum": 100, "multipleOf": 0.01 },
                        },
                    },
                },
                "annotations": annotations(),
            },
        }),
        "NewCustomDomain" => json!({
            "type": "object",
            "required": ["hostname", "service"],
            "properties": {
                "hostname": string(), "service": string(), "environment": { "enum": ["production", null] },
                "zone_id": { "type": ["string", "null"] }, "zone_name": { "type": ["string", "null"] },
                "enabled": { "enum": [true, null] }, "previews_enabled": { "enum": [false, null] },
            },
        }),
        "NewRoute" => json!({
            "type": "object",
            "required": ["pattern", "script"],
            "properties": { "pattern": string(), "script": string() },
        }),
        "NewVirtualNetwork" => json!({ "type": "object", "properties": { "name": string(), "comment": string() } }),
        "NewWorker" | "WorkerPatch" => {
            let mut properties = settings();
            properties["name"] = string();
            properties["subdomain"] = json!({
                "type": ["object", "null"],
                "properties": { "enabled": { "type": ["boolean", "null"] }, "previews_enabled": { "type": ["boolean", "null"] } },
            });
            properties["tail_consumers"]["items"] =
                json!({ "type": "object", "required": ["name"], "properties": { "name": string() } });
            let required = if name == "NewWorker" { json!(["name"]) } else { json!([]) };
            json!({ "type": "object", "required": required, "properties": properties })
        }
        "NewWorkerVersion" => {
            let mut properties = metadata();
            properties["main_module"] = string();
            properties["modules"] = json!({
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["name", "content_type", "content_base64"],
                    "properties": {
                        "name": { "type": "string", "minLength": 1 }, "content_type": string(),
                        "content_base64": { "type": "string", "contentEncoding": "base64" },
                    },
                },
            });
            json!({ "type": "object", "required": ["main_module", "modules"], "properties": properties })
        }
        "KvNamespace" => json!({ "type": "object", "properties": { "title": string() } }),
        "AssetManifest" => json!({ "type": "object", "properties": { "manifest": { "type": "object" } } }),
        "NewSession" => json!({ "type": "object", "required": ["token"], "properties": { "token": string() } }),
        "Subdomain" => json!({ "type": "object", "properties": { "enabled": flag(), "previews_enabled": flag() } }),
        "Secret" => {
            let mut schema = secret();
            schema["required"] = json!(["name", "text"]);
            schema
        }
        "SecretsBulk" => json!({ "type": "object", "required": ["secrets"], "properties": { "secrets": changes() } }),
        "VersionPatch" => json!({
            "type": "object", "required": ["env"], "additionalProperties": false,
            "properties": { "env": changes(), "annotations": annotations() },
        }),
        "Schedules" => json!({
            "type": "array", "maxItems": 250,
            "items": { "type": "object", "required": ["cron"], "properties": { "cron": string() } },
        }),
        "Routes" => json!({
            "type": "array", "maxItems": 1_000,
            "items": { "type": "object", "required": ["pattern"], "properties": { "pattern": string(), "zone_name": string() } },
        }),
        // A list, as wrangler sends it, or an object that has one.
        "DomainChangeset" => json!({ "oneOf": [
            domains(),
            { "type": "object", "required": ["origins"], "properties": { "origins": domains() } },
        ] }),
        "Domains" => json!({
            "type": "object",
            "required": ["origins"],
            "properties": { "origins": domains(), "override_existing_origin": flag() },
        }),
        "VpcService" => json!({
            "type": "object",
            "required": ["name", "type", "host"],
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 255 },
                "type": { "enum": ["http", "tcp"] },
                "host": { "oneOf": [
                    {
                        "type": "object", "required": ["network"], "additionalProperties": false,
                        "anyOf": [{ "required": ["ipv4"] }, { "required": ["ipv6"] }],
                        "properties": {
                            "ipv4": { "type": "string", "format": "ipv4" },
                            "ipv6": { "type": "string", "format": "ipv6" },
                            "network": { "type": "object", "required": ["tunnel_id"], "properties": { "tunnel_id": uuid() } },
                        },
                    },
                    {
                        "type": "object", "required": ["hostname", "resolver_network"], "additionalProperties": false,
                        "properties": {
                            "hostname": { "type": "string", "minLength": 1, "maxLength": 253 },
                            "resolver_network": {
                                "type": "object", "required": ["tunnel_id"],
                                "properties": { "tunnel_id": uuid(), "resolver_ips": { "type": "array", "maxItems": 8, "items": string() } },
                            },
                        },
                    },
                ] },
                "http_port": port(), "https_port": port(), "tcp_port": port(),
                "app_protocol": { "enum": ["mysql", "postgresql", null] },
                "tls_settings": {
                    "type": ["object", "null"], "additionalProperties": false,
                    "properties": {
                        "cert_verification_mode": { "enum": ["verify_full", "verify_ca", "disabled"] },
                        "certificate_authority": uuid(), "client_certificate": uuid(),
                    },
                },
                "policy": crate::connectivity::policy_schema(),
            },
        }),
        "Diagnosis" => json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "scheme": { "enum": ["http", "https", null] }, "host": { "type": ["string", "null"], "minLength": 1 },
                "path": { "type": ["string", "null"], "pattern": "^/" }, "connector": { "type": ["string", "null"], "format": "uuid" },
            },
        }),
        "NewTunnel" => json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 253 },
                "config_src": { "enum": ["local", "cloudflare"] },
                "tunnel_secret": { "type": "string", "contentEncoding": "base64" },
            },
        }),
        "TunnelConfiguration" => json!({
            "type": "object",
            "required": ["config"],
            "properties": { "config": {
                "type": "object",
                "properties": {
                    "ingress": { "type": ["array", "null"], "maxItems": 1000, "items": {
                        "type": "object",
                        "required": ["service"],
                        "properties": { "hostname": string(), "path": string(), "service": string(), "originRequest": { "type": "object" } },
                    } },
                    "warp-routing": { "type": ["object", "null"] },
                },
            } },
        }),
        "NewNetworkRoute" | "NewHostnameRoute" | "NetworkRoutePatch" | "HostnameRoutePatch" => {
            let destination = if name.contains("Network") { "network" } else { "hostname" };
            let required = if name.starts_with("New") { json!([destination, "tunnel_id"]) } else { json!([]) };
            json!({
                "type": "object",
                "required": required,
                "properties": { destination: string(), "tunnel_id": uuid(), "comment": { "type": "string", "maxLength": 100 } },
            })
        }
        "TunnelPatch" => json!({
            "type": "object",
            "properties": { "name": string(), "tunnel_secret": { "type": "string", "contentEncoding": "base64" } },
        }),
        "NewCertificate" => json!({
            "type": "object",
            "required": ["certificates"],
            "properties": { "name": string(), "ca": flag(), "certificates": string(), "private_key": string() },
        }),
        "LogQuery" | "LogKeys" | "LogValues" => {
            let time = || json!({ "type": "integer", "minimum": 0, "maximum": 253_402_300_799_999_u64 });
            let limit = |most: u32| json!({ "type": "integer", "minimum": 1, "maximum": most });
            let none = || json!({ "type": "array", "maxItems": 0 });
            let timeframe = logs_question(&["from", "to"], json!({ "from": time(), "to": time() }));
            let datasets = json!({ "type": "array", "maxItems": 100, "items": { "const": "cloudflare-workers" } });
            let filters = json!({ "type": "array", "maxItems": 100, "items": log_filter(4) });
            let needle = logs_question(
                &["value"],
                json!({ "value": { "type": ["string", "number", "boolean"] }, "isRegex": flag(), "matchCase": flag() }),
            );
            match name {
                "LogQuery" => {
                    let parameters = logs_question(
                        &[],
                        json!({
                            "datasets": datasets, "filters": filters, "filterCombination": { "enum": ["and", "or", "AND", "OR"] },
                            "needle": needle, "limit": limit(2_000), "calculations": none(), "groupBys": none(), "havings": none(),
                        }),
                    );
                    logs_question(
                        &["timeframe", "parameters"],
                        json!({
                            "queryId": string(), "timeframe": timeframe, "view": { "enum": ["events", "invocations"] },
                            "limit": limit(2_000), "offset": { "type": "string", "pattern": "^([0-9a-fA-F]{24})?$" },
                            "parameters": parameters, "dry": flag(), "chart": { "const": false }, "compare": { "const": false },
                            "ignoreSeries": flag(), "granularity": { "type": "integer", "minimum": 0 },
                            "chartType": { "enum": ["timeseries_and_aggregate", "timeseries", "aggregate", "distribution"] },
                            "distributionScale": { "enum": ["log", "linear"] }, "offsetDirection": { "const": "next" },
                            "offsetBy": { "const": 0 },
                        }),
                    )
                }
                "LogKeys" => logs_question(
                    &[],
                    json!({
                        "datasets": datasets, "filters": filters, "from": time(), "to": time(), "needle": needle,
                        "keyNeedle": needle, "limit": limit(10_000),
                    }),
                ),
                _ => logs_question(
                    &["key", "timeframe", "type"],
                    json!({
                        "datasets": datasets, "filters": filters, "timeframe": timeframe, "needle": needle,
                        "key": { "type": "string", "minLength": 1, "maxLength": 200 },
                        "type": { "enum": ["string", "number", "boolean"] }, "limit": limit(1_000),
                    }),
                ),
            }
        }
        "NewTail" => json!({
            "type": "object",
            "properties": { "filters": {
                "type": ["array", "null"], "maxItems": 50,
                "items": {
                    "type": "object", "additionalProperties": false,
                    "properties": {
                        "sampling_rate": { "type": "number", "minimum": 0, "maximum": 1 },
                        "outcome": strings(), "method": strings(), "client_ip": strings(),
                        "header": {
                            "type": "object", "required": ["key"],
                            "properties": { "key": string(), "query": nothing_or("string") },
                        },
                        "query": string(), "scriptVersion": string(),
                    },
                },
            } },
        }),
        "NewToken" => json!({
            "type": "object",
            "required": ["name"],
            "anyOf": [{ "required": ["permissions"] }, { "required": ["policies"] }],
            "properties": {
                "policies": {
                    "type": ["array", "null"], "minItems": 1, "maxItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["permission_groups", "resources"],
                        "properties": {
                            "effect": { "const": "allow" },
                            "permission_groups": {
                                "type": "array", "minItems": 1,
                                "items": { "type": "object", "required": ["id"], "properties": { "id": string() } },
                            },
                            "resources": { "type": "object", "minProperties": 1, "additionalProperties": { "const": "*" } },
                        },
                    },
                },
                "name": { "type": "string", "minLength": 1, "maxLength": 120 },
                "permissions": {
                    "type": "array", "minItems": 1,
                    "items": { "enum": store::Permission::ALL.iter().map(|permission| permission.key()).collect::<Vec<_>>() },
                },
                "expires_on": { "type": ["string", "null"], "format": "date-time" },
            },
        }),
        _ => return None,
    })
}

/// The parameters in a path.
fn parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

/// A successful answer: the envelope with the form of the result, or what comes in its place.
fn success(answer: Answer) -> Value {
    let envelope = json!({ "$ref": "#/components/schemas/Success" });
    let named = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let result = match answer {
        Answer::One(name) => named(name),
        Answer::List(name) => json!({ "type": "array", "items": named(name) }),
        Answer::Nothing => json!({ "type": "null" }),
        Answer::Unsaid => json!({}),
        Answer::Modules => {
            return json!({ "200": { "description": "Each module is a part, named by its specifier.", "content": { "multipart/form-data": { "schema": { "type": "object" } } } } });
        }
        Answer::WebSocket => {
            return json!({ "101": { "description": "A WebSocket: each message is a JSON object, one invocation." } });
        }
    };
    let schema = json!({ "allOf": [envelope, { "type": "object", "properties": { "result": result } }] });
    json!({ "200": { "description": "Done.", "content": { "application/json": { "schema": schema } } } })
}

fn operation(operation: &Operation) -> Value {
    let mut responses = success(operation.answer);
    responses["default"] = json!({ "description": "Refused or failed.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Failure" } } } });
    let mut view = json!({
        "summary": operation.summary,
        "parameters": parameters(operation.path).into_iter().chain(operation.query.iter().map(Parameter::document)).collect::<Vec<_>>(),
        "responses": responses,
    });
    let Some(members) = view.as_object_mut() else {
        return view;
    };
    match operation.access {
        Access::Public => {
            members.insert("security".to_owned(), json!([]));
        }
        Access::AnyToken => {}
        Access::Needs(permission) => {
            members.insert(
                "description".to_owned(),
                format!("Needs the permission {} ({}).", permission.label(), permission.key()).into(),
            );
            members.insert("x-permission".to_owned(), permission.key().into());
        }
    }
    let body = match operation.body {
        Body::None => None,
        Body::Json(name) => Some(("application/json", name)),
        Body::Multipart(name) => Some(("multipart/form-data", name)),
    };
    if let Some((content_type, name)) = body {
        let schema = json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } });
        members.insert("requestBody".to_owned(), json!({ "required": true, "content": { content_type: schema } }));
    }
    view
}

/// The document for these operations.
pub(crate) fn document(operations: &[Operation]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::from_iter([
        (
            "Success".to_owned(),
            json!({
                "type": "object",
                "required": ["success", "errors", "messages", "result"],
                "properties": {
                    "success": { "const": true },
                    "errors": { "type": "array", "maxItems": 0 },
                    "messages": { "type": "array", "items": { "$ref": "#/components/schemas/Message" } },
                    "result": {},
                    "result_info": { "type": "object" },
                },
            }),
        ),
        (
            "Failure".to_owned(),
            json!({
                "type": "object",
                "required": ["success", "errors", "messages", "result"],
                "properties": {
                    "success": { "const": false },
                    "errors": { "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/Error" } },
                    "messages": { "type": "array", "maxItems": 0 },
                    "result": { "type": "null" },
                },
            }),
        ),
        (
            "Message".to_owned(),
            json!({
                "type": "object",
                "required": ["code", "message"],
                "properties": { "code": { "type": "integer" }, "message": { "type": "string" } },
            }),
        ),
        (
            "Error".to_owned(),
            json!({
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {
                        "type": "integer",
                        "oneOf": codes::ALL.iter().map(|code| json!({
                            "const": code.number, "description": format!("{} (HTTP {})", code.meaning, code.status),
                        })).collect::<Vec<_>>(),
                    },
                    "message": { "type": "string" },
                    "source": { "type": "object", "properties": { "pointer": { "type": "string" } } },
                },
            }),
        ),
    ]);
    for one in operations {
        let path = paths.entry(one.path).or_insert_with(|| Value::Object(Map::new()));
        if let Some(path) = path.as_object_mut() {
            path.insert(one.method.to_ascii_lowercase(), operation(one));
        }
        if let Body::Json(name) | Body::Multipart(name) = one.body
            && let Some(schema) = request_schema(name)
        {
            schemas.insert(name.to_owned(), schema);
        }
    }
    schemas.extend(answers::schemas());
    schemas.extend(clients::schemas());
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Culvert", "version": env!("CARGO_PKG_VERSION") },
        "servers": [{ "url": PREFIX }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}
