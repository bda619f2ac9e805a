//! What the metadata of an upload says, checked: everything that needs neither the store nor the runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use store::{Limits, ServedVersion, SettingsPatch, Snapshot};
use time::OffsetDateTime;

use crate::codes::{self, Code};
use crate::envelope::{ApiError, Message};
use crate::worker::bindings::{self, Requested};
use crate::worker::compatibility;
use crate::worker::zones::ENVIRONMENT;

const MAX_CPU_MS: u64 = 300_000;
const MAX_SUBREQUESTS: u64 = 10_000_000;
const MAX_ANNOTATION: usize = 1_000;
const MAX_FLAGS: usize = 100;
const MAX_TAGS: usize = 100;
const MAX_TAIL_CONSUMERS: usize = 10;
const MAX_DESTINATIONS: usize = 10;

/// The metadata of an upload, or of a change of settings, as far as it was given.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) main_module: Option<String>,
    pub(crate) bindings: Option<Vec<Requested>>,
    /// Types of bindings to take over from the version before, though they are not listed.
    pub(crate) keep: BTreeSet<String>,
    pub(crate) compatibility_date: Option<String>,
    pub(crate) compatibility_flags: Option<Vec<String>>,
    pub(crate) limits: Option<Limits>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) settings: SettingsPatch,
    /// Kept with the version: `placement`, `usage_model`, and what it said of `observability`.
    pub(crate) extra: Map<String, Value>,
    /// What was accepted and has no effect.
    pub(crate) remarks: Vec<Message>,
}

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::new(codes::VALIDATION, message)
}

fn unavailable(what: &str, advice: &str) -> ApiError {
    wrong(format!("{what} not available in Culvert. {advice}"))
}

/// Static assets, refused.
pub(crate) fn no_assets() -> ApiError {
    unavailable("Static assets are", "Remove assets from the configuration, or import the files as modules.")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn strings(field: &str, value: &Value, most: usize) -> Result<Vec<String>, ApiError> {
    let items = value.as_array().ok_or_else(|| wrong(format!("{field} must be a list of strings.")))?;
    if items.len() > most {
        return Err(wrong(format!("{field} has more than {most} entries.")));
    }
    items
        .iter()
        .map(|item| {
            item.as_str().map(str::to_owned).ok_or_else(|| wrong(format!("{field} must be a list of strings.")))
        })
        .collect()
}

fn limit(name: &str, value: &Value, most: u64) -> Result<Option<u32>, ApiError> {
    if value.is_null() {
        return Ok(None);
    }
    value
        .as_u64()
        .filter(|number| (1..=most).contains(number))
        .and_then(|number| u32::try_from(number).ok())
        .map(Some)
        .ok_or_else(|| wrong(format!("limits.{name} must be a whole number from 1 to {most}, not {value}.")))
}

fn limits(value: &Value) -> Result<Limits, ApiError> {
    let members = value.as_object().ok_or_else(|| wrong("limits must be an object."))?;
    let mut limits = Limits::default();
    for (name, value) in members {
        match name.as_str() {
            "cpu_ms" => limits.cpu_ms = limit("cpu_ms", value, MAX_CPU_MS)?,
            "subrequests" => limits.subrequests = limit("subrequests", value, MAX_SUBREQUESTS)?,
            _ => {
                return Err(wrong(format!("limits.{name} is not a limit; cpu_ms and subrequests are.")));
            }
        }
    }
    Ok(limits)
}

/// Reads `annotations`; those that the server sets itself are left out.
pub(crate) fn annotations(value: Option<&Value>, code: Code) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(BTreeMap::new());
    };
    let members = value.as_object().ok_or_else(|| ApiError::new(code, "annotations must be an object."))?;
    let mut annotations = BTreeMap::new();
    for (name, value) in members {
        if value.is_null() || name == "workers/triggered_by" {
            continue;
        }
        let text = value
            .as_str()
            .ok_or_else(|| ApiError::new(code, format!("The annotation \"{name}\" must be a string.")))?;
        if name.len() > MAX_ANNOTATION || text.len() > MAX_ANNOTATION {
            return Err(ApiError::new(code, format!("An annotation is longer than {MAX_ANNOTATION} bytes.")));
        }
        annotations.insert(name.clone(), text.to_owned());
    }
    Ok(annotations)
}

