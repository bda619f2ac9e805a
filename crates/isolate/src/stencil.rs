//! Source compiled once, outside any isolate, and instantiated in many.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex};

use mozjs::context::JSContext;
use mozjs::glue::CompileGlobalScriptToStencil_C;
use mozjs::jsapi::js::frontend::InitialStencilAndDelazifications;
use mozjs::jsapi::{
    CompileModuleScriptToStencil2, GetFrontendErrorReport, HadFrontendAllocationOverflow, HadFrontendOutOfMemory,
    HadFrontendOverRecursed, InstantiateOptions, JSExnType,
};
use mozjs::offthread::FrontendContext;
use mozjs::rust::{CompileOptionsWrapper, OwningCompileOptionsWrapper, transform_str_to_source_text};

use crate::stack;
use crate::strings::c_string;

/// A compiled script or module. Immutable and belonging to no runtime: share it between isolates and threads.
#[derive(Clone)]
pub struct Stencil {
    compiled: Arc<Compiled>,
}

struct Compiled {
    stencil: mozjs::rust::Stencil,
    kind: Kind,
    name: String,
}

// SAFETY: a stencil is immutable after compilation, its reference count is atomic, and the engine instantiates one stencil
// on several threads at once (`JSStencil.h`: it may be instantiated into any realm and used multiple times;
// `StencilAddRef` is atomic). `Send` is already promised by mozjs.
unsafe impl Sync for Compiled {}

impl std::fmt::Debug for Stencil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stencil").field("kind", &self.compiled.kind).field("name", &self.compiled.name).finish()
    }
}

impl Stencil {
    /// The name given to the compile call.
    pub fn name(&self) -> &str {
        &self.compiled.name
    }

    pub(crate) fn kind(&self) -> Kind {
        self.compiled.kind
    }

    pub(crate) fn as_ptr(&self) -> *mut InitialStencilAndDelazifications {
        *self.compiled.stencil
    }
}

/// The goal symbol a stencil was compiled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Script,
    Module,
}

/// A syntax error (or a source too large to compile). Positions are 1-based.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({file}:{line}:{column})")]
pub struct CompileError {
    /// The engine's message, starting with the error's name, for example `SyntaxError: missing ) after argument list`.
    pub message: String,
    /// The name given to the compile call.
    pub file: String,
    /// 1-based line; 0 when the error has no position.
    pub line: u32,
    /// 1-based column in UTF-16 code units; 0 when the error has no position.
    pub column: u32,
}

/// The compile options of the process, made from the engine's own context; each compilation copies them.
pub(crate) struct Template {
    options: Mutex<CompileOptions>,
    instantiate: InstantiateOptions,
}

struct CompileOptions(CompileOptionsWrapper);

// SAFETY: compile options are plain data in malloc'ed memory; the engine ties them to no thread (`CompileOptions.h`).
unsafe impl Send for CompileOptions {}

impl Template {
    pub(crate) fn new(cx: &mut JSContext) -> Template {
        let options = CompileOptionsWrapper::new(cx, c"script".to_owned(), 1);
        // SAFETY: the wrapper holds valid options.
        let base = unsafe { &(*options.ptr)._base };
        let instantiate = InstantiateOptions {
            skipFilenameValidation: base.skipFilenameValidation_,
            hideScriptFromDebugger: base.hideScriptFromDebugger_,
            deferDebugMetadata: base.deferDebugMetadata_,
            eagerDelazificationStrategy_: base.eagerDelazificationStrategy_,
            eagerBaselineStrategy_: base.eagerBaselineStrategy_,
        };
        Template { options: Mutex::new(CompileOptions(options)), instantiate }
    }

    /// Options for one compilation, with their own copy of `name`.
    fn for_compilation(&self, fc: &FrontendContext, name: &CStr) -> OwningCompileOptionsWrapper {
        let options = match self.options.lock() {
            Ok(options) => options,
            Err(poisoned) => poisoned.into_inner(),
        };
        // SAFETY: the lock makes this the only access. The file name is lent to the template for the duration of the copy, which
        // duplicates it (`OwningCompileOptions::copy`), and is taken back before `name` can end; the template frees its own.
        unsafe {
            let template = options.0.ptr;
            let own = (*template)._base.filename_.data_;
            (*template)._base.filename_.data_ = name.as_ptr();
            let copy = OwningCompileOptionsWrapper::new_for_fc(fc, template.cast_const());
            (*template)._base.filename_.data_ = own;
            copy
        }
    }

