//! A change of configuration: what is written, its audit row, and the next generation, in one transaction.

use time::OffsetDateTime;

use super::{Transaction, now, query};
use crate::Store;
use crate::audit::{Actor, Change};
use crate::error::StoreError;

/// One change of configuration: a transaction that ends in [`Write::commit`] or leaves no trace.
pub(crate) struct Write<'s> {
    store: &'s Store,
    transaction: Transaction,
    /// The moment of the change, the same in every row that it touches.
    pub(crate) at: OffsetDateTime,
}

impl<'s> Write<'s> {
    pub(crate) async fn begin(store: &'s Store) -> Result<Self, StoreError> {
        let transaction = store.database.write().await?;
        Ok(Write { store, transaction, at: now() })
    }

    pub(crate) fn transaction(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    /// Writes the audit row of this change.
    pub(crate) async fn record(&mut self, by: &Actor, change: Change) -> Result<(), StoreError> {
        let at = self.at;
        change.insert(&mut self.transaction, &self.store.account.id, by, at).await
    }

    /// Raises the generation, makes the change durable, and tells whoever waits on it.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let generation = query("UPDATE meta SET generation = generation + 1 RETURNING generation")
            .fetch_one(&mut self.transaction)
            .await?
            .number("meta", "generation")?;
        self.transaction.commit().await?;
        self.store.announce(generation);
        Ok(())
    }
}
