//! Where a Worker is reached besides its own name: routes, custom domains, cron triggers. Each list is replaced as a
//! whole; what stays in it keeps its identifier.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, query, time, uuid};
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
    /// The zone that the maker named.
    pub zone_name: Option<String>,
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

pub(crate) fn read_route(row: &Row) -> Result<Route, StoreError> {
    Ok(Route { id: uuid(row, "routes", "id")?, pattern: row.try_get("pattern")?, zone_name: row.try_get("zone_name")? })
}

pub(crate) fn read_domain(row: &Row) -> Result<Domain, StoreError> {
    Ok(Domain {
        id: uuid(row, "domains", "id")?,
        hostname: row.try_get("hostname")?,
        zone_name: row.try_get("zone_name")?,
    })
}

fn read_schedule(row: &Row) -> Result<Schedule, StoreError> {
    Ok(Schedule { cron: row.try_get("cron")?, created_on: time(row, "created_on")? })
}

/// Where one Worker is reached.
pub(crate) async fn read(transaction: &mut Transaction, worker_id: Uuid) -> Result<Triggers, StoreError> {
    let routes = query("SELECT * FROM routes WHERE worker_id = $1 ORDER BY pattern")
        .bind(worker_id)
        .fetch_all(transaction)
        .await?;
    let domains = query("SELECT * FROM domains WHERE worker_id = $1 ORDER BY hostname")
        .bind(worker_id)
        .fetch_all(transaction)
        .await?;
    let schedules = query("SELECT * FROM schedules WHERE worker_id = $1 ORDER BY cron")
        .bind(worker_id)
        .fetch_all(transaction)
        .await?;
    Ok(Triggers {
        routes: routes.iter().map(read_route).collect::<Result<_, _>>()?,
        domains: domains.iter().map(read_domain).collect::<Result<_, _>>()?,
        schedules: schedules.iter().map(read_schedule).collect::<Result<_, _>>()?,
    })
}

/// Where all Workers are reached, by their identifiers.
pub(crate) async fn all(transaction: &mut Transaction) -> Result<HashMap<Uuid, Triggers>, StoreError> {
    let mut all: HashMap<Uuid, Triggers> = HashMap::new();
    for row in query("SELECT * FROM routes ORDER BY pattern").fetch_all(transaction).await? {
        all.entry(uuid(&row, "routes", "worker_id")?).or_default().routes.push(read_route(&row)?);
    }
    for row in query("SELECT * FROM domains ORDER BY hostname").fetch_all(transaction).await? {
        all.entry(uuid(&row, "domains", "worker_id")?).or_default().domains.push(read_domain(&row)?);
    }
    for row in query("SELECT * FROM schedules ORDER BY cron").fetch_all(transaction).await? {
        all.entry(uuid(&row, "schedules", "worker_id")?).or_default().schedules.push(read_schedule(&row)?);
    }
    Ok(all)
}

/// Who has a route of this pattern: the route, and the Worker with its name.
pub(crate) async fn holder_of_route(
    transaction: &mut Transaction,
    pattern: &str,
) -> Result<Option<(Uuid, Uuid, String)>, StoreError> {
    query("SELECT r.id, r.worker_id, w.name FROM routes r JOIN workers w ON w.id = r.worker_id WHERE r.pattern = $1")
        .bind(pattern)
        .fetch_optional(transaction)
        .await?
        .map(|row| Ok((uuid(&row, "routes", "id")?, uuid(&row, "routes", "worker_id")?, row.try_get("name")?)))
        .transpose()
}

/// Who has a custom domain of this host name.
async fn holder_of_domain(transaction: &mut Transaction, hostname: &str) -> Result<Option<(Uuid, String)>, StoreError> {
    query("SELECT w.id, w.name FROM domains d JOIN workers w ON w.id = d.worker_id WHERE d.hostname = $1")
        .bind(hostname)
        .fetch_optional(transaction)
        .await?
        .map(|row| Ok((uuid(&row, "workers", "id")?, row.try_get("name")?)))
        .transpose()
}

impl Store {
    /// Where a Worker is reached besides its own name.
    pub async fn triggers(&self, name: &str) -> Result<Triggers, StoreError> {
        let id = self.worker_id(name).await?;
        let mut transaction = self.database.read().await?;
        read(&mut transaction, id).await
    }

