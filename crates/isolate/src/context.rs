//! The async context: one value that asynchronous work started by script carries along, which is what `AsyncLocalStorage` needs.
//!
//! The engine stores it with a reaction that waits for a pending promise, and with nothing else (`Promise.cpp`, `NewReactionRecord`). Jobs
//! of settled promises and of thenables are queued at once, so their context is the one current at that moment. The queue is
//! first in, first out: it is enough to remember at which positions the context changed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use mozjs::context::JSContext;
use mozjs::jsapi::JSObject;
use mozjs::jsval::ObjectValue;
use mozjs::rust::wrappers2::GetRegularMicroTaskCount;

use crate::roots::{Handle, Roots};

/// The context of one isolate.
#[derive(Default)]
pub(crate) struct AsyncContext {
    current: RefCell<Option<Handle>>,
    /// Set by the first context. Until then nothing is stored anywhere.
    used: Cell<bool>,
    /// Jobs taken from the queue since the isolate began: the position of the next one.
    taken: Cell<u64>,
    /// From which position on which context applies.
    changes: RefCell<VecDeque<(u64, Option<Handle>)>>,
}

impl AsyncContext {
    pub(crate) fn used(&self) -> bool {
        self.used.get()
    }

    pub(crate) fn current(&self) -> Option<Handle> {
        self.current.borrow().clone()
    }

    /// Makes `context` current for what script starts from now on.
    pub(crate) fn switch(&self, cx: &JSContext, context: Option<Handle>) {
        if context.is_some() {
            self.used.set(true);
        }
        if !self.used.get() {
            return;
        }
        // SAFETY: counts the queue.
        let queued = unsafe { GetRegularMicroTaskCount(cx) };
        let next = self.taken.get().saturating_add(queued as u64);
        let mut changes = self.changes.borrow_mut();
        if changes.is_empty() && queued > 0 {
            // What is queued already belongs to the context so far.
            let previous = self.current.borrow().clone();
            changes.push_back((self.taken.get(), previous));
        }
        let replaced = changes.pop_back_if(|(from, _)| *from == next);
        changes.push_back((next, context.clone()));
        drop(changes);
        drop(replaced);
        let previous = std::mem::replace(&mut *self.current.borrow_mut(), context);
        drop(previous);
    }

    /// A job is taken from the queue; gives the context it was queued in.
    pub(crate) fn take_job(&self) -> Option<Handle> {
        let position = self.taken.replace(self.taken.get().saturating_add(1));
        if !self.used.get() {
            return None;
        }
        let mut passed = Vec::new();
        let mut changes = self.changes.borrow_mut();
        while changes.get(1).is_some_and(|(from, _)| *from <= position) {
            passed.extend(changes.pop_front());
        }
        let context = changes.front().filter(|(from, _)| *from <= position).and_then(|(_, context)| context.clone());
        drop(changes);
        context
    }

    /// The handle of a context that the engine stored with a job.
    pub(crate) fn stored(&self, roots: &Rc<Roots>, data: *mut JSObject) -> Option<Handle> {
        if data.is_null() {
            return None;
        }
        let value = ObjectValue(data);
        match self.current() {
            Some(current) if current.get(roots).asBits_ == value.asBits_ => Some(current),
            _ => Some(roots.insert(value)),
        }
    }

    /// No context is current and nothing is queued: the beginning and the end of an entry.
    pub(crate) fn clear(&self) {
        let changes = std::mem::take(&mut *self.changes.borrow_mut());
        let current = self.current.borrow_mut().take();
        drop((changes, current));
    }
}
