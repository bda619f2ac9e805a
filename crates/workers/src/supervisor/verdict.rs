//! What the supervisor decides, and the causes of endings in words.

use std::time::Duration;

use invocation::Outcome;

use super::Ticket;

/// What workerd says of a response that can never come.
pub(crate) const HUNG: &str = "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/";
/// What Workers say at the CPU limit.
pub(crate) const EXCEEDED_CPU: &str = "Worker exceeded CPU time limit.";
/// What Workers say at the memory limit.
pub(crate) const EXCEEDED_MEMORY: &str = "Worker exceeded memory limit.";

/// What Workers say of `waitUntil` work that takes too long.
pub(crate) const BACKGROUND_GIVEN_UP: &str = "waitUntil() tasks did not complete within the allowed time after invocation end and have been cancelled. See: https://developers.cloudflare.com/workers/runtime-apis/handlers/fetch/#contextwaituntil";
/// Of an event that takes too long by the clock on the wall.
const EXCEEDED_WALL: &str = "Worker exceeded wall time limit: what no visitor waits for may take 15 minutes.";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Tell the Worker that this visitor is gone and ask whether it has `waitUntil` work, then say [`Supervisor::disconnected`].
    /// While it has, it is asked again after each entry.
    Disconnect(Ticket),
    /// The visitor gets no response, for this reason. The invocation may go on.
    Refuse(Ticket, Outcome, String),
    /// Its `waitUntil` work is given up, as its log is to say. The end follows.
    GiveUpBackground(Ticket),
    /// The invocation is over: free what it holds and record it.
    End(Ticket, Ending),
    /// Nothing new may begin here; what waits is to go elsewhere.
    StopAccepting,
    /// Nothing is left: the isolate ends.
    Close,
}

/// How an invocation ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// How.
    pub outcome: Outcome,
    /// The first cause in one sentence, unless it ended well.
    pub cause: Option<String>,
    /// The exception to record that no script threw.
    pub exception: Option<&'static str>,
    /// CPU time it was charged with.
    pub cpu: Duration,
    /// Whether script itself had come to its end.
    pub done: bool,
}

/// Why an invocation does not end well.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub outcome: Outcome,
    pub message: String,
    pub exception: Option<&'static str>,
}

impl Cause {
    pub(super) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Cause { outcome, message: message.into(), exception: None }
    }

    pub(super) fn hung() -> Self {
        Cause { exception: Some(HUNG), ..Cause::new(Outcome::Exception, HUNG) }
    }

    pub(super) fn canceled() -> Self {
        Cause::new(Outcome::Canceled, "The visitor disconnected before the response.")
    }

    pub(super) fn cpu(used: Duration, limit: Duration) -> Self {
        let message = format!(
            "{EXCEEDED_CPU} {} ms were used, {} ms are allowed (`limits.cpu_ms`).",
            used.as_millis(),
            limit.as_millis()
        );
        Cause { exception: Some(EXCEEDED_CPU), ..Cause::new(Outcome::ExceededCpu, message) }
    }

    pub(super) fn wall() -> Self {
        Cause { exception: Some(EXCEEDED_WALL), ..Cause::new(Outcome::ExceededWallTime, EXCEEDED_WALL) }
    }

    pub(super) fn memory(used: usize, limit: usize) -> Self {
        let message = format!("{EXCEEDED_MEMORY} The isolate used {used} bytes, {limit} are allowed.");
        Cause { exception: Some(EXCEEDED_MEMORY), ..Cause::new(Outcome::ExceededMemory, message) }
    }
}
