//! Large allocations of the engine, which are refused here when they would go too far over the isolate's memory limit.
//!
//! The engine bounds its cells but not what it takes from the C library: one call (`new Uint8Array(4e9).fill(1)`) could use up the machine's memory
//! before any interrupt is handled. So `malloc` and its kin, and `mprotect`, which WebAssembly's memory grows by, are replaced for the whole
//! program by functions that look first, at large sizes only and only on the thread of an isolate while its script runs.
//!
//! What happens after a refusal depends on what was asked for. For an `ArrayBuffer` the engine calls [`crate::memory::make_room`], which
//! collects, and asks again; if it still does not fit, script gets a catchable `out of memory`. For strings, arrays and the like, the
//! engine cannot collect at that point and asks again at once: it then gets somewhat more, as part of what is in use may be garbage
//! (`limits` sees to it that it is not much), and if that is refused too the isolate has outgrown its limit ([`take_refused`]). For WebAssembly memory it asks only once, gets that
//! much more at once, and script learns of a refusal.
//!
//! Rust's own allocations must not fail, so they go past these functions.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// From this size on an allocation is looked at: the size from which the engine asks for room before it gives up
/// (`JSRuntime::LARGE_ALLOCATION`). Smaller ones are followed by collections and interrupts soon enough.
const LARGE: usize = 25 * 1024 * 1024;

/// Allocations of this size have pages of their own, and as much may stay free at the end of an arena, in bytes.
const MAPPED: c_int = 4 * 1024 * 1024;

/// What bounds the large allocations of a thread.
#[derive(Clone, Copy)]
struct Bound {
    /// What they may still take together; `None` without a bound.
    room: Option<usize>,
    /// What they may take beyond that when the engine cannot collect.
    excess: usize,
    /// The size refused last, until the engine has collected.
    refused: usize,
    /// It was refused when it was asked for again, too.
    for_good: bool,
    /// The engine has collected in order to make room.
    collected: bool,
    /// The engine collects: what it needs for that it must get.
    collecting: bool,
    /// Something was let through since the bound was set.
    taken: bool,
}

thread_local! {
    static BOUND: Cell<Bound> = const {
        Cell::new(Bound {
            room: None,
            excess: 0,
            refused: 0,
            for_good: false,
            collected: false,
            collecting: false,
            taken: false,
        })
    };
}

fn change(change: impl FnOnce(&mut Bound)) {
    let mut bound = BOUND.get();
    change(&mut bound);
    BOUND.set(bound);
}

/// Bounds the large allocations of this thread: to `room` together, and `excess` more where the engine cannot collect.
pub(crate) fn bound(room: usize, excess: usize) {
    change(|bound| *bound = Bound { room: Some(room), excess, taken: false, ..*bound });
}

/// Ends the bound.
pub(crate) fn unbound() {
    change(|bound| *bound = Bound { room: None, refused: 0, for_good: false, collected: false, ..*bound });
}

/// A collection begins or ends on this thread.
pub(crate) fn collecting(collecting: bool) {
    change(|bound| bound.collecting = collecting);
}

/// The engine has collected because of a refusal, and asks once more.
pub(crate) fn collected() {
    change(|bound| *bound = Bound { refused: 0, collected: true, ..*bound });
}

/// A size that was refused though the engine could not collect first.
#[derive(Clone, Copy)]
pub(crate) struct Refused {
    pub size: usize,
    /// Also when it was asked for again.
    pub for_good: bool,
}

/// What was refused since the last time.
pub(crate) fn take_refused() -> Option<Refused> {
    let Bound { refused: size, for_good, .. } = BOUND.get();
    change(|bound| *bound = Bound { refused: 0, for_good: false, ..*bound });
    (size > 0).then_some(Refused { size, for_good })
}

