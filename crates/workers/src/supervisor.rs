//! Decides how the invocations of one isolate go on and how they end, and when the isolate itself does.
//!
//! A sans-IO state machine: what happened goes in by the methods, verdicts come out of [`Supervisor::poll_verdict`], time is
//! passed in. It knows neither JavaScript nor threads; `thread.rs` drives it and carries the verdicts out.
//!
//! Rules:
//! - The first cause of an ending wins.
//! - An invocation whose script has nothing to wait for any more and has not answered never will: it has hung.
//! - After the response is complete (or nobody is there to take it) `waitUntil` work has [`Supervisor::LINGER`].
//! - What no visitor waits for has [`Supervisor::UNATTENDED`] in all.
//! - CPU time is charged to the invocation that the entry belonged to. One that reaches its limit ends alone. If it was stopped inside an
//!   entry, which leaves what script shares half done, the isolate takes no new invocations; the others on it go on.
//! - An isolate whose memory is used up is condemned: no script runs there any more, so all invocations that still need script end with
//!   it; those whose bodies only flow natively go on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use invocation::Outcome;

#[cfg(test)]
mod tests;
mod verdict;

use verdict::Cause;
pub(crate) use verdict::{BACKGROUND_GIVEN_UP, EXCEEDED_CPU, EXCEEDED_MEMORY, Ending, Verdict};

/// One invocation, by its number in the process. Never 0.
pub(crate) type Ticket = u64;

/// Why the engine stopped script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The entry's CPU budget was spent.
    Cpu,
    /// The isolate's memory was.
    Memory {
        /// Bytes in use.
        used: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The platform shuts down.
    Shutdown,
}

/// Who makes the bytes of a response body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// All of them are there: nothing is left to watch.
    Whole,
    /// They flow without script.
    Native,
    /// Script writes them.
    Script,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// The visitor waits.
    Awaited,
    /// The visitor has a response head, or no longer waits for one.
    Settled,
}

#[derive(Debug)]
struct Life {
    limit: Duration,
    cpu: Duration,
    head: Head,
    /// The response body, while it is on its way.
    body: Option<Flow>,
    /// Script has said that nothing more will come.
    done: bool,
    /// Host work that script can still hear of.
    pending: u32,
    /// A [`Verdict::Disconnect`] is being carried out.
    telling: bool,
    /// The visitor is gone, and nothing that remains was given to `waitUntil`.
    abandoned: bool,
    /// The visitor is gone, but when the Worker was last asked it had `waitUntil` work.
    kept: bool,
    cause: Option<Cause>,
    deadline: Option<Instant>,
    /// What is to be said when the deadline passes.
    overdue: Overdue,
}

/// What a deadline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overdue {
    /// `waitUntil` work that goes on after the response: it is given up, which is no failure of the response.
    Background,
    /// The whole invocation.
    Invocation,
}

impl Life {
    /// Whether script has come to its end.
    fn at_rest(&self) -> bool {
        self.done || self.pending == 0 || self.abandoned
    }

    /// Whether it can only go on with script.
    fn needs_script(&self) -> bool {
        !(self.body == Some(Flow::Native) && self.at_rest())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Accepting,
    /// No new invocations; those in flight go on.
    Draining,
    /// Script does not run any more.
    Condemned,
    Closed,
}

/// The state of one isolate's invocations.
#[derive(Debug)]
pub(crate) struct Supervisor {
    phase: Phase,
    lives: HashMap<Ticket, Life>,
    /// Those whose state has changed since they were last judged.
    touched: Vec<Ticket>,
    deadlines: BinaryHeap<Reverse<(Instant, Ticket)>>,
    verdicts: VecDeque<Verdict>,
}

impl Supervisor {
    /// How long `waitUntil` work may go on after the response.
    pub(crate) const LINGER: Duration = Duration::from_secs(30);

    /// How long an event may take that no visitor waits for.
    pub(crate) const UNATTENDED: Duration = Duration::from_secs(15 * 60);

