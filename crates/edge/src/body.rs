//! Bodies on their way through the edge: bounded and timed going in, accounted for coming out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use invocation::{Body, BodyError};
use tokio::time::{Sleep, sleep};

use crate::activity::Activity;
use crate::vigil::Awaited;
use crate::visit::Visit;

/// A visitor's request body.
pub(crate) struct RequestBody {
    incoming: Incoming,
    /// How many bytes may still come.
    left: Option<u64>,
    limit: u64,
    /// Set once the limit was passed, so that the response can say so.
    too_large: Arc<AtomicBool>,
    timeout: Duration,
    /// Runs while the Worker waits and nothing comes. Made when it is first needed.
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
    activity: Arc<Activity>,
}

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        limit: Option<u64>,
        timeout: Duration,
        too_large: Arc<AtomicBool>,
        activity: Arc<Activity>,
    ) -> Self {
        let ended = incoming.is_end_stream();
        Self {
            incoming,
            left: limit,
            limit: limit.unwrap_or(u64::MAX),
            too_large,
            timeout,
            timer: None,
            ended,
            activity,
        }
    }

    /// Whether these bytes are within the limit.
    fn admits(&mut self, data: &Bytes) -> bool {
        let Some(left) = &mut self.left else { return true };
        match left.checked_sub(data.len() as u64) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => {
                self.too_large.store(true, Ordering::Relaxed);
                false
            }
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer = None;
                match frame.data_ref() {
                    Some(data) if !this.admits(data) => {
                        Poll::Ready(Some(Err(BodyError::TooLarge { limit: this.limit })))
                    }
                    _ => Poll::Ready(Some(Ok(frame))),
                }
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(BodyError::Canceled(format!("the visitor's request broke off ({error})")))))
            }
            Poll::Ready(None) => {
                this.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let timeout = this.timeout;
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let seconds = timeout.as_secs_f64();
                Poll::Ready(Some(Err(BodyError::Canceled(format!("the visitor sent nothing for {seconds} s")))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended && !self.incoming.is_end_stream() {
            self.activity.handle_body_abandoned();
        }
    }
}

/// One request in flight on its connection, from its head until this is dropped.
pub(crate) struct InFlight(Arc<Activity>);

impl InFlight {
    pub(crate) fn begin(activity: Arc<Activity>, multiplexed: bool) -> Self {
        activity.handle_request(multiplexed);
        Self(activity)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.handle_request_end();
    }
}

/// What is sent to the visitor.
pub(crate) enum Content {
    /// A page of the edge.
    Page(Option<Bytes>),
    /// A Worker's body.
    Worker(Body),
    /// A Worker's body that failed. The error waits for one turn: hyper gives up the connection at once when it sees it,
    /// and with it what is written but not flushed.
    Failed(Option<BodyError>),
}

/// A response's body; the request it answers is in flight until it is dropped.
pub(crate) struct ResponseBody {
    pub content: Content,
    /// Who is told when it is over.
    pub visit: Option<Visit>,
    pub _in_flight: InFlight,
    pub _awaited: Awaited,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.as_mut().poll_content(cx);
        if let Some(visit) = &mut self.visit {
            match &polled {
                Poll::Ready(Some(Ok(frame))) => visit.sent(frame.data_ref().map_or(0, Bytes::len)),
                Poll::Ready(None) => visit.completed(),
                Poll::Ready(Some(Err(_))) | Poll::Pending => {}
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Page(page) => page.is_none(),
            Content::Worker(body) => body.is_end_stream(),
            Content::Failed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Page(page) => SizeHint::with_exact(page.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Worker(body) => body.size_hint(),
            Content::Failed(_) => SizeHint::default(),
        }
    }
}

impl ResponseBody {
    fn poll_content(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.content {
            Content::Page(page) => Poll::Ready(page.take().map(Frame::data).map(Ok)),
            Content::Worker(body) => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Err(error))) => {
                    self.content = Content::Failed(Some(error));
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                other => other,
            },
            Content::Failed(error) => Poll::Ready(error.take().map(Err)),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // Whoever knows the length does not ask for the end.
        if self.is_end_stream()
            && let Some(visit) = &mut self.visit
        {
            visit.completed();
        }
    }
}