/// Whether `size` more bytes may be taken; takes them. With `at_once` there will be no second request.
#[cold]
fn admit(size: usize, at_once: bool) -> bool {
    let mut bound = BOUND.get();
    let Some(room) = bound.room else { return true };
    if bound.collecting {
        return true;
    }
    let after_collection = std::mem::take(&mut bound.collected);
    let asked_again = at_once || bound.refused == size;
    let fits = size <= room || (asked_again && size <= room.saturating_add(bound.excess));
    if fits {
        bound.refused = 0;
        bound.room = Some(room.saturating_sub(size));
        let first = !std::mem::replace(&mut bound.taken, true);
        BOUND.set(bound);
        if first && let Some(state) = crate::state::current() {
            // What is used is counted anew at the next opportunity, which also finds what was freed.
            state.monitor.interrupt();
        }
    } else {
        let is_last = after_collection || at_once;
        bound.for_good = !is_last && (bound.for_good || asked_again);
        bound.refused = if is_last { 0 } else { size };
        BOUND.set(bound);
    }
    fits
}

/// How the C library keeps memory: what is of some size comes from the system and goes back to it. By itself the library would take the sizes of
/// hostile code as a hint to keep dozens of megabytes in each of its arenas. Once per process.
pub(crate) fn tune() {
    // SAFETY: sets parameters of the allocator, which are checked there.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
        libc::mallopt(libc::M_TRIM_THRESHOLD, MAPPED);
    }
}

/// Gives back to the system what has become free, after an isolate that was large has ended; at most once a second, because each arena is
/// locked for a while.
pub(crate) fn give_back() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    if LAST.swap(now, Ordering::Relaxed) != now {
        // SAFETY: no requirements.
        unsafe { libc::malloc_trim(0) };
    }
}

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(pointer: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
}

fn refuse() -> *mut c_void {
    // SAFETY: the location is this thread's.
    unsafe { *libc::__errno_location() = libc::ENOMEM };
    std::ptr::null_mut()
}

/// malloc(3)
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    if size >= LARGE && !admit(size, false) {
        return refuse();
    }
    // SAFETY: the C library's own function, under the name that it exports for replacements.
    unsafe { __libc_malloc(size) }
}

/// calloc(3)
#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let bytes = count.saturating_mul(size);
    if bytes >= LARGE && !admit(bytes, false) {
        return refuse();
    }
    // SAFETY: as in `malloc`.
    unsafe { __libc_calloc(count, size) }
}

/// realloc(3)
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void {
    if size >= LARGE {
        // SAFETY: the caller passes null, or what `malloc` gave.
        let old = unsafe { libc::malloc_usable_size(pointer) };
        if size > old && !admit(size - old, false) {
            return refuse();
        }
    }
    // SAFETY: as in `malloc`.
    unsafe { __libc_realloc(pointer, size) }
}

/// mprotect(2)
#[unsafe(no_mangle)]
unsafe extern "C" fn mprotect(address: *mut c_void, length: usize, protection: c_int) -> c_int {
    if length >= LARGE && protection & libc::PROT_WRITE != 0 && !admit(length, true) {
        refuse();
        return -1;
    }
    // SAFETY: the same call, with the caller's promise.
    unsafe { libc::syscall(libc::SYS_mprotect, address, length, protection) as c_int }
}

/// Rust's allocations: the C library's, not looked at.
struct Direct;

#[global_allocator]
static DIRECT: Direct = Direct;

/// What the C library aligns everything to.
const ALIGNED: usize = 16;

// SAFETY: the C library's functions give memory of the size and alignment asked for, or null; what they gave is freed and grown by
// their own `free` and `realloc`. `realloc` keeps no more than `ALIGNED`, so the rest is moved by hand.
unsafe impl GlobalAlloc for Direct {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: no requirements.
        unsafe {
            if layout.align() <= ALIGNED {
                __libc_malloc(layout.size()).cast()
            } else {
                __libc_memalign(layout.align(), layout.size()).cast()
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above; the new memory has this many bytes.
        unsafe {
            if layout.align() <= ALIGNED {
                return __libc_calloc(1, layout.size()).cast();
            }
            let memory = self.alloc(layout);
            if !memory.is_null() {
                memory.write_bytes(0, layout.size());
            }
            memory
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller gives back what it was given.
        unsafe { libc::free(memory.cast()) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; both regions have at least as many bytes as are copied.
        unsafe {
            if layout.align() <= ALIGNED {
                return __libc_realloc(memory.cast(), size).cast();
            }
            let moved = __libc_memalign(layout.align(), size).cast::<u8>();
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(memory, layout.size().min(size));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}
