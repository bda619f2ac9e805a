//! Console lines, which live on this side: they survive an isolate that is stopped.

use isolate::{Arguments, Scope, Throw, Value};
use telemetry::{ConsoleLine, Level};

use super::Host;
use crate::running::{LOG_LIMIT, timestamp};

/// What a line costs beside its text.
const LINE: usize = 16;

/// `log(level, values)`
pub(super) fn log(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let level = match arguments.string(0)?.as_str() {
        "debug" => Level::Debug,
        "error" => Level::Error,
        "info" => Level::Info,
        "warn" => Level::Warn,
        _ => Level::Log,
    };
    let values = arguments.strings(1)?;
    let bytes = values.iter().map(String::len).sum::<usize>() + LINE;
    let message = values
        .into_iter()
        .map(|text| if text.len() > LOG_LIMIT { Err(text) } else { serde_json::from_str(&text).map_err(|_| text) })
        .map(|value| value.unwrap_or_else(serde_json::Value::String))
        .collect();
    let line = ConsoleLine { timestamp: timestamp(), level, message };
    match host.running.borrow_mut().get_mut(&host.current()) {
        Some(running) => running.log(line, bytes),
        None => {
            let mut lines = host.startup_lines.borrow_mut();
            if lines.iter().map(|(_, bytes)| bytes).sum::<usize>() < LOG_LIMIT {
                lines.push((line, bytes));
            }
        }
    }
    Ok(Value::Undefined)
}
