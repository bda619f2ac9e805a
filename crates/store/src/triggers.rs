//! Where a Worker is reached besides its own name: routes, custom domains, cron triggers. Each list is replaced as a
//! whole; what stays in it keeps its identifier.

use serde_json::{Value, json};
use sqlx::{Row, SqliteConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Write, is_unique_violation, time, to_micros, uuid};
use crate::error::{StoreError, Thing};
use crate::service::Force;

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

pub(crate) async fn read(connection: &mut SqliteConnection, worker_id: &str) -> Result<Triggers, StoreError> {
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
    /// Where a Worker is reached besides its own name.
    pub async fn triggers(&self, name: &str) -> Result<Triggers, StoreError> {
        let id = self.worker_id(name).await?;
        let mut connection = self.database.reader.acquire().await?;
        read(&mut connection, &id.to_string()).await
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
        let before = read(write.connection(), &id).await?;
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
        let after = read(write.connection(), &id).await?;
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
        let before = read(write.connection(), &id).await?;
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
        let after = read(write.connection(), &id).await?;
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
        let before = read(write.connection(), &id).await?;
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
        let after = read(write.connection(), &id).await?;
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
