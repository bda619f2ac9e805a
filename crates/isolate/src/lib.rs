//! SpiderMonkey behind a small safe API: start the engine once, compile source once, create isolates,
//! enter them, limit and measure them, stop them.
//!
//! Owned Rust values and closures are the whole surface; no type of the engine is visible. This crate knows nothing
//! of HTTP or of the Workers APIs: whatever script can reach beyond ECMAScript and WebAssembly is a
//! [`HostFunction`] that the embedder supplies. All `unsafe` code of the project lives here, and each block names the
//! engine rule it rests on.
//!
//! One [`Isolate`] is one thread, one `JSContext` and one realm. The only way in is [`Isolate::enter`].

mod allocations;
mod arguments;
mod clock;
mod clone;
mod context;
mod coroutine;
mod engine;
mod errors;
mod exit;
mod failure;
mod isolate;
mod jobs;
mod ledger;
mod limits;
mod loader;
mod memory;
mod modules;
mod promises;
mod roots;
mod scope;
mod security;
mod stack;
mod state;
mod stencil;
mod strings;
mod value;
mod watchdog;

pub use arguments::{Arguments, HostFunction, Throw};
pub use coroutine::{Coroutine, NotRunning, Suspender};
pub use engine::{Engine, EngineError};
pub use failure::{Exception, Failure, Place, Termination};
pub use isolate::{Control, Entry, Isolate, IsolateError, IsolateOptions};
pub use ledger::{Charge, Ledger};
pub use memory::Memory;
pub use modules::{Module, ModuleError, ModuleSource};
pub use promises::PromiseState;
pub use roots::Handle;
pub use scope::Scope;
pub use stencil::{CompileError, Stencil};
pub use value::Value;
