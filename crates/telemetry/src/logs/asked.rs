//! What is asked of Workers' logs, read from the bodies of Cloudflare's telemetry API. What Culvert cannot answer is refused and
//! says so; members that mean nothing for the views that there are may be given.

use serde_json::Value;
use time::OffsetDateTime;

use super::condition::{Condition, Key, Kind, Needle};
use super::event::{DATASET, Position};
use super::members::{Members, wrong};
use crate::error::InvalidFilter;
use crate::filter::InvocationFilter;

/// The last millisecond of the year 9999.
const LATEST: u64 = 253_402_300_799_999;
/// The most events or invocations of one answer; keys and values.
const MAX_EVENTS: u64 = 2_000;
const MAX_KEYS: u64 = 10_000;
const MAX_VALUES: u64 = 1_000;
/// How many come without a `limit`.
const EVENTS: usize = 100;
const KEYS: usize = 1_000;
const VALUES: usize = 100;
/// The most that may be named in a list of which only one value, or none, is possible.
const MAX_NAMED: usize = 100;

/// A question.
#[derive(Debug, Clone)]
pub struct LogQuestion(pub(super) Asked);

#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// Which events there are, or which invocations.
    Events(EventsAsked),
    /// Which members events have.
    Keys(KeysAsked),
    /// Which values a member has.
    Values(ValuesAsked),
}

/// Which events are meant.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    /// The invocations among which they are, as far as the database finds them.
    pub(super) filter: InvocationFilter,
    /// False where no event can be meant.
    pub(super) possible: bool,
    pub(super) condition: Condition,
    pub(super) needle: Option<Needle>,
}

/// What an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Events,
    Invocations,
}

#[derive(Debug, Clone)]
pub(super) struct EventsAsked {
    pub(super) selection: Selection,
    pub(super) view: View,
    pub(super) limit: usize,
    /// Older ones than this.
    pub(super) after: Option<Position>,
}

#[derive(Debug, Clone)]
pub(super) struct KeysAsked {
    pub(super) selection: Selection,
    /// Only those whose names have this.
    pub(super) needle: Option<Needle>,
    pub(super) limit: usize,
}

#[derive(Debug, Clone)]
pub(super) struct ValuesAsked {
    pub(super) selection: Selection,
    pub(super) key: Key,
    pub(super) kind: Kind,
    pub(super) limit: usize,
}

impl LogQuestion {
    /// Reads the body of `…/telemetry/query`.
    pub fn events(body: &Value) -> Result<Self, InvalidFilter> {
        let members = Members::of("", body, QUERY)?;
        members.text("queryId")?;
        members.flag("dry")?;
        members.flag("ignoreSeries")?;
        members.whole("granularity", 0, u64::MAX)?;
        members.word("chartType", &["timeseries_and_aggregate", "timeseries", "aggregate", "distribution"])?;
        members.word("distributionScale", &["log", "linear"])?;
        for name in ["chart", "compare"] {
            if members.flag(name)? == Some(true) {
                return Err(members.wrong(name, SUMS));
            }
        }
        members.word("offsetDirection", &["next"])?;
        members.whole("offsetBy", 0, 0)?;
        let view = match members.text("view")? {
            None | Some("events") => View::Events,
            Some("invocations") => View::Invocations,
            Some(_) => {
                return Err(members.wrong("view", format!("the views events and invocations are available; {SUMS}")));
            }
        };
        let parameters = members.get("parameters").ok_or_else(|| {
            members
                .wrong("parameters", "they are needed, because no queries are saved in Culvert; {} asks for everything")
        })?;
        let parameters = Members::of("parameters", parameters, PARAMETERS)?;
        for name in ["calculations", "groupBys", "havings"] {
            if let Some(first) = parameters.list(name, MAX_NAMED)?.first() {
                return Err(wrong(&parameters.place(name), first, SUMS));
            }
        }
        if parameters.get("orderBy").is_some() {
            return Err(parameters.wrong("orderBy", "events come newest first, and have no other order"));
        }
        let selection = Selection::read(&parameters, timeframe(&members)?)?;
        let inner = parameters.whole("limit", 1, MAX_EVENTS)?;
        let limit = limit(&members, MAX_EVENTS)?.or(inner.and_then(|limit| usize::try_from(limit).ok()));
        let after = match members.text("offset")? {
            None | Some("") => None,
            Some(offset) => Some(offset.parse()?),
        };
        Ok(Self(Asked::Events(EventsAsked { selection, view, limit: limit.unwrap_or(EVENTS), after })))
    }

