//! What the metadata of an upload says, checked: everything that needs neither the store nor the runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use store::{Limits, ServedVersion, SettingsPatch, Snapshot};

use crate::codes::{self, Code};
use crate::envelope::{ApiError, Message};
use crate::worker::bindings::{self, Requested};

const MAX_CPU_MS: u64 = 300_000;
const MAX_SUBREQUESTS: u64 = 10_000_000;
const MAX_ANNOTATION: usize = 1_000;
const MAX_FLAGS: usize = 100;
const MAX_TAGS: usize = 100;
const MAX_TAIL_CONSUMERS: usize = 10;

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
    /// Kept and repeated: `placement`, `usage_model`.
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

/// True for a day that exists, as `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    if (year.len(), month.len(), day.len()) != (4, 2, 2)
        || !text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
    {
        return false;
    }
    let (Ok(year), Ok(month), Ok(day)) = (year.parse(), month.parse::<u8>(), day.parse()) else {
        return false;
    };
    time::Month::try_from(month).is_ok_and(|month| time::Date::from_calendar_date(year, month, day).is_ok())
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

fn observability(value: &Value) -> Result<Option<Value>, ApiError> {
    if value.is_null() {
        return Ok(None);
    }
    let members = value.as_object().ok_or_else(|| wrong("observability must be an object."))?;
    if members.get("enabled").is_some_and(|value| !value.is_boolean() && !value.is_null()) {
        return Err(wrong("observability.enabled must be true or false."));
    }
    if let Some(rate) = members.get("head_sampling_rate").filter(|rate| !rate.is_null())
        && !rate.as_f64().is_some_and(|rate| (0.0..=1.0).contains(&rate))
    {
        return Err(wrong(format!("observability.head_sampling_rate must be a number from 0 to 1, not {rate}.")));
    }
    Ok(Some(value.clone()))
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
                    .filter(|text| is_date(text))
                    .ok_or_else(|| wrong(format!("compatibility_date must be a day as YYYY-MM-DD, not {value}.")))?;
                parsed.compatibility_date = Some(date.to_owned());
            }
            "compatibility_flags" if !value.is_null() => {
                parsed.compatibility_flags = Some(strings(name, value, MAX_FLAGS)?);
            }
            "limits" if !value.is_null() => parsed.limits = Some(limits(value)?),
            // Read above.
            "annotations" | "observability" | "logpush" | "tags" | "tail_consumers" => {}
            "placement" | "usage_model" if !value.is_null() => {
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
            // A roll-out over many places; here there is one.
            "cache_options" | "code_update_strategy" | "keep_assets" => {}
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
    fn days_that_do_not_exist_are_refused() {
        assert!(is_date("2024-02-29"));
        for text in ["2025-02-29", "2025-13-01", "2025-1-1", "+025-01-01", "20250101", "x"] {
            assert!(!is_date(text), "{text}");
        }
    }

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
        ] {
            let error = parse(&metadata).unwrap_err();
            assert_eq!(error.code(), Some(codes::VALIDATION), "{metadata}");
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
