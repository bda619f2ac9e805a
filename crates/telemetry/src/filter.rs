//! What is asked for: filters, pages, and how both are written in a query string.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use connection_error::{Category, ErrorCode};
use invocation::{Outcome, RayId};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::details::microseconds_since_1970;
use crate::error::InvalidFilter;
use crate::metrics::counting::is_failure;

/// The most facts on a page.
const MAX_LIMIT: u32 = 1000;
/// A search needs at least one trigram.
pub(crate) const MIN_TEXT: usize = 3;
pub(crate) const MAX_TEXT: usize = 200;

/// A status, or all of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `404`
    Exact(u16),
    /// `4xx`
    Class(u8),
}

impl Status {
    /// Whether it stands for this one.
    pub(crate) fn includes(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => exact == status,
            Self::Class(class) => u16::from(class) == status / 100,
        }
    }
}

/// Which invocations. Every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InvocationFilter {
    /// Of this Worker.
    pub worker: Option<String>,
    /// Of this version.
    pub version: Option<Uuid>,
    /// That ended in one of these ways; any when empty.
    pub outcomes: Vec<Outcome>,
    /// That were answered with this status, or with an error page that has it where there was no response.
    pub status: Option<Status>,
    /// With this text, at least three characters, in URL, console lines or exceptions; letter case does not matter.
    pub text: Option<String>,
    /// That began then or later.
    pub since: Option<OffsetDateTime>,
    /// That began before then.
    pub until: Option<OffsetDateTime>,
    /// Of this visitor's request.
    pub ray_id: Option<RayId>,
    /// That used at least this much CPU time.
    pub min_cpu: Option<Duration>,
    /// This one. There is no index of these: a time that is not long finds it sooner.
    pub id: Option<Uuid>,
}

/// Which connection events. Every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectionFilter {
    /// To this service.
    pub service: Option<Uuid>,
    /// Through this tunnel.
    pub tunnel: Option<Uuid>,
    /// Carried by this connector.
    pub connector: Option<Uuid>,
    /// Asked for by this Worker.
    pub worker: Option<String>,
    /// That failed with this code.
    pub code: Option<ErrorCode>,
    /// That failed by this fault.
    pub category: Option<Category>,
    /// That failed with this text in the detail; letter case does not matter.
    pub detail: Option<String>,
    /// Of this visitor's request.
    pub ray_id: Option<RayId>,
    /// That failed.
    pub failed_only: bool,
    /// That succeeded.
    pub succeeded_only: bool,
    /// That were given up by those who asked.
    pub canceled_only: bool,
    /// That began then or later.
    pub since: Option<OffsetDateTime>,
    /// That began before then.
    pub until: Option<OffsetDateTime>,
}

/// Where a page ends and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(crate) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Cursor {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match i64::from_str_radix(text, 16) {
            Ok(key) if digits => Ok(Self(key)),
            _ => Err(InvalidFilter::new("cursor", text, "take it from the page before, as it is")),
        }
    }
}

/// Which part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    limit: u32,
    after: Option<Cursor>,
}

impl Paging {
    /// At most so many facts, 1 to 1000, after a cursor that an earlier page ended with.
    pub fn new(limit: u32, after: Option<Cursor>) -> Result<Self, InvalidFilter> {
        if (1..=MAX_LIMIT).contains(&limit) {
            Ok(Self { limit, after })
        } else {
            Err(InvalidFilter::new("limit", &limit.to_string(), format!("1 to {MAX_LIMIT} are possible")))
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    pub(crate) fn after(&self) -> Option<Cursor> {
        self.after
    }
}

impl Default for Paging {
    fn default() -> Self {
        Self { limit: 100, after: None }
    }
}

/// Some facts, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The facts.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
    /// How many facts of the time that was asked for are not kept, whatever else was asked for.
    pub lost: u64,
}

/// One parameter of a query string: an empty value counts as absent.
type Pair<'a> = (&'a str, &'a str);

impl InvocationFilter {
    /// Whether something besides the text and the time may leave only few.
    pub(crate) fn narrows(&self) -> bool {
        let Self { worker, version, outcomes, status, text: _, since: _, until: _, ray_id, min_cpu, id } = self;
        worker.is_some()
            || version.is_some()
            || !outcomes.is_empty()
            || status.is_some()
            || ray_id.is_some()
            || min_cpu.is_some()
            || id.is_some()
    }

