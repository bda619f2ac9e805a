//! Which events are meant: filters over their members, combined by `and` and `or`, and a text that is searched for.

use invocation::{Outcome, RayId};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use uuid::Uuid;

use super::members::{Members, wrong};
use crate::error::InvalidFilter;
use crate::filter::{InvocationFilter, MAX_TEXT, MIN_TEXT, Status};

/// How deep groups of filters may be in each other.
const MAX_DEPTH: usize = 4;
/// How many filters a question may have altogether.
pub(super) const MAX_FILTERS: usize = 100;
/// The longest name of a member, in bytes.
pub(super) const MAX_KEY: usize = 200;
/// The most bytes that a compiled regular expression may take.
const MAX_REGEX: usize = 256 * 1024;

/// The members that are ours. Others are those of what was logged, whatever they are.
const KEYS: &[&str] = &[
    "$metadata.id",
    "$metadata.requestId",
    "$metadata.rayId",
    "$metadata.traceId",
    "$metadata.spanId",
    "$metadata.trigger",
    "$metadata.service",
    "$metadata.level",
    "$metadata.error",
    "$metadata.message",
    "$metadata.account",
    "$metadata.type",
    "$metadata.fingerprint",
    "$metadata.origin",
    "$workers.scriptName",
    "$workers.scriptVersion.id",
    "$workers.eventType",
    "$workers.entrypoint",
    "$workers.executionModel",
    "$workers.outcome",
    "$workers.requestId",
    "$workers.traceId",
    "$workers.spanId",
    "$workers.truncated",
    "$workers.cpuTimeMs",
    "$workers.wallTimeMs",
    "$cloudflare.truncated",
];
/// What is below this is what began the invocation.
const OPEN: &str = "$workers.event.";
/// Where members are that are ours.
const OURS: [&str; 3] = ["$metadata", "$workers", "$cloudflare"];

/// The name of a member, with dots between those of the objects that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn read(members: &Members<'_>, name: &str) -> Result<Self, InvalidFilter> {
        members.needed(name)?;
        let key = members.text(name)?.unwrap_or_default();
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(members.wrong(name, format!("a name with 1 to {MAX_KEY} bytes is expected")));
        }
        let is_known = KEYS.contains(&key) || key.starts_with(OPEN) || !is_ours(key);
        if is_known {
            Ok(Self(key.to_owned()))
        } else {
            let keys = KEYS.join(", ");
            let reason = format!(
                "there is no such key; there are {keys}, what is below {OPEN}request and {OPEN}response, and what was logged"
            );
            Err(members.wrong(name, reason))
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The member of an event, unless it is null.
    pub(super) fn of<'a>(&self, event: &'a Value) -> Option<&'a Value> {
        let root = if is_ours(&self.0) { Some(event) } else { event.get("source") };
        within(root?, &self.0).filter(|value| !value.is_null())
    }
}

fn is_ours(key: &str) -> bool {
    key.split('.').next().is_some_and(|first| OURS.contains(&first))
}

/// A member by its name, which may have dots itself.
fn within<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    members.get(key).or_else(|| {
        key.match_indices('.').find_map(|(dot, _)| within(members.get(key.get(..dot)?)?, key.get(dot + 1..)?))
    })
}

/// The members of an event by their names: texts, numbers and truth values.
pub(super) fn each_member<'a>(event: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    for (name, value) in event.as_object().into_iter().flatten() {
        if name == "source" {
            below("", value, visit);
        } else if OURS.contains(&name.as_str()) {
            below(name, value, visit);
        }
    }
}

fn below<'a>(above: &str, value: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        // One that is longer cannot be asked for.
        if name.len() <= MAX_KEY {
            match value {
                Value::Object(_) => below(&name, value, visit),
                Value::Array(_) | Value::Null => {}
                _ => visit(&name, value),
            }
        }
    }
}

/// What a member may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
}

