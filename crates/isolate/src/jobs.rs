//! The microtask queue and what belongs to a checkpoint: unhandled rejections, finalization callbacks, and tasks that the engine
//! finishes on helper threads (asynchronous WebAssembly compilation).

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use mozjs::context::{JSContext, RawJSContext};
use mozjs::glue::{
    CreateJobQueue, DeleteJobQueue, DispatchablePointer, EventLoopCallbackData, JobQueueTraps, RustJobQueue,
};
use mozjs::jsapi::{
    CurrentGlobalOrNull, Dispatchable, Dispatchable_MaybeShuttingDown, GetExecutionGlobalFromJSMicroTask,
    Handle as RawHandle, HandleValueArray, IsJSMicroTask, JS_GetFunctionObject, JSFunction, JSObject, JSTracer,
    MutableHandleObject, PromiseRejectionHandlingState, ToMaybeWrappedJSMicroTask,
};
use mozjs::jsval::{JSVal, NullValue, ObjectValue, UndefinedValue};
use mozjs::realm::AutoRealm;
use mozjs::rooted;
use mozjs::rust::HandleValue;
use mozjs::rust::wrappers2::{
    Call, ClearKeptObjects, DispatchableRun, HasAnyMicroTasks, JS_DequeueNextMicroTask, JS_GetPromiseResult,
    JobQueueIsEmpty, MaybeGetHostDefinedDataFromJSMicroTask, RunJSMicroTask,
    SetHostCleanupFinalizationRegistryCallback, SetJobQueue, SetPromiseRejectionTrackerCallback,
    SetUpEventLoopDispatch,
};

use crate::errors;
use crate::failure::{Exception, Failure};
use crate::roots::Handle;
use crate::state::{State, current};

/// At most this many rejections and exceptions are described per checkpoint; the rest is dropped.
const MAX_REPORTED: usize = 64;

static TRAPS: JobQueueTraps = JobQueueTraps {
    getHostDefinedData: Some(host_defined_data),
    getHostDefinedGlobal: Some(host_defined_global),
    runJobs: Some(run_jobs),
    traceNonGCThingMicroTask: Some(trace_task),
};

/// The engine's handle on our drain loop.
pub(crate) struct JobQueue(*mut RustJobQueue);

impl JobQueue {
    pub(crate) fn install(cx: &mut JSContext) -> JobQueue {
        // SAFETY: the traps are a static. The queue is deleted only after the context is destroyed (see `Isolate`).
        unsafe {
            let queue = CreateJobQueue(&raw const TRAPS);
            SetJobQueue(cx, queue.cast());
            SetPromiseRejectionTrackerCallback(cx, Some(rejection), ptr::null_mut());
            SetHostCleanupFinalizationRegistryCallback(cx, Some(finalization), ptr::null_mut());
            JobQueue(queue)
        }
    }
}

impl Drop for JobQueue {
    fn drop(&mut self) {
        // SAFETY: made by `CreateJobQueue`, and the context that pointed to it no longer exists.
        unsafe { DeleteJobQueue(self.0) };
    }
}

/// Asked for each reaction that waits for a pending promise. The engine keeps the data only together with a global, so a job
/// that has a global has the right data, also when that is null; see [`crate::context`].
unsafe extern "C" fn host_defined_data(
    cx: *mut RawJSContext,
    incumbent_global: MutableHandleObject,
    data: MutableHandleObject,
) -> bool {
    incumbent_global.set(ptr::null_mut());
    data.set(ptr::null_mut());
    let Some(state) = current().filter(|state| state.context.used()) else { return true };
    // SAFETY: this is a callback of the engine; the global is stored in its own root at once.
    incumbent_global.set(unsafe { CurrentGlobalOrNull(cx) });
    if let Some(context) = state.context.current() {
        let value = context.get(&state.roots);
        if value.is_object() {
            data.set(value.to_object());
        }
    }
    true
}

/// Asked for jobs of settled promises and thenables, whose context is known by their position.
unsafe extern "C" fn host_defined_global(_: *mut RawJSContext, global: MutableHandleObject) -> bool {
    global.set(ptr::null_mut());
    true
}

