//! Why a command did not do what it was asked: one sentence for a person, with the next step.

use std::fmt;
use std::path::Path;

/// A command that failed. Displays as one or two sentences.
#[derive(Debug)]
pub enum Failure {
    /// Refused or failed: exit code 1.
    Failed(String),
    /// The arguments do not fit together: exit code 2.
    Usage(String),
}

impl Failure {
    /// What the program ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        }
    }

    /// A failure with this sentence.
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into())
    }

    /// A wrong use with this sentence.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::Usage(sentence.into())
    }

    /// A file that could not be read or written.
    pub fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Failed(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(sentence) | Self::Usage(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Failure {}

/// The innermost cause: "Connection refused" says more than "client error (Connect)".
pub fn root_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}
