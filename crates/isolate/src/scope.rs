//! Inside the realm: reading, writing and calling JavaScript values.

use std::ptr;
use std::rc::Rc;

use mozjs::context::JSContext;
use mozjs::jsapi::{GCOptions, GCReason, HandleValueArray, IsCallable, JSObject, ObjectOpResult, jsid};
use mozjs::jsval::{JSVal, ObjectValue, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::wrappers2::{
    Call, CurrentGlobalOrNull, InstantiateGlobalStencil, JS_ExecuteScript, JS_ForwardSetPropertyTo, JS_GC,
    JS_GetUCProperty, JS_StringToId, NonIncrementalGC, PrepareForFullGC,
};
use mozjs::rust::{HandleObject, HandleValue};

use crate::arguments::Throw;
use crate::clock;
use crate::errors::{self, ErrorKind};
use crate::failure::{Exception, Failure};
use crate::memory::{self, Memory};
use crate::roots::Handle;
use crate::state::State;
use crate::stencil::{Kind, Stencil};
use crate::value::{self, Pending, Value};

/// Proof of being inside the isolate's realm, on its thread.
pub struct Scope<'a> {
    pub(crate) cx: &'a mut JSContext,
    pub(crate) state: &'a Rc<State>,
}

/// Turns a call into the engine into a result: a pending exception becomes a failure. Nothing runs after a stop.
macro_rules! attempt {
    ($scope:expr, $call:expr) => {{
        if let Some(termination) = $scope.state.stopped() {
            return Err($crate::failure::Failure::Terminated(termination));
        }
        let outcome: Result<_, $crate::value::Pending> = $call;
        match outcome {
            Ok(value) if $scope.state.noticed().is_none() => value,
            _ => return Err($crate::errors::take_failure($scope.cx, $scope.state)),
        }
    }};
}

pub(crate) use attempt;

/// For calls that answer `false` with an exception pending.
pub(crate) fn ok(done: bool) -> Result<(), Pending> {
    done.then_some(()).ok_or(Pending)
}

impl<'a> Scope<'a> {
    /// `cx` is in the realm of the isolate of `state`.
    pub(crate) fn new(cx: &'a mut JSContext, state: &'a Rc<State>) -> Scope<'a> {
        Scope { cx, state }
    }
}

