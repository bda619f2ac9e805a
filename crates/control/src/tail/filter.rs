//! The filters of a tail: which events a client wants. Pure: the draw for sampling is passed in.

use std::net::IpAddr;

use serde_json::Value;

use crate::envelope::ApiError;
use crate::platform::TailEvent;

const MAX_FILTERS: usize = 50;

#[derive(Clone, Debug, PartialEq)]
enum Filter {
    /// The share of events, 0 to 1.
    SamplingRate(f64),
    /// One of these outcomes.
    Outcome(Vec<String>),
    /// One of these methods, upper case.
    Method(Vec<String>),
    /// A request header, with this text in its value if given.
    Header { name: String, text: Option<String> },
    /// From one of these addresses.
    ClientIp(Vec<String>),
    /// This text in a logged message.
    Query(String),
    /// This version.
    Version(String),
}

/// Whether a message has this text in it: as a line in which the values that were logged stand side by side, in one of its
/// strings, however deep, or as JSON.
fn says(message: &Value, text: &str) -> bool {
    fn in_strings(value: &Value, text: &str) -> bool {
        match value {
            Value::String(string) => string.contains(text),
            Value::Array(items) => items.iter().any(|item| in_strings(item, text)),
            Value::Object(members) => {
                members.iter().any(|(name, value)| name.contains(text) || in_strings(value, text))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = match message {
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => plain(other),
    };
    line.contains(text) || in_strings(message, text) || message.to_string().contains(text)
}

/// The filters of one tail; an event must fit all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filters(Vec<Filter>);

fn strings(pointer: &str, value: &Value) -> Result<Vec<String>, ApiError> {
    value
        .as_array()
        .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>())
        .ok_or_else(|| ApiError::field(pointer, "A list of strings is expected."))
}

impl Filters {
    /// Reads `{"filters": […]}`. `caller` stands for the address `self`.
    pub(crate) fn parse(body: &Value, caller: IpAddr) -> Result<Self, ApiError> {
        let items = match body.get("filters") {
            None | Some(Value::Null) => return Ok(Filters::default()),
            Some(Value::Array(items)) if items.len() <= MAX_FILTERS => items,
            Some(_) => {
                return Err(ApiError::field(
                    "/filters",
                    format!("filters must be a list of at most {MAX_FILTERS} filters."),
                ));
            }
        };
        let mut filters = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let pointer = format!("/filters/{at}");
            let members = item.as_object().ok_or_else(|| ApiError::field(&pointer, "A filter must be an object."))?;
            for (name, value) in members {
                let pointer = format!("{pointer}/{name}");
                let text = || {
                    value.as_str().map(str::to_owned).ok_or_else(|| ApiError::field(&pointer, "A string is expected."))
                };
                filters.push(match name.as_str() {
                    "sampling_rate" => Filter::SamplingRate(
                        value
                            .as_f64()
                            .filter(|rate| (0.0..=1.0).contains(rate))
                            .ok_or_else(|| {
                                ApiError::field(&pointer, "A number from 0 to 1 is expected.")
                            })?,
                    ),
                    "outcome" => Filter::Outcome(strings(&pointer, value)?),
                    "method" => Filter::Method(
                        strings(&pointer, value)?
                            .into_iter()
                            .map(|method| method.to_ascii_uppercase())
                            .collect(),
                    ),
                    "header" if value.get("query").is_some_and(|query| !query.is_null() && !query.is_string()) => {
                        return Err(ApiError::field(
                            format!("{pointer}/query"),
                            "The text in a header's value must be a string.",
                        ));
                    }
                    "header" => Filter::Header {
                        name: value
                            .get("key")
                            .and_then(Value::as_str)
                            .ok_or_else(|| {
                                ApiError::field(&pointer, "A header filter needs a \"key\".")
                            })?
                            .to_ascii_lowercase(),
                        text: value.get("query").and_then(Value::as_str).map(str::to_owned),
                    },
                    "client_ip" => Filter::ClientIp(
                        strings(&pointer, value)?
                            .into_iter()
                            .map(|ip| if ip == "self" { caller.to_string() } else { ip })
                            .collect(),
                    ),
                    "query" => Filter::Query(text()?),
                    "scriptVersion" => Filter::Version(text()?),
                    _ => {
                        return Err(ApiError::field(
                            &pointer,
                            format!("\"{name}\" is not a filter; sampling_rate, outcome, method, header, client_ip, query and scriptVersion are."),
                        ));
                    }
                });
            }
        }
        Ok(Filters(filters))
    }

    /// True when the event fits. `draw` is evenly spread over 0 to 1.
    pub(crate) fn fits(&self, event: &TailEvent, draw: f64) -> bool {
        let TailEvent { shown: event, headers } = event;
        // That events were lost is news to everybody.
        if event.pointer("/event/type").is_some_and(|kind| kind == "overload") {
            return true;
        }
        let header = |name: &str, fits: &dyn Fn(&str) -> bool| {
            headers.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && fits(value))
        };
        self.0.iter().all(|filter| match filter {
            Filter::SamplingRate(rate) => draw < *rate,
            Filter::Outcome(wanted) => {
                event["outcome"].as_str().is_some_and(|outcome| wanted.iter().any(|wanted| wanted == outcome))
            }
            Filter::Method(wanted) => event
                .pointer("/event/request/method")
                .and_then(Value::as_str)
                .is_some_and(|method| wanted.iter().any(|wanted| wanted == method)),
            Filter::Header { name, text } => {
                header(name, &|value| text.as_deref().is_none_or(|text| value.contains(text)))
            }
            Filter::ClientIp(wanted) => {
                header("cf-connecting-ip", &|address| wanted.iter().any(|wanted| wanted == address))
            }
            Filter::Query(text) => {
                event["logs"].as_array().is_some_and(|logs| logs.iter().any(|log| says(&log["message"], text)))
            }
            Filter::Version(wanted) => event.pointer("/scriptVersion/id").and_then(Value::as_str) == Some(wanted),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const CALLER: &str = "192.0.2.7";

    fn fits(filter: Value) -> bool {
        let event = json!({
            "outcome": "exception", "scriptVersion": { "id": "abc" },
            "logs": [
                { "message": ["hello", { "a": 1 }], "level": "log" },
                { "message": ["he said \"hi\"", { "deep": [{ "path": "C:\\temp" }] }], "level": "log" },
            ],
            "event": { "request": { "method": "GET", "headers": { "authorization": "REDACTED" } } },
        });
        let headers =
            [("X-A", "one two"), ("Authorization", "Bearer abc"), ("x-a", "four"), ("cf-connecting-ip", CALLER)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let event = TailEvent { shown: event, headers };
        let filters = Filters::parse(&json!({ "filters": [filter] }), CALLER.parse().unwrap());
        filters.unwrap().fits(&event, 0.5)
    }

    #[test]
    fn each_filter_fits_what_it_names_and_nothing_else() {
        for (good, bad) in [
            (json!({ "sampling_rate": 0.6 }), json!({ "sampling_rate": 0.5 })),
            (json!({ "outcome": ["ok", "exception"] }), json!({ "outcome": ["ok"] })),
            (json!({ "method": ["get"] }), json!({ "method": ["POST"] })),
            (json!({ "header": { "key": "x-a" } }), json!({ "header": { "key": "x-b" } })),
            (
                json!({ "header": { "key": "x-a", "query": "two" } }),
                json!({ "header": { "key": "x-a", "query": "three" } }),
            ),
            (json!({ "client_ip": ["self"] }), json!({ "client_ip": ["192.0.2.8"] })),
            (
                json!({ "header": { "key": "authorization", "query": "Bearer abc" } }),
                json!({ "header": { "key": "authorization", "query": "REDACTED" } }),
            ),
            (
                json!({ "header": { "key": "x-a", "query": "four" } }),
                json!({ "header": { "key": "X-A", "query": "ten" } }),
            ),
            (json!({ "query": "hello" }), json!({ "query": "bye" })),
            (json!({ "query": "he said \"hi\"" }), json!({ "query": "he said \"ho\"" })),
            (json!({ "query": "C:\\temp" }), json!({ "query": "D:\\temp" })),
            (json!({ "query": "hello {\"a\":1}" }), json!({ "query": "hello {\"a\":2}" })),
            (json!({ "query": "\"a\":1" }), json!({ "query": "\"b\":1" })),
            (json!({ "scriptVersion": "abc" }), json!({ "scriptVersion": "abd" })),
        ] {
            assert!(fits(good.clone()), "{good}");
            assert!(!fits(bad.clone()), "{bad}");
        }
        assert!(fits(json!({})));
        let notice =
            json!({ "outcome": "unknown", "event": { "type": "overload", "message": "3 events are left out" } });
        let notice = TailEvent { shown: notice, headers: Vec::new() };
        let errors =
            Filters::parse(&json!({ "filters": [{ "outcome": ["exception"] }] }), CALLER.parse().unwrap()).unwrap();
        assert!(errors.fits(&notice, 0.5));
        assert!(!fits(json!({ "outcome": ["exception"], "method": ["POST"] })));
    }

    #[test]
    fn unknown_and_malformed_filters_are_refused() {
        for filters in [
            json!(5),
            json!([5]),
            json!([{ "foo": 1 }]),
            json!([{ "sampling_rate": 2 }]),
            json!([{ "outcome": "ok" }]),
            json!([{ "method": [1] }]),
            json!([{ "header": {} }]),
            json!([{ "header": { "key": "x-a", "query": 5 } }]),
            json!([{ "query": 1 }]),
        ] {
            let body = json!({ "filters": filters });
            assert!(Filters::parse(&body, CALLER.parse().unwrap()).is_err(), "{body}");
        }
    }
}
