//! Metrics as the API asks for them: exact sums over a range, grouped by one dimension, with points over time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use connection_error::ErrorCode;
use invocation::Outcome;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{MILLISECONDS, MetricsRange, MetricsReader};
use crate::connections::failures_by_detail;
use crate::error::{InvalidFilter, TelemetryError};
use crate::filter::{ConnectionFilter, MAX_TEXT, category, check_order, parse, time};
use crate::metrics::counting::AttemptKey;
use crate::metrics::rows::{self, Resolution};
use crate::metrics::sketch::Sketch;

/// The most points of one group.
const MAX_POINTS: i64 = 2000;
const DEFAULT_GROUPS: usize = 100;
const MAX_GROUPS: usize = 1000;
/// The widths of points that can be asked for, in seconds.
const STEPS: [i64; 6] = [60, 300, 900, 3600, 21_600, 86_400];
const NAMES: &str = "since, until, step, by, quantiles, limit";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsSubject {
    /// Attempts to reach private services, by `service`, `tunnel`, `connector`, `worker`, `category`, `code`.
    Connections,
    /// Invocations, by `worker`, `version`, `outcome`.
    Workers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Service,
    Tunnel,
    Connector,
    Worker,
    Category,
    Code,
    Version,
    Outcome,
}

impl Dimension {
    const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Tunnel => "tunnel",
            Self::Connector => "connector",
            Self::Worker => "worker",
            Self::Category => "category",
            Self::Code => "code",
            Self::Version => "version",
            Self::Outcome => "outcome",
        }
    }

    /// A filter's value in the spelling of the database; `None` fits what has no value, a success for example.
    fn read(self, value: &str) -> Result<Option<String>, InvalidFilter> {
        let name = self.name();
        Ok(match self {
            Self::Connector | Self::Category | Self::Code if value == "none" => None,
            Self::Service | Self::Tunnel | Self::Connector | Self::Version => {
                Some(parse::<Uuid>(name, value)?.to_string())
            }
            Self::Worker => Some(value.to_owned()),
            Self::Category => Some(category(value)?.as_str().to_owned()),
            Self::Code => Some(parse::<ErrorCode>(name, value)?.as_str().to_owned()),
            Self::Outcome => Some(parse::<Outcome>(name, value)?.as_str().to_owned()),
        })
    }

    fn of_attempt(self, key: &AttemptKey) -> Option<String> {
        match self {
            Self::Service => Some(key.service.to_string()),
            Self::Tunnel => Some(key.tunnel.to_string()),
            Self::Connector => key.connector.map(|id| id.to_string()),
            Self::Worker => Some(key.worker.clone()),
            Self::Category => key.failure.map(|(_, category)| category.as_str().to_owned()),
            Self::Code => key.failure.map(|(code, _)| code.as_str().to_owned()),
            Self::Version | Self::Outcome => None,
        }
    }
}

impl MetricsSubject {
    const fn dimensions(self) -> &'static [Dimension] {
        use Dimension::{Category, Code, Connector, Outcome, Service, Tunnel, Version, Worker};
        match self {
            Self::Connections => &[Service, Tunnel, Connector, Worker, Category, Code],
            Self::Workers => &[Worker, Version, Outcome],
        }
    }

    fn dimension(self, name: &str) -> Option<Dimension> {
        self.dimensions().iter().copied().find(|dimension| dimension.name() == name)
    }

    /// The sketches, by name and by what one of their units is in the answer.
    const fn distributions(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Connections => {
                &[("dns", MILLISECONDS), ("connect", MILLISECONDS), ("tls", MILLISECONDS), ("first_byte", MILLISECONDS)]
            }
            Self::Workers => &[("cpu", MILLISECONDS), ("wall", MILLISECONDS), ("memory", 1.0)],
        }
    }
}

/// Which metrics. Read from a query string by [`MetricsQuery::from_pairs`].
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsQuery {
    subject: MetricsSubject,
    since: OffsetDateTime,
    until: OffsetDateTime,
    step: Option<i64>,
    by: Option<Dimension>,
    quantiles: bool,
    limit: usize,
    filters: Vec<(Dimension, Vec<Option<String>>)>,
    /// Failures with this text in the detail, which roll-ups do not know: counted from the events that are kept.
    detail: Option<String>,
}

