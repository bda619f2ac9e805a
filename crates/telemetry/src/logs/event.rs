//! An invocation as the events of Workers Logs: one for each console line and uncaught exception (`cf-worker`), and one for the
//! invocation itself (`cf-worker-event`), which alone has its times, the request's headers and the response. The shape is that of the
//! answers of Cloudflare's telemetry API (`workers.observability.telemetry` of its SDKs).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use invocation::{Outcome, RayId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::condition::Needle;
use crate::error::InvalidFilter;
use crate::invocations::Kept;
use crate::view::{InvocationView, RequestView, ResponseView, ScriptVersion};
use crate::{ConsoleLine, ExceptionRecord, Level, span_id};

/// The one data set that there is.
pub(super) const DATASET: &str = "cloudflare-workers";

/// The place of an event in the order of all, later ones being larger. As text it is the event's id, which is ordered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The invocation's key.
    pub(super) key: i64,
    /// Within the invocation: 0 is the invocation itself, which began before all that it said.
    pub(super) index: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:08x}", self.key, self.index)
    }
}

impl FromStr for Position {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let read = || {
            let digits = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let (key, index) = text.split_at_checked(16).filter(|_| digits)?;
            Some(Self { key: i64::from_str_radix(key, 16).ok()?, index: u32::from_str_radix(index, 16).ok()? })
        };
        read().ok_or_else(|| InvalidFilter::new("offset", text, "take it from the page before, as it is"))
    }
}

/// One event.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogEvent<'a> {
    kept: &'a Kept,
    index: u32,
    entry: Entry<'a>,
}

/// What an event stands for.
#[derive(Debug, Clone, Copy)]
enum Entry<'a> {
    Invocation,
    Line(&'a ConsoleLine),
    Exception(&'a ExceptionRecord),
}

/// The events of an invocation, newest first.
pub(super) fn events(kept: &Kept) -> Vec<LogEvent<'_>> {
    let lines = kept.view.logs.iter().map(|line| (line.timestamp, Entry::Line(line)));
    let exceptions = kept.view.exceptions.iter().map(|one| (one.timestamp, Entry::Exception(one)));
    let mut said: Vec<_> = lines.chain(exceptions).collect();
    // Stable: lines and exceptions of one millisecond stay as they are.
    said.sort_by_key(|(timestamp, _)| *timestamp);
    let said = (1..).zip(said).map(|(index, (_, entry))| LogEvent { kept, index, entry });
    let invocation = kept.invocation_log.then_some(LogEvent { kept, index: 0, entry: Entry::Invocation });
    let mut events: Vec<_> = invocation.into_iter().chain(said).collect();
    events.reverse();
    events
}

/// An event as it is shown.
#[derive(Debug, Serialize)]
struct EventJson<'a> {
    /// When, in milliseconds since 1970.
    timestamp: i64,
    dataset: &'static str,
    /// What was logged: an object that was logged by itself, be it as the text of its JSON, or else `message`; with the `level`, and the
    /// `exception` of one.
    source: Map<String, Value>,
    #[serde(rename = "$workers")]
    workers: Workers<'a>,
    #[serde(rename = "$metadata")]
    metadata: Metadata<'a>,
    #[serde(rename = "$cloudflare", skip_serializing_if = "Option::is_none")]
    cut: Option<Value>,
}

/// The invocation that an event belongs to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Workers<'a> {
    script_name: &'a str,
    script_version: &'a ScriptVersion,
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<&'a str>,
    execution_model: &'static str,
    outcome: Outcome,
    request_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<&'a str>,
    truncated: bool,
    event: Happening<'a>,
    /// Milliseconds; of the invocation's own event only.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_time_ms: Option<f64>,
    /// Milliseconds; of the invocation's own event only.
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_time_ms: Option<f64>,
}

/// What began the invocation, and what it answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Happening<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Value>,
    #[serde(flatten)]
    trigger: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a ResponseView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ray_id: Option<RayId>,
}

/// The same facts for every kind of event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    id: String,
    request_id: Uuid,
    ray_id: RayId,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<&'a str>,
    trigger: String,
    service: &'a str,
    level: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    message: String,
    account: &'a str,
    r#type: &'static str,
    fingerprint: String,
    origin: &'a str,
}

