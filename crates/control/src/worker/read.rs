//! Reading and deleting Workers, in the forms that wrangler asks for.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, BytesMut};
use http::header::{CONTENT_TYPE, ETAG};
use serde_json::{Value, json};
use store::{Force, Module, StoreError, Thing, Worker};

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Reply, next_step};
use crate::query::{FORCE, Form, Parameter, QueryParams};
use crate::request::{Params, rfc3339};

fn script_view(state: &ControlState, worker: &Worker, version: Option<&store::Version>) -> Value {
    let mut view = json!({
        "id": worker.name,
        "tag": worker.id.simple().to_string(),
        "tags": worker.settings.tags,
        "logpush": worker.settings.logpush,
        "tail_consumers": worker.settings.tail_consumers,
        "observability": worker.settings.observability,
        "usage_model": "standard",
        "has_modules": true,
        "has_assets": false,
        "url": state.platform().worker_url(&worker.name),
        "created_on": rfc3339(worker.created_on),
        "modified_on": rfc3339(worker.modified_on),
    });
    if let (Some(version), Some(view)) = (version, view.as_object_mut()) {
        let detail = &version.detail;
        view.insert("etag".to_owned(), version.etag.clone().into());
        view.insert("handlers".to_owned(), json!(detail.handlers));
        view.insert("last_deployed_from".to_owned(), json!(detail.source));
        view.insert("compatibility_date".to_owned(), json!(detail.compatibility_date));
        view.insert("compatibility_flags".to_owned(), json!(detail.compatibility_flags));
    }
    view
}

/// `GET …/scripts`.
pub(crate) async fn list(State(state): State<ControlState>) -> Result<Reply, ApiError> {
    let snapshot = state.store().snapshot().await?;
    let views: Vec<Value> = snapshot
        .workers
        .values()
        .map(|served| {
            // The version with the largest share stands for the Worker.
            let version = served
                .deployment
                .as_ref()
                .and_then(|deployment| deployment.shares.iter().max_by_key(|share| share.percentage))
                .and_then(|share| served.versions.get(&share.version_id));
            script_view(&state, &served.worker, version.map(|served| &served.version))
        })
        .collect();
    Reply::new(views)
}

/// `GET …/services/{script}`: what wrangler asks before a deployment.
pub(crate) async fn service(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let worker = match state.store().worker(&script).await {
        Err(StoreError::NotFound { .. }) => {
            return Err(ApiError::new(
                codes::SERVICE_NOT_FOUND,
                format!("Worker \"{script}\" does not exist. {}", next_step(Thing::Worker)),
            ));
        }
        found => found?,
    };
    let version = state.store().latest_version(&script).await?;
    let mut environment = script_view(&state, &worker, version.as_ref());
    // "dash" would have wrangler compare configurations; versions from Terraform or the API do not call for that.
    if let Some(environment) = environment.as_object_mut() {
        environment.insert("last_deployed_from".to_owned(), "wrangler".into());
    }
    Reply::new(json!({
        "id": worker.name,
        "created_on": rfc3339(worker.created_on),
        "modified_on": rfc3339(worker.modified_on),
        "default_environment": {
            "environment": "production",
            "created_on": rfc3339(worker.created_on),
            "modified_on": rfc3339(worker.modified_on),
            "script": environment,
        },
    }))
}

/// `DELETE …/scripts/{script}` and `DELETE …/services/{script}`.
pub(crate) async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    query: QueryParams,
) -> Result<Reply, ApiError> {
    let force = if query.flag(&FORCE)?.unwrap_or(false) { Force::Yes } else { Force::No };
    state.store().delete_worker(&script, force, &caller.actor()).await?;
    state.platform().configuration_changed().await;
    Ok(Reply::null())
}

/// `GET …/scripts/{script}/references`: who would miss the Worker.
pub(crate) async fn references(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    state.store().worker(&script).await?;
    let snapshot = state.store().snapshot().await?;
    let mut incoming = Vec::new();
    let mut outgoing = Vec::new();
    for (name, served) in &snapshot.workers {
        for binding in served.versions.values().flat_map(|served| &served.version.detail.bindings) {
            let Some(target) = binding.kind.worker() else {
                continue;
            };
            if *name == script && target != script {
                outgoing.push(json!({ "service": target, "environment": "production", "name": binding.name }));
            } else if target == script && *name != script {
                incoming.push(json!({ "service": name, "environment": "production", "name": binding.name }));
            }
        }
    }
    Reply::new(json!({
        "services": { "incoming": incoming, "outgoing": outgoing },
        "durable_objects": [],
        "dispatch_outbounds": [],
    }))
}

/// `GET …/workers/tails/by-consumer/{script}`: whose records a Worker gets.
pub(crate) async fn tail_producers(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let snapshot = state.store().snapshot().await?;
    let watched = snapshot.workers.iter().filter(|(_, served)| {
        let consumers = &served.worker.settings.tail_consumers;
        consumers.iter().any(|consumer| consumer.get("service").and_then(|name| name.as_str()) == Some(&*script))
    });
    let producers: Vec<_> = watched
        .map(|(name, _)| json!({ "consumer": { "service": script }, "producer": { "service": name } }))
        .collect();
    Reply::new(json!(producers))
}

/// Lists of what Culvert does not have, which wrangler asks for all the same.
pub(crate) async fn nothing() -> Result<Reply, ApiError> {
    Ok(Reply::new(json!([]))?.info(json!({
        "page": 1, "per_page": 100, "count": 0, "total_count": 0, "total_pages": 0,
    })))
}

fn quoted(name: &str) -> String {
    // As browsers write names in multipart headers.
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn multipart(modules: &[Module], boundary: &str) -> BytesMut {
    let mut body = BytesMut::new();
    for module in modules {
        let name = quoted(&module.name);
        body.put_slice(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {}\r\n\r\n",
                module.kind.content_type()
            )
            .as_bytes(),
        );
        body.put_slice(&module.body);
        body.put_slice(b"\r\n");
    }
    body.put_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

/// Which version is downloaded.
pub(super) const VERSION: Parameter =
    Parameter::new("version", Form::Uuid, "The version whose modules are wanted; the latest when there is none.");

/// `GET …/scripts/{script}` and `GET …/content/v2?version=`: the modules as a multipart form.
pub(crate) async fn download(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
    query: QueryParams,
) -> Result<Response, ApiError> {
    let version = match query.uuid(&VERSION)? {
        Some(id) => state.store().version(&script, id).await?,
        None => state.store().latest_version(&script).await?.ok_or_else(|| {
            ApiError::new(codes::WORKER_NOT_FOUND, format!("Worker \"{script}\" has no version yet. Deploy one."))
        })?,
    };
    let modules = state.store().modules(version.id).await?;
    let boundary = format!("culvert-{}", uuid::Uuid::new_v4().simple());
    let body = multipart(&modules, &boundary).freeze();
    let header = |text: String| {
        http::HeaderValue::try_from(text).map_err(|error| ApiError::internal("writing a header", &error))
    };
    let mut response = Body::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, header(format!("multipart/form-data; boundary={boundary}"))?);
    headers.insert(ETAG, header(format!("\"{}\"", version.etag))?);
    // A main module whose name no header can carry is found by its place in the version's metadata.
    if let Ok(name) = http::HeaderValue::try_from(version.detail.main_module) {
        headers.insert("cf-entrypoint", name);
    }
    Ok(response)
}
