//! What tunnels publish: the configuration that a remotely managed tunnel's connectors are given, and the host names that
//! lead to a tunnel. The ingress rules of a remotely managed tunnel route their own host names; those of a locally managed
//! one are in its connector's file, and are routed one by one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, from_json, query, time, to_json, uuid};
use crate::error::{StoreError, Thing};
use crate::tunnel::{self, ConfigSource};

/// What a remotely managed tunnel's connectors are told.
#[derive(Clone, Debug, PartialEq)]
pub struct TunnelConfiguration {
    /// 1 for the first, and one more with every change.
    pub version: i32,
    /// Ingress rules and settings of private traffic, as connectors take them.
    pub config: Value,
    /// When it was set.
    pub created_on: OffsetDateTime,
}

impl TunnelConfiguration {
    /// The host names of its ingress rules, lower case, without those of the rule for everything else.
    pub fn hostnames(&self) -> BTreeSet<String> {
        ingress_hostnames(&self.config)
    }
}

fn ingress_hostnames(config: &Value) -> BTreeSet<String> {
    let rules = config.get("ingress").and_then(Value::as_array).into_iter().flatten();
    let names = rules.filter_map(|rule| rule.get("hostname")?.as_str());
    names.filter(|name| !name.is_empty() && *name != "*").map(str::to_ascii_lowercase).collect()
}

fn read(row: &Row) -> Result<TunnelConfiguration, StoreError> {
    let id: String = row.try_get("tunnel_id")?;
    Ok(TunnelConfiguration {
        version: row.number("tunnel_configurations", "version")?,
        config: from_json("tunnel_configurations", &id, row.try_get("config")?)?,
        created_on: time(row, "created_on")?,
    })
}

