//! The isolates of one version: places jobs, starts threads, takes stuck jobs elsewhere.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use invocation::{Ended, Outcome};
use isolate::Isolate;
use tokio::sync::watch;

use crate::boot::{Prepared, StartupFailure, launch, prepare};
use crate::event::Event;
use crate::host::Host;
use crate::job::Job;
use crate::placement::{self, Allowance, Candidate, Place};
use crate::program::Program;
use crate::seat::{Load, Seat};
use crate::services::{PlatformOptions, Services};
use crate::spare::{Spare, Spares, Task};
use crate::thread::Thread;
use crate::version::WorkerVersion;

/// What all pools of a platform share.
pub(crate) struct Shared {
    pub services: Arc<Services>,
    /// Isolates that wait for a version.
    pub spares: Arc<Spares>,
    /// Threads of isolates that exist.
    pub live: watch::Sender<usize>,
    /// Bytes that all isolates use, as last added up.
    pub memory: AtomicUsize,
    /// The platform shuts down.
    pub closing: AtomicBool,
}

/// Why a job was not placed.
pub(crate) enum Misplaced {
    /// The pool is not in use any more: take another.
    Closed(Box<Job>),
    /// Too much waits.
    Shed(Box<Job>),
}

#[derive(Default)]
struct State {
    seats: Vec<Arc<Seat>>,
    closed: bool,
}

/// The isolates of one version.
pub(crate) struct Pool {
    pub version: Arc<WorkerVersion>,
    shared: Arc<Shared>,
    program: OnceLock<Arc<Program>>,
    state: Mutex<State>,
}