impl LogEvent<'_> {
    pub(super) fn position(&self) -> Position {
        Position { key: self.kept.key, index: self.index }
    }

    /// When, in milliseconds since 1970.
    pub(super) fn timestamp(&self) -> i64 {
        match self.entry {
            Entry::Invocation => self.kept.view.event_timestamp,
            Entry::Line(line) => line.timestamp,
            Entry::Exception(exception) => exception.timestamp,
        }
    }

    /// Whether a text is in what began the invocation (its URL or trigger), in a value of the console line, or in the exception: in what the
    /// database's index of texts knows, which is asked first.
    pub(super) fn mentions(&self, needle: &Needle) -> bool {
        let event = &self.kept.view.event;
        event.request.as_ref().is_some_and(|request| needle.is_in(&request.url))
            || event.trigger.as_ref().is_some_and(|trigger| needle.is_in(&json!(trigger).to_string()))
            || match self.entry {
                Entry::Invocation => false,
                Entry::Line(line) => line.message.iter().any(|value| needle.is_in(&text_of(value))),
                Entry::Exception(one) => needle.is_in(&format!("{}: {}", one.name, one.message)),
            }
    }

    /// The event as it is shown; `account` is whose it is said to be.
    pub(super) fn to_json(self, account: &str) -> Value {
        let view = &self.kept.view;
        let trigger = trigger(view);
        let (kind, level, source, message, error) = match self.entry {
            Entry::Invocation => {
                let message = match &view.event.request {
                    Some(request) => format!("{} {}", request.method, request.url),
                    None => trigger.clone(),
                };
                let failed = view.exceptions.first().map(|exception| exception.message.clone());
                let error = has_failed(view).then(|| failed.unwrap_or_else(|| message.clone()));
                let level = if error.is_some() { "error" } else { "info" };
                let source = members(json!({ "level": level, "message": message }));
                ("cf-worker-event", json!(level), source, message, error)
            }
            Entry::Line(line) => {
                let (source, message) = logged(line);
                let error = (line.level == Level::Error).then(|| message.clone());
                ("cf-worker", json!(line.level), source, message, error)
            }
            Entry::Exception(exception) => {
                let message = exception.message.clone();
                let source = members(json!({ "level": "error", "message": message, "exception": exception }));
                ("cf-worker", json!("error"), source, message.clone(), Some(message))
            }
        };
        let is_invocation = matches!(self.entry, Entry::Invocation);
        let span = view.trace_id.as_ref().map(|_| format!("{:016x}", span_id::of_invocation(view.id)));
        let event = EventJson {
            timestamp: self.timestamp(),
            dataset: DATASET,
            source,
            workers: Workers {
                script_name: &view.script_name,
                script_version: &view.script_version,
                event_type: &view.event_type,
                entrypoint: view.entrypoint.as_deref(),
                execution_model: "stateless",
                outcome: view.outcome,
                request_id: view.id,
                trace_id: view.trace_id.as_deref(),
                span_id: span.as_deref(),
                truncated: view.truncated,
                event: Happening {
                    request: view.event.request.as_ref().map(|request| request_json(request, is_invocation)),
                    trigger: view.event.trigger.as_ref(),
                    response: view.event.response.as_ref().filter(|_| is_invocation),
                    ray_id: is_invocation.then_some(view.ray_id),
                },
                cpu_time_ms: is_invocation.then_some(view.cpu_time),
                wall_time_ms: is_invocation.then_some(view.wall_time),
            },
            metadata: Metadata {
                id: self.position().to_string(),
                request_id: view.id,
                ray_id: view.ray_id,
                trace_id: view.trace_id.as_deref(),
                span_id: span.as_deref(),
                trigger,
                service: &view.script_name,
                level,
                error,
                fingerprint: fingerprint(&view.script_name, kind, &message),
                message,
                account,
                r#type: kind,
                origin: &view.event_type,
            },
            cut: view.truncated.then(|| json!({ "truncated": true })),
        };
        // Strings, numbers and string-keyed maps have a JSON form.
        serde_json::to_value(event).unwrap_or_default()
    }
}

/// Whether an invocation counts as an error: it failed by itself, or answered that it did. A visitor who went away is none.
fn has_failed(view: &InvocationView) -> bool {
    let answered = view.event.response.as_ref().is_some_and(|response| response.status >= 500);
    let gone = [Outcome::Ok, Outcome::Canceled, Outcome::ResponseStreamDisconnected].contains(&view.outcome);
    !gone || answered || !view.exceptions.is_empty()
}

