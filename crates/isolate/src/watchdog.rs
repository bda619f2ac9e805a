//! The watchdog: one thread per process that looks at isolates while they execute and asks those that overstay to stop.
//!
//! It never decides alone: it marks an entry as expired and requests the interrupt; the isolate's own thread reads the
//! mark in its interrupt callback. A mark names the entry it is for, so it cannot hit the next one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use mozjs::rust::ThreadSafeJSContext;

/// How often executing isolates are looked at, unless a deadline is nearer.
const TICK: Duration = Duration::from_millis(2);
/// The shortest sleep.
const SHORTEST: Duration = Duration::from_micros(200);
/// How soon script that runs for long is interrupted to check its memory, by how much the interval grows while the isolate's memory does not, and
/// the interval after which it is left alone; in CPU time, since on a busy machine nothing grows while others run.
///
/// The engine gives up a regular expression that is interrupted more than four times (`RegExpObject.cpp`, `RegExpShared::execute`), and one of
/// them belongs to the CPU limit. So script that has not grown at three checks is not asked again until something else finds that it has: script
/// that allocates is checked at the end of every collection and after each large allocation anyway. And nothing is interrupted while the
/// process's resident memory stands still.
const MEMORY_CHECK: Duration = Duration::from_millis(5);
const MEMORY_CHECK_GROWTH: u64 = 4;
const MEMORY_CHECK_LONGEST: Duration = Duration::from_millis(80);
/// What counts as a change of resident memory, in bytes.
const RESIDENT_CHANGE: u64 = 1024 * 1024;
/// Looks at an isolate that does not execute before it is not looked at any more. With thousands of isolates it is the few that execute
/// that must cost something.
const QUIET_LOOKS: u32 = 500;
/// Ticks without any executing isolate before the thread parks.
const IDLE_TICKS: u32 = 10;

/// No deadline, no check.
const NEVER: u64 = u64::MAX;
/// Marks a stop request; the reason is in the low 32 bits.
const REQUESTED: u64 = 1 << 32;

/// What an isolate's thread, the watchdog and [`Control`](crate::Control) share.
pub(crate) struct Monitor {
    context: ThreadSafeJSContext,
    /// CPU clock of the isolate's thread.
    clock: libc::clockid_t,
    /// Number of the entry being executed, 0 outside.
    entry: AtomicU64,
    /// Reading of `clock` at which the entry must end, in nanoseconds.
    deadline: AtomicU64,
    /// The budget the deadline was made from, in nanoseconds.
    budget: AtomicU64,
    /// Nanoseconds of CPU time between checks of memory in this entry, or [`NEVER`].
    memory_interval: AtomicU64,
    /// Number of the last entry whose deadline has passed.
    expired: AtomicU64,
    /// 0, or [`REQUESTED`] and a reason.
    stop: AtomicU64,
    /// Whether the watchdog looks at it.
    listed: AtomicBool,
}

/// Nanoseconds of CPU time of the calling thread.
pub(crate) fn thread_cpu() -> u64 {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0)
}

