//! One thread, one `JSContext`, one realm: creation, entry, end.

use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use crate::arguments::HostFunction;
use crate::engine::Engine;
use crate::failure::{Exception, Failure};
use crate::modules::ModuleSource;
use crate::scope::Scope;
use crate::stencil::Stencil;

/// What an isolate is created with.
#[derive(Clone)]
pub struct IsolateOptions {
    /// Bytes of JavaScript heap and malloc'ed memory (strings, `ArrayBuffer`s, WebAssembly).
    pub memory_limit: usize,
    /// Classic scripts run in order in the fresh global. They see the host functions as methods of the global object `__host`
    /// and should capture and delete it.
    pub bootstrap: Vec<Stencil>,
    /// Whether script may use `eval` and `new Function`. See [`Scope::allow_eval`].
    pub allow_eval: bool,
    /// Whether script may compile WebAssembly from bytes. Imported WebAssembly modules always work.
    pub allow_wasm_compilation: bool,
}

impl Default for IsolateOptions {
    /// 128 MiB, no bootstrap, no `eval`, WebAssembly compilation allowed.
    fn default() -> Self {
        IsolateOptions {
            memory_limit: 128 * 1024 * 1024,
            bootstrap: Vec::new(),
            allow_eval: false,
            allow_wasm_compilation: true,
        }
    }
}

/// Why an isolate could not be created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IsolateError {
    /// This thread already has an isolate.
    #[error("this thread already has an isolate: give each isolate a thread of its own")]
    ThreadInUse,
    /// The thread's stack is too small for JavaScript.
    #[error(
        "the thread's stack has {available} bytes left, an isolate needs {needed}: spawn it with Isolate::STACK_SIZE"
    )]
    StackTooSmall {
        /// Bytes between here and the end of the stack.
        available: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The engine has no memory for another context or realm.
    #[error("the engine has no memory for another isolate")]
    OutOfMemory,
    /// The process-wide watchdog thread could not be started.
    #[error("the watchdog's thread could not be started ({0})")]
    Watchdog(String),
    /// A bootstrap script failed.
    #[error("bootstrap script failed: {0}")]
    Bootstrap(String),
}

/// One isolate. It stays on the thread that made it.
pub struct Isolate {
    _thread: PhantomData<Rc<()>>,
}

/// What an entry gave.
#[derive(Debug)]
pub struct Entry<R> {
    /// What the closure gave; [`Failure::Terminated`] whenever the isolate was stopped during the entry.
    pub result: Result<R, Failure>,
    /// CPU time of the thread, from arming the watchdog to the end of the microtask checkpoint.
    pub cpu: Duration,
    /// Promises rejected and still unhandled after the microtask checkpoint, oldest first.
    pub rejections: Vec<Exception>,
}

/// Stops an isolate, from any thread.
#[derive(Clone, Debug)]
pub struct Control {
    _private: (),
}

impl Control {
    /// Stops what runs now, uncatchably, and condemns the isolate; the first cause wins. After the isolate is gone this does nothing.
    pub fn terminate(&self, reason: u32) {
        let _ = reason;
        todo!()
    }
}

impl Isolate {
    /// Stack to give to the thread of an isolate, in bytes: 1 MiB for JavaScript and room for the engine and host functions.
    /// Just under 2 MiB, so that transparent huge pages do not make it resident at once.
    pub const STACK_SIZE: usize = 2 * 1024 * 1024 - 2 * 4096;

    /// Creates an isolate on this thread and runs the bootstrap scripts.
    ///
    /// `functions` are the methods of `__host`; `data` is what they see as [`Scope::data`].
    ///
    /// # Errors
    /// [`IsolateError`].
    pub fn new<T: 'static>(
        engine: &Engine,
        options: IsolateOptions,
        functions: &'static [HostFunction],
        data: Rc<T>,
    ) -> Result<Isolate, IsolateError> {
        let _ = (engine, options, functions, data);
        todo!()
    }

    /// A handle for stopping this isolate from any thread.
    pub fn control(&self) -> Control {
        todo!()
    }

    /// Where `import` finds modules.
    pub fn set_modules(&mut self, modules: Rc<dyn ModuleSource>) {
        let _ = modules;
        todo!()
    }

    /// The only way in. Arms the watchdog, runs `f` in the realm, drains the microtask queue, and measures the thread's
    /// CPU clock around all of it.
    ///
    /// With `cpu`, script that spends more than this in this entry is stopped uncatchably. A condemned isolate runs nothing: the
    /// result is [`Failure::Terminated`] at once.
    pub fn enter<R>(
        &mut self,
        cpu: Option<Duration>,
        f: impl FnOnce(&mut Scope<'_>) -> Result<R, Failure>,
    ) -> Entry<R> {
        let _ = (cpu, f);
        todo!()
    }
}
