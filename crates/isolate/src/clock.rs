//! The clock that script sees: `Date.now()`, `new Date()`, `Temporal.Now`. It may stand still during an entry.

use std::time::SystemTime;

use mozjs::context::{JSContext, RawJSContext};
use mozjs::jsapi::{
    RTPCallerTypeToken, SetRealmReduceTimerPrecisionCallerType, SetReduceMicrosecondTimePrecisionCallback,
};
use mozjs::rust::wrappers2::GetCurrentRealmOrNull;

use crate::state::current;

/// Once per process, before the first realm.
pub(crate) fn install() {
    // SAFETY: the callback is a static function. Every realm made after this has a caller type, which the engine requires
    // (`RealmOptions.h`): see `opt_in`.
    unsafe { SetReduceMicrosecondTimePrecisionCallback(Some(reduce)) };
}

/// For each new realm. In the realm.
pub(crate) fn opt_in(cx: &JSContext) {
    // SAFETY: the realm is the current one.
    unsafe { SetRealmReduceTimerPrecisionCallerType(GetCurrentRealmOrNull(cx), RTPCallerTypeToken { value: 0 }) };
}

/// Asked for the time, in microseconds since 1970, that script sees when it is `now`. Must not collect.
unsafe extern "C" fn reduce(now: f64, _: RTPCallerTypeToken, _: *mut RawJSContext) -> f64 {
    current().and_then(|state| state.frozen_time.get()).unwrap_or(now)
}

/// Microseconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e6)
}
