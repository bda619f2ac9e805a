//! Workers: a name, and settings that are not part of a version.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, from_json, query, time, to_json, uuid};
use crate::error::{StoreError, Thing};
use crate::service::Force;

/// The most Workers that an account may have. Cloudflare's is 500; here those that are not called cost disk alone.
pub const MAX_WORKERS: u64 = 10_000;

/// What is set on a Worker and not on its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerSettings {
    /// Served under its name (`NAME.localhost`): the API's `workers_dev`.
    pub subdomain_enabled: bool,
    /// Its versions are served under addresses of their own.
    pub previews_enabled: bool,
    /// As given; Culvert pushes logs by OTLP, so that only `false` is accepted by the API.
    pub logpush: bool,
    /// `enabled`, `head_sampling_rate`, `logs`.
    pub observability: Option<Value>,
    /// Labels.
    pub tags: Vec<String>,
    /// Workers that get this one's events.
    pub tail_consumers: Vec<Value>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        WorkerSettings {
            subdomain_enabled: true,
            previews_enabled: false,
            logpush: false,
            observability: None,
            tags: Vec::new(),
            tail_consumers: Vec::new(),
        }
    }
}

/// Changes to [`WorkerSettings`]; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingsPatch {
    /// See [`WorkerSettings::subdomain_enabled`].
    pub subdomain_enabled: Option<bool>,
    /// See [`WorkerSettings::previews_enabled`].
    pub previews_enabled: Option<bool>,
    /// See [`WorkerSettings::logpush`].
    pub logpush: Option<bool>,
    /// See [`WorkerSettings::observability`]. `Some(None)` clears it.
    pub observability: Option<Option<Value>>,
    /// See [`WorkerSettings::tags`].
    pub tags: Option<Vec<String>>,
    /// See [`WorkerSettings::tail_consumers`].
    pub tail_consumers: Option<Vec<Value>>,
}

impl SettingsPatch {
    /// Applies the changes.
    pub fn apply(self, settings: &mut WorkerSettings) {
        let SettingsPatch { subdomain_enabled, previews_enabled, logpush, observability, tags, tail_consumers } = self;
        if let Some(value) = subdomain_enabled {
            settings.subdomain_enabled = value;
        }
        if let Some(value) = previews_enabled {
            settings.previews_enabled = value;
        }
        if let Some(value) = logpush {
            settings.logpush = value;
        }
        if let Some(value) = observability {
            settings.observability = value;
        }
        if let Some(value) = tags {
            settings.tags = value;
        }
        if let Some(value) = tail_consumers {
            settings.tail_consumers = value;
        }
    }
}

/// A Worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// Identifier; its 32 digits are the API's `tag`.
    pub id: Uuid,
    /// Unique in the account.
    pub name: String,
    /// What is set on it.
    pub settings: WorkerSettings,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// When it, its versions or its deployments were changed last.
    pub modified_on: OffsetDateTime,
}

pub(crate) fn read(row: &Row) -> Result<Worker, StoreError> {
    let id = uuid(row, "workers", "id")?;
    Ok(Worker {
        id,
        name: row.try_get("name")?,
        settings: from_json("workers", &id.to_string(), row.try_get("settings")?)?,
        created_on: time(row, "created_on")?,
        modified_on: time(row, "modified_on")?,
    })
}

