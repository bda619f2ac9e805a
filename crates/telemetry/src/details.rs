//! From a fact as it happened to what may be stored of it: redacted, and at most 256 KB.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::record::Ending;
use crate::view::{ConnectionView, EventView, FailureView, InvocationView, RequestView, ResponseView, ScriptVersion};
use crate::{ConnectionEvent, ConsoleLine, ExceptionRecord, InvocationRecord, SubrequestRecord, line_room, redact};

/// The most bytes of JSON that are kept of one invocation, as for Workers Logs.
pub(crate) const MAX_DETAILS: usize = 256 * 1024;
/// The most of one text (a URL, a header, an exception's stack) where a record has to be cut. A console line is cut above this
/// before another one is left out.
const MAX_TEXT: usize = 16 * 1024;

/// The part of an invocation that is stored as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// That the Worker's logs have no event for the invocation itself; see [`crate::Sampling::invocation_logs`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_invocation_log: bool,
    pub exceptions: Vec<ExceptionRecord>,
    pub logs: Vec<ConsoleLine>,
    pub subrequests: Vec<SubrequestRecord>,
}

impl Details {
    /// What may be stored of a record, as JSON too, and whether something was cut.
    pub(crate) fn of(record: &InvocationRecord, invocation_log: bool) -> (Self, String, bool) {
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in &record.headers {
            let value = redact::header_value(name, value);
            headers
                .entry(name.to_ascii_lowercase())
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(&value);
                })
                .or_insert_with(|| value.into_owned());
        }
        let subrequests = record.subrequests.iter().map(|subrequest| SubrequestRecord {
            url: redact::url(&subrequest.url).into_owned(),
            ..subrequest.clone()
        });
        let whole = Self {
            request: record.trigger.is_none().then(|| RequestView {
                method: record.method.clone(),
                url: redact::url(&record.url).into_owned(),
                headers,
            }),
            trigger: record.trigger.clone(),
            entrypoint: record.entrypoint.clone(),
            trace_id: record.trace.map(|trace| format!("{:032x}", trace.trace_id)),
            no_invocation_log: !invocation_log,
            exceptions: record.exceptions.clone(),
            logs: record.logs.clone(),
            subrequests: subrequests.collect(),
        };
        let json = json(&whole);
        if json.len() <= MAX_DETAILS {
            return (whole, json, record.truncated);
        }
        let cut = whole.cut();
        let json = self::json(&cut);
        (cut, json, true)
    }

    /// As much as there is room for, what explains a failure first.
    fn cut(mut self) -> Self {
        // Room for the braces and names around the lists.
        let mut left: usize = MAX_DETAILS - 1024;
        for exception in &mut self.exceptions {
            shorten(&mut exception.name);
            shorten(&mut exception.message);
            shorten(&mut exception.stack);
        }
        if json(&self.trigger).len() > MAX_TEXT {
            self.trigger = None;
        }
        left = left.saturating_sub(json(&self.trigger).len() + json(&self.entrypoint).len());
        if let Some(request) = &mut self.request {
            shorten(&mut request.method);
            shorten(&mut request.url);
            request.headers.values_mut().for_each(shorten);
            left = left.saturating_sub(json(&request.method).len() + json(&request.url).len());
        }
        keep_what_fits(&mut self.exceptions, &mut left);
        if let Some(request) = &mut self.request {
            let mut headers: Vec<_> = std::mem::take(&mut request.headers).into_iter().collect();
            keep_what_fits(&mut headers, &mut left);
            request.headers = headers.into_iter().collect();
        }
        self.subrequests.iter_mut().for_each(|subrequest| shorten(&mut subrequest.url));
        // Before console lines, which may be many: a quarter is enough to say what failed.
        let mut for_subrequests = left / 4;
        keep_what_fits(&mut self.subrequests, &mut for_subrequests);
        left = left.saturating_sub(left / 4 - for_subrequests);
        line_room::fit(&mut self.logs, left, MAX_TEXT);
        self
    }

    /// Everything that a search for text looks at, a line each.
    pub(crate) fn searchable(&self) -> String {
        let mut text = self.request.as_ref().map(|request| request.url.clone()).unwrap_or_default();
        if let Some(trigger) = &self.trigger {
            text.push_str(&json(trigger));
        }
        for exception in &self.exceptions {
            text.push('\n');
            text.push_str(&exception.name);
            text.push_str(": ");
            text.push_str(&exception.message);
        }
        for value in self.logs.iter().flat_map(|line| &line.message) {
            text.push('\n');
            match value {
                serde_json::Value::String(string) => text.push_str(string),
                other => text.push_str(&other.to_string()),
            }
        }
        text
    }
}

