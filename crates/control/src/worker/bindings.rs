//! The bindings of an upload: each is read, checked by itself, completed from the version before where it asks for
//! that, and checked against what exists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use store::{Binding, BindingKind, ExportedEntrypoint, NetworkRef, Permission, Secret, Snapshot, Version};
use uuid::Uuid;

use crate::auth::Caller;
use crate::codes;
use crate::envelope::ApiError;
use crate::worker::zones::ENVIRONMENT;

/// The most variables and secrets that a Worker may have.
const MAX_VARIABLES: usize = 128;
/// The most that one of them may have, in bytes.
const MAX_VARIABLE: usize = 5 * 1024;
/// The most that the `props` of a binding may have, in bytes.
const MAX_PROPS: usize = 16 * 1024;
const MAX_BINDINGS: usize = 1_000;
const MAX_NAME: usize = 256;

/// The network of every tunnel of the account.
pub(crate) const WHOLE_NETWORK: &str = "cf1:network";

/// Binding types that exist at Cloudflare and not here, with the words for them.
const UNAVAILABLE: &[(&str, &str)] = &[
    ("agent_memory", "an agent memory"),
    ("ai", "Workers AI"),
    ("ai_search", "AI Search"),
    ("ai_search_namespace", "AI Search"),
    ("analytics_engine", "an Analytics Engine dataset"),
    ("artifacts", "Artifacts"),
    ("assets", "static assets"),
    ("browser", "Browser Rendering"),
    ("browser_rendering", "Browser Rendering"),
    ("d1", "a D1 database"),
    ("data_blob", "a data blob of the service-worker format"),
    ("dispatch_namespace", "a dispatch namespace"),
    ("durable_object_namespace", "a Durable Object"),
    ("flagship", "Flagship"),
    ("hyperdrive", "Hyperdrive"),
    ("images", "Images"),
    ("kv_namespace", "a KV namespace"),
    ("logfwdr", "a log forwarder"),
    ("media", "Media Transformations"),
    ("mtls_certificate", "an mTLS certificate"),
    ("pipelines", "a pipeline"),
    ("queue", "a queue"),
    ("r2_bucket", "an R2 bucket"),
    ("ratelimit", "a rate limiter"),
    ("secret_key", "a secret key"),
    ("secrets_store_secret", "a Secrets Store secret"),
    ("send_email", "email sending"),
    ("stream", "Stream"),
    ("text_blob", "a text blob of the service-worker format"),
    ("unsafe_hello_world", "Hello World"),
    ("vectorize", "a Vectorize index"),
    ("wasm_module", "a WebAssembly module of the service-worker format"),
    ("websearch", "web search"),
    ("worker_loader", "a Worker loader"),
    ("workflow", "a workflow"),
];

/// What an upload asks for under one name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    /// This.
    Given(BindingKind),
    /// A secret with this text.
    Secret(Secret),
    /// What the version before has, under this name.
    Inherit(String),
}

/// One binding of an upload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Requested {
    pub(crate) name: String,
    pub(crate) ask: Ask,
}

/// Bindings complete, with the texts of the secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) bindings: Vec<Binding>,
    pub(crate) secrets: BTreeMap<String, Secret>,
}

/// The version that a new one follows, with its secrets.
#[derive(Clone, Debug)]
pub(crate) struct Previous {
    pub(crate) version: Version,
    pub(crate) secrets: BTreeMap<String, Secret>,
}

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::new(codes::VALIDATION, message)
}

fn text(name: &str, members: &Map<String, Value>, field: &str) -> Result<String, ApiError> {
    members
        .get(field)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| wrong(format!("Binding \"{name}\" needs a string \"{field}\".")))
}

fn optional_text(name: &str, members: &Map<String, Value>, field: &str) -> Result<Option<String>, ApiError> {
    match members.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(format!("The \"{field}\" of binding \"{name}\" must be a string."))),
    }
}

fn identifier(name: &str, what: &str, text: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(text).map_err(|_| {
        wrong(format!(
            "Binding \"{name}\" names the {what} \"{text}\", which is not the identifier of one: a UUID is expected."
        ))
    })
}

