//! The Workers platform: isolates that run the versions of Workers, invocations and their outcomes, the Web and Workers APIs.
//!
//! A [`Platform`] is given immutable [`WorkerVersion`]s and requests. Each isolate has a thread with an event loop of its own
//! (`thread.rs`); what it has in flight is decided on by a sans-IO state machine (`supervisor.rs`); which isolate takes a request is
//! another pure decision (`placement.rs`). The APIs are JavaScript (`js/`) over host functions (`host/`); all I/O runs on the runtime
//! that the platform is given.
//!
//! This crate does not know where requests come from, nor who carries out subrequests: it calls [`invocation::Outbound`].

mod boot;
mod builtins;
pub mod cache;
mod coding;
mod crypto;
mod event;
mod host;
mod html;
mod job;
mod machine;
mod mailbox;
mod node;
mod placement;
mod platform;
mod pool;
mod program;
mod resolve;
mod running;
mod seat;
mod services;
mod spare;
mod supervisor;
mod table;
mod thread;
mod validate;
mod version;

pub use platform::{Platform, PlatformError};
pub use services::PlatformOptions;
pub use validate::{ExportedEntrypoint, Invalid, Validated};
pub use version::{Binding, BindingKind, Limits, ModuleKind, WorkerModule, WorkerVersion};
