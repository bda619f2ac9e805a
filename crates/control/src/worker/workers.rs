//! Workers as things of their own: `/accounts/{account}/workers/workers`, where Cloudflare's newer clients, and Terraform's
//! `cloudflare_worker`, make a Worker before it has a version. A path names one by its identifier or its name.

use axum::extract::State;
use serde_json::{Map, Value, json};
use store::{Force, ServedWorker, SettingsPatch, Snapshot, StoreError, Thing, Worker, WorkerSettings};

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::query::{FORCE, Form, Parameter, QueryParams, per_page};
use crate::request::{JsonBody, Params, rfc3339, text_member};
use crate::worker::settings::{read_subdomain_flags, subdomain};
use crate::worker::zones::zone_of;
use crate::worker::{check_name, metadata};

pub(super) const PER_PAGE: Parameter = per_page(100);
pub(super) const ORDER_BY: Parameter = Parameter::new(
    "order_by",
    Form::Word(&["deployed_on", "updated_on", "created_on", "name"]),
    "By what the list is in order; by the last deployment when there is none.",
);
pub(super) const ORDER: Parameter =
    Parameter::new("order", Form::Word(&["asc", "desc"]), "In which direction; the newest first when there is none.");

/// The Worker that a path names.
pub(super) async fn find(state: &ControlState, text: &str) -> Result<Worker, ApiError> {
    Ok(state.store().worker_by_name_or_id(text).await?)
}

/// What is in force where `observability` says nothing: everything is recorded. Terraform compares each member with what it
/// asked for, so that none is left out.
fn observability(settings: &WorkerSettings) -> Value {
    let set = settings.observability.as_ref();
    let at = |pointer: &str, otherwise: Value| {
        set.and_then(|set| set.pointer(pointer)).filter(|value| !value.is_null()).cloned().unwrap_or(otherwise)
    };
    let enabled = at("/enabled", set.is_none().into());
    let rate = at("/head_sampling_rate", 1.into());
    let mut view = json!({
        "enabled": enabled,
        "head_sampling_rate": rate,
        "logs": {
            "enabled": at("/logs/enabled", enabled.clone()),
            "head_sampling_rate": at("/logs/head_sampling_rate", rate.clone()),
            "invocation_logs": at("/logs/invocation_logs", true.into()),
            "persist": at("/logs/persist", true.into()),
            "destinations": at("/logs/destinations", json!([])),
        },
        "traces": {
            "enabled": at("/traces/enabled", false.into()),
            "head_sampling_rate": at("/traces/head_sampling_rate", 1.into()),
            "persist": at("/traces/persist", true.into()),
            "destinations": at("/traces/destinations", json!([])),
        },
    });
    if let Some(policy) = set.and_then(|set| set.pointer("/traces/propagation_policy")) {
        view["traces"]["propagation_policy"] = policy.clone();
    }
    view
}

/// What would miss the Worker.
fn references(snapshot: &Snapshot, served: &ServedWorker) -> Value {
    let name = served.worker.name.as_str();
    let calls = |other: &ServedWorker| {
        let mut bindings = other.versions.values().flat_map(|served| &served.version.detail.bindings);
        bindings.any(|binding| binding.kind.worker() == Some(name))
    };
    let workers: Vec<Value> = snapshot
        .workers
        .values()
        .filter(|other| other.worker.name != name && calls(other))
        .map(|other| json!({ "id": other.worker.id.simple().to_string(), "name": other.worker.name }))
        .collect();
    let domains: Vec<Value> = served
        .triggers
        .domains
        .iter()
        .map(|domain| {
            let (zone_id, zone_name) = zone_of(domain);
            json!({
                "id": domain.id.simple().to_string(),
                "hostname": domain.hostname,
                "zone_id": zone_id,
                "zone_name": zone_name,
                "certificate_id": "",
            })
        })
        .collect();
    json!({
        "workers": workers,
        "domains": domains,
        "durable_objects": [],
        "queues": [],
        "dispatch_namespace_outbounds": [],
    })
}

