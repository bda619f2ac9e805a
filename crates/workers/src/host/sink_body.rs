//! The two ends of a body that JavaScript writes: a queue of bounded length between the isolate's thread and the reader.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use invocation::BodyError;

use crate::event::{Completion, Event};
use crate::seat::Seat;
use crate::supervisor::Ticket;

/// A write is complete at once while no more than this many bytes wait for the reader; else when the reader has come down to it.
pub(super) const HIGH_WATER: usize = 64 * 1024;

#[derive(Default)]
enum End {
    /// More may be written.
    #[default]
    Open,
    /// All was written.
    Closed,
    /// The writer gave up, for this reason.
    Aborted(String),
}

#[derive(Default)]
struct State {
    queue: VecDeque<Bytes>,
    queued: usize,
    end: End,
    reader: Option<Waker>,
    /// The operation of a write that waits for the reader.
    writer: Option<u64>,
    reader_gone: bool,
}

/// What both ends share.
pub(super) struct Pipe {
    state: Mutex<State>,
}

/// What became of a write.
pub(super) enum Written {
    /// More may be written at once.
    Taken,
    /// The operation completes when more may be written.
    Waits,
    /// There is no reader any more, or the body was ended.
    Refused,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes in the queue, on behalf of an operation.
    pub(super) fn write(&self, bytes: Bytes, operation: u64) -> Written {
        let mut state = self.lock();
        if state.reader_gone || !matches!(state.end, End::Open) {
            return Written::Refused;
        }
        if !bytes.is_empty() {
            state.queued = state.queued.saturating_add(bytes.len());
            state.queue.push_back(bytes);
        }
        let written = if state.queued <= HIGH_WATER {
            Written::Taken
        } else {
            state.writer = Some(operation);
            Written::Waits
        };
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        written
    }

    /// All was written.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.end, End::Open) {
            state.end = End::Closed;
        }
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// The body fails for its reader; what waits is dropped. Does nothing once all was written. Gives the write that waits.
    pub(super) fn abort(&self, reason: &str) -> Option<u64> {
        let mut state = self.lock();
        let mut writer = None;
        if matches!(state.end, End::Open) {
            state.end = End::Aborted(reason.to_owned());
            state.queue.clear();
            state.queued = 0;
            writer = state.writer.take();
        }
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        writer
    }

    /// The write that waits, which nothing will complete any more.
    pub(super) fn take_writer(&self) -> Option<u64> {
        self.lock().writer.take()
    }
}

fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// The reader's end.
pub(super) struct SinkBody {
    pipe: Arc<Pipe>,
    seat: Arc<Seat>,
    sink: u64,
    /// The invocation whose response this is.
    response_of: Option<Ticket>,
    /// Bytes still to come, when their number was announced.
    remaining: Option<u64>,
    finished: bool,
}

impl SinkBody {
    /// The writer's and the reader's end of a body.
    pub(super) fn new(
        seat: Arc<Seat>,
        sink: u64,
        response_of: Option<Ticket>,
        length: Option<u64>,
    ) -> (Arc<Pipe>, SinkBody) {
        let pipe = Arc::new(Pipe { state: Mutex::default() });
        (pipe.clone(), SinkBody { pipe, seat, sink, response_of, remaining: length, finished: false })
    }

    fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true)
            && let Some(ticket) = self.response_of
        {
            self.seat.mailbox.post(Event::BodyOver(ticket));
        }
    }
}

impl Body for SinkBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.finished {
            return Poll::Ready(None);
        }
        let mut state = this.pipe.lock();
        if let Some(bytes) = state.queue.pop_front() {
            state.queued = state.queued.saturating_sub(bytes.len());
            let writer = if state.queued <= HIGH_WATER { state.writer.take() } else { None };
            let over = state.queue.is_empty() && matches!(state.end, End::Closed);
            drop(state);
            if let Some(operation) = writer {
                this.seat.mailbox.post(Event::Completed { operation, completion: Completion::Done });
            }
            if let Some(remaining) = &mut this.remaining {
                *remaining = remaining.saturating_sub(bytes.len() as u64);
            }
            if over {
                this.finish();
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &state.end {
            End::Open => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
            End::Closed => {
                drop(state);
                this.finish();
                Poll::Ready(None)
            }
            End::Aborted(reason) => {
                let error = BodyError::Canceled(reason.clone());
                drop(state);
                // The writer knows.
                this.finished = true;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.finished || {
            let state = self.pipe.lock();
            state.queue.is_empty() && matches!(state.end, End::Closed)
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for SinkBody {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let mut state = self.pipe.lock();
        let taken = self.remaining == Some(0) || (state.queue.is_empty() && matches!(state.end, End::Closed));
        let aborted = matches!(state.end, End::Aborted(_));
        state.reader_gone = true;
        let queue = std::mem::take(&mut state.queue);
        state.queued = 0;
        drop(state);
        drop(queue);
        if taken {
            self.finish();
        } else if !aborted {
            self.seat.mailbox.post(Event::ReaderGone { sink: self.sink, response_of: self.response_of });
        }
    }
}
