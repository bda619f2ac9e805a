//! Invocations read back.

use std::sync::Arc;

use invocation::{Outcome, RayId};
use uuid::Uuid;

use crate::codes;
use crate::database::{Engine, Names, Readers, Row, Statement};
use crate::details::Details;
use crate::error::TelemetryError;
use crate::filter::{Cursor, InvocationFilter, KEYS_PER_MICROSECOND, Page, Paging, Status, key_range};
use crate::trigrams;
use crate::view::{EventView, InvocationView, ResponseView, ScriptVersion};

/// How many candidates of a search for text are looked at for one page. A page may be shorter than asked for, and have a
/// next one all the same.
const MAX_CANDIDATES: usize = 5000;

/// Where other conditions leave so few, their texts are looked through without asking the index of texts: that one would be looked
/// through for a word that is everywhere.
const FEW: usize = 1000;

/// What a query needs to know besides its filter.
#[derive(Clone, Copy)]
struct Scope<'a> {
    filter: &'a InvocationFilter,
    /// The handler of requests; none where no invocation was ever stored.
    fetch: Option<i64>,
    worker: Option<i64>,
    version: Option<i64>,
    /// Keys: from the first up to but without the second.
    range: (i64, i64),
}

impl<'a> Scope<'a> {
    /// `None` where nothing can be found: nothing was ever stored under a name that is not known.
    fn of(names: &Names, filter: &'a InvocationFilter, range: (i64, i64)) -> Option<Self> {
        let number = |text: Option<String>| match text {
            Some(text) => names.number(&text).map(Some),
            None => Some(None),
        };
        let worker = number(filter.worker.clone())?;
        let version = number(filter.version.map(|id| id.to_string()))?;
        Some(Self { filter, fetch: names.number("fetch"), worker, version, range })
    }
}

/// An invocation with what is known of it besides what is shown.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its place in the order of time.
    pub key: i64,
    pub view: InvocationView,
    /// Whether its Worker's logs have an event for the invocation itself.
    pub invocation_log: bool,
    /// The bytes of what is stored of it as JSON.
    pub bytes: usize,
}

/// The newest invocations with keys from the first up to but without the second, at most so many, that pass a filter; of its text it is
/// only sure that those which are left out do not have it.
pub(crate) async fn candidates(
    readers: &Readers,
    names: &Arc<Names>,
    filter: &InvocationFilter,
    range: (i64, i64),
    limit: usize,
) -> Result<Vec<Kept>, TelemetryError> {
    names.catch_up(readers).await?;
    let Some(scope) = Scope::of(names, filter, range) else { return Ok(Vec::new()) };
    let rows = fetch(readers, names, &scope, limit).await?;
    let kept = rows.iter().map(|row| {
        let details = details(row)?;
        Ok(Kept {
            key: key_of(row)?,
            invocation_log: !details.no_invocation_log,
            bytes: row.get::<&str>("details")?.len(),
            view: assemble(row, names, details)?,
        })
    });
    kept.collect()
}

pub(crate) async fn query(
    readers: &Readers,
    names: &Arc<Names>,
    filter: &InvocationFilter,
    paging: &Paging,
) -> Result<Page<InvocationView>, TelemetryError> {
    names.catch_up(readers).await?;
    let range = key_range(filter.since, filter.until, paging.after());
    let Some(mut scope) = Scope::of(names, filter, range) else {
        return Ok(Page { items: Vec::new(), next: None, lost: 0 });
    };
    match &filter.text {
        None => {
            // One more than asked for tells whether there is a next page.
            let mut rows = fetch(readers, names, &scope, paging.limit() + 1).await?;
            let more = rows.len() > paging.limit();
            rows.truncate(paging.limit());
            let last = rows.last().map(key_of).transpose()?;
            let items = rows.iter().map(|row| view(row, names)).collect::<Result<_, _>>()?;
            Ok(Page { items, next: last.filter(|_| more).map(Cursor), lost: 0 })
        }
        Some(text) => {
            let mut found = Found { needle: text.to_lowercase(), items: Vec::new(), limit: paging.limit() };
            if filter.narrows() {
                let without_text = InvocationFilter { text: None, ..filter.clone() };
                let few = Scope { filter: &without_text, ..scope };
                let rows = fetch(readers, names, &few, FEW + 1).await?;
                if rows.len() <= FEW {
                    let is_full = found.take(&rows, names, &mut scope.range.1)?;
                    let next = is_full.then_some(Cursor(scope.range.1));
                    return Ok(Page { items: found.items, next, lost: 0 });
                }
            }
            let mut seen = 0;
            loop {
                let wanted = paging.limit().max(64);
                let rows = fetch(readers, names, &scope, wanted).await?;
                let is_full = found.take(&rows, names, &mut scope.range.1)?;
                seen += rows.len();
                let more = is_full || (rows.len() == wanted && seen >= MAX_CANDIDATES);
                if more || rows.len() < wanted {
                    let next = more.then_some(Cursor(scope.range.1));
                    return Ok(Page { items: found.items, next, lost: 0 });
                }
            }
        }
    }
}

