//! One thread, one `JSContext`, one realm: creation, entry, end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mozjs::context::JSContext;
use mozjs::jsapi::{
    JSObject, JSPROP_ENUMERATE, OnNewGlobalHookOption, SetRealmLocaleOverride, SetRealmTimezoneOverride,
};
use mozjs::jsval::ObjectValue;
use mozjs::realm::AutoRealm;
use mozjs::rooted;
use mozjs::rust::wrappers2::{
    ContextOptionsRef, GetCurrentRealmOrNull, JS_DefineProperty3, JS_DeleteProperty1, JS_NewGlobalObject,
    JS_NewPlainObject, SetWarningReporter, ShutdownAsyncTasks,
};
use mozjs::rust::{RealmOptions, Runtime, SIMPLE_GLOBAL_CLASS};

use crate::allocations;
use crate::arguments::{self, HostFunction};
use crate::clock;
use crate::context::AsyncContext;
use crate::engine::Engine;
use crate::failure::{Exception, Failure, Place};
use crate::jobs::{self, AsyncTasks, JobQueue};
use crate::ledger::Ledger;
use crate::limits;
use crate::loader;
use crate::memory::{self, Memory, Watch};
use crate::modules::ModuleSource;
use crate::roots::{Handle, Roots};
use crate::scope::Scope;
use crate::security;
use crate::stack;
use crate::state::{self, State};
use crate::stencil::Stencil;
use crate::watchdog::{self, Monitor, Registration};

/// What an isolate is created with.
#[derive(Clone, Debug)]
pub struct IsolateOptions {
    /// The account of its memory: the JavaScript heap, malloc'ed memory (strings, `ArrayBuffer`s, WebAssembly), and what the embedder
    /// charges to it.
    pub memory: Ledger,
    /// Classic scripts run in order in the fresh global. They see the host functions as methods of the global object `__host`,
    /// which is deleted after the last of them: they capture what they need.
    pub bootstrap: Vec<Stencil>,
    /// Whether script may use `eval` and `new Function`. See [`Scope::allow_eval`].
    pub allow_eval: bool,
    /// Whether script may compile WebAssembly from bytes. Imported WebAssembly modules always work.
    pub allow_wasm_compilation: bool,
}

impl Default for IsolateOptions {
    /// 128 MiB, no bootstrap, no `eval`, WebAssembly compilation allowed.
    fn default() -> Self {
        IsolateOptions {
            memory: Ledger::default(),
            bootstrap: Vec::new(),
            allow_eval: false,
            allow_wasm_compilation: true,
        }
    }
}

/// Why an isolate could not be created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IsolateError {
    /// This thread already has an isolate.
    #[error("this thread already has an isolate: give each isolate a thread of its own")]
    ThreadInUse,
    /// The thread's stack is too small for JavaScript.
    #[error(
        "the thread's stack has {available} bytes left, an isolate needs {needed}: spawn it with Isolate::STACK_SIZE"
    )]
    StackTooSmall {
        /// Bytes between here and the end of the stack.
        available: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The engine has no memory for another context or realm.
    #[error("the engine has no memory for another isolate")]
    OutOfMemory,
    /// The process-wide watchdog thread could not be started.
    #[error("the watchdog's thread could not be started ({0})")]
    Watchdog(String),
    /// A bootstrap script failed.
    #[error("bootstrap script failed: {0}")]
    Bootstrap(String),
}

/// One isolate. It stays on the thread that made it.
///
/// Dropping it ends it: handles become empty, [`Control`]s do nothing.
pub struct Isolate {
    // Dropped in this order: the watchdog forgets the isolate, the context is destroyed, then what the context points to goes.
    registration: Option<Registration>,
    runtime: Option<Runtime>,
    queue: Option<JobQueue>,
    state: Rc<State>,
    global: Handle,
    entries: u64,
}

/// What an entry gave.
#[derive(Debug)]
pub struct Entry<R> {
    /// What the closure gave; [`Failure::Terminated`] whenever script was stopped during the entry.
    pub result: Result<R, Failure>,
    /// CPU time of the thread, from arming the watchdog to the end of the microtask checkpoint.
    pub cpu: Duration,
    /// Promises rejected and still unhandled after the microtask checkpoint, oldest first, and exceptions that escaped from
    /// microtasks. At most 64.
    pub rejections: Vec<Exception>,
    /// Where script was when it was stopped in this entry, when it is known.
    pub stopped_at: Option<Place>,
    /// The isolate's memory after the entry.
    pub memory: Memory,
}