fn read_clock(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid. A clock of a thread that has ended gives an error, not undefined behaviour
    // (clock_gettime(2), EINVAL).
    let got = unsafe { libc::clock_gettime(clock, &mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u64::try_from(time.tv_nsec).ok()?;
    (got == 0).then(|| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
}

impl Monitor {
    /// For an isolate on the calling thread.
    pub(crate) fn new(context: ThreadSafeJSContext) -> Arc<Monitor> {
        let mut clock = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: the thread is the running one and the pointer is valid.
        let got = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        debug_assert_eq!(got, 0, "the clock of the running thread exists");
        Arc::new(Monitor {
            context,
            clock,
            entry: AtomicU64::new(0),
            deadline: AtomicU64::new(NEVER),
            budget: AtomicU64::new(NEVER),
            memory_interval: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            stop: AtomicU64::new(0),
            listed: AtomicBool::new(false),
        })
    }

    /// Entry `number` (never 0) begins, `start` being the thread's clock.
    pub(crate) fn arm(self: &Arc<Self>, number: u64, start: u64, budget: Option<Duration>) {
        let budget = budget.map_or(NEVER, |budget| u64::try_from(budget.as_nanos()).unwrap_or(NEVER));
        self.budget.store(budget, Ordering::Relaxed);
        self.memory_checked(true);
        self.deadline.store(start.saturating_add(budget), Ordering::Relaxed);
        // Sequentially consistent with the watchdog's "store parked, then look at entries": one of both sides sees the other.
        self.entry.store(number, Ordering::SeqCst);
        let Some(Ok(watchdog)) = WATCHDOG.get() else { return };
        if !self.listed.load(Ordering::SeqCst) {
            watchdog.list(self);
        }
        if watchdog.parked.load(Ordering::SeqCst) {
            watchdog.thread.unpark();
        }
    }

    /// The entry has ended.
    pub(crate) fn disarm(&self) {
        self.entry.store(0, Ordering::Release);
        self.deadline.store(NEVER, Ordering::Relaxed);
    }

    /// Whether the deadline of the entry being executed has passed.
    pub(crate) fn expired(&self) -> bool {
        let entry = self.entry.load(Ordering::Relaxed);
        entry != 0 && self.expired.load(Ordering::Acquire) == entry
    }

    /// Memory has been checked, on the isolate's thread: says when to look again.
    pub(crate) fn memory_checked(&self, grown: bool) {
        let [shortest, longest] =
            [MEMORY_CHECK, MEMORY_CHECK_LONGEST].map(|time| u64::try_from(time.as_nanos()).unwrap_or(NEVER));
        let interval = if grown {
            shortest
        } else {
            let next = self.memory_interval.load(Ordering::Relaxed).saturating_mul(MEMORY_CHECK_GROWTH);
            if next > longest { NEVER } else { next }
        };
        self.memory_interval.store(interval, Ordering::Relaxed);
    }

    /// `None` when its memory is not to be checked from here.
    fn memory_interval(&self) -> Option<Duration> {
        let interval = self.memory_interval.load(Ordering::Relaxed);
        (interval != NEVER).then(|| Duration::from_nanos(interval))
    }

    /// The reason of a stop request.
    pub(crate) fn stop(&self) -> Option<u32> {
        let stop = self.stop.load(Ordering::Acquire);
        (stop != 0).then_some((stop & u64::from(u32::MAX)) as u32)
    }

    /// Requests a stop; the first reason wins.
    pub(crate) fn request_stop(&self, reason: u32) {
        let _ = self.stop.compare_exchange(0, REQUESTED | u64::from(reason), Ordering::AcqRel, Ordering::Acquire);
        self.interrupt();
    }

    /// Has the interrupt callback run soon, also in WebAssembly. Does nothing once the context is gone.
    pub(crate) fn interrupt(&self) {
        self.context.request_interrupt_callback();
    }
}

/// Keeps an isolate under the watchdog's eyes.
pub(crate) struct Registration {
    monitor: Arc<Monitor>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(Ok(watchdog)) = WATCHDOG.get() {
            watchdog.watched().retain(|watched| !Arc::ptr_eq(&watched.monitor, &self.monitor));
        }
    }
}

/// Starts the thread when it is not yet running. The isolate is watched from its next entry on.
pub(crate) fn watch(monitor: &Arc<Monitor>) -> Result<Registration, String> {
    WATCHDOG.get_or_init(start).as_ref().map_err(Clone::clone)?;
    Ok(Registration { monitor: monitor.clone() })
}

struct Watchdog {
    shared: Arc<WatchList>,
    thread: Thread,
    parked: Arc<AtomicBool>,
}

type WatchList = Mutex<Vec<Watched>>;

struct Watched {
    monitor: Arc<Monitor>,
    /// The entry seen at the last look.
    seen: u64,
    /// Looks without an entry.
    quiet: u32,
    next_cpu: Instant,
    memory_checked: Instant,
    /// Its CPU clock at that time.
    memory_checked_cpu: u64,
    /// Resident memory of the process when the isolate was last asked to check its own.
    resident: Option<u64>,
}

impl Watched {
    /// Whether it need not be looked at until its next entry, which lists it again.
    fn retires(&self) -> bool {
        if self.quiet < QUIET_LOOKS {
            return false;
        }
        // Sequentially consistent with `arm`, which stores the entry and then looks whether it is listed.
        self.monitor.listed.store(false, Ordering::SeqCst);
        let quiet = self.monitor.entry.load(Ordering::SeqCst) == 0;
        if !quiet {
            self.monitor.listed.store(true, Ordering::SeqCst);
        }
        quiet
    }
}

static WATCHDOG: OnceLock<Result<Watchdog, String>> = OnceLock::new();

impl Watchdog {
    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        lock(&self.shared)
    }

    /// Has an isolate looked at.
    fn list(&self, monitor: &Arc<Monitor>) {
        let now = Instant::now();
        let mut list = self.watched();
        if !monitor.listed.swap(true, Ordering::SeqCst) {
            let monitor = monitor.clone();
            list.push(Watched {
                monitor,
                seen: 0,
                quiet: 0,
                next_cpu: now,
                memory_checked: now,
                memory_checked_cpu: 0,
                resident: None,
            });
        }
    }
}

fn lock(list: &WatchList) -> MutexGuard<'_, Vec<Watched>> {
    match list.lock() {
        Ok(list) => list,
        Err(poisoned) => poisoned.into_inner(),
    }
}