    pub(crate) fn instantiate_options(&self) -> &InstantiateOptions {
        &self.instantiate
    }
}

/// Compiles on the calling thread, with a front-end context of its own.
pub(crate) fn compile(template: &Template, kind: Kind, name: &str, source: &str) -> Result<Stencil, CompileError> {
    let fail =
        |message: &str, line, column| CompileError { message: message.to_owned(), file: name.to_owned(), line, column };
    if u32::try_from(source.len()).is_err() {
        return Err(fail("RangeError: the source is larger than 4 GiB", 0, 0));
    }
    let fc = FrontendContext::new();
    if fc.is_null() {
        return Err(fail("InternalError: out of memory", 0, 0));
    }
    if let Some(stack) = stack::measure() {
        fc.set_stack_quota(stack.size);
    }
    let options = template.for_compilation(&fc, &c_string(name));
    if options.ptr.is_null() {
        return Err(fail("InternalError: out of memory", 0, 0));
    }
    let mut text = transform_str_to_source_text(source);
    let raw = match kind {
        // SAFETY: all pointers are valid for the call; the source is copied by the compiler because the text does not own it
        // (`SourceText.h`); the out parameter is always written.
        Kind::Script => unsafe {
            let mut out = MaybeUninit::uninit();
            CompileGlobalScriptToStencil_C(*fc, options.read_only(), &mut text, out.as_mut_ptr());
            out.assume_init()
        },
        // SAFETY: as above. The result is a C++ class, but a trivial one wherever assertions are off and the platform is a Unix, so
        // that it is returned in a register as the binding declares (`AlreadyAddRefed.h`).
        Kind::Module => unsafe { CompileModuleScriptToStencil2(*fc, options.read_only(), &mut text) },
    };
    // SAFETY: the compiler returned a new reference, or null.
    let stencil = unsafe { mozjs::rust::Stencil::from_raw(raw) };
    if stencil.is_null() {
        return Err(compile_error(&fc, &options, name));
    }
    Ok(Stencil { compiled: Arc::new(Compiled { stencil, kind, name: name.to_owned() }) })
}

fn compile_error(fc: &FrontendContext, options: &OwningCompileOptionsWrapper, name: &str) -> CompileError {
    let mut error = CompileError {
        message: "InternalError: the compiler failed".to_owned(),
        file: name.to_owned(),
        line: 0,
        column: 0,
    };
    // SAFETY: the report lives as long as the front-end context, and the file name it points to as long as the options
    // (`CompileScript.h`); both outlive this function.
    unsafe {
        let report = GetFrontendErrorReport(**fc, options.read_only());
        if !report.is_null() {
            let base = &(*report)._base;
            let text = c_str_lossy(base.message_.data_);
            error.message = format!("{}: {text}", error_name((*report).exnType));
            error.line = base.lineno;
            error.column = base.column._base;
        } else if HadFrontendOverRecursed(**fc) {
            error.message = "InternalError: too much recursion: the source is nested too deeply".to_owned();
        } else if HadFrontendOutOfMemory(**fc) {
            error.message = "InternalError: out of memory".to_owned();
        } else if HadFrontendAllocationOverflow(**fc) {
            error.message = "InternalError: the source is too large".to_owned();
        }
    }
    error
}

fn error_name(kind: i16) -> &'static str {
    match i32::from(kind) {
        k if k == JSExnType::JSEXN_TYPEERR as i32 => "TypeError",
        k if k == JSExnType::JSEXN_RANGEERR as i32 => "RangeError",
        k if k == JSExnType::JSEXN_REFERENCEERR as i32 => "ReferenceError",
        k if k == JSExnType::JSEXN_INTERNALERR as i32 => "InternalError",
        k if k == JSExnType::JSEXN_ERR as i32 => "Error",
        _ => "SyntaxError",
    }
}

/// # Safety
/// `text` is null or a NUL-terminated string that is valid for the call.
unsafe fn c_str_lossy(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: promised by the caller.
    let text: CString = unsafe { CStr::from_ptr(text) }.to_owned();
    text.to_string_lossy().into_owned()
}
