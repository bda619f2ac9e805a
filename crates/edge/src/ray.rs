//! Where ray ids come from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use invocation::RayId;

/// How many of a ray id's bits tell requests of one millisecond apart. The other 41 are the time until the year 2039.
const SERIAL_BITS: u32 = 23;
const SERIAL_MASK: u64 = (1 << SERIAL_BITS) - 1;

/// Makes ray ids that grow with time: whoever stores them by ray id stores them in order, and finds them by time.
///
/// Within a millisecond they are told apart by a serial number, so that one edge gives no id twice; it begins anywhere, and
/// goes on in steps that do not show how many requests there are.
#[derive(Debug)]
pub(crate) struct RayIds {
    serial: AtomicU64,
    step: u64,
}

impl RayIds {
    pub(crate) fn new() -> Self {
        // An odd step meets each serial number once before it meets one again.
        Self { serial: AtomicU64::new(fastrand::u64(..)), step: fastrand::u64(..) | 1 }
    }

    pub(crate) fn next(&self) -> RayId {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let serial = self.serial.fetch_add(self.step, Ordering::Relaxed) & SERIAL_MASK;
        RayId(milliseconds << SERIAL_BITS | serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_id_is_given_twice_and_later_ones_are_larger() {
        let rays = RayIds::new();
        let given: HashSet<_> = (0..200_000).map(|_| rays.next()).collect();
        assert_eq!(given.len(), 200_000);
        let before = rays.next();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(rays.next() > before);
    }
}