fn start() -> Result<Watchdog, String> {
    let shared = Arc::new(Mutex::new(Vec::new()));
    let parked = Arc::new(AtomicBool::new(false));
    let thread = std::thread::Builder::new()
        .name("js-watchdog".to_owned())
        .stack_size(128 * 1024)
        .spawn({
            let (shared, parked) = (shared.clone(), parked.clone());
            move || run(&shared, &parked)
        })
        .map_err(|error| error.to_string())?;
    Ok(Watchdog { shared, thread: thread.thread().clone(), parked })
}

fn run(list: &WatchList, parked: &AtomicBool) {
    let mut idle = 0;
    let mut resident = Resident::open();
    loop {
        let wait = look(&mut lock(list), Instant::now(), &mut resident);
        match wait {
            Some(wait) => {
                idle = 0;
                std::thread::park_timeout(wait);
            }
            None if idle < IDLE_TICKS => {
                idle += 1;
                std::thread::park_timeout(TICK);
            }
            None => {
                parked.store(true, Ordering::SeqCst);
                if lock(list).iter().all(|watched| watched.monitor.entry.load(Ordering::SeqCst) == 0) {
                    std::thread::park();
                }
                parked.store(false, Ordering::SeqCst);
                idle = 0;
            }
        }
    }
}

/// The resident memory of the process, read at most once per look.
struct Resident {
    statm: Option<File>,
    page: u64,
    now: Option<u64>,
}

impl Resident {
    fn open() -> Resident {
        // SAFETY: asks for a constant of the system.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        Resident { statm: File::open("/proc/self/statm").ok(), page, now: None }
    }

    /// In bytes. `None` when the system does not say.
    fn read(&mut self) -> Option<u64> {
        if self.now.is_none() {
            let mut text = [0; 128];
            let length = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
            let pages =
                std::str::from_utf8(text.get(..length)?).ok()?.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?;
            self.now = Some(pages.saturating_mul(self.page));
        }
        self.now
    }
}

/// Looks at every isolate of the list once, and takes those off that have been quiet. How long to sleep, or `None` when none is executing.
fn look(list: &mut Vec<Watched>, now: Instant, resident: &mut Resident) -> Option<Duration> {
    resident.now = None;
    list.retain_mut(|watched| !watched.retires());
    let mut wait = None;
    for watched in list {
        let monitor = &watched.monitor;
        let entry = monitor.entry.load(Ordering::SeqCst);
        if entry == 0 {
            watched.seen = 0;
            watched.quiet = watched.quiet.saturating_add(1);
            continue;
        }
        watched.quiet = 0;
        if watched.seen != entry {
            watched.seen = entry;
            watched.memory_checked = now;
            watched.memory_checked_cpu = read_clock(monitor.clock).unwrap_or(0);
            watched.resident = resident.read();
            // CPU time passes no faster than the clock on the wall. The entry may have begun up to a tick ago.
            let budget = Duration::from_nanos(monitor.budget.load(Ordering::Relaxed));
            watched.next_cpu = now.checked_add(budget.saturating_sub(TICK)).unwrap_or(now + Duration::from_secs(3600));
        }
        let deadline = monitor.deadline.load(Ordering::Relaxed);
        if now >= watched.next_cpu
            && deadline != NEVER
            && let Some(cpu) = read_clock(monitor.clock)
        {
            if cpu < deadline {
                watched.next_cpu = now + Duration::from_nanos(deadline - cpu);
            } else if monitor.entry.load(Ordering::SeqCst) == entry {
                monitor.expired.store(entry, Ordering::Release);
            }
        }
        // Repeated at every look until the isolate has noticed.
        if monitor.expired() || monitor.stop().is_some() {
            monitor.interrupt();
        } else if let Some(interval) = monitor.memory_interval()
            && now >= watched.memory_checked + interval
            && let Some(cpu) = read_clock(monitor.clock)
            && Duration::from_nanos(cpu.saturating_sub(watched.memory_checked_cpu)) >= interval
        {
            watched.memory_checked = now;
            watched.memory_checked_cpu = cpu;
            let resident = resident.read();
            let still = watched.resident.zip(resident).is_some_and(|(then, now)| then.abs_diff(now) < RESIDENT_CHANGE);
            if !still {
                watched.resident = resident;
                monitor.interrupt();
            }
        }
        let until = watched.next_cpu.saturating_duration_since(now).clamp(SHORTEST, TICK);
        wait = Some(wait.map_or(until, |wait: Duration| wait.min(until)));
    }
    wait
}