/// Where a version keeps what its upload said of `observability`; absent where it said nothing.
pub(crate) const OBSERVABILITY: &str = "observability";

/// Reads `observability`, or a part of it: of each member what it may be. `lacks` says of a value why it cannot be.
fn observed(
    at: &str,
    value: &Value,
    known: &[&str],
    lacks: impl Fn(&str, &Value) -> Option<ApiError>,
) -> Result<(), ApiError> {
    let members = value.as_object().ok_or_else(|| wrong(format!("{at} must be an object.")))?;
    for (name, value) in members {
        let field = format!("{at}.{name}");
        if !known.contains(&name.as_str()) {
            return Err(wrong(format!("{field} is not known; these are: {}.", known.join(", "))));
        }
        if value.is_null() {
            continue;
        }
        match name.as_str() {
            "head_sampling_rate" if !value.as_f64().is_some_and(|rate| (0.0..=1.0).contains(&rate)) => {
                return Err(wrong(format!("{field} must be a number from 0 to 1, not {value}.")));
            }
            "enabled" | "persist" | "invocation_logs" | "redact_query_string" if !value.is_boolean() => {
                return Err(wrong(format!("{field} must be true or false, not {value}.")));
            }
            "destinations" => drop(strings(&field, value, MAX_DESTINATIONS)?),
            _ => {}
        }
        if let Some(refusal) = lacks(name, value) {
            return Err(refusal);
        }
    }
    Ok(())
}

fn observability(value: &Value) -> Result<Option<Value>, ApiError> {
    if value.is_null() {
        return Ok(None);
    }
    let on = |value: &Value| *value == Value::Bool(true);
    let off = |value: &Value| *value == Value::Bool(false);
    let known = ["enabled", "head_sampling_rate", "logs", "traces", "issues", "redact_query_string"];
    observed("observability", value, &known, |name, value| match name {
        "redact_query_string" if on(value) => Some(unavailable(
            "observability.redact_query_string is",
            "Remove it: what looks like an identifier in an address is redacted always.",
        )),
        _ => None,
    })?;
    let part = |name: &str| value.get(name).filter(|part| !part.is_null());
    if let Some(logs) = part("logs") {
        let known = ["enabled", "head_sampling_rate", "invocation_logs", "persist", "destinations"];
        observed("observability.logs", logs, &known, |name, value| match name {
            "destinations" if !is_empty(value) => Some(unavailable(
                "observability.logs.destinations are",
                "Remove them; records of all Workers are sent elsewhere by OTLP, see docs/observability.md.",
            )),
            "persist" if off(value) => Some(unavailable(
                "observability.logs.persist = false is",
                "Set observability.logs.enabled to false where nothing is to be kept.",
            )),
            _ => None,
        })?;
    }
    if let Some(traces) = part("traces") {
        let known = ["enabled", "head_sampling_rate", "persist", "destinations", "propagation_policy"];
        observed("observability.traces", traces, &known, |name, value| match name {
            "enabled" if on(value) => Some(unavailable(
                "observability.traces of one Worker are",
                "Remove them; traces of all Workers are sent by OTLP, see docs/observability.md.",
            )),
            "destinations" if !is_empty(value) => Some(unavailable(
                "observability.traces.destinations are",
                "Remove them; traces of all Workers are sent by OTLP, see docs/observability.md.",
            )),
            _ => None,
        })?;
    }
    if let Some(issues) = part("issues") {
        observed("observability.issues", issues, &["enabled"], |_, value| {
            on(value).then(|| unavailable("observability.issues are", "Remove them from the configuration."))
        })?;
    }
    Ok(Some(value.clone()))
}

