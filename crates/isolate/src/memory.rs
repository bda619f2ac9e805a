//! How much memory an isolate uses, and what happens when it is too much.
//!
//! Above the limit the isolate collects. If that does not help it is *full*: the embedder learns it and lets nothing new begin. If it then goes on
//! to use more than the limit and [`Ledger::margin`], it is stopped at once. So that an isolate near its limit does not collect all the time, it
//! may grow by half the margin between two collections.

use std::cell::Cell;
use std::rc::Rc;

use mozjs::context::JSContext;
use mozjs::jsapi::GCReason;
use mozjs::rust::Runtime;
use mozjs::rust::wrappers2::{GetGCHeapUsage, JS_DisableInterruptCallback, JS_GC, JS_ResetInterruptCallback};

use crate::allocations;
use crate::failure::Termination;
use crate::ledger::Ledger;
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
}

/// What is in use now, and whether a check is needed for that.
pub(crate) fn measure(cx: &JSContext, state: &State) -> Memory {
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
    if now > memory.collect_above.get() || refused.is_some() {
        let limit = memory.ledger.limit();
        let used = collect(cx, state, limit);
        memory.collect_above.set(limit.max(used.saturating_add(memory.step())));
        memory.full.set(memory.full.get() || used > limit);
        let too_much = match refused {
            None => (used > memory.end()).then_some(used),
            // What was in use then may be dead since: script got an error in the place where it asked, and has left it.
            Some(refused) if refused.for_good => Some(now.saturating_add(refused.size)),
            Some(refused) => {
                let wanted = used.saturating_add(refused.size);
                (used > memory.end() || wanted > memory.end().saturating_add(memory.step())).then_some(wanted)
            }
        };
        if let Some(used) = too_much {
            state.stop(Termination::MemoryLimit { used, limit });
        }
    }
    bound_allocations(state);
}

/// The engine gives no more. Whether that is the limit's doing is seen now: on its way out of where it failed, script lets go of what it holds.
pub(crate) fn ran_out(cx: &JSContext, state: &State) {
    let (used, limit) = (count(cx, state), state.memory.ledger.limit());
    if used > limit {
        state.stop(Termination::MemoryLimit { used, limit });
    }
}

/// Up to two collections, until no more than `enough` bytes are in use: the second waits for the background sweeping of the first, which is when
/// the memory of dead strings and buffers is subtracted.
fn collect(cx: &mut JSContext, state: &Rc<State>, enough: usize) -> usize {
    // SAFETY: the callback must not be called again from inside itself (`Runtime.cpp`, `HandleInterrupt`).
    let enabled = unsafe { JS_DisableInterruptCallback(cx) };
    for _ in 0..2 {
        // SAFETY: this is called where the engine may collect.
        unsafe { JS_GC(cx, GCReason::API) };
        if count(cx, state) <= enough {
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
    // How much room is needed is not known here: all there is.
    collect(&mut cx, &state, 0);
    bound_allocations(&state);
    allocations::collected();
}

/// Bytes in use: what the engine counts (cells, what it has malloc'ed for them, compiled code), and what the embedder holds. No walk of the heap.
fn count(cx: &JSContext, state: &State) -> usize {
    // SAFETY: reads counters.
    let engine = usize::try_from(unsafe { GetGCHeapUsage(cx) }).unwrap_or(usize::MAX);
    state.memory.ledger.set_engine(engine);
    state.memory.ledger.used()
}
