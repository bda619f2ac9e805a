//! What is deployed: the modules, bindings and limits of one version of a Worker. Immutable.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use invocation::{Entrypoint, PrivateNetwork};
use uuid::Uuid;

/// One version of a Worker: everything that is needed to run it.
#[derive(Debug, Clone)]
pub struct WorkerVersion {
    /// The version. Two values with the same id are the same version.
    pub id: Uuid,
    /// The Worker's name.
    pub name: Arc<str>,
    /// Name of the module whose default export has the handlers.
    pub main_module: String,
    /// All modules, the main module among them.
    pub modules: Vec<WorkerModule>,
    /// What the Worker finds in `env`.
    pub bindings: Vec<Binding>,
    /// What one invocation may use.
    pub limits: Limits,
    /// The date (`YYYY-MM-DD`) whose behaviour the Worker asks for.
    pub compatibility_date: String,
    /// Behaviour that it asks for, or asks to be without, by name.
    pub compatibility_flags: Vec<String>,
}

impl WorkerVersion {
    /// Whether a compatibility flag is among those of the version.
    pub(crate) fn asks(&self, flag: &str) -> bool {
        self.compatibility_flags.iter().any(|given| given == flag)
    }
}

/// One file of the bundle.
#[derive(Debug, Clone)]
pub struct WorkerModule {
    /// Its path in the bundle (`src/index.js`), by which other modules import it.
    pub name: String,
    /// How it is to be understood.
    pub kind: ModuleKind,
    /// The file.
    pub content: Bytes,
}

/// How a file of the bundle is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModuleKind {
    /// An ES module, in UTF-8.
    EsModule,
    /// A CommonJS module. Refused: only ES modules run.
    CommonJs,
    /// The default export is the text.
    Text,
    /// The default export is an `ArrayBuffer`.
    Data,
    /// The default export is the parsed JSON.
    Json,
    /// The default export is a `WebAssembly.Module`.
    Wasm,
}

/// A property of `env`.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The property's name.
    pub name: String,
    /// What it is.
    pub kind: BindingKind,
}

/// What a binding gives to the Worker.
#[derive(Clone, PartialEq)]
pub enum BindingKind {
    /// A string.
    PlainText(String),
    /// A string that is never shown to people.
    SecretText(String),
    /// A deep value.
    Json(serde_json::Value),
    /// Another Worker: a `Fetcher` whose methods are those of an entrypoint.
    Service {
        /// The Worker's name.
        worker: Arc<str>,
        /// Which of its exports, and what it finds as `ctx.props`.
        entrypoint: Entrypoint,
    },
    /// What the Worker may know of the version that runs.
    VersionMetadata {
        /// The tag it was given; empty without one.
        tag: String,
        /// When it was made, as in RFC 3339.
        timestamp: String,
    },
    /// A `Fetcher` for a private service.
    VpcService {
        /// The service.
        service_id: Uuid,
    },
    /// A `Fetcher` for a private network.
    VpcNetwork {
        /// The network.
        network: PrivateNetwork,
    },
}

impl std::fmt::Debug for BindingKind {
    /// Leaves secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PlainText(text) => f.debug_tuple("PlainText").field(text).finish(),
            Self::SecretText(_) => f.write_str("SecretText(…)"),
            Self::Json(value) => f.debug_tuple("Json").field(value).finish(),
            Self::Service { worker, entrypoint } => {
                f.debug_struct("Service").field("worker", worker).field("entrypoint", entrypoint).finish()
            }
            Self::VersionMetadata { tag, timestamp } => {
                f.debug_struct("VersionMetadata").field("tag", tag).field("timestamp", timestamp).finish()
            }
            Self::VpcService { service_id } => f.debug_struct("VpcService").field("service_id", service_id).finish(),
            Self::VpcNetwork { network } => f.debug_struct("VpcNetwork").field("network", network).finish(),
        }
    }
}

/// What one invocation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of one invocation, `waitUntil` work included. At most [`Limits::MAX_CPU`].
    pub cpu: Duration,
    /// Subrequests of one invocation, each hop of a redirect being one.
    pub subrequests: u32,
}

impl Limits {
    /// The most CPU time that a version may ask for.
    pub const MAX_CPU: Duration = Duration::from_secs(300);
    /// CPU time of a Worker's top-level code.
    pub const STARTUP_CPU: Duration = Duration::from_secs(1);

    /// CPU time of one invocation, within what a version may ask for.
    pub(crate) fn cpu(&self) -> Duration {
        self.cpu.min(Self::MAX_CPU)
    }
}

impl Default for Limits {
    /// 30 seconds of CPU time, 10,000 subrequests.
    fn default() -> Self {
        Limits { cpu: Duration::from_secs(30), subrequests: 10_000 }
    }
}