/// Reads `placement`. Where a Worker runs does not depend on it, because there is one place; it is kept and repeated.
fn placement(value: &Value) -> Result<(), ApiError> {
    let members = value.as_object().ok_or_else(|| wrong("placement must be an object."))?;
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "mode" if ["off", "smart", "targeted"].iter().any(|mode| value == mode) => {}
            "mode" => {
                return Err(wrong(format!("placement.mode must be \"smart\", \"targeted\" or \"off\", not {value}.")));
            }
            "hint" | "region" | "host" | "hostname" if value.is_string() => {}
            "hint" | "region" | "host" | "hostname" => {
                return Err(wrong(format!("placement.{name} must be a string, not {value}.")));
            }
            _ => {
                return Err(wrong(format!(
                    "placement.{name} is not known; mode, hint, region, host and hostname are."
                )));
            }
        }
    }
    Ok(())
}

/// Reads the settings of a Worker that are not part of its versions.
pub(crate) fn settings(members: &Map<String, Value>, refuse: Code) -> Result<SettingsPatch, ApiError> {
    let in_code = |error: ApiError| error.recoded(refuse);
    let mut patch = SettingsPatch::default();
    if let Some(value) = members.get("observability") {
        patch.observability = Some(observability(value).map_err(in_code)?);
    }
    match members.get("logpush") {
        None | Some(Value::Null) => {}
        Some(Value::Bool(false)) => patch.logpush = Some(false),
        Some(Value::Bool(true)) => {
            return Err(in_code(unavailable(
                "Logpush is",
                "Remove logpush from the configuration; invocation logs are read with `culvert logs`.",
            )));
        }
        Some(_) => return Err(in_code(wrong("logpush must be true or false."))),
    }
    if let Some(value) = members.get("tags").filter(|value| !value.is_null()) {
        patch.tags = Some(strings("tags", value, MAX_TAGS).map_err(in_code)?);
    }
    match members.get("tail_consumers") {
        None => {}
        Some(value) if is_empty(value) => patch.tail_consumers = Some(Vec::new()),
        Some(value) => patch.tail_consumers = Some(tail_consumers(value).map_err(in_code)?),
    }
    if members.get("streaming_tail_consumers").is_some_and(|value| !is_empty(value)) {
        let advice = "Remove streaming_tail_consumers from the configuration; tail_consumers get each record when it is complete.";
        return Err(in_code(unavailable("Streaming tail Workers are", advice)));
    }
    Ok(patch)
}

/// The Workers that are to get the records of this one: `[{"service": …}]`.
fn tail_consumers(value: &Value) -> Result<Vec<Value>, ApiError> {
    let items = value
        .as_array()
        .filter(|items| items.len() <= MAX_TAIL_CONSUMERS)
        .ok_or_else(|| wrong(format!("tail_consumers must be a list of at most {MAX_TAIL_CONSUMERS} Workers.")))?;
    for item in items {
        let service = item.get("service").and_then(Value::as_str).filter(|name| !name.is_empty());
        if service.is_none() {
            return Err(wrong("Each of tail_consumers must name a Worker as \"service\"."));
        }
        if let Some(other) = item.get("environment").filter(|value| !value.is_null() && **value != ENVIRONMENT) {
            return Err(wrong(format!(
                "A Worker has one environment, \"{ENVIRONMENT}\": a tail consumer cannot name {other}. Remove \"environment\" from it."
            )));
        }
    }
    Ok(items.clone())
}

/// Errs unless each tail Worker exists and has a `tail` handler. `worker` itself may not be one of them.
pub(crate) fn check_tail_consumers(worker: &str, patch: &SettingsPatch, snapshot: &Snapshot) -> Result<(), ApiError> {
    for service in patch.tail_consumers.iter().flatten().filter_map(|item| item.get("service")?.as_str()) {
        if service == worker {
            return Err(wrong(format!("The Worker \"{worker}\" cannot be its own tail Worker.")));
        }
        let Some(served) = snapshot.workers.get(service) else {
            return Err(wrong(format!("The tail Worker \"{service}\" does not exist. Deploy it first.")));
        };
        let tails =
            |served: &Arc<ServedVersion>| served.version.detail.handlers.iter().any(|handler| handler == "tail");
        if !served.versions.is_empty() && !served.versions.values().any(tails) {
            return Err(wrong(format!("The tail Worker \"{service}\" has no tail() handler.")));
        }
    }
    Ok(())
}

