//! What crosses between Rust and JavaScript by value.

use std::rc::Rc;

use mozjs::context::JSContext;
use mozjs::glue::GetUint8ArrayLengthAndData;
use mozjs::jsapi::js::GetArrayBufferViewLengthAndData;
use mozjs::jsapi::{
    GetArrayBufferLengthAndData, IsArrayBufferObject, IsDetachedArrayBufferObject, JS_IsArrayBufferViewObject,
    JSObject, JSPROP_ENUMERATE,
};
use mozjs::jsval::{BooleanValue, DoubleValue, Int32Value, JSVal, NullValue, ObjectValue, StringValue, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::wrappers2::{JS_DefineElement, JS_GetArrayBufferViewBuffer, JS_NewUint8Array, NewArrayObject1};
use mozjs::rust::{HandleObject, HandleValue, MutableHandleValue};

use crate::errors::{self, ErrorKind};
use crate::memory::TOO_LARGE;
use crate::roots::Handle;
use crate::state::State;
use crate::strings;

/// A value that crosses between Rust and JavaScript.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// `undefined`.
    #[default]
    Undefined,
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string. Lone surrogates coming from JavaScript are replaced with U+FFFD.
    String(String),
    /// Into JavaScript only: a new `Uint8Array` with a copy of these bytes. From JavaScript a view arrives as [`Value::Object`].
    Bytes(Vec<u8>),
    /// Into JavaScript only: a new array. From JavaScript an array arrives as [`Value::Object`].
    List(Vec<Value>),
    /// Any other value: objects and functions, and from JavaScript also symbols and BigInts.
    Object(Handle),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Number(value)
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Number(value.into())
    }
}
impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Number(value.into())
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::String(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::String(value)
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(value)
    }
}
impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Value::List(value)
    }
}
impl From<Handle> for Value {
    fn from(value: Handle) -> Self {
        Value::Object(value)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    /// `None` is `null`.
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// An exception is pending.
#[derive(Debug)]
pub(crate) struct Pending;

/// Makes the JavaScript value of `value`.
pub(crate) fn to_js(
    cx: &mut JSContext,
    state: &Rc<State>,
    value: &Value,
    mut out: MutableHandleValue<'_>,
) -> Result<(), Pending> {
    match value {
        Value::Undefined => out.set(UndefinedValue()),
        Value::Null => out.set(NullValue()),
        Value::Bool(value) => out.set(BooleanValue(*value)),
        Value::Number(value) => out.set(number(*value)),
        Value::String(text) => out.set(string(cx, text)?),
        Value::Bytes(bytes) => {
            let array = uint8_array(cx, bytes);
            if array.is_null() {
                return Err(Pending);
            }
            out.set(ObjectValue(array));
        }
        Value::List(items) => list(cx, state, items, out)?,
        Value::Object(handle) => out.set(handle.get(&state.roots)),
    }
    Ok(())
}

fn number(value: f64) -> JSVal {
    // The engine's interpreter is faster on int32; -0 is not one. The boxing of doubles admits only one NaN.
    let int = value as i32;
    if f64::from(int).to_bits() == value.to_bits() {
        Int32Value(int)
    } else if value.is_nan() {
        DoubleValue(f64::NAN)
    } else {
        DoubleValue(value)
    }
}

/// A new string value, unrooted.
pub(crate) fn string(cx: &mut JSContext, text: &str) -> Result<JSVal, Pending> {
    let string = strings::to_js(cx, text);
    // SAFETY: not null, and nothing collects before the reference is gone.
    unsafe { string.as_ref() }.map(StringValue).ok_or(Pending)
}

fn list(
    cx: &mut JSContext,
    state: &Rc<State>,
    items: &[Value],
    mut out: MutableHandleValue<'_>,
) -> Result<(), Pending> {
    // SAFETY: the array is rooted at once.
    rooted!(&in(cx) let array = unsafe { NewArrayObject1(cx, items.len()) });
    if array.get().is_null() {
        return Err(Pending);
    }
    rooted!(&in(cx) let mut item = UndefinedValue());
    for (index, value) in (0_u32..).zip(items) {
        to_js(cx, state, value, item.handle_mut())?;
        // SAFETY: array and item are rooted.
        if !unsafe { JS_DefineElement(cx, array.handle(), index, item.handle(), u32::from(JSPROP_ENUMERATE)) } {
            return Err(Pending);
        }
    }
    out.set(ObjectValue(array.get()));
    Ok(())
}

fn uint8_array(cx: &mut JSContext, bytes: &[u8]) -> *mut JSObject {
    // SAFETY: the array is new and nothing collects between its creation and the copy; the engine gives the address and
    // length of its storage.
    unsafe {
        let array = JS_NewUint8Array(cx, bytes.len());
        if !array.is_null() && !bytes.is_empty() {
            let (mut length, mut shared, mut data) = (0, false, std::ptr::null_mut());
            GetUint8ArrayLengthAndData(array, &mut length, &mut shared, &mut data);
            debug_assert_eq!(length, bytes.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len().min(length));
        }
        array
    }
}

/// A new `ArrayBuffer` with a copy of `bytes`; null with an exception pending when there is no memory.
pub(crate) fn array_buffer(cx: &mut JSContext, bytes: &[u8]) -> *mut JSObject {
    // SAFETY: as in `uint8_array`.
    unsafe {
        let buffer = mozjs::rust::wrappers2::NewArrayBuffer(cx, bytes.len());
        if !buffer.is_null() && !bytes.is_empty() {
            let (mut length, mut shared, mut data) = (0, false, std::ptr::null_mut());
            GetArrayBufferLengthAndData(buffer, &mut length, &mut shared, &mut data);
            debug_assert_eq!(length, bytes.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len().min(length));
        }
        buffer
    }
}

/// Copies a value out. Fails when there is no memory for a copy of a string.
pub(crate) fn from_js(cx: &mut JSContext, state: &Rc<State>, value: HandleValue<'_>) -> Result<Value, Pending> {
    let value = value.get();
    Ok(if value.is_undefined() {
        Value::Undefined
    } else if value.is_null() {
        Value::Null
    } else if value.is_boolean() {
        Value::Bool(value.to_boolean())
    } else if value.is_number() {
        Value::Number(value.to_number())
    } else if value.is_string() {
        rooted!(&in(cx) let string = value.to_string());
        // SAFETY: the string is rooted.
        if !state.memory.may_copy(unsafe { strings::size(string.get()) }) {
            errors::throw(cx, ErrorKind::RangeError, TOO_LARGE);
            return Err(Pending);
        }
        // SAFETY: the string is rooted.
        match unsafe { strings::from_js(cx, string.get(), usize::MAX) } {
            Some(text) => Value::String(text),
            None => return Err(Pending),
        }
    } else {
        Value::Object(state.roots.insert(value))
    })
}

/// Looks at the bytes of an `ArrayBuffer` or a view where they are. `None` when it is neither, or detached.
pub(crate) fn with_bytes<T>(
    cx: &mut JSContext,
    object: HandleObject<'_>,
    look: impl FnOnce(&[u8]) -> T + Send,
) -> Option<T> {
    let (mut length, mut shared, mut data) = (0, false, std::ptr::null_mut::<u8>());
    // SAFETY: the object is rooted. The address is valid while nothing collects and no script runs: `look` can do neither, because
    // whatever leads into the engine cannot be sent. Memory is never shared: the realm has no shared memory.
    unsafe {
        if IsArrayBufferObject(object.get()) {
            if IsDetachedArrayBufferObject(object.get()) {
                return None;
            }
            GetArrayBufferLengthAndData(object.get(), &mut length, &mut shared, &mut data);
        } else if JS_IsArrayBufferViewObject(object.get()) {
            GetArrayBufferViewLengthAndData(object.get(), &mut length, &mut shared, &mut data);
            if length == 0 {
                // A view of a detached buffer has length 0.
                let buffer = JS_GetArrayBufferViewBuffer(cx, object, &mut shared);
                if buffer.is_null() {
                    mozjs::rust::wrappers2::JS_ClearPendingException(cx);
                    return None;
                }
                return (!IsDetachedArrayBufferObject(buffer)).then(|| look(&[]));
            }
        } else {
            return None;
        }
        if data.is_null() || length == 0 {
            return Some(look(&[]));
        }
        Some(look(std::slice::from_raw_parts(data, length)))
    }
}
