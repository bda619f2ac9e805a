//! The process-wide engine: one initialisation and one parent runtime, on a thread that never runs user code.

use std::ffi::c_char;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};

use mozjs::jsapi::{BuildIdCharVector, InstantiateOptions, JSJitCompilerOption, SetProcessBuildIdOp, StackFormat};
use mozjs::rust::wrappers2::{JS_SetGlobalJitCompilerOption, SetStackFormat};
use mozjs::rust::{JSEngine, ParentRuntime, Runtime};

use crate::stencil::{self, CompileError, Kind, Stencil, Template};
use crate::{clock, limits};

/// Why the engine did not start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// `JS_Init` failed: the machine is out of memory or executable memory is forbidden.
    #[error("SpiderMonkey could not be initialised: no memory, or this machine forbids executable memory")]
    Init,
    /// The engine's own thread could not be started.
    #[error("the engine's thread could not be started ({0})")]
    Thread(String),
}

/// The process-wide engine. Copying gives another handle to the same one.
///
/// It is never shut down: isolates on any thread may outlive every handle, and the process exits without unloading it.
#[derive(Clone, Copy)]
pub struct Engine {
    running: &'static Running,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// What the engine's thread hands out.
struct Running {
    /// Tickets for child runtimes. The engine's thread keeps a few ready, so that creating an isolate does not wait for it.
    parents: Mutex<Receiver<ParentRuntime>>,
    template: Template,
}

/// Tickets kept ready.
const READY_PARENTS: usize = 16;

/// How often a function runs before the compilers look at it, for the baseline interpreter and the baseline compiler (the engine's defaults
/// are 10 and 100). Higher, because what an isolate does to start is over by then: compiling inline caches for it took a fifth of
/// the time and a tenth of the memory. Loops of real work get there in microseconds either way.
const JIT_WARM_UP: [(JSJitCompilerOption, u32); 2] = [
    (JSJitCompilerOption::JSJITCOMPILER_BASELINE_INTERPRETER_WARMUP_TRIGGER, 200),
    (JSJitCompilerOption::JSJITCOMPILER_BASELINE_WARMUP_TRIGGER, 400),
];

static ENGINE: OnceLock<Result<Running, EngineError>> = OnceLock::new();

impl Engine {
    /// Starts the engine, or gives the one already started.
    ///
    /// # Errors
    /// [`EngineError`] when the engine or its thread cannot start; every later call gives the same error.
    pub fn start() -> Result<Engine, EngineError> {
        match ENGINE.get_or_init(start) {
            Ok(running) => Ok(Engine { running }),
            Err(error) => Err(error.clone()),
        }
    }

    /// Compiles a classic script on the calling thread. `name` is the file in stack traces.
    ///
    /// # Errors
    /// [`CompileError`] with the position of the first error.
    pub fn compile_script(&self, name: &str, source: &str) -> Result<Stencil, CompileError> {
        stencil::compile(&self.running.template, Kind::Script, name, source)
    }

    /// Compiles an ES module on the calling thread. `name` is the file in stack traces.
    ///
    /// # Errors
    /// [`CompileError`] with the position of the first error.
    pub fn compile_module(&self, name: &str, source: &str) -> Result<Stencil, CompileError> {
        stencil::compile(&self.running.template, Kind::Module, name, source)
    }

    pub(crate) fn instantiate_options(&self) -> InstantiateOptions {
        *self.running.template.instantiate_options()
    }

    /// What a child runtime is created from.
    pub(crate) fn parent(&self) -> Option<ParentRuntime> {
        let parents = match self.running.parents.lock() {
            Ok(parents) => parents,
            Err(poisoned) => poisoned.into_inner(),
        };
        parents.recv().ok()
    }
}

fn start() -> Result<Running, EngineError> {
    let (ready_sender, ready) = sync_channel(1);
    let (parents_sender, parents) = sync_channel(READY_PARENTS);
    std::thread::Builder::new()
        .name("js-engine".to_owned())
        .stack_size(crate::Isolate::STACK_SIZE)
        .spawn(move || run(ready_sender, parents_sender))
        .map_err(|error| EngineError::Thread(error.to_string()))?;
    let template = ready.recv().map_err(|_| EngineError::Init)??;
    Ok(Running { parents: Mutex::new(parents), template })
}

/// The engine's thread. It lives as long as the process, because a parent runtime must outlive its children
/// (`JS_NewContext`, `jsapi.h`) and isolates end on threads that nobody joins.
fn run(ready: SyncSender<Result<Template, EngineError>>, parents: SyncSender<ParentRuntime>) {
    let Ok(engine) = JSEngine::init() else {
        let _ = ready.send(Err(EngineError::Init));
        return;
    };
    let mut runtime = Runtime::new(engine.handle());
    // SAFETY: without a build id the compiler of WebAssembly reports out of memory (`SetProcessBuildIdOp`, `BuildId.h`). It is
    // set once, before any isolate exists.
    unsafe { SetProcessBuildIdOp(Some(build_id)) };
    // SAFETY: the format of stack traces is set on the parent runtime, once, before it has children, which read it from
    // there (`Runtime.h`, `stackFormat`). The V8 format is what Workers users and their tools know.
    unsafe { SetStackFormat(runtime.cx(), StackFormat::V8) };
    for (option, value) in JIT_WARM_UP {
        // SAFETY: the options are of the process; no other context exists that could be compiling.
        unsafe { JS_SetGlobalJitCompilerOption(runtime.cx(), option, value) };
    }
    clock::install();
    crate::allocations::tune();
    limits::install_in_process();
    let template = Template::new(runtime.cx());
    crate::exit::install();
    if ready.send(Ok(template)).is_err() {
        return;
    }
    // Blocks while enough tickets are ready. The receiver is a static, so this never ends.
    while parents.send(runtime.prepare_for_new_child()).is_ok() {}
}

/// Names this build of the engine in compiled WebAssembly.
unsafe extern "C" fn build_id(id: *mut BuildIdCharVector) -> bool {
    const ID: &[u8] = concat!("isolate-", env!("CARGO_PKG_VERSION"), "-mozjs-0.26.14").as_bytes();
    // SAFETY: the engine passes a valid vector; the bytes are copied into it.
    unsafe { mozjs::glue::SetBuildId(id, ID.as_ptr().cast::<c_char>(), ID.len()) }
}