/// Stops an isolate, from any thread.
#[derive(Clone)]
pub struct Control {
    monitor: Arc<Monitor>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

impl Control {
    /// Stops what runs now, uncatchably, and condemns the isolate; the first cause wins. After the isolate is gone this does nothing.
    pub fn terminate(&self, reason: u32) {
        self.monitor.request_stop(reason);
    }
}

/// From this many bytes on, what an isolate used is given back to the system when it ends.
const LARGE: usize = 16 * 1024 * 1024;
/// The engine's share of the native stack: `JS_SetNativeStackQuota`. Deeper recursion throws `InternalError: too much recursion`.
const STACK_QUOTA: usize = 1024 * 1024;
/// What must remain below the quota for native code of the engine and for host functions.
const STACK_RESERVE: usize = 256 * 1024;

impl Isolate {
    /// Stack to give to the thread of an isolate, in bytes: 1 MiB for JavaScript and room for the engine and host functions.
    /// Just under 2 MiB, so that transparent huge pages do not make it resident at once.
    pub const STACK_SIZE: usize = 2 * 1024 * 1024 - 2 * 4096;

    /// Creates an isolate on this thread and runs the bootstrap scripts.
    ///
    /// `functions` are the methods of `__host`; `data` is what they see as [`Scope::data`].
    ///
    /// # Errors
    /// [`IsolateError`].
    pub fn new<T: 'static>(
        engine: &Engine,
        options: IsolateOptions,
        functions: &'static [HostFunction],
        data: Rc<T>,
    ) -> Result<Isolate, IsolateError> {
        if Runtime::get().is_some() {
            return Err(IsolateError::ThreadInUse);
        }
        check_stack()?;
        let parent = engine.parent().ok_or(IsolateError::OutOfMemory)?;
        // SAFETY: the parent lives on the engine's thread, which never ends and does not panic while children exist.
        let mut runtime = unsafe { Runtime::create_with_parent(parent) };
        let monitor = Monitor::new(runtime.thread_safe_js_context());
        let rt = runtime.rt();
        let cx = runtime.cx();
        // SAFETY: the options belong to this context and are set before any script runs. A stack captured at every promise costs
        // several times what the promise itself does, and Workers' stacks do not cross `await` either.
        unsafe { (*ContextOptionsRef(cx)).set_asyncStack_(false) };
        limits::tune(cx, options.memory.limit());
        security::install(cx);
        // SAFETY: the runtime is this thread's.
        unsafe {
            loader::install(rt);
            SetWarningReporter(cx, None);
        }
        let state = Rc::new(State {
            roots: Roots::new(cx),
            data,
            functions,
            monitor: monitor.clone(),
            async_tasks: AsyncTasks::install(cx),
            instantiate: engine.instantiate_options(),
            condemned: Cell::new(None),
            halted: Cell::new(None),
            stopped_at: RefCell::new(None),
            entry_start: Cell::new(0),
            memory: Watch::new(options.memory.clone()),
            freeze_clock: Cell::new(false),
            frozen_time: Cell::new(None),
            allow_eval: Cell::new(options.allow_eval),
            allow_wasm: Cell::new(options.allow_wasm_compilation),
            modules: RefCell::new(None),
            records: RefCell::new(HashMap::new()),
            importer: RefCell::new(None),
            rejection_listener: RefCell::new(None),
            context: AsyncContext::default(),
            rejected: RefCell::new(Vec::new()),
            uncaught: RefCell::new(Vec::new()),
            cleanups: RefCell::new(Vec::new()),
        });
        let queue = JobQueue::install(cx);
        let global = new_global(cx, &state.roots);
        let mut isolate =
            Isolate { registration: None, runtime: Some(runtime), queue: Some(queue), global, state, entries: 0 };
        state::set_current(Some(isolate.state.clone()));
        isolate.start(&options)?;
        isolate.registration = Some(watchdog::watch(&monitor).map_err(IsolateError::Watchdog)?);
        Ok(isolate)
    }

