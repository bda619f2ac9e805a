//! Tunnels: a name, a secret that its connectors know, and when it was deleted. Deleted tunnels stay as rows, so
//! that listings can show them; their names are free again.

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, optional_time, query, time, uuid};
use crate::error::{StoreError, Thing};
use crate::key::fill_random;
use crate::network_route;
use crate::seal::{Sealer, Secret};
use crate::service::Force;

const MAX_NAME: usize = 253;
/// Bytes in a secret that the store draws itself, and the least that a given one must have.
pub const TUNNEL_SECRET_BYTES: usize = 32;
const MAX_SECRET_BYTES: usize = 256;

/// Who decides on a tunnel's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// The connector's own file.
    Local,
    /// This server: `cloudflare` in the API.
    Remote,
}

impl ConfigSource {
    /// `local` or `cloudflare`, as in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ConfigSource::Local => "local",
            ConfigSource::Remote => "cloudflare",
        }
    }

    /// Reads what [`ConfigSource::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "local" => Some(ConfigSource::Local),
            "cloudflare" => Some(ConfigSource::Remote),
            _ => None,
        }
    }
}

/// A tunnel, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Identifier: the `t` of its token.
    pub id: Uuid,
    /// Unique among the tunnels that are not deleted.
    pub name: String,
    /// Who decides on its configuration.
    pub config_src: ConfigSource,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// When it was deleted.
    pub deleted_on: Option<OffsetDateTime>,
}

/// Which tunnels to list.
#[derive(Clone, Debug, Default)]
pub struct TunnelQuery {
    /// Only this name, exactly.
    pub name: Option<String>,
    /// Only deleted ones (`true`) or only others (`false`).
    pub deleted: Option<bool>,
}

pub(crate) fn place(id: Uuid) -> String {
    format!("tunnels/{id}/secret")
}

pub(crate) fn read(row: &Row) -> Result<Tunnel, StoreError> {
    let id = uuid(row, "tunnels", "id")?;
    let source: String = row.try_get("config_src")?;
    Ok(Tunnel {
        id,
        name: row.try_get("name")?,
        config_src: ConfigSource::parse(&source).ok_or_else(|| StoreError::Corrupt {
            table: "tunnels",
            row: id.to_string(),
            reason: format!("config_src is \"{source}\""),
        })?,
        created_on: time(row, "created_on")?,
        deleted_on: optional_time(row, "deleted_on")?,
    })
}

pub(crate) fn open_secret(sealer: &Sealer, row: &Row, id: Uuid) -> Result<Secret, StoreError> {
    let sealed: Vec<u8> = row.try_get("sealed_secret")?;
    sealer.open(&place(id), &sealed)
}

/// Errs unless there is such a tunnel and it is not deleted.
pub(crate) async fn require_live(transaction: &mut Transaction, id: Uuid) -> Result<(), StoreError> {
    query("SELECT 1 FROM tunnels WHERE id = $1 AND deleted_on IS NULL")
        .bind(id)
        .fetch_optional(transaction)
        .await?
        .map(drop)
        .ok_or_else(|| StoreError::not_found(Thing::Tunnel, id))
}

fn audit_view(tunnel: &Tunnel) -> serde_json::Value {
    json!({ "name": tunnel.name, "config_src": tunnel.config_src.as_str(), "secret": "(masked)" })
}

