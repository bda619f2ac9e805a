//! Records of invocations as people read them, and the addresses that ask for them.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::output::text;

/// Percent-encoded: everything but RFC 3986's unreserved characters.
pub fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// One line for the invocation, and one for each thing that it said.
pub fn lines(record: &Value) -> Vec<String> {
    if let Some(notice) = record.pointer("/event/message").and_then(Value::as_str) {
        return vec![notice.to_owned()];
    }
    let number = |pointer| record.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
    let nanoseconds = number("/eventTimestamp") as i128 * 1_000_000;
    let began = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok().and_then(|at| at.format(&Rfc3339).ok());
    let status = record.pointer("/event/response/status").map_or_else(|| "-".to_owned(), Value::to_string);
    let asked = match record.pointer("/event/request") {
        Some(request) => format!("{} {}", text(request, "/method"), text(request, "/url")),
        None => {
            let trigger =
                ["/event/rpcMethod", "/event/cron"].into_iter().find_map(|name| record.pointer(name)?.as_str());
            format!("{} {}", text(record, "/eventType"), trigger.unwrap_or("-"))
        }
    };
    let mut lines = vec![format!(
        "{}  {}  {}  {asked} {status}  cpu {:.1} ms, wall {:.1} ms  ray {}",
        began.as_deref().unwrap_or("-"),
        text(record, "/scriptName"),
        text(record, "/outcome"),
        number("/cpuTime"),
        number("/wallTime"),
        text(record, "/rayId"),
    )];
    let list = |name| record.get(name).and_then(Value::as_array).into_iter().flatten();
    for line in list("logs") {
        let words = line.get("message").and_then(Value::as_array).into_iter().flatten();
        let mut words: Vec<String> =
            words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
        // The facts of a failed connection follow its sentence, for programs.
        if words.first().is_some_and(|sentence| sentence.starts_with("ProxyError: ")) {
            words.truncate(1);
        }
        lines.push(format!("    {}: {}", text(line, "/level"), words.join(" ")));
    }
    for subrequest in list("subrequests") {
        let result = match subrequest.get("status").and_then(Value::as_u64) {
            Some(status) => status.to_string(),
            None => text(subrequest, "/error").to_owned(),
        };
        lines.push(format!(
            "    {}: {} {} {result}, {:.1} ms",
            text(subrequest, "/target"),
            text(subrequest, "/method"),
            text(subrequest, "/url"),
            subrequest.get("durationMs").and_then(Value::as_f64).unwrap_or_default(),
        ));
    }
    for exception in list("exceptions") {
        lines.push(format!("    uncaught {}: {}", text(exception, "/name"), text(exception, "/message")));
        // Frames of the Worker; those of the platform help nobody to find its mistake.
        let frames = text(exception, "/stack").lines().map(str::trim_start).filter(|line| line.starts_with("at "));
        lines.extend(frames.filter(|frame| !frame.contains("(culvert:")).map(|frame| format!("        {frame}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_cannot_add_a_parameter() {
        assert_eq!(encoded("a&limit=5 ü"), "a%26limit%3D5%20%C3%BC");
    }

    #[test]
    fn a_record_is_a_line_and_what_it_said() {
        let record = json!({
            "scriptName": "w", "outcome": "exception", "eventTimestamp": 1_795_233_877_776_i64, "rayId": "0123456789abcdef",
            "cpuTime": 1.25, "wallTime": 7.0, "event": {"request": {"method": "GET", "url": "http://w/"}},
            "logs": [
                {"level": "warn", "message": ["x", {"a": 1}]},
                {"level": "warn", "message": ["ProxyError: dns_error (Client, dns): no such name", {"code": "dns_error"}]},
            ],
            "exceptions": [{"name": "TypeError", "message": "no", "stack": "TypeError: no\n    at fetch (index.js:4:25)\n    at serve (culvert:main.js:1:1)"}],
            "subrequests": [{"target": "API", "method": "GET", "url": "http://a/", "error": "ProxyError: dns_error", "durationMs": 1.25}],
        });
        let expected = [
            "2026-11-21T04:04:37.776Z  w  exception  GET http://w/ -  cpu 1.2 ms, wall 7.0 ms  ray 0123456789abcdef",
            "    warn: x {\"a\":1}",
            "    warn: ProxyError: dns_error (Client, dns): no such name",
            "    API: GET http://a/ ProxyError: dns_error, 1.2 ms",
            "    uncaught TypeError: no",
            "        at fetch (index.js:4:25)",
        ];
        assert_eq!(lines(&record), expected);
    }
}
