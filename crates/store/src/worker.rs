//! Workers: a name, settings that are not part of a version, and where it is reached (routes, custom domains,
//! schedules).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Write, from_json, is_unique_violation, time, to_json, to_micros, uuid};
use crate::error::{StoreError, Thing};
use crate::service::Force;

/// The most Workers that an account may have.
pub const MAX_WORKERS: u64 = 500;

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

/// A pattern of addresses that a Worker serves, e.g. `app.example.test/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Identifier.
    pub id: Uuid,
    /// The pattern, unique in the account.
    pub pattern: String,
    /// The zone that the maker named.
    pub zone_name: Option<String>,
}

/// A host name that a Worker serves as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Identifier.
    pub id: Uuid,
    /// The host name, lower case, unique in the account.
    pub hostname: String,
}

/// A time at which a Worker's `scheduled` handler is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The cron expression.
    pub cron: String,
    /// When it was set.
    pub created_on: OffsetDateTime,
}

/// Where a Worker is reached besides its own name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Routes.
    pub routes: Vec<Route>,
    /// Custom domains.
    pub domains: Vec<Domain>,
    /// Cron triggers.
    pub schedules: Vec<Schedule>,
}

pub(crate) fn read(row: &SqliteRow) -> Result<Worker, StoreError> {
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
    connection: &mut SqliteConnection,
    account: &str,
    name: &str,
) -> Result<Option<Worker>, StoreError> {
    sqlx::query("SELECT * FROM workers WHERE account_id = $1 AND name = $2")
        .bind(account)
        .bind(name)
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    account: &str,
    worker: &Worker,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO workers (id, account_id, name, settings, created_on, modified_on)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(worker.id.to_string())
    .bind(account)
    .bind(&worker.name)
    .bind(to_json("settings", &worker.settings)?)
    .bind(to_micros(worker.created_on))
    .bind(to_micros(worker.modified_on))
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn update(connection: &mut SqliteConnection, worker: &Worker) -> Result<(), StoreError> {
    sqlx::query("UPDATE workers SET settings = $1, modified_on = $2 WHERE id = $3")
        .bind(to_json("settings", &worker.settings)?)
        .bind(to_micros(worker.modified_on))
        .bind(worker.id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn read_triggers(connection: &mut SqliteConnection, worker_id: &str) -> Result<Triggers, StoreError> {
    let routes = sqlx::query("SELECT * FROM routes WHERE worker_id = $1 ORDER BY pattern")
        .bind(worker_id)
        .fetch_all(&mut *connection)
        .await?;
    let domains = sqlx::query("SELECT * FROM domains WHERE worker_id = $1 ORDER BY hostname")
        .bind(worker_id)
        .fetch_all(&mut *connection)
        .await?;
    let schedules = sqlx::query("SELECT * FROM schedules WHERE worker_id = $1 ORDER BY cron")
        .bind(worker_id)
        .fetch_all(&mut *connection)
        .await?;
    Ok(Triggers {
        routes: routes
            .iter()
            .map(|row| {
                Ok(Route {
                    id: uuid(row, "routes", "id")?,
                    pattern: row.try_get("pattern")?,
                    zone_name: row.try_get("zone_name")?,
                })
            })
            .collect::<Result<_, StoreError>>()?,
        domains: domains
            .iter()
            .map(|row| Ok(Domain { id: uuid(row, "domains", "id")?, hostname: row.try_get("hostname")? }))
            .collect::<Result<_, StoreError>>()?,
        schedules: schedules
            .iter()
            .map(|row| Ok(Schedule { cron: row.try_get("cron")?, created_on: time(row, "created_on")? }))
            .collect::<Result<_, StoreError>>()?,
    })
}

/// Who holds a route or a domain that another Worker asks for.
async fn holder(
    connection: &mut SqliteConnection,
    query: &'static str,
    value: &str,
) -> Result<Option<(Uuid, String)>, StoreError> {
    sqlx::query(query)
        .bind(value)
        .fetch_optional(connection)
        .await?
        .map(|row| Ok((uuid(&row, "workers", "id")?, row.try_get("name")?)))
        .transpose()
}

impl Store {
    /// The identifier of the Worker of this name.
    pub(crate) async fn worker_id(&self, name: &str) -> Result<Uuid, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        self.worker_id_in(&mut connection, name).await
    }

    pub(crate) async fn worker_id_in(&self, connection: &mut SqliteConnection, name: &str) -> Result<Uuid, StoreError> {
        find(connection, self.account.id.as_str(), name)
            .await?
            .map(|worker| worker.id)
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))
    }

    /// All Workers, by name.
    pub async fn workers(&self) -> Result<Vec<Worker>, StoreError> {
        sqlx::query("SELECT * FROM workers WHERE account_id = $1 ORDER BY name")
            .bind(self.account.id.as_str())
            .fetch_all(&self.database.reader)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// One Worker.
    pub async fn worker(&self, name: &str) -> Result<Worker, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        find(&mut connection, self.account.id.as_str(), name)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))
    }

    /// Changes what is set on a Worker.
    pub async fn update_worker_settings(
        &self,
        name: &str,
        patch: SettingsPatch,
        by: &Actor,
    ) -> Result<Worker, StoreError> {
        let mut write = Write::begin(self).await?;
        let mut worker = find(write.connection(), self.account.id.as_str(), name)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))?;
        let before = worker.settings.clone();
        patch.apply(&mut worker.settings);
        if worker.settings == before {
            return Ok(worker);
        }
        worker.modified_on = write.at;
        update(write.connection(), &worker).await?;
        write.record(by, Change::new("update", Thing::Worker, name).before(&before).after(&worker.settings)).await?;
        write.commit().await?;
        Ok(worker)
    }

    /// The Workers whose deployed versions call this one, each as `Worker "name"`.
    pub async fn worker_users(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let mut connection = self.database.reader.acquire().await?;
        let users =
            crate::deployment::deployed_users(&mut connection, |binding| binding.worker() == Some(name)).await?;
        let itself = format!("Worker \"{name}\"");
        Ok(users.into_iter().filter(|user| *user != itself).collect())
    }

    /// Deletes a Worker with everything that belongs to it. Refused while other Workers call it, unless forced.
    pub async fn delete_worker(&self, name: &str, force: Force, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        let worker = find(write.connection(), self.account.id.as_str(), name)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Worker, name))?;
        if force == Force::No {
            let itself = format!("Worker \"{name}\"");
            let mut users =
                crate::deployment::deployed_users(write.connection(), |binding| binding.worker() == Some(name)).await?;
            users.retain(|user| *user != itself);
            if !users.is_empty() {
                return Err(StoreError::InUse { thing: Thing::Worker, name: name.to_owned(), users });
            }
        }
        let id = worker.id.to_string();
        // Deployments first: they refer to the versions that go with the Worker.
        sqlx::query("DELETE FROM deployments WHERE worker_id = $1").bind(&id).execute(write.connection()).await?;
        sqlx::query("DELETE FROM workers WHERE id = $1").bind(&id).execute(write.connection()).await?;
        sqlx::query("DELETE FROM bundles WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.etag = bundles.etag)")
            .execute(write.connection())
            .await?;
        write
            .record(
                by,
                Change::new("delete", Thing::Worker, name)
                    .before(json!({ "id": worker.id, "settings": worker.settings })),
            )
            .await?;
        write.commit().await
    }

    /// Where a Worker is reached besides its own name.
    pub async fn triggers(&self, name: &str) -> Result<Triggers, StoreError> {
        let id = self.worker_id(name).await?;
        let mut connection = self.database.reader.acquire().await?;
        read_triggers(&mut connection, &id.to_string()).await
    }

    /// Replaces the routes of a Worker. A pattern that another Worker has is refused.
    pub async fn set_routes(
        &self,
        name: &str,
        routes: Vec<(String, Option<String>)>,
        by: &Actor,
    ) -> Result<Vec<Route>, StoreError> {
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.connection(), name).await?;
        let id = worker_id.to_string();
        let before = read_triggers(write.connection(), &id).await?;
        sqlx::query("DELETE FROM routes WHERE worker_id = $1").bind(&id).execute(write.connection()).await?;
        for (pattern, zone_name) in &routes {
            let kept = before.routes.iter().find(|route| route.pattern == *pattern);
            let route_id = kept.map_or_else(Uuid::new_v4, |route| route.id);
            let inserted =
                sqlx::query("INSERT INTO routes (id, worker_id, pattern, zone_name) VALUES ($1, $2, $3, $4)")
                    .bind(route_id.to_string())
                    .bind(&id)
                    .bind(pattern)
                    .bind(zone_name.as_deref())
                    .execute(write.connection())
                    .await;
            if let Err(error) = inserted {
                if !is_unique_violation(&error) {
                    return Err(error.into());
                }
                let held = holder(
                    write.connection(),
                    "SELECT w.id, w.name FROM routes r JOIN workers w ON w.id = r.worker_id WHERE r.pattern = $1",
                    pattern,
                )
                .await?;
                return Err(match held {
                    Some((other, other_name)) if other != worker_id => StoreError::InUse {
                        thing: Thing::Route,
                        name: pattern.clone(),
                        users: vec![format!("Worker \"{other_name}\"")],
                    },
                    _ => StoreError::invalid("routes", format!("\"{pattern}\" is given twice")),
                });
            }
        }
        let after = read_triggers(write.connection(), &id).await?;
        if before.routes != after.routes {
            let patterns = |routes: &[Route]| -> Value {
                routes.iter().map(|route| route.pattern.clone()).collect::<Vec<_>>().into()
            };
            write
                .record(
                    by,
                    Change::new("update", Thing::Worker, name)
                        .before(json!({ "routes": patterns(&before.routes) }))
                        .after(json!({ "routes": patterns(&after.routes) })),
                )
                .await?;
            write.commit().await?;
        }
        Ok(after.routes)
    }

    /// Replaces the custom domains of a Worker. With [`Force::Yes`] a domain is taken from the Worker that has it.
    pub async fn set_domains(
        &self,
        name: &str,
        hostnames: Vec<String>,
        take_over: Force,
        by: &Actor,
    ) -> Result<Vec<Domain>, StoreError> {
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.connection(), name).await?;
        let id = worker_id.to_string();
        let before = read_triggers(write.connection(), &id).await?;
        sqlx::query("DELETE FROM domains WHERE worker_id = $1").bind(&id).execute(write.connection()).await?;
        for hostname in &hostnames {
            let held = holder(
                write.connection(),
                "SELECT w.id, w.name FROM domains d JOIN workers w ON w.id = d.worker_id WHERE d.hostname = $1",
                hostname,
            )
            .await?;
            match held {
                Some((other, _)) if other == worker_id => {
                    return Err(StoreError::invalid("origins", format!("\"{hostname}\" is given twice")));
                }
                Some((_, other_name)) if take_over == Force::No => {
                    return Err(StoreError::InUse {
                        thing: Thing::Domain,
                        name: hostname.clone(),
                        users: vec![format!("Worker \"{other_name}\"")],
                    });
                }
                Some(_) => {
                    sqlx::query("DELETE FROM domains WHERE hostname = $1")
                        .bind(hostname)
                        .execute(write.connection())
                        .await?;
                }
                None => {}
            }
            let kept = before.domains.iter().find(|domain| domain.hostname == *hostname);
            sqlx::query("INSERT INTO domains (id, worker_id, hostname) VALUES ($1, $2, $3)")
                .bind(kept.map_or_else(Uuid::new_v4, |domain| domain.id).to_string())
                .bind(&id)
                .bind(hostname)
                .execute(write.connection())
                .await?;
        }
        let after = read_triggers(write.connection(), &id).await?;
        if before.domains != after.domains {
            let names = |domains: &[Domain]| -> Value {
                domains.iter().map(|domain| domain.hostname.clone()).collect::<Vec<_>>().into()
            };
            write
                .record(
                    by,
                    Change::new("update", Thing::Worker, name)
                        .before(json!({ "domains": names(&before.domains) }))
                        .after(json!({ "domains": names(&after.domains) })),
                )
                .await?;
            write.commit().await?;
        }
        Ok(after.domains)
    }

    /// Replaces the cron triggers of a Worker.
    pub async fn set_schedules(&self, name: &str, crons: Vec<String>, by: &Actor) -> Result<Vec<Schedule>, StoreError> {
        let mut write = Write::begin(self).await?;
        let id = self.worker_id_in(write.connection(), name).await?.to_string();
        let before = read_triggers(write.connection(), &id).await?;
        sqlx::query("DELETE FROM schedules WHERE worker_id = $1").bind(&id).execute(write.connection()).await?;
        let at = write.at;
        for cron in &crons {
            let kept = before.schedules.iter().find(|schedule| schedule.cron == *cron);
            sqlx::query(
                "INSERT INTO schedules (worker_id, cron, created_on) VALUES ($1, $2, $3)
                 ON CONFLICT (worker_id, cron) DO NOTHING",
            )
            .bind(&id)
            .bind(cron)
            .bind(to_micros(kept.map_or(at, |schedule| schedule.created_on)))
            .execute(write.connection())
            .await?;
        }
        let after = read_triggers(write.connection(), &id).await?;
        if before.schedules != after.schedules {
            let crons = |schedules: &[Schedule]| -> Value {
                schedules.iter().map(|schedule| schedule.cron.clone()).collect::<Vec<_>>().into()
            };
            write
                .record(
                    by,
                    Change::new("update", Thing::Worker, name)
                        .before(json!({ "schedules": crons(&before.schedules) }))
                        .after(json!({ "schedules": crons(&after.schedules) })),
                )
                .await?;
            write.commit().await?;
        }
        Ok(after.schedules)
    }
}
