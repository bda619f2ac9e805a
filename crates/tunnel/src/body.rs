//! The two halves of an HTTP/2 stream as byte streams, with flow control.

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is handed to a stream at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What the peer sends.
#[derive(Debug)]
pub(crate) struct BodyReader {
    body: RecvStream,
    piece: Bytes,
}

impl BodyReader {
    pub(crate) fn new(body: RecvStream) -> Self {
        Self { body, piece: Bytes::new() }
    }

    /// Fills `buf`; nothing added means the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<(), h2::Error>> {
        while self.piece.is_empty() {
            match ready!(self.body.poll_data(cx)) {
                Some(piece) => self.piece = piece?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.piece.len().min(buf.remaining());
        if let Some(bytes) = self.piece.get(..length) {
            buf.put_slice(bytes);
        }
        self.piece.advance(length);
        // The window opens by what was taken, so that a slow reader holds the sender back.
        Poll::Ready(self.body.flow_control().release_capacity(length))
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_fill(cx, buf).map_err(into_io)
    }
}

/// What is sent to the peer.
#[derive(Debug)]
pub(crate) struct BodyWriter(SendStream<Bytes>);

impl BodyWriter {
    pub(crate) fn new(body: SendStream<Bytes>) -> Self {
        Self(body)
    }

    /// Writes a part of `bytes`; `None` when the peer takes no more.
    pub(crate) fn poll_put(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<Option<usize>, h2::Error>> {
        let wanted = bytes.len().min(PIECE);
        self.0.reserve_capacity(wanted);
        while self.0.capacity() == 0 && wanted > 0 {
            match ready!(self.0.poll_capacity(cx)) {
                Some(capacity) => capacity?,
                None => return Poll::Ready(Ok(None)),
            };
        }
        let length = self.0.capacity().min(wanted);
        self.0.send_data(Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default()), false)?;
        Poll::Ready(Ok(Some(length)))
    }

    /// Ready when the peer breaks the stream.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_reset(cx).map(drop)
    }

    /// Ends the stream in good order.
    pub(crate) fn finish(&mut self) -> Result<(), h2::Error> {
        self.0.send_data(Bytes::new(), true)
    }

    /// Ends the stream with trailers.
    pub(crate) fn finish_with(&mut self, trailers: http::HeaderMap) -> Result<(), h2::Error> {
        self.0.send_trailers(trailers)
    }

    /// Breaks the stream as TCP does (RFC 9113 section 7, CONNECT_ERROR). A stream that is just let go is told from that
    /// by [`is_left`].
    pub(crate) fn reset(&mut self) {
        self.0.send_reset(h2::Reason::CONNECT_ERROR);
    }
}

impl AsyncWrite for BodyWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.poll_put(cx, bytes)) {
            Ok(Some(length)) => Poll::Ready(Ok(length)),
            Ok(None) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Err(error) => Poll::Ready(Err(into_io(error))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish().map_err(into_io))
    }
}

/// Whether a read failed because the peer has let go of the stream, and not broken it: after the last byte this is an end.
pub(crate) fn is_left(error: &io::Error) -> bool {
    let reason = error.get_ref().and_then(|error| error.downcast_ref::<h2::Error>()).and_then(h2::Error::reason);
    matches!(reason, Some(h2::Reason::CANCEL | h2::Reason::NO_ERROR))
}

fn into_io(error: h2::Error) -> io::Error {
    let kind = if error.is_reset() { io::ErrorKind::ConnectionReset } else { io::ErrorKind::ConnectionAborted };
    io::Error::new(kind, error)
}
