//! Inside the realm: reading, writing and calling JavaScript values.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::arguments::Throw;
use crate::failure::{Exception, Failure};
use crate::value::{Handle, Value};

/// Proof of being inside the isolate's realm, on its thread.
pub struct Scope<'a> {
    _scope: PhantomData<&'a mut ()>,
}

/// Memory of one isolate, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// GC heap and malloc'ed memory that the engine attributes to the isolate.
    pub used: usize,
    /// What the isolate may use.
    pub limit: usize,
}

/// Where a promise stands.
#[derive(Debug, Clone)]
pub enum PromiseState {
    /// Neither fulfilled nor rejected.
    Pending,
    /// Fulfilled with this value.
    Fulfilled(Value),
    /// Rejected with this value.
    Rejected(Handle),
}

impl Scope<'_> {
    /// The `data` given to [`Isolate::new`](crate::Isolate::new).
    ///
    /// # Panics
    /// When `T` is not the type given there: an error of the embedder, not of script.
    pub fn data<T: 'static>(&self) -> Rc<T> {
        todo!()
    }

    /// The property `name` of the global object.
    ///
    /// # Errors
    /// [`Failure`] when a getter throws or the isolate is stopped.
    pub fn global(&mut self, name: &str) -> Result<Value, Failure> {
        let _ = name;
        todo!()
    }

    /// The property `name` of `object`.
    ///
    /// # Errors
    /// [`Failure`] when `object` is not an object, a getter throws or the isolate is stopped.
    pub fn get(&mut self, object: &Handle, name: &str) -> Result<Value, Failure> {
        let _ = (object, name);
        todo!()
    }

    /// Sets the property `name` of `object`.
    ///
    /// # Errors
    /// [`Failure`] when `object` is not an object, a setter throws, the property is read-only or the isolate is stopped.
    pub fn set(&mut self, object: &Handle, name: &str, value: Value) -> Result<(), Failure> {
        let _ = (object, name, value);
        todo!()
    }

    /// Calls `function` with `this` undefined.
    ///
    /// # Errors
    /// [`Failure`] when it is not a function, throws, or the isolate is stopped.
    pub fn call(&mut self, function: &Handle, arguments: &[Value]) -> Result<Value, Failure> {
        let _ = (function, arguments);
        todo!()
    }

    /// Calls the method `name` of `object` with `this` set to `object`.
    ///
    /// # Errors
    /// [`Failure`] when there is no such method, it throws, or the isolate is stopped.
    pub fn call_method(&mut self, object: &Handle, name: &str, arguments: &[Value]) -> Result<Value, Failure> {
        let _ = (object, name, arguments);
        todo!()
    }

    /// Loads, links and evaluates a module: the promise of its namespace object. Top-level `await` is allowed.
    ///
    /// # Errors
    /// [`Failure::Terminated`] when the isolate is stopped; a module that cannot be loaded or throws rejects the promise.
    pub fn import(&mut self, specifier: &str) -> Result<Handle, Failure> {
        let _ = specifier;
        todo!()
    }

    /// Structured clone (HTML, 2.7) within the realm. `transfer` is an array of the `ArrayBuffer`s to transfer.
    ///
    /// # Errors
    /// [`Failure`] when something cannot be cloned or transferred.
    pub fn structured_clone(&mut self, value: &Handle, transfer: Option<&Handle>) -> Result<Handle, Failure> {
        let _ = (value, transfer);
        todo!()
    }

    /// Describes any thrown or rejected value. Never throws; getters of the value may run.
    pub fn exception(&mut self, value: &Handle) -> Exception {
        let _ = value;
        todo!()
    }

    /// A new pending promise, to be settled with [`Scope::resolve`] or [`Scope::reject`].
    ///
    /// # Errors
    /// [`Failure`] when memory is exhausted or the isolate is stopped.
    pub fn promise(&mut self) -> Result<Handle, Failure> {
        todo!()
    }

    /// Resolves a promise made by [`Scope::promise`]. Does nothing when it is settled already.
    ///
    /// # Errors
    /// [`Failure`] when `promise` is no promise or the isolate is stopped.
    pub fn resolve(&mut self, promise: &Handle, value: Value) -> Result<(), Failure> {
        let _ = (promise, value);
        todo!()
    }

    /// Rejects a promise made by [`Scope::promise`]. Does nothing when it is settled already.
    ///
    /// # Errors
    /// [`Failure`] when `promise` is no promise or the isolate is stopped.
    pub fn reject(&mut self, promise: &Handle, reason: Throw) -> Result<(), Failure> {
        let _ = (promise, reason);
        todo!()
    }

    /// Where a promise stands; `None` when the value is not a promise.
    pub fn promise_state(&mut self, promise: &Handle) -> Option<PromiseState> {
        let _ = promise;
        todo!()
    }

    /// The value behind a handle: primitives are copied out, everything else stays a handle.
    pub fn value(&mut self, handle: &Handle) -> Value {
        let _ = handle;
        todo!()
    }

    /// A persistent root of a value.
    ///
    /// # Errors
    /// [`Failure`] when memory is exhausted or the isolate is stopped.
    pub fn handle(&mut self, value: Value) -> Result<Handle, Failure> {
        let _ = value;
        todo!()
    }

    /// A copy of the bytes of an `ArrayBuffer` or a view; `None` when the value is neither, or is detached.
    pub fn bytes(&mut self, handle: &Handle) -> Option<Vec<u8>> {
        let _ = handle;
        todo!()
    }

    /// Whether the value can be called.
    pub fn is_function(&mut self, handle: &Handle) -> bool {
        let _ = handle;
        todo!()
    }

    /// Whether script may use `eval` and `new Function` from now on. Returns what it was.
    pub fn allow_eval(&mut self, allow: bool) -> bool {
        let _ = allow;
        todo!()
    }

    /// Memory in use and allowed. Cheap: no walk of the heap.
    pub fn memory(&mut self) -> Memory {
        todo!()
    }

    /// A full collection.
    pub fn collect_garbage(&mut self) {
        todo!()
    }
}