impl Kind {
    const WORDS: [&'static str; 3] = ["string", "number", "boolean"];

    pub(super) fn read(members: &Members<'_>, name: &str) -> Result<Self, InvalidFilter> {
        members.needed(name)?;
        Ok(match members.word(name, &Self::WORDS)? {
            Some("number") => Self::Number,
            Some("boolean") => Self::Flag,
            _ => Self::Text,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Flag => "boolean",
        }
    }

    /// What a value is; `None` for lists, objects and null.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Number(_) => Some(Self::Number),
            Value::Bool(_) => Some(Self::Flag),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
enum Scalar {
    Text(String),
    Number(f64),
    Flag(bool),
}

impl Scalar {
    fn parse(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Text => Some(Self::Text(text.to_owned())),
            Kind::Number => text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Number),
            Kind::Flag => text.trim().parse().ok().map(Self::Flag),
        }
    }

    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Number(number) => value.as_f64() == Some(*number),
            Self::Flag(flag) => value.as_bool() == Some(*flag),
        }
    }
}

/// What a filter asks of a member.
#[derive(Debug, Clone)]
enum Check {
    Exists,
    /// It is one of these.
    AnyOf(Vec<Scalar>),
    Above(f64),
    AtLeast(f64),
    Below(f64),
    AtMost(f64),
    Includes(String),
    StartsWith(String),
    EndsWith(String),
    Matches(Regex),
}

/// How a filter's operation is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Exists,
    Equals,
    In,
    Above,
    AtLeast,
    Below,
    AtMost,
    Includes,
    StartsWith,
    EndsWith,
    Matches,
}

/// The operations by their names, and whether the opposite is asked for.
const OPERATIONS: &[(&str, Operation, bool)] = &[
    ("eq", Operation::Equals, false),
    ("=", Operation::Equals, false),
    ("neq", Operation::Equals, true),
    ("!=", Operation::Equals, true),
    ("gt", Operation::Above, false),
    (">", Operation::Above, false),
    ("gte", Operation::AtLeast, false),
    (">=", Operation::AtLeast, false),
    ("lt", Operation::Below, false),
    ("<", Operation::Below, false),
    ("lte", Operation::AtMost, false),
    ("<=", Operation::AtMost, false),
    ("includes", Operation::Includes, false),
    ("INCLUDES", Operation::Includes, false),
    ("not_includes", Operation::Includes, true),
    ("DOES_NOT_INCLUDE", Operation::Includes, true),
    ("starts_with", Operation::StartsWith, false),
    ("STARTS_WITH", Operation::StartsWith, false),
    ("ends_with", Operation::EndsWith, false),
    ("ENDS_WITH", Operation::EndsWith, false),
    ("regex", Operation::Matches, false),
    ("MATCH_REGEX", Operation::Matches, false),
    ("exists", Operation::Exists, false),
    ("EXISTS", Operation::Exists, false),
    ("is_null", Operation::Exists, true),
    ("DOES_NOT_EXIST", Operation::Exists, true),
    ("in", Operation::In, false),
    ("IN", Operation::In, false),
    ("not_in", Operation::In, true),
    ("NOT_IN", Operation::In, true),
];

/// One filter. The opposite of an operation is met by events that have no such member, too.
#[derive(Debug, Clone)]
pub(super) struct Test {
    key: Key,
    check: Check,
    negated: bool,
}

impl Test {
    fn read(at: &str, value: &Value) -> Result<Self, InvalidFilter> {
        let members = Members::of(at, value, &["key", "operation", "type", "value", "kind"])?;
        members.word("kind", &["filter"])?;
        let key = Key::read(&members, "key")?;
        let kind = Kind::read(&members, "type")?;
        members.needed("operation")?;
        let words: Vec<&str> = OPERATIONS.iter().map(|(word, ..)| *word).collect();
        let word = members.word("operation", &words)?;
        let Some(&(_, operation, negated)) = OPERATIONS.iter().find(|(name, ..)| Some(*name) == word) else {
            return Err(members.wrong("operation", "it is not known"));
        };
        Ok(Self { key, check: Check::read(&members, kind, operation)?, negated })
    }

    fn is_met(&self, event: &Value) -> bool {
        self.key.of(event).is_some_and(|value| self.check.is_met(value)) != self.negated
    }
}