pub(crate) async fn find(
    transaction: &mut Transaction,
    account: &str,
    name: &str,
) -> Result<Option<Worker>, StoreError> {
    query("SELECT * FROM workers WHERE account_id = $1 AND name = $2")
        .bind(account)
        .bind(name)
        .fetch_optional(transaction)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub(crate) async fn insert(transaction: &mut Transaction, account: &str, worker: &Worker) -> Result<(), StoreError> {
    query(
        "INSERT INTO workers (id, account_id, name, settings, created_on, modified_on)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(worker.id)
    .bind(account)
    .bind(&worker.name)
    .bind(to_json("settings", &worker.settings)?)
    .bind(worker.created_on)
    .bind(worker.modified_on)
    .execute(transaction)
    .await?;
    Ok(())
}

pub(crate) async fn update(transaction: &mut Transaction, worker: &Worker) -> Result<(), StoreError> {
    query("UPDATE workers SET settings = $1, modified_on = $2 WHERE id = $3")
        .bind(to_json("settings", &worker.settings)?)
        .bind(worker.modified_on)
        .bind(worker.id)
        .execute(transaction)
        .await?;
    Ok(())
}

/// Makes a Worker with the settings that a new one has. The name must be free.
pub(crate) async fn make(
    transaction: &mut Transaction,
    account: &str,
    name: &str,
    at: OffsetDateTime,
) -> Result<Worker, StoreError> {
    let count: u64 = query("SELECT COUNT(*) AS count FROM workers WHERE account_id = $1")
        .bind(account)
        .fetch_one(&mut *transaction)
        .await?
        .number("workers", "count")?;
    if count >= MAX_WORKERS {
        return Err(StoreError::QuotaExceeded { thing: Thing::Worker, limit: MAX_WORKERS });
    }
    let worker = Worker {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        settings: WorkerSettings::default(),
        created_on: at,
        modified_on: at,
    };
    insert(transaction, account, &worker).await?;
    Ok(worker)
}

impl Store {
    /// The identifier of the Worker of this name.
    pub(crate) async fn worker_id(&self, name: &str) -> Result<Uuid, StoreError> {
        let mut transaction = self.database.read().await?;
        self.worker_id_in(&mut transaction, name).await
    }

    pub(crate) async fn worker_id_in(&self, transaction: &mut Transaction, name: &str) -> Result<Uuid, StoreError> {
        find(transaction, self.account.id.as_str(), name)
            .await?
            .map(|worker| worker.id)
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))
    }

    /// All Workers, by name.
    pub async fn workers(&self) -> Result<Vec<Worker>, StoreError> {
        query("SELECT * FROM workers WHERE account_id = $1 ORDER BY name")
            .bind(self.account.id.as_str())
            .fetch_all(&mut self.database.read().await?)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// One Worker.
    pub async fn worker(&self, name: &str) -> Result<Worker, StoreError> {
        let mut transaction = self.database.read().await?;
        find(&mut transaction, self.account.id.as_str(), name)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))
    }

    /// One Worker by its name or its identifier; a name is looked for first.
    pub async fn worker_by_name_or_id(&self, text: &str) -> Result<Worker, StoreError> {
        let named = self.worker(text).await;
        let (Err(StoreError::NotFound { .. }), Ok(id)) = (&named, Uuid::parse_str(text)) else {
            return named;
        };
        query("SELECT * FROM workers WHERE account_id = $1 AND id = $2")
            .bind(self.account.id.as_str())
            .bind(id)
            .fetch_optional(&mut self.database.read().await?)
            .await?
            .map_or(named, |row| read(&row))
    }

    /// Makes a Worker without versions: it serves nothing until one is deployed.
    pub async fn create_worker(&self, name: &str, settings: SettingsPatch, by: &Actor) -> Result<Worker, StoreError> {
        let mut write = Write::begin(self).await?;
        let (account, at) = (self.account.id.as_str(), write.at);
        if find(write.transaction(), account, name).await?.is_some() {
            return Err(StoreError::AlreadyExists { thing: Thing::Worker, name: name.to_owned() });
        }
        let mut worker = make(write.transaction(), account, name, at).await?;
        settings.apply(&mut worker.settings);
        update(write.transaction(), &worker).await?;
        write.record(by, Change::new("create", Thing::Worker, name).after(&worker.settings)).await?;
        write.commit().await?;
        Ok(worker)
    }

    /// Changes what is set on a Worker.
    pub async fn update_worker_settings(
        &self,
        name: &str,
        patch: SettingsPatch,
        by: &Actor,
    ) -> Result<Worker, StoreError> {
        let mut write = Write::begin(self).await?;
        let mut worker = find(write.transaction(), self.account.id.as_str(), name)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))?;
        let before = worker.settings.clone();
        patch.apply(&mut worker.settings);
        if worker.settings == before {
            return Ok(worker);
        }
        worker.modified_on = write.at;
        update(write.transaction(), &worker).await?;
        write.record(by, Change::new("update", Thing::Worker, name).before(&before).after(&worker.settings)).await?;
        write.commit().await?;
        Ok(worker)
    }

    /// The Workers whose deployed versions call this one, each as `Worker "name"`.
    pub async fn worker_users(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let mut transaction = self.database.read().await?;
        let users =
            crate::deployment::deployed_users(&mut transaction, |binding| binding.worker() == Some(name)).await?;
        let itself = format!("Worker \"{name}\"");
        Ok(users.into_iter().filter(|user| *user != itself).collect())
    }

    /// Deletes a Worker with everything that belongs to it. Refused while other Workers call it, unless forced.
    pub async fn delete_worker(&self, name: &str, force: Force, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        let worker = find(write.transaction(), self.account.id.as_str(), name)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))?;
        if force == Force::No {
            let itself = format!("Worker \"{name}\"");
            let mut users =
                crate::deployment::deployed_users(write.transaction(), |binding| binding.worker() == Some(name))
                    .await?;
            users.retain(|user| *user != itself);
            if !users.is_empty() {
                return Err(StoreError::InUse { thing: Thing::Worker, name: name.to_owned(), users });
            }
        }
        let triggers = crate::triggers::read(write.transaction(), worker.id).await?;
        let deployment = crate::deployment::current(write.transaction(), worker.id).await?;
        let versions = query("SELECT * FROM versions WHERE worker_id = $1 ORDER BY number DESC")
            .bind(worker.id)
            .fetch_all(write.transaction())
            .await?;
        let versions: Vec<crate::Version> = versions.iter().map(crate::version::read).collect::<Result<_, _>>()?;
        let before = json!({
            "id": worker.id,
            "settings": worker.settings,
            "routes": triggers.routes.iter().map(|route| &route.pattern).collect::<Vec<_>>(),
            "domains": triggers.domains.iter().map(|domain| &domain.hostname).collect::<Vec<_>>(),
            "schedules": triggers.schedules.iter().map(|schedule| &schedule.cron).collect::<Vec<_>>(),
            "deployment": deployment.as_ref().map(crate::deployment::audit_view),
            "versions": versions.iter().map(|version| json!({
                "version_id": version.id, "number": version.number, "etag": version.etag,
            })).collect::<Vec<_>>(),
            "latest": versions.first().map(|version| &version.detail),
        });
        let id = worker.id.to_string();
        // Deployments first: they refer to the versions that go with the Worker.
        query("DELETE FROM deployments WHERE worker_id = $1").bind(&id).execute(write.transaction()).await?;
        query("DELETE FROM workers WHERE id = $1").bind(&id).execute(write.transaction()).await?;
        crate::version::drop_unused_bundles(write.transaction()).await?;
        write.record(by, Change::new("delete", Thing::Worker, name).before(before)).await?;
        write.commit().await
    }
}
