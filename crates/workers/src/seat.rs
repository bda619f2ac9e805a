//! What the pool sees of one isolate: the way to its thread, and how loaded it is.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use isolate::{Control, Ledger};

use crate::mailbox::Mailbox;

/// One isolate, from outside.
pub(crate) struct Seat {
    /// The way in.
    pub mailbox: Mailbox,
    /// Stops what runs. Set once the isolate exists.
    pub control: OnceLock<Control>,
    /// Invocations that run.
    pub running: AtomicUsize,
    /// The account of the isolate's memory.
    pub ledger: Ledger,
    accepting: AtomicBool,
    epoch: Instant,
    /// Microseconds from the epoch to the beginning of the present entry, plus one; 0 outside of entries.
    entry: AtomicU64,
    /// Microseconds from the epoch to when it last had something to do.
    used: AtomicU64,
}

impl Seat {
    /// A seat for an isolate with this much memory, in bytes.
    pub(crate) fn new(memory: usize) -> Self {
        Seat {
            mailbox: Mailbox::default(),
            control: OnceLock::new(),
            running: AtomicUsize::new(0),
            ledger: Ledger::new(memory),
            accepting: AtomicBool::new(true),
            epoch: Instant::now(),
            entry: AtomicU64::new(0),
            used: AtomicU64::new(0),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }

    /// An entry begins.
    pub(crate) fn entered(&self, now: Instant) {
        self.entry.store(self.micros(now).saturating_add(1), Ordering::Relaxed);
    }

    /// The entry is over.
    pub(crate) fn left(&self, now: Instant) {
        self.entry.store(0, Ordering::Relaxed);
        self.used.store(self.micros(now), Ordering::Relaxed);
    }

    /// It takes no new jobs from now on.
    pub(crate) fn stop_accepting(&self) {
        self.accepting.store(false, Ordering::Release);
    }

    /// Its load at `now`.
    pub(crate) fn load(&self, now: Instant) -> Load {
        let now = self.micros(now);
        let entry = self.entry.load(Ordering::Relaxed);
        let since = |then: u64| Duration::from_micros(now.saturating_sub(then));
        Load {
            accepting: self.accepting.load(Ordering::Acquire),
            running: self.running.load(Ordering::Relaxed),
            queued: self.mailbox.jobs(),
            entry: if entry == 0 { Duration::ZERO } else { since(entry - 1) },
            unused: since(self.used.load(Ordering::Relaxed)),
            memory: self.ledger.used(),
        }
    }
}

/// How loaded an isolate is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Whether it takes new jobs.
    pub accepting: bool,
    /// Invocations that run.
    pub running: usize,
    /// Invocations that wait to begin.
    pub queued: usize,
    /// For how long script has been running without a pause.
    pub entry: Duration,
    /// For how long it has had nothing to do, when it has none.
    pub unused: Duration,
    /// Bytes in use.
    pub memory: usize,
}

impl Load {
    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.running == 0 && self.queued == 0
    }
}