/// A page of a search for text, while it is filled.
struct Found {
    /// In small letters.
    needle: String,
    items: Vec<InvocationView>,
    limit: usize,
}

impl Found {
    /// Takes the rows that have the text, and moves `end` to the last one that was looked at. `true`: the page is full, and there is
    /// one more row for the next.
    fn take(&mut self, rows: &[Row], names: &Names, end: &mut i64) -> Result<bool, TelemetryError> {
        for row in rows {
            let (view, searchable) = searched_view(row, names)?;
            if searchable.to_lowercase().contains(&self.needle) {
                if self.items.len() == self.limit {
                    return Ok(true);
                }
                self.items.push(view);
            }
            *end = key_of(row)?;
        }
        Ok(false)
    }
}

/// Rows of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Of any outcome, with the status that is asked for.
    Any,
    /// Of this outcome, with the status that is asked for.
    Of(Outcome),
    /// Requests that ended so without a response, whatever status is asked for.
    WithoutResponse(Outcome),
}

/// What has to be asked for: parts without a row in common, each of which finds its rows in order in an index.
fn parts(filter: &InvocationFilter) -> Vec<Part> {
    let every = filter.outcomes.is_empty() || Outcome::ALL.len() == filter.outcomes.len();
    let mut parts = if every { vec![Part::Any] } else { filter.outcomes.iter().copied().map(Part::Of).collect() };
    if let Some(status) = filter.status {
        let outcomes = if every { Outcome::ALL } else { &filter.outcomes };
        let shown = outcomes.iter().filter(|outcome| page_status(**outcome).is_some_and(|page| status.includes(page)));
        parts.extend(shown.copied().map(Part::WithoutResponse));
    }
    parts
}

/// The status of the page that a visitor sees where a request ends so without a response. The record does not say that the Worker
/// answered with it, and yet who looks for what visitors saw has to find it. `edge` makes these pages.
fn page_status(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Exception | Outcome::InternalError => Some(500),
        Outcome::ExceededCpu | Outcome::ExceededMemory | Outcome::ExceededWallTime | Outcome::LoadShed => Some(503),
        Outcome::ScriptNotFound => Some(404),
        // Nobody is there to see a page, or there is a response.
        Outcome::Canceled | Outcome::ResponseStreamDisconnected | Outcome::Ok => None,
    }
}

/// Rows of all parts, newest first.
async fn fetch(readers: &Readers, names: &Names, scope: &Scope<'_>, limit: usize) -> Result<Vec<Row>, TelemetryError> {
    let engine = readers.engine();
    let parts = parts(scope.filter);
    if let [part] = parts.as_slice() {
        let rows = statement(engine, scope, *part, limit).fetch_all(readers).await?;
        names.catch_up(readers).await?;
        return Ok(rows);
    }
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(statement(engine, scope, part, limit).fetch_all(readers).await?);
    }
    names.catch_up(readers).await?;
    let mut keyed = rows.into_iter().map(|row| Ok((key_of(&row)?, row))).collect::<Result<Vec<_>, TelemetryError>>()?;
    keyed.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
    keyed.truncate(limit);
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

