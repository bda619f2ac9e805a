//! The modules of one version, compiled once and shared by its isolates.

use std::collections::HashMap;
use std::sync::Arc;

use isolate::{CompileError, Engine, Module, ModuleError, ModuleSource, Stencil};

use crate::builtins::Builtins;
use crate::node::{self, NodeModules};
use crate::resolve::{BUILTIN, Resolved, resolve};
use crate::version::{ModuleKind, WorkerModule, WorkerVersion};

/// A module of the bundle, ready for any isolate.
enum Compiled {
    EsModule(Stencil),
    Text(String),
    Json(String),
    Data(Vec<u8>),
    Wasm(Vec<u8>),
    Broken(ModuleFault),
}

/// Why a module of the bundle cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ModuleFault {
    /// A syntax error.
    #[error("{0}")]
    Compile(#[from] CompileError),
    /// Not in UTF-8, or not JSON.
    #[error("The module \"{module}\" is not valid: {reason}")]
    Content {
        /// The module's name.
        module: String,
        /// What is wrong.
        reason: String,
    },
    /// CommonJS.
    #[error("The module \"{0}\" is a CommonJS module. Only ES modules run: bundle the Worker with `--format=esm`.")]
    CommonJs(String),
    /// The name is one of the runtime's own.
    #[error("A module cannot have the name \"{0}\": names with \"culvert:\" are the runtime's own.")]
    Name(String),
}

/// The compiled modules of a version.
pub(crate) struct Program {
    modules: HashMap<String, Compiled>,
}

impl Program {
    /// Compiles all modules. One that is broken fails only when it is imported; see [`Program::faults`].
    pub(crate) fn compile(engine: &Engine, version: &WorkerVersion) -> Program {
        let modules = version
            .modules
            .iter()
            .map(|module| (module.name.clone(), compile(engine, module).unwrap_or_else(Compiled::Broken)))
            .collect();
        Program { modules }
    }

    /// The modules that are broken, the first by name first.
    pub(crate) fn faults(&self) -> Vec<&ModuleFault> {
        let mut faults: Vec<_> = self
            .modules
            .iter()
            .filter_map(|(name, module)| match module {
                Compiled::Broken(fault) => Some((name, fault)),
                _ => None,
            })
            .collect();
        faults.sort_by_key(|(name, _)| *name);
        faults.into_iter().map(|(_, fault)| fault).collect()
    }

    /// Whether the bundle has a module of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }
}

fn compile(engine: &Engine, module: &WorkerModule) -> Result<Compiled, ModuleFault> {
    let name = module.name.as_str();
    if name.starts_with(BUILTIN) {
        return Err(ModuleFault::Name(name.to_owned()));
    }
    let content = |reason: String| ModuleFault::Content { module: name.to_owned(), reason };
    let text = || {
        let text =
            std::str::from_utf8(&module.content).map_err(|error| content(format!("it is not in UTF-8 ({error})")))?;
        Ok::<_, ModuleFault>(text.strip_prefix('\u{feff}').unwrap_or(text))
    };
    Ok(match module.kind {
        ModuleKind::EsModule => Compiled::EsModule(engine.compile_module(name, text()?)?),
        ModuleKind::CommonJs => return Err(ModuleFault::CommonJs(name.to_owned())),
        ModuleKind::Text => Compiled::Text(text()?.to_owned()),
        ModuleKind::Json => {
            let text = text()?;
            serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_err(|error| content(format!("it is not JSON ({error})")))?;
            Compiled::Json(text.to_owned())
        }
        ModuleKind::Data => Compiled::Data(module.content.to_vec()),
        ModuleKind::Wasm => Compiled::Wasm(module.content.to_vec()),
    })
}

/// Where the imports of one isolate find their modules: the built-ins and the program.
pub(crate) struct Modules {
    pub builtins: &'static Builtins,
    /// Absent while an isolate waits for a version.
    pub program: Option<Arc<Program>>,
    /// Which modules of Node.js there are.
    pub node: NodeModules,
}

impl ModuleSource for Modules {
    fn resolve(&self, specifier: &str, referrer: &str) -> Result<Module, ModuleError> {
        let missing = || ModuleError(format!("No such module \"{specifier}\"."));
        match resolve(specifier, referrer, self.node, |name| {
            self.program.as_ref().is_some_and(|program| program.has(name))
        })
        .map_err(ModuleError)?
        {
            Resolved::Builtin(name) => {
                let code = match self.builtins.stencil(&name) {
                    Some(code) => code.clone(),
                    None => node::stencil(self.builtins.engine(), &name)
                        .ok_or_else(missing)?
                        .map_err(|error| ModuleError(error.to_string()))?,
                };
                Ok(Module::EsModule { url: format!("{BUILTIN}{name}"), code })
            }
            Resolved::Bundle(name) => {
                let program = self.program.as_ref().ok_or_else(missing)?;
                let module = program.modules.get(&name).ok_or_else(missing)?;
                let url = name;
                Ok(match module {
                    Compiled::EsModule(code) => Module::EsModule { url, code: code.clone() },
                    Compiled::Text(text) => Module::Text { url, text: text.clone() },
                    Compiled::Json(text) => Module::Json { url, text: text.clone() },
                    Compiled::Data(bytes) => Module::Data { url, bytes: bytes.clone() },
                    Compiled::Wasm(bytes) => Module::Wasm { url, bytes: bytes.clone() },
                    Compiled::Broken(fault) => return Err(ModuleError(fault.to_string())),
                })
            }
        }
    }
}
