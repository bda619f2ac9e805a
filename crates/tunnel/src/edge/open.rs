//! Opening a TCP flow over one connection, and what can go wrong with it.

use super::attempt::{Attempt, Retry, UNHEARD};
use super::carrier::{Carrier, Http2};
use super::flow::{Flow, FlowStream};
use super::link::{Link, LinkUse};
use super::sender::Sender;
use crate::body::{BodyReader, BodyWriter};
use crate::http2;
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, Uri};
use quinn::RecvStream;
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

/// That a flow was not opened, why, and through whom it was tried.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct NotOpened {
    /// Why.
    pub error: OpenError,
    /// The connector that was asked; `None` when there was none to ask.
    pub connector: Option<Uuid>,
}

impl NotOpened {
    /// There is nobody to ask.
    pub(super) fn no_connector() -> Self {
        Self { error: OpenError::NoConnector, connector: None }
    }
}

impl OpenError {
    /// As the failure of an attempt over `link`.
    pub(super) fn over(self, link: &Link) -> NotOpened {
        NotOpened { error: self, connector: Some(link.connector()) }
    }

    pub(super) fn lost(link: &Link, reason: impl ToString) -> Self {
        Self::ConnectorLost { connector: link.connector(), reason: reason.to_string() }
    }

    fn from_origin(error: OriginError, after: Duration) -> Self {
        Self::of_dial(error.cause, error.words(), after)
    }

    /// For a service that the connector did not reach, in the connector's words.
    pub(super) fn of_dial(cause: DialFailure, text: String, after: Duration) -> Self {
        match cause {
            DialFailure::Refused => Self::Refused { text },
            DialFailure::TimedOut => Self::TimedOut { after },
            DialFailure::NetworkUnreachable | DialFailure::NoRouteToHost => Self::Unreachable { text },
            DialFailure::TooManyFlows => Self::TooManyFlows { text },
            DialFailure::NotAllowed => Self::NotAllowed { text },
            DialFailure::NoSuchHost | DialFailure::Other => Self::Other { text },
        }
    }
}

impl Attempt for NotOpened {
    fn retry(&self) -> Retry {
        match self.error {
            OpenError::ConnectorLost { .. } => Retry::OtherConnection,
            OpenError::Refused { .. }
            | OpenError::TimedOut { .. }
            | OpenError::Unreachable { .. }
            | OpenError::TooManyFlows { .. }
            | OpenError::NotAllowed { .. }
            | OpenError::Unsupported { .. }
            | OpenError::Other { .. } => Retry::OtherConnector,
            OpenError::NoConnector => Retry::Never,
        }
    }

    fn silent(connector: Uuid) -> Self {
        let error = OpenError::ConnectorLost { connector, reason: UNHEARD.to_owned() };
        Self { error, connector: Some(connector) }
    }
}

/// Opens a flow over `link`.
pub(crate) async fn open_tcp(link: Arc<Link>, destination: SocketAddr) -> Result<Flow, OpenError> {
    let counted = LinkUse::new(Arc::clone(&link));
    let (stream, early) = match &link.carrier {
        Carrier::Quic(connection) => open_quic(&link, connection, destination).await?,
        Carrier::Http2(carrier) => (open_http2(&link, carrier, destination).await?, Bytes::new()),
    };
    Ok(Flow::new(counted, stream, early))
}

async fn open_quic(
    link: &Link,
    connection: &quinn::Connection,
    destination: SocketAddr,
) -> Result<(FlowStream, Bytes), OpenError> {
    let started = std::time::Instant::now();
    let (send, mut receive) = connection.open_bi().await.map_err(|error| OpenError::lost(link, error))?;
    let mut send = Sender::new(send);
    let request = ConnectRequest {
        destination: destination.to_string(),
        kind: ConnectionType::Tcp,
        metadata: vec![("FlowID".to_owned(), Uuid::new_v4().to_string())],
    };
    send.write_chunk(request.encode()).await.map_err(|error| OpenError::lost(link, error))?;
    let (response, early) = read_response(link, &mut receive).await?;
    if let Some(error) = OriginError::from_response(&response) {
        return Err(OpenError::from_origin(error, started.elapsed()));
    }
    send.done();
    Ok((FlowStream::Quic(send, receive), early))
}

/// Over HTTP/2 a flow is a request whose authority is the destination. cloudflared does not say there why it failed.
async fn open_http2(link: &Link, carrier: &Http2, destination: SocketAddr) -> Result<FlowStream, OpenError> {
    let started = std::time::Instant::now();
    let lost = |error: h2::Error| OpenError::lost(link, error);
    let uri = Uri::builder().scheme("https").authority(destination.to_string()).path_and_query("/").build();
    let request = uri.and_then(|uri| {
        Request::builder().method(Method::GET).uri(uri).header(http2::TCP_SOURCE, destination.ip().to_string()).body(())
    });
    let request =
        request.map_err(|error| OpenError::Other { text: format!("the request cannot be written: {error}") })?;
    let mut requests = carrier.requests().ready().await.map_err(lost)?;
    let (response, body) = requests.send_request(request, false).map_err(lost)?;
    // Dropping these resets the stream.
    let writer = BodyWriter::new(body);
    let response = response.await.map_err(lost)?;
    if response.status() == StatusCode::OK {
        return Ok(FlowStream::Http2(writer, BodyReader::new(response.into_body())));
    }
    let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if field(http2::META).contains("flow_rate_limited") {
        return Err(OpenError::TooManyFlows { text: DialFailure::TooManyFlows.words().to_owned() });
    }
    let text = field(http2::ERROR);
    if text.is_empty() {
        let text = format!(
            "it could not connect to {destination} and does not say why, as it is connected by HTTP/2: run it with --protocol quic to learn more"
        );
        return Err(OpenError::Other { text });
    }
    Err(OpenError::of_dial(DialFailure::classify(text), text.to_owned(), started.elapsed()))
}

/// The connector's answer, and the bytes that came after it.
pub(super) async fn read_response(
    link: &Link,
    receive: &mut RecvStream,
) -> Result<(ConnectResponse, Bytes), OpenError> {
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
