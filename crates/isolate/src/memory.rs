//! How much memory an isolate uses, and what happens when it is too much.
//!
//! Above the limit the isolate collects. If that does not help it is *full*: the embedder learns it and lets nothing new begin. If it then goes on
//! to use more than the limit and [`Ledger::margin`], it is stopped at once. So that an isolate near its limit does not collect all the time, it
//! may grow by half the margin between two collections.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;

use mozjs::context::JSContext;
use mozjs::jsapi::GCReason;
use mozjs::jsapi::js::gc::NewMemoryInfoObject;
use mozjs::jsval::{ObjectValue, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::Runtime;
use mozjs::rust::wrappers2::{
    GetGCHeapUsage, JS_ClearPendingException, JS_DisableInterruptCallback, JS_GC, JS_GetProperty,
    JS_ResetInterruptCallback,
};

use crate::allocations;
use crate::failure::Termination;
use crate::ledger::Ledger;
use crate::roots::Handle;
use crate::state::{State, current};

/// What a value that is too large to be copied throws.
pub(crate) const TOO_LARGE: &str = "The isolate's memory limit would be exceeded.";

/// Growth between two checks that calls for another soon, in bytes.
const GROWN: usize = 1024 * 1024;

/// Memory of one isolate, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// GC heap and malloc'ed memory that the engine attributes to the isolate, and what the embedder holds for it.
    pub used: usize,
    /// What the isolate may use.
    pub limit: usize,
    /// It was still over the limit after a collection. It never leaves this state: nothing new should begin in it.
    pub full: bool,
}

/// What is known of the memory of one isolate.
pub(crate) struct Watch {
    pub(crate) ledger: Ledger,
    /// The object whose getters give the engine's counters.
    counters: RefCell<Option<Handle>>,
    /// Set at the end of a major collection and when an allocation fails, until memory has been checked.
    pub(crate) due: Cell<bool>,
    /// Bytes in use when memory was last checked.
    seen: Cell<usize>,
    /// Above this a check collects.
    collect_above: Cell<usize>,
    full: Cell<bool>,
}

impl Watch {
    pub(crate) fn new(ledger: Ledger) -> Watch {
        Watch {
            collect_above: Cell::new(ledger.limit()),
            ledger,
            counters: RefCell::new(None),
            due: Cell::new(false),
            seen: Cell::new(0),
            full: Cell::new(false),
        }
    }

    /// Above this the isolate is stopped.
    fn end(&self) -> usize {
        self.ledger.limit().saturating_add(self.ledger.margin())
    }

    /// Growth between two collections near the limit.
    fn step(&self) -> usize {
        self.ledger.margin() / 2
    }

    /// What large allocations may still take.
    fn room(&self) -> usize {
        self.end().saturating_add(self.step()).saturating_sub(self.ledger.used())
    }

    /// Whether the embedder may copy so many bytes out of the engine. Small ones always.
    pub(crate) fn may_copy(&self, bytes: usize) -> bool {
        bytes < GROWN || bytes <= self.room()
    }

    /// For the end of the isolate.
    pub(crate) fn forget(&self) {
        self.counters.borrow_mut().take();
    }
}

/// Makes the counters. In the realm. Whether there was memory for them.
pub(crate) fn install(cx: &mut JSContext, state: &Rc<State>) -> bool {
    // SAFETY: the new object is rooted at once.
    rooted!(&in(cx) let counters = unsafe { NewMemoryInfoObject(cx.raw_cx()) });
    if counters.get().is_null() {
        return false;
    }
    *state.memory.counters.borrow_mut() = Some(state.roots.insert(ObjectValue(counters.get())));
    true
}

/// What is in use now, and whether a check is needed for that.
pub(crate) fn measure(cx: &mut JSContext, state: &Rc<State>) -> Memory {
    let used = count(cx, state);
    if used > state.memory.collect_above.get() {
        state.memory.due.set(true);
    }
    Memory { used, limit: state.memory.ledger.limit(), full: state.memory.full.get() }
}