/// Called only by the debugger, which is not used.
unsafe extern "C" fn run_jobs(_: *mut RawJSContext) {}

/// Called for tasks that are not the engine's own; none are queued.
unsafe extern "C" fn trace_task(_: *mut JSTracer, _: *mut JSVal) {}

/// A promise was rejected without a handler, or got one afterwards.
unsafe extern "C" fn rejection(
    _: *mut RawJSContext,
    _muted: bool,
    promise: RawHandle<*mut JSObject>,
    state: PromiseRejectionHandlingState,
    _: *mut c_void,
) {
    let Some(isolate) = current() else { return };
    let value = ObjectValue(promise.get());
    match state {
        PromiseRejectionHandlingState::Unhandled => {
            let handle = isolate.roots.insert(value);
            isolate.rejected.borrow_mut().push(handle);
        }
        PromiseRejectionHandlingState::Handled => {
            let found = {
                let rejected = isolate.rejected.borrow();
                rejected.iter().position(|handle| handle.get(&isolate.roots).asBits_ == value.asBits_)
            };
            if let Some(index) = found {
                let removed = isolate.rejected.borrow_mut().remove(index);
                drop(removed);
            }
        }
    }
}

/// A `FinalizationRegistry` has work. Must not collect.
unsafe extern "C" fn finalization(cleanup: *mut JSFunction, _incumbent_global: *mut JSObject, _: *mut c_void) {
    let Some(isolate) = current() else { return };
    // SAFETY: the engine passes a live function.
    let value = ObjectValue(unsafe { JS_GetFunctionObject(cleanup) });
    let handle = isolate.roots.insert(value);
    isolate.cleanups.borrow_mut().push(handle);
}

/// Runs microtasks, finished helper-thread tasks and finalization callbacks until nothing is left or the isolate is stopped, then
/// describes the promises that are still rejected and unhandled.
///
/// The isolate's listener hears of these first, and what it does about them runs here too.
pub(crate) fn checkpoint(cx: &mut JSContext, state: &Rc<State>) -> Vec<Exception> {
    let mut rejected = Vec::new();
    loop {
        while state.stopped().is_none() {
            drain(cx, state);
            if state.stopped().is_some() || !(run_cleanups(cx, state) | state.async_tasks.run(cx, state)) {
                break;
            }
        }
        // SAFETY: no script is running (`ClearKeptObjects`, ECMA-262 9.10: when no job is running).
        unsafe { ClearKeptObjects(cx) };
        let found = std::mem::take(&mut *state.rejected.borrow_mut());
        let listener = state.rejection_listener.borrow().clone();
        let (Some(listener), false) = (listener, found.is_empty()) else {
            rejected.extend(found);
            break;
        };
        for promise in found {
            if state.stopped().is_some() || !is_dealt_with(cx, state, &listener, &promise) {
                rejected.push(promise);
            }
        }
    }
    let mut reported = std::mem::take(&mut *state.uncaught.borrow_mut());
    for promise in rejected.iter() {
        if state.stopped().is_some() || reported.len() >= MAX_REPORTED {
            break;
        }
        let value = promise.get(&state.roots);
        rooted!(&in(cx) let object = value.to_object());
        rooted!(&in(cx) let mut reason = UndefinedValue());
        // SAFETY: the tracker is called with promises only.
        unsafe { JS_GetPromiseResult(object.handle(), reason.handle_mut()) };
        reported.push(errors::describe(cx, state, reason.handle()));
    }
    reported
}

/// Tells the listener of a rejection that has no handler; whether it has dealt with it.
fn is_dealt_with(cx: &mut JSContext, state: &Rc<State>, listener: &Handle, promise: &Handle) -> bool {
    rooted!(&in(cx) let function = listener.get(&state.roots));
    rooted!(&in(cx) let object = promise.get(&state.roots).to_object());
    rooted!(&in(cx) let mut reason = UndefinedValue());
    rooted!(&in(cx) let mut result = UndefinedValue());
    // SAFETY: the tracker is called with promises only.
    unsafe { JS_GetPromiseResult(object.handle(), reason.handle_mut()) };
    rooted!(&in(cx) let values: Vec<JSVal> = vec![ObjectValue(object.get()), reason.get()]);
    let values = HandleValueArray::from(&values);
    // SAFETY: all values are rooted and of this realm.
    let told = unsafe { Call(cx, HandleValue::undefined(), function.handle(), &values, result.handle_mut()) };
    if !told {
        report(cx, state);
    }
    told && result.get().is_boolean() && result.get().to_boolean()
}

