//! Versions of a Worker: code, bindings and limits, never changed after they were made. Versions with the same code
//! share it. The secrets of a version are kept apart from it, sealed, and reach only the serving path.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, from_json, query, time, uuid};
use crate::error::{StoreError, Thing};
use crate::key::hex;
use crate::seal::{Sealer, Secret};

/// What a module of a Worker is, by the content type it was uploaded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModuleKind {
    /// A CommonJS module (`application/javascript`).
    CommonJs,
    /// Bytes (`application/octet-stream`): an `ArrayBuffer`.
    Data,
    /// An ECMAScript module (`application/javascript+module`).
    EsModule,
    /// JSON (`application/json`).
    Json,
    /// UTF-8 text (`text/plain`): a string.
    Text,
    /// WebAssembly (`application/wasm`): a `WebAssembly.Module`.
    Wasm,
}

impl ModuleKind {
    /// The content type of such a module in uploads and downloads.
    pub fn content_type(self) -> &'static str {
        match self {
            ModuleKind::CommonJs => "application/javascript",
            ModuleKind::Data => "application/octet-stream",
            ModuleKind::EsModule => "application/javascript+module",
            ModuleKind::Json => "application/json",
            ModuleKind::Text => "text/plain",
            ModuleKind::Wasm => "application/wasm",
        }
    }

    /// Finds the kind by its content type, without parameters.
    pub fn of_content_type(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "application/javascript" | "text/javascript" => Some(ModuleKind::CommonJs),
            "application/octet-stream" => Some(ModuleKind::Data),
            "application/javascript+module" | "text/javascript+module" => Some(ModuleKind::EsModule),
            "application/json" => Some(ModuleKind::Json),
            "text/plain" => Some(ModuleKind::Text),
            "application/wasm" => Some(ModuleKind::Wasm),
            _ => None,
        }
    }
}

/// One module of a Worker's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The specifier by which others import it.
    pub name: String,
    /// What it is.
    pub kind: ModuleKind,
    /// Its bytes.
    pub body: Bytes,
}

/// The network that a `vpc_network` binding opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NetworkRef {
    /// Everything behind one tunnel.
    Tunnel {
        /// The tunnel.
        tunnel_id: Uuid,
    },
    /// A named network; `cf1:network` is every tunnel of the account.
    Network {
        /// Its name.
        network_id: String,
    },
}

/// What a binding gives to the Worker. In JSON as the API writes it; the text of a secret is not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BindingKind {
    /// A JSON value.
    Json {
        /// The value.
        json: Value,
    },
    /// A string.
    PlainText {
        /// The string.
        text: String,
    },
    /// A secret string, kept apart.
    SecretText,
    /// Another Worker.
    Service {
        /// Its name.
        service: String,
        /// The exported class to call; absent: the default export.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        entrypoint: Option<String>,
        /// `ctx.props` of the called Worker.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        props: Option<Value>,
    },
    /// Identifier and tag of the running version.
    VersionMetadata,
    /// A whole network.
    VpcNetwork {
        /// Which.
        #[serde(flatten)]
        network: NetworkRef,
    },
    /// A VPC Service.
    VpcService {
        /// Which.
        service_id: Uuid,
    },
}

impl BindingKind {
    /// The API's word for it.
    pub fn type_name(&self) -> &'static str {
        match self {
            BindingKind::Json { .. } => "json",
            BindingKind::PlainText { .. } => "plain_text",
            BindingKind::SecretText => "secret_text",
            BindingKind::Service { .. } => "service",
            BindingKind::VersionMetadata => "version_metadata",
            BindingKind::VpcNetwork { .. } => "vpc_network",
            BindingKind::VpcService { .. } => "vpc_service",
        }
    }

    /// The VPC Service that it opens, if it is such a binding.
    pub fn service_id(&self) -> Option<Uuid> {
        match self {
            BindingKind::VpcService { service_id } => Some(*service_id),
            _ => None,
        }
    }

    /// The tunnel that it opens as a whole, if it is such a binding.
    pub fn tunnel_id(&self) -> Option<Uuid> {
        match self {
            BindingKind::VpcNetwork { network: NetworkRef::Tunnel { tunnel_id } } => Some(*tunnel_id),
            _ => None,
        }
    }

    /// The Worker that it calls, if it is such a binding.
    pub fn worker(&self) -> Option<&str> {
        match self {
            BindingKind::Service { service, .. } => Some(service),
            _ => None,
        }
    }
}

