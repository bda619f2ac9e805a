//! Connection events read back.

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Timings};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use crate::codes;
use crate::database::Names;
use crate::error::TelemetryError;
use crate::filter::{ConnectionFilter, Cursor, Page, Paging, key_range};
use crate::invocations::{id, named_id, ray, timestamp};
use crate::view::{ConnectionView, FailureView};

/// How many failures are looked at for a text.
const MAX_CANDIDATES: i64 = 20_000;

/// A filter in the numbers of the file.
struct Conditions {
    service: Option<i64>,
    tunnel: Option<i64>,
    connector: Option<i64>,
    worker: Option<i64>,
    code: Option<i64>,
}

impl Conditions {
    /// `None`: something was asked for under a name that nothing was ever stored under.
    fn of(filter: &ConnectionFilter, names: &Names) -> Option<Self> {
        let number = |text: Option<String>| match text {
            Some(text) => names.number(&text).map(Some),
            None => Some(None),
        };
        Some(Self {
            service: number(filter.service.map(|id| id.to_string()))?,
            tunnel: number(filter.tunnel.map(|id| id.to_string()))?,
            connector: number(filter.connector.map(|id| id.to_string()))?,
            worker: number(filter.worker.clone())?,
            code: number(filter.code.map(|code| code.as_str().to_owned()))?,
        })
    }
}

pub(crate) async fn query(
    readers: &SqlitePool,
    names: &Arc<Names>,
    filter: &ConnectionFilter,
    paging: &Paging,
) -> Result<Page<ConnectionView>, TelemetryError> {
    let Some(conditions) = Conditions::of(filter, names) else {
        return Ok(Page { items: Vec::new(), next: None, lost: 0 });
    };
    // A text is in no index: only so many are looked at for one page, which may be shorter then and have a next one all the same.
    let horizon = match &filter.detail {
        Some(_) => horizon(filter, &conditions, paging).build().fetch_optional(readers).await?,
        None => None,
    };
    let horizon: Option<i64> = horizon.map(|row| row.try_get(0)).transpose()?;
    // One more than asked for tells whether there is a next page.
    let mut statement = statement(filter, &conditions, paging, paging.limit() + 1, horizon);
    let mut rows = statement.build().fetch_all(readers).await?;
    let more = rows.len() > paging.limit();
    rows.truncate(paging.limit());
    let last = rows.last().map(|row| row.try_get("key")).transpose()?;
    let items = rows.iter().map(|row| view(row, names)).collect::<Result<_, _>>()?;
    Ok(Page { items, next: last.filter(|_| more).or(horizon).map(Cursor), lost: 0 })
}

/// The key of the last failure that is looked at for a text, when there are more than are looked at.
fn horizon(filter: &ConnectionFilter, conditions: &Conditions, paging: &Paging) -> QueryBuilder<Sqlite> {
    let without_text = ConnectionFilter { detail: None, failed_only: true, ..filter.clone() };
    let mut sql = QueryBuilder::new("SELECT key FROM connections ");
    add_conditions(&mut sql, &without_text, conditions, paging, None);
    sql.push(" ORDER BY key DESC LIMIT 1 OFFSET ").push_bind(MAX_CANDIDATES);
    sql
}

/// As for invocations: rows newest first without sorting, by the index of the rarest condition.
fn statement(
    filter: &ConnectionFilter,
    conditions: &Conditions,
    paging: &Paging,
    limit: usize,
    horizon: Option<i64>,
) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT * FROM connections ");
    add_conditions(&mut sql, filter, conditions, paging, horizon);
    sql.push(" ORDER BY key DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    sql
}

