//! API tokens: random, shown once, kept as a SHA-256 only. Also the administrator's token of a fresh store.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::Store;
use crate::audit::{Actor, Change};
use crate::database::{Row, Transaction, Write, from_json, now, optional_time, query, time, to_json, uuid};
use crate::error::{StoreError, Thing};
use crate::key::{fill_random, hex, write_private};
use crate::permission::Permission;
use crate::seal::Secret;

/// The file in the data directory that holds the administrator's token.
pub const ADMIN_TOKEN_FILE: &str = "admin-token";

/// How often the moment of last use is written down, at most.
const LAST_USE_GRAIN: Duration = Duration::seconds(60);
const PREFIX: &str = "cvt_";
const MAX_NAME: usize = 120;

/// An API token, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Identifier.
    pub id: Uuid,
    /// The name that its maker gave it.
    pub name: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// When it stops working, if ever.
    pub expires_on: Option<OffsetDateTime>,
    /// When it was used last, to the minute.
    pub last_used_on: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_on: Option<OffsetDateTime>,
}

impl ApiToken {
    /// True when one of its permissions covers `needed`.
    pub fn allows(&self, needed: Permission) -> bool {
        self.permissions.iter().any(|permission| permission.covers(needed))
    }
}

/// What became of a token that somebody showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// It works.
    Accepted(ApiToken),
    /// It did work until then.
    Expired(OffsetDateTime),
    /// It was revoked then.
    Revoked(OffsetDateTime),
    /// There never was such a token.
    Unknown,
}

/// What to make a token of.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// 1 to 120 characters.
    pub name: String,
    /// At least one.
    pub permissions: Vec<Permission>,
    /// When it stops working, if ever; in the future.
    pub expires_on: Option<OffsetDateTime>,
}

fn hash(token: &str) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()).as_ref())
}

fn draw() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    fill_random(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn read(row: &Row) -> Result<ApiToken, StoreError> {
    let id = uuid(row, "tokens", "id")?;
    Ok(ApiToken {
        id,
        name: row.try_get("name")?,
        permissions: from_json("tokens", &id.to_string(), row.try_get("permissions")?)?,
        created_on: time(row, "created_on")?,
        expires_on: optional_time(row, "expires_on")?,
        last_used_on: optional_time(row, "last_used_on")?,
        revoked_on: optional_time(row, "revoked_on")?,
    })
}

fn audit_view(token: &ApiToken) -> serde_json::Value {
    json!({
        "name": token.name,
        "permissions": token.permissions,
        "expires_on": token.expires_on.map(|at| at.unix_timestamp()),
    })
}

/// What a token is to be, made regular.
fn checked(new: NewToken) -> Result<NewToken, StoreError> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err(StoreError::invalid("name", format!("a token's name has 1 to {MAX_NAME} characters")));
    }
    if new.permissions.is_empty() {
        return Err(StoreError::invalid("permissions", "a token needs at least one permission"));
    }
    if new.expires_on.is_some_and(|at| at <= now()) {
        return Err(StoreError::invalid("expires_on", "the expiry must lie in the future"));
    }
    let mut permissions = new.permissions;
    permissions.sort_unstable();
    permissions.dedup();
    Ok(NewToken { name: name.to_owned(), permissions, expires_on: new.expires_on })
}

/// A token of the account that was not revoked.
async fn find_live(transaction: &mut Transaction, account: &str, id: Uuid) -> Result<ApiToken, StoreError> {
    query("SELECT * FROM tokens WHERE id = $1 AND account_id = $2 AND revoked_on IS NULL")
        .bind(id)
        .bind(account)
        .fetch_optional(transaction)
        .await?
        .as_ref()
        .map(read)
        .transpose()?
        .ok_or_else(|| StoreError::not_found(Thing::Token, id))
}

/// Whether a token may do everything, for ever.
fn is_administrator(token: &ApiToken) -> bool {
    token.revoked_on.is_none()
        && token.expires_on.is_none()
        && Permission::ALL.iter().all(|permission| token.allows(*permission))
}

