//! The process-wide engine: one initialisation and one parent runtime, on a thread that never runs user code.

use crate::stencil::{CompileError, Stencil};

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

/// The process-wide engine. Cloning gives another handle to the same one.
///
/// It is never shut down: isolates on any thread may outlive every handle, and the process exits without unloading it.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    _private: (),
}

impl Engine {
    /// Starts the engine, or gives the one already started.
    ///
    /// # Errors
    /// [`EngineError`] when the engine or its thread cannot start; every later call gives the same error.
    pub fn start() -> Result<Engine, EngineError> {
        todo!()
    }

    /// Compiles a classic script on the calling thread. `name` is the file in stack traces.
    ///
    /// # Errors
    /// [`CompileError`] with the position of the first error.
    pub fn compile_script(&self, name: &str, source: &str) -> Result<Stencil, CompileError> {
        let _ = (name, source);
        todo!()
    }

    /// Compiles an ES module on the calling thread. `name` is the file in stack traces.
    ///
    /// # Errors
    /// [`CompileError`] with the position of the first error.
    pub fn compile_module(&self, name: &str, source: &str) -> Result<Stencil, CompileError> {
        let _ = (name, source);
        todo!()
    }
}
