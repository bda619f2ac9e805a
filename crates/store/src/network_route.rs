//! What is behind a tunnel, for VPC Networks: ranges of addresses and host names. Of one destination there is one route in the
//! account.

use std::fmt;

use ipnet::IpNet;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, query, time, uuid};
use crate::error::{StoreError, Thing};

/// The most routes that an account may have.
pub const MAX_NETWORK_ROUTES: u64 = 1_000;
const MAX_COMMENT: usize = 100;

/// The destinations of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkDestination {
    /// A range of addresses; its host bits are zero.
    Addresses(IpNet),
    /// A host name in lower case without a final dot, or with `*.` in front every name below it.
    Hostname(String),
}

impl NetworkDestination {
    fn kind(&self) -> &'static str {
        match self {
            Self::Addresses(_) => "network",
            Self::Hostname(_) => "hostname",
        }
    }
}

impl fmt::Display for NetworkDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(range) => range.fmt(f),
            Self::Hostname(name) => f.write_str(name),
        }
    }
}

/// One route: these destinations are behind this tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRoute {
    /// Identifier.
    pub id: Uuid,
    /// The tunnel.
    pub tunnel_id: Uuid,
    /// What is behind it.
    pub destination: NetworkDestination,
    /// What its maker says of it.
    pub comment: String,
    /// When it was made.
    pub created_on: OffsetDateTime,
}

/// Changes to a [`NetworkRoute`]; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkRouteChange {
    /// See [`NetworkRoute::tunnel_id`].
    pub tunnel_id: Option<Uuid>,
    /// See [`NetworkRoute::destination`].
    pub destination: Option<NetworkDestination>,
    /// See [`NetworkRoute::comment`].
    pub comment: Option<String>,
}

fn read(row: &Row) -> Result<NetworkRoute, StoreError> {
    let id = uuid(row, "network_routes", "id")?;
    let (kind, text): (String, String) = (row.try_get("kind")?, row.try_get("destination")?);
    let destination = match kind.as_str() {
        "hostname" => Some(NetworkDestination::Hostname(text.clone())),
        _ => text.parse().ok().map(NetworkDestination::Addresses),
    };
    Ok(NetworkRoute {
        id,
        tunnel_id: uuid(row, "network_routes", "tunnel_id")?,
        destination: destination.ok_or_else(|| StoreError::Corrupt {
            table: "network_routes",
            row: id.to_string(),
            reason: format!("\"{text}\" is not a range of addresses"),
        })?,
        comment: row.try_get("comment")?,
        created_on: time(row, "created_on")?,
    })
}