impl MetricsQuery {
    /// Reads a query string's parameters: `since` and `until` (default: the last hour), `step` (60, 300, 900, 3600, 21600 or
    /// 86400 seconds; without it no points), `by` (a dimension of the subject), `quantiles`, `limit` (of groups, 1 to 1000),
    /// and a filter of the name of each dimension, which may be given several times. `detail` counts the failed attempts with
    /// that text in their detail, from the events that are kept one by one. Unknown names are refused.
    pub fn from_pairs<'a>(
        subject: MetricsSubject,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidFilter> {
        let now = OffsetDateTime::now_utc();
        let known = || {
            let names: Vec<_> = subject.dimensions().iter().map(|dimension| dimension.name()).collect();
            names.join(", ")
        };
        let (mut since, mut until) = (None, None);
        let mut query = Self {
            subject,
            since: now,
            until: now,
            step: None,
            by: None,
            quantiles: false,
            limit: DEFAULT_GROUPS,
            filters: Vec::new(),
            detail: None,
        };
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let refuse = |reason: String| InvalidFilter::new(name, value, reason);
            match name {
                "since" => since = Some(time(name, value, now)?),
                "until" => until = Some(time(name, value, now)?),
                "step" => {
                    let step: i64 = parse(name, value)?;
                    if !STEPS.contains(&step) {
                        return Err(refuse("60, 300, 900, 3600, 21600 or 86400 seconds are possible".to_owned()));
                    }
                    query.step = Some(step);
                }
                "by" => {
                    let by = subject.dimension(value);
                    query.by = Some(by.ok_or_else(|| refuse(format!("one of these is expected: {}", known())))?);
                }
                "detail" if subject == MetricsSubject::Connections => {
                    query.detail = Some(value.chars().take(MAX_TEXT).collect());
                }
                "quantiles" => query.quantiles = parse(name, value)?,
                "limit" => {
                    query.limit = parse(name, value)?;
                    if !(1..=MAX_GROUPS).contains(&query.limit) {
                        return Err(refuse(format!("1 to {MAX_GROUPS} are possible")));
                    }
                }
                _ => {
                    let Some(dimension) = subject.dimension(name) else {
                        let detail = if subject == MetricsSubject::Connections { ", detail" } else { "" };
                        let reason = format!("there is no such filter; there are {NAMES}, {}{detail}", known());
                        return Err(refuse(reason));
                    };
                    let value = dimension.read(value)?;
                    match query.filters.iter_mut().find(|(known, _)| *known == dimension) {
                        Some((_, values)) => values.push(value),
                        None => query.filters.push((dimension, vec![value])),
                    }
                }
            }
        }
        query.until = until.unwrap_or(now);
        query.since = since.unwrap_or(query.until - time::Duration::HOUR);
        check_order(Some(query.since), Some(query.until))?;
        Ok(query)
    }

    /// The range in whole steps, and the width of points. Minutes older than `minutes_kept` are there by the hour only.
    fn range(&self, now: OffsetDateTime, minutes_kept: Duration) -> Result<(MetricsRange, i64), InvalidFilter> {
        let has_minutes = now - self.since <= minutes_kept;
        let span = (self.until - self.since).whole_seconds();
        let width = match self.step {
            Some(step) if has_minutes => step,
            Some(step) => step.max(Resolution::Hour.seconds()),
            None if has_minutes && span < MAX_POINTS * 60 => Resolution::Minute.seconds(),
            None if span < MAX_POINTS * 3600 => Resolution::Hour.seconds(),
            None => Resolution::Day.seconds(),
        };
        let resolution = if width % Resolution::Day.seconds() == 0 {
            Resolution::Day
        } else if width % Resolution::Hour.seconds() == 0 {
            Resolution::Hour
        } else {
            Resolution::Minute
        };
        let from = self.since.unix_timestamp().div_euclid(width) * width;
        let end = self.until.unix_timestamp() + i64::from(self.until.nanosecond() > 0);
        let to = (-(-end).div_euclid(width) * width).max(from + width);
        let points = (to - from) / width;
        if points > MAX_POINTS {
            let reason =
                format!("{points} points are too many, {MAX_POINTS} are possible: take a wider step or less time");
            return Err(InvalidFilter::new("since", &self.since.to_string(), reason));
        }
        Ok((MetricsRange { from, to, step: resolution }, width))
    }

    fn fits(&self, value: impl Fn(Dimension) -> Option<String>) -> bool {
        self.filters.iter().all(|(dimension, wanted)| wanted.contains(&value(*dimension)))
    }

    /// A filter that the database itself can apply: one that has one value.
    fn single(&self, dimension: Dimension) -> Option<String> {
        let (_, values) = self.filters.iter().find(|(known, _)| *known == dimension)?;
        match values.as_slice() {
            [value] => value.clone(),
            _ => None,
        }
    }

    fn uses_only(&self, kept: &[Dimension]) -> bool {
        self.by.iter().chain(self.filters.iter().map(|(dimension, _)| dimension)).all(|used| kept.contains(used))
    }
}

