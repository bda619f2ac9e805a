//! Whether script may make code from strings or bytes.

use std::ptr::NonNull;

use mozjs::context::{JSContext, RawJSContext};
use mozjs::jsapi::js::TempAllocPolicy;
use mozjs::jsapi::{
    CompilationType, Handle as RawHandle, JSSecurityCallbacks, JSString, RuntimeCode, StackGCVector, Value as RawValue,
};
use mozjs::rust::wrappers2::JS_SetSecurityCallbacks;

use crate::errors::{ErrorKind, throw};
use crate::state::current;

static CALLBACKS: JSSecurityCallbacks =
    JSSecurityCallbacks { contentSecurityPolicyAllows: Some(allows), codeForEvalGets: None, subsumes: None };

pub(crate) fn install(cx: &mut JSContext) {
    // SAFETY: the callbacks are a static.
    unsafe { JS_SetSecurityCallbacks(cx, &raw const CALLBACKS) };
}

/// Asked before `eval`, `new Function` and the compilation of WebAssembly.
unsafe extern "C" fn allows(
    cx: *mut RawJSContext,
    kind: RuntimeCode,
    _code: RawHandle<*mut JSString>,
    _compilation: CompilationType,
    _parameters: RawHandle<StackGCVector<*mut JSString, TempAllocPolicy>>,
    _body: RawHandle<*mut JSString>,
    _arguments: RawHandle<StackGCVector<RawValue, TempAllocPolicy>>,
    _body_argument: RawHandle<RawValue>,
    allowed: *mut bool,
) -> bool {
    let (allow, message) = match (current(), kind) {
        (None, _) => (true, ""),
        (Some(state), RuntimeCode::JS) => {
            (state.allow_eval.get(), "Code generation from strings disallowed for this context")
        }
        (Some(state), RuntimeCode::WASM) => (state.allow_wasm.get(), "Wasm code generation disallowed by embedder"),
    };
    if allow {
        // SAFETY: the engine passes a valid out parameter.
        unsafe { *allowed = true };
        return true;
    }
    if let Some(cx) = NonNull::new(cx) {
        // SAFETY: this is a callback of the engine, in which one `JSContext` may be made from its pointer.
        let mut cx = unsafe { JSContext::from_ptr(cx) };
        throw(&mut cx, ErrorKind::EvalError, message);
    }
    false
}
