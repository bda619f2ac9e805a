//! Throwing errors into script, and describing what script has thrown.

use std::ffi::{CStr, c_char, c_uint, c_void};
use std::ptr;
use std::rc::Rc;

use mozjs::context::JSContext;
use mozjs::jsapi::{
    ExceptionStackBehavior, JS_ReportErrorNumberUTF8, JSErrorFormatString, JSExnType, JSString, StackFormat,
};
use mozjs::jsval::{JSVal, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::wrappers2::{
    BuildStackString, ExceptionStackOrNull, JS_ClearPendingException, JS_ErrorFromException, JS_GetPendingException,
    JS_GetProperty, JS_IsExceptionPending, JS_SetPendingException, PendingExceptionStackInfo,
    ReportUncatchableException,
};
use mozjs::rust::{HandleObject, HandleValue, ToString, borrowed_error_report};

use crate::arguments::Throw;
use crate::failure::{Exception, Failure, Place};
use crate::state::State;
use crate::strings::{c_string, from_js};

/// UTF-16 code units of a description that are kept: an exception may carry a string as large as the heap.
const MAX_MESSAGE: usize = 16 * 1024;
const MAX_STACK: usize = 64 * 1024;
const MAX_NAME: usize = 256;

/// The error constructors that Rust code throws with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    Error,
    TypeError,
    RangeError,
    SyntaxError,
    EvalError,
}

struct Formats([JSErrorFormatString; 5]);

// SAFETY: the formats point to static strings and are never written.
unsafe impl Sync for Formats {}

const fn format(name: &'static CStr, kind: JSExnType) -> JSErrorFormatString {
    JSErrorFormatString { name: name.as_ptr(), format: c"{0}".as_ptr(), argCount: 1, exnType: kind as i16 }
}

/// In the order of [`ErrorKind`].
static FORMATS: Formats = Formats([
    format(c"HOST_ERROR", JSExnType::JSEXN_ERR),
    format(c"HOST_TYPE_ERROR", JSExnType::JSEXN_TYPEERR),
    format(c"HOST_RANGE_ERROR", JSExnType::JSEXN_RANGEERR),
    format(c"HOST_SYNTAX_ERROR", JSExnType::JSEXN_SYNTAXERR),
    format(c"HOST_EVAL_ERROR", JSExnType::JSEXN_EVALERR),
]);

unsafe extern "C" fn error_format(_: *mut c_void, number: c_uint) -> *const JSErrorFormatString {
    FORMATS.0.get(number as usize).map_or(ptr::null(), ptr::from_ref)
}

/// Makes a new error with this message the pending exception. Its position and stack are those of the running script.
pub(crate) fn throw(cx: &mut JSContext, kind: ErrorKind, message: &str) {
    let message = c_string(message);
    // SAFETY: the format takes one argument, a NUL-terminated UTF-8 string, which the engine copies.
    unsafe {
        JS_ReportErrorNumberUTF8(
            cx.raw_cx(),
            Some(error_format),
            ptr::null_mut(),
            kind as c_uint,
            message.as_ptr().cast::<c_char>(),
        );
    }
}

/// Makes what a host function throws the pending exception, or leaves none for [`Throw::Terminated`].
pub(crate) fn throw_from_host(cx: &mut JSContext, state: &Rc<State>, thrown: &Throw) {
    match thrown {
        Throw::TypeError(message) => throw(cx, ErrorKind::TypeError, message),
        Throw::RangeError(message) => throw(cx, ErrorKind::RangeError, message),
        Throw::SyntaxError(message) => throw(cx, ErrorKind::SyntaxError, message),
        Throw::Error(message) => throw(cx, ErrorKind::Error, message),
        Throw::Value(handle) => {
            rooted!(&in(cx) let value = handle.get(&state.roots));
            // SAFETY: the value is rooted and of this realm.
            unsafe { JS_SetPendingException(cx, value.handle(), ExceptionStackBehavior::Capture) };
        }
        Throw::Terminated => {
            // The isolate is being stopped. If it is not, the host function is wrong, and script must not go on either way.
            uncatchable(cx);
        }
    }
}

/// Unwinds without giving script a chance: the caller returns `false` to the engine.
pub(crate) fn uncatchable(cx: &mut JSContext) {
    // SAFETY: the uncatchable state is the engine's own way to stop script (`Exception.h`, `ReportUncatchableException`);
    // it is entered with no exception pending.
    unsafe {
        JS_ClearPendingException(cx);
        ReportUncatchableException(cx);
    }
}

