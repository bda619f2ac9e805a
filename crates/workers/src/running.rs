//! One invocation as it runs: its record so far, and whoever waits for its answer.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use connection_error::ConnectionError;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use invocation::{
    Answer, CallFailed, Caller, Ended, Entrypoint, Event, FetchError, TRACEPARENT, TRACESTATE, TraceContext,
};
use isolate::{Charge, Ledger};
use telemetry::{ConsoleLine, ExceptionRecord, InvocationRecord, Level, SubrequestRecord};
use time::OffsetDateTime;
use tokio::sync::{Semaphore, oneshot};

use crate::job::{Job, Reply};
use crate::version::WorkerVersion;

/// Bytes of log data that are kept of one invocation.
pub(crate) const LOG_LIMIT: usize = 256 * 1024;
/// Bytes of one exception's message, and of its stack, that are kept.
const EXCEPTION_LIMIT: usize = 16 * 1024;
/// Exceptions that are kept of one invocation.
const EXCEPTIONS: usize = 100;
/// Subrequests that are recorded of one invocation.
const SUBREQUESTS: usize = 1000;
/// Subrequests that may wait for their response head at the same time.
const CONNECTIONS: usize = 6;

/// Milliseconds since 1970.
pub(crate) fn timestamp() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// An invocation that has begun.
pub(crate) struct Running {
    /// Filled in as it goes on.
    pub record: InvocationRecord,
    /// Who waits for the response; gone once answered.
    reply: Option<oneshot::Sender<Reply>>,
    /// What the handler threw, for the Worker that called.
    pub thrown: Option<Bytes>,
    /// How many Workers called one another to come here.
    pub depth: u8,
    /// Whether it is a HEAD request.
    pub is_head: bool,
    begun: Instant,
    log_bytes: usize,
    subrequests: u32,
    connections: Option<Arc<Semaphore>>,
    /// For the record: it is the isolate's memory until it is done.
    charge: Charge,
}

impl Running {
    /// The record of a job, and whoever waits for it. What began it goes its own way.
    pub(crate) fn new(job: Job, version: &WorkerVersion, ledger: &Ledger) -> (Running, Event, Entrypoint) {
        let running = Running {
            record: job.record(version),
            is_head: matches!(&job.event, Event::Fetch(request) if request.method() == Method::HEAD),
            reply: Some(job.reply),
            thrown: None,
            depth: job.depth,
            begun: job.begun,
            log_bytes: 0,
            subrequests: 0,
            connections: None,
            charge: ledger.charge(0),
        };
        (running, job.event, job.entrypoint)
    }

    /// Who asks for a subrequest.
    pub(crate) fn caller(&self, worker: &Arc<str>, record: usize) -> Caller {
        Caller {
            worker: Arc::clone(worker),
            invocation: self.record.id,
            ray_id: self.record.ray_id,
            trace: self.trace_of(record),
        }
    }

    /// The span of a subrequest, where the invocation is traced.
    pub(crate) fn trace_of(&self, record: usize) -> Option<TraceContext> {
        Some(self.record.trace?.child(telemetry::subrequest_span(self.record.id, record)))
    }

    /// Answers the one who asked. `false` when nobody waits any more.
    pub(crate) fn answer(&mut self, answer: Answer) -> bool {
        let status = if let Answer::Response(response) = &answer { Some(response.status().as_u16()) } else { None };
        let sent = self.reply.take().is_some_and(|reply| reply.send(Ok(answer)).is_ok());
        if sent {
            self.record.status = status;
        }
        sent
    }

    /// Tells the one who asked that there will be no answer.
    pub(crate) fn refuse(&mut self, ended: Ended) {
        if let Some(reply) = self.reply.take() {
            // Nobody may wait any more.
            let _ = reply.send(Err(CallFailed { ended, thrown: self.thrown.take() }));
        }
    }

    /// Keeps a console line, as far as the limit allows.
    pub(crate) fn log(&mut self, mut line: ConsoleLine, bytes: usize) {
        let left = LOG_LIMIT.saturating_sub(self.log_bytes);
        if left == 0 {
            self.record.truncated = true;
            return;
        }
        if bytes > left {
            self.record.truncated = true;
            let text = line.message.iter().map(|value| match value {
                serde_json::Value::String(text) => text.clone(),
                value => value.to_string(),
            });
            let mut text = text.collect::<Vec<_>>().join(" ");
            truncate(&mut text, left);
            line.message = vec![serde_json::Value::String(text)];
        }
        // Parsed JSON is larger than its text.
        self.charge.grow(bytes.min(left).saturating_mul(2));
        self.log_bytes = self.log_bytes.saturating_add(bytes).min(LOG_LIMIT);
        self.record.logs.push(line);
    }

    /// The platform has something to say in the Worker's log.
    pub(crate) fn note(&mut self, text: &str) {
        let message = vec![serde_json::Value::String(text.to_owned())];
        self.log(ConsoleLine { timestamp: timestamp(), level: Level::Warn, message }, text.len());
    }

    /// A connection to a private service failed: that leaves a line, whatever the Worker does about it.
    pub(crate) fn connection_failed(&mut self, error: &ConnectionError) {
        let text = format!("{error} ({}, {}): {}", error.category, error.phase, error.detail);
        let facts = serde_json::to_value(error).unwrap_or_default();
        let bytes = text.len() + facts.to_string().len();
        let message = vec![serde_json::Value::String(text), facts];
        self.log(ConsoleLine { timestamp: timestamp(), level: Level::Warn, message }, bytes);
    }

