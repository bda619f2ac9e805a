//! Request and response bodies.

use bytes::Bytes;
use connection_error::ConnectionError;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

/// A stream of bytes (and trailers) that is read at the reader's pace. Dropping it cancels its source.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended before its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// Whoever was sending it went away: the visitor disconnected, or the Worker dropped or errored the stream.
    #[error("The body was canceled by its sender: {0}")]
    Canceled(String),
    /// The connection to a private service failed in the middle of it.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The connection to a public host failed in the middle of it.
    #[error("Network connection lost: {0}")]
    Network(String),
    /// The body is not what its `Content-Encoding` says.
    #[error("The body could not be decoded as its Content-Encoding says: {0}")]
    Encoding(String),
    /// More bytes than allowed.
    #[error("The body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
}

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
