//! The request's body on its way out: counted, watched, and given again from its beginning when the first connection
//! turned out to be closed.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use invocation::{Body, BodyError};
use tokio::time::Instant;

/// How much of a body is kept in case it must be sent again, when it comes in parts. One that is there as a whole is there anyway.
const REPLAY_LIMIT: usize = 64 * 1024;

/// Why a body cannot be sent to its end.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SourceFailure {
    #[error("{0}")]
    Source(#[from] BodyError),
    #[error("it ended after {given} bytes, and its Content-Length is {declared}")]
    TooShort { given: u64, declared: u64 },
    #[error("it goes on after the {declared} bytes of its Content-Length")]
    TooLong { declared: u64 },
}

/// How far sending has come.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// Nobody has asked for it yet.
    Untouched,
    /// Its source has nothing to give at the moment.
    AwaitsSource,
    /// A part was given at that time, and the connection has not asked for the next one.
    Given(Instant),
    /// All of it was given, at that time.
    Done(Instant),
    /// It will never be complete.
    Failed(SourceFailure),
}

/// The body's source, shared between the tries of one request and those who watch it.
#[derive(Clone)]
pub(crate) struct RequestSource(Arc<Mutex<State>>);

struct State {
    source: Body,
    declared: Option<u64>,
    given: u64,
    /// What was given so far, while it may have to be given again.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    replayable: bool,
    progress: Progress,
}