    /// Reads the body of `…/telemetry/keys`.
    pub fn keys(body: &Value) -> Result<Self, InvalidFilter> {
        let known = ["datasets", "filters", "from", "to", "keyNeedle", "limit", "needle"];
        let members = Members::of("", body, &known)?;
        Ok(Self(Asked::Keys(KeysAsked {
            selection: Selection::read(&members, range(&members)?)?,
            needle: Needle::read(&members, "keyNeedle")?,
            limit: limit(&members, MAX_KEYS)?.unwrap_or(KEYS),
        })))
    }

    /// Reads the body of `…/telemetry/values`.
    pub fn values(body: &Value) -> Result<Self, InvalidFilter> {
        let known = ["datasets", "filters", "key", "limit", "needle", "timeframe", "type"];
        let members = Members::of("", body, &known)?;
        Ok(Self(Asked::Values(ValuesAsked {
            selection: Selection::read(&members, timeframe(&members)?)?,
            key: Key::read(&members, "key")?,
            kind: Kind::read(&members, "type")?,
            limit: limit(&members, MAX_VALUES)?.unwrap_or(VALUES),
        })))
    }

    pub(super) fn selection(&self) -> &Selection {
        match &self.0 {
            Asked::Events(asked) => &asked.selection,
            Asked::Keys(asked) => &asked.selection,
            Asked::Values(asked) => &asked.selection,
        }
    }
}

const QUERY: &[&str] = &[
    "queryId",
    "timeframe",
    "view",
    "limit",
    "offset",
    "parameters",
    "chart",
    "chartType",
    "compare",
    "distributionScale",
    "dry",
    "granularity",
    "ignoreSeries",
    "offsetBy",
    "offsetDirection",
];
const PARAMETERS: &[&str] =
    &["datasets", "filterCombination", "filters", "limit", "needle", "calculations", "groupBys", "havings", "orderBy"];
/// Records may be sampled or lost, and sums over them would be wrong; metrics are not made of records.
const SUMS: &str = "what is counted and summed up, over time as well, is asked of GET …/workers/metrics, \
                    which is exact whatever was sampled";

type Range = (Option<OffsetDateTime>, Option<OffsetDateTime>);

impl Selection {
    fn read(members: &Members<'_>, (since, until): Range) -> Result<Self, InvalidFilter> {
        for (index, dataset) in members.list("datasets", MAX_NAMED)?.iter().enumerate() {
            if dataset != DATASET {
                let at = format!("{}/{index}", members.place("datasets"));
                return Err(wrong(&at, dataset, format!("there is {DATASET} only")));
            }
        }
        let condition = Condition::read(members)?;
        let needle = Needle::read(members, "needle")?;
        let mut filter = InvocationFilter { since, until, ..InvocationFilter::default() };
        let possible = condition.narrow(&mut filter);
        if let Some(needle) = &needle {
            needle.narrow(&mut filter);
        }
        Ok(Self { filter, possible, condition, needle })
    }
}

fn timeframe(members: &Members<'_>) -> Result<Range, InvalidFilter> {
    let at = members.place("timeframe");
    let timeframe = Members::of(&at, members.needed("timeframe")?, &["from", "to"])?;
    timeframe.needed("from")?;
    timeframe.needed("to")?;
    range(&timeframe)
}

fn range(members: &Members<'_>) -> Result<Range, InvalidFilter> {
    match (time(members, "from")?, time(members, "to")?) {
        (Some(from), Some(to)) if from > to => Err(members.wrong("from", format!("it is after `to`, which is {to}"))),
        range => Ok(range),
    }
}

/// A time in milliseconds since 1970.
fn time(members: &Members<'_>, name: &str) -> Result<Option<OffsetDateTime>, InvalidFilter> {
    let milliseconds = members.whole(name, 0, LATEST)?;
    let read = |given: u64| OffsetDateTime::from_unix_timestamp_nanos(i128::from(given) * 1_000_000);
    milliseconds.map(|given| read(given).map_err(|error| members.wrong(name, error.to_string()))).transpose()
}