/// One property of a Worker's `env`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The property's name.
    pub name: String,
    /// What it gives.
    #[serde(flatten)]
    pub kind: BindingKind,
}

/// The limits that a Worker asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time of one invocation in milliseconds, 1 to 300,000.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_ms: Option<u32>,
    /// Subrequests of one invocation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subrequests: Option<u32>,
}

/// An export of a version that requests and calls of other Workers can go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedEntrypoint {
    /// The export's name; `default` for the default one.
    pub name: String,
    /// The handlers that it has, e.g. `fetch`.
    pub handlers: Vec<String>,
}

/// Everything about a version but its code, its secrets and what the store itself assigns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionDetail {
    /// The module that is evaluated first.
    pub main_module: String,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags such as `nodejs_compat`.
    pub compatibility_flags: Vec<String>,
    /// The properties of `env`, in the order of the upload.
    pub bindings: Vec<Binding>,
    /// The limits it asks for.
    pub limits: Limits,
    /// `workers/message`, `workers/tag`, `workers/triggered_by`.
    pub annotations: BTreeMap<String, String>,
    /// The program that made it: `wrangler`, `api`, `dash`, `terraform`.
    pub source: String,
    /// Who made it: the name of the API token.
    pub author: String,
    /// The handlers of its default export, e.g. `fetch`.
    pub handlers: Vec<String>,
    /// What other Workers can be bound to; absent for versions of before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoints: Option<Vec<ExportedEntrypoint>>,
    /// How long its top-level code ran when it was accepted, in milliseconds.
    pub startup_time_ms: u64,
    /// What else the upload said and the API repeats, e.g. `placement`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra: serde_json::Map<String, Value>,
}

/// A version of a Worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Identifier.
    pub id: Uuid,
    /// 1 for the first version of a Worker, then rising by one.
    pub number: u32,
    /// SHA-256 of its modules, hexadecimal. Versions with the same code have the same one.
    pub etag: String,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// What it is made of.
    pub detail: VersionDetail,
}

impl Version {
    /// The binding of this name.
    pub fn binding(&self, name: &str) -> Option<&Binding> {
        self.detail.bindings.iter().find(|binding| binding.name == name)
    }
}

/// The identity of a set of modules.
pub(crate) fn etag(modules: &[Module]) -> String {
    use aws_lc_rs::digest::{Context, SHA256};
    let mut context = Context::new(&SHA256);
    for module in modules {
        // Lengths keep neighbouring fields apart.
        for part in [module.name.as_bytes(), module.kind.content_type().as_bytes(), &module.body] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
    }
    hex(context.finish().as_ref())
}

pub(crate) fn secret_place(version: Uuid, name: &str) -> String {
    format!("version_secrets/{version}/{name}")
}

pub(crate) fn read(row: &Row) -> Result<Version, StoreError> {
    let id = uuid(row, "versions", "id")?;
    Ok(Version {
        id,
        number: row.number("versions", "number")?,
        etag: row.try_get("etag")?,
        created_on: time(row, "created_on")?,
        detail: from_json("versions", &id.to_string(), row.try_get("detail")?)?,
    })
}

pub(crate) async fn read_secrets(
    transaction: &mut Transaction,
    sealer: &Sealer,
    version: Uuid,
) -> Result<BTreeMap<String, Secret>, StoreError> {
    let rows = query("SELECT name, sealed FROM version_secrets WHERE version_id = $1")
        .bind(version.to_string())
        .fetch_all(transaction)
        .await?;
    rows.iter()
        .map(|row| {
            let name: String = row.try_get("name")?;
            let sealed: Vec<u8> = row.try_get("sealed")?;
            let secret = sealer.open(&secret_place(version, &name), &sealed)?;
            Ok((name, secret))
        })
        .collect()
}

/// Forgets code that no version has any more.
pub(crate) async fn drop_unused_bundles(transaction: &mut Transaction) -> Result<(), StoreError> {
    query("DELETE FROM bundles WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.etag = bundles.etag)")
        .execute(transaction)
        .await?;
    Ok(())
}

