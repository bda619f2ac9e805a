//! What begins an invocation: a visitor's request, another Worker, the clock, or the records of other Workers.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use uuid::Uuid;

use crate::{Body, Ended, Invocation, RayId, TraceContext};

/// What begins an invocation, which handler it is for.
#[derive(Debug)]
pub enum Event {
    /// A request, for `fetch`. Its URI is absolute, as the Worker will see it in `request.url`.
    Fetch(Request<Body>),
    /// Another Worker uses what an entrypoint has.
    Rpc(Rpc),
    /// A cron trigger is due, for `scheduled`.
    Scheduled {
        /// The trigger's expression.
        cron: String,
        /// The minute that it is due at, in milliseconds since 1970.
        time: i64,
    },
    /// Invocations of other Workers ended, for `tail`.
    Tail {
        /// The Workers.
        producers: Vec<String>,
        /// Their records, a JSON array of tail events.
        events: String,
    },
}

impl Event {
    /// The word for it in records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "fetch",
            Self::Rpc(_) => "rpc",
            Self::Scheduled { .. } => "scheduled",
            Self::Tail { .. } => "tail",
        }
    }
}

/// The use of a method or a property of another Worker's entrypoint.
#[derive(Debug)]
pub struct Rpc {
    /// Names from the entrypoint to what is used; never empty.
    pub path: Vec<String>,
    /// The arguments of a call, as one list; absent when the property is only read.
    pub arguments: Option<Message>,
}

/// A value on its way from one isolate to another. What is in it is between them.
#[derive(Debug)]
pub struct Message {
    /// The value, by the engine's structured serialization for other processes.
    pub value: Bytes,
    /// The streams of bytes that it refers to, in order.
    pub streams: Vec<Body>,
}

/// The way to one entrypoint of a Worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entrypoint {
    /// The name of the export; absent for the default one.
    pub name: Option<Arc<str>>,
    /// What the entrypoint finds as `ctx.props`, as JSON.
    pub props: Option<Arc<str>>,
}

/// How an invocation came about.
#[derive(Debug)]
pub struct Call {
    /// What begins it.
    pub event: Event,
    /// What it is for.
    pub entrypoint: Entrypoint,
    /// The name of the visitor's request that it comes of.
    pub ray_id: RayId,
    /// How many Workers called one another to come here; 0 for what comes from outside.
    pub depth: u8,
    /// The span that it is part of, where it is traced: of the visitor's request, or of what another Worker asked.
    pub trace: Option<TraceContext>,
}

impl Call {
    /// The most Workers that call one another in a chain.
    pub const MAX_DEPTH: u8 = 16;
}

impl From<Invocation> for Call {
    fn from(Invocation { request, ray_id, .. }: Invocation) -> Self {
        let trace = request.extensions().get().copied();
        Call { event: Event::Fetch(request), entrypoint: Entrypoint::default(), ray_id, depth: 0, trace }
    }
}

/// A Worker's call of another Worker, or of another of its own entrypoints.
#[derive(Debug)]
pub struct WorkerCall {
    /// The Worker that is called.
    pub worker: Arc<str>,
    /// The version to be called, where only one will do: a Worker that calls itself calls itself as it is.
    pub version: Option<Uuid>,
    /// What for.
    pub call: Call,
}

/// How an invocation was answered.
#[derive(Debug)]
pub enum Answer {
    /// The response to a request; its body goes on after that.
    Response(Response<Body>),
    /// The value that a method gave, or a property had.
    Value(Message),
    /// A handler that answers nobody has ended.
    Done,
}

/// An invocation that another Worker began and that gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("{ended}")]
pub struct CallFailed {
    /// How it ended.
    pub ended: Ended,
    /// What its code threw, for the one who called it, serialized as a [`Message`]'s value is.
    pub thrown: Option<Bytes>,
}

impl From<Ended> for CallFailed {
    fn from(ended: Ended) -> Self {
        CallFailed { ended, thrown: None }
    }
}