impl Pool {
    pub(crate) fn new(version: Arc<WorkerVersion>, shared: Arc<Shared>) -> Self {
        Pool { version, shared, program: OnceLock::new(), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The compiled modules; compiled by whoever comes first.
    fn program(&self) -> Arc<Program> {
        self.program.get_or_init(|| Arc::new(Program::compile(&self.shared.services.engine, &self.version))).clone()
    }

    fn options(&self) -> &PlatformOptions {
        &self.shared.services.options
    }

    fn allowance(&self) -> Allowance {
        let options = self.options();
        Allowance {
            isolates: options.isolates_per_worker.max(1),
            queue: options.queue,
            memory: self.shared.memory.load(Ordering::Relaxed) < options.memory_budget,
        }
    }

    /// Hands a job to an isolate.
    ///
    /// # Errors
    /// [`Misplaced`] gives it back.
    pub(crate) fn place(self: &Arc<Self>, job: Job) -> Result<(), Misplaced> {
        self.place_with(job, false)
    }

    fn place_with(self: &Arc<Self>, mut job: Job, even_if_closed: bool) -> Result<(), Misplaced> {
        loop {
            let mut state = self.lock();
            if state.closed && !even_if_closed {
                return Err(Misplaced::Closed(Box::new(job)));
            }
            let now = Instant::now();
            let loads: Vec<Load> = state.seats.iter().map(|seat| seat.load(now)).collect();
            let seat = match placement::place(&loads, self.allowance()) {
                Place::Shed => return Err(Misplaced::Shed(Box::new(job))),
                Place::Seat(index) => state.seats.get(index).cloned(),
                Place::NewSeat => None,
            };
            if let Some(seat) = seat {
                drop(state);
                job.moves_to(&seat);
                match seat.mailbox.put(job) {
                    Ok(()) => return Ok(()),
                    // It stopped accepting meanwhile.
                    Err(back) => job = *back,
                }
                seat.stop_accepting();
                continue;
            }
            let spare = self.shared.spares.take();
            let seat = spare
                .as_ref()
                .map_or_else(|| Arc::new(Seat::new(self.options().isolate_memory)), |spare| spare.seat.clone());
            let retiring = state.closed;
            state.seats.push(seat.clone());
            drop(state);
            job.moves_to(&seat);
            // A fresh mailbox takes it.
            if let Err(back) = seat.mailbox.put(job) {
                return Err(Misplaced::Shed(back));
            }
            self.start(seat, spare, retiring);
            return Ok(());
        }
    }

    /// Places jobs again that an isolate cannot take any more.
    pub(crate) fn place_again(self: &Arc<Self>, jobs: VecDeque<Job>) {
        for job in jobs {
            if let Err(Misplaced::Closed(job) | Misplaced::Shed(job)) = self.place_with(job, true) {
                self.shed(*job);
            }
        }
    }

    /// Refuses a job because too much waits.
    pub(crate) fn shed(&self, job: Job) {
        let message = "Too many requests wait for this Worker already, or the machine is short of memory.".to_owned();
        self.refuse(job, Ended::new(Outcome::LoadShed, message), Vec::new());
    }

    /// Records a job whose visitor left before it began.
    pub(crate) fn cancel(&self, job: Job) {
        let message = "The visitor disconnected before the Worker began.".to_owned();
        self.refuse(job, Ended::new(Outcome::Canceled, message), Vec::new());
    }

    fn refuse(&self, job: Job, ended: Ended, exceptions: Vec<telemetry::ExceptionRecord>) {
        let record = job.refuse(&self.version, ended, exceptions);
        self.shared.services.options.sink.invocation(record);
    }

    /// Refuses all that wait at an isolate that did not start.
    fn refuse_all(&self, jobs: VecDeque<Job>, failure: &StartupFailure) {
        let outcome = match failure {
            StartupFailure::Exception { .. } | StartupFailure::Hung => Outcome::Exception,
            StartupFailure::Cpu { .. } => Outcome::ExceededCpu,
            StartupFailure::Memory { .. } | StartupFailure::OutOfMemory { .. } => Outcome::ExceededMemory,
            StartupFailure::Internal(_) => Outcome::InternalError,
        };
        for job in jobs {
            self.refuse(job, Ended::new(outcome, failure.to_string()), failure.exceptions());
        }
    }

    // === Threads ===

    /// Runs the version at this seat: in a spare isolate if there is one, else in a new one.
    fn start(self: &Arc<Self>, seat: Arc<Seat>, spare: Option<Spare>, retiring: bool) {
        self.shared.live.send_modify(|live| *live += 1);
        let occupied = Occupied { pool: self.clone(), seat: seat.clone() };
        let task: Task = Box::new(move |host, prepared| {
            let occupied = occupied;
            occupied.pool.clone().run(&occupied.seat, host, prepared, retiring);
        });
        let task = match spare {
            None => task,
            Some(spare) => match spare.begin(task) {
                Ok(()) => return,
                Err(task) => task,
            },
        };
        let pool = self.clone();
        let its_seat = seat.clone();
        let thread = std::thread::Builder::new()
            .name(format!("isolate {}", self.version.name))
            .stack_size(Isolate::STACK_SIZE)
            .spawn(move || {
                let services = pool.shared.services.clone();
                // Bodies that are read here may need the runtime's timers.
                let _runtime = services.options.runtime.enter();
                let host = Rc::new(Host::new(pool.version.clone(), its_seat.clone(), services.clone()));
                match prepare(&host) {
                    Ok(prepared) => task(host, prepared),
                    Err(failure) => pool.fail(&its_seat, &failure),
                }
            });
        if let Err(error) = thread {
            let failure = StartupFailure::Internal(format!("The isolate's thread could not be started ({error})."));
            self.fail(&seat, &failure);
        }
    }

    /// The isolate at this seat did not start.
    fn fail(&self, seat: &Arc<Seat>, failure: &StartupFailure) {
        seat.stop_accepting();
        self.refuse_all(seat.mailbox.close(), failure);
    }

    fn run(self: Arc<Self>, seat: &Arc<Seat>, host: Rc<Host>, prepared: Prepared, retiring: bool) {
        host.assign(self.version.clone());
        match launch(&host, prepared, self.program()) {
            Ok(booted) => Thread::new(host, self, booted, retiring).run(),
            Err(failure) => self.fail(seat, &failure),
        }
    }

    // === Maintenance ===

    /// Takes no new jobs; isolates end when theirs have.
    pub(crate) fn close(&self) {
        let seats = {
            let mut state = self.lock();
            state.closed = true;
            state.seats.clone()
        };
        for seat in seats {
            seat.mailbox.post(Event::Retire);
        }
    }

    /// Closes a pool that has no isolate. Whether it did.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.closed |= state.seats.is_empty();
        state.seats.is_empty()
    }

    /// Its isolates with their loads.
    pub(crate) fn loads(&self, now: Instant) -> Seats {
        self.lock().seats.iter().map(|seat| (seat.clone(), seat.load(now))).collect()
    }

    /// Ends an isolate once it has nothing to do.
    pub(crate) fn evict(&self, seat: &Arc<Seat>) {
        seat.stop_accepting();
        seat.mailbox.post(Event::Retire);
    }

    /// Takes jobs from behind long entries to where they can begin.
    pub(crate) fn relieve(self: &Arc<Self>, now: Instant) {
        let seats = self.loads(now);
        let loads: Vec<Load> = seats.iter().map(|(_, load)| *load).collect();
        for (index, (seat, load)) in seats.iter().enumerate() {
            if placement::is_stuck(load) && placement::place(&loads, self.allowance()) != Place::Seat(index) {
                let jobs = seat.mailbox.take_jobs();
                tracing::debug!(worker = %self.version.name, jobs = jobs.len(), "taken from behind a long entry");
                self.place_again(jobs);
            }
        }
    }

    /// Stops everything.
    pub(crate) fn stop(&self, reason: u32) {
        for seat in self.lock().seats.iter() {
            if let Some(control) = seat.control.get() {
                control.terminate(reason);
            }
            seat.mailbox.post(Event::Shutdown);
        }
    }
}

/// Gives the seat back when its thread ends, however it ends.
struct Occupied {
    pool: Arc<Pool>,
    seat: Arc<Seat>,
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.seat.stop_accepting();
        self.pool.lock().seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        let left = self.seat.mailbox.end();
        if std::thread::panicking() {
            tracing::error!(worker = %self.pool.version.name, "the thread of an isolate panicked");
        }
        self.pool.place_again(left);
        self.pool.shared.live.send_modify(|live| *live = live.saturating_sub(1));
    }
}

/// Isolates with their loads.
pub(crate) type Seats = Vec<(Arc<Seat>, Load)>;

/// Which isolates of these pools are to end.
pub(crate) fn evictions(
    pools: &[(Arc<Pool>, Seats)],
    keep: std::time::Duration,
    budget: usize,
) -> Vec<(&Arc<Pool>, &Arc<Seat>)> {
    let candidates: Vec<_> = pools
        .iter()
        .flat_map(|(pool, seats)| seats.iter().map(move |(seat, load)| Candidate { seat: (pool, seat), load: *load }))
        .collect();
    placement::evict(&candidates, keep, budget)
}
