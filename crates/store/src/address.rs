//! One route or custom domain at a time. Whole lists are set in `triggers.rs`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Transaction, Write, query};
use crate::error::{StoreError, Thing};
use crate::triggers::{Domain, Route, holder_of_route, read_domain, read_route};

fn view(route: &Route, worker: &str) -> Value {
    json!({ "pattern": route.pattern, "worker": worker })
}

async fn find_route(transaction: &mut Transaction, id: Uuid) -> Result<(String, Route), StoreError> {
    let row = query(
        "SELECT r.id, r.pattern, r.zone_name, w.name FROM routes r JOIN workers w ON w.id = r.worker_id WHERE r.id = $1",
    )
    .bind(id)
    .fetch_optional(transaction)
    .await?
    .ok_or_else(|| StoreError::not_found(Thing::Route, id))?;
    Ok((row.try_get("name")?, read_route(&row)?))
}

/// Finds a custom domain by its identifier or its host name.
async fn find_domain(transaction: &mut Transaction, by: &str) -> Result<Option<(String, Domain)>, StoreError> {
    query(
        "SELECT d.id, d.hostname, d.zone_name, w.name FROM domains d JOIN workers w ON w.id = d.worker_id
         WHERE d.id = $1 OR d.hostname = $1",
    )
    .bind(by)
    .fetch_optional(transaction)
    .await?
    .map(|row| Ok((row.try_get("name")?, read_domain(&row)?)))
    .transpose()
}

impl Store {
    async fn refuse_taken(&self, write: &mut Write<'_>, pattern: &str, but: Option<Uuid>) -> Result<(), StoreError> {
        match holder_of_route(write.transaction(), pattern).await? {
            Some((route, _, name)) if Some(route) != but => Err(StoreError::InUse {
                thing: Thing::Route,
                name: pattern.to_owned(),
                users: vec![format!("Worker \"{name}\"")],
            }),
            _ => Ok(()),
        }
    }

    /// Gives a Worker a route. A pattern that a Worker has already is refused.
    pub async fn create_route(
        &self,
        worker: &str,
        pattern: &str,
        zone_name: Option<&str>,
        by: &Actor,
    ) -> Result<Route, StoreError> {
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.transaction(), worker).await?;
        self.refuse_taken(&mut write, pattern, None).await?;
        let route = Route { id: Uuid::new_v4(), pattern: pattern.to_owned(), zone_name: zone_name.map(str::to_owned) };
        query("INSERT INTO routes (id, worker_id, pattern, zone_name) VALUES ($1, $2, $3, $4)")
            .bind(route.id)
            .bind(worker_id)
            .bind(pattern)
            .bind(zone_name)
            .execute(write.transaction())
            .await?;
        write.record(by, Change::new("create", Thing::Route, route.id).after(view(&route, worker))).await?;
        write.commit().await?;
        Ok(route)
    }

    /// A route, and the name of its Worker.
    pub async fn route(&self, id: Uuid) -> Result<(String, Route), StoreError> {
        find_route(&mut self.database.read().await?, id).await
    }

    /// Gives a route another pattern, another Worker, or both.
    pub async fn replace_route(
        &self,
        id: Uuid,
        worker: &str,
        pattern: &str,
        zone_name: Option<&str>,
        by: &Actor,
    ) -> Result<Route, StoreError> {
        let mut write = Write::begin(self).await?;
        let (old_worker, before) = find_route(write.transaction(), id).await?;
        let worker_id = self.worker_id_in(write.transaction(), worker).await?;
        self.refuse_taken(&mut write, pattern, Some(id)).await?;
        query("UPDATE routes SET worker_id = $1, pattern = $2, zone_name = $3 WHERE id = $4")
            .bind(worker_id)
            .bind(pattern)
            .bind(zone_name)
            .bind(id)
            .execute(write.transaction())
            .await?;
        let route = Route { id, pattern: pattern.to_owned(), zone_name: zone_name.map(str::to_owned) };
        let change = Change::new("update", Thing::Route, id);
        write.record(by, change.before(view(&before, &old_worker)).after(view(&route, worker))).await?;
        write.commit().await?;
        Ok(route)
    }

    /// Deletes a route.
    pub async fn delete_route(&self, id: Uuid, by: &Actor) -> Result<Route, StoreError> {
        let mut write = Write::begin(self).await?;
        let (worker, route) = find_route(write.transaction(), id).await?;
        query("DELETE FROM routes WHERE id = $1").bind(id).execute(write.transaction()).await?;
        write.record(by, Change::new("delete", Thing::Route, id).before(view(&route, &worker))).await?;
        write.commit().await?;
        Ok(route)
    }

    /// Gives a Worker a custom domain, also one that another Worker had. Without a zone, one that was named before stays.
    pub async fn put_domain(
        &self,
        worker: &str,
        hostname: &str,
        zone_name: Option<&str>,
        by: &Actor,
    ) -> Result<Domain, StoreError> {
        let mut write = Write::begin(self).await?;
        let worker_id = self.worker_id_in(write.transaction(), worker).await?;
        let before = find_domain(write.transaction(), hostname).await?;
        let kept = before.as_ref().map(|(_, domain)| domain);
        let domain = Domain {
            id: kept.map_or_else(Uuid::new_v4, |domain| domain.id),
            hostname: hostname.to_owned(),
            zone_name: zone_name.map(str::to_owned).or_else(|| kept.and_then(|domain| domain.zone_name.clone())),
        };
        if before.as_ref().is_some_and(|(old_worker, kept)| old_worker == worker && *kept == domain) {
            return Ok(domain);
        }
        query(
            "INSERT INTO domains (id, worker_id, hostname, zone_name) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET worker_id = excluded.worker_id, zone_name = excluded.zone_name",
        )
        .bind(domain.id)
        .bind(worker_id)
        .bind(hostname)
        .bind(domain.zone_name.as_deref())
        .execute(write.transaction())
        .await?;
        let view = |worker: &str| json!({ "hostname": hostname, "worker": worker });
        let mut change = Change::new("update", Thing::Domain, domain.id).after(view(worker));
        if let Some((old_worker, _)) = &before {
            change = change.before(view(old_worker));
        }
        write.record(by, change).await?;
        write.commit().await?;
        Ok(domain)
    }

    /// A custom domain, and the name of its Worker.
    pub async fn domain(&self, id: Uuid) -> Result<(String, Domain), StoreError> {
        find_domain(&mut self.database.read().await?, &id.to_string())
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Domain, id))
    }

    /// Takes a custom domain from its Worker.
    pub async fn delete_domain(&self, id: Uuid, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        let (worker, domain) = find_domain(write.transaction(), &id.to_string())
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Domain, id))?;
        query("DELETE FROM domains WHERE id = $1").bind(id).execute(write.transaction()).await?;
        let before = json!({ "hostname": domain.hostname, "worker": worker });
        write.record(by, Change::new("delete", Thing::Domain, id).before(before)).await?;
        write.commit().await
    }
}
