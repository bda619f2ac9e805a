//! Functions on a stack of their own, which stop in the middle and go on later: for libraries that call back in the middle of their work
//! while the answer to the call takes its time.
//!
//! Nothing of script runs on such a stack: the engine knows the bounds of the thread's own one only, and [`Isolate::enter`]
//! (crate::Isolate::enter) refuses.

use std::cell::Cell;
use std::io;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{CoroutineResult, Yielder};

/// Bytes of such a stack. They are memory only as far as they are used.
const STACK: usize = 256 * 1024;

thread_local! {
    /// Which coroutine runs: the address of its [`Link`]; null outside of any.
    static RUNNING: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// Whether the caller runs inside of a coroutine.
pub(crate) fn inside() -> bool {
    !RUNNING.get().is_null()
}

/// What a coroutine and its [`Suspender`]s share.
struct Link<I, O> {
    /// The way back to whoever resumed; there while the function runs or is suspended.
    yielder: Cell<Option<NonNull<Yielder<I, O>>>>,
}

/// A function that takes values of `I` when it is resumed and gives values of `O` when it stops.
///
/// Dropping one that is suspended unwinds its stack.
pub struct Coroutine<I: 'static, O: 'static> {
    inner: corosensei::Coroutine<I, O, ()>,
    link: Rc<Link<I, O>>,
}

/// Stops the coroutine that it was made for, from within.
pub struct Suspender<I: 'static, O: 'static>(Rc<Link<I, O>>);

impl<I, O> Clone for Suspender<I, O> {
    fn clone(&self) -> Self {
        Suspender(self.0.clone())
    }
}

/// A coroutine can be stopped only by itself.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the coroutine to be suspended is not the one that runs")]
pub struct NotRunning;

/// Restores which coroutine runs, also when a panic passes.
struct Restore(*const ());

impl Drop for Restore {
    fn drop(&mut self) {
        RUNNING.set(self.0);
    }
}

impl<I: 'static, O: 'static> Coroutine<I, O> {
    /// A coroutine that will run `body`.
    ///
    /// # Errors
    /// When there is no memory for a stack.
    pub fn new(body: impl FnOnce(&Suspender<I, O>, I) + 'static) -> io::Result<Self> {
        let link = Rc::new(Link { yielder: Cell::new(None) });
        let suspender = Suspender(link.clone());
        let inner = corosensei::Coroutine::with_stack(DefaultStack::new(STACK)?, move |yielder, input| {
            suspender.0.yielder.set(Some(NonNull::from(yielder)));
            body(&suspender, input);
            suspender.0.yielder.set(None);
        });
        Ok(Coroutine { inner, link })
    }

    /// Lets it run until it stops. `None` when it has come to its end, or had before.
    ///
    /// # Panics
    /// When it panics.
    pub fn resume(&mut self, input: I) -> Option<O> {
        if self.inner.done() {
            return None;
        }
        let _restore = Restore(RUNNING.replace(Rc::as_ptr(&self.link).cast()));
        match self.inner.resume(input) {
            CoroutineResult::Yield(output) => Some(output),
            CoroutineResult::Return(()) => None,
        }
    }
}

impl<I: 'static, O: 'static> Suspender<I, O> {
    /// Stops here, gives `output` to whoever resumed, and goes on with what the next one gives.
    ///
    /// # Errors
    /// [`NotRunning`] when the coroutine is not the one that runs.
    pub fn suspend(&self, output: O) -> Result<I, NotRunning> {
        let yielder = self.0.yielder.get().filter(|_| RUNNING.get() == Rc::as_ptr(&self.0).cast()).ok_or(NotRunning)?;
        // SAFETY: the pointer is of the reference that the coroutine's function was called with, which lives on the coroutine's stack as long
        // as the function has not returned. `RUNNING` says that this is called from within that function on that stack, and from no other
        // coroutine that it resumed: `resume` sets it for just as long, and unwinding (which does not go through `resume`) leaves it unset.
        Ok(unsafe { yielder.as_ref() }.suspend(output))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_go_in_and_out() {
        let mut doubles = Coroutine::new(|suspender, mut input: i32| {
            while input != 0 {
                input = suspender.suspend(input * 2).unwrap();
            }
        })
        .unwrap();
        assert_eq!(doubles.resume(3), Some(6));
        assert_eq!(doubles.resume(4), Some(8));
        assert!(!inside());
        assert_eq!(doubles.resume(0), None);
        assert_eq!(doubles.resume(1), None);
    }

    #[test]
    fn only_the_running_one_can_be_suspended() {
        let kept: Rc<Cell<Option<Suspender<(), ()>>>> = Rc::default();
        let keep = kept.clone();
        let mut outer = Coroutine::new(move |suspender, ()| {
            keep.set(Some(suspender.clone()));
            assert!(inside());
            let outer = suspender.clone();
            let mut inner = Coroutine::new(move |_: &Suspender<(), ()>, ()| {
                assert!(outer.suspend(()).is_err());
            })
            .unwrap();
            assert_eq!(inner.resume(()), None);
            suspender.suspend(()).unwrap();
        })
        .unwrap();
        assert_eq!(outer.resume(()), Some(()));
        assert!(kept.take().unwrap().suspend(()).is_err());
    }

    #[test]
    fn dropping_unwinds() {
        struct Tells(Rc<Cell<bool>>, Suspender<(), ()>);
        impl Drop for Tells {
            fn drop(&mut self) {
                self.0.set(self.1.suspend(()).is_err());
            }
        }
        let dropped = Rc::new(Cell::new(false));
        let tells = dropped.clone();
        let mut coroutine = Coroutine::new(move |suspender, ()| {
            let _tells = Tells(tells, suspender.clone());
            suspender.suspend(()).unwrap();
        })
        .unwrap();
        coroutine.resume(());
        drop(coroutine);
        assert!(dropped.get());
    }
}