impl Scope<'_> {
    /// The `data` given to [`Isolate::new`](crate::Isolate::new).
    ///
    /// # Panics
    /// When `T` is not the type given there: an error of the embedder, not of script.
    pub fn data<T: 'static>(&self) -> Rc<T> {
        match self.state.data.clone().downcast::<T>() {
            Ok(data) => data,
            Err(_) => panic!("the isolate's data is not a {}", std::any::type_name::<T>()),
        }
    }

    /// The property `name` of the global object.
    ///
    /// # Errors
    /// [`Failure`] when a getter throws or the isolate is stopped.
    pub fn global(&mut self, name: &str) -> Result<Value, Failure> {
        // SAFETY: the scope is in a realm, whose global the realm keeps alive; it is rooted at once.
        rooted!(&in(self.cx) let global = unsafe { CurrentGlobalOrNull(self.cx) });
        let value = attempt!(self, get(self.cx, self.state, global.handle(), name));
        Ok(value)
    }

    /// The property `name` of `object`.
    ///
    /// # Errors
    /// [`Failure`] when `object` is not an object, a getter throws or the isolate is stopped.
    pub fn get(&mut self, object: &Handle, name: &str) -> Result<Value, Failure> {
        let target = self.object(object, "read a property of")?;
        rooted!(&in(self.cx) let target = target);
        let value = attempt!(self, get(self.cx, self.state, target.handle(), name));
        Ok(value)
    }

    /// Sets the property `name` of `object`.
    ///
    /// # Errors
    /// [`Failure`] when `object` is not an object, a setter throws, the property is read-only or the isolate is stopped.
    pub fn set(&mut self, object: &Handle, name: &str, value: Value) -> Result<(), Failure> {
        let target = self.object(object, "set a property of")?;
        rooted!(&in(self.cx) let target = target);
        rooted!(&in(self.cx) let mut new = UndefinedValue());
        attempt!(self, value::to_js(self.cx, self.state, &value, new.handle_mut()));
        let done = attempt!(self, set(self.cx, target.handle(), name, new.handle()));
        if done {
            Ok(())
        } else {
            Err(self.type_error(&format!("cannot set \"{name}\": it is read-only or the object is frozen")))
        }
    }

    /// Calls `function` with `this` undefined.
    ///
    /// # Errors
    /// [`Failure`] when it is not a function, throws, or the isolate is stopped.
    pub fn call(&mut self, function: &Handle, arguments: &[Value]) -> Result<Value, Failure> {
        let function = function.get(&self.state.roots);
        self.call_with(UndefinedValue(), function, arguments)
    }

    /// Calls the method `name` of `object` with `this` set to `object`.
    ///
    /// # Errors
    /// [`Failure`] when there is no such method, it throws, or the isolate is stopped.
    pub fn call_method(&mut self, object: &Handle, name: &str, arguments: &[Value]) -> Result<Value, Failure> {
        let target = self.object(object, "call a method of")?;
        rooted!(&in(self.cx) let target = target);
        rooted!(&in(self.cx) let mut method = UndefinedValue());
        attempt!(self, get_raw(self.cx, target.handle(), name, method.handle_mut()));
        let this = ObjectValue(target.get());
        self.call_with(this, method.get(), arguments)
    }

    fn call_with(&mut self, this: JSVal, function: JSVal, arguments: &[Value]) -> Result<Value, Failure> {
        rooted!(&in(self.cx) let this = this);
        rooted!(&in(self.cx) let function = function);
        rooted!(&in(self.cx) let mut values: Vec<JSVal> = Vec::with_capacity(arguments.len()));
        rooted!(&in(self.cx) let mut value = UndefinedValue());
        for argument in arguments {
            attempt!(self, value::to_js(self.cx, self.state, argument, value.handle_mut()));
            values.push(value.get());
        }
        let result = attempt!(self, {
            let values = HandleValueArray::from(&values);
            // SAFETY: everything passed is rooted. A function that is not callable is reported as an exception.
            let called = unsafe { Call(self.cx, this.handle(), function.handle(), &values, value.handle_mut()) };
            ok(called).and_then(|()| value::from_js(self.cx, self.state, value.handle()))
        });
        Ok(result)
    }

    /// Runs a classic script: the value of its last expression statement.
    ///
    /// # Errors
    /// [`Failure`] when it throws, was compiled as a module, or the isolate is stopped.
    pub fn run_script(&mut self, script: &Stencil) -> Result<Value, Failure> {
        if script.kind() != Kind::Script {
            return Err(self.type_error("a module is imported, not run"));
        }
        rooted!(&in(self.cx) let mut value = UndefinedValue());
        let result = attempt!(self, {
            // SAFETY: the stencil is alive and was compiled as a script; the script is rooted at once.
            let done = unsafe {
                rooted!(&in(self.cx) let script = InstantiateGlobalStencil(
                    self.cx, &self.state.instantiate, script.as_ptr(), ptr::null_mut(),
                ));
                !script.get().is_null() && JS_ExecuteScript(self.cx, script.handle(), value.handle_mut())
            };
            ok(done).and_then(|()| value::from_js(self.cx, self.state, value.handle()))
        });
        Ok(result)
    }

    /// Whether the entry is being stopped: no script will run any more, and what script did last may be half done.
    pub fn is_stopped(&self) -> bool {
        self.state.stopped().is_some()
    }

    /// Describes any thrown or rejected value. Never throws; getters of the value may run.
    pub fn exception(&mut self, value: &Handle) -> Exception {
        rooted!(&in(self.cx) let value = value.get(&self.state.roots));
        errors::describe(self.cx, self.state, value.handle())
    }

    /// The JavaScript value that throwing `thrown` throws.
    ///
    /// # Errors
    /// [`Failure::Terminated`] when the isolate is stopped or for [`Throw::Terminated`].
    pub fn error(&mut self, thrown: Throw) -> Result<Handle, Failure> {
        if let Some(termination) = self.state.stopped() {
            return Err(Failure::Terminated(termination));
        }
        if let Throw::Value(value) = thrown {
            return Ok(value);
        }
        errors::throw_from_host(self.cx, self.state, &thrown);
        match errors::take_failure(self.cx, self.state) {
            Failure::Exception(exception) => Ok(exception.value),
            terminated @ Failure::Terminated(_) => Err(terminated),
        }
    }

    /// The value behind a handle: primitives are copied out, everything else stays a handle. A string for which there is no memory stays a
    /// handle too.
    pub fn value(&mut self, handle: &Handle) -> Value {
        rooted!(&in(self.cx) let value = handle.get(&self.state.roots));
        match value::from_js(self.cx, self.state, value.handle()) {
            Ok(value) => value,
            Err(Pending) => {
                let _ = errors::take_failure(self.cx, self.state);
                Value::Object(handle.clone())
            }
        }
    }

    /// A persistent root of a value.
    ///
    /// # Errors
    /// [`Failure`] when memory is exhausted or the isolate is stopped.
    pub fn handle(&mut self, value: Value) -> Result<Handle, Failure> {
        if let Value::Object(handle) = value {
            return Ok(handle);
        }
        rooted!(&in(self.cx) let mut new = UndefinedValue());
        attempt!(self, value::to_js(self.cx, self.state, &value, new.handle_mut()));
        Ok(self.state.roots.insert(new.get()))
    }

    /// A copy of the bytes of an `ArrayBuffer` or a view; `None` when the value is neither, or is detached.
    pub fn bytes(&mut self, handle: &Handle) -> Option<Vec<u8>> {
        let value = handle.get(&self.state.roots);
        if !value.is_object() {
            return None;
        }
        rooted!(&in(self.cx) let object = value.to_object());
        value::with_bytes(self.cx, object.handle(), <[u8]>::to_vec)
    }

    /// Whether the value can be called.
    pub fn is_function(&mut self, handle: &Handle) -> bool {
        let value = handle.get(&self.state.roots);
        // SAFETY: asks the object's class, without collecting.
        value.is_object() && unsafe { IsCallable(value.to_object()) }
    }

    /// The async context: `undefined`, or the object that [`Scope::set_async_context`] made current, here or where the running work was
    /// started. Every entry begins without one.
    pub fn async_context(&mut self) -> Value {
        self.state.context.current().map_or(Value::Undefined, Value::Object)
    }

    /// Makes an object the async context: promise reactions, `await`s and thenables that script starts from now on run with it.
    /// `undefined` and `null` mean none. Gives the previous one, which the caller restores when its own work ends.
    ///
    /// # Errors
    /// [`Failure`] when the context is another primitive.
    pub fn set_async_context(&mut self, context: &Value) -> Result<Value, Failure> {
        let context = match context {
            Value::Undefined | Value::Null => None,
            Value::Object(handle) if handle.get(&self.state.roots).is_object() => Some(handle.clone()),
            _ => return Err(self.type_error("an async context is an object")),
        };
        let previous = self.async_context();
        self.state.context.switch(self.cx, context);
        Ok(previous)
    }

    /// Whether script may use `eval` and `new Function` from now on. Returns what it was.
    pub fn allow_eval(&mut self, allow: bool) -> bool {
        self.state.allow_eval.replace(allow)
    }

    /// The time that script sees: milliseconds since 1970, standing still during an entry after
    /// [`Isolate::freeze_clock`](crate::Isolate::freeze_clock).
    pub fn now(&self) -> f64 {
        self.state.frozen_time.get().unwrap_or_else(clock::now) / 1e3
    }

    /// Memory in use and allowed. Cheap: no walk of the heap.
    pub fn memory(&mut self) -> Memory {
        memory::measure(self.cx, self.state)
    }

    /// A full collection.
    pub fn collect_garbage(&mut self) {
        // SAFETY: every value of this crate is rooted across calls that may collect.
        unsafe { JS_GC(self.cx, GCReason::API) };
    }

    /// A full collection that also gives memory back to the system: unused pages, code that can be compiled again. For an isolate that is
    /// not expected to run soon.
    pub fn compact(&mut self) {
        // SAFETY: as in `collect_garbage`.
        unsafe {
            PrepareForFullGC(self.cx);
            NonIncrementalGC(self.cx, GCOptions::Shrink, GCReason::API);
        }
    }

    /// The object behind a handle, unrooted.
    pub(crate) fn object(&mut self, handle: &Handle, what: &str) -> Result<*mut JSObject, Failure> {
        let value = handle.get(&self.state.roots);
        if value.is_object() {
            Ok(value.to_object())
        } else {
            Err(self.type_error(&format!("cannot {what} a value that is not an object")))
        }
    }

    pub(crate) fn type_error(&mut self, message: &str) -> Failure {
        if let Some(termination) = self.state.stopped() {
            return Failure::Terminated(termination);
        }
        errors::throw(self.cx, ErrorKind::TypeError, message);
        errors::take_failure(self.cx, self.state)
    }
}

