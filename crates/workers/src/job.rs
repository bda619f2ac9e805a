//! An invocation that has not begun: what the dispatcher hands to the pool, and what it keeps to hear the answer.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::Response;
use invocation::{Answer, Body, Call, CallFailed, Ended, Entrypoint, Event, Outcome, RayId, TraceContext};
use telemetry::{ExceptionRecord, InvocationRecord};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::event;
use crate::seat::Seat;
use crate::supervisor::Ticket;
use crate::version::WorkerVersion;

/// What the one who asked gets.
pub(crate) type Reply = Result<Answer, CallFailed>;

/// An invocation that has not begun.
pub(crate) struct Job {
    pub ticket: Ticket,
    pub id: Uuid,
    pub event: Event,
    pub entrypoint: Entrypoint,
    /// How many Workers called one another to come here.
    pub depth: u8,
    pub trace: Option<TraceContext>,
    pub ray_id: RayId,
    pub started: OffsetDateTime,
    pub begun: Instant,
    pub reply: oneshot::Sender<Reply>,
    whereabouts: Arc<Mutex<Option<Arc<Seat>>>>,
}

static TICKETS: AtomicU64 = AtomicU64::new(1);

impl Job {
    /// A job, and the future of its answer.
    pub(crate) fn new(call: Call) -> (Job, Answering) {
        let (reply, answer) = oneshot::channel();
        let ticket = TICKETS.fetch_add(1, Ordering::Relaxed);
        let whereabouts = Arc::new(Mutex::new(None));
        let job = Job {
            ticket,
            id: Uuid::new_v4(),
            event: call.event,
            entrypoint: call.entrypoint,
            depth: call.depth,
            trace: call.trace,
            ray_id: call.ray_id,
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
        let (method, url, headers, trigger) = match &self.event {
            Event::Fetch(request) => {
                let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                };
                let headers = request.headers().iter().map(header).collect();
                (request.method().as_str().to_owned(), request.uri().to_string(), headers, None)
            }
            Event::Scheduled { cron, time } => {
                let trigger = [("cron".to_owned(), cron.as_str().into()), ("scheduledTime".to_owned(), (*time).into())];
                (String::new(), String::new(), Vec::new(), Some(trigger.into_iter().collect()))
            }
            Event::Tail { producers, .. } => {
                let consumed = producers.iter().map(|name| serde_json::json!({"scriptName": name})).collect();
                let trigger = [("consumedEvents".to_owned(), serde_json::Value::Array(consumed))];
                (String::new(), String::new(), Vec::new(), Some(trigger.into_iter().collect()))
            }
            Event::Rpc(rpc) => {
                let trigger = [("rpcMethod".to_owned(), rpc.path.join(".").into())].into_iter().collect();
                (String::new(), String::new(), Vec::new(), Some(trigger))
            }
        };
        InvocationRecord {
            id: self.id,
            ray_id: self.ray_id,
            worker: version.name.to_string(),
            version: version.id,
            event_type: self.event.name(),
            entrypoint: self.entrypoint.name.as_deref().map(str::to_owned),
            started: self.started,
            outcome: Outcome::Ok,
            cpu_time: std::time::Duration::ZERO,
            wall_time: std::time::Duration::ZERO,
            memory: 0,
            method,
            url,
            headers,
            trigger,
            status: None,
            logs: Vec::new(),
            exceptions: Vec::new(),
            subrequests: Vec::new(),
            further_subrequests: 0,
            truncated: false,
            trace: self.trace,
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
        let _ = self.reply.send(Err(ended.into()));
        record
    }
}

/// Waits for the answer. Dropping it says that the visitor is gone.
pub(crate) struct Answering {
    ticket: Ticket,
    answer: Option<oneshot::Receiver<Reply>>,
    whereabouts: Arc<Mutex<Option<Arc<Seat>>>>,
}

impl Future for Answering {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let lost = || CallFailed::from(Ended::new(Outcome::InternalError, "The isolate's thread ended."));
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
            seat.mailbox.post(event::Event::VisitorGone(self.ticket));
        }
    }
}

/// Waits for the response to a visitor's request. Dropping it says that the visitor is gone.
pub(crate) struct Responding(pub Answering);

impl Future for Responding {
    type Output = Result<Response<Body>, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(Answer::Response(response)) => Ok(response),
            Ok(Answer::Value(_) | Answer::Done) => {
                Err(Ended::new(Outcome::InternalError, "A request was answered with a value and not with a response."))
            }
            Err(failed) => Err(failed.ended),
        })
    }
}
