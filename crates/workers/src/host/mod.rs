//! The host functions of `js/host.d.ts`, by concern, and the state of an isolate that they work on.
//!
//! [`Host`] is what the functions and the thread's loop share. No borrow of its cells is held while script can run.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use isolate::{Arguments, Handle, HostFunction, Scope, Throw, Value};
use telemetry::ConsoleLine;

use crate::running::Running;
use crate::seat::Seat;
use crate::services::Services;
use crate::supervisor::{Supervisor, Ticket};
use crate::version::WorkerVersion;

mod bodies;
mod caches;
mod calls;
mod compression;
mod console;
mod crypto;
mod engine;
mod fetch;
mod headers;
mod held;
mod invocations;
mod operations;
mod outgoing;
mod piped;
mod random;
mod rewriter;
mod sink_body;
mod sinks;
mod sockets;
mod text;
mod time;
mod url;
mod url_pattern;
mod websockets;

pub(crate) use bodies::Bodies;
pub(crate) use engine::{Json, elements};
pub(crate) use headers::flatten;
pub(crate) use invocations::describe;
pub(crate) use operations::Operations;
pub(crate) use sockets::SocketFailure;
pub(crate) use text::utf8;
pub(crate) use websockets::Arrival;

/// What one isolate has in Rust.
pub(crate) struct Host {
    /// Decides how invocations end.
    pub supervisor: RefCell<Supervisor>,
    /// The invocations that have begun.
    pub running: RefCell<HashMap<Ticket, Running>>,
    /// What script waits for.
    pub operations: RefCell<Operations>,
    /// Bodies that have not entered JavaScript.
    pub bodies: RefCell<Bodies>,
    /// Bodies that JavaScript writes.
    pub sinks: RefCell<sinks::Sinks>,
    /// Open TCP connections.
    pub sockets: RefCell<sockets::Sockets>,
    /// Open WebSockets, and connections that may become some.
    pub websockets: RefCell<websockets::WebSockets>,
    /// Text that is being decoded.
    decoders: RefCell<text::Decoders>,
    /// Digests that are being computed.
    hashers: RefCell<crypto::Hashers>,
    /// Documents that are being rewritten.
    rewriters: RefCell<rewriter::Rewriters>,
    /// Compression streams.
    compressors: RefCell<compression::Compressors>,
    /// The engine's own `JSON`, from before any code of the Worker ran.
    pub json: OnceCell<Json>,
    /// Console lines of top-level code, which belong to no invocation: the first one gets them.
    pub startup_lines: RefCell<Vec<(ConsoleLine, usize)>>,
    /// The way to this isolate's thread.
    pub seat: Arc<Seat>,
    /// The platform's parts.
    pub services: Arc<Services>,
    version: RefCell<Arc<WorkerVersion>>,
    current: Cell<Ticket>,
}

impl Host {
    /// The state of a fresh isolate.
    pub(crate) fn new(version: Arc<WorkerVersion>, seat: Arc<Seat>, services: Arc<Services>) -> Self {
        Host {
            supervisor: RefCell::new(Supervisor::new()),
            running: RefCell::default(),
            operations: RefCell::default(),
            bodies: RefCell::default(),
            sinks: RefCell::default(),
            sockets: RefCell::default(),
            websockets: RefCell::default(),
            decoders: RefCell::default(),
            hashers: RefCell::default(),
            compressors: RefCell::default(),
            rewriters: RefCell::default(),
            json: OnceCell::new(),
            startup_lines: RefCell::default(),
            seat,
            services,
            version: RefCell::new(version),
            current: Cell::new(0),
        }
    }

    /// The version that runs.
    pub(crate) fn version(&self) -> Arc<WorkerVersion> {
        self.version.borrow().clone()
    }

    /// Says which version is to run, before any code of it does.
    pub(crate) fn assign(&self, version: Arc<WorkerVersion>) {
        *self.version.borrow_mut() = version;
    }

    /// The invocation whose code runs; 0 outside of any.
    pub(crate) fn current(&self) -> Ticket {
        self.current.get()
    }

    /// Says whose code runs from now on.
    pub(crate) fn set_current(&self, ticket: Ticket) {
        self.current.set(ticket);
    }

    /// Frees all that an invocation holds. Gives the operations that script still waits for.
    pub(crate) fn release(&self, ticket: Ticket) -> Vec<u64> {
        let operations = self.operations.borrow_mut().release(ticket);
        let bodies = self.bodies.borrow_mut().release(ticket);
        let sinks = self.sinks.borrow_mut().release(ticket);
        let sockets = self.sockets.borrow_mut().release(ticket);
        let websockets = self.websockets.borrow_mut().release(ticket);
        self.decoders.borrow_mut().release(ticket);
        self.hashers.borrow_mut().release(ticket);
        self.compressors.borrow_mut().release(ticket);
        let rewriters = self.rewriters.borrow_mut().release(ticket);
        // Dropped after the borrows: a body's end can run any code, and a connection's may need the runtime.
        let _runtime = self.services.options.runtime.enter();
        drop((bodies, sinks, sockets, websockets, rewriters));
        operations
    }
}

/// A number that names something on this side.
fn id(arguments: &Arguments<'_>, index: usize) -> Result<u64, Throw> {
    let number = arguments.number(index)?;
    // Saturates: what is out of range names nothing.
    Ok(number as u64)
}

