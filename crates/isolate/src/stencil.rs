//! Source compiled once, outside any isolate, and instantiated in many.

/// A compiled script or module. Immutable and belonging to no runtime: share it between isolates and threads.
#[derive(Clone)]
pub struct Stencil {
    _private: (),
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
