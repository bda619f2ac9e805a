//! A request's body on its way into the tunnel. Its beginning is kept, so that a connection that was lost with it can be
//! replaced by another one.

use bytes::Bytes;
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// Why a request's body broke off, in words for a log.
pub type BodyFailure = Box<dyn std::error::Error + Send + Sync>;
/// A request's body.
pub type RequestBody = UnsyncBoxBody<Bytes, BodyFailure>;

/// The most that is kept, in bytes.
const KEPT: usize = 64 * 1024;

struct State {
    body: RequestBody,
    kept: Vec<Bytes>,
    length: usize,
    /// The body has begun to flow past what is kept.
    let_go: bool,
    ended: bool,
}

/// A body that can be read from its beginning again as long as all that was read of it is kept.
pub(super) struct Replay {
    state: Mutex<State>,
    is_empty: bool,
    exact: Option<u64>,
}

impl Replay {
    pub(super) fn new(body: RequestBody) -> Self {
        let (is_empty, exact) = (body.is_end_stream(), body.size_hint().exact());
        let state = State { body, kept: Vec::new(), length: 0, let_go: false, ended: is_empty };
        Self { state: Mutex::new(state), is_empty, exact }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is no body.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Its length, where it is known.
    pub(super) fn exact_length(&self) -> Option<u64> {
        if self.is_empty { Some(0) } else { self.exact }
    }

    pub(super) fn can_be_repeated(&self) -> bool {
        !self.lock().let_go
    }

    /// Piece number `index` of the body, `None` after the last one. Each reader begins at 0, one at a time.
    pub(super) async fn piece(&self, index: usize) -> Option<Result<Bytes, BodyFailure>> {
        poll_fn(|cx| self.lock().poll_piece(index, cx)).await
    }
}

impl State {
    fn poll_piece(&mut self, index: usize, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        if let Some(kept) = self.kept.get(index).filter(|_| !self.let_go) {
            return Poll::Ready(Some(Ok(kept.clone())));
        }
        while !self.ended {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers of a request have no place in the protocol.
                    let Ok(piece) = frame.into_data() else { continue };
                    self.length = self.length.saturating_add(piece.len());
                    if self.length > KEPT {
                        self.let_go = true;
                        self.kept = Vec::new();
                    }
                    if !self.let_go {
                        self.kept.push(piece.clone());
                    }
                    return Poll::Ready(Some(Ok(piece)));
                }
                Some(Err(error)) => {
                    self.ended = true;
                    self.let_go = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.ended = true,
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    fn body(pieces: &[usize]) -> Replay {
        let pieces: Vec<_> =
            pieces.iter().map(|length| Ok::<_, BodyFailure>(Frame::data(Bytes::from(vec![7; *length])))).collect();
        Replay::new(StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync())
    }

    async fn read(replay: &Replay) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(piece) = replay.piece(lengths.len()).await {
            lengths.push(piece.unwrap().len());
        }
        lengths
    }

    #[tokio::test]
    async fn a_short_body_can_be_read_again() {
        let replay = body(&[1, 2, 3]);
        assert_eq!(replay.piece(0).await.unwrap().unwrap().len(), 1);
        assert_eq!(read(&replay).await, [1, 2, 3]);
        assert_eq!(read(&replay).await, [1, 2, 3]);
        assert!(replay.can_be_repeated());
    }

    #[tokio::test]
    async fn a_long_body_is_not_kept() {
        let replay = body(&[KEPT, 1, 5]);
        assert_eq!(read(&replay).await, [KEPT, 1, 5]);
        assert!(!replay.can_be_repeated());
        assert!(replay.lock().kept.is_empty());
    }
}
