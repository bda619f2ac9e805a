//! What the platform is started with, shared by all that is in it.

use std::sync::Arc;
use std::time::Duration;

use invocation::Outbound;
use isolate::Engine;
use telemetry::Sink;
use tokio::runtime::Handle;

use crate::builtins::Builtins;
use crate::cache::{MemoryCache, ResponseCache};

/// Bytes of the cache in memory, unless another one is given.
const CACHE: usize = 64 * 1024 * 1024;

/// How the platform is to run.
#[derive(Clone)]
pub struct PlatformOptions {
    /// Carries out subrequests.
    pub outbound: Arc<dyn Outbound>,
    /// Takes one record an invocation.
    pub sink: Arc<dyn Sink>,
    /// Where all I/O runs.
    pub runtime: Handle,
    /// The most isolates of one Worker that take requests at a time.
    pub isolates_per_worker: usize,
    /// The most requests of one Worker that wait to begin; further ones are refused with outcome `loadShed`.
    pub queue: usize,
    /// Isolates that are made before they are needed, about 2 MB each, so that a version's first request need not wait for one.
    pub spare_isolates: usize,
    /// Memory of one isolate, in bytes: the JavaScript heap, strings, buffers, WebAssembly, and what the platform holds for it.
    pub isolate_memory: usize,
    /// Memory for all isolates, in bytes. Above it idle ones are ended and no further ones are started for a Worker that has one.
    pub memory_budget: usize,
    /// How long an isolate is kept that has nothing to do.
    pub keep_idle: Duration,
    /// What `caches` of Workers keep.
    pub cache: Arc<dyn ResponseCache>,
    /// Whether the clocks of Workers stand still between two pieces of I/O, as Cloudflare's do, so that script cannot time itself.
    pub freeze_clock: bool,
    /// How long [`Platform::shutdown`](crate::Platform::shutdown) waits for what is in flight.
    pub grace: Duration,
}

impl PlatformOptions {
    /// An isolate a core and Worker, 1,000 waiting requests, a spare isolate, 128 MiB an isolate, three quarters of the machine's memory (or its
    /// cgroup's) for all, 60 seconds idle, a cache of 64 MiB, frozen clocks, 30 seconds grace.
    pub fn new(outbound: Arc<dyn Outbound>, sink: Arc<dyn Sink>, runtime: Handle) -> Self {
        PlatformOptions {
            outbound,
            sink,
            runtime,
            isolates_per_worker: std::thread::available_parallelism().map_or(1, usize::from),
            queue: 1000,
            spare_isolates: 1,
            isolate_memory: 128 * 1024 * 1024,
            memory_budget: crate::machine::memory() / 4 * 3,
            keep_idle: Duration::from_secs(60),
            cache: Arc::new(MemoryCache::new(CACHE)),
            freeze_clock: true,
            grace: Duration::from_secs(30),
        }
    }
}

/// The options, and the engine with the built-ins.
pub(crate) struct Services {
    pub options: PlatformOptions,
    pub engine: Engine,
    pub builtins: &'static Builtins,
}
