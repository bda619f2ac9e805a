//! The end of the process while the engine still runs.
//!
//! The engine's helper threads wait on mutexes that are static objects of C++. `exit` destroys static objects while those
//! threads still wait, which the engine answers with a crash. Shutting the engine down first would need every isolate to end, and
//! a process must be able to exit while some run. So the process is ended before the static destructors are reached.

use std::ffi::{c_int, c_void};

unsafe extern "C" {
    /// glibc: like `atexit`, but the handler is told the exit status.
    fn on_exit(handler: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

/// Registers the handler. After the engine's initialisation, so that it runs before the destructors of what that created.
pub(crate) fn install() {
    // SAFETY: the handler is a static function that needs no argument.
    let registered = unsafe { on_exit(leave, std::ptr::null_mut()) };
    if registered != 0 {
        tracing::warn!("the exit handler could not be registered: the process may crash when it exits");
    }
}

extern "C" fn leave(status: c_int, _: *mut c_void) {
    // SAFETY: a null stream flushes all of C's; `_exit` ends the process with all of its threads at once.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        libc::_exit(status);
    }
}