/// Errs where this token is the only administrator's and is to be that no longer.
async fn keep_administrator(
    transaction: &mut Transaction,
    account: &str,
    before: &ApiToken,
    after: Option<&ApiToken>,
) -> Result<(), StoreError> {
    if !is_administrator(before) || after.is_some_and(is_administrator) {
        return Ok(());
    }
    let rows = query("SELECT * FROM tokens WHERE account_id = $1 AND revoked_on IS NULL AND id <> $2")
        .bind(account)
        .bind(before.id)
        .fetch_all(transaction)
        .await?;
    for row in &rows {
        if is_administrator(&read(row)?) {
            return Ok(());
        }
    }
    Err(StoreError::LastAdministrator { name: before.name.clone() })
}

async fn insert(transaction: &mut Transaction, account: &str, token: &ApiToken, hash: &str) -> Result<(), StoreError> {
    query(
        "INSERT INTO tokens (id, account_id, name, hash, permissions, created_on, expires_on)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token.id)
    .bind(account)
    .bind(&token.name)
    .bind(hash)
    .bind(to_json("permissions", &token.permissions)?)
    .bind(token.created_on)
    .bind(token.expires_on)
    .execute(transaction)
    .await?;
    Ok(())
}

impl Store {
    /// Makes a token. The secret half is returned here and never again.
    pub async fn create_token(&self, new: NewToken, by: &Actor) -> Result<(ApiToken, Secret), StoreError> {
        let NewToken { name, permissions, expires_on } = checked(new)?;
        let text = draw()?;
        let mut write = Write::begin(self).await?;
        let token = ApiToken {
            id: Uuid::new_v4(),
            name,
            permissions,
            created_on: write.at,
            expires_on,
            last_used_on: None,
            revoked_on: None,
        };
        insert(write.transaction(), self.account.id.as_str(), &token, &hash(&text)).await?;
        write.record(by, Change::new("create", Thing::Token, token.id).after(audit_view(&token))).await?;
        write.commit().await?;
        Ok((token, Secret::new(text)))
    }

    /// One token that was not revoked.
    pub async fn token(&self, id: Uuid) -> Result<ApiToken, StoreError> {
        find_live(&mut self.database.read().await?, self.account.id.as_str(), id).await
    }

    /// Gives a token another name, other permissions and another end. Its secret half stays. The last administrator's stays one.
    pub async fn update_token(&self, id: Uuid, new: NewToken, by: &Actor) -> Result<ApiToken, StoreError> {
        let mut write = Write::begin(self).await?;
        let before = find_live(write.transaction(), self.account.id.as_str(), id).await?;
        // An end that has passed may stay what it is.
        let NewToken { name, permissions, expires_on } = if new.expires_on == before.expires_on {
            NewToken { expires_on: before.expires_on, ..checked(NewToken { expires_on: None, ..new })? }
        } else {
            checked(new)?
        };
        let after = ApiToken { name, permissions, expires_on, ..before.clone() };
        if after == before {
            return Ok(after);
        }
        keep_administrator(write.transaction(), self.account.id.as_str(), &before, Some(&after)).await?;
        query("UPDATE tokens SET name = $1, permissions = $2, expires_on = $3 WHERE id = $4")
            .bind(&after.name)
            .bind(to_json("permissions", &after.permissions)?)
            .bind(after.expires_on)
            .bind(id)
            .execute(write.transaction())
            .await?;
        let change = Change::new("update", Thing::Token, id);
        write.record(by, change.before(audit_view(&before)).after(audit_view(&after))).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Gives a token another secret half, which is returned here and never again. The one before stops working at once.
    pub async fn roll_token(&self, id: Uuid, by: &Actor) -> Result<Secret, StoreError> {
        let text = draw()?;
        let mut write = Write::begin(self).await?;
        let token = find_live(write.transaction(), self.account.id.as_str(), id).await?;
        query("UPDATE tokens SET hash = $1 WHERE id = $2")
            .bind(hash(&text))
            .bind(id)
            .execute(write.transaction())
            .await?;
        write.record(by, Change::new("roll", Thing::Token, id).after(audit_view(&token))).await?;
        write.commit().await?;
        Ok(Secret::new(text))
    }

    /// Looks a shown token up. Revocation and expiry count from the moment they are there.
    pub async fn check_token(&self, shown: &str) -> Result<TokenCheck, StoreError> {
        let row = query("SELECT * FROM tokens WHERE hash = $1")
            .bind(hash(shown))
            .fetch_optional(&mut self.database.read().await?)
            .await?;
        let Some(row) = row else {
            return Ok(TokenCheck::Unknown);
        };
        let token = read(&row)?;
        if let Some(at) = token.revoked_on {
            return Ok(TokenCheck::Revoked(at));
        }
        let present = now();
        if let Some(at) = token.expires_on.filter(|at| *at <= present) {
            return Ok(TokenCheck::Expired(at));
        }
        if token.last_used_on.is_none_or(|at| present - at >= LAST_USE_GRAIN) {
            // Not a change of configuration: no generation, no audit row.
            let mut transaction = self.database.write().await?;
            query("UPDATE tokens SET last_used_on = $1 WHERE id = $2")
                .bind(present)
                .bind(token.id)
                .execute(&mut transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(TokenCheck::Accepted(token))
    }

    /// All tokens, the newest first; revoked ones too.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        query("SELECT * FROM tokens WHERE account_id = $1 ORDER BY created_on DESC, id")
            .bind(self.account.id.as_str())
            .fetch_all(&mut self.database.read().await?)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Revokes a token at once. Revoking it again changes nothing; the last administrator's stays.
    pub async fn revoke_token(&self, id: Uuid, by: &Actor) -> Result<(), StoreError> {
        let mut write = Write::begin(self).await?;
        let row = query("SELECT * FROM tokens WHERE id = $1 AND account_id = $2")
            .bind(id)
            .bind(self.account.id.as_str())
            .fetch_optional(write.transaction())
            .await?
            .ok_or_else(|| StoreError::not_found(Thing::Token, id))?;
        let token = read(&row)?;
        if token.revoked_on.is_some() {
            return Ok(());
        }
        keep_administrator(write.transaction(), self.account.id.as_str(), &token, None).await?;
        let at = write.at;
        query("UPDATE tokens SET revoked_on = $1 WHERE id = $2").bind(at).bind(id).execute(write.transaction()).await?;
        write.record(by, Change::new("revoke", Thing::Token, id).before(audit_view(&token))).await?;
        write.commit().await
    }

    /// Makes the administrator's token of a fresh store and writes it to `admin-token` (0600) in `data_dir`.
    /// Does nothing in a store that had one, even if it was revoked since. The file is durable before the store
    /// knows the token, and a start that was cut between the two is taken up by the next one.
    pub async fn ensure_admin_token(&self, data_dir: &Path) -> Result<(), StoreError> {
        let any = query("SELECT 1 FROM tokens LIMIT 1").fetch_optional(&mut self.database.read().await?).await?;
        if any.is_some() {
            return Ok(());
        }
        let path = data_dir.join(ADMIN_TOKEN_FILE);
        write_private(&path, format!("{}\n", draw()?).as_bytes())?;
        // What the file holds counts: it may be from a start that was cut short.
        let text = match fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(source) => return Err(StoreError::DataDirectory { path, source }),
        };
        if !text.starts_with(PREFIX) || text.len() < PREFIX.len() + 43 {
            return Err(StoreError::DataDirectory {
                path,
                source: std::io::Error::new(
                    ErrorKind::InvalidData,
                    "it does not hold an API token; remove it and start again",
                ),
            });
        }
        let mut write = Write::begin(self).await?;
        let taken = query("SELECT 1 FROM tokens LIMIT 1").fetch_optional(write.transaction()).await?;
        if taken.is_some() {
            let known = query("SELECT 1 FROM tokens WHERE hash = $1").bind(hash(&text));
            if known.fetch_optional(write.transaction()).await?.is_none() {
                // Another edge on the same database was first, and its token is the one that counts.
                fs::remove_file(&path).map_err(|source| StoreError::DataDirectory { path, source })?;
            }
            return Ok(());
        }
        let token = ApiToken {
            id: Uuid::new_v4(),
            name: "admin".to_owned(),
            permissions: Permission::ALL.to_vec(),
            created_on: write.at,
            expires_on: None,
            last_used_on: None,
            revoked_on: None,
        };
        insert(write.transaction(), self.account.id.as_str(), &token, &hash(&text)).await?;
        write
            .record(&Actor::program(), Change::new("create", Thing::Token, token.id).after(audit_view(&token)))
            .await?;
        write.commit().await
    }
}
