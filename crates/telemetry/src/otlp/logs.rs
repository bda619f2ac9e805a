//! What invocations say, as log records: console lines and uncaught exceptions, in their traces where there are any.

use serde_json::Value;

use super::attributes::{Attributes, any};
use super::messages::{LogRecord, Severity};
use crate::{InvocationRecord, Level, span_id};

/// The longest text of one record.
const LONGEST: usize = 64 * 1024;

fn severity(level: Level) -> (Severity, &'static str) {
    match level {
        Level::Debug => (Severity::Debug, "DEBUG"),
        Level::Error => (Severity::Error, "ERROR"),
        Level::Info | Level::Log => (Severity::Info, "INFO"),
        Level::Warn => (Severity::Warn, "WARN"),
    }
}

/// The lines and exceptions of one invocation.
pub(super) fn of_invocation(record: &InvocationRecord, logs: &mut Vec<LogRecord>) {
    let whose = || {
        Attributes::default()
            .with("faas.name", record.worker.as_str())
            .with("faas.version", record.version.to_string())
            .with("faas.invocation_id", record.id.to_string())
            .with("culvert.ray_id", record.ray_id.to_string())
    };
    let trace = record.trace;
    let log = |timestamp: i64, (number, text): (Severity, &str), mut body: String, attributes: Attributes| {
        body.truncate(body.floor_char_boundary(LONGEST));
        let time = u64::try_from(timestamp).unwrap_or(0).saturating_mul(1_000_000);
        LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: time,
            severity_number: number as i32,
            severity_text: text.to_owned(),
            body: Some(any(body)),
            attributes: attributes.0,
            flags: trace.map_or(0, |trace| u32::from(trace.sampled)),
            trace_id: trace.map(|trace| trace.trace_id.to_be_bytes().to_vec()).unwrap_or_default(),
            span_id: trace.map(|_| span_id::of_invocation(record.id).to_be_bytes().to_vec()).unwrap_or_default(),
        }
    };
    for line in &record.logs {
        let words = line.message.iter().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let body = words.collect::<Vec<_>>().join(" ");
        logs.push(log(line.timestamp, severity(line.level), body, whose()));
    }
    for exception in &record.exceptions {
        let attributes = whose()
            .with("exception.type", exception.name.as_str())
            .with("exception.message", exception.message.as_str())
            .with("exception.stacktrace", exception.stack.as_str());
        let body = format!("Uncaught {}: {}", exception.name, exception.message);
        logs.push(log(exception.timestamp, severity(Level::Error), body, attributes));
    }
}
