//! A response's body on its way out of the tunnel.

use crate::edge::flow::{FlowError, IntoFlowError};
use crate::edge::link::LinkUse;
use bytes::Bytes;
use h2::RecvStream as Http2Stream;
use http_body::{Body, Frame, SizeHint};
use quinn::{Chunk, ReadError, RecvStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio_util::sync::ReusableBoxFuture;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// What is read of a stream at once, in bytes.
const CHUNK: usize = 64 * 1024;

type Read = (Result<Option<Chunk>, ReadError>, RecvStream);

enum Source {
    /// The end of the stream is the end of the body.
    Quic(ReusableBoxFuture<'static, Read>),
    Http2(Http2Stream),
    Ended,
}

/// A response's body; dropping it before its end tells the connector that nobody listens. It fails with a [`FlowError`].
pub struct ResponseBody {
    /// What came with the head.
    early: Bytes,
    source: Source,
    /// What is still to come, where the head says it.
    left: Option<u64>,
    link: LinkUse,
    /// Sends the rest of the request.
    _sending: Option<AbortOnDropHandle<()>>,
}

impl ResponseBody {
    pub(super) fn quic(
        receive: RecvStream,
        early: Bytes,
        length: Option<u64>,
        link: LinkUse,
        sending: Option<AbortOnDropHandle<()>>,
    ) -> Self {
        link.link().count_received(early.len());
        let source = Source::Quic(ReusableBoxFuture::new(read(receive)));
        Self { early, source, left: length, link, _sending: sending }
    }

    pub(super) fn http2(
        body: Http2Stream,
        length: Option<u64>,
        link: LinkUse,
        sending: Option<AbortOnDropHandle<()>>,
    ) -> Self {
        let source = if body.is_end_stream() { Source::Ended } else { Source::Http2(body) };
        Self { early: Bytes::new(), source, left: length, link, _sending: sending }
    }

    /// The connector that it comes from.
    pub fn connector(&self) -> Uuid {
        self.link.link().connector()
    }

    /// A piece, counted.
    fn take(&mut self, piece: Bytes) -> Frame<Bytes> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Frame::data(piece)
    }

    /// The end: too early when the head promised more.
    fn end(&mut self) -> Option<Result<Frame<Bytes>, FlowError>> {
        self.source = Source::Ended;
        match self.left {
            Some(left) if left > 0 => {
                self.left = Some(0);
                Some(Err(FlowError::Reset { code: 0 }))
            }
            _ => None,
        }
    }
}

async fn read(mut receive: RecvStream) -> Read {
    let chunk = receive.read_chunk(CHUNK, true).await;
    (chunk, receive)
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = FlowError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, FlowError>>> {
        let this = &mut *self;
        if !this.early.is_empty() {
            let early = std::mem::take(&mut this.early);
            return Poll::Ready(Some(Ok(this.take(early))));
        }
        let connector = this.link.link().connector();
        match &mut this.source {
            Source::Ended => Poll::Ready(None),
            Source::Quic(reading) => {
                let (chunk, receive) = ready!(reading.poll(cx));
                match chunk {
                    Ok(Some(chunk)) => {
                        reading.set(read(receive));
                        this.link.link().count_received(chunk.bytes.len());
                        Poll::Ready(Some(Ok(this.take(chunk.bytes))))
                    }
                    Ok(None) => Poll::Ready(this.end()),
                    Err(error) => {
                        this.source = Source::Ended;
                        Poll::Ready(Some(Err(error.into_flow_error(connector))))
                    }
                }
            }
            Source::Http2(body) => {
                if let Some(piece) = ready!(body.poll_data(cx)) {
                    let piece = match piece {
                        Ok(piece) => piece,
                        Err(error) => {
                            this.source = Source::Ended;
                            return Poll::Ready(Some(Err(error.into_flow_error(connector))));
                        }
                    };
                    // Fails only when the stream is over already.
                    let _ = body.flow_control().release_capacity(piece.len());
                    this.link.link().count_received(piece.len());
                    return Poll::Ready(Some(Ok(this.take(piece))));
                }
                match ready!(body.poll_trailers(cx)) {
                    Ok(Some(trailers)) => {
                        this.source = Source::Ended;
                        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
                    }
                    Ok(None) => Poll::Ready(this.end()),
                    Err(error) => {
                        this.source = Source::Ended;
                        Poll::Ready(Some(Err(error.into_flow_error(connector))))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.early.is_empty() && matches!(self.source, Source::Ended) && self.left.is_none_or(|left| left == 0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").field("left", &self.left).finish_non_exhaustive()
    }
}