/// What began an invocation, in a few words: `GET /path`, or a cron expression, or the method of a call.
fn trigger(view: &InvocationView) -> String {
    if let Some(request) = &view.event.request {
        return match Url::parse(&request.url) {
            Ok(url) => format!("{} {}", request.method, url.path()),
            Err(_) => request.method.clone(),
        };
    }
    let named = |name| view.event.trigger.as_ref()?.get(name)?.as_str();
    named("cron").or_else(|| named("rpcMethod")).unwrap_or(&view.event_type).to_owned()
}

fn request_json(request: &RequestView, whole: bool) -> Value {
    let mut members = members(json!({ "method": request.method, "url": request.url }));
    if let Ok(url) = Url::parse(&request.url) {
        members.insert("path".to_owned(), url.path().into());
        let search: Map<String, Value> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
        if !search.is_empty() {
            members.insert("search".to_owned(), search.into());
        }
    }
    if whole {
        members.insert("headers".to_owned(), json!(request.headers));
    }
    members.into()
}

/// A console line's source and message.
fn logged(line: &ConsoleLine) -> (Map<String, Value>, String) {
    let level = json!(line.level);
    let object = match line.message.as_slice() {
        [Value::Object(object)] => Some(object.clone()),
        [Value::String(text)] if text.starts_with('{') => serde_json::from_str(text).ok(),
        _ => None,
    };
    let words = || line.message.iter().map(text_of).collect::<Vec<_>>().join(" ");
    match object {
        Some(mut source) => {
            let message = source.get("message").and_then(Value::as_str).map_or_else(words, str::to_owned);
            source.entry("level").or_insert(level);
            (source, message)
        }
        None => {
            let message = words();
            (members(json!({ "level": level, "message": message })), message)
        }
    }
}

