//! What bounds the collector, and the interrupt callback, which stops script that is over its limits.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use mozjs::context::{JSContext, RawJSContext};
use mozjs::glue::DescribeScriptedCaller;
use mozjs::jsapi::{GCReason, JSGCParamKey, JSGCStatus, SetProcessLargeAllocationFailureCallback};
use mozjs::rust::wrappers2::{JS_AddInterruptCallback, JS_SetGCCallback, JS_SetGCParameter, SetOutOfMemoryCallback};

use crate::allocations;
use crate::failure::Place;
use crate::memory;
use crate::state::current;

/// Nursery of an isolate at rest. The engine grows it for programs that allocate a lot.
const MIN_NURSERY: u32 = 256 * 1024;
/// The largest nursery: with hundreds of isolates it is the memory of each that counts, and larger ones gain little.
const MAX_NURSERY: u32 = 4 * 1024 * 1024;

/// Sets what bounds the collector of this context. Before the first global exists.
pub(crate) fn tune(cx: &mut JSContext, memory_limit: usize) {
    // The engine collects at the latest at its own limit divided by JSGC_LARGE_HEAP_INCREMENTAL_LIMIT, in percent (`Scheduling.cpp`,
    // `computeZoneTriggerBytes`). That has to be above all that an isolate may keep (`memory::Watch::end` and a step): where live memory alone is
    // over it, every new arena begins a collection. And it has to be well below the engine's own limit, so that one function that makes garbage of
    // tens of megabytes does not run out of memory before anything is collected.
    let collect_at = memory_limit.saturating_add(memory_limit / 4);
    // And by as much as the table of a `Map` may take when it doubles: what the engine itself refuses, script can catch; what it grants is
    // found to be too much at once.
    let max_bytes = collect_at.saturating_add(memory_limit / 8).saturating_add(memory_limit.max(64 << 20));
    let percent = max_bytes.saturating_mul(100) / collect_at.max(1);
    // Strings and buffers have a trigger of their own, which the engine sets to up to three times this, whatever the limit: with its 38 MiB, garbage
    // alone could fill an isolate, and the next large allocation would find no room. In MiB.
    let malloc_base = ((memory_limit / 8) >> 20).max(1);
    let [max_bytes, percent, malloc_base] =
        [max_bytes, percent, malloc_base].map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let parameters = [
        (JSGCParamKey::JSGC_MAX_BYTES, max_bytes),
        (JSGCParamKey::JSGC_LARGE_HEAP_INCREMENTAL_LIMIT, percent),
        (JSGCParamKey::JSGC_MALLOC_THRESHOLD_BASE, malloc_base),
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

/// Once per process.
pub(crate) fn install_in_process() {
    // SAFETY: the callback is a static function, set before any isolate exists.
    unsafe { SetProcessLargeAllocationFailureCallback(Some(memory::make_room)) };
}

/// Installs the callbacks. In the realm.
pub(crate) fn install(cx: &mut JSContext) -> bool {
    // SAFETY: the callbacks are static functions that find the isolate by thread, and do nothing when there is none.
    unsafe {
        JS_SetGCCallback(cx, Some(collected), ptr::null_mut());
        SetOutOfMemoryCallback(cx, Some(out_of_memory), ptr::null_mut());
        JS_AddInterruptCallback(cx, Some(interrupted))
    }
}

/// A major collection begins or ends. At its end memory is due for a check, which must wait for the next interrupt.
unsafe extern "C" fn collected(_: *mut RawJSContext, status: JSGCStatus, _: GCReason, _: *mut c_void) {
    let ends = status == JSGCStatus::JSGC_END;
    allocations::collecting(!ends);
    if ends {
        check_soon();
    }
}

/// An allocation failed; script gets a catchable error, but if the isolate is over its limit it will not come to catch it.
unsafe extern "C" fn out_of_memory(cx: *mut RawJSContext, _: *mut c_void) {
    if let (Some(cx), Some(state)) = (NonNull::new(cx), current()) {
        // SAFETY: this is a callback of the engine, in which one `JSContext` may be made from its pointer.
        memory::ran_out(&unsafe { JSContext::from_ptr(cx) }, &state);
    }
    check_soon();
}

fn check_soon() {
    if let Some(state) = current() {
        state.memory.due.set(true);
        state.monitor.interrupt();
    }
}

/// Called at loop edges and function entries after an interrupt was requested. `false` stops script uncatchably.
unsafe extern "C" fn interrupted(cx: *mut RawJSContext) -> bool {
    let (Some(cx), Some(state)) = (NonNull::new(cx), current()) else { return true };
    // SAFETY: this is a callback of the engine, in which one `JSContext` may be made from its pointer.
    let mut cx = unsafe { JSContext::from_ptr(cx) };
    if state.stopped().is_none() {
        memory::check(&mut cx, &state);
    }
    if state.noticed().is_none() {
        return true;
    }
    if state.stopped_at.borrow().is_none() {
        *state.stopped_at.borrow_mut() = running_place(&cx);
    }
    false
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
