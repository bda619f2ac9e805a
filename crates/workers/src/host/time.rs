//! Timers and the clock.

use std::time::{Duration, Instant};

use isolate::{Arguments, Scope, Throw, Value};

use super::operations::Kind;
use super::{Host, number};

/// The longest timer, in milliseconds: what browsers allow.
const LONGEST: f64 = i32::MAX as f64;

/// `timer(milliseconds)`
pub(super) fn timer(scope: &mut Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Throw> {
    let host = scope.data::<Host>();
    let milliseconds = arguments.number(0)?;
    // NaN becomes 0.
    let delay = Duration::from_secs_f64(milliseconds.clamp(0.0, LONGEST).max(0.0) / 1000.0);
    let owner = host.current();
    if owner == 0 {
        return Err(Throw::Error("Disallowed operation called within global scope: setting a timer.".to_owned()));
    }
    host.begin(owner, Kind::Timer(Instant::now() + delay)).map(number)
}

/// `now()`
pub(super) fn now(scope: &mut Scope<'_>, _: &Arguments<'_>) -> Result<Value, Throw> {
    Ok(Value::Number(scope.now()))
}
