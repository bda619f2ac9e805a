//! Connection events read back.

use std::sync::Arc;
use std::time::Duration;

use connection_error::{ErrorCode, Timings};

use crate::codes;
use crate::database::{Engine, Names, Readers, Row, Statement};
use crate::error::TelemetryError;
use crate::filter::{ConnectionFilter, Cursor, Page, Paging, key_range};
use crate::invocations::{id, named_id, ray, status, timestamp};
use crate::metrics::counting::AttemptKey;
use crate::record::Ending;
use crate::view::{ConnectionView, FailureView};

/// How many failures are looked at for a text.
const MAX_CANDIDATES: i64 = 20_000;

/// A filter in the numbers of the database.
struct Conditions {
    service: Option<i64>,
    tunnel: Option<i64>,
    connector: Option<i64>,
    worker: Option<i64>,
    code: Option<i64>,
}

impl Conditions {
    /// `None`: nothing can be found, because nothing was ever stored under a name that was asked for, or because an attempt
    /// ends in one way only.
    fn of(filter: &ConnectionFilter, names: &Names) -> Option<Self> {
        let endings = [wants_failures(filter), filter.succeeded_only, filter.canceled_only];
        if endings.into_iter().filter(|wanted| *wanted).count() > 1 {
            return None;
        }
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

/// Whether only failures are asked for.
fn wants_failures(filter: &ConnectionFilter) -> bool {
    filter.failed_only || filter.code.is_some() || filter.category.is_some() || filter.detail.is_some()
}

pub(crate) async fn query(
    readers: &Readers,
    names: &Arc<Names>,
    filter: &ConnectionFilter,
    paging: &Paging,
) -> Result<Page<ConnectionView>, TelemetryError> {
    names.catch_up(readers).await?;
    let Some(conditions) = Conditions::of(filter, names) else {
        return Ok(Page { items: Vec::new(), next: None, lost: 0 });
    };
    // A text is in no index: only so many are looked at for one page, which may be shorter then and have a next one all the same.
    let horizon = match &filter.detail {
        Some(_) => horizon(readers.engine(), filter, &conditions, paging).fetch_all(readers).await?,
        None => Vec::new(),
    };
    let horizon: Option<i64> = horizon.first().map(|row| row.get("key")).transpose()?;
    // One more than asked for tells whether there is a next page.
    let statement = statement(readers.engine(), filter, &conditions, paging, paging.limit() + 1, horizon);
    let mut rows = statement.fetch_all(readers).await?;
    names.catch_up(readers).await?;
    let more = rows.len() > paging.limit();
    rows.truncate(paging.limit());
    let last = rows.last().map(|row| row.get("key")).transpose()?;
    let items = rows.iter().map(|row| view(row, names)).collect::<Result<_, _>>()?;
    Ok(Page { items, next: last.filter(|_| more).or(horizon).map(Cursor), lost: 0 })
}

/// Failures with a text in their detail, each with when it began (in seconds since 1970) and what it is counted by, newest
/// first; and where the newest that are looked at are not all, since when they are.
pub(crate) async fn failures_by_detail(
    readers: &Readers,
    names: &Names,
    filter: &ConnectionFilter,
) -> Result<(Vec<(i64, AttemptKey)>, Option<i64>), TelemetryError> {
    let Some(conditions) = Conditions::of(filter, names) else { return Ok((Vec::new(), None)) };
    let (engine, paging) = (readers.engine(), Paging::default());
    let horizon = horizon(engine, filter, &conditions, &paging).fetch_all(readers).await?;
    let horizon: Option<i64> = horizon.first().map(|row| row.get("key")).transpose()?;
    let statement = statement(engine, filter, &conditions, &paging, usize::MAX, horizon);
    let rows = statement.fetch_all(readers).await?;
    names.catch_up(readers).await?;
    let seconds = |key| timestamp(key).div_euclid(1000);
    let failures = rows.iter().map(|row| {
        let event = view(row, names)?;
        let key = AttemptKey {
            service: event.service_id,
            tunnel: event.tunnel_id,
            connector: event.connector_id,
            worker: event.worker,
            ending: match event.failure {
                Some(failure) => Ending::Failed(failure.code, failure.category),
                None if event.canceled => Ending::Canceled,
                None => Ending::Succeeded,
            },
        };
        Ok((seconds(row.get("key")?), key))
    });
    Ok((failures.collect::<Result<_, TelemetryError>>()?, horizon.map(seconds)))
}

/// The key of the last failure that is looked at for a text, when there are more than are looked at.
fn horizon(engine: Engine, filter: &ConnectionFilter, conditions: &Conditions, paging: &Paging) -> Statement<'static> {
    let without_text = ConnectionFilter { detail: None, failed_only: true, ..filter.clone() };
    let mut sql = Statement::new("SELECT key FROM connections ");
    add_conditions(&mut sql, engine, &without_text, conditions, paging, None);
    sql.push(" ORDER BY key DESC LIMIT 1 OFFSET ").push_bind(MAX_CANDIDATES);
    sql
}

/// As for invocations: rows newest first without sorting, by the index of the rarest condition.
fn statement(
    engine: Engine,
    filter: &ConnectionFilter,
    conditions: &Conditions,
    paging: &Paging,
    limit: usize,
    horizon: Option<i64>,
) -> Statement<'static> {
    let mut sql = Statement::new("SELECT * FROM connections ");
    add_conditions(&mut sql, engine, filter, conditions, paging, horizon);
    sql.push(" ORDER BY key DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    sql
}

/// The index, and what a row must be.
fn add_conditions(
    sql: &mut Statement<'static>,
    engine: Engine,
    filter: &ConnectionFilter,
    conditions: &Conditions,
    paging: &Paging,
    horizon: Option<i64>,
) {
    let failed = wants_failures(filter) || conditions.code.is_some();
    let index = if filter.ray_id.is_some() {
        Some("connections_by_ray")
    } else if filter.canceled_only {
        Some(match conditions {
            Conditions { service: Some(_), .. } => "canceled_by_service",
            Conditions { connector: Some(_), .. } => "canceled_by_connector",
            Conditions { worker: Some(_), .. } => "canceled_by_worker",
            Conditions { tunnel: Some(_), .. } => "canceled_by_tunnel",
            _ => "canceled",
        })
    } else if conditions.connector.is_some() && !failed {
        Some("connections_by_connector")
    } else {
        match (failed, conditions) {
            (true, Conditions { service: Some(_), code: Some(_), .. }) => Some("failures_by_service_code"),
            (true, Conditions { code: Some(_), .. }) => Some("failures_by_code"),
            (true, Conditions { service: Some(_), .. }) => Some("failures_by_service"),
            (true, Conditions { worker: Some(_), .. }) => Some("failures_by_worker"),
            (true, Conditions { connector: Some(_), .. }) => Some("failures_by_connector"),
            (true, Conditions { tunnel: Some(_), .. }) => Some("failures_by_tunnel"),
            (true, _) if filter.category.is_some() => Some("failures_by_category"),
            (true, _) => Some("failures"),
            (false, Conditions { service: Some(_), .. }) => Some("connections_by_service"),
            (false, Conditions { worker: Some(_), .. }) => Some("connections_by_worker"),
            (false, Conditions { tunnel: Some(_), .. }) => Some("connections_by_tunnel"),
            (false, _) => None,
        }
    };
    // PostgreSQL has statistics and chooses for itself.
    let plain = engine == Engine::Postgres;
    match index {
        _ if plain => {}
        Some(index) => {
            sql.push("INDEXED BY ").push(index);
        }
        None => {
            sql.push("NOT INDEXED");
        }
    }
    let (from, to) = key_range(filter.since, filter.until, paging.after());
    let from = from.max(horizon.unwrap_or(i64::MIN));
    sql.push(" WHERE key >= ").push_bind(from).push(" AND key < ").push_bind(to);
    if failed {
        sql.push(" AND code IS NOT NULL");
    }
    if filter.succeeded_only {
        sql.push(if plain { " AND code IS NULL AND NOT canceled" } else { " AND +code IS NULL AND +canceled = 0" });
    }
    if filter.canceled_only {
        sql.push(if plain { " AND canceled" } else { " AND canceled = 1" });
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
        let used = plain || index.is_some_and(|index| index.split('_').any(|part| part == column));
        sql.push(if used { " AND " } else { " AND +" }).push(column).push(" = ").push_bind(number);
    }
    if let Some(detail) = &filter.detail {
        sql.push(if plain { " AND strpos(lower(detail), lower(" } else { " AND instr(lower(detail), lower(" });
        sql.push_bind(detail.clone()).push(")) > 0");
    }
}

fn view(row: &Row, names: &Names) -> Result<ConnectionView, TelemetryError> {
    let failure = match row.get::<Option<i64>>("code")? {
        Some(code) => {
            let code = names.text(code)?;
            Some(FailureView {
                code: code.parse::<ErrorCode>().map_err(|error| TelemetryError::Corrupt(error.to_string()))?,
                category: codes::category(row.get("category")?)?,
                phase: codes::phase(row.get("phase")?)?,
                detail: row.get("detail")?,
                retryable: row.get("retryable")?,
            })
        }
        None => None,
    };
    let connector: Option<i64> = row.get("connector")?;
    Ok(ConnectionView {
        id: id(row, "id")?,
        timestamp: timestamp(row.get("key")?),
        service_id: named_id(row, "service", names)?,
        service_name: names.text(row.get("service_name")?)?.to_string(),
        tunnel_id: named_id(row, "tunnel", names)?,
        connector_id: connector.map(|_| named_id(row, "connector", names)).transpose()?,
        worker: names.text(row.get("worker")?)?.to_string(),
        invocation_id: id(row, "invocation")?,
        ray_id: ray(row)?,
        address: row.get("address")?,
        reused: row.get("reused")?,
        status: status(row)?,
        canceled: row.get("canceled")?,
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

fn duration(row: &Row, column: &str) -> Result<Option<Duration>, TelemetryError> {
    let microseconds: Option<i64> = row.get(column)?;
    Ok(microseconds.map(|microseconds| Duration::from_micros(microseconds.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::database::{self, TelemetryLocation};
    use connection_error::Category;
    use invocation::RayId;

    #[tokio::test]
    async fn no_combination_of_filters_sorts() {
        let directory = tempfile::tempdir().unwrap();
        let (_writer, readers) = database::open(&TelemetryLocation::File(directory.path().join("t.db"))).await.unwrap();
        for bits in 0_u32..1024 {
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
                canceled_only: is(9),
                ..ConnectionFilter::default()
            };
            let statement = statement(Engine::Sqlite, &filter, &conditions, &Paging::default(), 10, None);
            database::tests::assert_ordered(&readers, statement, &format!("{bits:b}")).await;
            let horizon = horizon(Engine::Sqlite, &filter, &conditions, &Paging::default());
            database::tests::assert_ordered(&readers, horizon, &format!("horizon of {bits:b}")).await;
        }
    }
}
