//! How an isolate comes to run a version: the built-ins, then the Worker's own top-level code.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use isolate::{Entry, Exception, Failure, Handle, Isolate, IsolateOptions, PromiseState, Scope, Termination, Value};
use telemetry::ExceptionRecord;

use crate::builtins::Builtins;
use crate::host::{FUNCTIONS, Host, Json, describe, elements};
use crate::node::NodeModules;
use crate::program::{Modules, Program};
use crate::supervisor::{EXCEEDED_CPU, EXCEEDED_MEMORY};
use crate::validate::ExportedEntrypoint;
use crate::version::{BindingKind, Limits, WorkerVersion};

/// CPU time for the built-ins' own top-level code, which is the same for every isolate.
const BUILTINS_CPU: Option<Duration> = Some(Duration::from_secs(10));

/// What the engine throws, a string and no error, where an allocation does not fit.
const OUT_OF_MEMORY: &str = "out of memory";

/// The ways into JavaScript (`Entries` in `host.d.ts`).
pub(crate) struct Entries {
    pub fetch: Handle,
    pub rpc: Handle,
    pub scheduled: Handle,
    pub tail: Handle,
    pub complete: Handle,
    pub disconnected: Handle,
    /// `forget(operations, invocation)`: they never complete, and the invocation is over.
    pub forget: Option<Handle>,
}

/// An isolate with the built-ins, and no version yet.
pub(crate) struct Prepared {
    isolate: Isolate,
    entries: Entries,
    start: Handle,
    entrypoints: Handle,
}

/// An isolate that is ready.
pub(crate) struct Booted {
    pub isolate: Isolate,
    pub entries: Entries,
    /// The handlers that the main module's default export has.
    pub handlers: Vec<String>,
    /// What other Workers can be bound to.
    pub entrypoints: Vec<ExportedEntrypoint>,
    /// CPU time of the Worker's top-level code.
    pub startup: Duration,
}

/// Why an isolate cannot run a version.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StartupFailure {
    /// Top-level code threw, or a module could not be loaded.
    #[error("Uncaught {summary}{place}")]
    Exception {
        /// `Name: message`.
        summary: String,
        /// Where, as ` at file:line:column`, when it is known.
        place: String,
        /// For the record.
        record: Box<ExceptionRecord>,
    },
    /// Top-level code took too long.
    #[error("Script startup exceeded CPU time limit: {} ms were used, {} ms are allowed.{place}", .used.as_millis(), Limits::STARTUP_CPU.as_millis())]
    Cpu {
        /// CPU time used.
        used: Duration,
        /// Where it was, as ` at file:line:column` on a line of its own, when it is known.
        place: String,
    },
    /// Top-level code used too much memory.
    #[error("Script startup exceeded memory limit: {used} bytes were used, {limit} are allowed.{place}")]
    Memory {
        /// Bytes in use.
        used: usize,
        /// Bytes allowed.
        limit: usize,
        /// Where it was.
        place: String,
    },
    /// An allocation of top-level code did not fit.
    #[error(
        "Script startup exceeded memory limit: an allocation at the top level of a module did not fit, {limit} bytes are allowed. Make it in a handler, where it is freed again, or smaller.{place}"
    )]
    OutOfMemory {
        /// Bytes allowed.
        limit: usize,
        /// Where it was, when it is known.
        place: String,
    },
    /// Top-level code awaits what never comes.
    #[error("Top-level code awaits something that never comes. Timers and requests are only possible in a handler.")]
    Hung,
    /// Culvert's own fault.
    #[error("{0}")]
    Internal(String),
}

impl StartupFailure {
    fn exception(exception: &Exception) -> Self {
        // What the loader throws, for an import that cannot be resolved, has no place in a file; its message names both.
        let place = if exception.line == 0 || exception.file.is_empty() {
            String::new()
        } else {
            format!("\n  at {}:{}:{}", exception.file, exception.line, exception.column)
        };
        Self::Exception { summary: exception.summary(), place, record: Box::new(describe(exception)) }
    }

    /// The same, told as what it is where the engine only says that there was no memory.
    fn told(self, limit: usize) -> Self {
        match self {
            Self::Exception { summary, place, .. } if summary == OUT_OF_MEMORY => Self::OutOfMemory { limit, place },
            other => other,
        }
    }

    fn internal(reason: &str) -> Self {
        Self::Internal(format!("The built-in modules did not start: {}.", reason.trim_end_matches('.')))
    }

    /// What the record of an invocation that met it says.
    pub(crate) fn exceptions(&self) -> Vec<ExceptionRecord> {
        let plain = |message: String| {
            vec![ExceptionRecord {
                timestamp: crate::running::timestamp(),
                name: "Error".to_owned(),
                message,
                stack: String::new(),
                connection: None,
            }]
        };
        match self {
            Self::Exception { record, .. } => vec![record.as_ref().clone()],
            Self::Cpu { .. } => plain(EXCEEDED_CPU.to_owned()),
            Self::Memory { .. } | Self::OutOfMemory { .. } => plain(EXCEEDED_MEMORY.to_owned()),
            Self::Hung => plain(self.to_string()),
            Self::Internal(_) => Vec::new(),
        }
    }
}