    /// Reads a query string's parameters: `worker`, `outcome` (repeated or separated by commas; `error` stands for every
    /// failure, as metrics count them), `status` (`404` or `4xx`), `version`, `text` (or `q`), `since` and `until` (RFC 3339, milliseconds since
    /// 1970, or a time ago such as `15m`), `ray_id`, `min_cpu_ms` (or `min_cpu`), `limit` and `cursor`. Unknown names are
    /// refused, and all but `outcome` when they are given twice, by whichever of their names.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = Pair<'a>>) -> Result<(Self, Paging), InvalidFilter> {
        let now = OffsetDateTime::now_utc();
        let mut filter = Self::default();
        let mut paging = Paging::default();
        let mut given = Vec::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let known = match name {
                "q" => "text",
                "min_cpu" => "min_cpu_ms",
                name => name,
            };
            if known != "outcome" {
                check_once(&mut given, (known, name), value)?;
            }
            match known {
                "worker" => filter.worker = Some(value.to_owned()),
                "version" => filter.version = Some(parse(name, value)?),
                "outcome" => {
                    for word in value.split(',').map(str::trim) {
                        match word {
                            "error" => {
                                filter.outcomes.extend(Outcome::ALL.iter().filter(|outcome| is_failure(**outcome)))
                            }
                            word => filter.outcomes.push(parse(name, word)?),
                        }
                    }
                }
                "status" => filter.status = Some(status(value)?),
                "text" => filter.text = Some(text(name, value)?),
                "since" => filter.since = Some(time(name, value, now)?),
                "until" => filter.until = Some(time(name, value, now)?),
                "ray_id" => filter.ray_id = Some(parse(name, value)?),
                "min_cpu_ms" => filter.min_cpu = Some(milliseconds(name, value)?),
                _ => paging.read(name, value, INVOCATION_NAMES)?,
            }
        }
        check_order(filter.since, filter.until)?;
        filter.outcomes.sort_unstable();
        filter.outcomes.dedup();
        Ok((filter, paging))
    }
}

const INVOCATION_NAMES: &str =
    "worker, version, outcome, status, text, since, until, ray_id, min_cpu_ms, limit and cursor";
const CONNECTION_NAMES: &str = "service, tunnel, connector, worker, code, category, detail, ray_id, failed, canceled, since, until, limit and cursor";

impl ConnectionFilter {
    /// Reads a query string's parameters: `service`, `tunnel`, `connector` (ids), `worker`, `code`, `category` (`none` for
    /// what succeeded), `detail`, `ray_id`, `failed` and `canceled` (`true` or `false`), `since`, `until`, `limit` and `cursor`, as for
    /// [`InvocationFilter::from_pairs`]. Unknown names are refused.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = Pair<'a>>) -> Result<(Self, Paging), InvalidFilter> {
        let now = OffsetDateTime::now_utc();
        let mut filter = Self::default();
        let mut paging = Paging::default();
        let mut given = Vec::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            check_once(&mut given, (name, name), value)?;
            match name {
                "service" => filter.service = Some(parse(name, value)?),
                "tunnel" => filter.tunnel = Some(parse(name, value)?),
                "connector" => filter.connector = Some(parse(name, value)?),
                "worker" => filter.worker = Some(value.to_owned()),
                "code" | "category" if value == "none" => filter.succeeded_only = true,
                "code" => filter.code = Some(parse(name, value)?),
                "category" => filter.category = Some(category(value)?),
                "detail" => filter.detail = Some(value.chars().take(MAX_TEXT).collect()),
                "ray_id" => filter.ray_id = Some(parse(name, value)?),
                "failed" => filter.failed_only = parse(name, value)?,
                "canceled" => filter.canceled_only = parse(name, value)?,
                "since" => filter.since = Some(time(name, value, now)?),
                "until" => filter.until = Some(time(name, value, now)?),
                _ => paging.read(name, value, CONNECTION_NAMES)?,
            }
        }
        check_order(filter.since, filter.until)?;
        Ok((filter, paging))
    }
}

impl Paging {
    fn read(&mut self, name: &str, value: &str, known: &str) -> Result<(), InvalidFilter> {
        match name {
            "limit" => *self = Self::new(parse(name, value)?, self.after)?,
            "cursor" => self.after = Some(value.parse()?),
            _ => return Err(InvalidFilter::new(name, value, format!("there is no such filter; there are {known}"))),
        }
        Ok(())
    }
}

