//! The account. A fresh store makes one, with the slug `local`; API paths accept its slug or its identifier.

use std::fmt;

use time::OffsetDateTime;

use crate::database::{Database, now, query, time};
use crate::error::StoreError;
use crate::key::{fill_random, hex};

/// The slug of the account that a fresh store makes.
pub const LOCAL_ACCOUNT: &str = "local";

/// 32 lower-case hexadecimal digits: the account tag that tunnel tokens carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The account that owns everything in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Drawn at random when the store is made.
    pub id: AccountId,
    /// The name in API paths.
    pub slug: String,
    /// The name that people see.
    pub name: String,
    /// When the store was made.
    pub created_on: OffsetDateTime,
}

impl Account {
    /// True when `text` names this account in an API path.
    pub fn is_named(&self, text: &str) -> bool {
        text == self.slug || text.eq_ignore_ascii_case(self.id.as_str())
    }
}

/// Reads the account, making it first in a store that has none.
pub(crate) async fn ensure(database: &Database) -> Result<Account, StoreError> {
    let mut id = [0; 16];
    fill_random(&mut id)?;
    // There is one writer at a time, so that two programs that open a new store agree on one account.
    let mut transaction = database.write().await?;
    query(
        "INSERT INTO accounts (id, slug, name, created_on) SELECT $1, $2, $3, $4
         WHERE NOT EXISTS (SELECT 1 FROM accounts)",
    )
    .bind(hex(&id))
    .bind(LOCAL_ACCOUNT)
    .bind("Local")
    .bind(now())
    .execute(&mut transaction)
    .await?;
    let row = query("SELECT id, slug, name, created_on FROM accounts LIMIT 1").fetch_one(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Account {
        id: AccountId(row.try_get("id")?),
        slug: row.try_get("slug")?,
        name: row.try_get("name")?,
        created_on: time(&row, "created_on")?,
    })
}