/// What a group is told apart by: the values of its key.
type Key = Vec<Option<String>>;

#[derive(Debug, Clone, Default)]
struct Sum {
    count: u64,
    failed: u64,
    subrequests: u64,
    /// The start of the newest bucket in which there was something, in seconds since 1970.
    last: i64,
    sketches: [Sketch; 4],
}

impl Sum {
    fn add(&mut self, other: &Sum) -> Result<(), TelemetryError> {
        self.count += other.count;
        self.failed += other.failed;
        self.subrequests += other.subrequests;
        self.last = self.last.max(other.last);
        for (mine, other) in self.sketches.iter_mut().zip(&other.sketches) {
            if other.count() > 0 {
                mine.merge(other)?;
            }
        }
        Ok(())
    }

    fn view(&self, query: &MetricsQuery) -> Map<String, Value> {
        let mut view = Map::new();
        view.insert("count".to_owned(), self.count.into());
        view.insert("failed".to_owned(), self.failed.into());
        if query.subject == MetricsSubject::Workers && query.uses_only(&[Dimension::Worker, Dimension::Version]) {
            view.insert("subrequests".to_owned(), self.subrequests.into());
        }
        view.insert("last".to_owned(), (self.last * 1000).into());
        for ((name, scale), sketch) in query.subject.distributions().iter().zip(&self.sketches) {
            if sketch.count() == 0 {
                continue;
            }
            let quantile = |share| sketch.quantile(share).map(|value| value * scale);
            let distribution =
                json!({"count": sketch.count(), "p50": quantile(0.5), "p90": quantile(0.9), "p99": quantile(0.99)});
            view.insert((*name).to_owned(), distribution);
        }
        view
    }
}

/// Sums while they are added up.
#[derive(Debug, Default)]
struct Groups(HashMap<Key, BTreeMap<i64, Sum>>);

impl Groups {
    fn add(&mut self, key: Key, point: i64, sum: &Sum) -> Result<(), TelemetryError> {
        self.0.entry(key).or_default().entry(point).or_default().add(sum)
    }