/// A filter that has one value is not given two: nobody could tell which one counts. Filters that were given have their name and
/// the one of their names that was used.
fn check_once<'a>(
    given: &mut Vec<(&'a str, &'a str)>,
    (known, name): (&'a str, &'a str),
    value: &str,
) -> Result<(), InvalidFilter> {
    if let Some((_, before)) = given.iter().find(|(before, _)| *before == known) {
        let reason = match *before == name {
            true => "it is given twice, and one value is possible".to_owned(),
            false => format!("it is the same filter as `{before}`, which is given too, and one value is possible"),
        };
        return Err(InvalidFilter::new(name, value, reason));
    }
    given.push((known, name));
    Ok(())
}

pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(name: &str, value: &str) -> Result<T, InvalidFilter> {
    value.parse().map_err(|error: T::Err| InvalidFilter::new(name, value, error.to_string()))
}

fn status(value: &str) -> Result<Status, InvalidFilter> {
    let class = value.strip_suffix("xx").or_else(|| value.strip_suffix("XX"));
    let parsed = match class {
        Some(class) => class.parse().ok().filter(|class| (1..=5).contains(class)).map(Status::Class),
        None => value.parse().ok().filter(|status| (100..=599).contains(status)).map(Status::Exact),
    };
    parsed.ok_or_else(|| InvalidFilter::new("status", value, "a status such as 404 or a class such as 5xx is expected"))
}

/// By label (`Bad Upstream`) or as one writes it in a URL (`bad_upstream`).
pub(crate) fn category(value: &str) -> Result<Category, InvalidFilter> {
    let plain = |text: &str| text.replace(['_', '-'], " ").to_ascii_lowercase();
    Category::ALL
        .iter()
        .copied()
        .find(|category| plain(category.as_str()) == plain(value))
        .ok_or_else(|| InvalidFilter::new("category", value, "bad_upstream, client or internal is expected"))
}

fn text(name: &str, value: &str) -> Result<String, InvalidFilter> {
    match value.chars().count() {
        count if count < MIN_TEXT => Err(InvalidFilter::new(name, value, "at least three characters are needed")),
        count if count > MAX_TEXT => Err(InvalidFilter::new(name, value, "at most 200 characters are possible")),
        _ => Ok(value.to_owned()),
    }
}

fn milliseconds(name: &str, value: &str) -> Result<Duration, InvalidFilter> {
    let parsed = value.parse::<f64>().ok().and_then(|given| Duration::try_from_secs_f64(given / 1000.0).ok());
    parsed.ok_or_else(|| InvalidFilter::new(name, value, "a number of milliseconds is expected"))
}

/// RFC 3339, milliseconds since 1970, or a time ago: `90s`, `15m`, `6h`, `7d`.
pub(crate) fn time(name: &str, value: &str, now: OffsetDateTime) -> Result<OffsetDateTime, InvalidFilter> {
    let invalid = || {
        let reason = "a time such as 2026-11-21T09:30:00Z, milliseconds since 1970, or a time ago such as 15m, 6h or 7d is expected";
        InvalidFilter::new(name, value, reason)
    };
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        let milliseconds: i128 = value.parse().map_err(|_| invalid())?;
        return OffsetDateTime::from_unix_timestamp_nanos(milliseconds.saturating_mul(1_000_000))
            .map_err(|_| invalid());
    }
    let unit = match value.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 60 * 60,
        Some(b'd') => 24 * 60 * 60,
        _ => return OffsetDateTime::parse(value, &Rfc3339).map_err(|_| invalid()),
    };
    let count: u32 = value.get(..value.len() - 1).and_then(|digits| digits.parse().ok()).ok_or_else(invalid)?;
    now.checked_sub(time::Duration::seconds(i64::from(count) * unit)).ok_or_else(invalid)
}

pub(crate) fn check_order(since: Option<OffsetDateTime>, until: Option<OffsetDateTime>) -> Result<(), InvalidFilter> {
    match (since, until) {
        (Some(since), Some(until)) if since > until => {
            Err(InvalidFilter::new("since", &since.to_string(), format!("it is after `until`, which is {until}")))
        }
        _ => Ok(()),
    }
}

/// The keys that a filter's times and a page allow: from the first, up to but without the second.
pub(crate) fn key_range(
    since: Option<OffsetDateTime>,
    until: Option<OffsetDateTime>,
    after: Option<Cursor>,
) -> (i64, i64) {
    let from = since.map_or(0, first_key_at);
    let to = until.map_or(i64::MAX, first_key_at);
    (from, after.map_or(to, |cursor| cursor.0.min(to)))
}

/// How many keys there are for one microsecond.
pub(crate) const KEYS_PER_MICROSECOND: i64 = 1024;