/// Takes the failure of a call that returned `false` or null. The one place that tells an exception from a stop.
pub(crate) fn take_failure(cx: &mut JSContext, state: &Rc<State>) -> Failure {
    if let Some(termination) = state.stopped() {
        // SAFETY: clearing is always allowed.
        unsafe { JS_ClearPendingException(cx) };
        return Failure::Terminated(termination);
    }
    rooted!(&in(cx) let mut value = UndefinedValue());
    // SAFETY: the out parameter is rooted.
    let pending = unsafe { JS_IsExceptionPending(cx) && JS_GetPendingException(cx, value.handle_mut()) };
    if !pending {
        // SAFETY: clearing is always allowed.
        unsafe { JS_ClearPendingException(cx) };
        let mut exception = describe(cx, state, HandleValue::undefined());
        exception.name = "InternalError".to_owned();
        exception.message = "the engine gave up without an exception".to_owned();
        return Failure::Exception(exception);
    }
    let place = if value.get().is_object() {
        // SAFETY: clearing is always allowed; the value stays rooted.
        unsafe { JS_ClearPendingException(cx) };
        None
    } else {
        place_of_pending(cx)
    };
    let mut exception = describe(cx, state, value.handle());
    if let Some(place) = place.filter(|_| exception.line == 0) {
        exception.file = place.file;
        exception.line = place.line;
        exception.column = place.column;
    }
    match state.stopped() {
        Some(termination) => Failure::Terminated(termination),
        None => Failure::Exception(exception),
    }
}

/// Where the pending exception, a primitive, was thrown; clears it.
fn place_of_pending(cx: &mut JSContext) -> Option<Place> {
    rooted!(&in(cx) let mut value = UndefinedValue());
    let mut message = Vec::<u8>::new();
    let mut file = Vec::<u8>::new();
    let (mut line, mut column) = (0, 0);
    // SAFETY: the callback appends to the vectors, which outlive the call. The value is a primitive, so making its report runs
    // no script.
    let ok = unsafe {
        let ok = PendingExceptionStackInfo(
            cx,
            Some(append),
            ptr::from_mut(&mut message).cast::<c_void>(),
            ptr::from_mut(&mut file).cast::<c_void>(),
            &mut line,
            &mut column,
            value.handle_mut(),
        );
        JS_ClearPendingException(cx);
        ok
    };
    ok.then(|| Place { file: String::from_utf8_lossy(&file).into_owned(), line, column })
}

unsafe extern "C" fn append(text: *const c_char, length: usize, target: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: the engine passes `length` valid bytes, and `target` is one of the vectors above.
    unsafe {
        let target = &mut *target.cast::<Vec<u8>>();
        target.extend_from_slice(std::slice::from_raw_parts(text.cast::<u8>(), length.min(MAX_NAME * 16)));
    }
}

/// Describes a value. Leaves no exception pending. Getters of the value may run, unless the isolate is stopped.
pub(crate) fn describe(cx: &mut JSContext, state: &Rc<State>, value: HandleValue<'_>) -> Exception {
    let mut exception = Exception {
        name: String::new(),
        message: String::new(),
        stack: String::new(),
        file: String::new(),
        line: 0,
        column: 0,
        value: state.roots.insert(value.get()),
    };
    if state.noticed().is_some() {
        return exception;
    }
    if !value.get().is_object() {
        exception.message = to_text(cx, value);
        return exception;
    }
    rooted!(&in(cx) let object = value.get().to_object());
    if let Some(place) = place_of_error(cx, object.handle()) {
        exception.file = place.file;
        exception.line = place.line;
        exception.column = place.column;
    }
    let name = text_property(cx, object.handle(), c"name", MAX_NAME);
    let message = text_property(cx, object.handle(), c"message", MAX_MESSAGE);
    let stack = text_property(cx, object.handle(), c"stack", MAX_STACK);
    match (name, message) {
        (Some(name), Some(message)) => {
            exception.name = name;
            exception.message = message;
        }
        (_, Some(message)) => exception.message = message,
        _ => exception.message = to_text(cx, value),
    }
    exception.stack = match stack {
        Some(stack) => stack.trim_end().to_owned(),
        None => built_stack(cx, object.handle())
            .map(|frames| format!("{}\n{frames}", exception.summary()))
            .unwrap_or_default(),
    };
    if exception.line == 0
        && let Some(place) = first_frame(&exception.stack)
    {
        exception.file = place.file;
        exception.line = place.line;
        exception.column = place.column;
    }
    exception
}