fn network(name: &str, members: &Map<String, Value>) -> Result<NetworkRef, ApiError> {
    let tunnel = optional_text(name, members, "tunnel_id")?;
    let network = optional_text(name, members, "network_id")?;
    match (tunnel, network) {
        (Some(tunnel), None) => Ok(NetworkRef::Tunnel { tunnel_id: identifier(name, "tunnel", &tunnel)? }),
        (None, Some(network)) if network == WHOLE_NETWORK => Ok(NetworkRef::Network { network_id: network }),
        (None, Some(network)) => Err(wrong(format!(
            "Binding \"{name}\" names the network \"{network}\", which does not exist; the only network is \"{WHOLE_NETWORK}\". To reach what is behind one tunnel, give its tunnel_id."
        ))),
        (Some(_), Some(_)) => Err(wrong(format!(
            "Binding \"{name}\" must have either a \"tunnel_id\" or a \"network_id\", but not both."
        ))),
        (None, None) => Err(wrong(format!("Binding \"{name}\" must have either a \"tunnel_id\" or a \"network_id\"."))),
    }
}

/// The members of each type of binding besides its name and its type.
const MEMBERS: &[(&str, &[&str])] = &[
    ("inherit", &["old_name"]),
    ("json", &["json"]),
    ("plain_text", &["text"]),
    ("secret_text", &["text"]),
    ("service", &["service", "entrypoint", "props", "environment"]),
    ("version_metadata", &[]),
    ("vpc_network", &["tunnel_id", "network_id"]),
    ("vpc_service", &["service_id"]),
];

/// Errs unless `env` may have a property of this name that code can write down.
fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_alphanumeric() || ['_', '$', '-', '.'].contains(&c);
    if name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    let shown: String = name.chars().take(64).collect();
    Err(wrong(format!(
        "A binding cannot have the name {shown:?}: it must have letters, digits and underscores, and not begin with a digit."
    )))
}

fn service(name: &str, members: &Map<String, Value>) -> Result<Ask, ApiError> {
    if let Some(other) = members.get("environment").filter(|value| !value.is_null() && **value != ENVIRONMENT) {
        return Err(wrong(format!(
            "Binding \"{name}\" names the environment {other} of a Worker, which has only \"{ENVIRONMENT}\" in Culvert. Name the Worker as it is deployed (wrangler deploys those of other environments as NAME-ENVIRONMENT), and remove \"environment\"."
        )));
    }
    let props = members.get("props").filter(|props| !props.is_null());
    if let Some(props) = props {
        if !props.is_object() {
            return Err(wrong(format!("The \"props\" of binding \"{name}\" must be an object.")));
        }
        let length = props.to_string().len();
        if length > MAX_PROPS {
            return Err(wrong(format!(
                "The \"props\" of binding \"{name}\" have {length} bytes as JSON; {MAX_PROPS} are allowed."
            )));
        }
    }
    Ok(Ask::Given(BindingKind::Service {
        service: text(name, members, "service")?,
        entrypoint: optional_text(name, members, "entrypoint")?,
        props: props.cloned(),
    }))
}

fn variable(name: &str, length: usize) -> Result<(), ApiError> {
    if length > MAX_VARIABLE {
        return Err(ApiError::new(
            codes::VARIABLE_TOO_LARGE,
            format!("Binding \"{name}\" has {length} bytes; a variable or secret may have {MAX_VARIABLE} (5 KB)."),
        ));
    }
    Ok(())
}

/// The type and name of a binding that only refers to what is there: it inherits it.
fn is_bare(members: &Map<String, Value>) -> bool {
    members.keys().all(|member| member == "type" || member == "name")
}

