//! Functions of the embedder that script can call, and their arguments.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;

use mozjs::context::{JSContext, RawJSContext};
use mozjs::jsapi::{
    CallArgs, GetFunctionNativeReserved, JS_GetFunctionObject, JSPROP_ENUMERATE, SetFunctionNativeReserved,
};
use mozjs::jsval::{Int32Value, JSVal, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::wrappers2::{
    DefineFunctionWithReserved, GetArrayLength, IsArrayObject, JS_ClearPendingException, JS_GetElement,
};
use mozjs::rust::{HandleObject, HandleValue, MutableHandle};

use crate::errors;
use crate::failure::Failure;
use crate::memory;
use crate::roots::Handle;
use crate::scope::Scope;
use crate::state::{State, current};
use crate::strings::{self, c_string};
use crate::value::{self, Value};

/// A function of the embedder, a method of the global object `__host` while the bootstrap scripts run.
///
/// It runs on the isolate's thread, may call back into script, and may be entered again from there. A panic in it
/// becomes a JavaScript `Error`.
#[derive(Clone, Copy)]
pub struct HostFunction {
    /// Its property name on `__host` and its `name`.
    pub name: &'static str,
    /// Its `length`.
    pub length: u32,
    /// What it does.
    pub call: fn(&mut Scope<'_>, &Arguments<'_>) -> Result<Value, Throw>,
}

/// What a host function throws.
#[derive(Debug, Clone)]
pub enum Throw {
    /// A new `TypeError`.
    TypeError(String),
    /// A new `RangeError`.
    RangeError(String),
    /// A new `Error`.
    Error(String),
    /// A new `SyntaxError`.
    SyntaxError(String),
    /// This value.
    Value(Handle),
    /// Nothing: the isolate is being stopped, just unwind.
    Terminated,
}

impl From<Failure> for Throw {
    /// An exception goes on to the caller as it is; a termination unwinds.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Exception(exception) => Throw::Value(exception.value),
            Failure::Terminated(_) => Throw::Terminated,
        }
    }
}

/// The arguments of one call of a host function. The getters do not convert: a value of another type is a `TypeError`.
pub struct Arguments<'a> {
    args: &'a CallArgs,
    cx: NonNull<RawJSContext>,
    state: &'a Rc<State>,
    function: &'static str,
}

