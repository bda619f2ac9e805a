//! The audit log: who changed what, and how it was before and after. A row is written in the transaction of the
//! change that it tells of, so neither exists without the other. Secrets never get here, not even sealed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::{Transaction, from_json, query, time, to_json, uuid};
use crate::error::{StoreError, Thing};
use crate::{Store, account::AccountId};

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The API token that was used; absent for the program itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token_id: Option<Uuid>,
    /// The token's name, or `culvert`.
    pub name: String,
    /// The address that the request came from, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
}

impl Actor {
    /// The program itself, when it sets up a store or runs a command on its own machine.
    pub fn program() -> Self {
        Actor { token_id: None, name: "culvert".to_owned(), address: None }
    }
}

/// One row of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Rises with every entry.
    pub number: u64,
    /// Identifier of the entry.
    pub id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: Actor,
    /// What was done: `create`, `update`, `delete`, `deploy`, `revoke`, `roll`, `cut`.
    pub action: String,
    /// The kind of thing, as [`Thing::as_str`] writes it.
    pub resource: String,
    /// Its identifier or name.
    pub resource_id: String,
    /// How it was; absent for a creation. A version that follows another one has that one here.
    pub before: Option<Value>,
    /// How it became; absent for a deletion.
    pub after: Option<Value>,
}

/// A change on its way into the log.
pub(crate) struct Change {
    pub(crate) action: &'static str,
    pub(crate) thing: Thing,
    pub(crate) id: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

impl Change {
    pub(crate) fn new(action: &'static str, thing: Thing, id: impl ToString) -> Self {
        Change { action, thing, id: id.to_string(), before: None, after: None }
    }

    pub(crate) fn before(mut self, value: impl Serialize) -> Self {
        self.before = serde_json::to_value(value).ok();
        self
    }

    pub(crate) fn after(mut self, value: impl Serialize) -> Self {
        self.after = serde_json::to_value(value).ok();
        self
    }

    pub(crate) async fn insert(
        self,
        transaction: &mut Transaction,
        account: &AccountId,
        by: &Actor,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO audit (id, account_id, at, actor, action, resource, resource_id, before, after)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(Uuid::new_v4())
        .bind(account.as_str())
        .bind(at)
        .bind(to_json("actor", by)?)
        .bind(self.action)
        .bind(self.thing.as_str())
        .bind(self.id)
        .bind(self.before.map(|value| value.to_string()))
        .bind(self.after.map(|value| value.to_string()))
        .execute(transaction)
        .await?;
        Ok(())
    }
}

/// What to read from the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only this kind of thing, as [`Thing::as_str`] writes it.
    pub resource: Option<String>,
    /// Only entries older than this number: the cursor, newest entries come first.
    pub before: Option<u64>,
    /// At most so many entries.
    pub limit: u32,
}

impl Store {
    /// Reads the audit log, newest first.
    pub async fn audit(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let before = wanted.before.map_or(i64::MAX, |number| i64::try_from(number).unwrap_or(i64::MAX));
        let rows = query(
            "SELECT number, id, at, actor, action, resource, resource_id, before, after FROM audit
             WHERE account_id = $1 AND number < $2 AND ($3 IS NULL OR resource = $3)
             ORDER BY number DESC LIMIT $4",
        )
        .bind(self.account.id.as_str())
        .bind(before)
        .bind(wanted.resource.as_deref())
        .bind(wanted.limit)
        .fetch_all(&mut self.database.read().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let id = uuid(row, "audit", "id")?;
                let json = |column: &str| -> Result<Option<Value>, StoreError> {
                    row.try_get::<Option<String>>(column)?
                        .map(|text| from_json("audit", &id.to_string(), &text))
                        .transpose()
                };
                Ok(AuditEntry {
                    number: row.number("audit", "number")?,
                    id,
                    at: time(row, "at")?,
                    actor: from_json("audit", &id.to_string(), row.try_get("actor")?)?,
                    action: row.try_get("action")?,
                    resource: row.try_get("resource")?,
                    resource_id: row.try_get("resource_id")?,
                    before: json("before")?,
                    after: json("after")?,
                })
            })
            .collect()
    }
}
