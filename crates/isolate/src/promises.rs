//! Inside the realm: promises, and the promise of a module.

use mozjs::jsapi::{GetPromiseState, JSObject, PromiseState as RawPromiseState};
use mozjs::jsval::{ObjectValue, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::HandleObject;
use mozjs::rust::wrappers2::{
    IsPromiseObject, JS_GetPromiseResult, NewPromiseObject, RejectPromise, ResolvePromise, SetAnyPromiseIsHandled,
};

use crate::arguments::Throw;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::roots::Handle;
use crate::scope::{Scope, attempt, ok};
use crate::stencil::Stencil;
use crate::value::{self, Value};

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
    /// Loads, links and evaluates a module: the promise of its namespace object. Top-level `await` is allowed. Modules run in
    /// the microtasks after the scope's closure. The promise counts as handled: its rejection is not reported by the entry.
    ///
    /// # Errors
    /// [`Failure::Terminated`] when the isolate is stopped; a module that cannot be loaded or throws rejects the promise.
    pub fn import(&mut self, specifier: &str) -> Result<Handle, Failure> {
        let importer = self.importer()?;
        let Value::Object(promise) = self.call(&importer, &[Value::from(specifier)])? else {
            return Err(self.type_error("an import did not give a promise"));
        };
        rooted!(&in(self.cx) let object = promise.get(&self.state.roots).to_object());
        attempt!(self, {
            // SAFETY: the promise is rooted; `import()` gives a promise of this realm.
            ok(unsafe { SetAnyPromiseIsHandled(self.cx, object.handle()) })
        });
        Ok(promise)
    }

    /// The function `specifier => import(specifier)`: lets the engine do for the embedder exactly what it does for script.
    fn importer(&mut self) -> Result<Handle, Failure> {
        if let Some(importer) = self.state.importer.borrow().clone() {
            return Ok(importer);
        }
        static IMPORTER: std::sync::OnceLock<Option<Stencil>> = std::sync::OnceLock::new();
        let stencil =
            IMPORTER.get_or_init(|| Engine::start().ok()?.compile_script("", "(specifier) => import(specifier)").ok());
        let Some(stencil) = stencil else {
            return Err(self.type_error("the importer could not be compiled"));
        };
        let function = self.run_script(stencil)?;
        let Value::Object(function) = function else {
            return Err(self.type_error("the importer is no function"));
        };
        *self.state.importer.borrow_mut() = Some(function.clone());
        Ok(function)
    }

    /// From now on this function is called, at the end of each checkpoint, with every promise that was rejected without a handler and with the reason.
    /// When it gives a true value the rejection is dealt with, and the entry does not report it.
    pub fn on_unhandled_rejection(&mut self, listener: Handle) {
        *self.state.rejection_listener.borrow_mut() = Some(listener);
    }

    /// A new pending promise, to be settled with [`Scope::resolve`] or [`Scope::reject`].
    ///
    /// # Errors
    /// [`Failure`] when memory is exhausted or the isolate is stopped.
    pub fn promise(&mut self) -> Result<Handle, Failure> {
        let handle = attempt!(self, {
            // SAFETY: without an executor the engine makes a plain pending promise.
            let promise = unsafe { NewPromiseObject(self.cx, HandleObject::null()) };
            ok(!promise.is_null()).map(|()| self.state.roots.insert(ObjectValue(promise)))
        });
        Ok(handle)
    }

    /// Resolves a promise made by [`Scope::promise`]. Does nothing when it is settled already.
    ///
    /// # Errors
    /// [`Failure`] when `promise` is no promise or the isolate is stopped.
    pub fn resolve(&mut self, promise: &Handle, value: Value) -> Result<(), Failure> {
        let promise = self.promise_object(promise)?;
        rooted!(&in(self.cx) let promise = promise);
        rooted!(&in(self.cx) let mut resolution = UndefinedValue());
        attempt!(self, value::to_js(self.cx, self.state, &value, resolution.handle_mut()));
        attempt!(self, {
            // SAFETY: both are rooted and the first is a promise.
            ok(unsafe { ResolvePromise(self.cx, promise.handle(), resolution.handle()) })
        });
        Ok(())
    }

    /// Rejects a promise made by [`Scope::promise`]. Does nothing when it is settled already.
    ///
    /// # Errors
    /// [`Failure`] when `promise` is no promise or the isolate is stopped.
    pub fn reject(&mut self, promise: &Handle, reason: Throw) -> Result<(), Failure> {
        let promise = self.promise_object(promise)?;
        rooted!(&in(self.cx) let promise = promise);
        let reason = self.error(reason)?;
        rooted!(&in(self.cx) let reason = reason.get(&self.state.roots));
        attempt!(self, {
            // SAFETY: both are rooted and the first is a promise.
            ok(unsafe { RejectPromise(self.cx, promise.handle(), reason.handle()) })
        });
        Ok(())
    }

    /// Where a promise stands; `None` when the value is not a promise.
    pub fn promise_state(&mut self, promise: &Handle) -> Option<PromiseState> {
        let value = promise.get(&self.state.roots);
        if !value.is_object() {
            return None;
        }
        rooted!(&in(self.cx) let promise = value.to_object());
        rooted!(&in(self.cx) let mut result = UndefinedValue());
        // SAFETY: the object is rooted, and asked to be a promise first.
        unsafe {
            if !IsPromiseObject(promise.handle()) {
                return None;
            }
            let state = GetPromiseState(promise.handle().into());
            if state == RawPromiseState::Pending {
                return Some(PromiseState::Pending);
            }
            JS_GetPromiseResult(promise.handle(), result.handle_mut());
            let handle = self.state.roots.insert(result.get());
            Some(match state {
                RawPromiseState::Rejected => PromiseState::Rejected(handle),
                _ => PromiseState::Fulfilled(self.value(&handle)),
            })
        }
    }

    /// The promise behind a handle, unrooted.
    fn promise_object(&mut self, handle: &Handle) -> Result<*mut JSObject, Failure> {
        let object = self.object(handle, "settle")?;
        rooted!(&in(self.cx) let object = object);
        // SAFETY: the object is rooted.
        if unsafe { IsPromiseObject(object.handle()) } {
            Ok(object.get())
        } else {
            Err(self.type_error("cannot settle a value that is not a promise"))
        }
    }
}
