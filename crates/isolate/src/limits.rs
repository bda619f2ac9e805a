//! The interrupt callback, which stops script that is over its limits, and what it looks at: the engine's memory counters.

use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use mozjs::context::{JSContext, RawJSContext};
use mozjs::glue::DescribeScriptedCaller;
use mozjs::jsapi::js::gc::NewMemoryInfoObject;
use mozjs::jsapi::{GCReason, JSGCParamKey, JSGCStatus};
use mozjs::jsval::{ObjectValue, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::wrappers2::{
    GetGCHeapUsage, JS_AddInterruptCallback, JS_ClearPendingException, JS_DisableInterruptCallback, JS_GC,
    JS_GetProperty, JS_ResetInterruptCallback, JS_SetGCCallback, JS_SetGCParameter, SetOutOfMemoryCallback,
};

use crate::failure::{Place, Termination};
use crate::state::{State, current};

/// Nursery of an isolate at rest. The engine grows it for programs that allocate a lot.
const MIN_NURSERY: u32 = 256 * 1024;
/// The largest nursery: with hundreds of isolates it is the memory of each that counts, and larger ones gain little.
const MAX_NURSERY: u32 = 4 * 1024 * 1024;

/// Growth between two checks that calls for another soon, in bytes.
const GROWN: usize = 1024 * 1024;

/// Sets what bounds the collector of this context. Before the first global exists.
pub(crate) fn tune(cx: &mut JSContext, memory_limit: usize) {
    // Only a backstop: near its own limit the engine's collector thrashes, so script is to be stopped well before.
    let max_bytes =
        u32::try_from(memory_limit.saturating_add(memory_limit / 4).saturating_add(16 << 20)).unwrap_or(u32::MAX);
    let parameters = [
        (JSGCParamKey::JSGC_MAX_BYTES, max_bytes),
        (JSGCParamKey::JSGC_INCREMENTAL_GC_ENABLED, 0),
        (JSGCParamKey::JSGC_PER_ZONE_GC_ENABLED, 1),
        (JSGCParamKey::JSGC_MIN_NURSERY_BYTES, MIN_NURSERY),
        (JSGCParamKey::JSGC_MAX_NURSERY_BYTES, MAX_NURSERY),
        (JSGCParamKey::JSGC_MIN_EMPTY_CHUNK_COUNT, 0),
    ];
    for (key, value) in parameters {
        // SAFETY: no script has run in this context; values out of range are refused by the engine.
        unsafe { JS_SetGCParameter(cx, key, value) };
    }
}

/// Installs the callbacks. In the realm.
pub(crate) fn install(cx: &mut JSContext, state: &Rc<State>) -> bool {
    // SAFETY: the callbacks are static functions that find the isolate by thread, and do nothing when there is none. The new object is
    // rooted at once.
    unsafe {
        rooted!(&in(cx) let counters = NewMemoryInfoObject(cx.raw_cx()));
        if counters.get().is_null() {
            return false;
        }
        *state.memory_counters.borrow_mut() = Some(state.roots.insert(ObjectValue(counters.get())));
        JS_SetGCCallback(cx, Some(collected), ptr::null_mut());
        SetOutOfMemoryCallback(cx, Some(out_of_memory), ptr::null_mut());
        JS_AddInterruptCallback(cx, Some(interrupted))
    }
}

/// A major collection begins or ends. At its end memory is due for a check, which must wait for the next interrupt.
unsafe extern "C" fn collected(_: *mut RawJSContext, status: JSGCStatus, _: GCReason, _: *mut c_void) {
    if status == JSGCStatus::JSGC_END {
        check_soon();
    }
}

/// An allocation failed; script gets a catchable error, but if the isolate is over its limit it will not come to catch it.
unsafe extern "C" fn out_of_memory(_: *mut RawJSContext, _: *mut c_void) {
    check_soon();
}

fn check_soon() {
    if let Some(state) = current() {
        state.memory_check_due.set(true);
        state.monitor.interrupt();
    }
}

/// Called at loop edges and function entries after an interrupt was requested. `false` stops script uncatchably.
unsafe extern "C" fn interrupted(cx: *mut RawJSContext) -> bool {
    let (Some(cx), Some(state)) = (NonNull::new(cx), current()) else { return true };
    // SAFETY: this is a callback of the engine, in which one `JSContext` may be made from its pointer.
    let mut cx = unsafe { JSContext::from_ptr(cx) };
    if state.stopped().is_none() {
        check_memory(&mut cx, &state);
    }
    if state.condemned.get().is_none() {
        return true;
    }
    if state.stopped_at.borrow().is_none() {
        *state.stopped_at.borrow_mut() = running_place(&cx);
    }
    false
}

/// Condemns the isolate when it is over its limit and a collection does not help.
pub(crate) fn check_memory(cx: &mut JSContext, state: &Rc<State>) {
    state.memory_check_due.set(false);
    let now = used(cx, state);
    let grown = now > state.memory_seen.replace(now).saturating_add(GROWN);
    state.monitor.memory_checked(grown);
    if now <= state.memory_limit {
        return;
    }
    // SAFETY: the callback must not be called again from inside itself (`Runtime.cpp`, `HandleInterrupt`).
    let enabled = unsafe { JS_DisableInterruptCallback(cx) };
    // A second collection waits for the background sweeping of the first, which is when the memory of dead buffers is
    // subtracted.
    for _ in 0..2 {
        // SAFETY: interrupts are handled where the engine may collect.
        unsafe { JS_GC(cx, GCReason::API) };
        if used(cx, state) <= state.memory_limit {
            break;
        }
    }
    // SAFETY: restores what was found.
    unsafe { JS_ResetInterruptCallback(cx, enabled) };
    state.memory_check_due.set(false);
    let used = used(cx, state);
    if used > state.memory_limit {
        state.condemn(Termination::MemoryLimit { used, limit: state.memory_limit });
    }
}

/// Bytes in use: the GC heap and what the engine has malloc'ed for it. No walk of the heap.
pub(crate) fn used(cx: &mut JSContext, state: &Rc<State>) -> usize {
    // SAFETY: reads a counter.
    let heap = usize::try_from(unsafe { GetGCHeapUsage(cx) }).unwrap_or(usize::MAX);
    heap.saturating_add(counter(cx, state, c"mallocBytes"))
}

fn counter(cx: &mut JSContext, state: &Rc<State>, name: &CStr) -> usize {
    let Some(counters) = state.memory_counters.borrow().clone() else { return 0 };
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

/// Where script is.
fn running_place(cx: &JSContext) -> Option<Place> {
    unsafe extern "C" fn file(text: *const std::ffi::c_char, length: usize, target: *mut c_void) {
        if !text.is_null() {
            // SAFETY: the engine passes `length` valid bytes; `target` is the vector below.
            unsafe {
                (*target.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(text.cast::<u8>(), length));
            }
        }
    }
    let mut name = Vec::<u8>::new();
    let (mut line, mut column) = (0, 0);
    // SAFETY: reads the youngest frame, without collecting; the callback appends to a vector that outlives the call.
    let found = unsafe {
        DescribeScriptedCaller(
            cx.raw_cx_no_gc(),
            Some(file),
            ptr::from_mut(&mut name).cast::<c_void>(),
            &mut line,
            &mut column,
        )
    };
    found.then(|| Place { file: String::from_utf8_lossy(&name).into_owned(), line, column: column.saturating_add(1) })
}
