//! What the runtime's tasks and the visitors' side tell the thread of an isolate.

use bytes::Bytes;
use http::response::Parts;
use invocation::{Answer, Body, BodyError, CallFailed, FetchError, Socket};
use isolate::Charge;

use crate::cache::CachedResponse;
use crate::host::{Arrival, SocketFailure};
use crate::supervisor::Ticket;

/// Something happened for an invocation of the isolate, or to the isolate.
pub(crate) enum Event {
    /// An operation ended.
    Completed {
        /// Which.
        operation: u64,
        /// With what.
        completion: Completion,
    },
    /// The reader of a sink dropped it before its end.
    ReaderGone {
        /// The sink.
        sink: u64,
        /// The invocation whose response it was.
        response_of: Option<Ticket>,
    },
    /// The dispatch future, or a native response body, was dropped.
    VisitorGone(Ticket),
    /// The response body was taken to its end.
    BodyOver(Ticket),
    /// The source of the response body failed.
    BodyFailed(Ticket, BodyError),
    /// End when nothing waits and nothing runs.
    Retire,
    /// End now.
    Shutdown,
}

/// What an operation ends with.
pub(crate) enum Completion {
    /// Nothing: a timer, a write that was taken.
    Done,
    /// One piece of a body, or its end. The body comes back.
    Read {
        /// The body's number.
        id: u64,
        /// The body.
        body: Body,
        /// What was read.
        piece: Result<Option<Bytes>, BodyError>,
        /// For that.
        charge: Charge,
    },
    /// The rest of a body.
    ReadAll {
        /// The body's number.
        id: u64,
        /// Decoded as UTF-8 or as it is.
        text: bool,
        /// What was read.
        rest: Result<Vec<u8>, ReadFailure>,
        /// For that.
        charge: Charge,
    },
    /// The outcome of a subrequest.
    Fetched {
        /// The index of its record.
        record: usize,
        /// The response, or why there is none.
        result: Result<(Parts, Body), FetchError>,
    },
    /// The outcome of a `connect()`.
    Connected {
        /// The index of its record.
        record: usize,
        /// The connection, or why there is none.
        result: Result<Box<dyn Socket>, FetchError>,
    },
    /// What a socket had, nothing at its end.
    SocketRead(Result<Vec<u8>, SocketFailure>),
    /// A socket took bytes, or its end, or was secured.
    SocketDone(Result<(), SocketFailure>),
    /// The outcome of a request to, or a call of, another Worker.
    Answered {
        /// The index of its record.
        record: usize,
        /// The answer, or why there is none.
        result: Result<Answer, CallFailed>,
    },
    /// What a WebSocket got; `None` when its connection is gone.
    Arrived(Result<Option<Arrival>, HostError>),
    /// What a cache has.
    Cached(Option<Box<CachedResponse>>),
    /// Whether a cache had something to delete.
    CacheDeleted(bool),
    /// It failed.
    Failed(HostError),
}

/// Why a body could not be read whole.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    /// It broke.
    Broken(BodyError),
    /// It does not fit in the isolate's memory.
    TooMuch,
}

/// The Error that JavaScript makes of a failed operation (`HostError` in `host.d.ts`).
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct HostError {
    /// The error's name; one that is no class of ECMAScript becomes a `DOMException`.
    pub name: &'static str,
    /// Its message.
    pub message: String,
    /// The facts of a failed connection, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
}

impl HostError {
    /// An `Error`.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        HostError { name: "Error", message: message.into(), connection: None }
    }

    /// A `TypeError`.
    pub(crate) fn type_error(message: impl Into<String>) -> Self {
        HostError { name: "TypeError", message: message.into(), connection: None }
    }
}

impl From<&connection_error::ConnectionError> for HostError {
    fn from(error: &connection_error::ConnectionError) -> Self {
        HostError { name: "Error", message: error.to_string(), connection: serde_json::to_string(error).ok() }
    }
}

impl HostError {
    /// Of a `fetch()`: what the standard calls a network error is a `TypeError`.
    pub(crate) fn of_fetch(error: &FetchError) -> Self {
        match error {
            FetchError::Connection(error) => HostError::from(error.as_ref()),
            FetchError::Network(_) | FetchError::Refused(_) => HostError::type_error(error.to_string()),
        }
    }
}

impl From<&FetchError> for HostError {
    fn from(error: &FetchError) -> Self {
        match error {
            FetchError::Connection(error) => HostError::from(error.as_ref()),
            FetchError::Network(_) | FetchError::Refused(_) => HostError::error(error.to_string()),
        }
    }
}

impl From<&BodyError> for HostError {
    fn from(error: &BodyError) -> Self {
        match error {
            BodyError::Connection(error) => HostError::from(error),
            BodyError::Canceled(_) => HostError::error(error.to_string()),
            BodyError::Network(_) | BodyError::Encoding(_) | BodyError::TooLarge { .. } => {
                HostError::type_error(error.to_string())
            }
        }
    }
}
