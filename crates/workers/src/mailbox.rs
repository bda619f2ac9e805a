//! What reaches the thread of an isolate: jobs (invocations to begin) and events (for those begun).
//!
//! Events all belong to something the isolate itself began, so their number is bounded by what it has in flight; jobs are bounded by the
//! Worker's queue. Jobs stay here until the thread takes them one by one, so that those behind a long entry can be taken elsewhere.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::event::Event;
use crate::job::Job;

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    events: Vec<Event>,
    /// The thread waits on the condition.
    parked: bool,
    /// Takes no more jobs.
    closed: bool,
    /// Nobody reads any more.
    ended: bool,
}

/// The way into one isolate's thread.
#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    arrival: Condvar,
    jobs: AtomicUsize,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        if parked {
            self.arrival.notify_one();
        }
    }

    /// Tells the thread. Dropped when the thread has ended.
    pub(crate) fn post(&self, event: Event) {
        let mut state = self.lock();
        if !state.ended {
            state.events.push(event);
            self.wake(state);
        }
    }

    /// Puts a job in the queue; gives it back when the thread takes no more.
    pub(crate) fn put(&self, job: Job) -> Result<(), Box<Job>> {
        let mut state = self.lock();
        if state.closed {
            return Err(Box::new(job));
        }
        state.jobs.push_back(job);
        self.jobs.store(state.jobs.len(), Ordering::Relaxed);
        self.wake(state);
        Ok(())
    }

    /// How many jobs wait.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Takes all waiting jobs, to put them elsewhere.
    pub(crate) fn take_jobs(&self) -> VecDeque<Job> {
        let mut state = self.lock();
        self.jobs.store(0, Ordering::Relaxed);
        std::mem::take(&mut state.jobs)
    }

    /// Takes no more jobs (events still arrive), and gives those that wait.
    pub(crate) fn close(&self) -> VecDeque<Job> {
        let mut state = self.lock();
        state.closed = true;
        self.jobs.store(0, Ordering::Relaxed);
        std::mem::take(&mut state.jobs)
    }

    /// The thread ends: whatever arrives from now on is dropped. Gives the jobs that wait.
    pub(crate) fn end(&self) -> VecDeque<Job> {
        let jobs = self.close();
        let mut state = self.lock();
        state.ended = true;
        let events = std::mem::take(&mut state.events);
        drop(state);
        // Outside of the lock: dropping a body can post to this mailbox.
        drop(events);
        jobs
    }

    /// Waits until something is there or `deadline` passes, then moves all events to `events` (empty before) and gives one job.
    pub(crate) fn next(&self, events: &mut Vec<Event>, deadline: Option<Instant>) -> Option<Job> {
        let mut state = self.lock();
        while state.jobs.is_empty() && state.events.is_empty() {
            state.parked = true;
            state = match deadline {
                None => self.arrival.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let now = Instant::now();
                    if deadline <= now {
                        break;
                    }
                    self.arrival.wait_timeout(state, deadline - now).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.parked = false;
        std::mem::swap(&mut state.events, events);
        let job = state.jobs.pop_front();
        self.jobs.store(state.jobs.len(), Ordering::Relaxed);
        job
    }
}
