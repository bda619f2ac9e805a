//! What was recorded and is not kept, by the minute: whoever reads a list of facts is told how many are not in it.

use time::OffsetDateTime;

use crate::database::{Readers, Statement, Transaction, Writer};
use crate::error::TelemetryError;
use crate::queue::Losses;

/// What was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Invocations,
    Connections,
}

impl Kind {
    const fn number(self) -> i64 {
        match self {
            Self::Invocations => 1,
            Self::Connections => 2,
        }
    }
}

/// Writes losses as they grow.
#[derive(Debug, Default)]
pub(crate) struct LossBook {
    written: [u64; 2],
}

impl LossBook {
    /// Notes what was lost since the last time.
    pub(crate) async fn write(
        &mut self,
        writer: &mut Writer,
        losses: &Losses,
        minute: i64,
    ) -> Result<(), TelemetryError> {
        let now = [(Kind::Invocations, losses.invocations.total()), (Kind::Connections, losses.connections.total())];
        for ((kind, total), written) in now.into_iter().zip(&mut self.written) {
            let new = total.saturating_sub(*written);
            if new == 0 {
                continue;
            }
            let mut transaction = writer.begin().await?;
            Statement::new(
                "INSERT INTO losses (minute, kind, count) VALUES ($1, $2, $3) \
                 ON CONFLICT (minute, kind) DO UPDATE SET count = losses.count + excluded.count",
            )
            .bind(minute)
            .bind(kind.number())
            .bind(i64::try_from(new).unwrap_or(i64::MAX))
            .execute(&mut transaction)
            .await?;
            transaction.commit().await?;
            *written = total;
        }
        Ok(())
    }
}

/// How many were lost from the minute of `since` to the minute of `until`.
pub(crate) async fn sum(
    readers: &Readers,
    kind: Kind,
    since: Option<OffsetDateTime>,
    until: Option<OffsetDateTime>,
) -> Result<u64, TelemetryError> {
    let minute = |time: OffsetDateTime| time.unix_timestamp().div_euclid(60);
    let rows = Statement::new(
        "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) AS lost FROM losses \
         WHERE kind = $1 AND minute BETWEEN $2 AND $3",
    )
    .bind(kind.number())
    .bind(since.map_or(0, minute))
    .bind(until.map_or(i64::MAX, minute))
    .fetch_all(readers)
    .await?;
    rows.first().map_or(Ok(0), |row| Ok(row.get::<i64>("lost")?.unsigned_abs()))
}

/// Forgets what is older.
pub(crate) async fn forget(transaction: &mut Transaction<'_>, horizon: OffsetDateTime) -> Result<(), TelemetryError> {
    let minute = horizon.unix_timestamp().div_euclid(60);
    Statement::new("DELETE FROM losses WHERE minute < $1").bind(minute).execute(transaction).await?;
    Ok(())
}
