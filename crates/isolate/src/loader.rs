//! The engine's module hooks: finds, instantiates and remembers module records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use mozjs::context::{JSContext, RawJSContext};
use mozjs::jsapi::{
    ColumnNumberOneOrigin, ExceptionStackBehavior, Handle as RawHandle, HandleValueArray, IsPromiseObject, JSObject,
    JSPROP_ENUMERATE, JSProtoKey, JSRuntime, JSScript, ModuleType, SetModuleLoadHook, SetModuleMetadataHook,
    SetModulePrivate,
};
use mozjs::jsval::{JSVal, ObjectValue, UndefinedValue};
use mozjs::rooted;
use mozjs::rust::wrappers2::{
    CompileJsonModule1, Construct1, CreateDefaultExportSyntheticModule, FinishLoadingImportedModule,
    GetModuleRequestSpecifier, GetModuleRequestType, InstantiateModuleStencil, JS_DefineProperty, JS_GetClassObject,
    JS_GetModulePrivate, JS_GetScriptPrivate, JS_IsExceptionPending, JS_SetPendingException, LoadRequestedModules,
};
use mozjs::rust::{CompileOptionsWrapper, HandleObject, HandleScript, HandleValue, transform_str_to_source_text};

use crate::errors::{ErrorKind, throw};
use crate::modules::Module;
use crate::state::{Form, Record, State, current};
use crate::stencil::Kind;
use crate::strings::{self, c_string};
use crate::value::{self, Pending};

/// Sets the hooks of this runtime.
///
/// # Safety
/// `runtime` is alive and belongs to this thread.
pub(crate) unsafe fn install(runtime: *mut JSRuntime) {
    // SAFETY: promised by the caller; the hooks are static functions.
    unsafe {
        SetModuleLoadHook(runtime, Some(load));
        SetModuleMetadataHook(runtime, Some(metadata));
    }
}

/// HostLoadImportedModule (ECMA-262 16.2.1.8), for static and dynamic imports. Returning `false` fails the import with the pending exception.
unsafe extern "C" fn load(
    cx: *mut RawJSContext,
    referrer: RawHandle<*mut JSScript>,
    request: RawHandle<*mut JSObject>,
    _host_defined: RawHandle<JSVal>,
    payload: RawHandle<JSVal>,
    _line: u32,
    _column: ColumnNumberOneOrigin,
) -> bool {
    let (Some(cx), Some(state)) = (NonNull::new(cx), current()) else { return false };
    // SAFETY: this is a callback of the engine, in which one `JSContext` may be made from its pointer, and its handles are
    // rooted for the call.
    let (mut cx, referrer, request, payload) = unsafe {
        (
            JSContext::from_ptr(cx),
            HandleScript::from_raw(referrer),
            HandleObject::from_raw(request),
            HandleValue::from_raw(payload),
        )
    };
    let cx = &mut cx;
    if state.stopped().is_some() {
        crate::errors::uncatchable(cx);
        return false;
    }
    rooted!(&in(cx) let mut module = ptr::null_mut::<JSObject>());
    match find(cx, &state, referrer, request) {
        Ok(record) => module.set(record),
        Err(Pending) => return false,
    }
    // SAFETY: everything passed is rooted. The payload is a promise for a dynamic import; its graph must be loaded first
    // (`Modules.h`), which ends in one of the callbacks before the call returns because every answer is immediate.
    unsafe {
        rooted!(&in(cx) let target = payload.get().to_object());
        let dynamic = IsPromiseObject(target.handle().into());
        if dynamic
            && (!LoadRequestedModules(
                cx,
                module.handle(),
                HandleValue::undefined(),
                Some(graph_loaded),
                Some(graph_failed),
            ) || JS_IsExceptionPending(cx))
        {
            return false;
        }
        FinishLoadingImportedModule(cx, referrer, request, payload, module.handle(), dynamic)
    }
}

unsafe extern "C" fn graph_loaded(_: *mut RawJSContext, _: RawHandle<JSVal>) -> bool {
    true
}

unsafe extern "C" fn graph_failed(cx: *mut RawJSContext, _: RawHandle<JSVal>, error: RawHandle<JSVal>) -> bool {
    let Some(cx) = NonNull::new(cx) else { return false };
    // SAFETY: this is a callback of the engine; the error is rooted for the call. The exception is looked at when
    // `LoadRequestedModules` returns.
    unsafe {
        let mut cx = JSContext::from_ptr(cx);
        JS_SetPendingException(&mut cx, HandleValue::from_raw(error), ExceptionStackBehavior::DoNotCapture);
    }
    true
}