impl Arguments<'_> {
    /// How many arguments were passed.
    pub fn len(&self) -> usize {
        self.args.argc_ as usize
    }

    /// Whether no argument was passed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The argument, rooted by the engine for the duration of the call; `undefined` when missing.
    fn get(&self, index: usize) -> HandleValue<'_> {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        // SAFETY: the engine keeps the arguments of a native call alive and traced until it returns.
        unsafe { HandleValue::from_raw(self.args.get(index)) }
    }

    /// The context, for the duration of one getter.
    fn cx(&self) -> JSContext {
        // SAFETY: the pointer is that of the call being served, whose `JSContext` is lent to the scope. A getter uses its own
        // only until it returns, holds no unrooted value across engine calls, and so does not disturb the other.
        unsafe { JSContext::from_ptr(self.cx) }
    }

    fn wrong(&self, index: usize, expected: &str) -> Throw {
        Throw::TypeError(format!("{}: argument {} is not {expected}", self.function, index + 1))
    }

    /// Whether argument `index` is `undefined` or missing.
    pub fn is_undefined(&self, index: usize) -> bool {
        self.get(index).get().is_undefined()
    }

    /// Whether argument `index` is `null`.
    pub fn is_null(&self, index: usize) -> bool {
        self.get(index).get().is_null()
    }

    /// A boolean.
    ///
    /// # Errors
    /// `TypeError` for any other type.
    pub fn bool(&self, index: usize) -> Result<bool, Throw> {
        let value = self.get(index).get();
        if value.is_boolean() { Ok(value.to_boolean()) } else { Err(self.wrong(index, "a boolean")) }
    }

    /// A number.
    ///
    /// # Errors
    /// `TypeError` for any other type.
    pub fn number(&self, index: usize) -> Result<f64, Throw> {
        let value = self.get(index).get();
        if value.is_number() { Ok(value.to_number()) } else { Err(self.wrong(index, "a number")) }
    }

    /// A string; lone surrogates are replaced with U+FFFD.
    ///
    /// # Errors
    /// `TypeError` for any other type; `RangeError` when a copy would exceed the isolate's memory limit.
    pub fn string(&self, index: usize) -> Result<String, Throw> {
        let value = self.get(index).get();
        self.text(value)?.ok_or_else(|| self.wrong(index, "a string"))
    }

    /// `None` when it is no string.
    fn text(&self, value: JSVal) -> Result<Option<String>, Throw> {
        if !value.is_string() {
            return Ok(None);
        }
        let cx = self.cx();
        rooted!(&in(cx) let string = value.to_string());
        // SAFETY: the string is rooted.
        let size = unsafe { strings::size(string.get()) };
        self.require_room(size)?;
        // SAFETY: the string is rooted.
        let text = unsafe { strings::from_js(&cx, string.get(), usize::MAX) };
        if text.is_none() {
            // SAFETY: clearing is always allowed.
            unsafe { JS_ClearPendingException(&cx) };
            return Err(too_large());
        }
        Ok(text)
    }

    /// Refuses a copy that would exceed the isolate's memory limit.
    fn require_room(&self, bytes: usize) -> Result<(), Throw> {
        if self.state.memory.may_copy(bytes) { Ok(()) } else { Err(too_large()) }
    }

    /// A copy of the bytes of an `ArrayBuffer` or a view of one.
    ///
    /// # Errors
    /// `TypeError` for any other type and for a detached buffer; `RangeError` when a copy would exceed the isolate's memory limit.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, Throw> {
        self.require_room(self.with_bytes(index, <[u8]>::len)?)?;
        self.with_bytes(index, <[u8]>::to_vec)
    }

    /// Looks at the bytes of an `ArrayBuffer` or a view of one where they are. What may enter the engine cannot be sent, so `look` has no
    /// scope: script or a collection could move or free the bytes meanwhile.
    ///
    /// # Errors
    /// `TypeError` for any other type and for a detached buffer.
    pub fn with_bytes<T>(&self, index: usize, look: impl FnOnce(&[u8]) -> T + Send) -> Result<T, Throw> {
        let value = self.get(index).get();
        let wrong = || self.wrong(index, "an ArrayBuffer or a view that is not detached");
        if !value.is_object() {
            return Err(wrong());
        }
        let mut cx = self.cx();
        rooted!(&in(cx) let object = value.to_object());
        value::with_bytes(&mut cx, object.handle(), look).ok_or_else(wrong)
    }

    /// A dense array of strings.
    ///
    /// # Errors
    /// `TypeError` for anything else.
    pub fn strings(&self, index: usize) -> Result<Vec<String>, Throw> {
        let wrong = || self.wrong(index, "an array of strings");
        let value = self.get(index);
        let mut cx = self.cx();
        let mut is_array = false;
        // SAFETY: the value is rooted.
        if !value.get().is_object() || !unsafe { IsArrayObject(&mut cx, value, &mut is_array) } || !is_array {
            return Err(wrong());
        }
        rooted!(&in(cx) let array = value.get().to_object());
        let mut length = 0;
        // SAFETY: the array is rooted.
        if !unsafe { GetArrayLength(&mut cx, array.handle(), &mut length) } {
            return Err(wrong());
        }
        // The length is the script's word: let the vector grow by what is there.
        let mut texts = Vec::new();
        rooted!(&in(cx) let mut item = UndefinedValue());
        for position in 0..length {
            // SAFETY: array and item are rooted.
            if !unsafe { JS_GetElement(&mut cx, array.handle(), position, item.handle_mut()) } {
                // SAFETY: clearing is always allowed.
                unsafe { JS_ClearPendingException(&cx) };
                return Err(wrong());
            }
            texts.push(self.text(item.get())?.ok_or_else(wrong)?);
        }
        Ok(texts)
    }

    /// Any value; `undefined` when missing.
    ///
    /// # Errors
    /// `RangeError` when a copy of a string would exceed the isolate's memory limit.
    pub fn value(&self, index: usize) -> Result<Value, Throw> {
        let mut cx = self.cx();
        value::from_js(&mut cx, self.state, self.get(index)).map_err(|_| {
            // SAFETY: clearing is always allowed.
            unsafe { JS_ClearPendingException(&cx) };
            too_large()
        })
    }

    /// A persistent root of the value, whatever it is; `undefined` when missing.
    pub fn handle(&self, index: usize) -> Handle {
        self.state.roots.insert(self.get(index).get())
    }
}

