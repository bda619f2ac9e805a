//! What a connection is doing, and when it has done it for too long. Decides only: the driver asks and acts.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The times that a connection is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub head: Duration,
    pub idle: Duration,
    pub write: Duration,
}

impl Times {
    /// Asking at least this often is never too late.
    pub(crate) fn shortest(&self) -> Duration {
        self.head.min(self.idle).min(self.write)
    }
}

/// Why a connection is closed from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimedOut {
    /// A request head was begun, or a new connection opened, and the head did not come to its end.
    Head,
    /// No request for the idle time.
    Idle,
    /// The visitor took no byte of what was to be sent.
    Write,
}

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask again then: nothing can time out before.
    AskAgain(Instant),
    /// Close the connection.
    Close(TimedOut),
}

/// A moment that may not have come; the value is milliseconds after the connection's start, plus one.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Moment {
    fn set(&self, since_start: Duration) {
        let milliseconds = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX - 1);
        self.0.store(milliseconds.saturating_add(1), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    fn at(&self, start: Instant) -> Option<Instant> {
        let stored = self.0.load(Ordering::Relaxed);
        stored.checked_sub(1).map(|milliseconds| start + Duration::from_millis(milliseconds))
    }
}

/// What one connection is doing. Shared by its transport, its requests and its driver; cheap enough for every request.
#[derive(Debug)]
pub(crate) struct Activity {
    start: Instant,
    in_flight: AtomicU32,
    multiplexed: AtomicBool,
    body_abandoned: AtomicBool,
    /// When the first byte of a head was read that is not complete yet (HTTP/1.1 only).
    head_begun: Moment,
    /// When the last request ended.
    quiet: Moment,
    /// Since when a write could make no progress.
    stalled: Moment,
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Self {
        let activity = Self {
            start: now,
            in_flight: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            body_abandoned: AtomicBool::new(false),
            head_begun: Moment::default(),
            quiet: Moment::default(),
            stalled: Moment::default(),
        };
        // A new connection owes a request: it gets the time of a head, not that of keep-alive.
        activity.head_begun.set(Duration::ZERO);
        activity
    }

    /// Bytes were read.
    pub(crate) fn handle_read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0
            && !self.multiplexed.load(Ordering::Relaxed)
            && !self.head_begun.is_set()
        {
            self.head_begun.set(self.start.elapsed());
        }
    }

    /// A head was begun and has not come to its end, and nothing else is under way.
    pub(crate) fn awaits_head(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0 && self.head_begun.is_set()
    }

    /// Bytes were written, or there is nothing more to write.
    pub(crate) fn handle_written(&self) {
        if self.stalled.is_set() {
            self.stalled.clear();
        }
    }

    /// A write could not be made.
    pub(crate) fn handle_write_blocked(&self) {
        if !self.stalled.is_set() {
            self.stalled.set(self.start.elapsed());
        }
    }

    /// The head of a request was read. `multiplexed`: it is one of several streams on its connection.
    pub(crate) fn handle_request(&self, multiplexed: bool) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.head_begun.clear();
        if multiplexed {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
    }

    /// A request and its response are done with.
    pub(crate) fn handle_request_end(&self) {
        self.quiet.set(self.start.elapsed());
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request's body was not read to its end.
    pub(crate) fn handle_body_abandoned(&self) {
        self.body_abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether some request's body was not read to its end.
    pub(crate) fn has_abandoned_body(&self) -> bool {
        self.body_abandoned.load(Ordering::Relaxed)
    }

    /// Whether a request is being served.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// What to do now. Asked at the times that it names itself, it is never late.
    pub(crate) fn verdict(&self, now: Instant, times: Times) -> Verdict {
        if let Some(stalled) = self.stalled.at(self.start)
            && now >= stalled + times.write
        {
            return Verdict::Close(TimedOut::Write);
        }
        let soonest = now + times.shortest();
        if self.is_busy() {
            let stall = self.stalled.at(self.start).map_or(soonest, |stalled| stalled + times.write);
            return Verdict::AskAgain(stall.min(soonest));
        }
        let (since, limit, reason) = match (self.head_begun.at(self.start), self.quiet.at(self.start)) {
            (Some(begun), _) => (begun, times.head, TimedOut::Head),
            (None, Some(quiet)) => (quiet, times.idle, TimedOut::Idle),
            // Between two relaxed stores of another thread.
            (None, None) => return Verdict::AskAgain(soonest),
        };
        if now >= since + limit { Verdict::Close(reason) } else { Verdict::AskAgain((since + limit).min(soonest)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times =
        Times { head: Duration::from_secs(15), idle: Duration::from_secs(75), write: Duration::from_secs(60) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Asks as the driver does until the connection is closed, and says when and why that was.
    async fn close(activity: &Activity) -> (Duration, TimedOut) {
        let begun = Instant::now();
        loop {
            match activity.verdict(Instant::now(), TIMES) {
                Verdict::AskAgain(then) => {
                    assert!(then > Instant::now(), "a driver that is told to ask again at once never rests");
                    tokio::time::sleep_until(then).await;
                }
                Verdict::Close(reason) => return (begun.elapsed(), reason),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_the_time_of_a_head() {
        let activity = Activity::new(Instant::now());
        assert_eq!(close(&activity).await, (seconds(15), TimedOut::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn drops_of_bytes_do_not_prolong_a_head() {
        let activity = Activity::new(Instant::now());
        activity.handle_request(false);
        activity.handle_request_end();
        tokio::time::advance(seconds(30)).await;
        activity.handle_read();
        tokio::time::advance(seconds(14)).await;
        activity.handle_read();
        assert_eq!(close(&activity).await, (seconds(1), TimedOut::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_has_the_idle_time() {
        let activity = Activity::new(Instant::now());
        activity.handle_request(false);
        tokio::time::advance(seconds(1000)).await;
        activity.handle_request_end();
        assert_eq!(close(&activity).await, (seconds(75), TimedOut::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_has_all_the_time() {
        let activity = Activity::new(Instant::now());
        activity.handle_request(false);
        for _ in 0..1000 {
            match activity.verdict(Instant::now(), TIMES) {
                Verdict::AskAgain(then) => tokio::time::sleep_until(then).await,
                Verdict::Close(reason) => unreachable!("{reason:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_visitor_that_takes_nothing_is_dropped() {
        let activity = Activity::new(Instant::now());
        activity.handle_request(false);
        activity.handle_write_blocked();
        tokio::time::advance(seconds(50)).await;
        activity.handle_written();
        activity.handle_write_blocked();
        tokio::time::advance(seconds(5)).await;
        activity.handle_write_blocked();
        assert_eq!(close(&activity).await, (seconds(55), TimedOut::Write));
    }

    #[tokio::test(start_paused = true)]
    async fn pings_of_a_multiplexed_connection_are_no_heads() {
        let activity = Activity::new(Instant::now());
        activity.handle_request(true);
        activity.handle_request_end();
        tokio::time::advance(seconds(10)).await;
        activity.handle_read();
        assert_eq!(close(&activity).await, (seconds(65), TimedOut::Idle));
    }
}