    /// An isolate without invocations.
    pub(crate) fn new() -> Self {
        Supervisor {
            phase: Phase::Accepting,
            lives: HashMap::new(),
            touched: Vec::new(),
            deadlines: BinaryHeap::new(),
            verdicts: VecDeque::new(),
        }
    }

    /// Whether new invocations may begin.
    #[cfg(test)]
    pub(crate) fn accepts(&self) -> bool {
        self.phase == Phase::Accepting
    }

    /// Whether script may run.
    pub(crate) fn runs_script(&self) -> bool {
        matches!(self.phase, Phase::Accepting | Phase::Draining)
    }

    /// Whether the invocation is still going on.
    pub(crate) fn knows(&self, ticket: Ticket) -> bool {
        self.lives.contains_key(&ticket)
    }

    /// Whether its visitor still waits for a response head.
    pub(crate) fn awaits_head(&self, ticket: Ticket) -> bool {
        self.lives.get(&ticket).is_some_and(|life| life.head == Head::Awaited)
    }

    /// CPU time the invocation may still use.
    pub(crate) fn budget(&self, ticket: Ticket) -> Option<Duration> {
        self.lives.get(&ticket).map(|life| life.limit.saturating_sub(life.cpu))
    }

    /// An invocation begins.
    pub(crate) fn began(&mut self, ticket: Ticket, limit: Duration) {
        let life = Life {
            limit,
            cpu: Duration::ZERO,
            head: Head::Awaited,
            body: None,
            done: false,
            pending: 0,
            telling: false,
            abandoned: false,
            kept: false,
            cause: None,
            deadline: None,
            overdue: Overdue::Background,
        };
        self.lives.insert(ticket, life);
    }

    /// It has begun by itself and not for a visitor, who could go away: it has to end some day.
    pub(crate) fn goes_unattended(&mut self, ticket: Ticket, now: Instant) {
        if let Some(life) = self.lives.get_mut(&ticket) {
            let deadline = now + Self::UNATTENDED;
            life.deadline = Some(deadline);
            life.overdue = Overdue::Invocation;
            self.deadlines.push(Reverse((deadline, ticket)));
        }
    }

    // === What script does, during an entry ===

    /// Script waits for something.
    pub(crate) fn operation_began(&mut self, ticket: Ticket) {
        if let Some(life) = self.touch(ticket) {
            life.pending += 1;
        }
    }

    /// What it waited for is there, or was given up.
    pub(crate) fn operation_ended(&mut self, ticket: Ticket) {
        if let Some(life) = self.touch(ticket) {
            life.pending = life.pending.saturating_sub(1);
        }
    }

    /// The Worker answered.
    pub(crate) fn responded(&mut self, ticket: Ticket, flow: Flow) {
        if let Some(life) = self.touch(ticket)
            && life.head == Head::Awaited
        {
            life.head = Head::Settled;
            life.body = (flow != Flow::Whole).then_some(flow);
        }
    }

    /// The Worker answered, but nobody was there to take it any more.
    pub(crate) fn undeliverable(&mut self, ticket: Ticket) {
        if let Some(life) = self.touch(ticket) {
            life.head = Head::Settled;
            life.cause.get_or_insert_with(Cause::canceled);
        }
    }

    /// Script has written the response body to its end.
    pub(crate) fn body_written(&mut self, ticket: Ticket) {
        if let Some(life) = self.touch(ticket)
            && life.body == Some(Flow::Script)
        {
            life.body = Some(Flow::Native);
        }
    }

    /// Script gave the response body up.
    pub(crate) fn body_failed(&mut self, ticket: Ticket, reason: &str) {
        if let Some(life) = self.touch(ticket)
            && life.body.take().is_some()
        {
            life.cause
                .get_or_insert_with(|| Cause::new(Outcome::Exception, format!("The response body failed: {reason}")));
        }
    }