/// Reads the metadata.
pub(crate) fn parse(metadata: &Value) -> Result<Metadata, ApiError> {
    let members = metadata
        .as_object()
        .ok_or_else(|| ApiError::new(codes::MALFORMED_UPLOAD, "The upload's metadata must be a JSON object."))?;
    let mut parsed = Metadata {
        settings: settings(members, codes::VALIDATION)?,
        annotations: annotations(members.get("annotations"), codes::VALIDATION)?,
        // Secrets are set apart from uploads: one that does not speak of them leaves them as they are.
        keep: BTreeSet::from(["secret_text".to_owned()]),
        ..Metadata::default()
    };
    for (name, value) in members {
        match name.as_str() {
            "main_module" => {
                parsed.main_module = Some(
                    value
                        .as_str()
                        .filter(|text| !text.is_empty())
                        .ok_or_else(|| wrong("main_module must name a module of the upload."))?
                        .to_owned(),
                );
            }
            "bindings" => parsed.bindings = Some(bindings::parse(value)?),
            "keep_bindings" if !value.is_null() => {
                parsed.keep = strings(name, value, MAX_FLAGS)?.into_iter().collect();
            }
            "compatibility_date" if !is_empty(value) => {
                let date = value
                    .as_str()
                    .ok_or_else(|| wrong(format!("compatibility_date must be a day as YYYY-MM-DD, not {value}.")))?;
                compatibility::check_date(date, OffsetDateTime::now_utc()).map_err(wrong)?;
                parsed.compatibility_date = Some(date.to_owned());
            }
            "compatibility_flags" if !value.is_null() => {
                let flags = strings(name, value, MAX_FLAGS)?;
                flags.iter().try_for_each(|flag| compatibility::check_flag(flag)).map_err(wrong)?;
                parsed.compatibility_flags = Some(flags);
            }
            "limits" if !value.is_null() => parsed.limits = Some(limits(value)?),
            // Read above.
            "annotations" | "logpush" | "tags" | "tail_consumers" | "streaming_tail_consumers" => {}
            OBSERVABILITY => {
                parsed.extra.insert(name.clone(), value.clone());
            }
            "placement" if !value.is_null() => {
                placement(value)?;
                parsed.extra.insert(name.clone(), value.clone());
            }
            "usage_model" if !value.is_null() => {
                if !["standard", "bundled", "unbound"].iter().any(|model| value == model) {
                    return Err(wrong(format!("usage_model must be \"standard\", not {value}.")));
                }
                parsed.extra.insert(name.clone(), value.clone());
            }
            "body_part" if !is_empty(value) => {
                return Err(unavailable(
                    "The service-worker format (addEventListener) is",
                    "Export the handlers instead: export default { fetch(request, env, ctx) { … } }.",
                ));
            }
            "migrations" | "exports" if !is_empty(value) => {
                return Err(unavailable(
                    "Durable Objects are",
                    "Remove the migrations and the Durable Object bindings from the configuration.",
                ));
            }
            "assets" if !is_empty(value) => {
                return Err(no_assets());
            }
            "containers" if !is_empty(value) => {
                return Err(unavailable("Containers are", "Remove containers from the configuration."));
            }
            "cache_options" if value.get("enabled") == Some(&Value::Bool(true)) => {
                return Err(unavailable(
                    "A cache in front of a Worker is",
                    "Remove cache_options from the configuration.",
                ));
            }
            // A roll-out over many places; here there is one. And what packages the code was made of, which wrangler tells always.
            "cache_options" | "code_update_strategy" | "keep_assets" | "package_dependencies" => {}
            _ if is_empty(value) => {}
            _ => parsed.remarks.push(Message {
                code: codes::NOT_AVAILABLE.number,
                message: format!("The metadata's \"{name}\" is not known here and has no effect."),
            }),
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_bounded_and_known() {
        let read = |value: Value| parse(&json!({ "limits": value }));
        assert_eq!(
            read(json!({ "cpu_ms": 300_000 })).unwrap().limits,
            Some(Limits { cpu_ms: Some(300_000), subrequests: None })
        );
        for value in [
            json!({ "cpu_ms": 0 }),
            json!({ "cpu_ms": 300_001 }),
            json!({ "cpu_ms": 1.5 }),
            json!({ "cpu_ms": "50" }),
            json!({ "memory_mb": 5 }),
            json!([]),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert_eq!(error.code(), Some(codes::VALIDATION), "{value}");
        }
    }

    #[test]
    fn what_culvert_lacks_is_refused_and_what_is_unknown_is_remarked() {
        for metadata in [
            json!({ "migrations": { "new_tag": "v1" } }),
            json!({ "assets": { "jwt": "x" } }),
            json!({ "body_part": "script" }),
            json!({ "logpush": true }),
            json!({ "tail_consumers": [{ "environment": "production" }] }),
            json!({ "tail_consumers": "t" }),
            json!({ "tail_consumers": [{ "service": "t", "environment": "staging" }] }),
            json!({ "streaming_tail_consumers": [{ "service": "t" }] }),
            json!({ "compatibility_flags": ["nodejs_compat", "no_such_flag"] }),
            json!({ "compatibility_date": "2999-01-01" }),
            json!({ "placement": { "mode": "nonsense" } }),
            json!({ "placement": "smart" }),
            json!({ "placement": { "region": 5 } }),
            json!({ "placement": { "planet": "mars" } }),
            json!({ "usage_model": "cheap" }),
            json!({ "observability": { "logs": { "head_sampling_rate": 7 } } }),
            json!({ "observability": { "logs": { "enabled": "yes" } } }),
            json!({ "observability": { "logs": { "destinations": ["grafana"] } } }),
            json!({ "observability": { "logs": { "persist": false } } }),
            json!({ "observability": { "traces": { "enabled": true } } }),
            json!({ "observability": { "traces": { "destinations": ["grafana"] } } }),
            json!({ "observability": { "issues": { "enabled": true } } }),
            json!({ "observability": { "loggs": {} } }),
            json!({ "observability": { "logs": [] } }),
        ] {
            let error = parse(&metadata).unwrap_err();
            assert_eq!(error.code(), Some(codes::VALIDATION), "{metadata}");
        }
        for metadata in [
            json!({ "observability": { "enabled": true, "head_sampling_rate": 0.5, "logs": { "enabled": true,
                "head_sampling_rate": 1, "invocation_logs": false, "persist": true, "destinations": [] },
                "traces": { "enabled": false, "head_sampling_rate": 1, "persist": true, "destinations": [] } } }),
            json!({ "placement": { "mode": "smart", "hint": "weur" }, "usage_model": "standard", "package_dependencies": [{}] }),
            json!({ "streaming_tail_consumers": [], "compatibility_flags": ["nodejs_compat", "url_standard"] }),
        ] {
            assert!(parse(&metadata).unwrap().remarks.is_empty(), "{metadata}");
        }
        let parsed = parse(&json!({ "cell_hint": "abc", "migrations": null, "logpush": false })).unwrap();
        assert_eq!(parsed.remarks.len(), 1);
        assert!(parsed.remarks[0].message.contains("cell_hint"));
    }

    #[test]
    fn what_the_server_sets_cannot_be_given() {
        let parsed = parse(&json!({ "annotations": {
            "workers/message": "m", "workers/triggered_by": "me"
        }}))
        .unwrap();
        assert_eq!(parsed.annotations.len(), 1);
    }
}
