//! Making versions: from an upload, or from the version before with something changed.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Request, State};
use serde_json::json;
use store::{
    Base, Code, DeploymentDetail, ExportedEntrypoint, IfAbsent, Module, NewVersion, Publish, Published, SettingsPatch,
    StoreError, VersionDetail,
};

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Message, Reply};
use crate::platform::{Validated, WorkerCandidate};
use crate::request::{Params, rfc3339};
use crate::worker::bindings::{self, Previous, Resolved};
use crate::worker::metadata::{self, Metadata};
use crate::worker::upload::{Upload, read_upload};
use crate::worker::{check_name, version_view};

/// How often a version is derived anew when somebody else was faster.
const ATTEMPTS: u32 = 4;

/// Whether a new version takes the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deploy {
    Now,
    Later,
}

/// The newest version of a Worker with its secrets; `None` without a Worker or a version.
pub(crate) async fn previous(state: &ControlState, worker: &str) -> Result<Option<Previous>, ApiError> {
    let version = match state.store().latest_version(worker).await {
        Ok(Some(version)) => version,
        Ok(None) | Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let secrets = state.store().version_secrets(version.id).await?;
    Ok(Some(Previous { version, secrets }))
}

/// Asks the runtime to start the candidate.
pub(crate) async fn start(state: &ControlState, candidate: &WorkerCandidate) -> Result<Validated, ApiError> {
    state.platform().validate_worker(candidate).await.map_err(|rejected| {
        let code = codes::ALL
            .iter()
            .find(|code| code.number == rejected.code && code.status < 500)
            .copied()
            .unwrap_or(codes::VALIDATION);
        ApiError::new(code, rejected.message)
    })
}

/// Handlers that nothing ever calls here.
const UNAVAILABLE_HANDLERS: [&str; 2] = ["email", "queue"];

/// Errs where nothing of a Worker would ever run, though it has handlers; remarks on those that do not.
fn check_handlers(validated: &Validated) -> Result<Option<Message>, ApiError> {
    let idle: Vec<String> = validated
        .handlers
        .iter()
        .filter(|handler| UNAVAILABLE_HANDLERS.contains(&handler.as_str()))
        .map(|handler| format!("{handler}()"))
        .collect();
    if idle.is_empty() {
        return Ok(None);
    }
    let runs = |entrypoint: &ExportedEntrypoint| {
        // A class without handlers has methods for other Workers.
        entrypoint.handlers.is_empty()
            || entrypoint.handlers.iter().any(|handler| !UNAVAILABLE_HANDLERS.contains(&handler.as_str()))
    };
    let idle = idle.join(" and ");
    if validated.entrypoints.iter().any(runs) {
        let message = format!("Nothing calls the handler {idle} in Culvert, which has neither queues nor e-mail.");
        return Ok(Some(Message { code: codes::NOT_AVAILABLE.number, message }));
    }
    Err(ApiError::new(
        codes::UNAVAILABLE_HANDLERS,
        format!(
            "The Worker has no handler but {idle}, which nothing calls in Culvert: it has neither queues nor e-mail. Export a fetch or scheduled handler."
        ),
    ))
}

fn triggered(mut annotations: BTreeMap<String, String>, by: &str) -> BTreeMap<String, String> {
    annotations.insert("workers/triggered_by".to_owned(), by.to_owned());
    annotations
}

fn main_module(metadata: &Metadata, modules: &[Module]) -> Result<String, ApiError> {
    let wrong = |message: String| ApiError::new(codes::VALIDATION, message);
    let name = metadata
        .main_module
        .as_deref()
        .ok_or_else(|| wrong("The upload's metadata names no main_module.".to_owned()))?;
    if modules.iter().any(|module| module.name == name) {
        return Ok(name.to_owned());
    }
    let others: Vec<&str> = modules.iter().take(5).map(|module| module.name.as_str()).collect();
    Err(wrong(if others.is_empty() {
        format!("The main module \"{name}\" is missing: the upload has no modules.")
    } else {
        format!("The main module \"{name}\" is missing: the upload has {}.", others.join(", "))
    }))
}

/// Checks and keeps a version that was uploaded.
pub(crate) async fn accept(
    state: &ControlState,
    caller: &Caller,
    script: &str,
    metadata: Metadata,
    modules: Vec<Module>,
    if_absent: IfAbsent,
    deploy: Deploy,
) -> Result<(Published, Vec<Message>), ApiError> {
    let main_module = main_module(&metadata, &modules)?;
    let requested = metadata.bindings.clone().unwrap_or_default();
    let mut attempt = 1;
    loop {
        let previous = previous(state, script).await?;
        if previous.is_none() && if_absent == IfAbsent::Refuse {
            // Says 10007 for a Worker that is not there, and goes on for one without versions.
            state.store().worker(script).await?;
        }
        let mut remarks = metadata.remarks.clone();
        let Resolved { bindings, secrets } = bindings::resolve(requested.clone(), &metadata.keep, previous.as_ref())?;
        bindings::check_permissions(caller, &bindings)?;
        let snapshot = state.store().snapshot().await?;
        bindings::check_references(script, &bindings, &snapshot)?;
        metadata::check_tail_consumers(script, &metadata.settings, &snapshot)?;
        let candidate = WorkerCandidate {
            name: script.to_owned(),
            modules: modules.clone(),
            main_module: main_module.clone(),
            compatibility_date: metadata.compatibility_date.clone(),
            compatibility_flags: metadata.compatibility_flags.clone().unwrap_or_default(),
            bindings,
            secrets,
            limits: metadata.limits.unwrap_or_default(),
        };
        let validated = start(state, &candidate).await?;
        remarks.extend(check_handlers(&validated)?);
        bindings::check_entrypoints(
            script,
            &candidate.bindings,
            &*state.store().snapshot().await?,
            &validated.entrypoints,
        )?;
        let annotations = triggered(metadata.annotations.clone(), "upload");
        let publish = Publish {
            worker: script.to_owned(),
            if_absent,
            base: Base::Latest(previous.map(|previous| previous.version.number)),
            version: NewVersion {
                code: Code::Modules(candidate.modules),
                detail: VersionDetail {
                    main_module: candidate.main_module,
                    compatibility_date: candidate.compatibility_date,
                    compatibility_flags: candidate.compatibility_flags,
                    bindings: candidate.bindings,
                    limits: candidate.limits,
                    annotations: annotations.clone(),
                    source: caller.source.to_owned(),
                    author: caller.token.name.clone(),
                    handlers: validated.handlers,
                    entrypoints: Some(validated.entrypoints),
                    startup_time_ms: validated.startup_time_ms,
                    extra: metadata.extra.clone(),
                },
                secrets: candidate.secrets,
            },
            deploy: (deploy == Deploy::Now).then(|| DeploymentDetail {
                source: caller.source.to_owned(),
                author: caller.token.name.clone(),
                annotations,
            }),
            settings: match deploy {
                Deploy::Now => metadata.settings.clone(),
                Deploy::Later => SettingsPatch::default(),
            },
        };
        match state.store().publish(publish, &caller.actor()).await {
            Err(StoreError::ConcurrentChange { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
            Ok(published) => {
                state.platform().configuration_changed().await;
                return Ok((published, remarks));
            }
        }
    }
}

/// `PUT …/scripts/{script}`: uploads a Worker and deploys it.
pub(crate) async fn put_script(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    request: Request,
) -> Result<Reply, ApiError> {
    check_name(&script)?;
    let Upload { metadata, modules } = read_upload(request, "metadata").await?;
    let metadata = metadata::parse(&metadata)?;
    let (published, remarks) =
        accept(&state, &caller, &script, metadata, modules, IfAbsent::Create, Deploy::Now).await?;
    let Published { worker, version, .. } = published;
    let detail = &version.detail;
    Ok(Reply::new(json!({
        "id": worker.name,
        "tag": worker.id.simple().to_string(),
        "etag": version.etag,
        "deployment_id": version.id,
        "version_id": version.id,
        "startup_time_ms": detail.startup_time_ms,
        "handlers": detail.handlers,
        "has_modules": true,
        "has_assets": false,
        "compatibility_date": detail.compatibility_date,
        "compatibility_flags": detail.compatibility_flags,
        "usage_model": "standard",
        "logpush": worker.settings.logpush,
        "available_on_subdomain": worker.settings.subdomain_enabled,
        "url": state.platform().worker_url(&worker.name),
        "created_on": rfc3339(worker.created_on),
        "modified_on": rfc3339(worker.modified_on),
    }))?
    .messages(remarks))
}

/// `POST …/versions`: uploads a version without deploying it.
pub(crate) async fn post_version(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    request: Request,
) -> Result<Reply, ApiError> {
    check_name(&script)?;
    // Before the body is read, so that a wrong name does not cost an upload.
    state.store().worker(&script).await?;
    let Upload { metadata, modules } = read_upload(request, "metadata").await?;
    let metadata = metadata::parse(&metadata)?;
    let (published, remarks) =
        accept(&state, &caller, &script, metadata, modules, IfAbsent::Refuse, Deploy::Later).await?;
    Ok(Reply::new(version_view(&published.version))?.messages(remarks))
}

/// `POST …/assets-upload-session`: what wrangler asks for before it uploads a Worker with static assets.
pub(crate) async fn refuse_assets(Params(_): Params<(String, String)>) -> ApiError {
    metadata::no_assets()
}

/// What a derived version changes.
pub(crate) struct Derivation {
    /// Completed against the version before; `None` keeps its bindings.
    pub(crate) bindings: Option<(Vec<bindings::Requested>, BTreeSet<String>)>,
    pub(crate) compatibility_date: Option<String>,
    pub(crate) compatibility_flags: Option<Vec<String>>,
    pub(crate) limits: Option<store::Limits>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) extra: serde_json::Map<String, serde_json::Value>,
    pub(crate) settings: SettingsPatch,
    pub(crate) triggered_by: &'static str,
    pub(crate) deploy: Deploy,
}

/// Makes a version with the code of the latest one. A change is computed from the version before it, so it is
/// passed as a function, which is called again when somebody else was faster.
pub(crate) async fn derive(
    state: &ControlState,
    caller: &Caller,
    script: &str,
    change: impl Fn(&Previous) -> Result<Derivation, ApiError>,
) -> Result<Published, ApiError> {
    let mut attempt = 1;
    loop {
        let worker = state.store().worker(script).await?;
        let previous = previous(state, script).await?.ok_or_else(|| {
            ApiError::new(
                codes::WORKER_NOT_FOUND,
                format!("Worker \"{}\" has no version yet. Deploy one first.", worker.name),
            )
        })?;
        let derivation = change(&previous)?;
        if derivation.deploy == Deploy::Now
            && let Err(refusal) = check_deployed(state, script, &previous).await
        {
            // The latest version and the deployments are read one after the other: another change may lie between.
            let latest = self::previous(state, script).await?;
            if latest.is_some_and(|latest| latest.version.id != previous.version.id) && attempt < ATTEMPTS {
                attempt += 1;
                continue;
            }
            return Err(refusal);
        }
        let before = &previous.version.detail;
        let resolved = match derivation.bindings {
            Some((requested, keep)) => bindings::resolve(requested, &keep, Some(&previous))?,
            None => Resolved { bindings: before.bindings.clone(), secrets: previous.secrets.clone() },
        };
        let changed: Vec<_> = resolved
            .bindings
            .iter()
            .filter(|binding| previous.version.binding(&binding.name) != Some(binding))
            .cloned()
            .collect();
        // The code stays as it is, and what it was bound to before was allowed: who may edit Workers may set a secret of one.
        bindings::check_permissions(caller, &changed)?;
        let snapshot = state.store().snapshot().await?;
        bindings::check_references(script, &changed, &snapshot)?;
        metadata::check_tail_consumers(script, &derivation.settings, &snapshot)?;
        let candidate = WorkerCandidate {
            name: script.to_owned(),
            modules: state.store().modules(previous.version.id).await?,
            main_module: before.main_module.clone(),
            compatibility_date: derivation.compatibility_date.or_else(|| before.compatibility_date.clone()),
            compatibility_flags: derivation.compatibility_flags.unwrap_or_else(|| before.compatibility_flags.clone()),
            bindings: resolved.bindings,
            secrets: resolved.secrets,
            limits: derivation.limits.unwrap_or(before.limits),
        };
        let validated = start(state, &candidate).await?;
        bindings::check_entrypoints(
            script,
            &candidate.bindings,
            &*state.store().snapshot().await?,
            &validated.entrypoints,
        )?;
        let annotations = triggered(derivation.annotations, derivation.triggered_by);
        let mut extra = before.extra.clone();
        extra.extend(derivation.extra);
        let publish = Publish {
            worker: script.to_owned(),
            if_absent: IfAbsent::Refuse,
            base: Base::Latest(Some(previous.version.number)),
            version: NewVersion {
                code: Code::SameAs(previous.version.etag.clone()),
                detail: VersionDetail {
                    main_module: candidate.main_module,
                    compatibility_date: candidate.compatibility_date,
                    compatibility_flags: candidate.compatibility_flags,
                    bindings: candidate.bindings,
                    limits: candidate.limits,
                    annotations: annotations.clone(),
                    source: caller.source.to_owned(),
                    author: caller.token.name.clone(),
                    handlers: validated.handlers,
                    entrypoints: Some(validated.entrypoints),
                    startup_time_ms: validated.startup_time_ms,
                    extra,
                },
                secrets: candidate.secrets,
            },
            deploy: (derivation.deploy == Deploy::Now).then(|| DeploymentDetail {
                source: caller.source.to_owned(),
                author: caller.token.name.clone(),
                annotations,
            }),
            settings: derivation.settings,
        };
        match state.store().publish(publish, &caller.actor()).await {
            Err(StoreError::ConcurrentChange { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
            Ok(published) => {
                state.platform().configuration_changed().await;
                return Ok(published);
            }
        }
    }
}

/// A change in place would deploy code that nobody deployed, unless the latest version has all the traffic.
async fn check_deployed(state: &ControlState, script: &str, previous: &Previous) -> Result<(), ApiError> {
    let current = state.store().deployments(script, 1).await?;
    let latest_only = current.first().is_some_and(|deployment| {
        deployment
            .shares
            .iter()
            .filter(|share| share.percentage.basis_points() > 0)
            .all(|share| share.version_id == previous.version.id)
    });
    if latest_only {
        return Ok(());
    }
    Err(ApiError::new(
        codes::LATEST_NOT_DEPLOYED,
        format!(
            "The latest version of Worker \"{script}\" does not have all its traffic, so it cannot be changed in place. Deploy it first (wrangler versions deploy), or change the secret in a new version (wrangler versions secret put)."
        ),
    ))
}
