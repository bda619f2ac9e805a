//! Request and response bodies.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use connection_error::ConnectionError;
use http_body::{Body as _, Frame, SizeHint};
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

/// A body whose length is known and not above this is worth a look whether it is there, in bytes.
const SHORT: u64 = 64 * 1024;

/// All bytes of a short body that is there already, so that nobody has to be woken for it later; otherwise the body.
///
/// Short is what says so itself: nothing is read ahead of a reader of a long body.
pub fn at_hand(mut body: Body) -> Result<Bytes, Body> {
    let Some(left) = body.size_hint().exact().filter(|length| *length <= SHORT) else { return Err(body) };
    let mut early = VecDeque::new();
    // The waker does nothing: when something is still to come, the reader polls again with its own.
    let mut context = Context::from_waker(Waker::noop());
    while !body.is_end_stream() {
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(None) => break,
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => early.push_back(Ok(frame)),
            Poll::Ready(Some(other)) => {
                early.push_back(other);
                return Err(Resumed { early, body, left }.boxed_unsync());
            }
            Poll::Pending if early.is_empty() => return Err(body),
            Poll::Pending => return Err(Resumed { early, body, left }.boxed_unsync()),
        }
    }
    let mut pieces = early.into_iter().filter_map(|frame| frame.ok()?.into_data().ok());
    let first = pieces.next().unwrap_or_default();
    let Some(second) = pieces.next() else { return Ok(first) };
    let mut bytes = BytesMut::from(first);
    bytes.extend_from_slice(&second);
    pieces.for_each(|piece| bytes.extend_from_slice(&piece));
    Ok(bytes.freeze())
}

/// A body of which a part was taken and put back.
struct Resumed {
    early: VecDeque<Result<Frame<Bytes>, BodyError>>,
    body: Body,
    /// Bytes still to come, by what the body said before: one that has broken since does not know it any more, and must not
    /// look shorter than it should have been.
    left: u64,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = match this.early.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut this.body).poll_frame(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.left = this.left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.early.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::HeaderMap;
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;

    type Item = Result<Frame<Bytes>, BodyError>;

    /// A body that says how long it is.
    struct Announced(UnsyncBoxBody<Bytes, BodyError>, u64);

    impl http_body::Body for Announced {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
            let polled = Pin::new(&mut self.0).poll_frame(cx);
            if let Poll::Ready(Some(Ok(frame))) = &polled {
                self.1 -= frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            polled
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.1)
        }
    }

    /// A body that has forgotten how long it was once it is broken.
    struct Forgetful(Option<UnsyncBoxBody<Bytes, BodyError>>);

    impl http_body::Body for Forgetful {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
            let Some(body) = &mut self.0 else { return Poll::Ready(None) };
            let polled = Pin::new(body).poll_frame(cx);
            if let Poll::Ready(Some(Err(_))) = &polled {
                self.0 = None;
            }
            polled
        }

        fn size_hint(&self) -> SizeHint {
            self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
        }
    }

    fn data(text: &'static str) -> Frame<Bytes> {
        Frame::data(Bytes::from_static(text.as_bytes()))
    }

    /// A body of so many bytes that come when they are sent.
    fn body(length: u64) -> (mpsc::UnboundedSender<Item>, Body) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let stream = StreamBody::new(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)));
        (sender, Announced(stream.boxed_unsync(), length).boxed_unsync())
    }

    #[test]
    fn what_is_there_is_one_piece() {
        let (sender, body) = body(6);
        for piece in ["ab", "", "cdef"] {
            sender.send(Ok(data(piece))).unwrap();
        }
        drop(sender);
        assert_eq!(at_hand(body).ok().unwrap(), "abcdef");
        assert_eq!(at_hand(full("whole")).ok().unwrap(), "whole");
        assert_eq!(at_hand(empty()).ok().unwrap(), "");
    }

    #[tokio::test]
    async fn what_is_still_to_come_comes_after_what_was_there() {
        let (sender, body) = body(6);
        sender.send(Ok(data("ab"))).unwrap();
        let resumed = at_hand(body).err().unwrap();
        assert_eq!(resumed.size_hint().exact(), Some(6));
        sender.send(Ok(data("cdef"))).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("checked", http::HeaderValue::from_static("yes"));
        sender.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
        drop(sender);
        let collected = resumed.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "abcdef");
    }

    #[tokio::test]
    async fn an_error_is_for_the_reader() {
        let (sender, body) = body(6);
        sender.send(Ok(data("ab"))).unwrap();
        sender.send(Err(BodyError::Network("lost".to_owned()))).unwrap();
        let mut broken = at_hand(body).err().unwrap();
        assert_eq!(broken.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(broken.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn what_broke_does_not_look_whole() {
        let (sender, body) = body(6);
        sender.send(Ok(data("ab"))).unwrap();
        sender.send(Err(BodyError::Network("lost".to_owned()))).unwrap();
        let mut broken = at_hand(Forgetful(Some(body)).boxed_unsync()).err().unwrap();
        assert_eq!(broken.size_hint().exact(), Some(6));
        broken.frame().await.unwrap().unwrap();
        assert_eq!(broken.size_hint().exact(), Some(4));
        assert!(broken.frame().await.unwrap().is_err());
    }

    #[test]
    fn a_long_body_is_left_alone() {
        let (sender, body) = body(SHORT + 1);
        sender.send(Ok(data("ab"))).unwrap();
        let body = at_hand(body).err().unwrap();
        assert_eq!(body.size_hint().exact(), Some(SHORT + 1));
    }
}
