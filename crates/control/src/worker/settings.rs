//! Settings of a Worker: those of its latest version (changing them makes a new one), those that no version has, and
//! whether it is served under its name.

use axum::extract::{Request, State};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use store::{Limits, SettingsPatch, Worker, WorkerSettings};

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::request::{JSON_LIMIT, JsonBody, Params, parse_json, read_body};
use crate::worker::metadata;
use crate::worker::publish::{Deploy, Derivation, derive};
use crate::worker::upload::read_upload;

/// What wrangler puts between a Worker's name and `workers.dev` when it prints an address.
const SUBDOMAIN: &str = "culvert";

fn script_settings(settings: &WorkerSettings) -> Map<String, Value> {
    Map::from_iter([
        ("logpush".to_owned(), json!(settings.logpush)),
        ("observability".to_owned(), json!(settings.observability)),
        ("tags".to_owned(), json!(settings.tags)),
        ("tail_consumers".to_owned(), json!(settings.tail_consumers)),
    ])
}

async fn settings_view(state: &ControlState, worker: &Worker) -> Result<Value, ApiError> {
    let mut view = script_settings(&worker.settings);
    view.insert("bindings".to_owned(), json!([]));
    view.insert("usage_model".to_owned(), "standard".into());
    if let Some(version) = state.store().latest_version(&worker.name).await? {
        let detail = version.detail;
        view.insert("bindings".to_owned(), json!(detail.bindings));
        // Limits that were not given are not there: Terraform would take the empty ones away again with every run.
        if detail.limits != Limits::default() {
            view.insert("limits".to_owned(), json!(detail.limits));
        }
        view.insert("annotations".to_owned(), json!(detail.annotations));
        view.insert("compatibility_flags".to_owned(), json!(detail.compatibility_flags));
        if let Some(date) = detail.compatibility_date {
            view.insert("compatibility_date".to_owned(), date.into());
        }
        if let Some(placement) = detail.extra.get("placement") {
            view.insert("placement".to_owned(), placement.clone());
        }
    }
    Ok(Value::Object(view))
}

/// `GET …/settings`.
pub(crate) async fn read(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    state.deploying().note(caller.token.id, &script);
    let worker = state.store().worker(&script).await?;
    Reply::new(settings_view(&state, &worker).await?)
}

/// `PATCH …/settings`: a form with the part `settings`, or plain JSON.
pub(crate) async fn change(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    request: Request,
) -> Result<Reply, ApiError> {
    state.store().worker(&script).await?;
    let is_form = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/"));
    let body = if is_form {
        read_upload(request, "settings").await?.metadata
    } else {
        parse_json(&read_body(request.into_body(), JSON_LIMIT).await?)?
    };
    let parsed = metadata::parse(&body)?;
    if parsed.main_module.is_some() {
        return Err(ApiError::new(codes::VALIDATION, "main_module cannot be changed without an upload."));
    }
    let published = derive(&state, &caller, &script, |_| {
        Ok(Derivation {
            bindings: parsed.bindings.clone().map(|requested| (requested, parsed.keep.clone())),
            compatibility_date: parsed.compatibility_date.clone(),
            compatibility_flags: parsed.compatibility_flags.clone(),
            limits: parsed.limits,
            annotations: parsed.annotations.clone(),
            extra: parsed.extra.clone(),
            settings: parsed.settings.clone(),
            triggered_by: "upload",
            deploy: Deploy::Now,
        })
    })
    .await?;
    Ok(Reply::new(settings_view(&state, &published.worker).await?)?.messages(parsed.remarks))
}

/// `GET …/script-settings`.
pub(crate) async fn read_script(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let worker = state.store().worker(&script).await?;
    Reply::new(script_settings(&worker.settings))
}

/// `PATCH …/script-settings`.
pub(crate) async fn change_script(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let members = body.as_object().ok_or_else(|| ApiError::field("", "The settings must be an object."))?;
    let mut patch = metadata::settings(members, codes::INVALID_FIELD)?;
    if caller.source == "wrangler" && patch.observability == Some(Some(json!({ "enabled": false }))) {
        // What wrangler says of a configuration that says nothing; the upload before it tells them apart.
        let latest = state.store().latest_version(&script).await?;
        if latest.is_some_and(|version| !version.detail.extra.contains_key(metadata::OBSERVABILITY)) {
            patch.observability = Some(None);
        }
    }
    metadata::check_tail_consumers(&script, &patch, &*state.store().snapshot().await?)
        .map_err(|error| error.recoded(codes::INVALID_FIELD))?;
    let worker = state.store().update_worker_settings(&script, patch, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(script_settings(&worker.settings))
}

pub(super) fn subdomain(worker: &Worker) -> Value {
    json!({
        "enabled": worker.settings.subdomain_enabled,
        "previews_enabled": worker.settings.previews_enabled,
    })
}

/// `GET …/scripts/{script}/subdomain`.
pub(crate) async fn read_subdomain(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    Reply::new(subdomain(&state.store().worker(&script).await?))
}

/// `enabled` and `previews_enabled` of an object at `at`, as far as they are given.
pub(super) fn read_subdomain_flags(body: &Value, at: &str) -> Result<(Option<bool>, Option<bool>), ApiError> {
    let flag = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => {
            Err(ApiError::field(format!("{at}/{name}"), format!("{name} must be true or false, not {other}.")))
        }
    };
    Ok((flag("enabled")?, flag("previews_enabled")?))
}

/// `POST …/scripts/{script}/subdomain`.
pub(crate) async fn change_subdomain(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let (subdomain_enabled, previews_enabled) = read_subdomain_flags(&body, "")?;
    let worker = state
        .store()
        .update_worker_settings(
            &script,
            SettingsPatch { subdomain_enabled, previews_enabled, ..SettingsPatch::default() },
            &caller.actor(),
        )
        .await?;
    state.platform().configuration_changed().await;
    Reply::new(subdomain(&worker))
}

/// `DELETE …/scripts/{script}/subdomain`.
pub(crate) async fn remove_subdomain(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let off =
        SettingsPatch { subdomain_enabled: Some(false), previews_enabled: Some(false), ..SettingsPatch::default() };
    let worker = state.store().update_worker_settings(&script, off, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Reply::new(subdomain(&worker))
}

/// `GET …/workers/subdomain`.
pub(crate) async fn account_subdomain() -> Result<Reply, ApiError> {
    Reply::new(json!({ "subdomain": SUBDOMAIN }))
}