/// The smallest key of facts that began at this time.
pub(crate) fn first_key_at(time: OffsetDateTime) -> i64 {
    microseconds_since_1970(time).max(0).saturating_mul(KEYS_PER_MICROSECOND)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn query_strings_are_read() {
        let pairs = [
            ("worker", "hello"),
            ("outcome", "error,canceled"),
            ("outcome", "exception"),
            ("status", "5xx"),
            ("text", "needle"),
            ("since", "2026-01-01T00:00:00Z"),
            ("until", "1790000000000"),
            ("ray_id", "0123456789abcdef"),
            ("min_cpu_ms", "1.5"),
            ("limit", "7"),
            ("cursor", ""),
        ];
        let (filter, paging) = InvocationFilter::from_pairs(pairs).unwrap();
        assert_eq!(
            filter.outcomes,
            [
                Outcome::Canceled,
                Outcome::Exception,
                Outcome::ExceededCpu,
                Outcome::ExceededMemory,
                Outcome::ExceededWallTime,
                Outcome::InternalError,
                Outcome::LoadShed,
            ]
        );
        assert_eq!((filter.status, filter.min_cpu), (Some(Status::Class(5)), Some(Duration::from_micros(1500))));
        assert_eq!(filter.since.unwrap().unix_timestamp(), 1_767_225_600);
        assert_eq!(filter.until.unwrap().unix_timestamp(), 1_790_000_000);
        assert_eq!((paging.limit(), paging.after()), (7, None));

        let pairs = [("category", "bad_upstream"), ("code", "dns_error"), ("failed", "true"), ("since", "15m")];
        let (filter, _) = ConnectionFilter::from_pairs(pairs).unwrap();
        assert_eq!((filter.category, filter.failed_only), (Some(Category::BadUpstream), true));
        let ago = OffsetDateTime::now_utc() - filter.since.unwrap();
        assert!((900..960).contains(&ago.whole_seconds()));
    }

    #[test]
    fn bad_values_are_refused_with_the_reason() {
        for (name, value, reason) in [
            ("outcome", "fine", "`fine` is not an outcome; the outcomes are ok"),
            ("status", "600", "a status such as 404"),
            ("status", "9xx", "a status such as 404"),
            ("text", "ab", "at least three characters"),
            ("since", "yesterday", "a time such as"),
            ("since", "99999999999999999999999999999999999999999", "a time such as"),
            ("since", "m", "a time such as"),
            ("ray_id", "xyz", "16 hexadecimal digits"),
            ("min_cpu_ms", "-1", "a number of milliseconds"),
            ("min_cpu_ms", "NaN", "a number of milliseconds"),
            ("limit", "0", "1 to 1000"),
            ("limit", "1001", "1 to 1000"),
            ("cursor", "1", "take it from the page before"),
            ("colour", "red", "there is no such filter"),
        ] {
            let error = InvocationFilter::from_pairs([(name, value)]).unwrap_err();
            assert!(error.to_string().contains(reason), "{name}={value}: {error}");
        }
        for (name, value) in [
            ("service", "x"),
            ("code", "connection_lost"),
            ("category", "mine"),
            ("failed", "yes"),
            ("min_cpu_ms", "1"),
        ] {
            assert!(ConnectionFilter::from_pairs([(name, value)]).is_err(), "{name}={value}");
        }
        assert!(InvocationFilter::from_pairs([("since", "1m"), ("until", "2m")]).is_err());
    }

    #[test]
    fn a_failure_is_the_same_to_filters_and_metrics() {
        let (filter, _) = InvocationFilter::from_pairs([("outcome", "error")]).unwrap();
        for &outcome in Outcome::ALL {
            assert_eq!(filter.outcomes.contains(&outcome), is_failure(outcome), "{outcome}");
        }
    }

    #[test]
    fn a_filter_with_two_names_is_given_once() {
        for (pairs, reason) in [
            (
                [("text", "one thing"), ("q", "another")],
                "`another` is not a value for `q`: it is the same filter as `text`",
            ),
            ([("q", "one thing"), ("text", "another")], "it is the same filter as `q`"),
            ([("min_cpu", "1"), ("min_cpu_ms", "2")], "it is the same filter as `min_cpu`"),
            ([("q", "one thing"), ("q", "another")], "it is given twice"),
        ] {
            let error = InvocationFilter::from_pairs(pairs).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn cursors_are_text() {
        let cursor = Cursor(0x0123_4567_89ab_cdef);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}
