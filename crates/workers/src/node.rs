//! The modules of Node.js (`node/`, built by `make build`), compiled when the first isolate imports them.

use std::sync::OnceLock;

use isolate::{CompileError, Engine, Stencil};

use crate::resolve::BUILTIN;
use crate::version::WorkerVersion;

/// `FILES`: name and source of every file in `node/dist`, by name.
mod built {
    include!(concat!(env!("OUT_DIR"), "/node_files.rs"));
}

/// What makes a server of `node:http` the handler of a Worker.
const SERVERS: &str = "cloudflare:node";
const SERVERS_FILE: &str = "cloudflare_node.js";

/// Which modules of Node.js a Worker may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeModules {
    /// `nodejs_compat`.
    All,
    /// `nodejs_als`: only `node:async_hooks`.
    AsyncHooks,
    /// Neither flag.
    None,
}

impl NodeModules {
    /// What the flags of a version ask for.
    pub(crate) fn of(version: &WorkerVersion) -> NodeModules {
        if version.asks("nodejs_compat") || version.asks("nodejs_compat_v2") {
            NodeModules::All
        } else if version.asks("nodejs_als") {
            NodeModules::AsyncHooks
        } else {
            NodeModules::None
        }
    }

    /// The file of the module that `specifier` names (`node:path/posix`, `path/posix`, `cloudflare:node`).
    ///
    /// # Errors
    /// Why a module that Node.js has cannot be imported: one sentence, which names the flag to set.
    pub(crate) fn file(self, specifier: &str) -> Option<Result<String, String>> {
        let name = specifier.strip_prefix("node:").unwrap_or(specifier);
        let prefixed = specifier.starts_with("node:") || specifier == SERVERS;
        let file =
            if specifier == SERVERS { SERVERS_FILE.to_owned() } else { format!("node_{}.js", name.replace('/', "_")) };
        if !prefixed && !names().any(|known| known == name) {
            return None;
        }
        Some(match self {
            NodeModules::All if position(&file).is_some() => Ok(file),
            NodeModules::AsyncHooks if name == "async_hooks" && position(&file).is_some() => Ok(file),
            NodeModules::All if built::FILES.is_empty() => {
                Err("this program was built without the modules of Node.js: build it with `make build`.".to_owned())
            }
            NodeModules::All => Err("Node.js has no such module, or none that a Worker can use.".to_owned()),
            NodeModules::AsyncHooks | NodeModules::None => Err(
                "the modules of Node.js need the compatibility flag \"nodejs_compat\": add it to `compatibility_flags`.".to_owned(),
            ),
        })
    }
}

/// The names of the modules, without `node:`.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    built::NAMES.iter().copied()
}

fn position(file: &str) -> Option<usize> {
    built::FILES.binary_search_by(|(name, _)| (*name).cmp(file)).ok()
}

/// The compiled module of a file; compiled at the first call in the process.
pub(crate) fn stencil(engine: &Engine, file: &str) -> Option<Result<Stencil, CompileError>> {
    static COMPILED: [OnceLock<Result<Stencil, CompileError>>; built::FILES.len()] =
        [const { OnceLock::new() }; built::FILES.len()];
    let index = position(file)?;
    let (name, source) = built::FILES.get(index)?;
    let compile = || engine.compile_module(&format!("{BUILTIN}{name}"), source);
    Some(COMPILED.get(index)?.get_or_init(compile).clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn flags_decide() {
        assert!(NodeModules::None.file("lodash").is_none());
        assert!(NodeModules::None.file("node:buffer").unwrap().unwrap_err().contains("nodejs_compat"));
        if built::FILES.is_empty() {
            assert!(NodeModules::All.file("node:buffer").unwrap().unwrap_err().contains("make build"));
            return;
        }
        for specifier in ["node:path/posix", "path/posix"] {
            assert_eq!(NodeModules::All.file(specifier).unwrap().unwrap(), "node_path_posix.js");
        }
        assert_eq!(NodeModules::All.file("cloudflare:node").unwrap().unwrap(), "cloudflare_node.js");
        assert_eq!(NodeModules::AsyncHooks.file("node:async_hooks").unwrap().unwrap(), "node_async_hooks.js");
        assert!(NodeModules::AsyncHooks.file("node:buffer").unwrap().is_err());
        assert!(NodeModules::All.file("node:nothing").unwrap().is_err());
    }
}