    /// Sets up the realm and runs the bootstrap scripts, which are trusted and not watched.
    fn start(&mut self, options: &IsolateOptions) -> Result<(), IsolateError> {
        let (Some(runtime), Some(global)) = (self.runtime.as_mut(), global_object(&self.state, &self.global)) else {
            return Err(IsolateError::OutOfMemory);
        };
        let state = &self.state;
        let mut realm = AutoRealm::new(runtime.cx(), global);
        let cx: &mut JSContext = &mut realm;
        rooted!(&in(cx) let global = global.as_ptr());
        // SAFETY: the global is rooted and of the current realm; the strings are copied.
        unsafe {
            clock::opt_in(cx);
            let current = GetCurrentRealmOrNull(cx);
            SetRealmTimezoneOverride(current, c"UTC".as_ptr());
            SetRealmLocaleOverride(current, c"en-US".as_ptr());
            if !limits::install(cx) {
                return Err(IsolateError::OutOfMemory);
            }
            rooted!(&in(cx) let host = JS_NewPlainObject(cx));
            if host.get().is_null()
                || !arguments::define(cx, host.handle(), state.functions)
                || !JS_DefineProperty3(
                    cx,
                    global.handle(),
                    c"__host".as_ptr(),
                    host.handle(),
                    u32::from(JSPROP_ENUMERATE),
                )
            {
                return Err(IsolateError::OutOfMemory);
            }
        }
        for script in &options.bootstrap {
            if let Err(failure) = Scope::new(cx, state).run_script(script) {
                return Err(IsolateError::Bootstrap(describe(&failure)));
            }
        }
        if let Some(rejection) = jobs::checkpoint(cx, state).first() {
            return Err(IsolateError::Bootstrap(describe(&Failure::Exception(rejection.clone()))));
        }
        // SAFETY: the global is rooted. User code must not find the host functions.
        if !unsafe { JS_DeleteProperty1(cx, global.handle(), c"__host".as_ptr()) } {
            return Err(IsolateError::Bootstrap("`__host` cannot be deleted".to_owned()));
        }
        memory::measure(cx, state);
        Ok(())
    }

    /// A handle for stopping this isolate from any thread.
    pub fn control(&self) -> Control {
        Control { monitor: self.state.monitor.clone() }
    }

    /// Where `import` finds modules.
    pub fn set_modules(&mut self, modules: Rc<dyn ModuleSource>) {
        let previous = self.state.modules.borrow_mut().replace(modules);
        drop(previous);
    }

    /// Whether the clock that script sees stands still during an entry, as Workers have it: script then cannot time itself. Off at first.
    pub fn freeze_clock(&mut self, freeze: bool) {
        self.state.freeze_clock.set(freeze);
    }

