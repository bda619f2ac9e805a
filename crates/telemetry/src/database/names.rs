//! The names in the database by number, and the numbers by name.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Lock, Readers, Row, Statement, Transaction, Writer};
use crate::error::TelemetryError;

/// The names that are known here: all that were stored by this process, and those of others once their rows were read.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Arc<str>, i64>,
    texts: HashMap<i64, Arc<str>>,
    /// The largest number. Names are stored one after the other, so that every smaller one is known.
    newest: i64,
}

const NEWER: &str = "SELECT id, text FROM names WHERE id > $1 ORDER BY id";

impl Names {
    pub(crate) async fn load(writer: &mut Writer) -> Result<Self, TelemetryError> {
        let names = Self::default();
        let mut transaction = writer.begin().await?;
        names.learn_within(&mut transaction).await?;
        transaction.commit().await?;
        Ok(names)
    }

    /// The number of a name, if it is known.
    pub(crate) fn number(&self, text: &str) -> Option<i64> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).numbers.get(text).copied()
    }

    /// The number of a name that was given one before.
    pub(crate) fn number_of(&self, text: &str) -> Result<i64, TelemetryError> {
        self.number(text).ok_or_else(|| TelemetryError::Corrupt(format!("the name `{text}` has no number")))
    }

    /// The name with this number.
    pub(crate) fn text(&self, number: i64) -> Result<Arc<str>, TelemetryError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.texts.get(&number).cloned().ok_or_else(|| TelemetryError::Corrupt(format!("there is no name {number}")))
    }

    /// Sees to it that each of these names has a number. Names that are left without facts do no harm.
    pub(crate) async fn give_numbers<T: AsRef<str>>(
        &self,
        writer: &mut Writer,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<(), TelemetryError> {
        let new: Vec<T> = texts.into_iter().filter(|text| self.number(text.as_ref()).is_none()).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut transaction = writer.begin_with(Lock::Names).await?;
        for text in &new {
            let insert = Statement::new("INSERT INTO names (text) VALUES ($1) ON CONFLICT DO NOTHING");
            insert.bind(text.as_ref()).execute(&mut transaction).await?;
        }
        let rows = Statement::new(NEWER).bind(self.newest()).fetch_within(&mut transaction).await?;
        // What is not committed must not be known.
        transaction.commit().await?;
        self.learn(&rows)
    }

    /// Learns the names that others stored since. Whoever has read rows does so before looking their names up.
    pub(crate) async fn catch_up(&self, readers: &Readers) -> Result<(), TelemetryError> {
        match readers {
            // Nobody else writes to a file.
            Readers::Sqlite(_) => Ok(()),
            Readers::Postgres(_) => self.learn(&Statement::new(NEWER).bind(self.newest()).fetch_all(readers).await?),
        }
    }

    /// The same, among what is written.
    pub(crate) async fn learn_within(&self, transaction: &mut Transaction<'_>) -> Result<(), TelemetryError> {
        self.learn(&Statement::new(NEWER).bind(self.newest()).fetch_within(transaction).await?)
    }

    fn newest(&self) -> i64 {
        self.known.read().unwrap_or_else(PoisonError::into_inner).newest
    }

    fn learn(&self, rows: &[Row]) -> Result<(), TelemetryError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let number = row.get("id")?;
            let text: Arc<str> = row.get::<String>("text")?.into();
            known.numbers.insert(text.clone(), number);
            known.texts.insert(number, text);
            known.newest = known.newest.max(number);
        }
        Ok(())
    }
}
