//! ES modules: where `import` finds them.

use crate::stencil::Stencil;

/// Answers imports. A deployed bundle is all in memory, so the answer is immediate.
pub trait ModuleSource {
    /// The module that `specifier` means in the module `referrer` (the `url` of the importing module, or the name of the
    /// importing script). The same `url` always gives the same module instance within one isolate, whatever the specifier.
    ///
    /// # Errors
    /// [`ModuleError`]; it becomes the `message` of the `TypeError` the import fails with.
    fn resolve(&self, specifier: &str, referrer: &str) -> Result<Module, ModuleError>;
}

/// A module, before it is instantiated.
#[derive(Clone)]
pub enum Module {
    /// An ES module; `url` is its `import.meta.url`.
    EsModule {
        /// Identity within the isolate.
        url: String,
        /// From [`Engine::compile_module`](crate::Engine::compile_module).
        code: Stencil,
    },
    /// The default export is the parsed JSON.
    Json {
        /// Identity within the isolate.
        url: String,
        /// JSON text.
        text: String,
    },
    /// The default export is the string.
    Text {
        /// Identity within the isolate.
        url: String,
        /// The string.
        text: String,
    },
    /// The default export is an `ArrayBuffer`.
    Data {
        /// Identity within the isolate.
        url: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The default export is a `WebAssembly.Module`.
    Wasm {
        /// Identity within the isolate.
        url: String,
        /// The binary format.
        bytes: Vec<u8>,
    },
}

/// Why there is no such module: one sentence for the developer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ModuleError(pub String);