/// Script is about to run, or goes on.
pub(crate) fn bound_allocations(state: &State) {
    allocations::bound(state.memory.room(), state.memory.ledger.limit() / 4);
}

/// Collects when the isolate is over its limit, and stops it when that does not help enough.
pub(crate) fn check(cx: &mut JSContext, state: &Rc<State>) {
    let memory = &state.memory;
    memory.due.set(false);
    let now = count(cx, state);
    let grown = now > memory.seen.replace(now).saturating_add(GROWN);
    state.monitor.memory_checked(grown);
    let refused = allocations::take_refused();
    if now > memory.collect_above.get() || refused > 0 {
        let used = collect(cx, state);
        memory.collect_above.set(memory.ledger.limit().max(used.saturating_add(memory.step())));
        memory.full.set(memory.full.get() || used > memory.ledger.limit());
        let wanted = used.saturating_add(refused);
        if used > memory.end() || (refused > 0 && wanted > memory.end().saturating_add(memory.step())) {
            state.stop(Termination::MemoryLimit { used: wanted, limit: memory.ledger.limit() });
        }
    }
    bound_allocations(state);
}

/// Two collections: the second waits for the background sweeping of the first, which is when the memory of dead buffers is subtracted.
fn collect(cx: &mut JSContext, state: &Rc<State>) -> usize {
    // SAFETY: the callback must not be called again from inside itself (`Runtime.cpp`, `HandleInterrupt`).
    let enabled = unsafe { JS_DisableInterruptCallback(cx) };
    for _ in 0..2 {
        // SAFETY: this is called where the engine may collect.
        unsafe { JS_GC(cx, GCReason::API) };
        if count(cx, state) <= state.memory.ledger.limit() {
            break;
        }
    }
    // SAFETY: restores what was found.
    unsafe { JS_ResetInterruptCallback(cx, enabled) };
    state.memory.due.set(false);
    count(cx, state)
}

/// A large allocation was refused, and will be tried once more: collects.
pub(crate) unsafe extern "C" fn make_room() {
    let (Some(cx), Some(state)) = (Runtime::get(), current()) else { return };
    // SAFETY: this is a callback of the engine on the thread of this context, in which one `JSContext` may be made from its pointer;
    // it is called where the engine may collect (`JSRuntime::onOutOfMemoryCanGC`).
    let mut cx = unsafe { JSContext::from_ptr(cx) };
    collect(&mut cx, &state);
    bound_allocations(&state);
    allocations::collected();
}

/// Bytes in use: the GC heap, what the engine has malloc'ed for it, and what the embedder holds. No walk of the heap.
fn count(cx: &mut JSContext, state: &Rc<State>) -> usize {
    // SAFETY: reads a counter.
    let heap = usize::try_from(unsafe { GetGCHeapUsage(cx) }).unwrap_or(usize::MAX);
    state.memory.ledger.set_engine(heap.saturating_add(counter(cx, state, c"mallocBytes")));
    state.memory.ledger.used()
}

fn counter(cx: &mut JSContext, state: &Rc<State>, name: &CStr) -> usize {
    let Some(counters) = state.memory.counters.borrow().clone() else { return 0 };
    rooted!(&in(cx) let value = counters.get(&state.roots));
    if !value.get().is_object() {
        return 0;
    }
    rooted!(&in(cx) let object = value.get().to_object());
    rooted!(&in(cx) let mut count = UndefinedValue());
    // SAFETY: object and result are rooted. The object is ours and its getters are the engine's, so no script runs.
    let ok = unsafe { JS_GetProperty(cx, object.handle(), name.as_ptr(), count.handle_mut()) };
    if !ok {
        // SAFETY: clearing is always allowed.
        unsafe { JS_ClearPendingException(cx) };
        return 0;
    }
    if count.get().is_number() { count.get().to_number() as usize } else { 0 }
}