/// HostGetImportMetaProperties (ECMA-262 13.3.12.1.1).
unsafe extern "C" fn metadata(
    cx: *mut RawJSContext,
    module: RawHandle<*mut JSObject>,
    meta: RawHandle<*mut JSObject>,
) -> bool {
    let Some(cx) = NonNull::new(cx) else { return false };
    // SAFETY: this is a callback of the engine; its handles are rooted for the call.
    unsafe {
        let mut cx = JSContext::from_ptr(cx);
        let cx = &mut cx;
        rooted!(&in(cx) let mut url = UndefinedValue());
        JS_GetModulePrivate(module.get(), url.handle_mut());
        JS_DefineProperty(cx, HandleObject::from_raw(meta), c"url".as_ptr(), url.handle(), u32::from(JSPROP_ENUMERATE))
    }
}

/// The module record that a request means.
fn find(
    cx: &mut JSContext,
    state: &Rc<State>,
    referrer: HandleScript<'_>,
    request: HandleObject<'_>,
) -> Result<*mut JSObject, Pending> {
    // SAFETY: the request is rooted; the specifier is rooted before it is used.
    let (specifier, kind) = unsafe {
        rooted!(&in(cx) let specifier = GetModuleRequestSpecifier(cx, request));
        (strings::from_js(cx, specifier.get(), usize::MAX).ok_or(Pending)?, GetModuleRequestType(cx, request))
    };
    let referrer = referrer_url(cx, referrer)?;
    let source = state.modules.borrow().clone();
    let module = match source {
        // The embedder's code runs between two calls of the engine, which a panic must not cross.
        Some(source) => match catch_unwind(AssertUnwindSafe(|| source.resolve(&specifier, &referrer))) {
            Ok(answer) => answer.map_err(|error| error.0),
            Err(_) => {
                tracing::error!(specifier, referrer, "the module source panicked");
                Err(format!("internal error while finding \"{specifier}\" (imported from \"{referrer}\")"))
            }
        },
        None => {
            Err(format!("No such module \"{specifier}\" (imported from \"{referrer}\"): the isolate has no modules"))
        }
    };
    let module = match module {
        Ok(module) => module,
        Err(message) => {
            throw(cx, ErrorKind::TypeError, &message);
            return Err(Pending);
        }
    };
    let form = form(&module);
    if !fits(kind, form) {
        throw(
            cx,
            ErrorKind::TypeError,
            &format!(
                "Module \"{specifier}\" (imported from \"{referrer}\") is not of the type its import attributes ask for"
            ),
        );
        return Err(Pending);
    }
    let known = state.records.borrow().get(url(&module)).cloned();
    if let Some(known) = known {
        if known.form == form {
            return Ok(known.record.get(&state.roots).to_object());
        }
        throw(cx, ErrorKind::TypeError, &format!("Module \"{}\" was imported before as another type", url(&module)));
        return Err(Pending);
    }
    rooted!(&in(cx) let mut record = ptr::null_mut::<JSObject>());
    record.set(instantiate(cx, state, &module, &specifier)?);
    if record.get().is_null() {
        return Err(Pending);
    }
    let handle = state.roots.insert(ObjectValue(record.get()));
    state.records.borrow_mut().insert(url(&module).to_owned(), Record { record: handle, form });
    Ok(record.get())
}

/// The URL of the importing module; empty for scripts.
fn referrer_url(cx: &mut JSContext, referrer: HandleScript<'_>) -> Result<String, Pending> {
    if referrer.get().is_null() {
        return Ok(String::new());
    }
    rooted!(&in(cx) let mut private = UndefinedValue());
    // SAFETY: the script is rooted and not null; the private value of modules is their URL.
    unsafe { JS_GetScriptPrivate(referrer.get(), private.handle_mut()) };
    if !private.get().is_string() {
        return Ok(String::new());
    }
    rooted!(&in(cx) let url = private.get().to_string());
    // SAFETY: the string is rooted.
    unsafe { strings::from_js(cx, url.get(), usize::MAX) }.ok_or(Pending)
}