/// A logged value as it is searched for and joined with others.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The same for messages of one kind that differ in their numbers only: FNV-1a with 64 bits.
fn fingerprint(service: &str, kind: &str, message: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut in_number = false;
    for byte in [service, kind, message].into_iter().flat_map(|part| part.bytes().chain([0])) {
        let digit = byte.is_ascii_digit();
        if !(digit && in_number) {
            let shown = if digit { b'0' } else { byte };
            hash = (hash ^ u64::from(shown)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        in_number = digit;
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kept() -> Kept {
        let view = json!({
            "id": Uuid::from_u128(5), "rayId": "0000000000000007", "outcome": "exception", "scriptName": "shop",
            "scriptVersion": { "id": Uuid::from_u128(9) }, "eventType": "fetch", "eventTimestamp": 1_000,
            "event": {
                "request": { "method": "POST", "url": "http://shop.localhost/cart?item=5", "headers": { "cookie": "REDACTED" } },
                "response": { "status": 500 },
            },
            "logs": [
                { "timestamp": 1_002, "level": "log", "message": ["order", 5, { "a": [1] }] },
                { "timestamp": 1_004, "level": "error", "message": [{ "message": "no stock", "item": 5 }] },
                { "timestamp": 1_004, "level": "warn", "message": ["{\"level\":\"high\",\"user\":{\"id\":1}}"] },
            ],
            "exceptions": [{ "timestamp": 1_003, "name": "TypeError", "message": "x is null", "stack": "at fetch (index.js:1:1)" }],
            "subrequests": [], "wallTime": 4.5, "cpuTime": 1.25, "memory": 1, "truncated": false,
        });
        Kept { key: 1024, view: serde_json::from_value(view).unwrap(), invocation_log: true, bytes: 0 }
    }

    fn shown(kept: &Kept) -> Vec<Value> {
        events(kept).into_iter().map(|event| event.to_json("local")).collect()
    }

    #[test]
    fn the_event_of_an_invocation_has_everything_about_it() {
        let kept = kept();
        let expected = json!({
            "timestamp": 1_000, "dataset": "cloudflare-workers",
            "source": { "level": "error", "message": "POST http://shop.localhost/cart?item=5" },
            "$workers": {
                "scriptName": "shop", "scriptVersion": { "id": Uuid::from_u128(9) }, "eventType": "fetch",
                "executionModel": "stateless", "outcome": "exception", "requestId": Uuid::from_u128(5), "truncated": false,
                "event": {
                    "request": {
                        "method": "POST", "url": "http://shop.localhost/cart?item=5", "path": "/cart", "search": { "item": "5" },
                        "headers": { "cookie": "REDACTED" },
                    },
                    "response": { "status": 500 }, "rayId": "0000000000000007",
                },
                "cpuTimeMs": 1.25, "wallTimeMs": 4.5,
            },
            "$metadata": {
                "id": "000000000000040000000000", "requestId": Uuid::from_u128(5), "rayId": "0000000000000007",
                "trigger": "POST /cart", "service": "shop", "level": "error", "error": "x is null",
                "message": "POST http://shop.localhost/cart?item=5", "account": "local", "type": "cf-worker-event",
                "fingerprint": "1ff1d82d2dcae3ef", "origin": "fetch",
            },
        });
        let mut last = shown(&kept).pop().unwrap();
        // Only that it is one, and the same each time, is promised.
        let fingerprint = last["$metadata"]["fingerprint"].take();
        assert!(fingerprint.as_str().is_some_and(|text| text.len() == 16), "{fingerprint}");
        last["$metadata"]["fingerprint"] = expected["$metadata"]["fingerprint"].clone();
        assert_eq!(last, expected);
    }

    #[test]
    fn what_was_said_is_an_event_each_newest_first() {
        let kept = kept();
        let said: Vec<_> = shown(&kept)
            .into_iter()
            .map(|event| {
                let metadata = &event["$metadata"];
                assert_eq!(event["$workers"]["requestId"], metadata["requestId"]);
                let error = metadata.get("error").cloned().unwrap_or_default();
                json!([
                    event["timestamp"],
                    metadata["type"],
                    metadata["level"],
                    metadata["message"],
                    error,
                    event["source"]
                ])
            })
            .collect();
        assert_eq!(
            said[..4],
            [
                json!([1_004, "cf-worker", "warn", "{\"level\":\"high\",\"user\":{\"id\":1}}", null, { "level": "high", "user": { "id": 1 } }]),
                json!([1_004, "cf-worker", "error", "no stock", "no stock", { "level": "error", "message": "no stock", "item": 5 }]),
                json!([1_003, "cf-worker", "error", "x is null", "x is null", {
                    "level": "error", "message": "x is null",
                    "exception": { "timestamp": 1_003, "name": "TypeError", "message": "x is null", "stack": "at fetch (index.js:1:1)" },
                }]),
                json!([1_002, "cf-worker", "log", "order 5 {\"a\":[1]}", null, { "level": "log", "message": "order 5 {\"a\":[1]}" }]),
            ]
        );
        let line = &shown(&kept)[3]["$workers"];
        assert_eq!(line["event"]["request"].get("headers"), None);
        assert_eq!((line["event"].get("response"), line.get("cpuTimeMs")), (None, None));
        let positions: Vec<_> = events(&kept).iter().map(LogEvent::position).collect();
        assert!(positions.is_sorted_by(|newer, older| newer > older));
        for position in positions {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[test]
    fn without_invocation_logs_there_is_what_was_said_only() {
        let kept = Kept { invocation_log: false, ..kept() };
        assert_eq!(shown(&kept).iter().filter(|event| event["$metadata"]["type"] == "cf-worker-event").count(), 0);
        assert_eq!(shown(&kept).len(), 4);
    }

    #[test]
    fn what_was_cut_says_so_and_other_beginnings_are_named() {
        let mut kept = kept();
        kept.view.truncated = true;
        kept.view.trace_id = Some("0af7651916cd43dd8448eb211c80319c".to_owned());
        kept.view.event.request = None;
        kept.view.event_type = "scheduled".to_owned();
        kept.view.event.trigger = Some(members(json!({ "cron": "* * * * *", "scheduledTime": 60_000 })));
        for event in shown(&kept) {
            assert_eq!(event["$cloudflare"], json!({ "truncated": true }));
            assert_eq!(
                (&event["$workers"]["truncated"], &event["$metadata"]["trigger"]),
                (&json!(true), &json!("* * * * *"))
            );
            assert_eq!(event["$workers"]["event"]["cron"], "* * * * *");
            assert_eq!(event["$metadata"]["traceId"], "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(event["$workers"]["spanId"], event["$metadata"]["spanId"]);
        }
    }

    #[test]
    fn messages_that_differ_in_numbers_have_one_fingerprint() {
        let of = |message| fingerprint("shop", "cf-worker", message);
        assert_eq!(of("order 5 of 12"), of("order 17 of 3"));
        assert_ne!(of("order 5 of 12"), of("order 5 for 12"));
        assert_ne!(of("a"), fingerprint("shop", "cf-worker-event", "a"));
    }
}