    fn view(self, query: &MetricsQuery, range: MetricsRange, width: i64) -> Result<Value, TelemetryError> {
        let mut groups = Vec::new();
        for (key, points) in self.0 {
            let mut total = Sum::default();
            for sum in points.values() {
                total.add(sum)?;
            }
            groups.push((key, total, points));
        }
        groups.sort_by(|(a_key, a, _), (b_key, b, _)| b.count.cmp(&a.count).then_with(|| a_key.cmp(b_key)));
        groups.truncate(query.limit);
        let views: Vec<Value> = groups
            .into_iter()
            .map(|(key, total, points)| {
                let mut names = query.by.map(Dimension::name).into_iter().collect::<Vec<_>>();
                if query.by == Some(Dimension::Code) {
                    names.push(Dimension::Category.name());
                }
                let key: Map<String, Value> =
                    names.into_iter().map(str::to_owned).zip(key.into_iter().map(Value::from)).collect();
                let mut view = total.view(query);
                view.insert("key".to_owned(), key.into());
                if query.step.is_some() {
                    let points = points.iter().map(|(at, sum)| {
                        let mut view = sum.view(query);
                        view.insert("at".to_owned(), (at * 1000).into());
                        Value::Object(view)
                    });
                    view.insert("points".to_owned(), points.collect());
                }
                Value::Object(view)
            })
            .collect();
        Ok(json!({
            "since": range.from * 1000,
            "until": range.to * 1000,
            "step": query.step.map(|_| width),
            "groups": views,
        }))
    }
}

