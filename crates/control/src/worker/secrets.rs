//! Secrets of a Worker. They are part of its versions, so that every change makes a new version; the texts go in and
//! never come out.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde_json::{Map, Value, json};
use store::{Binding, BindingKind, Secret, SettingsPatch};

use crate::ControlState;
use crate::auth::Caller;
use crate::codes;
use crate::envelope::{ApiError, Reply};
use crate::request::{JsonBody, Params};
use crate::worker::bindings::{self, Ask, Previous, Requested};
use crate::worker::publish::{Deploy, Derivation, derive};
use crate::worker::{metadata, version_view, workers};

/// Secrets by name; `None` deletes.
type Changes = BTreeMap<String, Option<Secret>>;

fn view(name: &str) -> Value {
    json!({ "name": name, "type": "secret_text" })
}

fn no_secret(name: &str) -> ApiError {
    ApiError::new(
        codes::BINDING_NOT_FOUND,
        format!("There is no secret \"{name}\". `wrangler secret list` shows those that there are."),
    )
}

/// The bindings of the version before with these changes, and an error where a secret is to be deleted that is not
/// there, or to be set under the name of another binding.
fn apply(previous: &Previous, changes: &Changes) -> Result<Vec<Requested>, ApiError> {
    let mut requested: Vec<Requested> = Vec::new();
    for Binding { name, kind } in &previous.version.detail.bindings {
        match changes.get(name) {
            None => requested.push(Requested { name: name.clone(), ask: Ask::Inherit(name.clone()) }),
            Some(_) if *kind != BindingKind::SecretText => {
                return Err(ApiError::new(
                    codes::VALIDATION,
                    format!(
                        "Binding \"{name}\" is not a secret but of the type {}. Rename one of them.",
                        kind.type_name()
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    for (name, change) in changes {
        match change {
            Some(secret) => requested.push(Requested { name: name.clone(), ask: Ask::Secret(secret.clone()) }),
            None if previous.version.binding(name).is_none() => {
                return Err(no_secret(name));
            }
            None => {}
        }
    }
    Ok(requested)
}

fn derivation(
    previous: &Previous,
    changes: &Changes,
    annotations: BTreeMap<String, String>,
    deploy: Deploy,
) -> Result<Derivation, ApiError> {
    Ok(Derivation {
        bindings: Some((apply(previous, changes)?, BTreeSet::new())),
        compatibility_date: None,
        compatibility_flags: None,
        limits: None,
        annotations,
        extra: Map::new(),
        settings: SettingsPatch::default(),
        triggered_by: "secret",
        deploy,
    })
}

/// Reads `{name?, text, type?}`.
fn read_secret(name: Option<&str>, value: &Value) -> Result<(String, Secret), ApiError> {
    let mut members = value
        .as_object()
        .cloned()
        .ok_or_else(|| ApiError::new(codes::VALIDATION, "A secret must be an object {name, text, type}."))?;
    if let Some(name) = name {
        members.insert("name".to_owned(), name.into());
    }
    match members.get("type") {
        None | Some(Value::Null) => {}
        Some(kind) if kind == "secret_text" => {}
        Some(kind) => {
            return Err(ApiError::new(
                codes::VALIDATION,
                format!("A secret has the type \"secret_text\", not {kind}."),
            ));
        }
    }
    members.insert("type".to_owned(), "secret_text".into());
    if !members.get("text").is_some_and(Value::is_string) {
        return Err(ApiError::new(codes::VALIDATION, "A secret needs a string \"text\"."));
    }
    match bindings::parse(&Value::from(vec![Value::Object(members)]))?.pop() {
        Some(Requested { name, ask: Ask::Secret(secret) }) => Ok((name, secret)),
        _ => Err(ApiError::new(codes::VALIDATION, "This is not a secret.")),
    }
}

async fn names(state: &ControlState, script: &str) -> Result<Vec<String>, ApiError> {
    let version = state.store().latest_version(script).await?;
    Ok(version
        .into_iter()
        .flat_map(|version| version.detail.bindings)
        .filter(|binding| binding.kind == BindingKind::SecretText)
        .map(|binding| binding.name)
        .collect())
}

/// `GET …/secrets`.
pub(crate) async fn list(
    State(state): State<ControlState>,
    Params((_, script)): Params<(String, String)>,
) -> Result<Reply, ApiError> {
    let names = names(&state, &script).await?;
    Reply::new(names.iter().map(|name| view(name)).collect::<Vec<_>>())
}

/// `GET …/secrets/{secret}`.
pub(crate) async fn read(
    State(state): State<ControlState>,
    Params((_, script, secret)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    if names(&state, &script).await?.contains(&secret) {
        return Reply::new(view(&secret));
    }
    Err(no_secret(&secret))
}

/// `PUT …/secrets`.
pub(crate) async fn put_one(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let (name, secret) = read_secret(None, &body)?;
    let changes = Changes::from([(name.clone(), Some(secret))]);
    derive(&state, &caller, &script, |previous| derivation(previous, &changes, BTreeMap::new(), Deploy::Now)).await?;
    Reply::new(view(&name))
}

/// `DELETE …/secrets/{secret}`.
pub(crate) async fn remove(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script, secret)): Params<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let changes = Changes::from([(secret, None)]);
    derive(&state, &caller, &script, |previous| derivation(previous, &changes, BTreeMap::new(), Deploy::Now)).await?;
    Ok(Reply::null())
}

fn read_changes(field: &str, value: Option<&Value>) -> Result<Changes, ApiError> {
    let members = value.and_then(Value::as_object).ok_or_else(|| {
        ApiError::new(codes::VALIDATION, format!("{field} must be an object of secrets by name; null deletes one."))
    })?;
    members
        .iter()
        .map(|(name, value)| match value {
            Value::Null => Ok((name.clone(), None)),
            value => read_secret(Some(name), value).map(|(name, secret)| (name, Some(secret))),
        })
        .collect()
}

/// `PATCH …/secrets-bulk`.
pub(crate) async fn bulk(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let changes = read_changes("secrets", body.get("secrets"))?;
    if !changes.is_empty() {
        derive(&state, &caller, &script, |previous| derivation(previous, &changes, BTreeMap::new(), Deploy::Now))
            .await?;
    }
    let names = names(&state, &script).await?;
    Reply::new(names.iter().map(|name| view(name)).collect::<Vec<_>>())
}

/// `PATCH …/workers/{script}/versions/latest`: a version with other secrets, not deployed.
pub(crate) async fn patch_latest(
    State(state): State<ControlState>,
    caller: Caller,
    Params((_, script)): Params<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    if let Some(other) =
        body.as_object().into_iter().flat_map(Map::keys).find(|name| *name != "env" && *name != "annotations")
    {
        return Err(ApiError::new(
            codes::VALIDATION,
            format!("\"{other}\" cannot be changed here; env (secrets) and annotations can."),
        ));
    }
    let script = workers::find(&state, &script).await?.name;
    let changes = read_changes("env", body.get("env"))?;
    let annotations = metadata::annotations(body.get("annotations"), codes::VALIDATION)?;
    let published =
        derive(&state, &caller, &script, |previous| derivation(previous, &changes, annotations.clone(), Deploy::Later))
            .await?;
    Reply::new(version_view(&published.version))
}