impl Check {
    fn read(members: &Members<'_>, kind: Kind, operation: Operation) -> Result<Self, InvalidFilter> {
        let given = members.get("value");
        if given.is_some_and(|value| Kind::of(value).is_none()) {
            return Err(members.wrong("value", "a text, a number, true or false is expected"));
        }
        if operation == Operation::Exists {
            return Ok(Self::Exists);
        }
        let value = members.needed("value")?;
        let mistyped = || members.wrong("value", format!("a value of the type {} is expected", kind.as_str()));
        let scalar = |text: &str| Scalar::parse(kind, text).ok_or_else(mistyped);
        // A number or truth value may be written as a text; a text is one.
        let written = match value {
            Value::String(text) => text.clone(),
            _ if kind == Kind::Text => return Err(mistyped()),
            other => other.to_string(),
        };
        let of_type = |wanted: Kind| {
            if kind == wanted {
                return Ok(());
            }
            let reason = format!("this operation is for members of the type {}", wanted.as_str());
            Err(members.wrong("operation", reason))
        };
        let number = || match scalar(&written)? {
            Scalar::Number(number) => Ok(number),
            _ => Err(mistyped()),
        };
        Ok(match operation {
            Operation::Exists => Self::Exists,
            Operation::Equals => Self::AnyOf(vec![scalar(&written)?]),
            Operation::In => Self::AnyOf(written.split(',').map(|one| scalar(one.trim())).collect::<Result<_, _>>()?),
            Operation::Above | Operation::AtLeast | Operation::Below | Operation::AtMost => {
                of_type(Kind::Number)?;
                match operation {
                    Operation::Above => Self::Above(number()?),
                    Operation::AtLeast => Self::AtLeast(number()?),
                    Operation::Below => Self::Below(number()?),
                    _ => Self::AtMost(number()?),
                }
            }
            Operation::Includes | Operation::StartsWith | Operation::EndsWith | Operation::Matches => {
                of_type(Kind::Text)?;
                match operation {
                    Operation::Includes => Self::Includes(written),
                    Operation::StartsWith => Self::StartsWith(written),
                    Operation::EndsWith => Self::EndsWith(written),
                    _ => Self::Matches(
                        RegexBuilder::new(&written)
                            .size_limit(MAX_REGEX)
                            .build()
                            .map_err(|error| members.wrong("value", not_a_regex(&error)))?,
                    ),
                }
            }
        })
    }

    fn is_met(&self, value: &Value) -> bool {
        let number = |is: fn(&f64, &f64) -> bool, than: &f64| value.as_f64().is_some_and(|value| is(&value, than));
        let text = |is: &dyn Fn(&str) -> bool| value.as_str().is_some_and(is);
        match self {
            Self::Exists => true,
            Self::AnyOf(values) => values.iter().any(|wanted| wanted.is(value)),
            Self::Above(than) => number(f64::gt, than),
            Self::AtLeast(than) => number(f64::ge, than),
            Self::Below(than) => number(f64::lt, than),
            Self::AtMost(than) => number(f64::le, than),
            Self::Includes(part) => text(&|text| text.contains(part.as_str())),
            Self::StartsWith(part) => text(&|text| text.starts_with(part.as_str())),
            Self::EndsWith(part) => text(&|text| text.ends_with(part.as_str())),
            Self::Matches(regex) => text(&|text| regex.is_match(text)),
        }
    }
}

fn not_a_regex(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        // The first lines draw where; the last says what.
        error => {
            let told = error.to_string();
            format!("it is not a regular expression: {}", told.lines().last().unwrap_or_default().trim())
        }
    }
}

/// Filters and groups of them.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// Every one is met; where there is none, by every event.
    All(Vec<Condition>),
    /// One or more is met.
    Any(Vec<Condition>),
    One(Test),
}

impl Condition {
    /// Reads `filters` with their `filterCombination`.
    pub(super) fn read(members: &Members<'_>) -> Result<Self, InvalidFilter> {
        let mut count = 0;
        Self::read_group(members, MAX_DEPTH, &mut count)
    }

