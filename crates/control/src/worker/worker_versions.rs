//! Versions of a Worker as JSON: `…/workers/workers/{worker}/versions`, where Cloudflare's newer clients, and Terraform's
//! `cloudflare_worker_version`, upload code without a form. What is asked of a version is the same as in `publish.rs`.

use std::collections::BTreeSet;

use axum::extract::{Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use store::{IfAbsent, Limits, Module, SettingsPatch, Version};

use crate::ControlState;
use crate::auth::Caller;
use crate::envelope::{ApiError, Reply};
use crate::query::{Form, Parameter, QueryParams, per_page};
use crate::request::{Params, parse_json, path_uuid, read_body, rfc3339};
use crate::worker::publish::{Deploy, accept};
use crate::worker::upload::{WORKER_LIMIT, modules_of_json};
use crate::worker::{email, metadata, workers};

pub(super) const PER_PAGE: Parameter = per_page(100);
pub(super) const DEPLOY: Parameter =
    Parameter::new("deploy", Form::Flag, "Whether the version takes all traffic at once.");
pub(super) const INCLUDE: Parameter =
    Parameter::new("include", Form::Word(&["modules"]), "The code as well, which may be large.");

/// The most that a body may have: the largest Worker in base64, and what is said of it.
const BODY_LIMIT: usize = WORKER_LIMIT / 3 * 4 + 4 * 1024 * 1024;

/// What was not given is not there: Terraform compares it with what it asked for.
fn view(version: &Version, modules: Option<&[Module]>) -> Value {
    let detail = &version.detail;
    let mut view = json!({
        "id": version.id,
        "number": version.number,
        "created_on": rfc3339(version.created_on),
        "source": detail.source,
        "author_id": detail.author,
        "author_email": email(&detail.author),
        "annotations": detail.annotations,
        "main_module": detail.main_module,
        "compatibility_flags": detail.compatibility_flags,
        "bindings": detail.bindings,
        "startup_time_ms": detail.startup_time_ms,
        "usage_model": "standard",
        "cache_options": { "enabled": false, "cross_version_cache": false },
        "urls": [],
    });
    if let Some(date) = &detail.compatibility_date {
        view["compatibility_date"] = date.clone().into();
    }
    if detail.limits != Limits::default() {
        view["limits"] = json!(detail.limits);
    }
    for member in ["placement", "usage_model"] {
        if let Some(value) = detail.extra.get(member) {
            view[member] = value.clone();
        }
    }
    if let Some(modules) = modules {
        let module = |module: &Module| {
            json!({
                "name": module.name,
                "content_type": module.kind.content_type(),
                "content_base64": STANDARD.encode(&module.body),
            })
        };
        view["modules"] = modules.iter().map(module).collect();
    }
    view
}

/// `GET …/versions`: newest first.
pub(crate) async fn list(
    State(state): State<ControlState>,
    Params((_, worker)): Params<(String, String)>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let page = query.page(&PER_PAGE)?;
    let worker = workers::find(&state, &worker).await?;
    let versions = state.store().versions(&worker.name).await?;
    Reply::page(versions.iter().map(|version| view(version, None)).collect(), page)
}

/// `POST …/versions`.
pub(crate) async fn create(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, worker)): Params<(String, String)>,
    query: QueryParams,
    request: Request,
) -> Result<Reply, ApiError> {
    let deploy = if query.flag(&DEPLOY)?.unwrap_or(false) { Deploy::Now } else { Deploy::Later };
    // Before the body is read, so that a wrong name does not cost an upload.
    let worker = workers::find(&state, &worker).await?;
    let mut body = parse_json(&read_body(request.into_body(), BODY_LIMIT).await?)?;
    let modules = body.as_object_mut().and_then(|members| members.remove("modules"));
    let modules = modules_of_json(modules.as_ref())?;
    let mut metadata = metadata::parse(&body)?;
    if body.get("keep_bindings").is_none_or(Value::is_null) {
        // A version is all that it says: a binding that came from elsewhere is one that nobody asked for.
        metadata.keep = BTreeSet::new();
    }
    metadata.settings = SettingsPatch::default();
    let (published, remarks) =
        accept(&state, &caller, &worker.name, metadata, modules, IfAbsent::Refuse, deploy).await?;
    Ok(Reply::new(view(&published.version, None))?.messages(remarks))
}

/// `GET …/versions/{version}`.
pub(crate) async fn read(
    State(state): State<ControlState>,
    Params((_, worker, version)): Params<(String, String, String)>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let with_modules = query.word(&INCLUDE)?.is_some();
    let worker = workers::find(&state, &worker).await?;
    let version = state.store().version(&worker.name, path_uuid(&version, "version")?).await?;
    let modules = if with_modules { Some(state.store().modules(version.id).await?) } else { None };
    Reply::new(view(&version, modules.as_deref()))
}

/// `DELETE …/versions/{version}`: refused while a deployment names it.
pub(crate) async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, worker, version)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let worker = workers::find(&state, &worker).await?;
    state.store().delete_version(&worker.name, path_uuid(&version, "version")?, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Ok(Reply::null())
}
