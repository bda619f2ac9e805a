//! Persistent roots: a table of GC-traced slots per isolate, and the reference-counted handles that name them.
//!
//! Must not know what the values are used for.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;

use mozjs::context::JSContext;
use mozjs::gc::Traceable;
use mozjs::jsapi::{Heap, JSTracer};
use mozjs::jsval::{JSVal, UndefinedValue};
use mozjs::rust::wrappers2::JS_AddExtraGCRootsTracer;

/// Slots per allocation. The engine remembers the address of a slot that holds a nursery value, so slots never move:
/// the table grows by whole boxed chunks.
const CHUNK: usize = 64;

type Chunk = Box<[Heap<JSVal>]>;

/// The slots of one isolate.
pub(crate) struct Roots {
    chunks: RefCell<Vec<Chunk>>,
    free: RefCell<Vec<usize>>,
    closed: Cell<bool>,
}

impl Roots {
    /// Creates the table and has the collector trace it.
    pub(crate) fn new(cx: &mut JSContext) -> Rc<Roots> {
        let roots = Rc::new(Roots {
            chunks: RefCell::new(Vec::new()),
            free: RefCell::new(Vec::new()),
            closed: Cell::new(false),
        });
        // SAFETY: the tracer is called with this pointer until the context is destroyed; the isolate keeps an `Rc` of the
        // table until after that (field order of `Isolate`).
        unsafe { JS_AddExtraGCRootsTracer(cx, Some(trace), Rc::as_ptr(&roots).cast_mut().cast::<c_void>()) };
        roots
    }

    /// Roots a value. After [`Roots::close`] the handle is empty.
    pub(crate) fn insert(self: &Rc<Self>, value: JSVal) -> Handle {
        if self.closed.get() {
            return Handle { root: Rc::new(Root { roots: self.clone(), index: usize::MAX }) };
        }
        let free = self.free.borrow_mut().pop();
        let index = match free {
            Some(index) => index,
            None => {
                let mut chunks = self.chunks.borrow_mut();
                let first = chunks.len() * CHUNK;
                chunks.push((0..CHUNK).map(|_| Heap::default()).collect());
                self.free.borrow_mut().extend((first + 1..first + CHUNK).rev());
                first
            }
        };
        if let Some(slot) = self.chunks.borrow().get(index / CHUNK).and_then(|chunk| chunk.get(index % CHUNK)) {
            slot.set(value);
        }
        Handle { root: Rc::new(Root { roots: self.clone(), index }) }
    }

    fn get(&self, index: usize) -> JSVal {
        let chunks = self.chunks.borrow();
        chunks.get(index / CHUNK).and_then(|chunk| chunk.get(index % CHUNK)).map_or_else(UndefinedValue, Heap::get)
    }

    fn remove(&self, index: usize) {
        if self.closed.get() {
            return;
        }
        if let Some(slot) = self.chunks.borrow().get(index / CHUNK).and_then(|chunk| chunk.get(index % CHUNK)) {
            slot.set(UndefinedValue());
            self.free.borrow_mut().push(index);
        }
    }

    /// Empties every handle. Must happen while the context still exists.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        let chunks = std::mem::take(&mut *self.chunks.borrow_mut());
        for slot in chunks.iter().flat_map(|chunk| chunk.iter()) {
            slot.set(UndefinedValue());
        }
        self.free.borrow_mut().clear();
    }
}

/// Called by the collector for each major collection. Minor collections find the slots in the store buffer, where
/// `Heap::set` puts them.
unsafe extern "C" fn trace(tracer: *mut JSTracer, roots: *mut c_void) {
    // SAFETY: the pointer is the one given in `Roots::new`, which outlives the context.
    let roots = unsafe { &*roots.cast_const().cast::<Roots>() };
    // The table is never borrowed mutably while the engine runs.
    for slot in roots.chunks.borrow().iter().flat_map(|chunk| chunk.iter()) {
        // SAFETY: `tracer` comes from the collector, and the slot is alive and does not move.
        unsafe { slot.trace(tracer) };
    }
}

struct Root {
    roots: Rc<Roots>,
    index: usize,
}

impl Drop for Root {
    fn drop(&mut self) {
        self.roots.remove(self.index);
    }
}

/// A persistent root: keeps a JavaScript value alive as long as the isolate lives. Cloning shares the root.
///
/// A handle may outlive its isolate; it then holds `undefined`. A handle of one isolate used with another reads as
/// `undefined`.
#[derive(Clone)]
pub struct Handle {
    root: Rc<Root>,
}

impl Handle {
    /// The value, when it belongs to the isolate of `roots`. The caller roots it before anything may collect.
    pub(crate) fn get(&self, roots: &Rc<Roots>) -> JSVal {
        if Rc::ptr_eq(&self.root.roots, roots) { roots.get(self.root.index) } else { UndefinedValue() }
    }

    /// Whether both handles share one root. Two roots of the same object are different.
    pub fn same(&self, other: &Handle) -> bool {
        Rc::ptr_eq(&self.root, &other.root)
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}
