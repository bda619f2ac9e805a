//! How an entry can fail: a JavaScript exception, or a stop of the entry or of the whole isolate.

use std::time::Duration;

use crate::roots::Handle;

/// Why a call into the engine gave no value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// Script threw.
    #[error("{}", .0.summary())]
    Exception(Exception),
    /// Script was stopped. Whether later entries run depends on the cause: see [`Termination`].
    #[error(transparent)]
    Terminated(#[from] Termination),
}

/// What stopped script, uncatchably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Termination {
    /// The entry used more CPU time than it was given. It alone is stopped, with all that it had queued; later entries run, in whatever
    /// state it left the objects that script shares.
    #[error("stopped after {used:?} of CPU time")]
    CpuLimit {
        /// CPU time of this entry when it was stopped.
        used: Duration,
    },
    /// Too far over the memory limit after a collection. The isolate is condemned: no later entry runs script.
    #[error("stopped with {used} bytes in use, {limit} allowed")]
    MemoryLimit {
        /// Bytes in use (GC heap and malloc'ed) after the collection.
        used: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// [`Control::terminate`](crate::Control::terminate) with this reason. The isolate is condemned.
    #[error("stopped on request (reason {0})")]
    Requested(u32),
}

impl Termination {
    /// Whether only the entry was stopped, and the isolate goes on.
    pub(crate) fn is_of_entry(self) -> bool {
        matches!(self, Termination::CpuLimit { .. })
    }
}

/// A position in source. Lines and columns are 1-based, 0 when unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The name or URL of the script or module; empty when unknown.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column.
    pub column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A thrown or rejected value, described. The texts are copies of limited length (64 Ki code units for the stack, 16 Ki for the message).
#[derive(Debug, Clone)]
pub struct Exception {
    /// The error's `name` (`TypeError`); empty for values that are not errors.
    pub name: String,
    /// The error's `message`, or the value as a string.
    pub message: String,
    /// `Name: message` and then lines of the form `    at function (file:line:column)`; empty for values that are not errors.
    pub stack: String,
    /// File of the place it was created in; empty when unknown.
    pub file: String,
    /// 1-based line; 0 when unknown.
    pub line: u32,
    /// 1-based column; 0 when unknown.
    pub column: u32,
    /// The value itself.
    pub value: Handle,
}

impl Exception {
    /// `Name: message`, or only the message for a value that is not an error.
    pub fn summary(&self) -> String {
        if self.name.is_empty() {
            self.message.clone()
        } else if self.message.is_empty() {
            self.name.clone()
        } else {
            format!("{}: {}", self.name, self.message)
        }
    }
}