    /// Replaces the routes of a Worker. A pattern that another Worker has is refused.
    pub async fn set_routes(
        &self,
        name: &str,
        routes: Vec<(String, Option<String>)>,
        by: &Actor,
    ) -> Result<Vec<Route>, StoreError> {
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.transaction(), name).await?;
        let before = read(write.transaction(), worker_id).await?;
        query("DELETE FROM routes WHERE worker_id = $1").bind(worker_id).execute(write.transaction()).await?;
        for (pattern, zone_name) in &routes {
            // Asked and not tried: a failed statement would end the transaction.
            match holder_of_route(write.transaction(), pattern).await? {
                Some((_, other, _)) if other == worker_id => {
                    return Err(StoreError::invalid("routes", format!("\"{pattern}\" is given twice")));
                }
                Some((_, _, other_name)) => {
                    return Err(StoreError::InUse {
                        thing: Thing::Route,
                        name: pattern.clone(),
                        users: vec![format!("Worker \"{other_name}\"")],
                    });
                }
                None => {}
            }
            let kept = before.routes.iter().find(|route| route.pattern == *pattern);
            query("INSERT INTO routes (id, worker_id, pattern, zone_name) VALUES ($1, $2, $3, $4)")
                .bind(kept.map_or_else(Uuid::new_v4, |route| route.id))
                .bind(worker_id)
                .bind(pattern)
                .bind(zone_name.as_deref())
                .execute(write.transaction())
                .await?;
        }
        let after = read(write.transaction(), worker_id).await?;
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
        let worker_id = self.worker_id_in(write.transaction(), name).await?;
        let before = read(write.transaction(), worker_id).await?;
        let mut losers: BTreeMap<String, (Uuid, Vec<Domain>)> = BTreeMap::new();
        query("DELETE FROM domains WHERE worker_id = $1").bind(worker_id).execute(write.transaction()).await?;
        for hostname in &hostnames {
            match holder_of_domain(write.transaction(), hostname).await? {
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
                Some((other, other_name)) => {
                    if let Entry::Vacant(unseen) = losers.entry(other_name) {
                        let had = read(write.transaction(), other).await?.domains;
                        unseen.insert((other, had));
                    }
                    query("DELETE FROM domains WHERE hostname = $1")
                        .bind(hostname)
                        .execute(write.transaction())
                        .await?;
                }
                None => {}
            }
            let kept = before.domains.iter().find(|domain| domain.hostname == *hostname);
            query("INSERT INTO domains (id, worker_id, hostname, zone_name) VALUES ($1, $2, $3, $4)")
                .bind(kept.map_or_else(Uuid::new_v4, |domain| domain.id).to_string())
                .bind(worker_id)
                .bind(hostname)
                .bind(kept.and_then(|domain| domain.zone_name.as_deref()))
                .execute(write.transaction())
                .await?;
        }
        let after = read(write.transaction(), worker_id).await?;
        if before.domains != after.domains {
            let names = |domains: &[Domain]| -> Value {
                domains.iter().map(|domain| domain.hostname.clone()).collect::<Vec<_>>().into()
            };
            for (loser, (id, had)) in &losers {
                let left = read(write.transaction(), *id).await?.domains;
                let change = Change::new("update", Thing::Worker, loser);
                let change = change.before(json!({ "domains": names(had) }));
                let taken = json!({ "domains": names(&left), "domains_taken_by": name });
                write.record(by, change.after(taken)).await?;
            }
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
        let worker_id = self.worker_id_in(write.transaction(), name).await?;
        let before = read(write.transaction(), worker_id).await?;
        for schedule in before.schedules.iter().filter(|schedule| !crons.contains(&schedule.cron)) {
            query("DELETE FROM schedules WHERE worker_id = $1 AND cron = $2")
                .bind(worker_id)
                .bind(&schedule.cron)
                .execute(write.transaction())
                .await?;
        }
        let at = write.at;
        for cron in &crons {
            query(
                "INSERT INTO schedules (worker_id, cron, created_on) VALUES ($1, $2, $3)
                 ON CONFLICT (worker_id, cron) DO NOTHING",
            )
            .bind(worker_id)
            .bind(cron)
            .bind(at)
            .execute(write.transaction())
            .await?;
        }
        let after = read(write.transaction(), worker_id).await?;
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

    /// True for the first who asks to run a cron trigger for this minute or a later one: whoever shares the database,
    /// one runs it. False also where there is no such trigger any more.
    pub async fn claim_run(&self, worker: &str, cron: &str, minute: OffsetDateTime) -> Result<bool, StoreError> {
        // Not a change of configuration: no generation, no audit row.
        let mut transaction = self.database.write().await?;
        let claimed = query(
            "UPDATE schedules SET last_run = $1 WHERE cron = $2 AND (last_run IS NULL OR last_run < $1)
             AND worker_id IN (SELECT id FROM workers WHERE name = $3 AND account_id = $4)",
        )
        .bind(minute)
        .bind(cron)
        .bind(worker)
        .bind(self.account.id.as_str())
        .execute(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(claimed == 1)
    }
}
