//! How much a connection may hold that the edge has not acknowledged: enough to keep the way full and not more, since all of
//! it is memory. Private services write faster than any way carries.

use crate::quic::CONNECTION_WINDOW;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How often the window is fitted.
const INTERVAL: Duration = Duration::from_millis(250);
/// Never less than this, in bytes: a fast network with a short way needs no more.
const LEAST: u64 = 1 << 20;

/// The window that fits a connection which moved `bytes` in `elapsed`: twice what was under way. When the window was what held
/// it back it doubles so, until the network does.
fn fitting(bytes: u64, elapsed: Duration, round_trip: Duration) -> u64 {
    let share = round_trip.as_secs_f64() / elapsed.as_secs_f64().max(f64::EPSILON);
    // Out of range is brought into it, by the cast as well.
    ((bytes as f64 * share * 2.0) as u64).clamp(LEAST, u64::from(CONNECTION_WINDOW))
}

/// Fits the window of a connection until it ends.
pub(super) async fn keep(connection: &quinn::Connection) {
    let mut window = LEAST;
    connection.set_send_window(window);
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sent, mut since) = (connection.stats().udp_tx.bytes, Instant::now());
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            _ = connection.closed() => return,
        }
        let (now_sent, now) = (connection.stats().udp_tx.bytes, Instant::now());
        let fits = fitting(now_sent.saturating_sub(sent), now - since, connection.rtt());
        (sent, since) = (now_sent, now);
        if fits != window {
            window = fits;
            connection.set_send_window(window);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn twice_what_is_under_way() {
        // 100 MB/s over 50 ms: 5 MB are under way.
        assert_eq!(fitting(100_000_000, SECOND, Duration::from_millis(50)), 10_000_000);
        assert_eq!(fitting(25_000_000, SECOND / 4, Duration::from_millis(50)), 10_000_000);
    }

    #[test]
    fn stays_in_bounds() {
        assert_eq!(fitting(0, SECOND, Duration::from_millis(50)), LEAST);
        assert_eq!(fitting(100_000_000, SECOND, Duration::from_micros(50)), LEAST);
        assert_eq!(fitting(u64::MAX, SECOND, SECOND), u64::from(CONNECTION_WINDOW));
        assert_eq!(fitting(1 << 40, Duration::ZERO, SECOND), u64::from(CONNECTION_WINDOW));
    }

    #[test]
    fn doubles_while_it_is_what_holds_back() {
        let round_trip = Duration::from_millis(200);
        let mut window = LEAST;
        for _ in 0..10 {
            // A window for each round trip is what can be moved.
            window = fitting(window * 5, SECOND, round_trip);
        }
        assert_eq!(window, u64::from(CONNECTION_WINDOW));
    }
}
