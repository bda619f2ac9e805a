//! A TCP flow through a tunnel: what stands between the edge's caller and the private service.

use super::link::{Link, LinkUse};
use super::sender::Sender;
use crate::body::{BodyReader, BodyWriter};
use bytes::{Buf, Bytes};
use quinn::{ReadError, RecvStream, VarInt, WriteError};
use std::io;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

/// Why a flow broke; the source of the [`io::Error`] that a read or write gives.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FlowError {
    /// The connector reset the stream: the private service reset its connection or was lost.
    #[error("the private service reset the connection (stream code {code})")]
    Reset {
        /// Application code of RESET_STREAM or STOP_SENDING; 0 from cloudflared.
        code: u64,
    },
    /// The connection to the connector was lost with the flow in it.
    #[error("connector {connector} was lost: {reason}")]
    ConnectorLost {
        /// Which.
        connector: Uuid,
        /// Why, in words.
        reason: String,
    },
    /// The flow was shut down on this side.
    #[error("the flow was closed on this side")]
    Closed,
}

impl From<FlowError> for io::Error {
    fn from(error: FlowError) -> Self {
        let kind = match error {
            FlowError::Reset { .. } => io::ErrorKind::ConnectionReset,
            FlowError::ConnectorLost { .. } => io::ErrorKind::ConnectionAborted,
            FlowError::Closed => io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}

/// How long a dropped flow's stream is kept over HTTP/2, for what is still to be sent.
const HTTP2_LINGER: Duration = Duration::from_secs(1);

/// The stream that carries a flow.
#[derive(Debug)]
pub(crate) enum FlowStream {
    Quic(Sender, RecvStream),
    Http2(BodyWriter, BodyReader),
    /// The flow was dropped.
    Left,
}

/// Whether the FIN that ends our sending was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sending {
    Open,
    /// Shut down by the caller. The FIN waits for the end of the other direction, since cloudflared would close both.
    FinOwed,
    Finished,
}

/// A TCP flow. Reading gives what the private service sends: the end of its data as end of file, a reset as an error of
/// kind `ConnectionReset`, the loss of the connector as `ConnectionAborted`, both with a [`FlowError`] as source.
///
/// Shutting down the write side closes that direction where the connector can do so. With cloudflared, which always
/// closes both, the private service does not learn of it until the flow is dropped or it has ended its own side.
/// Dropping the flow closes it.
#[derive(Debug)]
pub struct Flow {
    stream: FlowStream,
    /// Bytes that came with the connector's answer.
    early: Bytes,
    sending: Sending,
    half_close: bool,
    received_all: bool,
    /// Broken on this side.
    reset: bool,
    link: LinkUse,
}

impl Flow {
    pub(crate) fn new(link: LinkUse, stream: FlowStream, early: Bytes) -> Self {
        let half_close = link.link().half_close();
        link.link().count_received(early.len());
        link.opened();
        Self { stream, early, sending: Sending::Open, half_close, received_all: false, reset: false, link }
    }

    /// The connector that carries the flow.
    pub fn connector(&self) -> Uuid {
        self.link.link().connector()
    }

    /// The edge's id of the connection that carries the flow.
    pub fn connection(&self) -> Uuid {
        self.link.link().id
    }

    /// The connector is about to go: do not keep the flow for later use.
    pub fn is_draining(&self) -> bool {
        self.link.link().is_draining()
    }

    /// Tells the same of the flow when it is in other hands.
    pub fn drain_signal(&self) -> DrainSignal {
        DrainSignal(self.link.downgrade())
    }

    /// Breaks the flow: the private service sees a reset and not the end of data.
    pub fn reset(mut self) {
        self.sending = Sending::Finished;
        self.reset = true;
        match &mut self.stream {
            FlowStream::Quic(send, receive) => {
                // Both fail only when the stream is over already.
                let _ = send.reset(VarInt::from_u32(0));
                let _ = receive.stop(VarInt::from_u32(0));
            }
            FlowStream::Http2(writer, _) => writer.reset(),
            FlowStream::Left => {}
        }
    }