    /// The handler threw, rejected or gave no response.
    pub(crate) fn failed(&mut self, ticket: Ticket, message: String) {
        let Some(life) = self.touch(ticket) else { return };
        let cause = life.cause.get_or_insert_with(|| Cause::new(Outcome::Exception, message));
        if life.head == Head::Awaited {
            life.head = Head::Settled;
            let refusal = Verdict::Refuse(ticket, cause.outcome, cause.message.clone());
            self.verdicts.push_back(refusal);
        }
    }

    /// Script has nothing more to do for it.
    pub(crate) fn script_done(&mut self, ticket: Ticket) {
        if let Some(life) = self.touch(ticket) {
            life.done = true;
            // What it had to write of the answer is written.
            if life.body == Some(Flow::Script) {
                life.body = Some(Flow::Native);
            }
        }
    }

    // === What happens between entries ===

    /// An entry that belonged to `ticket` is over; it used `cpu`, and was stopped if so said.
    pub(crate) fn entry_ended(&mut self, ticket: Ticket, cpu: Duration, stop: Option<Stop>, now: Instant) {
        let runs_script = self.runs_script();
        if let Some(life) = self.touch(ticket) {
            life.cpu += cpu;
            if life.kept && runs_script {
                life.kept = false;
                life.telling = true;
                self.verdicts.push_back(Verdict::Disconnect(ticket));
            }
        }
        match stop {
            None => {}
            Some(Stop::Cpu) => self.cut_off(ticket),
            Some(stop) => self.condemn(ticket, stop),
        }
        self.settle(now);
    }

    /// The visitor is gone, before the response head or before the end of the body.
    pub(crate) fn visitor_gone(&mut self, ticket: Ticket, now: Instant) {
        let runs_script = self.runs_script();
        let Some(life) = self.touch(ticket) else { return };
        let cause = match life.head {
            Head::Awaited => Cause::canceled(),
            Head::Settled if life.body.is_none() => return,
            Head::Settled => Cause::new(
                Outcome::ResponseStreamDisconnected,
                "The visitor disconnected while the response was being sent.",
            ),
        };
        life.cause.get_or_insert(cause);
        life.head = Head::Settled;
        life.body = None;
        if runs_script {
            life.telling = true;
            self.verdicts.push_back(Verdict::Disconnect(ticket));
        }
        self.settle(now);
    }

    /// The Worker was told that its visitor is gone. `keeps_on`: whether it has `waitUntil` work.
    pub(crate) fn disconnected(&mut self, ticket: Ticket, keeps_on: bool, now: Instant) {
        if let Some(life) = self.touch(ticket) {
            life.telling = false;
            life.abandoned = !keeps_on;
            life.kept = keeps_on;
        }
        self.settle(now);
    }

    /// The last byte of the response body was taken.
    pub(crate) fn body_over(&mut self, ticket: Ticket, now: Instant) {
        if let Some(life) = self.touch(ticket) {
            life.body = None;
        }
        self.settle(now);
    }

    /// The source of a native response body failed; the visitor gets what came before.
    pub(crate) fn source_failed(&mut self, ticket: Ticket, reason: &str, now: Instant) {
        self.body_failed(ticket, reason);
        self.settle(now);
    }

    /// No new invocations: the version was replaced, the isolate is not needed, or its memory is used up.
    pub(crate) fn drain(&mut self) {
        if self.phase == Phase::Accepting {
            self.phase = Phase::Draining;
            self.verdicts.push_back(Verdict::StopAccepting);
        }
        self.close_if_empty();
    }

    /// Everything ends now.
    pub(crate) fn shut_down(&mut self, now: Instant) {
        self.condemn(0, Stop::Shutdown);
        self.settle(now);
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) {
        while let Some(&Reverse((deadline, ticket))) = self.deadlines.peek() {
            if deadline > now {
                break;
            }
            self.deadlines.pop();
            let Some(life) = self.lives.get_mut(&ticket).filter(|life| life.deadline == Some(deadline)) else {
                continue;
            };
            match life.overdue {
                Overdue::Background => self.verdicts.push_back(Verdict::GiveUpBackground(ticket)),
                Overdue::Invocation => {
                    life.cause.get_or_insert_with(Cause::wall);
                }
            }
            self.end(ticket);
        }
        self.close_if_empty();
    }