/// The index, and what a row must be.
fn add_conditions(
    sql: &mut QueryBuilder<Sqlite>,
    filter: &ConnectionFilter,
    conditions: &Conditions,
    paging: &Paging,
    horizon: Option<i64>,
) {
    let failed =
        filter.failed_only || conditions.code.is_some() || filter.category.is_some() || filter.detail.is_some();
    let index = if filter.ray_id.is_some() {
        Some("connections_by_ray")
    } else if conditions.connector.is_some() && !failed {
        Some("connections_by_connector")
    } else {
        match (failed, conditions) {
            (true, Conditions { service: Some(_), code: Some(_), .. }) => Some("failures_by_service_code"),
            (true, Conditions { code: Some(_), .. }) => Some("failures_by_code"),
            (true, Conditions { service: Some(_), .. }) => Some("failures_by_service"),
            (true, Conditions { worker: Some(_), .. }) => Some("failures_by_worker"),
            (true, Conditions { tunnel: Some(_), .. }) => Some("failures_by_tunnel"),
            (true, _) if filter.category.is_some() => Some("failures_by_category"),
            (true, _) => Some("failures"),
            (false, Conditions { service: Some(_), .. }) => Some("connections_by_service"),
            (false, Conditions { worker: Some(_), .. }) => Some("connections_by_worker"),
            (false, Conditions { tunnel: Some(_), .. }) => Some("connections_by_tunnel"),
            (false, _) => None,
        }
    };
    match index {
        Some(index) => sql.push("INDEXED BY ").push(index),
        None => sql.push("NOT INDEXED"),
    };
    let (from, to) = key_range(filter.since, filter.until, paging.after());
    let from = from.max(horizon.unwrap_or(i64::MIN));
    sql.push(" WHERE key >= ").push_bind(from).push(" AND key < ").push_bind(to);
    if failed {
        sql.push(" AND code IS NOT NULL");
    }
    if filter.succeeded_only {
        sql.push(" AND +code IS NULL");
    }
    let numbers = [
        ("service", conditions.service),
        ("tunnel", conditions.tunnel),
        ("connector", conditions.connector),
        ("worker", conditions.worker),
        ("code", conditions.code),
        ("category", filter.category.map(codes::category_number)),
        ("ray", filter.ray_id.map(|ray| ray.0.cast_signed())),
    ];
    for (column, number) in numbers {
        let Some(number) = number else { continue };
        // `+` keeps the indices of the other columns out.
        let used = index.is_some_and(|index| index.split('_').any(|part| part == column));
        sql.push(if used { " AND " } else { " AND +" }).push(column).push(" = ").push_bind(number);
    }
    if let Some(detail) = &filter.detail {
        sql.push(" AND instr(lower(detail), lower(").push_bind(detail.clone()).push(")) > 0");
    }
}

fn view(row: &SqliteRow, names: &Names) -> Result<ConnectionView, TelemetryError> {
    let failure = match row.try_get::<Option<i64>, _>("code")? {
        Some(code) => {
            let code = names.text(code)?;
            Some(FailureView {
                code: code.parse::<ErrorCode>().map_err(|error| TelemetryError::Corrupt(error.to_string()))?,
                category: codes::category(row.try_get("category")?)?,
                phase: codes::phase(row.try_get("phase")?)?,
                detail: row.try_get("detail")?,
                retryable: row.try_get("retryable")?,
            })
        }
        None => None,
    };
    let connector: Option<i64> = row.try_get("connector")?;
    Ok(ConnectionView {
        id: id(row, "id")?,
        timestamp: timestamp(row.try_get("key")?),
        service_id: named_id(row, "service", names)?,
        service_name: names.text(row.try_get("service_name")?)?.to_string(),
        tunnel_id: named_id(row, "tunnel", names)?,
        connector_id: connector.map(|_| named_id(row, "connector", names)).transpose()?,
        worker: names.text(row.try_get("worker")?)?.to_string(),
        invocation_id: id(row, "invocation")?,
        ray_id: ray(row)?,
        address: row.try_get("address")?,
        reused: row.try_get("reused")?,
        status: row.try_get("status")?,
        timings: Timings {
            dns: duration(row, "dns_us")?,
            connect: duration(row, "connect_us")?,
            tls: duration(row, "tls_us")?,
            request: duration(row, "request_us")?,
            head: duration(row, "head_us")?,
        },
        failure,
    })
}

fn duration(row: &SqliteRow, column: &str) -> Result<Option<Duration>, TelemetryError> {
    let microseconds: Option<i64> = row.try_get(column)?;
    Ok(microseconds.map(|microseconds| Duration::from_micros(microseconds.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::database;
    use connection_error::Category;
    use invocation::RayId;

    #[tokio::test]
    async fn no_combination_of_filters_sorts() {
        let directory = tempfile::tempdir().unwrap();
        let (_writer, readers) = database::open(&directory.path().join("t.db")).await.unwrap();
        for bits in 0_u32..512 {
            let is = |bit: u32| bits & (1 << bit) != 0;
            let conditions = Conditions {
                service: is(0).then_some(1),
                tunnel: is(1).then_some(1),
                connector: is(2).then_some(1),
                worker: is(3).then_some(1),
                code: is(4).then_some(1),
            };
            let filter = ConnectionFilter {
                category: is(5).then_some(Category::Client),
                detail: is(6).then(|| "x".to_owned()),
                ray_id: is(7).then_some(RayId(1)),
                failed_only: is(8),
                ..ConnectionFilter::default()
            };
            let statement = statement(&filter, &conditions, &Paging::default(), 10, None);
            database::tests::assert_ordered(&readers, &statement, &format!("{bits:b}")).await;
            let horizon = horizon(&filter, &conditions, &Paging::default());
            database::tests::assert_ordered(&readers, &horizon, &format!("horizon of {bits:b}")).await;
        }
    }
}
