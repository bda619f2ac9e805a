//! Metrics as they are asked for: exact sums over a range, grouped by one dimension, with points over time.
//!
//! | room | what |
//! |---|---|
//! | `reader` | reads them |
//! | `attempts` | how attempts are asked of the database |
//! | `groups` | adds them up, in the form of the API |

mod attempts;
mod groups;
mod reader;

use std::time::Duration;

use connection_error::ErrorCode;
use invocation::Outcome;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::InvalidFilter;
use crate::filter::{MAX_TEXT, category, check_order, parse, time};
use crate::metrics::counting::AttemptKey;
use crate::metrics::range::Range;
use crate::metrics::rows::Resolution;

pub(crate) use reader::MetricsReader;

/// Microseconds to milliseconds.
const MILLISECONDS: f64 = 1.0 / 1000.0;

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

    /// Of an attempt's key, as text.
    fn of_attempt(self, key: &AttemptKey) -> Option<String> {
        match self {
            Self::Service => Some(key.service.to_string()),
            Self::Tunnel => Some(key.tunnel.to_string()),
            Self::Connector => key.connector.map(|id| id.to_string()),
            Self::Worker => Some(key.worker.clone()),
            Self::Category => key.ending.failure().map(|(_, category)| category.as_str().to_owned()),
            Self::Code => key.ending.failure().map(|(code, _)| code.as_str().to_owned()),
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

    /// The range in whole steps. Minutes older than `minutes_kept` are there by the hour only.
    fn range(&self, now: OffsetDateTime, minutes_kept: Duration) -> Result<Range, InvalidFilter> {
        let has_minutes = now - self.since <= minutes_kept;
        let finest = if has_minutes { Resolution::Minute } else { Resolution::Hour }.seconds();
        let step = self.step.map(|step| step.max(finest));
        let width = step.unwrap_or(finest);
        let from = self.since.unix_timestamp().div_euclid(width) * width;
        let end = self.until.unix_timestamp() + i64::from(self.until.nanosecond() > 0);
        let to = (-(-end).div_euclid(width) * width).max(from + width);
        let points = (to - from) / width;
        if step.is_some() && points > MAX_POINTS {
            let reason =
                format!("{points} points are too many, {MAX_POINTS} are possible: take a wider step or less time");
            return Err(InvalidFilter::new("since", &self.since.to_string(), reason));
        }
        Ok(Range { from, to, step })
    }

    fn fits(&self, value: impl Fn(Dimension) -> Option<String>) -> bool {
        self.filters.iter().all(|(dimension, wanted)| wanted.contains(&value(*dimension)))
    }

    /// A filter that has one value.
    fn single(&self, dimension: Dimension) -> Option<String> {
        let (_, values) = self.filters.iter().find(|(known, _)| *known == dimension)?;
        match values.as_slice() {
            [value] => value.clone(),
            _ => None,
        }
    }

    /// What groups are told apart by.
    fn by(&self) -> Vec<Dimension> {
        match self.by {
            Some(Dimension::Code) => vec![Dimension::Code, Dimension::Category],
            by => by.into_iter().collect(),
        }
    }

    fn uses(&self) -> impl Iterator<Item = Dimension> {
        self.by.iter().copied().chain(self.filters.iter().map(|(dimension, _)| *dimension))
    }

    fn uses_only(&self, kept: &[Dimension]) -> bool {
        self.uses().all(|used| kept.contains(&used))
    }
}