fn parse_one(number: usize, value: &Value) -> Result<Requested, ApiError> {
    let members = value.as_object().ok_or_else(|| wrong(format!("Binding number {number} must be an object.")))?;
    let name = members
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::new(codes::UNNAMED_BINDING, format!("Binding number {number} has no name.")))?;
    if name.len() > MAX_NAME {
        return Err(wrong(format!("Binding number {number} has a name of more than {MAX_NAME} bytes.")));
    }
    let kind =
        members.get("type").and_then(Value::as_str).ok_or_else(|| wrong(format!("Binding \"{name}\" has no type.")))?;
    check_name(name)?;
    if let Some((_, known)) = MEMBERS.iter().find(|(of, _)| *of == kind) {
        let other = members.iter().find(|(member, value)| {
            !value.is_null() && !["name", "type"].contains(&member.as_str()) && !known.contains(&member.as_str())
        });
        if let Some((member, _)) = other {
            return Err(wrong(format!(
                "Binding \"{name}\" has \"{member}\", which a binding of the type {kind} does not have in Culvert. Remove it."
            )));
        }
    }
    let ask = match kind {
        "inherit" => Ask::Inherit(optional_text(name, members, "old_name")?.unwrap_or(name.to_owned())),
        "plain_text" | "json" | "secret_text" | "vpc_service" | "vpc_network" | "service" if is_bare(members) => {
            Ask::Inherit(name.to_owned())
        }
        "plain_text" => {
            let text = text(name, members, "text")?;
            variable(name, text.len())?;
            Ask::Given(BindingKind::PlainText { text })
        }
        "json" => {
            let json = members
                .get("json")
                .cloned()
                .ok_or_else(|| wrong(format!("Binding \"{name}\" needs a value \"json\".")))?;
            variable(name, json.to_string().len())?;
            Ask::Given(BindingKind::Json { json })
        }
        "secret_text" => {
            let text = text(name, members, "text")?;
            variable(name, text.len())?;
            Ask::Secret(Secret::new(text))
        }
        "vpc_service" => {
            let id = text(name, members, "service_id")?;
            Ask::Given(BindingKind::VpcService { service_id: identifier(name, "VPC Service", &id)? })
        }
        "vpc_network" => Ask::Given(BindingKind::VpcNetwork { network: network(name, members)? }),
        "service" => service(name, members)?,
        "version_metadata" => Ask::Given(BindingKind::VersionMetadata),
        other => {
            let known = UNAVAILABLE.iter().find(|(kind, _)| *kind == other);
            return Err(wrong(match known {
                Some((_, words)) => format!(
                    "Binding \"{name}\" is {words}, which is not available in Culvert. Remove it from the configuration."
                ),
                None => format!(
                    "Binding \"{name}\" has the type \"{other}\", which is not known. Culvert has plain_text, json, secret_text, service, version_metadata, vpc_service and vpc_network."
                ),
            }));
        }
    };
    Ok(Requested { name: name.to_owned(), ask })
}

/// Reads the list of bindings.
pub(crate) fn parse(value: &Value) -> Result<Vec<Requested>, ApiError> {
    let items = value.as_array().ok_or_else(|| wrong("bindings must be a list."))?;
    if items.len() > MAX_BINDINGS {
        return Err(wrong(format!("The Worker has {} bindings; {MAX_BINDINGS} are allowed.", items.len())));
    }
    let mut names = BTreeSet::new();
    let requested: Vec<Requested> =
        items.iter().enumerate().map(|(at, item)| parse_one(at + 1, item)).collect::<Result<_, _>>()?;
    for binding in &requested {
        if !names.insert(binding.name.as_str()) {
            return Err(wrong(format!("Two bindings have the name \"{}\".", binding.name)));
        }
    }
    Ok(requested)
}

/// Completes the bindings: what is inherited by name, and what is kept by type, comes from the version before.
pub(crate) fn resolve(
    requested: Vec<Requested>,
    keep: &BTreeSet<String>,
    previous: Option<&Previous>,
) -> Result<Resolved, ApiError> {
    let mut resolved = Resolved::default();
    let mut names = BTreeSet::new();
    for Requested { name, ask } in requested {
        names.insert(name.clone());
        let kind = match ask {
            Ask::Given(kind) => kind,
            Ask::Secret(secret) => {
                resolved.secrets.insert(name.clone(), secret);
                BindingKind::SecretText
            }
            Ask::Inherit(old) => {
                let found = previous.and_then(|previous| {
                    previous.version.binding(&old).map(|binding| (binding.kind.clone(), previous.secrets.get(&old)))
                });
                let Some((kind, secret)) = found else {
                    return Err(ApiError::new(
                        codes::INVALID_INHERIT,
                        format!(
                            // The first words are those by which wrangler knows what it lacks.
                            "inherit binding '{name}' is invalid: {} no binding \"{old}\". If it is a secret, set it first (wrangler secret put {old}). If wrangler was to make a database, a bucket, a namespace or a queue for it, this is not available in Culvert: remove the binding \"{name}\" from the configuration.",
                            if previous.is_some() {
                                "the version before has"
                            } else {
                                "there is no version before, and so"
                            }
                        ),
                    ));
                };
                if let Some(secret) = secret {
                    resolved.secrets.insert(name.clone(), secret.clone());
                }
                kind
            }
        };
        resolved.bindings.push(Binding { name, kind });
    }
    for binding in previous.into_iter().flat_map(|previous| &previous.version.detail.bindings) {
        if !names.contains(&binding.name) && keep.contains(binding.kind.type_name()) {
            if let Some(secret) = previous.and_then(|previous| previous.secrets.get(&binding.name)) {
                resolved.secrets.insert(binding.name.clone(), secret.clone());
            }
            resolved.bindings.push(binding.clone());
        }
    }
    let variables = resolved
        .bindings
        .iter()
        .filter(|binding| {
            matches!(binding.kind, BindingKind::PlainText { .. } | BindingKind::Json { .. } | BindingKind::SecretText)
        })
        .count();
    if variables > MAX_VARIABLES {
        return Err(ApiError::new(
            codes::TOO_MANY_VARIABLES,
            format!("The Worker has {variables} variables and secrets; {MAX_VARIABLES} are allowed."),
        ));
    }
    Ok(resolved)
}

