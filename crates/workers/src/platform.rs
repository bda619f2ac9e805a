//! The platform: which pool serves which version, and the work that is done from time to time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use http::Response;
use invocation::{Answer, Body, Call, CallFailed, Ended, Invocation, Outcome};
use isolate::{Engine, EngineError};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::builtins::Builtins;
use crate::job::{Job, Responding};
use crate::placement;
use crate::pool::{Misplaced, Pool, Shared, evictions};
use crate::services::{PlatformOptions, Services};
use crate::spare::Spares;
use crate::validate::{Invalid, Validated, validate};
use crate::version::WorkerVersion;

/// How often stuck jobs, idle isolates and memory are looked after, while there are isolates.
const ROUND: Duration = Duration::from_millis(25);
/// How long isolates have to end once they are stopped.
const STOP: Duration = Duration::from_secs(5);
/// The reason that isolates are stopped with at shutdown.
const SHUTDOWN: u32 = 1;

/// Why the platform did not start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlatformError {
    /// The engine did not.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A built-in module has a syntax error: this build of Culvert is broken.
    #[error("a built-in module does not compile: {0}")]
    Builtins(String),
}

/// Runs Workers. Clone it freely.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    pools: RwLock<HashMap<Uuid, Arc<Pool>>>,
    /// Pools of versions that were replaced, until their isolates have ended.
    retired: Mutex<Vec<Arc<Pool>>>,
    validations: Semaphore,
}

impl Platform {
    /// Starts the engine and compiles the built-in modules. Isolates start when they are needed.
    ///
    /// # Errors
    /// [`PlatformError`].
    pub fn start(options: PlatformOptions) -> Result<Platform, PlatformError> {
        let engine = Engine::start()?;
        let builtins = Builtins::get(&engine).map_err(|error| PlatformError::Builtins(error.to_string()))?;
        let runtime = options.runtime.clone();
        let (live, isolates) = watch::channel(0);
        let services = Arc::new(Services { options, engine, builtins });
        let spares = Arc::new(Spares::default());
        spares.refill(&services);
        let shared = Shared { services, spares, live, memory: AtomicUsize::new(0), closing: AtomicBool::new(false) };
        let inner = Arc::new(Inner {
            shared: Arc::new(shared),
            pools: RwLock::default(),
            retired: Mutex::default(),
            validations: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        });
        runtime.spawn(maintain(Arc::downgrade(&inner), isolates));
        Ok(Platform { inner })
    }

    /// Compiles, links and runs the top level of a version in an isolate that is thrown away.
    ///
    /// # Errors
    /// [`Invalid`] says what the developer has to mend.
    pub async fn validate(&self, version: Arc<WorkerVersion>) -> Result<Validated, Invalid> {
        let _permit = self.inner.validations.acquire().await;
        validate(version, self.inner.shared.services.clone()).await
    }

    /// Begins an invocation and gives the future of its response head. Dropping the future, or the response's body before its end, says that the
    /// visitor is gone.
    ///
    /// A version that was retired a moment ago is served all the same: a request that was routed before the switch is not dropped.
    ///
    /// # Errors
    /// [`Ended`] when there will be no response.
    pub fn dispatch(
        &self,
        version: Arc<WorkerVersion>,
        invocation: Invocation,
    ) -> impl Future<Output = Result<Response<Body>, Ended>> + Send + Unpin + use<> {
        let (job, answering) = Job::new(Call::from(invocation));
        self.inner.place(&version, job);
        Responding(answering)
    }

    /// Begins an invocation of any kind, for another Worker or by the clock, and gives the future of its answer. Dropping the future, or a body
    /// of the answer, says that nobody waits any more.
    ///
    /// # Errors
    /// [`CallFailed`] when there will be no answer.
    pub fn call(
        &self,
        version: Arc<WorkerVersion>,
        call: Call,
    ) -> impl Future<Output = Result<Answer, CallFailed>> + Send + Unpin + use<> {
        let (job, answering) = Job::new(call);
        self.inner.place(&version, job);
        answering
    }

    /// No new invocations for this version; its isolates end when theirs have.
    pub fn retire(&self, version: Uuid) {
        self.inner.retire(version);
    }