impl RequestSource {
    /// A body of the declared length, if one is declared.
    pub(crate) fn new(source: Body, declared: Option<u64>) -> Self {
        let progress = if source.is_end_stream() && declared.unwrap_or(0) == 0 {
            Progress::Done(Instant::now())
        } else {
            Progress::Untouched
        };
        let declared = declared.or_else(|| source.size_hint().exact());
        Self(Arc::new(Mutex::new(State {
            source,
            declared,
            given: 0,
            kept: Vec::new(),
            kept_bytes: 0,
            replayable: true,
            progress,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn progress(&self) -> Progress {
        self.lock().progress.clone()
    }

    /// Whether it can be sent once more from its beginning.
    pub(crate) fn is_replayable(&self) -> bool {
        let state = self.lock();
        state.replayable && !matches!(state.progress, Progress::Failed(_))
    }

    /// Whether there is a body at all.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.given == 0 && matches!(state.progress, Progress::Done(_))
    }

    /// The body from its beginning. `frame_limit` splits larger parts, so that progress
    /// shows on a slow connection.
    pub(crate) fn player(&self, frame_limit: Option<usize>) -> RequestBody {
        let mut state = self.lock();
        let nothing_to_give = state.kept.is_empty() && matches!(state.progress, Progress::Done(_));
        if !nothing_to_give && !matches!(state.progress, Progress::Failed(_)) {
            state.progress = Progress::Untouched;
        }
        drop(state);
        RequestBody { source: self.clone(), position: 0, rest: Bytes::new(), frame_limit }
    }
}

/// One sending of the body.
pub(crate) struct RequestBody {
    source: RequestSource,
    /// How many of the kept parts this sending has given.
    position: usize,
    /// What is left of a part that was split.
    rest: Bytes,
    frame_limit: Option<usize>,
}

impl RequestBody {
    /// Gives a part, or its beginning when it is large, and notes how far that is.
    fn give(&mut self, state: &mut State, mut part: Bytes) -> Frame<Bytes> {
        let now = match self.frame_limit {
            Some(limit) if part.len() > limit => part.split_to(limit),
            _ => std::mem::take(&mut part),
        };
        self.rest = part;
        let all = self.rest.is_empty() && self.position >= state.kept.len() && state.is_exhausted();
        state.progress = if all { Progress::Done(Instant::now()) } else { Progress::Given(Instant::now()) };
        Frame::data(now)
    }
}

impl State {
    /// Whether the source has given all it has.
    fn is_exhausted(&self) -> bool {
        self.source.is_end_stream() && self.declared.is_none_or(|declared| self.given >= declared)
    }

    /// Takes the next part from the source.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SourceFailure>>> {
        let frame = match Pin::new(&mut self.source).poll_frame(cx) {
            Poll::Pending => {
                self.progress = Progress::AwaitsSource;
                return Poll::Pending;
            }
            Poll::Ready(frame) => frame,
        };
        let failure = match frame {
            None => match self.declared {
                Some(declared) if self.given < declared => SourceFailure::TooShort { given: self.given, declared },
                _ => {
                    self.progress = Progress::Done(Instant::now());
                    return Poll::Ready(None);
                }
            },
            Some(Err(error)) => SourceFailure::Source(error),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.given += length as u64;
                match self.declared {
                    Some(declared) if self.given > declared => SourceFailure::TooLong { declared },
                    _ => {
                        self.keep(&frame);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
            }
        };
        self.progress = Progress::Failed(failure.clone());
        Poll::Ready(Some(Err(failure)))
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let is_whole = self.kept.is_empty() && self.source.is_end_stream();
        match frame.data_ref() {
            Some(data) if self.replayable && (is_whole || self.kept_bytes + data.len() <= REPLAY_LIMIT) => {
                self.kept_bytes += data.len();
                self.kept.push(data.clone());
            }
            _ => {
                self.replayable = false;
                self.kept = Vec::new();
            }
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = SourceFailure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SourceFailure>>> {
        let source = self.source.clone();
        let mut state = source.lock();
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(self.give(&mut state, rest))));
        }
        if let Some(part) = state.kept.get(self.position).cloned() {
            self.position += 1;
            return Poll::Ready(Some(Ok(self.give(&mut state, part))));
        }
        match state.poll_source(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.position = state.kept.len();
                match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(self.give(&mut state, data)))),
                    Err(trailers) => {
                        state.progress = Progress::Done(Instant::now());
                        Poll::Ready(Some(Ok(trailers)))
                    }
                }
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.source.lock();
        self.rest.is_empty() && self.position >= state.kept.len() && state.is_exhausted()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.source.lock();
        match state.declared {
            // What this sending has given already does not matter: it is asked for before the first part only.
            Some(declared) => SizeHint::with_exact(declared),
            None => state.source.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::result_large_err)]
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn body(parts: Vec<Result<&'static str, BodyError>>) -> Body {
        StreamBody::new(stream::iter(parts.into_iter().map(|part| part.map(|text| Frame::data(Bytes::from(text))))))
            .boxed_unsync()
    }

    async fn read(source: &RequestSource, limit: Option<usize>) -> Result<Vec<String>, SourceFailure> {
        let mut player = source.player(limit);
        let mut parts = Vec::new();
        while let Some(frame) = player.frame().await {
            parts.push(String::from_utf8(frame?.into_data().unwrap().to_vec()).unwrap());
        }
        Ok(parts)
    }

    #[tokio::test]
    async fn is_given_again_from_its_beginning() {
        let source = RequestSource::new(body(vec![Ok("one"), Ok("two"), Ok("three")]), None);
        let mut player = source.player(None);
        player.frame().await.unwrap().unwrap();
        player.frame().await.unwrap().unwrap();
        drop(player);
        assert!(source.is_replayable());
        assert_eq!(read(&source, None).await.unwrap(), ["one", "two", "three"]);
        assert_eq!(read(&source, Some(2)).await.unwrap(), ["on", "e", "tw", "o", "th", "re", "e"]);
        assert!(matches!(source.progress(), Progress::Done(_)));
    }

    #[tokio::test]
    async fn a_long_body_is_not_kept() {
        let long: &'static str = "x".repeat(REPLAY_LIMIT + 1).leak();
        let source = RequestSource::new(body(vec![Ok(long)]), None);
        assert!(source.is_replayable());
        assert_eq!(read(&source, None).await.unwrap().len(), 1);
        assert!(!source.is_replayable());
    }

    #[tokio::test]
    async fn a_long_body_that_is_there_as_a_whole_is_given_again() {
        let source = RequestSource::new(invocation::full("x".repeat(REPLAY_LIMIT * 3)), None);
        assert_eq!(read(&source, None).await.unwrap().len(), 1);
        assert!(source.is_replayable());
        assert_eq!(read(&source, Some(REPLAY_LIMIT)).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn its_length_is_held_to() {
        let short = RequestSource::new(body(vec![Ok("abc")]), Some(5));
        assert!(matches!(read(&short, None).await, Err(SourceFailure::TooShort { given: 3, declared: 5 })));
        let long = RequestSource::new(body(vec![Ok("abc"), Ok("def")]), Some(5));
        assert!(matches!(read(&long, None).await, Err(SourceFailure::TooLong { declared: 5 })));
        assert!(!long.is_replayable());
    }

    #[tokio::test]
    async fn a_failing_source_is_remembered() {
        let source =
            RequestSource::new(body(vec![Ok("abc"), Err(BodyError::Canceled("the visitor left".to_owned()))]), None);
        assert!(read(&source, None).await.is_err());
        assert!(matches!(source.progress(), Progress::Failed(SourceFailure::Source(_))));
    }

    #[test]
    fn no_body_is_done_from_the_start() {
        let source = RequestSource::new(invocation::empty(), None);
        assert!(source.is_empty());
        assert!(http_body::Body::is_end_stream(&source.player(None)));
        assert!(source.is_empty());
    }
}