impl Store {
    /// Makes a tunnel. Without a secret, 32 random bytes are drawn.
    pub async fn create_tunnel(
        &self,
        name: &str,
        config_src: ConfigSource,
        secret: Option<Secret>,
        by: &Actor,
    ) -> Result<Tunnel, StoreError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(StoreError::invalid("name", format!("a tunnel's name has 1 to {MAX_NAME} characters")));
        }
        let secret = match secret {
            Some(secret) => secret,
            None => {
                let mut bytes = [0; TUNNEL_SECRET_BYTES];
                fill_random(&mut bytes)?;
                Secret::new(bytes)
            }
        };
        let length = secret.expose().len();
        if !(TUNNEL_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&length) {
            return Err(StoreError::invalid(
                "tunnel_secret",
                format!(
                    "a tunnel's secret has {TUNNEL_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this one has {length}"
                ),
            ));
        }
        let mut write = Write::begin(self).await?;
        let tunnel =
            Tunnel { id: Uuid::new_v4(), name: name.to_owned(), config_src, created_on: write.at, deleted_on: None };
        let sealed = self.sealer.seal(&place(tunnel.id), secret.expose())?;
        query(
            "INSERT INTO tunnels (id, account_id, name, sealed_secret, config_src, created_on)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(tunnel.id)
        .bind(self.account.id.as_str())
        .bind(&tunnel.name)
        .bind(sealed)
        .bind(tunnel.config_src.as_str())
        .bind(tunnel.created_on)
        .execute(write.transaction())
        .await
        .map_err(|error| {
            if error.is_unique_violation() {
                StoreError::AlreadyExists { thing: Thing::Tunnel, name: tunnel.name.clone() }
            } else {
                error
            }
        })?;
        write.record(by, Change::new("create", Thing::Tunnel, tunnel.id).after(audit_view(&tunnel))).await?;
        write.commit().await?;
        Ok(tunnel)
    }

    /// The tunnels that are wanted, the newest first.
    pub async fn tunnels(&self, wanted: &TunnelQuery) -> Result<Vec<Tunnel>, StoreError> {
        query(
            "SELECT * FROM tunnels WHERE account_id = $1 AND ($2 IS NULL OR name = $2)
             AND ($3 IS NULL OR (deleted_on IS NOT NULL) = $3) ORDER BY created_on DESC, id",
        )
        .bind(self.account.id.as_str())
        .bind(wanted.name.as_deref())
        .bind(wanted.deleted)
        .fetch_all(&mut self.database.read().await?)
        .await?
        .iter()
        .map(read)
        .collect()
    }

    /// One tunnel; deleted ones are found too.
    pub async fn tunnel(&self, id: Uuid) -> Result<Tunnel, StoreError> {
        let row = query("SELECT * FROM tunnels WHERE id = $1 AND account_id = $2")
            .bind(id)
            .bind(self.account.id.as_str())
            .fetch_optional(&mut self.database.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Tunnel, id))?;
        read(&row)
    }

    /// The secret of a tunnel that is not deleted.
    pub async fn tunnel_secret(&self, id: Uuid) -> Result<Secret, StoreError> {
        let row = query("SELECT sealed_secret FROM tunnels WHERE id = $1 AND account_id = $2 AND deleted_on IS NULL")
            .bind(id)
            .bind(self.account.id.as_str())
            .fetch_optional(&mut self.database.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Tunnel, id))?;
        open_secret(&self.sealer, &row, id)
    }

    /// Gives a tunnel another secret and, if asked, another name. Its old token no longer registers.
    pub async fn update_tunnel(
        &self,
        id: Uuid,
        name: Option<&str>,
        secret: Option<Secret>,
        by: &Actor,
    ) -> Result<Tunnel, StoreError> {
        if let Some(secret) = &secret {
            let length = secret.expose().len();
            if !(TUNNEL_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&length) {
                return Err(StoreError::invalid(
                    "tunnel_secret",
                    format!(
                        "a tunnel's secret has {TUNNEL_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this one has {length}"
                    ),
                ));
            }
        }
        let mut write = Write::begin(self).await?;
        require_live(write.transaction(), id).await?;
        let row = query("SELECT * FROM tunnels WHERE id = $1").bind(id).fetch_one(write.transaction()).await?;
        let before = read(&row)?;
        let mut after = before.clone();
        if let Some(name) = name {
            let name = name.trim();
            if name.is_empty() || name.chars().count() > MAX_NAME {
                return Err(StoreError::invalid("name", format!("a tunnel's name has 1 to {MAX_NAME} characters")));
            }
            after.name = name.to_owned();
        }
        let sealed = match &secret {
            Some(secret) => self.sealer.seal(&place(id), secret.expose())?,
            None => row.try_get("sealed_secret")?,
        };
        query("UPDATE tunnels SET name = $1, sealed_secret = $2 WHERE id = $3")
            .bind(&after.name)
            .bind(sealed)
            .bind(id)
            .execute(write.transaction())
            .await
            .map_err(|error| {
                if error.is_unique_violation() {
                    StoreError::AlreadyExists { thing: Thing::Tunnel, name: after.name.clone() }
                } else {
                    error
                }
            })?;
        let mut view = audit_view(&after);
        if let Some(view) = view.as_object_mut() {
            view.insert("secret_changed".to_owned(), secret.is_some().into());
        }
        write.record(by, Change::new("update", Thing::Tunnel, id).before(audit_view(&before)).after(view)).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Notes that somebody cut the connections of a tunnel. `connections` are those that there were.
    pub async fn tunnel_was_cut(&self, id: Uuid, connections: Value, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        require_live(write.transaction(), id).await?;
        let before = json!({ "connections": connections });
        write.record(by, Change::new("cut", Thing::Tunnel, id).before(before)).await?;
        write.commit().await
    }

    /// Deletes a tunnel: it keeps its row and can no longer be registered or used. Refused while VPC Services or network
    /// routes use it, unless forced; those services then fail with `destination_not_found`, and the routes go with it.
    pub async fn delete_tunnel(&self, id: Uuid, force: Force, by: &Actor) -> Result<Tunnel, StoreError> {
        let mut write = Write::begin(self).await?;
        require_live(write.transaction(), id).await?;
        let row = query("SELECT * FROM tunnels WHERE id = $1").bind(id).fetch_one(write.transaction()).await?;
        let mut tunnel = read(&row)?;
        if force == Force::No {
            let mut users = Vec::new();
            let services = query("SELECT name FROM services WHERE tunnel_id = $1 ORDER BY name")
                .bind(id)
                .fetch_all(write.transaction())
                .await?;
            for service in services {
                users.push(format!("VPC Service \"{}\"", service.try_get::<String>("name")?));
            }
            users.extend(
                crate::deployment::deployed_users(write.transaction(), |binding| binding.tunnel_id() == Some(id))
                    .await?,
            );
            users.extend(
                network_route::of_tunnel(write.transaction(), id)
                    .await?
                    .into_iter()
                    .map(|destination| format!("network route \"{destination}\"")),
            );
            if !users.is_empty() {
                return Err(StoreError::InUse { thing: Thing::Tunnel, name: tunnel.name, users });
            }
        }
        query("DELETE FROM network_routes WHERE tunnel_id = $1").bind(id).execute(write.transaction()).await?;
        tunnel.deleted_on = Some(write.at);
        let at = write.at;
        query("UPDATE tunnels SET deleted_on = $1 WHERE id = $2")
            .bind(at)
            .bind(id)
            .execute(write.transaction())
            .await?;
        write.record(by, Change::new("delete", Thing::Tunnel, id).before(audit_view(&tunnel))).await?;
        write.commit().await?;
        Ok(tunnel)
    }
}
