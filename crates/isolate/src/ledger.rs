//! What an isolate's memory limit is about: what the engine uses for it, and what the embedder holds for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See [`Ledger::has_room`].
const SMALL: usize = 64 * 1024;

/// The account of one isolate's memory, in bytes. Clones are the same account; any thread may charge it.
///
/// What the embedder holds on behalf of an isolate (bodies, queues, log lines) is memory that script made it hold: it is charged here
/// and counts to the limit like the engine's own.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    /// What the engine used when it was last asked.
    engine: AtomicUsize,
    /// What the embedder holds.
    held: AtomicUsize,
}

impl Default for Ledger {
    /// 128 MiB.
    fn default() -> Self {
        Ledger::new(128 * 1024 * 1024)
    }
}

impl Ledger {
    /// An account with this limit. For one isolate.
    pub fn new(limit: usize) -> Ledger {
        Ledger(Arc::new(Account { limit, engine: AtomicUsize::new(0), held: AtomicUsize::new(0) }))
    }

    /// What may be used without consequences.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// How far an isolate that is over its limit may go before it is stopped at once: an eighth of the limit, 16 MiB of 128.
    pub fn margin(&self) -> usize {
        self.0.limit / 8
    }

    /// What is used, the engine's share as it was when last looked at.
    pub fn used(&self) -> usize {
        self.0.engine.load(Ordering::Relaxed).saturating_add(self.held())
    }

    /// What the embedder holds.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Charges what is held already.
    pub fn charge(&self, bytes: usize) -> Charge {
        let mut charge = Charge { ledger: self.clone(), bytes: 0 };
        charge.grow(bytes);
        charge
    }

    /// Whether something of this size would still be within the limit. Small things are let into the margin, so that what is in flight on an
    /// isolate that is over its limit can finish.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.fits(bytes, bytes)
    }

    /// Whether `bytes` more are possible for something that is then of the size `whole`.
    fn fits(&self, bytes: usize, whole: usize) -> bool {
        let end = if whole <= SMALL { self.0.limit.saturating_add(self.margin()) } else { self.0.limit };
        self.used().saturating_add(bytes) <= end
    }

    pub(crate) fn set_engine(&self, bytes: usize) {
        self.0.engine.store(bytes, Ordering::Relaxed);
    }
}

/// Bytes charged to a [`Ledger`] until this is dropped.
#[derive(Debug)]
pub struct Charge {
    ledger: Ledger,
    bytes: usize,
}

impl Charge {
    /// What is charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges more.
    pub fn grow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.ledger.0.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Charges more, unless that would be over the limit. Whether it did.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let fits = self.ledger.fits(bytes, self.bytes.saturating_add(bytes));
        if fits {
            self.grow(bytes);
        }
        fits
    }

    /// Charges so many bytes instead of what was charged.
    pub fn set(&mut self, bytes: usize) {
        self.grow(bytes.saturating_sub(self.bytes));
        self.shrink(self.bytes.saturating_sub(bytes));
    }

    /// Gives some back.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.ledger.0.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_come_back() {
        let ledger = Ledger::new(100);
        let mut charge = ledger.charge(10);
        ledger.set_engine(50);
        assert_eq!((ledger.used(), ledger.held()), (60, 10));
        assert!(charge.try_grow(40));
        let large = Ledger::new(8 << 20);
        let mut over = large.charge(8 << 20);
        assert!(over.ledger.has_room(SMALL) && !over.ledger.has_room(SMALL + 1));
        assert!(!over.try_grow(1), "it is large itself");
        assert!(large.charge(0).try_grow(SMALL) && !large.charge(0).try_grow(SMALL + 1));
        charge.set(60);
        assert_eq!((charge.bytes(), ledger.held()), (60, 60));
        charge.set(50);
        charge.shrink(45);
        assert_eq!((charge.bytes(), ledger.used()), (5, 55));
        charge.shrink(99);
        drop(charge);
        assert_eq!(ledger.held(), 0);
    }
}