impl MetricsReader<'_> {
    /// `{since, until, step, groups: [{key, count, failed, last, points?, …}]}`; times in milliseconds since 1970.
    pub(crate) async fn groups(&self, query: &MetricsQuery, minutes_kept: Duration) -> Result<Value, TelemetryError> {
        let (range, width) = query.range(OffsetDateTime::now_utc(), minutes_kept)?;
        self.names.catch_up(self.readers).await?;
        let mut groups = Groups::default();
        match query.subject {
            MetricsSubject::Connections if query.detail.is_some() => {
                let counted_since = self.detailed_groups(query, range, width, &mut groups).await?;
                let mut view = groups.view(query, range, width)?;
                if let Some(counted_since) = counted_since {
                    view["counted_since"] = (counted_since * 1000).into();
                }
                return Ok(view);
            }
            MetricsSubject::Connections => self.attempt_groups(query, range, width, &mut groups).await?,
            MetricsSubject::Workers => self.worker_groups(query, range, width, &mut groups).await?,
        }
        groups.view(query, range, width)
    }

    /// Counts failures by what their detail says. There are no roll-ups of that: events are read, and where there are too many,
    /// the newest, whose beginning is returned.
    async fn detailed_groups(
        &self,
        query: &MetricsQuery,
        range: MetricsRange,
        width: i64,
        groups: &mut Groups,
    ) -> Result<Option<i64>, TelemetryError> {
        use Dimension::{Category, Code, Connector, Service, Tunnel, Worker};
        let by = match query.by {
            Some(Code) => vec![Code, Category],
            by => by.into_iter().collect(),
        };
        let id = |dimension| query.single(dimension).and_then(|id| id.parse().ok());
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        let filter = ConnectionFilter {
            service: id(Service),
            tunnel: id(Tunnel),
            connector: id(Connector),
            worker: query.single(Worker),
            code: query.single(Code).and_then(|code| code.parse().ok()),
            detail: query.detail.clone(),
            failed_only: true,
            since: at(range.from),
            until: at(range.to),
            ..ConnectionFilter::default()
        };
        let (failures, counted_since) = failures_by_detail(self.readers, self.names, &filter).await?;
        for (last, key) in failures {
            if !query.fits(|dimension| dimension.of_attempt(&key)) {
                continue;
            }
            let group = by.iter().map(|dimension| dimension.of_attempt(&key)).collect();
            let sum = Sum { count: 1, failed: 1, last, ..Sum::default() };
            groups.add(group, last.div_euclid(width) * width, &sum)?;
        }
        Ok(counted_since)
    }

    async fn attempt_groups(
        &self,
        query: &MetricsQuery,
        range: MetricsRange,
        width: i64,
        groups: &mut Groups,
    ) -> Result<(), TelemetryError> {
        use Dimension::{Category, Code, Connector, Service, Tunnel, Worker};
        let by = match query.by {
            Some(Code) => vec![Code, Category],
            by => by.into_iter().collect(),
        };
        let conditions = [Service, Tunnel, Connector, Worker, Code].map(|one| (one.name(), query.single(one)));
        let Some(conditions) = self.numbers(conditions) else { return Ok(()) };
        for (resolution, row) in self.rows("connection_counts", range, &conditions).await? {
            let last = row.get::<i64>("bucket")? * resolution.seconds();
            let (key, attempts) = rows::attempts_row(&row, self.names)?;
            if !query.fits(|dimension| dimension.of_attempt(&key)) {
                continue;
            }
            let count = attempts.attempts;
            let failed = if key.failure.is_some() { count } else { 0 };
            let group = by.iter().map(|dimension| dimension.of_attempt(&key)).collect();
            groups.add(group, last.div_euclid(width) * width, &Sum { count, failed, last, ..Sum::default() })?;
        }
        // Latencies are kept by service and tunnel only.
        if !query.quantiles || !query.uses_only(&[Service, Tunnel]) {
            return Ok(());
        }
        let conditions = [Service, Tunnel].map(|one| (one.name(), query.single(one)));
        let Some(conditions) = self.numbers(conditions) else { return Ok(()) };
        for (resolution, row) in self.rows("connection_latencies", range, &conditions).await? {
            let last = row.get::<i64>("bucket")? * resolution.seconds();
            let ((service, tunnel), latencies) = rows::latency_row(&row, self.names)?;
            let value = |dimension| match dimension {
                Service => Some(service.to_string()),
                Tunnel => Some(tunnel.to_string()),
                _ => None,
            };
            if !query.fits(value) {
                continue;
            }
            let sketches = [latencies.dns, latencies.connect, latencies.tls, latencies.first_byte];
            let group = by.iter().map(|dimension| value(*dimension)).collect();
            groups.add(group, last.div_euclid(width) * width, &Sum { last, sketches, ..Sum::default() })?;
        }
        Ok(())
    }

    async fn worker_groups(
        &self,
        query: &MetricsQuery,
        range: MetricsRange,
        width: i64,
        groups: &mut Groups,
    ) -> Result<(), TelemetryError> {
        use Dimension::{Outcome as ByOutcome, Version, Worker};
        let conditions = [Worker, Version].map(|one| (one.name(), query.single(one)));
        let Some(conditions) = self.numbers(conditions) else { return Ok(()) };
        let by_outcome = !query.uses_only(&[Worker, Version]);
        for (resolution, row) in self.rows("worker_metrics", range, &conditions).await? {
            let last = row.get::<i64>("bucket")? * resolution.seconds();
            let ((worker, version), metrics) = rows::worker_row(&row, self.names)?;
            let point = last.div_euclid(width) * width;
            let value = |dimension, outcome: Option<Outcome>| match dimension {
                Worker => Some(worker.clone()),
                Version => Some(version.to_string()),
                ByOutcome => outcome.map(|outcome| outcome.as_str().to_owned()),
                _ => None,
            };
            if !by_outcome {
                if query.fits(|dimension| value(dimension, None)) {
                    let group = query.by.iter().map(|dimension| value(*dimension, None)).collect();
                    let counts = &metrics.counts;
                    let failed = counts.outcomes.iter().filter(|(one, _)| is_failure(**one)).map(|(_, n)| n).sum();
                    let (count, subrequests) = (counts.requests, counts.subrequests);
                    let sketches = if query.quantiles {
                        [metrics.cpu, metrics.wall, metrics.memory, Sketch::default()]
                    } else {
                        Default::default()
                    };
                    groups.add(group, point, &Sum { count, failed, subrequests, last, sketches })?;
                }
                continue;
            }
            // CPU time and the like are not kept by outcome.
            for (&outcome, &count) in &metrics.counts.outcomes {
                if query.fits(|dimension| value(dimension, Some(outcome))) {
                    let group = query.by.iter().map(|dimension| value(*dimension, Some(outcome))).collect();
                    let failed = if is_failure(outcome) { count } else { 0 };
                    groups.add(group, point, &Sum { count, failed, last, ..Sum::default() })?;
                }
            }
        }
        Ok(())
    }
}

/// Whether the Worker or the edge is to blame: a visitor who goes away is no failure.
fn is_failure(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Ok | Outcome::Canceled | Outcome::ResponseStreamDisconnected | Outcome::ScriptNotFound)
}