fn form(module: &Module) -> Form {
    match module {
        Module::EsModule { .. } => Form::EsModule,
        Module::Json { .. } => Form::Json,
        Module::Text { .. } => Form::Text,
        Module::Data { .. } => Form::Data,
        Module::Wasm { .. } => Form::Wasm,
    }
}

fn url(module: &Module) -> &str {
    match module {
        Module::EsModule { url, .. }
        | Module::Json { url, .. }
        | Module::Text { url, .. }
        | Module::Data { url, .. }
        | Module::Wasm { url, .. } => url,
    }
}

/// Whether the `type` attribute of an import admits a module. Without one, whatever the bundle has is taken: bundlers import
/// text and data that way.
fn fits(kind: ModuleType, form: Form) -> bool {
    match kind {
        ModuleType::JavaScript => true,
        ModuleType::JSON => form == Form::Json,
        ModuleType::Text => form == Form::Text,
        ModuleType::Bytes => form == Form::Data,
        _ => false,
    }
}

/// A new module record, unrooted; null with an exception pending when the engine has no memory.
fn instantiate(
    cx: &mut JSContext,
    state: &Rc<State>,
    module: &Module,
    specifier: &str,
) -> Result<*mut JSObject, Pending> {
    rooted!(&in(cx) let mut export = UndefinedValue());
    match module {
        Module::EsModule { url, code } => {
            if code.kind() != Kind::Module {
                throw(cx, ErrorKind::TypeError, &format!("\"{specifier}\" was compiled as a script, not as a module"));
                return Err(Pending);
            }
            // SAFETY: the stencil is alive and was compiled as a module; the record is rooted at once. The private value is
            // a string of this zone, which the record keeps alive.
            unsafe {
                rooted!(&in(cx) let record = InstantiateModuleStencil(cx, &state.instantiate, code.as_ptr(), ptr::null_mut()));
                if record.get().is_null() {
                    return Err(Pending);
                }
                rooted!(&in(cx) let private = value::string(cx, url)?);
                SetModulePrivate(record.get(), private.handle().as_ref(cx));
                return Ok(record.get());
            }
        }
        Module::Json { url, text } => {
            let options = CompileOptionsWrapper::new(cx, c_string(url), 1);
            let mut text = transform_str_to_source_text(text);
            // SAFETY: options and text outlive the call.
            return Ok(unsafe { CompileJsonModule1(cx, options.ptr, &mut text) });
        }
        Module::Text { text, .. } => export.set(value::string(cx, text)?),
        Module::Data { bytes, .. } => {
            let buffer = value::array_buffer(cx, bytes);
            if buffer.is_null() {
                return Err(Pending);
            }
            export.set(ObjectValue(buffer));
        }
        Module::Wasm { bytes, .. } => {
            // An import of a deployed module is allowed whatever script itself may compile.
            let allowed = state.allow_wasm.replace(true);
            let compiled = wasm_module(cx, bytes);
            state.allow_wasm.set(allowed);
            export.set(ObjectValue(compiled?));
        }
    }
    // SAFETY: the export is rooted.
    Ok(unsafe { CreateDefaultExportSyntheticModule(cx, export.handle()) })
}

/// `new WebAssembly.Module(bytes)`, with the engine's own constructor.
fn wasm_module(cx: &mut JSContext, bytes: &[u8]) -> Result<*mut JSObject, Pending> {
    // SAFETY: everything passed is rooted.
    unsafe {
        rooted!(&in(cx) let mut constructor = ptr::null_mut::<JSObject>());
        if !JS_GetClassObject(cx, JSProtoKey::JSProto_WasmModule, constructor.handle_mut())
            || constructor.get().is_null()
        {
            return Err(Pending);
        }
        rooted!(&in(cx) let buffer = value::array_buffer(cx, bytes));
        if buffer.get().is_null() {
            return Err(Pending);
        }
        rooted!(&in(cx) let callee = ObjectValue(constructor.get()));
        rooted!(&in(cx) let argument = ObjectValue(buffer.get()));
        rooted!(&in(cx) let mut module = ptr::null_mut::<JSObject>());
        let arguments = HandleValueArray::from(mozjs::rust::IntoHandle::into_handle(argument.handle()));
        if !Construct1(cx, callee.handle(), &arguments, module.handle_mut()) {
            return Err(Pending);
        }
        Ok(module.get())
    }
}
