//! Opening a TCP flow over one connection, and what can go wrong with it.

use super::attempt::{Attempt, Retry};
use super::flow::Flow;
use super::link::{Carrier, Link, LinkUse};
use bytes::{Bytes, BytesMut};
use quinn::{RecvStream, SendStream, VarInt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tunnel_proto::origin::{DialFailure, OriginError};
use tunnel_proto::stream::{ConnectRequest, ConnectResponse, ConnectionType, StreamError};
use uuid::Uuid;

/// The most that is read at once while the connector's answer is awaited.
const CHUNK: usize = 64 * 1024;

/// Why a flow was not opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// The tunnel has no live connector that takes flows.
    #[error("the tunnel has no live connector")]
    NoConnector,
    /// The destination refused the connection.
    #[error("the destination refused the connection: {text}")]
    Refused {
        /// The connector's words.
        text: String,
    },
    /// The destination did not answer in time.
    #[error("no connection to the destination within {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The connector has no route to the destination.
    #[error("the connector cannot reach the destination: {text}")]
    Unreachable {
        /// The connector's words.
        text: String,
    },
    /// The connector has as many flows as it may have.
    #[error("the connector takes no more flows: {text}")]
    TooManyFlows {
        /// The connector's words.
        text: String,
    },
    /// The connector's own policy forbids the destination.
    #[error("the connector does not allow the destination: {text}")]
    NotAllowed {
        /// The connector's words.
        text: String,
    },
    /// The connection to the connector was lost before it answered.
    #[error("connector {connector} was lost before it answered: {reason}")]
    ConnectorLost {
        /// Which.
        connector: Uuid,
        /// Why, in words.
        reason: String,
    },
    /// This connector cannot do it.
    #[error("{reason}")]
    Unsupported {
        /// What is missing, and the remedy.
        reason: String,
    },
    /// Anything else that the connector said.
    #[error("the connector failed: {text}")]
    Other {
        /// The connector's words, or what was wrong with its answer.
        text: String,
    },
}

impl OpenError {
    fn lost(link: &Link, reason: impl ToString) -> Self {
        Self::ConnectorLost { connector: link.connector(), reason: reason.to_string() }
    }

    fn from_origin(error: OriginError, after: Duration) -> Self {
        let text = error.text;
        match error.cause {
            DialFailure::Refused => Self::Refused { text },
            DialFailure::TimedOut => Self::TimedOut { after },
            DialFailure::NetworkUnreachable | DialFailure::NoRouteToHost => Self::Unreachable { text },
            DialFailure::TooManyFlows => Self::TooManyFlows { text },
            DialFailure::NotAllowed => Self::NotAllowed { text },
            DialFailure::NoSuchHost | DialFailure::Other => Self::Other { text },
        }
    }
}

impl Attempt for OpenError {
    fn retry(&self) -> Retry {
        match self {
            Self::ConnectorLost { .. } => Retry::OtherConnection,
            Self::Refused { .. }
            | Self::TimedOut { .. }
            | Self::Unreachable { .. }
            | Self::TooManyFlows { .. }
            | Self::NotAllowed { .. }
            | Self::Unsupported { .. }
            | Self::Other { .. } => Retry::OtherConnector,
            Self::NoConnector => Retry::Never,
        }
    }
}

/// A stream on which nothing stands yet: given up, it is reset, so that the connector lets go of what it dials.
struct Opening(Option<(SendStream, RecvStream)>);

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some((send, receive)) = &mut self.0 {
            // Both fail only when the stream is over already.
            let _ = send.reset(VarInt::from_u32(0));
            let _ = receive.stop(VarInt::from_u32(0));
        }
    }
}

/// Opens a flow over `link`.
pub(crate) async fn open_tcp(link: Arc<Link>, destination: SocketAddr) -> Result<Flow, OpenError> {
    let started = std::time::Instant::now();
    let counted = LinkUse::new(Arc::clone(&link));
    let Carrier::Quic(connection) = &link.carrier;
    let streams = connection.open_bi().await.map_err(|error| OpenError::lost(&link, error))?;
    let mut opening = Opening(Some(streams));
    let Some((send, receive)) = &mut opening.0 else {
        return Err(OpenError::Other { text: "the stream is gone".to_owned() });
    };
    let request = ConnectRequest {
        destination: destination.to_string(),
        kind: ConnectionType::Tcp,
        metadata: vec![("FlowID".to_owned(), Uuid::new_v4().to_string())],
    };
    send.write_chunk(request.encode()).await.map_err(|error| OpenError::lost(&link, error))?;
    let (response, early) = read_response(&link, receive).await?;
    if let Some(error) = OriginError::from_response(&response) {
        return Err(OpenError::from_origin(error, started.elapsed()));
    }
    let Some((send, receive)) = opening.0.take() else {
        return Err(OpenError::Other { text: "the stream is gone".to_owned() });
    };
    Ok(Flow::new(counted, send, receive, early))
}

/// The connector's answer, and the bytes that came after it.
async fn read_response(link: &Link, receive: &mut RecvStream) -> Result<(ConnectResponse, Bytes), OpenError> {
    let malformed = |error: StreamError| OpenError::Other { text: format!("its answer is malformed: {error}") };
    let mut input = BytesMut::new();
    loop {
        let chunk = receive.read_chunk(CHUNK, true).await.map_err(|error| OpenError::lost(link, error))?;
        let Some(chunk) = chunk else {
            return Err(OpenError::lost(link, "it ended the stream without an answer"));
        };
        // The usual case: the answer comes in one piece and needs no copy.
        if input.is_empty()
            && let Some((response, length)) = ConnectResponse::decode(&chunk.bytes).map_err(malformed)?
        {
            return Ok((response, chunk.bytes.slice(length..)));
        }
        input.extend_from_slice(&chunk.bytes);
        if let Some((response, length)) = ConnectResponse::decode(&input).map_err(malformed)? {
            return Ok((response, input.split_off(length).freeze()));
        }
    }
}