fn too_large() -> Throw {
    Throw::RangeError(memory::TOO_LARGE.to_owned())
}

/// The slot of a native function that holds its position in the isolate's table of host functions.
const POSITION_SLOT: usize = 0;

/// Defines the host functions as methods of `object`. `false` when the engine has no memory.
pub(crate) fn define(cx: &mut JSContext, object: HandleObject<'_>, functions: &'static [HostFunction]) -> bool {
    (0_i32..).zip(functions).all(|(position, function)| {
        let name = c_string(function.name);
        // SAFETY: the object is rooted; the name is copied; the new function is written to before anything can collect.
        unsafe {
            let defined = DefineFunctionWithReserved(
                cx,
                object.get(),
                name.as_ptr(),
                Some(serve),
                function.length,
                u32::from(JSPROP_ENUMERATE),
            );
            if defined.is_null() {
                return false;
            }
            SetFunctionNativeReserved(JS_GetFunctionObject(defined), POSITION_SLOT, &Int32Value(position));
        }
        true
    })
}

/// The native behind every host function. Never unwinds.
unsafe extern "C" fn serve(cx: *mut RawJSContext, argc: u32, vp: *mut JSVal) -> bool {
    let (Some(cx), Some(state)) = (NonNull::new(cx), current()) else { return false };
    // SAFETY: the engine passes the arguments of a native call.
    let args = unsafe { CallArgs::from_vp(vp, argc) };
    // SAFETY: this is a callback of the engine, in which one `JSContext` may be made from its pointer.
    let mut context = unsafe { JSContext::from_ptr(cx) };
    if state.memory.due.get() {
        // Script may have caught an `out of memory` and come here before any interrupt.
        memory::check(&mut context, &state);
    }
    if state.stopped().is_some() {
        errors::uncatchable(&mut context);
        return false;
    }
    // SAFETY: the callee is one of the functions made by `define`.
    let position = unsafe { (*GetFunctionNativeReserved(args.callee(), POSITION_SLOT)).to_int32() };
    let Some(function) = usize::try_from(position).ok().and_then(|position| state.functions.get(position)) else {
        return false;
    };
    let arguments = Arguments { args: &args, cx, state: &state, function: function.name };
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let mut scope = Scope::new(&mut context, &state);
        (function.call)(&mut scope, &arguments)
    }))
    .unwrap_or_else(|panic| Err(panicked(function.name, &*panic)));
    // SAFETY: clearing is always allowed. A host function that went on after a failure may have left one behind.
    unsafe { JS_ClearPendingException(&context) };
    if state.stopped().is_some() {
        errors::uncatchable(&mut context);
        return false;
    }
    match answer {
        Ok(answer) => {
            // SAFETY: the return value's location is traced by the engine.
            let out = unsafe { MutableHandle::from_raw(args.rval()) };
            value::to_js(&mut context, &state, &answer, out).is_ok()
        }
        Err(thrown) => {
            errors::throw_from_host(&mut context, &state, &thrown);
            false
        }
    }
}

fn panicked(name: &str, panic: &(dyn Any + Send)) -> Throw {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(function = name, panic = text, "a host function panicked");
    Throw::Error(format!("internal error in {name}"))
}