fn view(state: &ControlState, snapshot: &Snapshot, served: &ServedWorker) -> Value {
    let worker = &served.worker;
    let settings = &worker.settings;
    let mut subdomain = subdomain(worker);
    subdomain["url"] = state.platform().worker_url(&worker.name).into();
    let consumers = settings.tail_consumers.iter().filter_map(|consumer| consumer.get("service"));
    json!({
        "id": worker.id.simple().to_string(),
        "name": worker.name,
        "subdomain": subdomain,
        "logpush": settings.logpush,
        "observability": observability(settings),
        "tags": settings.tags,
        "tail_consumers": consumers.map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "references": references(snapshot, served),
        "created_on": rfc3339(worker.created_on),
        "updated_on": rfc3339(worker.modified_on),
        "deployed_on": served.deployment.as_ref().map(|deployment| rfc3339(deployment.created_on)),
    })
}

async fn shown(state: &ControlState, name: &str) -> Result<Reply, ApiError> {
    let snapshot = state.store().snapshot().await?;
    let served = snapshot
        .workers
        .get(name)
        .ok_or_else(|| StoreError::NotFound { thing: Thing::Worker, name: name.to_owned() })?;
    Reply::new(view(state, &snapshot, served))
}

/// What becomes of settings that a body does not mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unmentioned {
    /// They get their defaults.
    Reset,
    /// They stay.
    Keep,
}

fn settings(members: &Map<String, Value>, unmentioned: Unmentioned) -> Result<SettingsPatch, ApiError> {
    let mut members = members.clone();
    if let Some(Value::Array(consumers)) = members.get_mut("tail_consumers") {
        for (at, consumer) in consumers.iter_mut().enumerate() {
            let pointer = format!("/tail_consumers/{at}/name");
            let name = consumer.get("name").and_then(Value::as_str);
            *consumer =
                json!({ "service": name.ok_or_else(|| ApiError::field(pointer, "A tail consumer is named."))? });
        }
    }
    let mut patch = metadata::settings(&members, codes::INVALID_FIELD)?;
    let (enabled, previews) = match members.get("subdomain").filter(|value| !value.is_null()) {
        None => (None, None),
        Some(flags) if flags.is_object() => read_subdomain_flags(flags, "/subdomain")?,
        Some(_) => return Err(ApiError::field("/subdomain", "subdomain must be an object.")),
    };
    (patch.subdomain_enabled, patch.previews_enabled) = (enabled, previews);
    if unmentioned == Unmentioned::Reset {
        let enabled = enabled.unwrap_or(false);
        patch.subdomain_enabled = Some(enabled);
        patch.previews_enabled = Some(previews.unwrap_or(enabled));
        patch.logpush.get_or_insert(false);
        patch.observability.get_or_insert(None);
        patch.tags.get_or_insert_default();
        patch.tail_consumers.get_or_insert_default();
    }
    Ok(patch)
}

fn members(body: &Value) -> Result<&Map<String, Value>, ApiError> {
    body.as_object().ok_or_else(|| ApiError::field("", "A Worker must be an object."))
}

/// `GET …/workers`.
pub(crate) async fn list(State(state): State<ControlState>, query: QueryParams) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    let by = query.word(&ORDER_BY)?.unwrap_or("deployed_on");
    let descending = query.word(&ORDER)?.unwrap_or("desc") == "desc";
    let snapshot = state.store().snapshot().await?;
    // By name, which decides where the rest is the same.
    let mut workers: Vec<_> = snapshot.workers.values().collect();
    match by {
        "created_on" => workers.sort_by_key(|served| served.worker.created_on),
        "updated_on" => workers.sort_by_key(|served| served.worker.modified_on),
        "deployed_on" => {
            workers.sort_by_key(|served| served.deployment.as_ref().map(|deployment| deployment.created_on));
        }
        _ => {}
    }
    if descending {
        workers.reverse();
    }
    Reply::page(workers.into_iter().map(|served| view(&state, &snapshot, served)).collect(), page)
}

/// `POST …/workers`: a Worker without a version.
pub(crate) async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let members = members(&body)?;
    let name = text_member(&body, "name")?.ok_or_else(|| ApiError::field("/name", "A Worker needs a name."))?;
    check_name(name)?;
    let settings = settings(members, Unmentioned::Reset)?;
    check_tail_consumers(&state, name, &settings).await?;
    state.store().create_worker(name, settings, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    shown(&state, name).await
}

