//! Trying a version before it is deployed.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use isolate::Isolate;
use tokio::sync::oneshot;

use crate::boot::{StartupFailure, launch, prepare};
use crate::host::Host;
use crate::program::{ModuleFault, Program};
use crate::seat::Seat;
use crate::services::Services;
use crate::version::WorkerVersion;

/// A version that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validated {
    /// CPU time of its top-level code.
    pub startup: Duration,
    /// The handlers of its default export: `fetch`, …
    pub handlers: Vec<String>,
    /// What other Workers can be bound to, the default export among them.
    pub entrypoints: Vec<ExportedEntrypoint>,
}

/// An export that requests and calls of other Workers can go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedEntrypoint {
    /// The export's name; `default` for the default one.
    pub name: String,
    /// The handlers that it has.
    pub handlers: Vec<String>,
}

/// Why a version cannot be deployed. The text is for its developer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Invalid {
    /// A module has a syntax error.
    #[error("Uncaught {message}\n  at {file}:{line}:{column}")]
    Syntax {
        /// The engine's message, with the error's name.
        message: String,
        /// The module.
        file: String,
        /// 1-based.
        line: u32,
        /// 1-based.
        column: u32,
    },
    /// A module is not what its type says, or of a type that does not run.
    #[error("{0}")]
    Module(String),
    /// The bundle does not have its main module.
    #[error("The bundle has no module \"{0}\", which is to be its main module.")]
    MainModule(String),
    /// Top-level code threw, or an import could not be resolved.
    #[error("{message}")]
    Exception {
        /// `Uncaught Name: message` and the place.
        message: String,
        /// The stack, a line a frame.
        stack: String,
    },
    /// Nothing would ever run.
    #[error(
        "No event handlers were registered. This script does nothing. Export an object with a `fetch` function as `default`."
    )]
    NoHandlers,
    /// Top-level code took too long.
    #[error("{0}")]
    StartupCpu(String),
    /// Top-level code used too much memory.
    #[error("{0}")]
    StartupMemory(String),
    /// Top-level code never comes to its end.
    #[error("{0}")]
    StartupHung(String),
    /// Culvert failed.
    #[error("The Worker could not be tried: {0}")]
    Internal(String),
}

impl Invalid {
    /// Cloudflare's error code for it, where there is one.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Internal(_) => None,
            Self::NoHandlers => Some(10068),
            Self::Syntax { .. }
            | Self::Module(_)
            | Self::MainModule(_)
            | Self::Exception { .. }
            | Self::StartupCpu(_)
            | Self::StartupMemory(_)
            | Self::StartupHung(_) => Some(10021),
        }
    }
}

impl From<&ModuleFault> for Invalid {
    fn from(fault: &ModuleFault) -> Self {
        match fault {
            ModuleFault::Compile(error) => Invalid::Syntax {
                message: error.message.clone(),
                file: error.file.clone(),
                line: error.line,
                column: error.column,
            },
            fault => Invalid::Module(fault.to_string()),
        }
    }
}

impl From<StartupFailure> for Invalid {
    fn from(failure: StartupFailure) -> Self {
        let message = failure.to_string();
        match failure {
            StartupFailure::Exception { record, .. } => Invalid::Exception { message, stack: record.stack },
            StartupFailure::Cpu { .. } => Invalid::StartupCpu(message),
            StartupFailure::Memory { .. } | StartupFailure::OutOfMemory { .. } => Invalid::StartupMemory(message),
            StartupFailure::Hung => Invalid::StartupHung(message),
            StartupFailure::Internal(_) => Invalid::Internal(message),
        }
    }
}

/// Runs the top level of a version on a thread of its own.
pub(crate) async fn validate(version: Arc<WorkerVersion>, services: Arc<Services>) -> Result<Validated, Invalid> {
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("validate {}", version.name))
        .stack_size(Isolate::STACK_SIZE)
        .spawn(move || {
            // Whoever asked may be gone.
            let _ = reply.send(try_out(version, services));
        })
        .map_err(|error| Invalid::Internal(error.to_string()))?;
    answer.await.unwrap_or_else(|_| Err(Invalid::Internal("the isolate's thread ended".to_owned())))
}

fn try_out(version: Arc<WorkerVersion>, services: Arc<Services>) -> Result<Validated, Invalid> {
    let program = Program::compile(&services.engine, &version);
    if !program.has(&version.main_module) {
        return Err(Invalid::MainModule(version.main_module.clone()));
    }
    if let Some(fault) = program.faults().first() {
        return Err(Invalid::from(*fault));
    }
    let seat = Arc::new(Seat::new(services.options.isolate_memory));
    let host = Rc::new(Host::new(version, seat, services));
    let booted = launch(&host, prepare(&host)?, Arc::new(program))?;
    if booted.entrypoints.is_empty() {
        return Err(Invalid::NoHandlers);
    }
    Ok(Validated {
        startup: booted.startup,
        handlers: booted.handlers.clone(),
        entrypoints: booted.entrypoints.clone(),
    })
}