/// All routes of an account, the oldest first.
pub(crate) async fn all(transaction: &mut Transaction, account: &str) -> Result<Vec<NetworkRoute>, StoreError> {
    query("SELECT * FROM network_routes WHERE account_id = $1 ORDER BY created_on, id")
        .bind(account)
        .fetch_all(transaction)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The destinations behind a tunnel.
pub(crate) async fn of_tunnel(transaction: &mut Transaction, tunnel: Uuid) -> Result<Vec<String>, StoreError> {
    query("SELECT destination FROM network_routes WHERE tunnel_id = $1 ORDER BY destination")
        .bind(tunnel)
        .fetch_all(transaction)
        .await?
        .iter()
        .map(|row| row.try_get("destination"))
        .collect()
}

fn audit_view(route: &NetworkRoute) -> serde_json::Value {
    json!({ "destination": route.destination.to_string(), "tunnel_id": route.tunnel_id, "comment": route.comment })
}

fn check_comment(comment: &str) -> Result<(), StoreError> {
    if comment.chars().count() > MAX_COMMENT {
        return Err(StoreError::invalid("comment", format!("a route's comment has at most {MAX_COMMENT} characters")));
    }
    Ok(())
}

impl Store {
    /// All routes, the oldest first.
    pub async fn network_routes(&self) -> Result<Vec<NetworkRoute>, StoreError> {
        all(&mut self.database.read().await?, self.account.id.as_str()).await
    }

    /// Says that a destination is behind a tunnel, which must exist.
    pub async fn create_network_route(
        &self,
        tunnel_id: Uuid,
        destination: NetworkDestination,
        comment: &str,
        by: &Actor,
    ) -> Result<NetworkRoute, StoreError> {
        check_comment(comment)?;
        let mut write = Write::begin(self).await?;
        crate::tunnel::require_live(write.transaction(), tunnel_id).await?;
        let existing = all(write.transaction(), self.account.id.as_str()).await?;
        if existing.len() as u64 >= MAX_NETWORK_ROUTES {
            return Err(StoreError::QuotaExceeded { thing: Thing::NetworkRoute, limit: MAX_NETWORK_ROUTES });
        }
        if existing.iter().any(|route| route.destination == destination) {
            return Err(StoreError::AlreadyExists { thing: Thing::NetworkRoute, name: destination.to_string() });
        }
        let route = NetworkRoute {
            id: Uuid::new_v4(),
            tunnel_id,
            destination,
            comment: comment.to_owned(),
            created_on: write.at,
        };
        query(
            "INSERT INTO network_routes (id, account_id, tunnel_id, kind, destination, comment, created_on)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(route.id)
        .bind(self.account.id.as_str())
        .bind(route.tunnel_id)
        .bind(route.destination.kind())
        .bind(route.destination.to_string())
        .bind(&route.comment)
        .bind(route.created_on)
        .execute(write.transaction())
        .await?;
        write.record(by, Change::new("create", Thing::NetworkRoute, route.id).after(audit_view(&route))).await?;
        write.commit().await?;
        Ok(route)
    }

    /// Changes a route; what is absent stays.
    pub async fn update_network_route(
        &self,
        id: Uuid,
        change: NetworkRouteChange,
        by: &Actor,
    ) -> Result<NetworkRoute, StoreError> {
        let mut write = Write::begin(self).await?;
        let routes = all(write.transaction(), self.account.id.as_str()).await?;
        let before =
            routes.iter().find(|route| route.id == id).ok_or_else(|| StoreError::not_found(Thing::NetworkRoute, id))?;
        let mut after = before.clone();
        let NetworkRouteChange { tunnel_id, destination, comment } = change;
        if let Some(tunnel) = tunnel_id {
            crate::tunnel::require_live(write.transaction(), tunnel).await?;
            after.tunnel_id = tunnel;
        }
        if let Some(comment) = comment {
            check_comment(&comment)?;
            after.comment = comment;
        }
        if let Some(destination) = destination {
            if routes.iter().any(|route| route.id != id && route.destination == destination) {
                return Err(StoreError::AlreadyExists { thing: Thing::NetworkRoute, name: destination.to_string() });
            }
            after.destination = destination;
        }
        if after == *before {
            return Ok(after);
        }
        query("UPDATE network_routes SET tunnel_id = $1, kind = $2, destination = $3, comment = $4 WHERE id = $5")
            .bind(after.tunnel_id)
            .bind(after.destination.kind())
            .bind(after.destination.to_string())
            .bind(&after.comment)
            .bind(id)
            .execute(write.transaction())
            .await?;
        let change = Change::new("update", Thing::NetworkRoute, id);
        write.record(by, change.before(audit_view(before)).after(audit_view(&after))).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Deletes a route.
    pub async fn delete_network_route(&self, id: Uuid, by: &Actor) -> Result<NetworkRoute, StoreError> {
        let mut write = Write::begin(self).await?;
        let route = all(write.transaction(), self.account.id.as_str())
            .await?
            .into_iter()
            .find(|route| route.id == id)
            .ok_or_else(|| StoreError::not_found(Thing::NetworkRoute, id))?;
        query("DELETE FROM network_routes WHERE id = $1").bind(id).execute(write.transaction()).await?;
        write.record(by, Change::new("delete", Thing::NetworkRoute, id).before(audit_view(&route))).await?;
        write.commit().await?;
        Ok(route)
    }
}