/// The position an `Error` object carries.
fn place_of_error(cx: &mut JSContext, object: HandleObject<'_>) -> Option<Place> {
    borrowed_error_report(cx, |cx, report| {
        // SAFETY: the object is rooted; the report borrows from it and is read before anything can collect.
        unsafe {
            if !JS_ErrorFromException(cx, object, report) || report.report_.is_null() {
                return None;
            }
            let base = &(*report.report_)._base;
            let file = if base.filename.data_.is_null() {
                String::new()
            } else {
                CStr::from_ptr(base.filename.data_).to_string_lossy().into_owned()
            };
            Some(Place { file, line: base.lineno, column: base.column._base })
        }
    })
}

/// A property, when it is a string. Swallows exceptions.
fn text_property(cx: &mut JSContext, object: HandleObject<'_>, name: &CStr, limit: usize) -> Option<String> {
    rooted!(&in(cx) let mut value = UndefinedValue());
    // SAFETY: the object and the out parameter are rooted, the name is NUL-terminated.
    unsafe {
        if !JS_GetProperty(cx, object, name.as_ptr(), value.handle_mut()) {
            JS_ClearPendingException(cx);
            return None;
        }
    }
    text(cx, value.get(), limit)
}

fn text(cx: &mut JSContext, value: JSVal, limit: usize) -> Option<String> {
    if !value.is_string() {
        return None;
    }
    rooted!(&in(cx) let string = value.to_string());
    // SAFETY: the string is rooted.
    let text = unsafe { from_js(cx, string.get(), limit) };
    if text.is_none() {
        // SAFETY: clearing is always allowed.
        unsafe { JS_ClearPendingException(cx) };
    }
    text
}

/// `String(value)`, or the type's name when that throws.
fn to_text(cx: &mut JSContext, value: HandleValue<'_>) -> String {
    if value.get().is_symbol() {
        return "Symbol()".to_owned();
    }
    // SAFETY: the value is rooted.
    rooted!(&in(cx) let string = unsafe { ToString(cx, value) });
    if string.get().is_null() {
        // SAFETY: clearing is always allowed.
        unsafe { JS_ClearPendingException(cx) };
        return "[object]".to_owned();
    }
    // SAFETY: the string is rooted.
    let text = unsafe { from_js(cx, string.get(), MAX_MESSAGE) };
    if text.is_none() {
        // SAFETY: clearing is always allowed.
        unsafe { JS_ClearPendingException(cx) };
    }
    text.unwrap_or_default()
}

/// The stack the engine captured for an `Error` whose `stack` property is not a string.
fn built_stack(cx: &mut JSContext, object: HandleObject<'_>) -> Option<String> {
    rooted!(&in(cx) let mut text = ptr::null_mut::<JSString>());
    // SAFETY: everything passed is rooted.
    let ok = unsafe {
        rooted!(&in(cx) let stack = ExceptionStackOrNull(object));
        if stack.get().is_null() {
            return None;
        }
        BuildStackString(cx, ptr::null_mut(), stack.handle(), text.handle_mut(), 0, StackFormat::V8)
    };
    if !ok || text.get().is_null() {
        // SAFETY: clearing is always allowed.
        unsafe { JS_ClearPendingException(cx) };
        return None;
    }
    // SAFETY: the string is rooted.
    unsafe { from_js(cx, text.get(), MAX_STACK) }.map(|stack| stack.trim_end().to_owned())
}

/// The place in the first line of the form `    at function (file:line:column)` or `    at file:line:column`.
fn first_frame(stack: &str) -> Option<Place> {
    let frame = stack.lines().find_map(|line| line.trim_start().strip_prefix("at "))?;
    let place = match frame.rsplit_once('(') {
        Some((_, inner)) => inner.strip_suffix(')')?,
        None => frame,
    };
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some(Place { file: file.to_owned(), line: line.parse().ok()?, column: column.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_of_a_stack_gives_the_place() {
        let place = |stack| first_frame(stack).map(|place| place.to_string());
        assert_eq!(place("Error: x\n    at f (a.js:3:7)\n    at b.js:1:1"), Some("a.js:3:7".to_owned()));
        assert_eq!(place("Error: x\n    at http://h:80/a.js:3:7"), Some("http://h:80/a.js:3:7".to_owned()));
        assert_eq!(place("Error: at the end"), None);
        assert_eq!(place("Error: x\n    at f (a.js)"), None);
        assert_eq!(place(""), None);
    }
}