/// The value of an entry, or why startup failed in it.
fn outcome<R>(entry: Entry<R>) -> Result<R, StartupFailure> {
    let place = entry.stopped_at.map_or_else(String::new, |place| format!("\n  at {place}"));
    entry.result.map_err(|failure| match failure {
        Failure::Exception(exception) => StartupFailure::exception(&exception),
        Failure::Terminated(Termination::CpuLimit { used }) => StartupFailure::Cpu { used, place },
        Failure::Terminated(Termination::MemoryLimit { used, limit }) => StartupFailure::Memory { used, limit, place },
        Failure::Terminated(Termination::Requested(_)) => StartupFailure::Internal("Culvert shuts down.".to_owned()),
    })
}

/// Makes an isolate on this thread and loads the built-ins into it.
///
/// # Errors
/// [`StartupFailure`]: Culvert's own fault.
pub(crate) fn prepare(host: &Rc<Host>) -> Result<Prepared, StartupFailure> {
    let builtins = host.services.builtins;
    let options = IsolateOptions {
        memory: host.seat.ledger.clone(),
        bootstrap: vec![builtins.bootstrap.clone()],
        ..IsolateOptions::default()
    };
    let mut isolate = Isolate::new(&host.services.engine, options, FUNCTIONS, host.clone())
        .map_err(|error| StartupFailure::Internal(error.to_string()))?;
    isolate.set_modules(Rc::new(Modules { builtins, program: None, node: NodeModules::None }));
    isolate.freeze_clock(host.services.options.freeze_clock);
    // Only a fresh seat comes here.
    let _ = host.seat.control.set(isolate.control());

    let loaded = isolate.enter(BUILTINS_CPU, |scope| {
        if let Value::Object(expose) = scope.global(Builtins::EXPOSE)? {
            scope.call(&expose, &[])?;
        }
        Ok((Json::capture(scope)?, scope.import(Builtins::MAIN)?))
    });
    let (json, main) = loaded.result.map_err(|failure| StartupFailure::internal(&failure.to_string()))?;
    if let Some(json) = json {
        let _ = host.json.set(json);
    }
    let Loaded { entries, start, entrypoints } = isolate
        .enter(BUILTINS_CPU, |scope| match scope.promise_state(&main) {
            Some(PromiseState::Fulfilled(Value::Object(namespace))) => {
                if let Value::Object(listener) = scope.get(&namespace, "rejected")? {
                    scope.on_unhandled_rejection(listener);
                }
                entries(scope, &namespace)
            }
            Some(PromiseState::Rejected(reason)) => Err(Failure::Exception(scope.exception(&reason))),
            _ => Ok(None),
        })
        .result
        .map_err(|failure| StartupFailure::internal(&failure.to_string()))?
        .ok_or_else(|| StartupFailure::internal("an entry is missing"))?;
    Ok(Prepared { isolate, entries, start, entrypoints })
}

/// Runs the top-level code of the host's version in a prepared isolate.
///
/// # Errors
/// [`StartupFailure`].
pub(crate) fn launch(host: &Rc<Host>, prepared: Prepared, program: Arc<Program>) -> Result<Booted, StartupFailure> {
    let Prepared { mut isolate, entries, start, entrypoints } = prepared;
    let version = host.version();
    let node = NodeModules::of(&version);
    isolate.set_modules(Rc::new(Modules { builtins: host.services.builtins, program: Some(program), node }));
    let bindings = bindings(&version);
    let eval = evaluates_at_startup(&version);
    let started = isolate.enter(Some(Limits::STARTUP_CPU), |scope| {
        scope.allow_eval(eval);
        let compatibility = Value::String(compatibility(&version));
        scope.call(&start, &[Value::String(version.main_module.clone()), Value::String(bindings), compatibility])
    });
    let startup = started.cpu;
    let limit = host.seat.ledger.limit();
    let Value::Object(promise) = outcome(started).map_err(|failure| failure.told(limit))? else {
        return Err(StartupFailure::internal("`start` gives no promise"));
    };
    let handlers = isolate.enter(BUILTINS_CPU, |scope| {
        scope.allow_eval(false);
        Ok(match scope.promise_state(&promise) {
            Some(PromiseState::Fulfilled(Value::Object(names))) => {
                let handlers = strings(scope, &names)?;
                let Value::Object(list) = scope.call(&entrypoints, &[])? else { return Ok(Ok((handlers, Vec::new()))) };
                let exported = elements(scope, &list)?;
                let exported = exported.iter().map(|one| exported_entrypoint(scope, one)).collect::<Result<_, _>>()?;
                Ok((handlers, exported))
            }
            Some(PromiseState::Rejected(reason)) => Err(StartupFailure::exception(&scope.exception(&reason))),
            Some(PromiseState::Pending) => Err(StartupFailure::Hung),
            _ => Err(StartupFailure::internal("`start` gives no names")),
        })
    });
    let (handlers, entrypoints) = outcome(handlers).flatten().map_err(|failure| failure.told(limit))?;
    Ok(Booted { handlers, entrypoints, isolate, entries, startup })
}