/// The same number for JavaScript. Exact: all are below 2^53.
pub(crate) fn number(id: u64) -> Value {
    Value::Number(id as f64)
}

/// A string, or `undefined` when missing.
fn optional_string(arguments: &Arguments<'_>, index: usize) -> Result<Option<String>, Throw> {
    if arguments.is_undefined(index) { Ok(None) } else { arguments.string(index).map(Some) }
}

const fn function(
    name: &'static str,
    length: u32,
    call: fn(&mut Scope<'_>, &Arguments<'_>) -> Result<Value, Throw>,
) -> HostFunction {
    HostFunction { name, length, call }
}

/// All host functions, in the order of `host.d.ts`.
pub(crate) static FUNCTIONS: &[HostFunction] = &[
    function("respond", 6, invocations::respond),
    function("fail", 3, invocations::fail),
    function("answer", 3, calls::answer),
    function("finish", 1, invocations::finish),
    function("done", 1, invocations::done),
    function("reportError", 2, invocations::report_error),
    function("current", 0, invocations::current),
    function("bodyRead", 1, bodies::read),
    function("bodyReadAll", 1, bodies::read_all),
    function("bodyReadText", 1, bodies::read_text),
    function("bodyCancel", 1, bodies::cancel),
    function("sinkWrite", 2, sinks::write),
    function("sinkClose", 1, sinks::close),
    function("sinkAbort", 2, sinks::abort),
    function("fetch", 6, fetch::fetch),
    function("call", 5, calls::call),
    function("webSocketPair", 1, websockets::pair),
    function("webSocketAccept", 1, websockets::accept),
    function("webSocketSend", 2, websockets::send),
    function("webSocketClose", 3, websockets::close),
    function("webSocketReceive", 1, websockets::receive),
    function("socketConnect", 5, sockets::connect),
    function("socketRead", 1, sockets::read),
    function("socketWrite", 2, sockets::write),
    function("socketEnd", 1, sockets::end_writing),
    function("socketStartTls", 2, sockets::secure),
    function("socketClose", 1, sockets::close),
    function("timer", 1, time::timer),
    function("cancel", 1, operations::cancel),
    function("now", 0, time::now),
    function("log", 2, console::log),
    function("urlParse", 2, url::parse),
    function("urlSet", 3, url::set),
    function("utf8Encode", 1, text::utf8_encode),
    function("utf8Decode", 2, text::utf8_decode),
    function("decoderCreate", 3, text::decoder_create),
    function("decoderDecode", 3, text::decoder_decode),
    function("decoderDrop", 1, text::decoder_drop),
    function("atob", 1, text::atob),
    function("btoa", 1, text::btoa),
    function("randomBytes", 1, random::bytes),
    function("randomUuid", 0, random::uuid),
    function("digest", 2, crypto::digest),
    function("hashCreate", 1, crypto::hash_create),
    function("hashUpdate", 2, crypto::hash_update),
    function("hashCopy", 1, crypto::hash_copy),
    function("hashFinish", 1, crypto::hash_finish),
    function("hmac", 3, crypto::hmac),
    function("timingSafeEqual", 2, crypto::timing_safe_equal),
    function("aesCbc", 4, crypto::aes_cbc),
    function("aesCtr", 4, crypto::aes_ctr),
    function("aesGcm", 6, crypto::aes_gcm),
    function("aesKw", 3, crypto::aes_kw),
    function("hkdf", 5, crypto::hkdf),
    function("pbkdf2", 5, crypto::pbkdf2),
    function("rsaGenerate", 2, crypto::rsa_generate),
    function("rsaPublic", 1, crypto::rsa_public),
    function("rsaConvert", 2, crypto::rsa_convert),
    function("rsaBuild", 5, crypto::rsa_build),
    function("rsaParts", 2, crypto::rsa_parts),
    function("rsaSign", 4, crypto::rsa_sign),
    function("rsaVerify", 5, crypto::rsa_verify),
    function("rsaOaep", 5, crypto::rsa_oaep),
    function("ecGenerate", 1, crypto::ec_generate),
    function("ecPublic", 2, crypto::ec_public),
    function("ecImport", 3, crypto::ec_import),
    function("ecExport", 3, crypto::ec_export),
    function("ecSign", 4, crypto::ec_sign),
    function("ecVerify", 5, crypto::ec_verify),
    function("ecAgree", 3, crypto::ec_agree),
    function("cacheMatch", 4, caches::find),
    function("cachePut", 6, caches::put),
    function("cacheDelete", 3, caches::delete),
    function("compressorCreate", 3, compression::create),
    function("compressorGive", 2, compression::give),
    function("compressorTake", 1, compression::take),
    function("compressorDrop", 1, compression::release),
    function("urlPatternParse", 4, url_pattern::parse),
    function("urlPatternInput", 3, url_pattern::parts),
    function("rewriterCheck", 1, rewriter::check),
    function("rewriterCreate", 3, rewriter::create),
    function("rewriterResume", 3, rewriter::resume),
    function("rewriterDrop", 1, rewriter::release),
    function("structuredClone", 2, engine::structured_clone),
    function("serialize", 1, engine::serialize),
    function("deserialize", 1, engine::deserialize),
    function("asyncContext", 0, engine::async_context),
    function("setAsyncContext", 1, engine::set_async_context),
    function("importModule", 1, engine::import_module),
];

/// A handle as a value.
fn object(handle: Handle) -> Value {
    Value::Object(handle)
}