fn drain(cx: &mut JSContext, state: &Rc<State>) {
    rooted!(&in(cx) let mut task = NullValue());
    rooted!(&in(cx) let mut job = ptr::null_mut::<JSObject>());
    rooted!(&in(cx) let mut global = ptr::null_mut::<JSObject>());
    rooted!(&in(cx) let mut incumbent = ptr::null_mut::<JSObject>());
    rooted!(&in(cx) let mut data = ptr::null_mut::<JSObject>());
    // SAFETY: the loop is the one `MicroTask.h` prescribes: dequeue, ask for the global, enter its realm, run.
    unsafe {
        while HasAnyMicroTasks(cx) {
            if state.stopped().is_some() {
                return;
            }
            JS_DequeueNextMicroTask(cx, task.handle_mut());
            let mut context = state.context.take_job();
            if !HasAnyMicroTasks(cx) {
                // Lets `await` of a settled value in the last task go on at once; the engine takes it back when it queues a task.
                JobQueueIsEmpty(cx);
            }
            if !IsJSMicroTask(task.as_ptr()) {
                continue;
            }
            job.set(ToMaybeWrappedJSMicroTask(task.as_ptr()));
            global.set(GetExecutionGlobalFromJSMicroTask(job.get()));
            if global.get().is_null() {
                continue;
            }
            if state.context.used() {
                if !MaybeGetHostDefinedDataFromJSMicroTask(job.get(), incumbent.handle_mut(), data.handle_mut()) {
                    continue;
                }
                if !incumbent.get().is_null() {
                    context = state.context.stored(&state.roots, data.get());
                }
                state.context.switch(cx, context);
            }
            let mut realm = AutoRealm::new_from_handle(cx, global.handle());
            if !RunJSMicroTask(&mut realm, job.handle()) {
                report(&mut realm, state);
            }
        }
    }
    state.context.clear();
}

/// Takes the pending exception of a task that failed.
fn report(cx: &mut JSContext, state: &Rc<State>) {
    if let Failure::Exception(exception) = errors::take_failure(cx, state)
        && state.uncaught.borrow().len() < MAX_REPORTED
    {
        state.uncaught.borrow_mut().push(exception);
    }
}

/// Whether there was anything to run.
fn run_cleanups(cx: &mut JSContext, state: &Rc<State>) -> bool {
    let mut cleanups = std::mem::take(&mut *state.cleanups.borrow_mut()).into_iter();
    let any = cleanups.len() > 0;
    while state.stopped().is_none()
        && let Some(cleanup) = cleanups.next()
    {
        rooted!(&in(cx) let function = cleanup.get(&state.roots));
        rooted!(&in(cx) let mut result = UndefinedValue());
        // SAFETY: the function is rooted and of this realm.
        let ok = unsafe {
            let none = HandleValueArray::empty();
            Call(cx, HandleValue::undefined(), function.handle(), &none, result.handle_mut())
        };
        if !ok {
            report(cx, state);
        }
    }
    // They are the isolate's and not the entry's: after a stop the next entry runs the rest.
    state.cleanups.borrow_mut().extend(cleanups);
    any
}

/// Throws away what the entry has queued or begun, so that nothing of it runs in a later one. Waits for helper threads that are at work
/// for it.
pub(crate) fn abandon(cx: &mut JSContext, state: &Rc<State>) {
    clear(cx, state);
    state.async_tasks.shut_down(cx);
    clear(cx, state);
    state.context.clear();
}

fn clear(cx: &mut JSContext, state: &Rc<State>) {
    rooted!(&in(cx) let mut task = NullValue());
    // SAFETY: dequeued tasks are the engine's own and need no further care.
    unsafe {
        while HasAnyMicroTasks(cx) {
            JS_DequeueNextMicroTask(cx, task.handle_mut());
        }
    }
    state.rejected.borrow_mut().clear();
    state.uncaught.borrow_mut().clear();
}