    fn read_group(members: &Members<'_>, depth: usize, count: &mut usize) -> Result<Self, InvalidFilter> {
        let mut filters = Vec::new();
        for (index, value) in members.list("filters", MAX_FILTERS)?.iter().enumerate() {
            let at = format!("{}/{index}", members.place("filters"));
            *count += 1;
            if *count > MAX_FILTERS {
                return Err(wrong(&at, value, format!("at most {MAX_FILTERS} filters are possible")));
            }
            let is_group = value.get("kind").is_some_and(|kind| kind == "group");
            filters.push(if is_group {
                let Some(depth) = depth.checked_sub(1) else {
                    return Err(wrong(&at, value, format!("groups can be {MAX_DEPTH} deep at most")));
                };
                let group = Members::of(&at, value, &["kind", "filterCombination", "filters"])?;
                group.needed("filterCombination")?;
                group.needed("filters")?;
                Self::read_group(&group, depth, count)?
            } else {
                Self::One(Test::read(&at, value)?)
            });
        }
        let combination = members.word("filterCombination", &["and", "or", "AND", "OR"])?;
        let is_any = combination.is_some_and(|word| word.eq_ignore_ascii_case("or"));
        // Nothing is asked for by no filters, however they are combined.
        Ok(if is_any && !filters.is_empty() { Self::Any(filters) } else { Self::All(filters) })
    }

    /// Whether an event, as it is shown, is meant.
    pub(super) fn is_met(&self, event: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.is_met(event)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.is_met(event)),
            Self::One(test) => test.is_met(event),
        }
    }

    /// Has the database leave out invocations none of whose events can meet the condition, as far as it has an index for that. False where
    /// no event at all can.
    pub(super) fn narrow(&self, filter: &mut InvocationFilter) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.narrow(filter)),
            Self::Any(_) => true,
            Self::One(test) => test.narrow(filter),
        }
    }
}

impl Test {
    /// See [`Condition::narrow`]. Of two filters on one thing the first is taken; both are checked on what is found.
    fn narrow(&self, filter: &mut InvocationFilter) -> bool {
        let key = self.key.as_str();
        match &self.check {
            _ if self.negated => {}
            Check::AtLeast(least) | Check::Above(least) if key == "$workers.cpuTimeMs" => {
                // Less than nothing is no condition; more than can be is never met.
                let least = std::time::Duration::try_from_secs_f64(least / 1000.0);
                filter.min_cpu = filter.min_cpu.or(least.ok());
            }
            Check::AnyOf(values) => return narrow_to(key, values, filter),
            _ => {}
        }
        true
    }
}

/// Has the database look for one of these values only.
fn narrow_to(key: &str, values: &[Scalar], filter: &mut InvocationFilter) -> bool {
    let texts = || values.iter().filter_map(|value| if let Scalar::Text(text) = value { Some(text) } else { None });
    let single = || if values.len() == 1 { texts().next() } else { None };
    match key {
        "$metadata.service" | "$workers.scriptName" => {
            filter.worker = filter.worker.take().or_else(|| single().cloned());
        }
        "$workers.scriptVersion.id" => {
            let version = single().map(|text| Uuid::parse_str(text));
            filter.version = filter.version.or_else(|| version.as_ref()?.as_ref().ok().copied());
            return !matches!(version, Some(Err(_)));
        }
        "$metadata.requestId" | "$workers.requestId" => {
            let id = single().map(|text| Uuid::parse_str(text));
            filter.id = filter.id.or_else(|| id.as_ref()?.as_ref().ok().copied());
            return !matches!(id, Some(Err(_)));
        }
        "$metadata.rayId" | "$workers.event.rayId" => {
            let ray = single().map(|text| text.parse::<RayId>());
            filter.ray_id = filter.ray_id.or_else(|| ray.as_ref()?.as_ref().ok().copied());
            return !matches!(ray, Some(Err(_)));
        }
        "$workers.outcome" => {
            let outcomes: Vec<Outcome> = texts().filter_map(|text| text.parse().ok()).collect();
            if outcomes.is_empty() {
                return false;
            }
            if filter.outcomes.is_empty() {
                filter.outcomes = outcomes;
                filter.outcomes.sort_unstable();
                filter.outcomes.dedup();
            }
        }
        "$workers.event.response.status" => {
            if let [Scalar::Number(number)] = values {
                // A number that no status can be becomes another one here.
                let status = Some(*number as u16).filter(|status| f64::from(*status) == *number);
                filter.status = filter.status.or(status.map(Status::Exact));
                return status.is_some();
            }
        }
        _ => {}
    }
    true
}