    /// Keeps an exception that nothing caught.
    pub(crate) fn exception(&mut self, mut exception: ExceptionRecord) {
        if self.record.exceptions.len() >= EXCEPTIONS {
            self.record.truncated = true;
            return;
        }
        self.record.truncated |= truncate(&mut exception.message, EXCEPTION_LIMIT);
        self.record.truncated |= truncate(&mut exception.stack, EXCEPTION_LIMIT);
        self.charge.grow(exception.message.len() + exception.stack.len());
        self.record.exceptions.push(exception);
    }

    /// Counts a subrequest; `false` when it is one too many.
    pub(crate) fn count_subrequest(&mut self, limit: u32) -> bool {
        self.subrequests = self.subrequests.saturating_add(1);
        self.subrequests <= limit
    }

    /// A subrequest begins. Gives the index of its record.
    pub(crate) fn subrequest(&mut self, target: &str, method: &str, url: &str) -> usize {
        if self.record.subrequests.len() >= SUBREQUESTS {
            self.record.truncated = true;
            self.record.further_subrequests += 1;
            return usize::MAX;
        }
        self.charge.grow(target.len() + url.len() + size_of::<SubrequestRecord>());
        self.record.subrequests.push(SubrequestRecord {
            target: target.to_owned(),
            method: method.to_owned(),
            url: url.to_owned(),
            started_ms: self.elapsed_ms(),
            duration_ms: -1.0,
            status: None,
            error: None,
        });
        self.record.subrequests.len() - 1
    }

    /// Adds the headers that pass a subrequest's span on. A Worker that traces by itself is left alone.
    pub(crate) fn pass_on_trace(&self, record: usize, headers: &mut HeaderMap) {
        let (Some(own), Some(trace)) = (self.record.trace, self.trace_of(record)) else { return };
        let given = headers.get(TRACEPARENT).and_then(|value| TraceContext::parse(value.to_str().ok()?));
        if given.is_some_and(|given| given.span_id != own.span_id) {
            return;
        }
        if let Ok(value) = HeaderValue::try_from(trace.to_string()) {
            headers.insert(HeaderName::from_static(TRACEPARENT), value);
        }
        if headers.contains_key(TRACESTATE) {
            return;
        }
        // It may stand on several lines, which are one list (W3C Trace Context, section 3.3.1).
        let states = self.record.headers.iter().filter(|(name, _)| name == TRACESTATE);
        for value in states.filter_map(|(_, state)| HeaderValue::from_str(state).ok()) {
            headers.append(HeaderName::from_static(TRACESTATE), value);
        }
    }

    /// A subrequest's response head is there (or its connection, which has no status), or it failed.
    pub(crate) fn subrequest_ended(&mut self, index: usize, result: Result<Option<u16>, &FetchError>) {
        if let Err(FetchError::Connection(error)) = result {
            self.connection_failed(error);
        }
        self.note_end(index, result.map_err(ToString::to_string));
    }

    /// How a subrequest ended, for its record.
    pub(crate) fn note_end(&mut self, index: usize, result: Result<Option<u16>, String>) {
        let now = self.elapsed_ms();
        if let Some(record) = self.record.subrequests.get_mut(index) {
            record.duration_ms = now - record.started_ms;
            match result {
                Ok(status) => record.status = status,
                Err(error) => record.error = Some(error),
            }
        }
    }

    /// Another Worker answered, or gave no answer.
    pub(crate) fn called(&mut self, index: usize, result: &Reply) {
        match result {
            Ok(Answer::Response(response)) => self.subrequest_ended(index, Ok(Some(response.status().as_u16()))),
            Ok(Answer::Value(_) | Answer::Done) => self.subrequest_ended(index, Ok(None)),
            Err(CallFailed { ended, .. }) => self.note_end(index, Err(ended.message.clone())),
        }
    }

    /// Lets six subrequests at a time wait for their response head.
    pub(crate) fn connections(&mut self) -> Arc<Semaphore> {
        self.connections.get_or_insert_with(|| Arc::new(Semaphore::new(CONNECTIONS))).clone()
    }

    fn elapsed_ms(&self) -> f64 {
        self.begun.elapsed().as_micros() as f64 / 1000.0
    }

    /// The record at the end, subrequests that are still waiting being given up.
    pub(crate) fn into_record(mut self) -> InvocationRecord {
        let now = self.elapsed_ms();
        for record in &mut self.record.subrequests {
            if record.duration_ms < 0.0 {
                record.duration_ms = now - record.started_ms;
                record.error = Some("given up at the end of the invocation".to_owned());
            }
        }
        InvocationRecord { wall_time: self.begun.elapsed(), ..self.record }
    }
}

/// Cuts text to at most `limit` bytes, at a character's boundary. Whether it had to.
fn truncate(text: &mut String, limit: usize) -> bool {
    let cut = text.len() > limit;
    if cut {
        text.truncate(text.floor_char_boundary(limit));
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let mut text = "aé".to_owned();
        assert!(truncate(&mut text, 2));
        assert_eq!(text, "a");
        assert!(!truncate(&mut text, 1));
    }
}
