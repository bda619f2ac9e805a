//! Cron triggers: each that is due runs `scheduled` of its Worker, once for a minute, in UTC; of edges that share a
//! database, one runs it.

use std::sync::Arc;
use std::time::Duration;

use invocation::{Call, Entrypoint, Event, RayId, TraceContext, WorkerCall};
use store::{Cron, Snapshot, Store};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::dispatcher::Callable;
use super::serving::Current;

/// The longest that one run may take, as at Cloudflare.
const WALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A trigger whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Due {
    worker: String,
    cron: String,
    /// The full minute.
    at: OffsetDateTime,
}

/// Which triggers are due. Pure: time is passed in.
#[derive(Debug)]
struct Clock {
    /// What was due up to here has run.
    past: OffsetDateTime,
}

impl Clock {
    /// Triggers run that are due after `now`.
    fn new(now: OffsetDateTime) -> Self {
        Self { past: now }
    }

    /// When to ask next: at the next full minute.
    fn next(&self) -> OffsetDateTime {
        let seconds = self.past.unix_timestamp().div_euclid(60).saturating_add(1).saturating_mul(60);
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(self.past)
    }

    /// The triggers that became due since the last call. One that became due several times, because nobody asked for longer than a minute, runs
    /// once: for the last of them. A clock that is set back repeats nothing.
    fn due<'a>(&mut self, now: OffsetDateTime, triggers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Due> {
        if now <= self.past {
            return Vec::new();
        }
        let since = std::mem::replace(&mut self.past, now);
        triggers
            .filter_map(|(worker, text)| {
                // What is stored was parsed before it was.
                let cron = Cron::parse(text).ok()?;
                let mut at = None;
                let mut from = since;
                while let Some(next) = cron.next_after(from).filter(|next| *next <= now) {
                    at = Some(next);
                    from = next;
                }
                Some(Due { worker: worker.to_owned(), cron: text.to_owned(), at: at? })
            })
            .collect()
    }
}

fn triggers(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &str)> {
    snapshot.workers.iter().flat_map(|(name, served)| {
        served.triggers.schedules.iter().map(move |schedule| (name.as_str(), schedule.cron.as_str()))
    })
}

/// Runs triggers when they are due, until told to stop. Of their traces this share is recorded; without one there are none.
pub async fn run(
    store: Arc<Store>,
    current: Current,
    workers: Callable,
    trace_sampling: Option<f64>,
    stop: CancellationToken,
) {
    let mut clock = Clock::new(OffsetDateTime::now_utc());
    loop {
        let wait = clock.next() - OffsetDateTime::now_utc();
        tokio::select! {
            () = stop.cancelled() => return,
            // Negative when it is late already.
            () = tokio::time::sleep(wait.try_into().unwrap_or(Duration::ZERO)) => {}
        }
        // A timer may be a little early by the other clock.
        let now = OffsetDateTime::now_utc();
        if now < clock.next() {
            continue;
        }
        let serving = current.load_full();
        for due in clock.due(now, triggers(&serving.snapshot)) {
            tracing::debug!(worker = due.worker, cron = due.cron, "a cron trigger is due");
            tokio::spawn(run_one(store.clone(), workers.clone(), due, trace_sampling.map(TraceContext::begin)));
        }
    }
}

async fn run_one(store: Arc<Store>, workers: Callable, due: Due, trace: Option<TraceContext>) {
    let Due { worker, cron, at } = due;
    match store.claim_run(&worker, &cron, at).await {
        Ok(true) => {}
        Ok(false) => return,
        // Twice is better than never.
        Err(error) => tracing::warn!(worker, cron, "whether another edge runs this trigger is not known: {error}"),
    }
    let event = Event::Scheduled { cron: cron.clone(), time: at.unix_timestamp().saturating_mul(1000) };
    let call = Call { event, entrypoint: Entrypoint::default(), ray_id: RayId(fastrand::u64(..)), depth: 0, trace };
    let run = workers.call(WorkerCall { worker: worker.as_str().into(), version: None, call });
    match tokio::time::timeout(WALL_LIMIT, run).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::info!(worker, cron, "a cron trigger failed: {error}"),
        Err(_) => tracing::info!(worker, cron, "a cron trigger was ended after {} s", WALL_LIMIT.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> OffsetDateTime {
        OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap()
    }

    fn due(clock: &mut Clock, now: &str, crons: &[&str]) -> Vec<(String, OffsetDateTime)> {
        let found = clock.due(at(now), crons.iter().map(|cron| ("w", *cron)));
        found.into_iter().map(|due| (due.cron, due.at)).collect()
    }

    #[test]
    fn each_trigger_runs_once_for_its_minute() {
        let mut clock = Clock::new(at("2026-11-28T10:00:30Z"));
        assert_eq!(clock.next(), at("2026-11-28T10:01:00Z"));
        let crons = ["* * * * *", "*/5 * * * *", "0 11 * * *"];
        assert_eq!(
            due(&mut clock, "2026-11-28T10:01:00.2Z", &crons),
            [("* * * * *".into(), at("2026-11-28T10:01:00Z"))]
        );
        assert_eq!(clock.next(), at("2026-11-28T10:02:00Z"));
        assert_eq!(due(&mut clock, "2026-11-28T10:01:59Z", &crons), []);
        assert_eq!(due(&mut clock, "2026-11-28T10:02:00Z", &crons).len(), 1);
        assert_eq!(due(&mut clock, "2026-11-28T10:02:00Z", &crons), []);
    }

    #[test]
    fn what_was_slept_through_runs_once() {
        let mut clock = Clock::new(at("2026-11-28T10:00:30Z"));
        let found = due(&mut clock, "2026-11-28T11:02:03Z", &["* * * * *", "0 11 * * *", "0 12 * * *"]);
        let expected = [
            ("* * * * *".to_owned(), at("2026-11-28T11:02:00Z")),
            ("0 11 * * *".to_owned(), at("2026-11-28T11:00:00Z")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_clock_that_is_set_back_repeats_nothing() {
        let mut clock = Clock::new(at("2026-11-28T10:00:30Z"));
        assert_eq!(due(&mut clock, "2026-11-28T10:01:00Z", &["* * * * *"]).len(), 1);
        assert_eq!(due(&mut clock, "2026-11-28T09:59:00Z", &["* * * * *"]), []);
        assert_eq!(due(&mut clock, "2026-11-28T10:01:30Z", &["* * * * *"]), []);
        assert_eq!(due(&mut clock, "2026-11-28T10:02:00Z", &["* * * * *"]).len(), 1);
    }
}