pub(crate) fn json(value: &impl Serialize) -> String {
    // Strings, numbers and string-keyed maps have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

fn shorten(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
    }
}

/// Drops what there is no room for, and nothing that comes later for its sake.
fn keep_what_fits<T: Serialize>(list: &mut Vec<T>, left: &mut usize) {
    list.retain(|element| match left.checked_sub(json(element).len() + 1) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    });
}

impl InvocationView {
    /// The record as it may be shown: redacted and cut, as it is stored.
    pub fn of(record: &InvocationRecord) -> Self {
        let (details, _, truncated) = Details::of(record, true);
        Self {
            id: record.id,
            ray_id: record.ray_id,
            outcome: record.outcome,
            script_name: record.worker.clone(),
            script_version: ScriptVersion { id: record.version },
            event_type: record.event_type.to_owned(),
            entrypoint: details.entrypoint,
            trace_id: details.trace_id,
            event_timestamp: milliseconds_since_1970(record.started),
            event: EventView {
                request: details.request,
                trigger: details.trigger,
                response: record.status.map(|status| ResponseView { status }),
            },
            logs: details.logs,
            exceptions: details.exceptions,
            subrequests: details.subrequests,
            wall_time: milliseconds(record.wall_time),
            cpu_time: milliseconds(record.cpu_time),
            memory: record.memory,
            truncated,
        }
    }
}

impl From<&ConnectionEvent> for ConnectionView {
    fn from(event: &ConnectionEvent) -> Self {
        Self {
            id: event.id,
            timestamp: milliseconds_since_1970(event.started),
            service_id: event.service,
            service_name: event.service_name.clone(),
            tunnel_id: event.tunnel,
            connector_id: event.connector,
            worker: event.worker.clone(),
            invocation_id: event.invocation,
            ray_id: event.ray_id,
            address: event.address.clone(),
            reused: event.reused,
            status: event.status,
            canceled: event.ending() == Ending::Canceled,
            timings: event.timings,
            failure: event.error.as_ref().map(|error| FailureView {
                code: error.code,
                category: error.category,
                phase: error.phase,
                detail: error.detail.clone(),
                retryable: error.retryable,
            }),
        }
    }
}

