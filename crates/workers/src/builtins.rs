//! The built-in modules (`js/`, joined by `build.rs`), compiled once per process.

use std::collections::HashMap;
use std::sync::OnceLock;

use isolate::{CompileError, Engine, Stencil};

use crate::resolve::BUILTIN;

/// Name and source of each module.
const SOURCES: [(&str, &str); 3] = [
    ("main.js", include_str!(concat!(env!("OUT_DIR"), "/main.js"))),
    ("cloudflare_sockets.js", include_str!(concat!(env!("OUT_DIR"), "/cloudflare_sockets.js"))),
    ("cloudflare_workers.js", include_str!(concat!(env!("OUT_DIR"), "/cloudflare_workers.js"))),
];

/// The engine takes `__host` away after the bootstrap scripts, but `host_object.js` is a module. This keeps it until the
/// runtime calls [`Builtins::EXPOSE`], just before the modules are loaded.
const BOOTSTRAP: &str = "{
    const host = __host;
    const value = () => {
        delete globalThis.__expose;
        globalThis.__host = host;
    };
    Object.defineProperty(globalThis, '__expose', { configurable: true, value });
}";

/// The compiled built-in modules, by file name.
pub(crate) struct Builtins {
    /// To be run in a fresh global.
    pub bootstrap: Stencil,
    stencils: HashMap<&'static str, Stencil>,
    engine: Engine,
}

impl Builtins {
    /// The module that has the ways into JavaScript.
    pub(crate) const MAIN: &'static str = "culvert:main.js";

    /// The global function that gives `__host` to the modules that are loaded next. It is there for one call.
    pub(crate) const EXPOSE: &'static str = "__expose";

    /// All built-ins; compiled at the first call.
    ///
    /// # Errors
    /// The first syntax error.
    pub(crate) fn get(engine: &Engine) -> Result<&'static Builtins, CompileError> {
        static BUILTINS: OnceLock<Result<Builtins, CompileError>> = OnceLock::new();
        BUILTINS.get_or_init(|| Self::compile(engine)).as_ref().map_err(CompileError::clone)
    }

    fn compile(engine: &Engine) -> Result<Builtins, CompileError> {
        let stencils = SOURCES
            .iter()
            .map(|&(name, source)| Ok((name, engine.compile_module(&format!("{BUILTIN}{name}"), source)?)))
            .collect::<Result<_, CompileError>>()?;
        Ok(Builtins { bootstrap: engine.compile_script("culvert:bootstrap", BOOTSTRAP)?, stencils, engine: *engine })
    }

    /// What compiled them.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// One of them.
    pub(crate) fn stencil(&self, name: &str) -> Option<&Stencil> {
        self.stencils.get(name)
    }
}
