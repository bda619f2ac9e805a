//! An invocation that has not begun: what the dispatcher hands to the pool, and what it keeps to hear the answer.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{Request, Response};
use invocation::{Body, Ended, Invocation, Outcome, RayId};
use telemetry::{ExceptionRecord, InvocationRecord};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::event::Event;
use crate::seat::Seat;
use crate::supervisor::Ticket;
use crate::version::WorkerVersion;

/// What the visitor gets.
pub(crate) type Answer = Result<Response<Body>, Ended>;

/// An invocation that has not begun.
pub(crate) struct Job {
    pub ticket: Ticket,
    pub id: Uuid,
    pub request: Request<Body>,
    pub ray_id: RayId,
    pub started: OffsetDateTime,
    pub begun: Instant,
    pub reply: oneshot::Sender<Answer>,
    whereabouts: Arc<Mutex<Option<Arc<Seat>>>>,
}

static TICKETS: AtomicU64 = AtomicU64::new(1);

impl Job {
    /// A job, and the future of its answer.
    pub(crate) fn new(invocation: Invocation) -> (Job, Answering) {
        let (reply, answer) = oneshot::channel();
        let ticket = TICKETS.fetch_add(1, Ordering::Relaxed);
        let whereabouts = Arc::new(Mutex::new(None));
        let job = Job {
            ticket,
            id: Uuid::new_v4(),
            request: invocation.request,
            ray_id: invocation.ray_id,
            started: OffsetDateTime::now_utc(),
            begun: Instant::now(),
            reply,
            whereabouts: whereabouts.clone(),
        };
        (job, Answering { ticket, answer: Some(answer), whereabouts })
    }

    /// Notes where the job goes, before it goes there.
    pub(crate) fn moves_to(&self, seat: &Arc<Seat>) {
        *self.whereabouts.lock().unwrap_or_else(PoisonError::into_inner) = Some(seat.clone());
    }

    /// The record of an invocation as it begins.
    pub(crate) fn record(&self, version: &WorkerVersion) -> InvocationRecord {
        InvocationRecord {
            id: self.id,
            ray_id: self.ray_id,
            worker: version.name.to_string(),
            version: version.id,
            event_type: "fetch",
            started: self.started,
            outcome: Outcome::Ok,
            cpu_time: std::time::Duration::ZERO,
            wall_time: std::time::Duration::ZERO,
            memory: 0,
            method: self.request.method().as_str().to_owned(),
            url: self.request.uri().to_string(),
            headers: self
                .request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            status: None,
            logs: Vec::new(),
            exceptions: Vec::new(),
            subrequests: Vec::new(),
            truncated: false,
        }
    }

    /// Ends a job that never began: tells the visitor and gives the record.
    pub(crate) fn refuse(
        self,
        version: &WorkerVersion,
        ended: Ended,
        exceptions: Vec<ExceptionRecord>,
    ) -> InvocationRecord {
        let record = InvocationRecord {
            outcome: ended.outcome,
            wall_time: self.begun.elapsed(),
            exceptions,
            ..self.record(version)
        };
        // The visitor may have left meanwhile.
        let _ = self.reply.send(Err(ended));
        record
    }
}

/// Waits for the answer. Dropping it says that the visitor is gone.
pub(crate) struct Answering {
    ticket: Ticket,
    answer: Option<oneshot::Receiver<Answer>>,
    whereabouts: Arc<Mutex<Option<Arc<Seat>>>>,
}

impl Future for Answering {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let lost = || Ended::new(Outcome::InternalError, "The isolate's thread ended.");
        let Some(answer) = &mut self.answer else { return Poll::Ready(Err(lost())) };
        let answer = ready!(Pin::new(answer).poll(cx));
        self.answer = None;
        Poll::Ready(answer.unwrap_or_else(|_| Err(lost())))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Closed first: a thread that begins the job after this sees it, one that began it before gets the event.
        let Some(mut answer) = self.answer.take() else { return };
        answer.close();
        if answer.try_recv().is_ok() {
            // Answered, but nobody will read the response: its body, dropped here, tells the rest.
            return;
        }
        let seat = self.whereabouts.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(seat) = seat {
            seat.mailbox.post(Event::VisitorGone(self.ticket));
        }
    }
}