    fn finish(&mut self) {
        self.sending = Sending::Finished;
        // Both fail only when the stream is over already.
        match &mut self.stream {
            FlowStream::Quic(send, _) => drop(send.finish()),
            FlowStream::Http2(writer, _) => drop(writer.finish()),
            FlowStream::Left => {}
        }
    }
}

/// Tells whether the connector that carries a flow is about to go, without holding the flow.
#[derive(Clone, Debug)]
pub struct DrainSignal(Weak<Link>);

impl DrainSignal {
    /// The connector is about to go, or gone.
    pub fn is_draining(&self) -> bool {
        self.0.upgrade().is_none_or(|link| link.is_draining())
    }
}

/// What a stream's error means for the flow. `connector` carries it.
pub(super) trait IntoFlowError {
    fn into_flow_error(self, connector: Uuid) -> FlowError;
}

impl IntoFlowError for ReadError {
    fn into_flow_error(self, connector: Uuid) -> FlowError {
        match self {
            Self::Reset(code) => FlowError::Reset { code: code.into_inner() },
            Self::ConnectionLost(error) => FlowError::ConnectorLost { connector, reason: error.to_string() },
            Self::ClosedStream | Self::IllegalOrderedRead | Self::ZeroRttRejected => FlowError::Closed,
        }
    }
}

impl IntoFlowError for WriteError {
    fn into_flow_error(self, connector: Uuid) -> FlowError {
        match self {
            Self::Stopped(code) => FlowError::Reset { code: code.into_inner() },
            Self::ConnectionLost(error) => FlowError::ConnectorLost { connector, reason: error.to_string() },
            Self::ClosedStream | Self::ZeroRttRejected => FlowError::Closed,
        }
    }
}

impl IntoFlowError for h2::Error {
    fn into_flow_error(self, connector: Uuid) -> FlowError {
        match self.reason() {
            Some(reason) if self.is_reset() => FlowError::Reset { code: u32::from(reason).into() },
            _ => FlowError::ConnectorLost { connector, reason: self.to_string() },
        }
    }
}

impl Drop for Flow {
    /// QUIC ends a stream that is let go in good order by itself. HTTP/2 breaks it and forgets what is still to be sent, so
    /// there the stream is kept a little longer.
    fn drop(&mut self) {
        if self.reset {
            return;
        }
        if self.sending != Sending::Finished {
            self.finish();
        }
        if let FlowStream::Http2(writer, mut reader) = std::mem::replace(&mut self.stream, FlowStream::Left)
            && !self.received_all
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let mut nowhere = tokio::io::sink();
                let rest = tokio::io::copy(&mut reader, &mut nowhere);
                let _ = tokio::time::timeout(HTTP2_LINGER, rest).await;
                drop(writer);
            });
        }
    }
}

impl AsyncRead for Flow {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.early.is_empty() {
            let length = this.early.len().min(buf.remaining());
            if let Some(bytes) = this.early.get(..length) {
                buf.put_slice(bytes);
            }
            this.early.advance(length);
            return Poll::Ready(Ok(()));
        }
        if this.received_all || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let connector = this.link.link().connector();
        match &mut this.stream {
            FlowStream::Quic(_, receive) => {
                ready!(receive.poll_read_buf(cx, buf)).map_err(|error| error.into_flow_error(connector))?;
            }
            FlowStream::Http2(_, reader) => {
                ready!(reader.poll_fill(cx, buf)).map_err(|error| error.into_flow_error(connector))?;
            }
            FlowStream::Left => return Poll::Ready(Err(FlowError::Closed.into())),
        }
        let length = buf.filled().len() - before;
        this.link.link().count_received(length);
        if length == 0 {
            this.received_all = true;
            if this.sending == Sending::FinOwed {
                this.finish();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flow {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.sending != Sending::Open {
            return Poll::Ready(Err(FlowError::Closed.into()));
        }
        let connector = this.link.link().connector();
        let written = match &mut this.stream {
            FlowStream::Quic(send, _) => {
                ready!(Pin::new(&mut **send).poll_write(cx, buf)).map_err(|error| error.into_flow_error(connector))?
            }
            FlowStream::Http2(writer, _) => {
                let written = ready!(writer.poll_put(cx, buf)).map_err(|error| error.into_flow_error(connector))?;
                written.ok_or(FlowError::Reset { code: 0 })?
            }
            FlowStream::Left => return Poll::Ready(Err(FlowError::Closed.into())),
        };
        this.link.link().count_sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sending == Sending::Open {
            self.sending = Sending::FinOwed;
        }
        if self.sending == Sending::FinOwed && (self.half_close || self.received_all) {
            self.finish();
        }
        Poll::Ready(Ok(()))
    }
}