fn get_raw(
    cx: &mut JSContext,
    object: HandleObject<'_>,
    name: &str,
    out: mozjs::rust::MutableHandleValue<'_>,
) -> Result<(), Pending> {
    let name: Vec<u16> = name.encode_utf16().collect();
    // SAFETY: object and result are rooted; the name is copied.
    ok(unsafe { JS_GetUCProperty(cx, object, name.as_ptr(), name.len(), out) })
}

/// As in strict mode: `false` when the property cannot be set.
fn set(cx: &mut JSContext, object: HandleObject<'_>, name: &str, value: HandleValue<'_>) -> Result<bool, Pending> {
    rooted!(&in(cx) let text = crate::strings::to_js(cx, name));
    if text.get().is_null() {
        return Err(Pending);
    }
    rooted!(&in(cx) let mut id: jsid);
    rooted!(&in(cx) let receiver = ObjectValue(object.get()));
    let mut result = ObjectOpResult { code_: UNINITIALISED };
    // SAFETY: everything passed is rooted; the result is written by the engine.
    unsafe {
        ok(JS_StringToId(cx, text.handle(), id.handle_mut()))?;
        ok(JS_ForwardSetPropertyTo(cx, object, id.handle(), value, receiver.handle(), &mut result))?;
    }
    Ok(result.code_ == 0)
}

/// `JS::ObjectOpResult::SpecialCodes::Uninitialized` (`Class.h`); success is 0.
const UNINITIALISED: usize = usize::MAX;

fn get(cx: &mut JSContext, state: &Rc<State>, object: HandleObject<'_>, name: &str) -> Result<Value, Pending> {
    rooted!(&in(cx) let mut value = UndefinedValue());
    get_raw(cx, object, name, value.handle_mut())?;
    value::from_js(cx, state, value.handle())
}