/// Tasks that the engine works on in helper threads and finishes on the isolate's thread.
pub(crate) struct AsyncTasks {
    finished: Mutex<VecDeque<Task>>,
    ready: Condvar,
    /// Started and not yet run on the isolate's thread.
    outstanding: AtomicUsize,
}

struct Task(NonNull<DispatchablePointer>);

// SAFETY: the engine hands the task from a helper thread to the isolate's thread by this very pointer (`Promise.h`,
// `DispatchToEventLoopCallback`).
unsafe impl Send for Task {}

impl AsyncTasks {
    pub(crate) fn install(cx: &mut JSContext) -> Arc<AsyncTasks> {
        let tasks = Arc::new(AsyncTasks {
            finished: Mutex::new(VecDeque::new()),
            ready: Condvar::new(),
            outstanding: AtomicUsize::new(0),
        });
        let closure = Arc::as_ptr(&tasks).cast_mut().cast::<c_void>();
        // SAFETY: the closure is used until `ShutdownAsyncTasks`, which the isolate calls before it lets go of its `Arc`.
        unsafe { SetUpEventLoopDispatch(cx, Some(dispatch), Some(started), Some(finished), closure) };
        tasks
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Task>> {
        match self.finished.lock() {
            Ok(finished) => finished,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Waits for one outstanding task, if any, and finishes it. Whether there was one.
    ///
    /// Waiting here keeps an entry's work inside the entry. It ends early when the isolate is stopped.
    fn run(&self, cx: &mut JSContext, state: &Rc<State>) -> bool {
        let Some(task) = self.next(|| state.stopped().is_some()) else { return false };
        // SAFETY: each task is run exactly once, on the thread of its context.
        unsafe { DispatchableRun(cx, task.0.as_ptr(), Dispatchable_MaybeShuttingDown::NotShuttingDown) };
        true
    }

    /// Disposes of all tasks, waiting for those still at work.
    fn shut_down(&self, cx: &mut JSContext) {
        while let Some(task) = self.next(|| false) {
            // SAFETY: as above; told that it is shutting down, the task does not touch its promise.
            unsafe { DispatchableRun(cx, task.0.as_ptr(), Dispatchable_MaybeShuttingDown::ShuttingDown) };
        }
    }

    fn next(&self, give_up: impl Fn() -> bool) -> Option<Task> {
        if self.outstanding.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut finished = self.lock();
        loop {
            if let Some(task) = finished.pop_front() {
                return Some(task);
            }
            if self.outstanding.load(Ordering::Acquire) == 0 || give_up() {
                return None;
            }
            finished = match self.ready.wait_timeout(finished, Duration::from_millis(2)) {
                Ok((finished, _)) => finished,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

/// Called on any thread, with the engine's helper-thread lock held: must not call the engine.
unsafe extern "C" fn dispatch(closure: *mut c_void, task: *mut DispatchablePointer) -> bool {
    // SAFETY: see `AsyncTasks::install`.
    let tasks = unsafe { &*closure.cast_const().cast::<AsyncTasks>() };
    if let Some(task) = NonNull::new(task) {
        tasks.lock().push_back(Task(task));
        tasks.ready.notify_one();
    }
    true
}

unsafe extern "C" fn started(data: *mut c_void, _: *mut Dispatchable) {
    // SAFETY: the engine passes the glue's own record, which holds our closure (`jsglue.cpp`, `SetUpEventLoopDispatch`) and is
    // never freed; for the closure see `AsyncTasks::install`.
    let tasks =
        unsafe { &*(*data.cast_const().cast::<EventLoopCallbackData>()).closure.cast_const().cast::<AsyncTasks>() };
    tasks.outstanding.fetch_add(1, Ordering::AcqRel);
}

unsafe extern "C" fn finished(data: *mut c_void, _: *mut Dispatchable) {
    // SAFETY: as in `started`.
    let tasks =
        unsafe { &*(*data.cast_const().cast::<EventLoopCallbackData>()).closure.cast_const().cast::<AsyncTasks>() };
    tasks.outstanding.fetch_sub(1, Ordering::AcqRel);
}