    /// When [`Supervisor::tick`] is due.
    pub(crate) fn poll_deadline(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// The next thing to do. Carry it out before asking again.
    pub(crate) fn poll_verdict(&mut self) -> Option<Verdict> {
        self.verdicts.pop_front()
    }

    // === Judging ===

    fn touch(&mut self, ticket: Ticket) -> Option<&mut Life> {
        let life = self.lives.get_mut(&ticket)?;
        if self.touched.last() != Some(&ticket) {
            self.touched.push(ticket);
        }
        Some(life)
    }

    /// An invocation was stopped in the middle of its script.
    fn cut_off(&mut self, ticket: Ticket) {
        if let Some(life) = self.lives.get_mut(&ticket) {
            life.telling = false;
            life.cause.get_or_insert_with(|| Cause::cpu(life.cpu, life.limit));
            self.end(ticket);
        }
        self.drain();
    }

    /// Script is stopped for good.
    fn condemn(&mut self, culprit: Ticket, stop: Stop) {
        if self.phase == Phase::Accepting {
            self.verdicts.push_back(Verdict::StopAccepting);
        }
        if self.phase != Phase::Closed {
            self.phase = Phase::Condemned;
        }
        let mut over: Vec<Ticket> = Vec::new();
        for (&ticket, life) in &mut self.lives {
            life.telling = false;
            if ticket != culprit && stop != Stop::Shutdown && !life.needs_script() {
                continue;
            }
            life.cause.get_or_insert_with(|| match stop {
                Stop::Cpu => Cause::cpu(life.cpu, life.limit),
                Stop::Memory { used, limit } => Cause::memory(used, limit),
                Stop::Shutdown => Cause::new(Outcome::Canceled, "Culvert shut down."),
            });
            over.push(ticket);
        }
        over.sort_unstable();
        for ticket in over {
            self.end(ticket);
        }
    }

    /// Judges all that have changed.
    fn settle(&mut self, now: Instant) {
        while let Some(ticket) = self.touched.pop() {
            self.judge(ticket, now);
        }
        self.close_if_empty();
    }

    fn judge(&mut self, ticket: Ticket, now: Instant) {
        let Some(life) = self.lives.get_mut(&ticket) else { return };
        if life.telling {
            return;
        }
        let stuck = life.at_rest() && (life.head == Head::Awaited || life.body == Some(Flow::Script));
        if stuck {
            life.cause.get_or_insert_with(Cause::hung);
            self.end(ticket);
        } else if life.head == Head::Settled && life.body.is_none() && life.at_rest() {
            self.end(ticket);
        } else if life.cpu >= life.limit && life.needs_script() {
            let cause = Cause::cpu(life.cpu, life.limit);
            life.cause.get_or_insert(cause);
            self.end(ticket);
        } else if life.head == Head::Settled && life.body.is_none() && life.deadline.is_none() {
            let deadline = now + Self::LINGER;
            life.deadline = Some(deadline);
            self.deadlines.push(Reverse((deadline, ticket)));
        }
    }

    fn end(&mut self, ticket: Ticket) {
        let Some(life) = self.lives.remove(&ticket) else { return };
        if life.head == Head::Awaited
            && let Some(cause) = &life.cause
        {
            self.verdicts.push_back(Verdict::Refuse(ticket, cause.outcome, cause.message.clone()));
        }
        let (outcome, cause, exception) = match life.cause {
            None => (Outcome::Ok, None, None),
            Some(Cause { outcome, message, exception }) => (outcome, Some(message), exception),
        };
        let ending = Ending { outcome, cause, exception, cpu: life.cpu, done: life.done };
        self.verdicts.push_back(Verdict::End(ticket, ending));
    }

    fn close_if_empty(&mut self) {
        if matches!(self.phase, Phase::Draining | Phase::Condemned) && self.lives.is_empty() {
            self.phase = Phase::Closed;
            self.verdicts.push_back(Verdict::Close);
        }
    }
}