async fn check_tail_consumers(state: &ControlState, name: &str, settings: &SettingsPatch) -> Result<(), ApiError> {
    metadata::check_tail_consumers(name, settings, &*state.store().snapshot().await?)
        .map_err(|error| error.recoded(codes::INVALID_FIELD))
}

/// `GET …/workers/{worker}`.
pub(crate) async fn read(
    State(state): State<ControlState>,
    Params((_, worker)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    shown(&state, &find(&state, &worker).await?.name).await
}

async fn set(
    state: &ControlState,
    caller: &Caller,
    worker: &str,
    body: &Value,
    unmentioned: Unmentioned,
) -> Result<Reply, ApiError> {
    let members = members(body)?;
    let worker = find(state, worker).await?;
    if let Some(other) = text_member(body, "name")?.filter(|name| *name != worker.name) {
        let message = format!(
            "The Worker \"{}\" keeps its name, by which others and its visitors know it. Make a Worker \"{other}\" and delete this one (with Terraform: apply -replace).",
            worker.name
        );
        return Err(ApiError::field("/name", message));
    }
    let settings = settings(members, unmentioned)?;
    check_tail_consumers(state, &worker.name, &settings).await?;
    state.store().update_worker_settings(&worker.name, settings, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    shown(state, &worker.name).await
}

/// `PUT …/workers/{worker}`: what is not mentioned gets its default.
pub(crate) async fn replace(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, worker)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    set(&state, &caller, &worker, &body, Unmentioned::Reset).await
}

/// `PATCH …/workers/{worker}`: what is not mentioned stays.
pub(crate) async fn change(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, worker)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    set(&state, &caller, &worker, &body, Unmentioned::Keep).await
}

/// `DELETE …/workers/{worker}`.
pub(crate) async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, worker)): Params<(String, String)>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let force = if query.flag(&FORCE)?.unwrap_or(false) { Force::Yes } else { Force::No };
    let worker = find(&state, &worker).await?;
    state.store().delete_worker(&worker.name, force, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Ok(Reply::null())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_shown_and_sent_back_changes_nothing_of_what_is_recorded() {
        let shown =
            |set: Option<Value>| observability(&WorkerSettings { observability: set, ..WorkerSettings::default() });
        for (set, recorded, rate) in [
            (None, true, json!(1)),
            (Some(json!({ "enabled": true, "head_sampling_rate": 0.5 })), true, json!(0.5)),
            (Some(json!({ "enabled": false, "traces": { "persist": false } })), false, json!(1)),
            (Some(json!({ "enabled": true, "logs": { "enabled": false } })), false, json!(1)),
        ] {
            let once = shown(set.clone());
            assert_eq!(once["logs"]["enabled"], recorded, "{set:?}");
            assert_eq!(once["logs"]["head_sampling_rate"], rate, "{set:?}");
            assert_eq!(shown(Some(once.clone())), once, "{set:?}");
        }
    }

    #[test]
    fn unmentioned_settings_are_reset_or_kept() {
        let read = |body: Value, unmentioned| settings(body.as_object().unwrap(), unmentioned);
        let reset = read(json!({ "subdomain": { "enabled": true } }), Unmentioned::Reset).unwrap();
        assert_eq!((reset.subdomain_enabled, reset.previews_enabled), (Some(true), Some(true)));
        assert_eq!((reset.logpush, reset.observability, reset.tags), (Some(false), Some(None), Some(Vec::new())));
        let kept = read(json!({ "tail_consumers": [{ "name": "t" }] }), Unmentioned::Keep).unwrap();
        assert_eq!((kept.subdomain_enabled, kept.tags), (None, None));
        assert_eq!(kept.tail_consumers, Some(vec![json!({ "service": "t" })]));
        for wrong in [
            json!({ "tail_consumers": [{ "service": "t" }] }),
            json!({ "subdomain": true }),
            json!({ "subdomain": { "enabled": 1 } }),
            json!({ "logpush": true }),
        ] {
            assert!(read(wrong.clone(), Unmentioned::Keep).is_err(), "{wrong}");
        }
    }
}
