//! Whether an exchange still moves. Pure: what is known goes in, a verdict comes out.

use std::time::Duration;

use tokio::time::Instant;

use super::request_body::Progress;
use crate::traffic::Passed;

/// How long after a failed write an answer is still waited for: what the service sent before it closed is on its way.
const AFTER_WRITE_FAILURE: Duration = Duration::from_secs(1);

/// What is known about an exchange.
pub(crate) struct Situation<'a> {
    pub now: Instant,
    pub started: Instant,
    pub body: &'a Progress,
    /// The connection's own traffic; absent when others share the connection.
    pub passed: Option<&'a Passed>,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
}

/// Whether it still moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask again then.
    Until(Instant),
    /// Nothing has been received for the read timeout.
    ReadStalled,
    /// Nothing could be written for the write timeout.
    WriteStalled,
    /// Writing failed, and no answer came after that.
    WriteFailed,
}

impl Situation<'_> {
    pub(crate) fn verdict(&self) -> Verdict {
        let last_sent = self.passed.and_then(|passed| passed.last_sent).unwrap_or(self.started).max(self.started);
        if let Some((at, _)) = self.passed.and_then(|passed| passed.write_failed.as_ref()) {
            return self.at(*at + AFTER_WRITE_FAILURE, Verdict::WriteFailed);
        }
        let blocked_since = match self.body {
            _ if self.passed.is_some_and(|passed| passed.write_blocked_since.is_some()) => {
                self.passed.and_then(|passed| passed.write_blocked_since)
            }
            Progress::Given(at) => Some((*at).max(last_sent)),
            _ => None,
        };
        if let Some(since) = blocked_since {
            return self.at(since.max(last_sent) + self.write_timeout, Verdict::WriteStalled);
        }
        match self.body {
            // The service may well wait for the rest of the request, and that is not its fault.
            Progress::AwaitsSource => Verdict::Until(self.now + self.read_timeout.min(self.write_timeout)),
            Progress::Done(at) => {
                let last_received = self.passed.and_then(|passed| passed.last_received).unwrap_or(self.started);
                self.at((*at).max(last_sent).max(last_received) + self.read_timeout, Verdict::ReadStalled)
            }
            Progress::Untouched | Progress::Given(_) | Progress::Failed(_) => {
                self.at(last_sent + self.write_timeout, Verdict::WriteStalled)
            }
        }
    }

    fn at(&self, deadline: Instant, verdict: Verdict) -> Verdict {
        if self.now >= deadline { verdict } else { Verdict::Until(deadline) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Duration = Duration::from_secs(60);
    const WRITE: Duration = Duration::from_secs(30);

    fn verdict(now: Instant, started: Instant, body: &Progress, passed: &Passed) -> Verdict {
        Situation { now, started, body, passed: Some(passed), read_timeout: READ, write_timeout: WRITE }.verdict()
    }

    #[test]
    fn reading_is_timed_from_the_last_sign_of_life() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let done = Progress::Done(at(1));
        let mut passed = Passed { last_sent: Some(at(2)), ..Passed::default() };
        assert_eq!(verdict(at(2), start, &done, &passed), Verdict::Until(at(62)));
        assert_eq!(verdict(at(62), start, &done, &passed), Verdict::ReadStalled);
        passed.last_received = Some(at(50));
        assert_eq!(verdict(at(62), start, &done, &passed), Verdict::Until(at(110)));
    }

    #[test]
    fn a_blocked_connection_is_a_write_stall_and_a_slow_source_is_none() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let blocked = Passed { write_blocked_since: Some(at(5)), last_sent: Some(at(5)), ..Passed::default() };
        for body in [Progress::Given(at(5)), Progress::Done(at(5)), Progress::AwaitsSource] {
            assert_eq!(verdict(at(34), start, &body, &blocked), Verdict::Until(at(35)));
            assert_eq!(verdict(at(35), start, &body, &blocked), Verdict::WriteStalled);
        }
        let open = Passed { last_sent: Some(at(5)), ..Passed::default() };
        assert_eq!(verdict(at(1000), start, &Progress::AwaitsSource, &open), Verdict::Until(at(1030)));
        // On a shared connection only the body's own progress counts.
        let shared = Situation {
            now: at(40),
            started: start,
            body: &Progress::Given(at(10)),
            passed: None,
            read_timeout: READ,
            write_timeout: WRITE,
        };
        assert_eq!(shared.verdict(), Verdict::WriteStalled);
    }

    #[test]
    fn after_a_failed_write_an_answer_has_a_second() {
        let start = Instant::now();
        let passed = Passed { write_failed: Some((start, "broken pipe".to_owned())), ..Passed::default() };
        let body = Progress::Given(start);
        assert!(matches!(verdict(start, start, &body, &passed), Verdict::Until(_)));
        assert_eq!(verdict(start + AFTER_WRITE_FAILURE, start, &body, &passed), Verdict::WriteFailed);
    }
}