impl Store {
    /// The versions of a Worker, the newest first.
    pub async fn versions(&self, worker: &str) -> Result<Vec<Version>, StoreError> {
        let id = self.worker_id(worker).await?;
        query("SELECT * FROM versions WHERE worker_id = $1 ORDER BY number DESC")
            .bind(id)
            .fetch_all(&mut self.database.read().await?)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// One version of a Worker.
    pub async fn version(&self, worker: &str, id: Uuid) -> Result<Version, StoreError> {
        let worker_id = self.worker_id(worker).await?;
        let row = query("SELECT * FROM versions WHERE id = $1 AND worker_id = $2")
            .bind(id)
            .bind(worker_id)
            .fetch_optional(&mut self.database.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Version, id))?;
        read(&row)
    }

    /// The newest version of a Worker, deployed or not.
    pub async fn latest_version(&self, worker: &str) -> Result<Option<Version>, StoreError> {
        let id = self.worker_id(worker).await?;
        query("SELECT * FROM versions WHERE worker_id = $1 ORDER BY number DESC LIMIT 1")
            .bind(id)
            .fetch_optional(&mut self.database.read().await?)
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// Deletes a version. Refused while a deployment names it, be it an old one that a rollback may go back to, and for the
    /// newest one, whose number must not be given again.
    pub async fn delete_version(&self, worker: &str, id: Uuid, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.transaction(), worker).await?;
        let rows = query("SELECT * FROM versions WHERE worker_id = $1 ORDER BY number DESC")
            .bind(worker_id)
            .fetch_all(write.transaction())
            .await?;
        let versions: Vec<Version> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let version = versions
            .iter()
            .find(|version| version.id == id)
            .ok_or_else(|| StoreError::not_found(Thing::Version, id))?;
        let deployments = query("SELECT deployment_id FROM deployment_versions WHERE version_id = $1")
            .bind(id)
            .fetch_all(write.transaction())
            .await?;
        let mut users = deployments
            .iter()
            .map(|row| Ok(format!("deployment \"{}\"", row.try_get::<String>("deployment_id")?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        if versions.first().is_some_and(|newest| newest.id == id) {
            users.push(format!("Worker \"{worker}\" as its newest version"));
        }
        if !users.is_empty() {
            return Err(StoreError::InUse { thing: Thing::Version, name: id.to_string(), users });
        }
        query("DELETE FROM versions WHERE id = $1").bind(id).execute(write.transaction()).await?;
        drop_unused_bundles(write.transaction()).await?;
        write
            .record(
                by,
                Change::new("delete", Thing::Version, id)
                    .before(json!({ "worker": worker, "number": version.number, "detail": version.detail })),
            )
            .await?;
        write.commit().await
    }

    /// The modules of a version, the order as uploaded. A version never changes, so whoever has read them may keep
    /// them under its etag.
    pub async fn modules(&self, version: Uuid) -> Result<Vec<Module>, StoreError> {
        let rows = query(
            "SELECT m.name, m.kind, m.body FROM versions v JOIN modules m ON m.etag = v.etag
             WHERE v.id = $1 ORDER BY m.position",
        )
        .bind(version.to_string())
        .fetch_all(&mut self.database.read().await?)
        .await?;
        if rows.is_empty() {
            return Err(StoreError::not_found(Thing::Version, version));
        }
        rows.iter()
            .map(|row| {
                let kind: String = row.try_get("kind")?;
                Ok(Module {
                    name: row.try_get("name")?,
                    kind: ModuleKind::of_content_type(&kind).ok_or_else(|| StoreError::Corrupt {
                        table: "modules",
                        row: version.to_string(),
                        reason: format!("kind is \"{kind}\""),
                    })?,
                    body: Bytes::from(row.try_get::<Vec<u8>>("body")?),
                })
            })
            .collect()
    }

    /// The secrets of a version, for the serving path and for the next version that inherits them.
    pub async fn version_secrets(&self, version: Uuid) -> Result<BTreeMap<String, Secret>, StoreError> {
        let mut transaction = self.database.read().await?;
        read_secrets(&mut transaction, &self.sealer, version).await
    }
}

#[cfg(test)]
mod tests;
