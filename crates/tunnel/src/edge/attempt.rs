//! Trying connections one after the other, and a second one beside the first when the first seems dead.

use super::link::Link;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// The most attempts for one flow.
const MAX_ATTEMPTS: usize = 4;
/// How often an attempt's connection is looked at while it is under way.
const LOOK: Duration = Duration::from_millis(50);
/// A connection that is alive acknowledges what it is sent within a round trip and 25 ms; this is ample.
const ACKNOWLEDGED: Duration = Duration::from_millis(250);

/// What to do after an attempt failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Retry {
    /// The connection failed: any other one may do.
    OtherConnection,
    /// The connector could not reach the destination: another connector may.
    OtherConnector,
    /// No other will do better.
    Never,
}

/// Whether a second attempt may run beside the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hedging {
    /// When the first seems dead.
    WhenSilent,
    /// Not before the first has failed: both might be carried out.
    Never,
}

/// An error that says whether trying elsewhere makes sense.
pub(crate) trait Attempt {
    fn retry(&self) -> Retry;

    /// The error for a connector that did not even acknowledge what it was sent.
    fn silent(connector: Uuid) -> Self;
}

/// What is known of a connector of which nothing was heard until the deadline.
pub(crate) const UNHEARD: &str = "it acknowledges nothing";

struct Running<F> {
    link: Arc<Link>,
    future: Pin<Box<F>>,
    started: Instant,
    heard: u64,
    /// Its silence has started another attempt already.
    answered_for: bool,
}

impl<F> Running<F> {
    /// The connection has not even acknowledged what it was sent.
    fn seems_dead(&self) -> bool {
        let patience = ACKNOWLEDGED.max(self.link.rtt() * 4);
        self.started.elapsed() > patience && self.is_unheard() || self.link.is_silent()
    }

    /// Nothing has come on the connection since the attempt began.
    fn is_unheard(&self) -> bool {
        let carrier = &self.link.carrier;
        carrier.acknowledges() && carrier.heard() == self.heard
    }
}

/// Runs `attempt` on the links in order until one succeeds; `None` when `deadline` passes. Fails with the first error that
/// tells of the destination, else with the first of all. When none of them was even acknowledged at the deadline, with that.
pub(crate) async fn first<T, E, F>(
    links: Vec<Arc<Link>>,
    deadline: Instant,
    hedging: Hedging,
    attempt: impl Fn(Arc<Link>) -> F,
) -> Option<Result<T, E>>
where
    E: Attempt,
    F: Future<Output = Result<T, E>>,
{
    let mut waiting: std::collections::VecDeque<Arc<Link>> = links.into_iter().collect();
    let mut running: Vec<Running<F>> = Vec::new();
    let mut failed: BTreeSet<Uuid> = BTreeSet::new();
    let mut failure: Option<E> = None;
    let mut attempts = 0;
    let mut start_next = true;
    loop {
        if start_next
            && attempts < MAX_ATTEMPTS
            && let Some(link) = waiting.pop_front()
        {
            attempts += 1;
            let future = Box::pin(attempt(Arc::clone(&link)));
            let heard = link.carrier.heard();
            running.push(Running { link, future, started: Instant::now(), heard, answered_for: false });
        }
        start_next = false;
        if running.is_empty() {
            return failure.map(Err);
        }
        let finished = poll_fn(|cx| {
            for (index, run) in running.iter_mut().enumerate() {
                if let Poll::Ready(result) = run.future.as_mut().poll(cx) {
                    return Poll::Ready((index, result));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            biased;
            (index, result) = finished => {
                let run = running.swap_remove(index);
                let error = match result {
                    Ok(value) => return Some(Ok(value)),
                    Err(error) => error,
                };
                let retry = error.retry();
                if failure.as_ref().is_none_or(|first| first.retry() == Retry::OtherConnection && retry != Retry::OtherConnection) {
                    failure = Some(error);
                }
                match retry {
                    Retry::OtherConnection => {}
                    Retry::OtherConnector => {
                        failed.insert(run.link.connector());
                        waiting.retain(|link| !failed.contains(&link.connector()));
                    }
                    Retry::Never => waiting.clear(),
                }
                start_next = true;
            }
            () = tokio::time::sleep(LOOK), if hedging == Hedging::WhenSilent => {
                if let Some(run) = running.iter_mut().find(|run| !run.answered_for && run.seems_dead()) {
                    run.answered_for = true;
                    start_next = true;
                }
            }
            () = tokio::time::sleep_until(deadline) => {
                // Whoever waits for a connector that is dead should not hear that the destination is slow.
                // The last of them may have been tried only just now.
                let dead = running.iter().find(|run| run.seems_dead());
                let dead = dead.filter(|_| running.iter().all(|run| run.is_unheard() || run.seems_dead()));
                return failure.or_else(|| dead.map(|run| E::silent(run.link.connector()))).map(Err);
            }
        }
    }
}
