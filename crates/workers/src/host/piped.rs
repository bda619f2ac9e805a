//! A response body that script does not touch, watched for its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use invocation::{Body, BodyError};

use crate::event::Event;
use crate::seat::Seat;
use crate::supervisor::Ticket;

/// A native response body that tells the isolate's thread how it ended.
pub(super) struct PipedBody {
    pub body: Body,
    pub seat: Arc<Seat>,
    pub ticket: Ticket,
    /// Bytes still to come, when their number was announced.
    pub remaining: Option<u64>,
    pub finished: bool,
}

impl PipedBody {
    fn finish(&mut self, event: Event) {
        if !std::mem::replace(&mut self.finished, true) {
            self.seat.mailbox.post(event);
        }
    }
}

impl http_body::Body for PipedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        match &frame {
            None => this.finish(Event::BodyOver(this.ticket)),
            Some(Err(error)) => this.finish(Event::BodyFailed(this.ticket, error.clone())),
            Some(Ok(frame)) => {
                if let (Some(remaining), Some(data)) = (&mut this.remaining, frame.data_ref()) {
                    *remaining = remaining.saturating_sub(data.len() as u64);
                }
                if this.body.is_end_stream() {
                    this.finish(Event::BodyOver(this.ticket));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for PipedBody {
    fn drop(&mut self) {
        // A reader need not ask for the end when it knows the length.
        let taken = self.remaining == Some(0) || self.body.is_end_stream();
        self.finish(if taken { Event::BodyOver(self.ticket) } else { Event::VisitorGone(self.ticket) });
    }
}