fn limit(members: &Members<'_>, most: u64) -> Result<Option<usize>, InvalidFilter> {
    Ok(members.whole("limit", 1, most)?.and_then(|limit| usize::try_from(limit).ok()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn query(more: Value) -> Value {
        let mut body = json!({ "queryId": "x", "timeframe": { "from": 0, "to": 5 }, "parameters": {} });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    #[test]
    fn what_clients_send_is_read() {
        let all = query(json!({
            "view": "invocations", "limit": 7, "offset": "000000000000040000000001", "offsetDirection": "next", "offsetBy": 0, "dry": true,
            "chart": false, "compare": false, "granularity": 10, "ignoreSeries": true, "chartType": "aggregate", "distributionScale": "log",
            "parameters": {
                "datasets": ["cloudflare-workers"], "filters": [], "filterCombination": "and", "calculations": [], "groupBys": [], "havings": [],
                "needle": { "value": "stock", "isRegex": false, "matchCase": false }, "limit": 9,
            },
        }));
        let LogQuestion(Asked::Events(asked)) = LogQuestion::events(&all).unwrap() else { panic!("{all}") };
        assert_eq!(
            (asked.view, asked.limit, asked.after),
            (View::Invocations, 7, Some(Position { key: 1024, index: 1 }))
        );
        assert_eq!(asked.selection.filter.text.as_deref(), Some("stock"));
        assert_eq!(asked.selection.filter.until, Some(OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(5)));
        let inner = query(json!({ "parameters": { "limit": 9 } }));
        let LogQuestion(Asked::Events(asked)) = LogQuestion::events(&inner).unwrap() else { panic!("{inner}") };
        assert_eq!((asked.view, asked.limit, asked.after), (View::Events, 9, None));
        LogQuestion::keys(&json!({})).unwrap();
        let keys = json!({ "datasets": [], "filters": [], "from": 0, "to": 1, "keyNeedle": { "value": "user" }, "limit": 10_000, "needle": { "value": "x" } });
        LogQuestion::keys(&keys).unwrap();
        LogQuestion::values(
            &json!({ "datasets": [], "key": "user.id", "type": "number", "timeframe": { "from": 1, "to": 1 } }),
        )
        .unwrap();
    }

    #[test]
    fn what_is_not_available_is_refused_and_says_what_is() {
        for (more, place, reason) in [
            (json!({ "view": "calculations" }), "view", "GET …/workers/metrics"),
            (json!({ "view": "traces" }), "view", "events and invocations"),
            (json!({ "chart": true }), "chart", "GET …/workers/metrics"),
            (json!({ "compare": true }), "compare", "GET …/workers/metrics"),
            (
                json!({ "parameters": { "calculations": [{ "operator": "count" }] } }),
                "parameters/calculations",
                "GET …/workers/metrics",
            ),
            (
                json!({ "parameters": { "groupBys": [{ "type": "string", "value": "x" }] } }),
                "parameters/groupBys",
                "GET …/workers/metrics",
            ),
            (json!({ "parameters": { "orderBy": { "value": "timestamp" } } }), "parameters/orderBy", "newest first"),
            (json!({ "parameters": { "datasets": ["otel"] } }), "parameters/datasets/0", "cloudflare-workers only"),
            (json!({ "parameters": { "filters": [{}] } }), "parameters/filters/0/key", "needed"),
            (json!({ "parameters": { "sort": 1 } }), "parameters/sort", "no such member"),
            (json!({ "timeframe": { "from": 6, "to": 5 } }), "timeframe/from", "after `to`"),
            (json!({ "timeframe": { "from": 0.5, "to": 5 } }), "timeframe/from", "a whole number"),
            (json!({ "timeframe": { "from": 0 } }), "timeframe/to", "needed"),
            (json!({ "timeframe": { "from": 0, "to": LATEST + 1 } }), "timeframe/to", "a whole number"),
            (json!({ "limit": 2_001 }), "limit", "from 1 to 2000"),
            (json!({ "offset": "5" }), "offset", "the page before"),
            (json!({ "offsetDirection": "prev" }), "offsetDirection", "one of next"),
            (json!({ "offsetBy": 5 }), "offsetBy", "from 0 to 0"),
            (json!({ "a/b": 5 }), "a~1b", "no such member"),
        ] {
            let error = LogQuestion::events(&query(more)).unwrap_err();
            assert_eq!(error.name, place, "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        let error =
            LogQuestion::events(&json!({ "timeframe": { "from": 0, "to": 5 }, "queryId": "saved" })).unwrap_err();
        assert!(error.to_string().contains("no queries are saved"), "{error}");
        for wrong in
            [json!({ "key": "a", "type": "string" }), json!({ "key": "a", "timeframe": { "from": 0, "to": 1 } })]
        {
            assert!(LogQuestion::values(&wrong).is_err(), "{wrong}");
        }
        assert!(LogQuestion::keys(&json!({ "timeframe": {} })).is_err());
    }
}