pub(crate) async fn configuration(
    transaction: &mut Transaction,
    tunnel: Uuid,
) -> Result<Option<TunnelConfiguration>, StoreError> {
    let row = query("SELECT * FROM tunnel_configurations WHERE tunnel_id = $1")
        .bind(tunnel)
        .fetch_optional(transaction)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn hostnames(transaction: &mut Transaction, tunnel: Uuid) -> Result<Vec<String>, StoreError> {
    let rows = query("SELECT hostname FROM tunnel_hostnames WHERE tunnel_id = $1 ORDER BY hostname")
        .bind(tunnel)
        .fetch_all(transaction)
        .await?;
    rows.iter().map(|row| row.try_get("hostname")).collect()
}

/// Errs when one of `wanted` leads to another tunnel that is not deleted, or to a Worker as a custom domain.
async fn require_free(
    transaction: &mut Transaction,
    wanted: &BTreeSet<String>,
    tunnel: Uuid,
) -> Result<(), StoreError> {
    let in_use = |name: &str, user: String| StoreError::InUse {
        thing: Thing::Hostname,
        name: name.to_owned(),
        users: vec![user],
    };
    let others = query("SELECT id, name FROM tunnels WHERE deleted_on IS NULL AND id <> $1 ORDER BY created_on")
        .bind(tunnel)
        .fetch_all(&mut *transaction)
        .await?;
    for other in others {
        let id = uuid(&other, "tunnels", "id")?;
        let mut taken: BTreeSet<String> = hostnames(transaction, id).await?.into_iter().collect();
        taken.extend(configuration(transaction, id).await?.map(|other| other.hostnames()).unwrap_or_default());
        if let Some(name) = wanted.intersection(&taken).next() {
            let user: String = other.try_get("name")?;
            return Err(in_use(name, format!("tunnel \"{user}\"")));
        }
    }
    for name in wanted {
        let worker = query("SELECT w.name FROM domains d JOIN workers w ON w.id = d.worker_id WHERE d.hostname = $1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(worker) = worker {
            let user: String = worker.try_get("name")?;
            return Err(in_use(name, format!("Worker \"{user}\"")));
        }
    }
    Ok(())
}

async fn source(transaction: &mut Transaction, id: Uuid) -> Result<ConfigSource, StoreError> {
    let row = query("SELECT * FROM tunnels WHERE id = $1 AND deleted_on IS NULL")
        .bind(id)
        .fetch_optional(transaction)
        .await?
        .ok_or_else(|| StoreError::not_found(Thing::Tunnel, id))?;
    Ok(tunnel::read(&row)?.config_src)
}

impl Store {
    /// What a tunnel's connectors are told; `None` when nothing was ever set.
    pub async fn tunnel_configuration(&self, tunnel: Uuid) -> Result<Option<TunnelConfiguration>, StoreError> {
        let mut transaction = self.database.read().await?;
        configuration(&mut transaction, tunnel).await
    }

    /// Replaces what a remotely managed tunnel's connectors are told. Refused when one of its host names leads elsewhere.
    pub async fn set_tunnel_configuration(
        &self,
        tunnel: Uuid,
        config: &Value,
        by: &Actor,
    ) -> Result<TunnelConfiguration, StoreError> {
        let mut write = Write::begin(self).await?;
        if source(write.transaction(), tunnel).await? == ConfigSource::Local {
            let reason =
                "this tunnel is configured by its connector's own file, not from here; route host names to it instead";
            return Err(StoreError::invalid("config_src", reason.to_owned()));
        }
        require_free(write.transaction(), &ingress_hostnames(config), tunnel).await?;
        let before = configuration(write.transaction(), tunnel).await?;
        let version = before.as_ref().map_or(1, |before| before.version.saturating_add(1));
        let after = TunnelConfiguration { version, config: config.clone(), created_on: write.at };
        query(
            "INSERT INTO tunnel_configurations (tunnel_id, version, config, created_on) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tunnel_id) DO UPDATE SET version = excluded.version, config = excluded.config,
             created_on = excluded.created_on",
        )
        .bind(tunnel)
        .bind(i64::from(version))
        .bind(to_json("config", config)?)
        .bind(after.created_on)
        .execute(write.transaction())
        .await?;
        let change = Change::new("update", Thing::Tunnel, tunnel)
            .before(json!({ "config": before.map(|before| before.config) }))
            .after(json!({ "config": config, "version": version }));
        write.record(by, change).await?;
        write.commit().await?;
        Ok(after)
    }

    /// The host names that were routed to a tunnel one by one, in order.
    pub async fn tunnel_hostnames(&self, tunnel: Uuid) -> Result<Vec<String>, StoreError> {
        let mut transaction = self.database.read().await?;
        hostnames(&mut transaction, tunnel).await
    }

    /// Routes a host name (lower case; `*.` at its beginning stands for every name below) to a tunnel.
    pub async fn route_hostname(&self, tunnel: Uuid, hostname: &str, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        tunnel::require_live(write.transaction(), tunnel).await?;
        require_free(write.transaction(), &BTreeSet::from([hostname.to_owned()]), tunnel).await?;
        // A deleted tunnel may still have it.
        query(
            "INSERT INTO tunnel_hostnames (hostname, tunnel_id, created_on) VALUES ($1, $2, $3)
             ON CONFLICT (hostname) DO UPDATE SET tunnel_id = excluded.tunnel_id, created_on = excluded.created_on",
        )
        .bind(hostname)
        .bind(tunnel)
        .bind(write.at)
        .execute(write.transaction())
        .await?;
        let change = Change::new("create", Thing::Hostname, hostname).after(json!({ "tunnel_id": tunnel }));
        write.record(by, change).await?;
        write.commit().await
    }

    /// Takes a host name from a tunnel that it was routed to one by one.
    pub async fn unroute_hostname(&self, tunnel: Uuid, hostname: &str, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        let removed = query("DELETE FROM tunnel_hostnames WHERE hostname = $1 AND tunnel_id = $2")
            .bind(hostname)
            .bind(tunnel)
            .execute(write.transaction())
            .await?;
        if removed == 0 {
            return Err(StoreError::not_found(Thing::Hostname, hostname));
        }
        let change = Change::new("delete", Thing::Hostname, hostname).before(json!({ "tunnel_id": tunnel }));
        write.record(by, change).await?;
        write.commit().await
    }
}