/// Errs unless everything that the bindings name exists. A Worker may name itself before it exists.
pub(crate) fn check_references(worker: &str, bindings: &[Binding], snapshot: &Snapshot) -> Result<(), ApiError> {
    for Binding { name, kind } in bindings {
        match kind {
            BindingKind::VpcService { service_id } => {
                if !snapshot.services.contains_key(service_id) {
                    return Err(wrong(format!(
                        "Binding \"{name}\" names the VPC Service {service_id}, which does not exist. `wrangler vpc service list` shows those that do."
                    )));
                }
            }
            BindingKind::VpcNetwork { network: NetworkRef::Tunnel { tunnel_id } } => {
                if !snapshot.tunnels.contains_key(tunnel_id) {
                    return Err(wrong(format!(
                        "Binding \"{name}\" names the tunnel {tunnel_id}, which does not exist. `wrangler tunnel list` shows those that do."
                    )));
                }
            }
            BindingKind::Service { service, .. } => {
                if service != worker && !snapshot.workers.contains_key(service) {
                    return Err(wrong(format!(
                        "Binding \"{name}\" names the Worker \"{service}\", which does not exist. Deploy it first."
                    )));
                }
            }
            BindingKind::Json { .. }
            | BindingKind::PlainText { .. }
            | BindingKind::SecretText
            | BindingKind::VersionMetadata
            | BindingKind::VpcNetwork { network: NetworkRef::Network { .. } } => {}
        }
    }
    Ok(())
}

/// Errs unless each Worker that a binding names exports the entrypoint that it names. `own` are those of the upload itself.
pub(crate) fn check_entrypoints(
    worker: &str,
    bindings: &[Binding],
    snapshot: &Snapshot,
    own: &[ExportedEntrypoint],
) -> Result<(), ApiError> {
    for Binding { name, kind } in bindings {
        let BindingKind::Service { service, entrypoint, .. } = kind else { continue };
        let wanted = entrypoint.as_deref().unwrap_or("default");
        // One of the versions that are deployed is enough: a deployment may be on its way from one to the next.
        let exported: Vec<&[ExportedEntrypoint]> = if service == worker {
            vec![own]
        } else {
            let versions = snapshot.workers.get(service).into_iter().flat_map(|served| served.versions.values());
            let known: Option<Vec<_>> = versions.map(|served| served.version.detail.entrypoints.as_deref()).collect();
            // What was deployed before this was kept may have any.
            let Some(known) = known.filter(|known| !known.is_empty()) else { continue };
            known
        };
        if exported.iter().any(|list| list.iter().any(|one| one.name == wanted)) {
            continue;
        }
        let names: BTreeSet<&str> = exported.iter().flat_map(|list| list.iter().map(|one| one.name.as_str())).collect();
        let names: Vec<&str> = names.into_iter().collect();
        return Err(wrong(format!(
            "Binding \"{name}\" names the entrypoint \"{wanted}\" of the Worker \"{service}\", which does not export it: it exports {}.",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        )));
    }
    Ok(())
}

/// What binding this needs.
fn needed(kind: &BindingKind) -> Option<Permission> {
    match kind {
        BindingKind::VpcService { .. } | BindingKind::VpcNetwork { network: NetworkRef::Network { .. } } => {
            Some(Permission::ConnectivityDirectoryBind)
        }
        BindingKind::VpcNetwork { network: NetworkRef::Tunnel { .. } } => Some(Permission::ConnectivityDirectoryAdmin),
        BindingKind::Json { .. }
        | BindingKind::PlainText { .. }
        | BindingKind::SecretText
        | BindingKind::Service { .. }
        | BindingKind::VersionMetadata => None,
    }
}

/// Errs unless the caller may bind each of these, wherever they come from: who uploads code decides what becomes of what it is
/// bound to, also where an upload takes a binding over from the version before.
pub(crate) fn check_permissions<'a>(
    caller: &Caller,
    bindings: impl IntoIterator<Item = &'a Binding>,
) -> Result<(), ApiError> {
    for Binding { name, kind } in bindings {
        if let Some(needed) = needed(kind) {
            caller.require(needed, &format!("use the binding \"{name}\""))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