/// Microseconds since 1970, as facts are stored.
pub(crate) fn microseconds_since_1970(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

fn milliseconds_since_1970(time: OffsetDateTime) -> i64 {
    microseconds_since_1970(time).div_euclid(1000)
}

/// Microseconds of a duration, as facts are stored.
pub(crate) fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Level;
    use invocation::{Outcome, RayId};
    use uuid::Uuid;

    fn record() -> InvocationRecord {
        InvocationRecord {
            id: Uuid::nil(),
            ray_id: RayId(1),
            worker: "hello".to_owned(),
            version: Uuid::nil(),
            event_type: "fetch",
            entrypoint: None,
            trigger: None,
            started: OffsetDateTime::UNIX_EPOCH + Duration::from_micros(1_500),
            outcome: Outcome::Ok,
            cpu_time: Duration::from_micros(1_250),
            wall_time: Duration::from_micros(2_500),
            memory: 1,
            method: "GET".to_owned(),
            url: "http://a/".to_owned(),
            headers: Vec::new(),
            status: Some(200),
            logs: Vec::new(),
            exceptions: Vec::new(),
            subrequests: Vec::new(),
            further_subrequests: 0,
            truncated: false,
            trace: None,
        }
    }

    fn line(text: &str) -> ConsoleLine {
        ConsoleLine { timestamp: 1, level: Level::Log, message: vec![text.into()] }
    }

    #[test]
    fn the_shape_is_that_of_tail_events() {
        let mut record = record();
        record.headers = vec![
            ("Accept".to_owned(), "a".to_owned()),
            ("accept".to_owned(), "b".to_owned()),
            ("cookie".to_owned(), "session=1".to_owned()),
        ];
        record.logs = vec![line("hi")];
        let view = serde_json::to_value(InvocationView::of(&record)).unwrap();
        let expected = serde_json::json!({
            "id": Uuid::nil(), "rayId": "0000000000000001", "outcome": "ok", "scriptName": "hello",
            "scriptVersion": {"id": Uuid::nil()}, "eventType": "fetch", "eventTimestamp": 1,
            "event": {
                "request": {"method": "GET", "url": "http://a/", "headers": {"accept": "a, b", "cookie": "REDACTED"}},
                "response": {"status": 200},
            },
            "logs": [{"timestamp": 1, "level": "log", "message": ["hi"]}],
            "exceptions": [], "subrequests": [], "wallTime": 2.5, "cpuTime": 1.25, "memory": 1, "truncated": false,
        });
        assert_eq!(view, expected);
    }

    #[test]
    fn what_is_too_large_is_cut_and_says_so() {
        let mut record = record();
        record.logs = (0..1000).map(|i| line(&format!("{i} {}", "ü\"".repeat(500)))).collect();
        record.url = format!("http://a/{}", "x/".repeat(100_000));
        record.exceptions = vec![ExceptionRecord {
            timestamp: 1,
            name: "Error".to_owned(),
            message: "the cause".to_owned(),
            stack: "ü".repeat(300_000),
            connection: None,
        }];
        let (details, json, truncated) = Details::of(&record, true);
        assert!(truncated && json.len() <= MAX_DETAILS && json.len() > MAX_DETAILS / 2, "{}", json.len());
        assert_eq!(details.exceptions[0].message, "the cause");
        assert!(details.logs.len() > 10 && details.logs.len() < 1000);
        let whole = details.logs.iter().zip(&record.logs).take_while(|(kept, said)| kept == said).count();
        assert!(whole > 50 && whole + 10 > details.logs.len(), "{whole} of {}", details.logs.len());
        assert_eq!(serde_json::from_str::<Details>(&json).unwrap(), details);
    }

    #[test]
    fn a_line_that_is_too_large_is_cut_and_those_around_it_stay() {
        let mut record = record();
        record.logs =
            vec![line("before"), line(&"x".repeat(400_000)), line("after"), line(&"y".repeat(20_000)), line("end")];
        record.subrequests = (0..3)
            .map(|_| SubrequestRecord {
                target: "API".to_owned(),
                method: "GET".to_owned(),
                url: "http://api.internal/".to_owned(),
                started_ms: 0.5,
                duration_ms: 1.0,
                status: Some(200),
                error: None,
            })
            .collect();
        let (details, json, truncated) = Details::of(&record, true);
        assert!(truncated && json.len() <= MAX_DETAILS, "{}", json.len());
        // As much as possible: next to nothing is left unused.
        assert!(json.len() > MAX_DETAILS - 4096, "{}", json.len());
        let texts: Vec<_> = details.logs.iter().map(|line| line.message[0].as_str().unwrap()).collect();
        let [before, cut, after, other, end] = texts[..] else { panic!("{} lines", texts.len()) };
        assert_eq!((before, after, end), ("before", "after", "end"));
        assert!(cut.starts_with("xxx") && cut.ends_with("… [truncated]"), "{}", &cut[cut.len() - 30..]);
        assert_eq!(other.len(), 20_000);
        assert_eq!(details.subrequests, record.subrequests);
    }
}