    /// The only way in. Arms the watchdog, runs `f` in the realm, drains the microtask queue, and measures the thread's
    /// CPU clock around all of it.
    ///
    /// With `cpu`, script that spends more than this in this entry is stopped uncatchably; what the entry had queued or begun (microtasks,
    /// compilation of WebAssembly) never runs, and later entries run as if it had not been. A condemned isolate runs nothing: the result
    /// is [`Failure::Terminated`] at once.
    pub fn enter<R>(
        &mut self,
        cpu: Option<Duration>,
        f: impl FnOnce(&mut Scope<'_>) -> Result<R, Failure>,
    ) -> Entry<R> {
        assert!(!crate::coroutine::inside(), "script cannot run on the stack of a coroutine");
        let state = self.state.clone();
        let ended = |termination| Entry {
            result: Err(Failure::Terminated(termination)),
            cpu: Duration::ZERO,
            rejections: Vec::new(),
            stopped_at: None,
            memory: Memory { used: state.memory.ledger.used(), limit: state.memory.ledger.limit(), full: true },
        };
        state.halted.set(None);
        if let Some(termination) = state.stopped() {
            return ended(termination);
        }
        let (Some(runtime), Some(global)) = (self.runtime.as_mut(), global_object(&state, &self.global)) else {
            // The isolate exists, so both do.
            return ended(crate::Termination::Requested(0));
        };
        self.entries += 1;
        // A panic of an earlier closure may have left one behind.
        state.context.clear();
        state.frozen_time.set(state.freeze_clock.get().then(clock::now));
        let start = watchdog::thread_cpu();
        state.entry_start.set(start);
        let armed = Armed::new(&state, self.entries, start, cpu);
        let mut realm = AutoRealm::new(runtime.cx(), global);
        let result = f(&mut Scope::new(&mut realm, &state));
        let rejections = jobs::checkpoint(&mut realm, &state);
        let mut memory = memory::measure(&realm, &state);
        if state.memory.due.get() && state.stopped().is_none() {
            memory::check(&mut realm, &state);
            memory = memory::measure(&realm, &state);
        }
        // A stop that came too late for any script counts for this entry all the same.
        let stopped = state.stopped();
        if stopped.is_some() {
            jobs::abandon(&mut realm, &state);
        }
        drop(realm);
        drop(armed);
        state.frozen_time.set(None);
        let cpu = Duration::from_nanos(watchdog::thread_cpu().saturating_sub(start));
        Entry {
            result: match stopped {
                Some(termination) => Err(Failure::Terminated(termination)),
                None => result,
            },
            cpu,
            rejections,
            stopped_at: state.stopped_at.borrow_mut().take(),
            memory,
        }
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        drop(self.registration.take());
        let Some(mut runtime) = self.runtime.take() else { return };
        let large = self.state.memory.ledger.used() > LARGE;
        let cx = runtime.cx();
        jobs::abandon(cx, &self.state);
        self.state.cleanups.borrow_mut().clear();
        // What holds handles or may hold them through the embedder's types.
        self.state.modules.borrow_mut().take();
        self.state.records.borrow_mut().clear();
        self.state.importer.borrow_mut().take();
        self.state.rejection_listener.borrow_mut().take();
        self.state.context.clear();
        self.state.roots.close();
        // SAFETY: no task is outstanding.
        unsafe { ShutdownAsyncTasks(cx) };
        // The context collects once more while it is destroyed; no callback may find the isolate then.
        state::set_current(None);
        drop(runtime);
        drop(self.queue.take());
        if large {
            allocations::give_back();
        }
    }
}

/// The time during which the watchdog looks at the isolate and its allocations are bounded. Ends also when the closure panics.
struct Armed<'a>(&'a State);

impl<'a> Armed<'a> {
    fn new(state: &'a State, entry: u64, start: u64, cpu: Option<Duration>) -> Armed<'a> {
        memory::bound_allocations(state);
        state.monitor.arm(entry, start, cpu);
        Armed(state)
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.0.monitor.disarm();
        allocations::unbound();
    }
}

fn check_stack() -> Result<(), IsolateError> {
    let needed = STACK_QUOTA + STACK_RESERVE;
    match stack::measure() {
        // The engine counts its quota from the base of the stack, so both the size and what is left matter.
        Some(stack) if stack.size < needed => Err(IsolateError::StackTooSmall { available: stack.size, needed }),
        Some(stack) if stack.remaining < needed - STACK_RESERVE / 2 => {
            Err(IsolateError::StackTooSmall { available: stack.remaining, needed })
        }
        _ => Ok(()),
    }
}

/// A new global in a new realm; empty when the engine has no memory.
fn new_global(cx: &mut JSContext, roots: &Rc<Roots>) -> Handle {
    let options = RealmOptions::default();
    // SAFETY: class and options are valid; the global is rooted at once. Shared memory and `Atomics` are off by default.
    unsafe {
        rooted!(&in(cx) let global = JS_NewGlobalObject(
            cx,
            &SIMPLE_GLOBAL_CLASS,
            ptr::null_mut(),
            OnNewGlobalHookOption::FireOnNewGlobalHook,
            &*options,
        ));
        if global.get().is_null() {
            return roots.insert(mozjs::jsval::UndefinedValue());
        }
        roots.insert(ObjectValue(global.get()))
    }
}

fn global_object(state: &State, global: &Handle) -> Option<NonNull<JSObject>> {
    let value = global.get(&state.roots);
    if value.is_object() { NonNull::new(value.to_object()) } else { None }
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Exception(exception) if !exception.stack.is_empty() => exception.stack.clone(),
        other => other.to_string(),
    }
}
