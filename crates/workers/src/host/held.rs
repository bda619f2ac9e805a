//! Bytes that the platform holds for an isolate: they count to its memory as long as anyone has them.

use bytes::Bytes;
use isolate::{Charge, Ledger};

/// Below this many bytes counting costs more than it tells.
const SMALL: usize = 1024;

struct Held {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes that script has handed over, charged until the last reference to them is gone: sent, or given up.
pub(super) fn hold(ledger: &Ledger, bytes: Vec<u8>) -> Bytes {
    if bytes.len() < SMALL {
        return Bytes::from(bytes);
    }
    let _charge = ledger.charge(bytes.len());
    Bytes::from_owner(Held { bytes, _charge })
}