/// What the built-ins give.
struct Loaded {
    entries: Entries,
    start: Handle,
    entrypoints: Handle,
}

fn entries(scope: &mut Scope<'_>, namespace: &Handle) -> Result<Option<Loaded>, Failure> {
    let mut entry = |name| match scope.get(namespace, name)? {
        Value::Object(function) => Ok::<_, Failure>(Some(function)),
        _ => Ok(None),
    };
    let (Some(start), Some(entrypoints)) = (entry("start")?, entry("entrypoints")?) else { return Ok(None) };
    let (Some(fetch), Some(rpc)) = (entry("fetch")?, entry("rpc")?) else { return Ok(None) };
    let (Some(scheduled), Some(tail)) = (entry("scheduled")?, entry("tail")?) else { return Ok(None) };
    let (Some(complete), Some(disconnected)) = (entry("complete")?, entry("disconnected")?) else { return Ok(None) };
    let entries = Entries { fetch, rpc, scheduled, tail, complete, disconnected, forget: entry("forget")? };
    Ok(Some(Loaded { entries, start, entrypoints }))
}

/// An array of strings.
fn strings(scope: &mut Scope<'_>, list: &Handle) -> Result<Vec<String>, Failure> {
    let elements = elements(scope, list)?;
    Ok(elements
        .into_iter()
        .filter_map(|value| if let Value::String(text) = value { Some(text) } else { None })
        .collect())
}

/// The name of an export, then its handlers.
fn exported_entrypoint(scope: &mut Scope<'_>, list: &Value) -> Result<ExportedEntrypoint, Failure> {
    let mut names = match list {
        Value::Object(list) => strings(scope, list)?.into_iter(),
        _ => Vec::new().into_iter(),
    };
    Ok(ExportedEntrypoint { name: names.next().unwrap_or_default(), handlers: names.collect() })
}

/// The bindings as `Entries.start` takes them.
fn bindings(version: &WorkerVersion) -> String {
    let bindings = version.bindings.iter().map(|binding| {
        let name = &binding.name;
        match &binding.kind {
            BindingKind::PlainText(text) => serde_json::json!({"name": name, "type": "plain_text", "text": text}),
            BindingKind::SecretText(text) => serde_json::json!({"name": name, "type": "secret_text", "text": text}),
            BindingKind::Json(value) => serde_json::json!({"name": name, "type": "json", "json": value}),
            BindingKind::Service { .. } => serde_json::json!({"name": name, "type": "service"}),
            BindingKind::VersionMetadata { tag, timestamp } => {
                let id = version.id.to_string();
                serde_json::json!({"name": name, "type": "version_metadata", "id": id, "tag": tag, "timestamp": timestamp})
            }
            BindingKind::VpcService { .. } => serde_json::json!({"name": name, "type": "vpc_service"}),
            BindingKind::VpcNetwork { .. } => serde_json::json!({"name": name, "type": "vpc_network"}),
        }
    });
    serde_json::Value::Array(bindings.collect()).to_string()
}

/// What the flags of a version ask for, as `Entries.start` takes it.
fn compatibility(version: &WorkerVersion) -> String {
    let node = NodeModules::of(version);
    let modules: Vec<&str> = if node == NodeModules::All { crate::node::names().collect() } else { Vec::new() };
    // Since this date, as Workers do.
    let process_env = version.asks("nodejs_compat_populate_process_env")
        || (version.compatibility_date.as_str() >= "2025-04-01"
            && !version.asks("nodejs_compat_do_not_populate_process_env"));
    let blob_messages = version.asks("websocket_standard_binary_type")
        || (version.compatibility_date.as_str() >= "2026-03-17" && !version.asks("no_websocket_standard_binary_type"));
    let node = node == NodeModules::All;
    serde_json::json!({"node": node, "processEnv": process_env, "modules": modules, "blobMessages": blob_messages})
        .to_string()
}

/// Whether top-level code may use `eval` and `new Function`, as Workers allow since 2025-06-01.
fn evaluates_at_startup(version: &WorkerVersion) -> bool {
    !version.asks("disallow_eval_during_startup")
        && (version.asks("allow_eval_during_startup") || version.compatibility_date.as_str() >= "2025-06-01")
}