/// A text that is searched for.
#[derive(Debug, Clone)]
pub(super) enum Needle {
    /// Letter case does not matter: in small letters.
    Any(String),
    /// Letter case matters.
    Exact(String),
    Regex(Regex),
}

impl Needle {
    /// Reads a member that is one, where it is given.
    pub(super) fn read(members: &Members<'_>, name: &str) -> Result<Option<Self>, InvalidFilter> {
        let Some(value) = members.get(name) else { return Ok(None) };
        let at = members.place(name);
        let members = Members::of(&at, value, &["value", "isRegex", "matchCase"])?;
        let text = match members.needed("value")? {
            Value::String(text) => text.clone(),
            value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
            _ => return Err(members.wrong("value", "a text is expected")),
        };
        let match_case = members.flag("matchCase")?.unwrap_or(false);
        Ok(Some(if members.flag("isRegex")?.unwrap_or(false) {
            let built = RegexBuilder::new(&text).case_insensitive(!match_case).size_limit(MAX_REGEX).build();
            Self::Regex(built.map_err(|error| members.wrong("value", not_a_regex(&error)))?)
        } else if match_case {
            Self::Exact(text)
        } else {
            Self::Any(text.to_lowercase())
        }))
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Any(needle) => text.to_lowercase().contains(needle),
            Self::Exact(needle) => text.contains(needle),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// Has the database look for the text, where its index can.
    pub(super) fn narrow(&self, filter: &mut InvocationFilter) {
        let text = match self {
            Self::Any(text) | Self::Exact(text) => text,
            Self::Regex(_) => return,
        };
        if (MIN_TEXT..=MAX_TEXT).contains(&text.chars().count()) {
            filter.text = Some(text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn read(filters: &Value, combination: &str) -> Result<Condition, InvalidFilter> {
        let body = json!({ "filters": filters, "filterCombination": combination });
        Condition::read(&Members::of("", &body, &["filters", "filterCombination"])?)
    }

    fn filter(key: &str, operation: &str, kind: &str, value: Value) -> Value {
        json!({ "key": key, "operation": operation, "type": kind, "value": value })
    }

    fn event() -> Value {
        json!({
            "timestamp": 5, "dataset": "cloudflare-workers",
            "source": { "level": "error", "message": "no stock", "item": { "id": 5, "name.de": "Stuhl" }, "gone": null },
            "$workers": { "outcome": "exception", "truncated": false, "event": { "response": { "status": 503 } } },
            "$metadata": { "service": "shop", "error": "no stock" },
        })
    }

    #[test]
    fn each_operation_by_each_of_its_names() {
        for (key, operations, kind, met, unmet) in [
            ("$metadata.service", "eq =", "string", json!("shop"), json!("sho")),
            ("$metadata.service", "neq !=", "string", json!("blog"), json!("shop")),
            ("item.id", "eq =", "number", json!(5), json!("6")),
            ("$workers.truncated", "eq =", "boolean", json!("false"), json!(true)),
            ("$workers.event.response.status", "gt >", "number", json!(502.5), json!(503)),
            ("$workers.event.response.status", "gte >=", "number", json!(503), json!(504)),
            ("$workers.event.response.status", "lt <", "number", json!("504"), json!(503)),
            ("$workers.event.response.status", "lte <=", "number", json!(503), json!(502)),
            ("message", "includes INCLUDES", "string", json!("o s"), json!("Stock")),
            ("message", "not_includes DOES_NOT_INCLUDE", "string", json!("Stock"), json!("stock")),
            ("item.name.de", "starts_with STARTS_WITH", "string", json!("Stu"), json!("uhl")),
            ("item.name.de", "ends_with ENDS_WITH", "string", json!("uhl"), json!("Stu")),
            ("message", "regex MATCH_REGEX", "string", json!("^no\\b"), json!("^stock")),
            ("$workers.outcome", "in IN", "string", json!("ok, exception"), json!("ok,canceled")),
            ("item.id", "in IN", "number", json!("4,5"), json!(4)),
            ("$workers.outcome", "not_in NOT_IN", "string", json!("ok,canceled"), json!("ok,exception")),
        ] {
            for operation in operations.split(' ') {
                let is_met = |value: &Value| {
                    read(&json!([filter(key, operation, kind, value.clone())]), "and").unwrap().is_met(&event())
                };
                assert!(is_met(&met) && !is_met(&unmet), "{key} {operation}");
            }
        }
        for (key, exists) in
            [("$metadata.error", true), ("item.id", true), ("gone", false), ("$metadata.traceId", false)]
        {
            for (operation, wanted) in
                [("exists", true), ("EXISTS", true), ("is_null", false), ("DOES_NOT_EXIST", false)]
            {
                let one = json!([{ "key": key, "operation": operation, "type": "string" }]);
                assert_eq!(read(&one, "AND").unwrap().is_met(&event()), exists == wanted, "{key} {operation}");
            }
        }
        // An event without a member is not like any value of it.
        assert!(read(&json!([filter("gone", "neq", "string", json!("x"))]), "and").unwrap().is_met(&event()));
        assert!(!read(&json!([filter("gone", "eq", "string", json!("x"))]), "and").unwrap().is_met(&event()));
    }

    #[test]
    fn groups_are_combined() {
        let good = filter("item.id", "eq", "number", json!(5));
        let bad = filter("item.id", "eq", "number", json!(6));
        let group = |combination: &str, filters: Value| json!({ "kind": "group", "filterCombination": combination, "filters": filters });
        for (filters, combination, met) in [
            (json!([]), "or", true),
            (json!([good, bad]), "and", false),
            (json!([good, bad]), "OR", true),
            (json!([group("or", json!([bad, good])), good]), "AND", true),
            (json!([group("and", json!([bad, good])), bad]), "or", false),
        ] {
            assert_eq!(read(&filters, combination).unwrap().is_met(&event()), met, "{combination} {filters}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused_where_it_stands() {
        let mut deep = filter("a", "exists", "string", json!("x"));
        for _ in 0..=MAX_DEPTH {
            deep = json!({ "kind": "group", "filterCombination": "and", "filters": [deep] });
        }
        for (filters, place, reason) in [
            (json!({}), "filters", "a list"),
            (json!([1]), "filters/0", "an object"),
            (json!([filter("", "eq", "string", json!("x"))]), "filters/0/key", "1 to 200 bytes"),
            (json!([filter("$metadata.region", "eq", "string", json!("x"))]), "filters/0/key", "there is no such key"),
            (json!([filter("a", "like", "string", json!("x"))]), "filters/0/operation", "one of eq, ="),
            (json!([filter("a", "gt", "string", json!("x"))]), "filters/0/operation", "the type number"),
            (json!([filter("a", "includes", "number", json!(1))]), "filters/0/operation", "the type string"),
            (json!([filter("a", "eq", "text", json!("x"))]), "filters/0/type", "one of string"),
            (json!([filter("a", "eq", "number", json!("x"))]), "filters/0/value", "the type number"),
            (json!([filter("a", "eq", "string", json!(1))]), "filters/0/value", "the type string"),
            (json!([filter("a", "exists", "string", json!([1]))]), "filters/0/value", "a text, a number"),
            (json!([filter("a", "regex", "string", json!("(?=x)"))]), "filters/0/value", "not a regular expression"),
            (json!([filter("a", "regex", "string", json!("\\w{500}{500}"))]), "filters/0/value", "too large"),
            (json!([{ "key": "a", "operation": "eq", "type": "string" }]), "filters/0/value", "needed"),
            (json!([{ "operation": "eq", "type": "string" }]), "filters/0/key", "needed"),
            (json!([{ "key": "a", "needle": 1 }]), "filters/0/needle", "no such member; there are key"),
            (json!([{ "kind": "group", "filters": [] }]), "filters/0/filterCombination", "needed"),
            (json!([deep]), "filters/0/filters/0/filters/0/filters/0/filters/0", "4 deep"),
        ] {
            let error = read(&filters, "and").unwrap_err();
            assert_eq!(error.name, place, "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        let many = vec![filter("a", "exists", "string", json!("")); MAX_FILTERS];
        assert!(read(&json!(many), "and").is_ok());
        assert!(read(&json!([{ "kind": "group", "filterCombination": "or", "filters": many }]), "and").is_err());
    }

    #[test]
    fn the_database_is_asked_for_what_it_has_an_index_of() {
        let text = |key: &str, value: &str| filter(key, "eq", "string", json!(value));
        let all = json!([
            text("$metadata.service", "shop"), text("$workers.scriptName", "blog"),
            filter("$workers.outcome", "in", "string", json!("exception,ok,what")),
            filter("$workers.event.response.status", "=", "number", json!(503)),
            filter("$workers.cpuTimeMs", "gt", "number", json!(1.5)),
            text("$metadata.rayId", "00000000000000ff"), text("$workers.scriptVersion.id", &Uuid::nil().to_string()),
            { "kind": "group", "filterCombination": "and", "filters": [text("$metadata.requestId", &Uuid::nil().to_string())] },
        ]);
        let mut found = InvocationFilter::default();
        assert!(read(&all, "and").unwrap().narrow(&mut found));
        let expected = InvocationFilter {
            worker: Some("shop".to_owned()),
            outcomes: vec![Outcome::Ok, Outcome::Exception],
            status: Some(Status::Exact(503)),
            min_cpu: Some(std::time::Duration::from_micros(1_500)),
            ray_id: Some(RayId(255)),
            version: Some(Uuid::nil()),
            id: Some(Uuid::nil()),
            ..InvocationFilter::default()
        };
        assert_eq!(found, expected);
        let mut found = InvocationFilter::default();
        assert!(read(&all, "or").unwrap().narrow(&mut found));
        assert!(
            read(&json!([filter("$metadata.service", "neq", "string", json!("x"))]), "and").unwrap().narrow(&mut found)
        );
        assert_eq!(found, InvocationFilter::default());
        for impossible in [
            text("$workers.outcome", "fine"),
            text("$metadata.rayId", "x"),
            text("$metadata.requestId", "x"),
            text("$workers.scriptVersion.id", "x"),
            filter("$workers.event.response.status", "eq", "number", json!(99_999)),
            filter("$workers.event.response.status", "eq", "number", json!(200.5)),
        ] {
            assert!(
                !read(&json!([impossible]), "and").unwrap().narrow(&mut InvocationFilter::default()),
                "{impossible}"
            );
        }
    }

    #[test]
    fn texts_are_searched_for() {
        let read = |needle: Value| {
            let body = json!({ "needle": needle });
            Needle::read(&Members::of("", &body, &["needle"]).unwrap(), "needle")
        };
        for (needle, met, text) in [
            (json!({ "value": "STOCK" }), true, Some("stock")),
            (json!({ "value": "STOCK", "matchCase": true }), false, Some("STOCK")),
            (json!({ "value": "no" }), true, None),
            (json!({ "value": "^NO", "isRegex": true }), true, None),
            (json!({ "value": "^NO", "isRegex": true, "matchCase": true }), false, None),
            (json!({ "value": 5 }), false, None),
        ] {
            let read = read(needle.clone()).unwrap().unwrap();
            let mut filter = InvocationFilter::default();
            read.narrow(&mut filter);
            assert_eq!((read.is_in("no stock"), filter.text.as_deref()), (met, text), "{needle}");
        }
        for wrong in [
            json!("x"),
            json!({}),
            json!({ "value": null }),
            json!({ "value": "(", "isRegex": true }),
            json!({ "value": "x", "case": true }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