/// The statement that finds rows newest first without sorting. SQLite has no statistics here and is told which index to use:
/// the one of the rarest condition. Conditions on other columns are written with `+`, which keeps their indices out.
/// PostgreSQL has statistics and chooses for itself.
fn statement(engine: Engine, scope: &Scope<'_>, part: Part, limit: usize) -> Statement<'static> {
    let filter = scope.filter;
    let without_response = matches!(part, Part::WithoutResponse(_));
    let (outcome, status) = match part {
        Part::Any => (None, filter.status),
        Part::Of(outcome) => (Some(outcome), filter.status),
        Part::WithoutResponse(outcome) => (Some(outcome), None),
    };
    let failed = outcome.filter(|outcome| *outcome != Outcome::Ok);
    let bad_status = status.filter(|status| match status {
        Status::Exact(status) => *status >= 400,
        Status::Class(class) => *class >= 4,
    });
    let index = match (filter.ray_id, failed, scope.worker, bad_status) {
        _ if filter.text.is_some() => None,
        (Some(_), _, _, _) => Some("invocations_by_ray"),
        (None, Some(_), Some(_), _) if without_response => Some("invocations_without_response_by_worker"),
        (None, Some(_), None, _) if without_response => Some("invocations_without_response"),
        (None, Some(_), Some(_), _) => Some("invocations_by_worker_outcome"),
        (None, Some(_), None, _) => Some("invocations_by_outcome"),
        (None, None, _, Some(Status::Exact(_))) => Some("invocations_by_status"),
        (None, None, _, Some(Status::Class(_))) => Some("invocations_by_status_class"),
        (None, None, Some(_), None) => Some("invocations_by_worker"),
        (None, None, None, None) => None,
    };
    let mut sql = Statement::new(
        "SELECT i.key, i.id, i.ray, i.worker, i.version, i.event_type, i.outcome, i.status, i.cpu_us, i.wall_us, \
         i.memory, i.truncated, d.details FROM ",
    );
    let planned = engine == Engine::Postgres;
    let key = match &filter.text {
        Some(text) if planned => {
            sql.push(
                "invocation_text t JOIN invocations i ON i.key = t.key \
                 JOIN invocation_details d ON d.key = t.key WHERE t.trigrams @> ",
            );
            sql.push_bind(trigrams::numbers(text));
            "t.key"
        }
        Some(text) => {
            sql.push(
                "invocation_text t CROSS JOIN invocations i ON i.key = t.rowid \
                 CROSS JOIN invocation_details d ON d.key = i.key WHERE t.invocation_text MATCH ",
            );
            sql.push_bind(trigrams::terms(text));
            "t.rowid"
        }
        None if planned => {
            sql.push("invocations i JOIN invocation_details d ON d.key = i.key WHERE TRUE");
            "i.key"
        }
        None => {
            sql.push("invocations i ");
            match index {
                Some(index) => sql.push("INDEXED BY ").push(index),
                None => sql.push("NOT INDEXED"),
            };
            sql.push(" CROSS JOIN invocation_details d ON d.key = i.key WHERE TRUE");
            "i.key"
        }
    };
    let uses = |name: &str| planned || index.is_some_and(|index| index.contains(name));
    // The condition for the index that is used, or kept away from its index.
    let and = |name: &str| if uses(name) { " AND i." } else { " AND +i." };
    let (from, to) = scope.range;
    sql.push(" AND ").push(key).push(" >= ").push_bind(from);
    sql.push(" AND ").push(key).push(" < ").push_bind(to);
    if let Some(ray) = filter.ray_id {
        sql.push(and("ray")).push("ray = ").push_bind(ray.0.cast_signed());
    }
    if let Some(worker) = scope.worker {
        sql.push(and("worker")).push("worker = ").push_bind(worker);
    }
    if let Some(version) = scope.version {
        sql.push(and("version")).push("version = ").push_bind(version);
    }
    if let Some(outcome) = outcome {
        if outcome != Outcome::Ok && (uses("outcome") || uses("without_response")) {
            // Written out, so that it is seen that the partial index covers it.
            sql.push(" AND i.outcome <> 0");
        }
        sql.push(if uses("outcome") || uses("without_response") { " AND i." } else { " AND +i." });
        sql.push("outcome = ").push_bind(codes::outcome_number(outcome));
    }
    if without_response {
        sql.push(" AND i.status IS NULL AND i.event_type = ").push_bind(scope.fetch);
    }
    if bad_status.is_some() && uses("status") {
        sql.push(" AND i.status >= 400");
    }
    match status {
        Some(Status::Exact(status)) => {
            sql.push(and("status")).push("status = ").push_bind(status);
        }
        Some(Status::Class(class)) => {
            sql.push(and("status_class")).push("status / 100 = ").push_bind(class);
        }
        None => {}
    }
    if let Some(id) = filter.id {
        sql.push(" AND i.id = ").push_bind(id.as_bytes().to_vec());
    }
    if let Some(cpu) = filter.min_cpu {
        sql.push(" AND i.cpu_us >= ").push_bind(crate::details::microseconds(cpu));
    }
    sql.push(" ORDER BY ").push(key).push(" DESC LIMIT ");
    sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    sql
}

fn key_of(row: &Row) -> Result<i64, TelemetryError> {
    row.get("key")
}

fn view(row: &Row, names: &Names) -> Result<InvocationView, TelemetryError> {
    assemble(row, names, details(row)?)
}

fn searched_view(row: &Row, names: &Names) -> Result<(InvocationView, String), TelemetryError> {
    let details = details(row)?;
    let searchable = details.searchable();
    Ok((assemble(row, names, details)?, searchable))
}

fn details(row: &Row) -> Result<Details, TelemetryError> {
    serde_json::from_str(row.get("details")?)
        .map_err(|error| TelemetryError::Corrupt(format!("the details of an invocation: {error}")))
}

fn assemble(row: &Row, names: &Names, details: Details) -> Result<InvocationView, TelemetryError> {
    let status = status(row)?;
    Ok(InvocationView {
        id: id(row, "id")?,
        ray_id: ray(row)?,
        outcome: codes::outcome(row.get("outcome")?)?,
        script_name: names.text(row.get("worker")?)?.to_string(),
        script_version: ScriptVersion { id: named_id(row, "version", names)? },
        event_type: names.text(row.get("event_type")?)?.to_string(),
        entrypoint: details.entrypoint,
        trace_id: details.trace_id,
        event_timestamp: timestamp(key_of(row)?),
        event: EventView {
            request: details.request,
            trigger: details.trigger,
            response: status.map(|status| ResponseView { status }),
        },
        logs: details.logs,
        exceptions: details.exceptions,
        subrequests: details.subrequests,
        wall_time: milliseconds(row.get("wall_us")?),
        cpu_time: milliseconds(row.get("cpu_us")?),
        memory: row.get::<i64>("memory")?.unsigned_abs(),
        truncated: row.get("truncated")?,
    })
}

/// The status of the response, if there was one.
pub(crate) fn status(row: &Row) -> Result<Option<u16>, TelemetryError> {
    let status: Option<i64> = row.get("status")?;
    let narrow = |status| u16::try_from(status).map_err(|_| TelemetryError::Corrupt(format!("status {status}")));
    status.map(narrow).transpose()
}

/// An id stored as its 16 bytes.
pub(crate) fn id(row: &Row, column: &str) -> Result<Uuid, TelemetryError> {
    Uuid::from_slice(row.get(column)?).map_err(|error| TelemetryError::Corrupt(format!("{column}: {error}")))
}

/// An id stored as a name.
pub(crate) fn named_id(row: &Row, column: &str, names: &Names) -> Result<Uuid, TelemetryError> {
    let text = names.text(row.get(column)?)?;
    Uuid::parse_str(&text).map_err(|error| TelemetryError::Corrupt(format!("{column}: {error}")))
}

pub(crate) fn ray(row: &Row) -> Result<RayId, TelemetryError> {
    Ok(RayId(row.get::<i64>("ray")?.cast_unsigned()))
}

/// Milliseconds since 1970 of a key.
pub(crate) fn timestamp(key: i64) -> i64 {
    key.div_euclid(KEYS_PER_MICROSECOND).div_euclid(1000)
}

fn milliseconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::database::{self, TelemetryLocation};
    use std::time::Duration;

    #[tokio::test]
    async fn no_combination_of_filters_sorts() {
        let directory = tempfile::tempdir().unwrap();
        let (_writer, readers) = database::open(&TelemetryLocation::File(directory.path().join("t.db"))).await.unwrap();
        for bits in 0_u32..64 {
            let is = |bit: u32| bits & (1 << bit) != 0;
            for status in [None, Some(Status::Exact(200)), Some(Status::Exact(404)), Some(Status::Class(5))] {
                let filter = InvocationFilter {
                    ray_id: is(0).then_some(RayId(1)),
                    min_cpu: is(1).then_some(Duration::from_millis(1)),
                    text: is(2).then(|| "needle".to_owned()),
                    status,
                    ..InvocationFilter::default()
                };
                let worker = is(3).then_some(1);
                let scope = Scope { filter: &filter, fetch: Some(1), worker, version: None, range: (0, 1) };
                let part = match (is(4), is(5)) {
                    (false, false) => Part::Any,
                    (true, false) => Part::Of(Outcome::Ok),
                    (true, true) => Part::Of(Outcome::Exception),
                    (false, true) => Part::WithoutResponse(Outcome::Exception),
                };
                let statement = statement(Engine::Sqlite, &scope, part, 10);
                database::tests::assert_ordered(&readers, statement, &format!("{bits:b} {status:?}")).await;
            }
        }
    }
}