    /// How many isolates exist, of all versions.
    pub fn isolates(&self) -> usize {
        *self.inner.shared.live.borrow()
    }

    /// Takes no new invocations, waits for those in flight as long as the options say, then stops what is left.
    pub async fn shutdown(&self) {
        let shared = &self.inner.shared;
        shared.closing.store(true, Ordering::Release);
        shared.spares.clear();
        let versions: Vec<Uuid> =
            self.inner.pools.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        for version in versions {
            self.retire(version);
        }
        let mut live = shared.live.subscribe();
        if tokio::time::timeout(shared.services.options.grace, live.wait_for(|live| *live == 0)).await.is_ok() {
            return;
        }
        for pool in self.inner.retired.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            pool.stop(SHUTDOWN);
        }
        if tokio::time::timeout(STOP, live.wait_for(|live| *live == 0)).await.is_err() {
            tracing::warn!("some isolates did not end");
        }
    }
}

impl Inner {
    fn retire(&self, version: Uuid) {
        let pool = self.pools.write().unwrap_or_else(PoisonError::into_inner).remove(&version);
        if let Some(pool) = pool {
            pool.close();
            self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(pool);
        }
    }

    fn place(&self, version: &Arc<WorkerVersion>, mut job: Job) {
        let closing = self.shared.closing.load(Ordering::Acquire);
        // What is in flight may still call other Workers.
        if closing && job.depth == 0 {
            let ended = Ended::new(Outcome::LoadShed, "Culvert is shutting down.");
            let record = job.refuse(version, ended, Vec::new());
            self.shared.services.options.sink.invocation(record);
            return;
        }
        loop {
            let pool = self.pool(version);
            match pool.place(job) {
                // Nothing retires a pool that is made while the platform shuts down.
                Ok(()) if closing => return self.retire(version.id),
                Ok(()) => return,
                Err(Misplaced::Shed(job)) => return pool.shed(*job),
                // It was taken out of use meanwhile: the next look finds or makes another.
                Err(Misplaced::Closed(back)) => {
                    self.forget(&pool);
                    job = *back;
                }
            }
        }
    }

    fn pool(&self, version: &Arc<WorkerVersion>) -> Arc<Pool> {
        let known = self.pools.read().unwrap_or_else(PoisonError::into_inner).get(&version.id).cloned();
        known.unwrap_or_else(|| {
            let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
            pools.entry(version.id).or_insert_with(|| Arc::new(Pool::new(version.clone(), self.shared.clone()))).clone()
        })
    }

    /// Takes a closed pool out of the map.
    fn forget(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        if pools.get(&pool.version.id).is_some_and(|known| Arc::ptr_eq(known, pool)) {
            pools.remove(&pool.version.id);
        }
    }

    fn look_after(&self) {
        let now = Instant::now();
        let mut pools: Vec<Arc<Pool>> =
            self.pools.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        {
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            retired.retain(|pool| !pool.close_if_empty());
            pools.extend(retired.iter().cloned());
        }
        for pool in &pools {
            pool.relieve(now);
        }
        let loads: Vec<_> = pools.iter().map(|pool| (pool.clone(), pool.loads(now))).collect();
        let memory = loads.iter().flat_map(|(_, seats)| seats).map(|(_, load)| load.memory).sum();
        self.shared.memory.store(memory, Ordering::Relaxed);
        let options = &self.shared.services.options;
        if !self.shared.closing.load(Ordering::Acquire) {
            self.shared.spares.refill(&self.shared.services);
        }
        // Room is made before it is needed.
        for (pool, seat) in evictions(&loads, options.keep_idle, options.memory_budget / 10 * 9) {
            pool.evict(seat);
        }
        for (pool, seats) in &loads {
            if seats.is_empty() && pool.close_if_empty() {
                self.forget(pool);
            }
        }
    }
}

/// Looks after the isolates as long as the platform exists.
async fn maintain(inner: Weak<Inner>, mut live: watch::Receiver<usize>) {
    loop {
        if live.wait_for(|live| *live > 0).await.is_err() {
            return;
        }
        tokio::time::sleep(ROUND.max(placement::STALL)).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.look_after();
    }
}
