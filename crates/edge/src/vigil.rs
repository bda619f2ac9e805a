//! Stays awake for the moment in which the next thing is about to happen.
//!
//! A thread that sleeps takes its processor to sleep with it when it is the only one, and waking that takes tens of microseconds, most of all
//! in a virtual machine. A request that is alone on its way meets this at every thread that it passes. So while few requests are in flight, and for a
//! moment after the last, the visitors' event loop looks again and again instead of sleeping: its processor stays awake, and the threads
//! that a request passes take turns on the others.
//!
//! How long a moment is it learns as KVM's halt polling does (Linux, `Documentation/virt/kvm/halt-polling.rst`): what comes soon makes it
//! longer, up to [`EdgeOptions::busy_poll`](crate::EdgeOptions), and what comes later makes it shorter, down to nothing. Waiting for an
//! answer and waiting for the next request are learnt apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// More requests in flight keep the processors awake by themselves.
const FEW: usize = 2;

/// The first moment that is tried.
const SHORTEST: Duration = Duration::from_micros(20);

/// How long it is worth to wait for one kind of event.
#[derive(Debug, Default)]
struct Moment {
    /// In microseconds.
    length: AtomicU32,
}

impl Moment {
    fn length(&self) -> Duration {
        Duration::from_micros(self.length.load(Ordering::Relaxed).into())
    }

    /// The event came after so long.
    fn learn(&self, took: Duration, longest: Duration) {
        let length = self.length();
        let next = if took > longest {
            let half = length / 2;
            if half < SHORTEST { Duration::ZERO } else { half }
        } else if took > length {
            (length * 2).max(SHORTEST).min(longest)
        } else {
            return;
        };
        self.length.store(u32::try_from(next.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// What the requests of an edge tell, and who watches for the next.
#[derive(Debug)]
pub(crate) struct Vigil {
    longest: Duration,
    start: Instant,
    in_flight: AtomicUsize,
    /// When the last request began or ended, in nanoseconds after the start.
    last: AtomicU64,
    answer: Moment,
    request: Moment,
    asleep: AtomicBool,
    waking: Notify,
}

/// A request, until its response is over.
pub(crate) struct Awaited(Option<Arc<Vigil>>);

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(vigil) = &self.0 {
            let before = vigil.in_flight.fetch_sub(1, Ordering::Relaxed);
            vigil.happened(before);
        }
    }
}

impl Vigil {
    /// One whose moments are at most so long; zero for none at all.
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            longest,
            start: Instant::now(),
            in_flight: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            answer: Moment::default(),
            request: Moment::default(),
            asleep: AtomicBool::new(false),
            waking: Notify::new(),
        }
    }

    /// A request begins.
    pub(crate) fn awaiting(self: &Arc<Self>) -> Awaited {
        if self.longest.is_zero() {
            return Awaited(None);
        }
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.happened(before);
        Awaited(Some(self.clone()))
    }

    fn happened(&self, in_flight_before: usize) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let took = Duration::from_nanos(now.saturating_sub(self.last.swap(now, Ordering::Relaxed)));
        self.moment(in_flight_before).learn(took, self.longest);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.waking.notify_one();
        }
    }

    fn moment(&self, in_flight: usize) -> &Moment {
        if in_flight == 0 { &self.request } else { &self.answer }
    }

    /// Whether what is waited for may come so soon that sleep is not worth it.
    fn is_worth_it(&self) -> bool {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        in_flight <= FEW && self.start.elapsed() < last + self.moment(in_flight).length()
    }

    /// Keeps its event loop awake while that is worth it. Never ends, unless there is nothing to keep.
    pub(crate) async fn keep(self: Arc<Self>) {
        while !self.longest.is_zero() {
            self.asleep.store(true, Ordering::Relaxed);
            self.waking.notified().await;
            while self.is_worth_it() {
                tokio::task::yield_now().await;
                // What else wants this processor goes first.
                std::thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(500);

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn a_moment_grows_to_what_comes_soon_and_no_further() {
        let moment = Moment::default();
        for _ in 0..20 {
            moment.learn(micros(100), LONGEST);
        }
        assert_eq!(moment.length(), micros(160), "20, 40, 80, 160 microseconds: the last is long enough");
        for _ in 0..20 {
            moment.learn(micros(500), LONGEST);
        }
        assert_eq!(moment.length(), LONGEST);
    }

    #[test]
    fn a_moment_shrinks_to_nothing_when_everything_comes_late() {
        let moment = Moment::default();
        for _ in 0..10 {
            moment.learn(micros(400), LONGEST);
        }
        for _ in 0..10 {
            moment.learn(micros(501), LONGEST);
        }
        assert_eq!(moment.length(), Duration::ZERO);
    }

    #[tokio::test]
    async fn answers_and_requests_are_learnt_apart() {
        let vigil = Arc::new(Vigil::new(Duration::from_secs(3600)));
        for _ in 0..40 {
            drop(vigil.awaiting());
        }
        let soon = vigil.request.length();
        vigil.answer.learn(Duration::from_secs(3601), vigil.longest);
        assert_eq!(vigil.request.length(), soon);
        assert_ne!(soon, Duration::ZERO);
    }

    #[tokio::test]
    async fn many_requests_keep_nobody_awake() {
        let vigil = Arc::new(Vigil::new(Duration::from_secs(3600)));
        vigil.answer.learn(Duration::from_secs(1), vigil.longest);
        vigil.answer.length.store(u32::MAX, Ordering::Relaxed);
        let few: Vec<_> = (0..FEW).map(|_| vigil.awaiting()).collect();
        assert!(vigil.is_worth_it());
        let more = vigil.awaiting();
        assert!(!vigil.is_worth_it());
        drop((few, more));
    }

    #[tokio::test]
    async fn without_a_moment_nothing_is_kept() {
        let vigil = Arc::new(Vigil::new(Duration::ZERO));
        drop(vigil.awaiting());
        vigil.keep().await;
    }
}
